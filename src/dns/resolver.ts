/**
 * What a name server in a container says, the stand-in of pihole, unbound and the like: it has no names of its own and passes every
 * question on (a container's name is refused there, as the internet's server does). One question it answers itself, as BIND and unbound
 * do: `id.server. CH TXT` (RFC 4892) gives the line of a responder, with the source that the question came from.
 */
import { answerEmbedded, type EmbeddedAnswer, type NameView } from "./embedded.ts";
import { CLASS_CH, decodeHeader, decodeQuery, encodeResponse, OPCODE_QUERY, RCODE, TYPE } from "./message.ts";
import { IDENTITY } from "./question.ts";

const NO_NAMES: NameView = { lookup: () => undefined, reverse: () => undefined, ndotsSet: false };

/** Never throws, whatever the bytes. @param line what a responder would say */
export function answerResolver(line: string, query: Uint8Array, transport: "udp" | "tcp"): EmbeddedAnswer {
  return identify(line, query) ?? answerEmbedded(NO_NAMES, query, transport, (items) => items);
}

function identify(line: string, query: Uint8Array): EmbeddedAnswer | undefined {
  const header = decodeHeader(query);
  const decoded = header?.opcode === OPCODE_QUERY ? decodeQuery(query, header) : undefined;
  if (!header || !decoded) return undefined;
  const { question, edns } = decoded;
  if (question.class !== CLASS_CH || question.type !== TYPE.TXT || question.name !== IDENTITY) return undefined;
  const bytes = encodeResponse({
    header,
    question,
    rcode: RCODE.NOERROR,
    answers: [{ type: "TXT", class: "CH", name: question.spelling, ttl: 0, data: stringsOf(line) }],
    ...(edns ? { edns: { udpBytes: EDNS_UDP_BYTES, dnssecOk: edns.dnssecOk } } : {}),
  });
  return { kind: "answer", bytes };
}

/** A character-string has at most 255 bytes (RFC 1035 3.3). */
const stringsOf = (line: string): string[] => line.match(/.{1,255}/g) ?? [];

/** As the internet's server (RFC 9715). */
const EDNS_UDP_BYTES = 1232;
