/**
 * What the server at 127.0.0.11 says: Docker's names from the view of the asking container, everything else from the servers that it
 * is forwarded to. A query goes down this list (moby daemon/libnetwork/resolver.go serveDNS; flags and sizes seen on dockerd 28.5.2):
 *
 * | no header, a lone header, or a response                    | silence                                                |
 * | opcode other than QUERY and NOTIFY                         | NOTIMP                                                 |
 * | malformed; not exactly one question; too many records      | FORMERR                                                |
 * | A of a name in the view                                    | NOERROR, ra, its addresses in random order, TTL 600    |
 * | AAAA or MX of a name in the view                           | NOERROR, ra, empty                                     |
 * | PTR of an address in the view                              | NOERROR, ra, its name, TTL 600                         |
 * | A or AAAA of one label, and the user set ndots             | NOERROR, ra, empty                                     |
 * | anything else                                              | forwarded; SERVFAIL or REFUSED, no ra, when that fails |
 *
 * The class is not looked at, answers are of class IN, and there is never an OPT record: as Docker has it.
 */
import type { Ipv4 } from "../net/address.ts";
import { isIpv4, toBytes } from "../net/address.ts";
import { compressMessage } from "./compress.ts";
import { type EmbeddedQuery, readEmbeddedQuery } from "./embedded-query.ts";
import {
  CLASS_IN,
  FLAG,
  HEADER_BYTES,
  type Header,
  MESSAGE_BYTES,
  OPCODE_QUERY,
  PLAIN_UDP_BYTES,
  type Question,
  RCODE,
  type Rcode,
  TYPE,
} from "./message.ts";

/** What one container can resolve without asking outside. Names come as spelled in the query, without the last dot. */
export interface NameView {
  /** @returns undefined when Docker does not know the name: then it is forwarded */
  lookup(name: string): readonly Ipv4[] | undefined;
  /** @returns `name.network`, without the last dot */
  reverse(address: Ipv4): string | undefined;
  /** The user gave `--dns-opt ndots:N` with N above 0. */
  readonly ndotsSet: boolean;
}

/** A new order of the same items. */
export type Shuffle = <T>(items: readonly T[]) => readonly T[];

export type EmbeddedAnswer =
  | { readonly kind: "answer"; readonly bytes: Uint8Array }
  | { readonly kind: "drop" }
  | EmbeddedForward;

/** Another server is to be asked, over the same transport. */
export interface EmbeddedForward {
  readonly kind: "forward";
  /** What to send there; its id is the client's. */
  readonly query: Uint8Array;
  /** Judges what came back. Never throws. */
  readReply(reply: Uint8Array): ForwardVerdict;
  /** What the client gets when no server has an answer, or too much is under way. */
  fail(rcode: "SERVFAIL" | "REFUSED"): Uint8Array;
}

export type ForwardVerdict =
  /** To be passed on to the client. */
  | { readonly kind: "answer"; readonly bytes: Uint8Array }
  /** The server has none: ask the next one. */
  | { readonly kind: "failure" }
  /** Belongs to something else: over UDP, wait on. */
  | { readonly kind: "stray" };

/** moby daemon/libnetwork/resolver.go respTTL, in seconds. */
const TTL = 600;

/** Never throws, whatever the bytes. */
export function answerEmbedded(
  names: NameView,
  query: Uint8Array,
  transport: "udp" | "tcp",
  shuffle: Shuffle,
): EmbeddedAnswer {
  const read = readEmbeddedQuery(query, transport);
  if (read.kind === "nothing") return { kind: "drop" };
  if (read.kind === "refused") return { kind: "answer", bytes: refusal(read.header, read.rcode, read.question) };
  const { question, name } = read.query;
  const known = resolve(names, read.query, shuffle);
  if (known === "unencodable") return { kind: "answer", bytes: reply(read.query, { rcode: RCODE.SERVFAIL }) };
  if (known) return { kind: "answer", bytes: fitReply(read.query, known, sizeLimit(read.query, transport)) };
  const isAddressQuery = question.type === TYPE.A || question.type === TYPE.AAAA;
  if (isAddressQuery && names.ndotsSet && !name.includes("."))
    return { kind: "answer", bytes: reply(read.query, { rcode: RCODE.NOERROR, recursion: true }) };
  return forward(read.query, transport);
}

