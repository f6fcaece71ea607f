/**
 * The public name server's logic: authoritative answers, no recursion, nothing remembered. A query goes down this list, and the
 * first line that fits is its answer:
 *
 * | not a header, or a response                    | silence                                            |
 * | opcode other than QUERY                        | NOTIMP                                             |
 * | anything malformed; not exactly one question   | FORMERR                                            |
 * | EDNS version above 0                           | BADVERS                                            |
 * | class other than IN; zone transfers            | REFUSED                                            |
 * | a name in none of the zones                    | REFUSED                                            |
 * | records of that name and type, or type ANY     | NOERROR, AA                                        |
 * | the name exists, the type does not             | NOERROR, AA, the SOA as authority (RFC 2308 2.2)   |
 * | the name does not exist                        | NXDOMAIN, AA, the SOA as authority (RFC 2308 2.1)  |
 */
import type { Answer } from "dns-packet";
import {
  CLASS_IN,
  decodeHeader,
  decodeQuery,
  encodeResponse,
  MESSAGE_BYTES,
  OPCODE_QUERY,
  PLAIN_UDP_BYTES,
  type Query,
  RCODE,
  type Response,
  TYPE,
} from "./message.ts";
import { nameExists, type Zone, type ZoneRecord, zoneOf } from "./zone.ts";

/** What we say we take over UDP, and the most that we send: never fragmented on the way (DNS flag day 2020, RFC 9715). */
export const EDNS_UDP_BYTES = 1232;

/** Pure, never throws, whatever the bytes. @returns undefined when nothing is to be said */
export function answerQuery(
  zones: readonly Zone[],
  query: Uint8Array,
  transport: "udp" | "tcp",
): Uint8Array | undefined {
  const header = decodeHeader(query);
  if (!header) return undefined;
  if (header.opcode !== OPCODE_QUERY) return encodeResponse({ header, rcode: RCODE.NOTIMP });
  const decoded = decodeQuery(query, header);
  if (!decoded) return encodeResponse({ header, rcode: RCODE.FORMERR });
  const limit = transport === "tcp" ? MESSAGE_BYTES : udpLimit(decoded);
  const response: Response = { ...beginResponse(decoded), ...resolveQuery(zones, decoded) };
  const encoded = encodeResponse(response);
  if (encoded.length <= limit) return encoded;
  // RFC 2181 section 9: with TC set the client ignores what is there and asks again over TCP
  return encodeResponse({ ...response, truncated: true, answers: [], authorities: [] });
}

function udpLimit({ edns }: Query): number {
  return edns ? Math.min(EDNS_UDP_BYTES, Math.max(PLAIN_UDP_BYTES, edns.udpBytes)) : PLAIN_UDP_BYTES;
}

/** RFC 6891 6.1.1: who asks with OPT is answered with OPT; RFC 3225 section 3: DO is copied. */
function beginResponse({ header, question, edns }: Query): Pick<Response, "header" | "question" | "edns"> {
  return { header, question, ...(edns ? { edns: { udpBytes: EDNS_UDP_BYTES, dnssecOk: edns.dnssecOk } } : {}) };
}

function resolveQuery(
  zones: readonly Zone[],
  { question, edns }: Query,
): Pick<Response, "rcode" | "authoritative" | "answers" | "authorities"> {
  if (edns && edns.version > 0) return { rcode: RCODE.BADVERS };
  // RFC 5936 2.2.1: a server may refuse transfers
  if (question.class !== CLASS_IN || question.type === TYPE.AXFR || question.type === TYPE.IXFR)
    return { rcode: RCODE.REFUSED };
  const zone = zoneOf(zones, question.name);
  if (!zone) return { rcode: RCODE.REFUSED };
  const { name, spelling, type } = question;
  const records = zone.records.filter((r) => r.name === name && (type === TYPE.ANY || TYPE[r.type] === type));
  // the name as it was asked: it differs in the case of its letters only
  const answers = records.map((r) => recordAnswer(r, spelling, zone.ttl));
  if (name === zone.origin && (type === TYPE.SOA || type === TYPE.ANY)) answers.unshift(soaAnswer(zone, spelling));
  if (answers.length > 0) return { rcode: RCODE.NOERROR, authoritative: true, answers };
  return {
    rcode: nameExists(zone, name) ? RCODE.NOERROR : RCODE.NXDOMAIN,
    authoritative: true,
    // RFC 2308 section 3: its TTL is how long the absence may be kept
    authorities: [soaAnswer(zone, zone.origin, Math.min(zone.ttl, zone.soa.minimum))],
  };
}

function recordAnswer({ type, data }: ZoneRecord, name: string, ttl: number): Answer {
  return { type, name, class: "IN", ttl, data };
}

function soaAnswer(zone: Zone, name: string, ttl = zone.ttl): Answer {
  return { type: "SOA", name, class: "IN", ttl, data: { ...zone.soa } };
}
