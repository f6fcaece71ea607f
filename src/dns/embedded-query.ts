/**
 * Queries as Docker's embedded server reads them: with miekg/dns (acceptfunc.go, msg.go Msg.unpack), which takes more than the strict
 * reader of message.ts. Seen on dockerd 28.5.2: bytes after the message are passed over, what is missing where the message ends counts
 * as not there (a record) or as 0 (type and class), a datagram is cut at 512 bytes before it is read, a lone header gets no answer.
 * Not taken over: a question that is a compression pointer into the header is FORMERR here.
 */
import {
  decodeHeader,
  HEADER_BYTES,
  type Header,
  Malformed,
  OPCODE_QUERY,
  PLAIN_UDP_BYTES,
  type Question,
  RCODE,
  Reader,
  readEdns,
  TYPE,
  viewOf,
} from "./message.ts";

/** RFC 1996; miekg lets it through to the handler, which answers it as a query. */
const OPCODE_NOTIFY = 4;
/** More records than these of a section are FORMERR: answer, authority, additional. */
const MOST_RECORDS = [1, 1, 2] as const;

export interface EmbeddedQuery {
  readonly header: Header;
  readonly question: Question;
  /** The question's name as Go programs write it: see `renderName`. */
  readonly name: string;
  /** What the client takes over UDP; undefined without EDNS. */
  readonly udpBytes: number | undefined;
  /** The whole message, with the counts of what is there: what another server is asked. */
  readonly bytes: Uint8Array;
}

export type ReadQuery =
  | { readonly kind: "query"; readonly query: EmbeddedQuery }
  | {
      readonly kind: "refused";
      readonly header: Header;
      readonly rcode: typeof RCODE.FORMERR | typeof RCODE.NOTIMP;
      readonly question: Question | undefined;
    }
  /** To be left without an answer. */
  | { readonly kind: "nothing" };

/** Never throws. */
export function readEmbeddedQuery(message: Uint8Array, transport: "udp" | "tcp"): ReadQuery {
  const bytes = transport === "udp" ? message.subarray(0, PLAIN_UDP_BYTES) : message;
  const header = decodeHeader(bytes);
  if (!header) return { kind: "nothing" };
  if (header.opcode !== OPCODE_QUERY && header.opcode !== OPCODE_NOTIFY)
    return { kind: "refused", header, rcode: RCODE.NOTIMP, question: undefined };
  const view = viewOf(bytes);
  const wanted = MOST_RECORDS.map((_, i) => view.getUint16(6 + 2 * i));
  if (view.getUint16(4) !== 1 || MOST_RECORDS.some((most, i) => (wanted[i] ?? 0) > most))
    return { kind: "refused", header, rcode: RCODE.FORMERR, question: undefined };
  if (bytes.length === HEADER_BYTES) return { kind: "nothing" };
  const reader = new Reader(bytes, HEADER_BYTES);
  let question: Question | undefined;
  try {
    question = reader.question("zero");
    const start = reader.position;
    const { counts, udpBytes } = readSections(reader, wanted);
    const head = Buffer.from(bytes.subarray(0, HEADER_BYTES));
    for (const [i, count] of counts.entries()) head.writeUInt16BE(count, 6 + 2 * i);
    return {
      kind: "query",
      query: {
        header,
        question,
        name: renderName(question.bytes),
        udpBytes,
        bytes: Buffer.concat([head, question.bytes, bytes.subarray(start, reader.position)]),
      },
    };
  } catch (error) {
    if (error instanceof Malformed) return { kind: "refused", header, rcode: RCODE.FORMERR, question };
    throw error;
  }
}

/** The counts of what is there, and what the last OPT of the additional section says (miekg Msg.IsEdns0). */
function readSections(reader: Reader, wanted: readonly number[]): { counts: number[]; udpBytes: number | undefined } {
  let udpBytes: number | undefined;
  const counts = wanted.map((most, section) => {
    let count = 0;
    while (count < most && !reader.atEnd) {
      const record = reader.record();
      count += 1;
      if (record.type !== TYPE.OPT) continue;
      const edns = readEdns(record);
      if (section === wanted.length - 1) udpBytes = edns.udpBytes;
    }
    return count;
  });
  return { counts, udpBytes };
}

/** What Docker's own check of names may leave in them, and still stands behind a backslash (miekg/dns types.go isDomainNameLabelSpecial). */
const SPECIAL = new Set([".", " ", "'", "@", ";", "(", ")", '"', "\\"]);

/** The labels of a question, dots between and none at the end: special characters behind a backslash, bytes that do not print as \DDD. */
function renderName(question: Uint8Array): string {
  const labels: string[] = [];
  for (let at = 0; question[at] !== 0; at += 1 + (question[at] ?? 0)) {
    const label = question.subarray(at + 1, at + 1 + (question[at] ?? 0));
    labels.push(Array.from(label, renderByte).join(""));
  }
  return labels.join(".");
}

function renderByte(byte: number): string {
  const character = String.fromCharCode(byte);
  if (byte < 0x20 || byte > 0x7e) return `\\${String(byte).padStart(3, "0")}`;
  return SPECIAL.has(character) ? `\\${character}` : character;
}