/** An order by chance (Fisher and Yates). */
export const shuffleByChance: Shuffle = (items) => {
  const order = [...items];
  for (let i = order.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1));
    [order[i], order[j]] = [order[j] as (typeof order)[0], order[i] as (typeof order)[0]];
  }
  return order;
};

interface LocalRecord {
  readonly type: number;
  readonly data: Uint8Array;
}

/** @returns undefined when the question is not Docker's; "unencodable" when the name it would say cannot be one of DNS */
function resolve(
  names: NameView,
  { question, name }: EmbeddedQuery,
  shuffle: Shuffle,
): readonly LocalRecord[] | undefined | "unencodable" {
  switch (question.type) {
    case TYPE.A: {
      const addresses = names.lookup(name);
      return addresses && shuffle(addresses).map((address) => ({ type: TYPE.A, data: toBytes(address) }));
    }
    case TYPE.AAAA:
    case TYPE.MX: // an empty answer is an implicit MX (RFC 5321 5.1)
      return names.lookup(name) && [];
    case TYPE.PTR: {
      const address = reverseAddress(name);
      const pointer = address && names.reverse(address);
      if (pointer === undefined) return undefined;
      const data = encodeName(pointer);
      return data ? [{ type: TYPE.PTR, data }] : "unencodable";
    }
    default:
      return undefined;
  }
}

/** Docker compares the text: in lower case, no zeros before a number. */
function reverseAddress(name: string): Ipv4 | undefined {
  const [, ...octets] = /^(\d+)\.(\d+)\.(\d+)\.(\d+)\.in-addr\.arpa$/.exec(name) ?? [];
  const address = octets.reverse().join(".");
  return isIpv4(address) ? address : undefined;
}

/** @returns undefined with an empty label, one above 63 bytes, or more than 255 in all (RFC 1035 2.3.4) */
function encodeName(name: string): Uint8Array | undefined {
  const labels = name.split(".").map((label) => Buffer.from(label));
  if (labels.some((label) => label.length === 0 || label.length > 63)) return undefined;
  const bytes = Buffer.concat([...labels.flatMap((label) => [Uint8Array.of(label.length), label]), Uint8Array.of(0)]);
  return bytes.length > 255 ? undefined : bytes;
}

function sizeLimit({ udpBytes = 0 }: EmbeddedQuery, transport: "udp" | "tcp"): number {
  return transport === "tcp" ? MESSAGE_BYTES : Math.max(PLAIN_UDP_BYTES, udpBytes);
}

/** The question's name is the first thing after the header, so every record can point there. */
const POINTER_TO_QUESTION = Uint8Array.of(0xc0, HEADER_BYTES);

/** Names in full as long as all fits, else compressed, then as many records as fit (miekg/dns msg_truncate.go). */
function fitReply(query: EmbeddedQuery, records: readonly LocalRecord[], limit: number): Uint8Array {
  const { bytes } = query.question;
  const encode = (name: Uint8Array): Uint8Array[] => records.map((record) => encodeRecord(name, record));
  const full = encode(bytes.subarray(0, -4));
  if (HEADER_BYTES + bytes.length + sizeOf(full) <= limit)
    return reply(query, { rcode: RCODE.NOERROR, recursion: true, answers: full });
  let size = HEADER_BYTES + bytes.length;
  const answers: Uint8Array[] = [];
  for (const record of encode(POINTER_TO_QUESTION)) {
    size += record.length;
    if (size > limit) break;
    answers.push(record);
  }
  const truncated = answers.length < records.length;
  return reply(query, { rcode: RCODE.NOERROR, recursion: true, truncated, answers });
}

const sizeOf = (parts: readonly Uint8Array[]): number => parts.reduce((sum, part) => sum + part.length, 0);

/** RFC 1035 4.1.3. */
function encodeRecord(name: Uint8Array, { type, data }: LocalRecord): Uint8Array {
  const head = Buffer.alloc(10);
  head.writeUInt16BE(type, 0);
  head.writeUInt16BE(CLASS_IN, 2);
  head.writeUInt32BE(TTL, 4);
  head.writeUInt16BE(data.length, 8);
  return Buffer.concat([name, head, data]);
}

interface Reply {
  readonly rcode: Rcode;
  /** What Docker says itself has `ra`, what it says for want of an answer has not. */
  readonly recursion?: boolean;
  readonly truncated?: boolean;
  readonly answers?: readonly Uint8Array[];
}

/** miekg/dns Msg.SetReply: RD and CD are copied of a QUERY only. */
function reply({ header, question }: EmbeddedQuery, said: Reply): Uint8Array {
  const { rcode, recursion = false, truncated = false, answers = [] } = said;
  const copied = header.opcode === OPCODE_QUERY ? header.flags & (FLAG.RD | FLAG.CD) : 0;
  const flags = copied | (header.opcode << 11) | (recursion ? FLAG.RA : 0) | (truncated ? FLAG.TC : 0) | rcode;
  return encodeMessage(header.id, flags, question, answers);
}

/** miekg/dns answers in the query's own header, less AA and Z; the opcode stays for NOTIMP only. */
function refusal(header: Header, rcode: Rcode, question: Question | undefined): Uint8Array {
  const opcode = rcode === RCODE.NOTIMP ? header.opcode : OPCODE_QUERY;
  const copied = header.flags & (FLAG.TC | FLAG.RD | FLAG.RA | FLAG.AD | FLAG.CD);
  return encodeMessage(header.id, copied | (opcode << 11) | rcode, question, []);
}

function encodeMessage(
  id: number,
  flags: number,
  question: Question | undefined,
  answers: readonly Uint8Array[],
): Uint8Array {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt16BE(id, 0);
  header.writeUInt16BE(FLAG.QR | flags, 2);
  header.writeUInt16BE(question ? 1 : 0, 4);
  header.writeUInt16BE(answers.length, 6);
  return Buffer.concat([header, ...(question ? [question.bytes] : []), ...answers]);
}

function forward(query: EmbeddedQuery, transport: "udp" | "tcp"): EmbeddedForward {
  // moby reads a datagram of any size when the client did not say one, else as much as that
  const limit = transport === "udp" && query.udpBytes !== undefined ? sizeLimit(query, transport) : MESSAGE_BYTES;
  return {
    kind: "forward",
    query: query.bytes,
    readReply: (bytes) => (bytes.length > limit ? { kind: "failure" } : judgeReply(query, bytes)),
    fail: (rcode) => reply(query, { rcode: RCODE[rcode] }),
  };
}

/** moby tells by the id alone whether a reply is the query's; here it must be a response to the same question, too. */
function judgeReply({ header, question }: EmbeddedQuery, bytes: Uint8Array): ForwardVerdict {
  if (bytes.length < HEADER_BYTES) return { kind: "failure" };
  const head = Buffer.from(bytes.subarray(0, HEADER_BYTES));
  const flags = head.readUInt16BE(2);
  if (head.readUInt16BE(0) !== header.id || !(flags & FLAG.QR)) return { kind: "stray" };
  const rewritten = compressMessage(bytes);
  if (!rewritten) return { kind: "failure" };
  const rcode = flags & 15;
  // some servers refuse with a lone header
  const isLoneRefusal = rewritten.bytes.length === HEADER_BYTES && rcode !== RCODE.NOERROR;
  if (!isLoneRefusal && !(rewritten.question && isSameQuestion(rewritten.question, question.bytes)))
    return { kind: "stray" };
  if (rcode === RCODE.SERVFAIL || rcode === RCODE.REFUSED) return { kind: "failure" };
  return { kind: "answer", bytes: rewritten.bytes };
}

/** Servers may spell the name in other letters (RFC 4343). */
function isSameQuestion(a: Uint8Array, b: Uint8Array): boolean {
  const parts = (bytes: Uint8Array): [string, string] => {
    const text = Buffer.from(bytes).toString("latin1");
    return [text.slice(0, -4).toLowerCase(), text.slice(-4)];
  };
  const [nameA, tailA] = parts(a);
  const [nameB, tailB] = parts(b);
  return nameA === nameB && tailA === tailB;
}
