/**
 * DNS messages on the wire (RFC 1035 section 4, EDNS of RFC 6891). Queries are read here, byte by byte and strictly; answers are
 * encoded by dns-packet from records of our own making.
 *
 * dns-packet is not asked to read a query: it ignores lengths of records, reads labels as UTF-8 (two names become one, and "a.b"
 * may be one label or two), writes unknown types and classes as 0, and keeps lengths in globals. The question is therefore given
 * back as the bytes that came, which also repeats its spelling (draft-vixie-dnsext-dns0x20).
 */
import { type Answer, encode } from "dns-packet";

/** IANA DNS parameters: Resource Record TYPEs. */
export const TYPE = {
  A: 1,
  NS: 2,
  SOA: 6,
  PTR: 12,
  MX: 15,
  TXT: 16,
  AAAA: 28,
  OPT: 41,
  IXFR: 251,
  AXFR: 252,
  ANY: 255,
} as const;
/** Classes IN and CH (RFC 1035 3.2.4). */
export const CLASS_IN = 1;
export const CLASS_CH = 3;
/** RFC 1035 4.1.1; BADVERS is RFC 6891 section 9. */
export const RCODE = { NOERROR: 0, FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5, BADVERS: 16 } as const;
export type Rcode = (typeof RCODE)[keyof typeof RCODE];
/** Opcode QUERY (RFC 1035 4.1.1). */
export const OPCODE_QUERY = 0;
/** The length before a message over TCP has 16 bits (RFC 1035 4.2.2). */
export const MESSAGE_BYTES = 65_535;
/** The most over UDP without EDNS (RFC 1035 4.2.1); EDNS cannot make it less (RFC 6891 6.2.3). */
export const PLAIN_UDP_BYTES = 512;

export interface Header {
  readonly id: number;
  /** The second 16 bits as they came; see `FLAG`. */
  readonly flags: number;
  /** 0..15 */
  readonly opcode: number;
  readonly recursionDesired: boolean;
  readonly checkingDisabled: boolean;
}

export interface Question {
  /** Lower case, without the last dot; "" is the root. A dot, a backslash or other odd byte inside a label is "\DDD" (RFC 1035 5.1). */
  readonly name: string;
  /** The same, spelled as it was asked. */
  readonly spelling: string;
  readonly type: number;
  readonly class: number;
  /** The whole question as it came. */
  readonly bytes: Uint8Array;
}

export interface Edns {
  readonly version: number;
  /** What the client can take over UDP, as it says; less than 512 means 512 (RFC 6891 6.2.3). */
  readonly udpBytes: number;
  /** The DO bit (RFC 3225). */
  readonly dnssecOk: boolean;
}

export interface Query {
  readonly header: Header;
  readonly question: Question;
  readonly edns?: Edns;
}

export interface Response {
  readonly header: Header;
  readonly rcode: Rcode;
  readonly authoritative?: boolean;
  readonly truncated?: boolean;
  readonly question?: Question;
  readonly answers?: readonly Answer[];
  readonly authorities?: readonly Answer[];
  /** Present when the query had EDNS: what is sent back. */
  readonly edns?: { readonly udpBytes: number; readonly dnssecOk: boolean };
}

export const HEADER_BYTES = 12;
/** RFC 1035 4.1.1, AD and CD of RFC 4035 3.2. */
export const FLAG = { QR: 0x8000, AA: 0x0400, TC: 0x0200, RD: 0x0100, RA: 0x0080, AD: 0x0020, CD: 0x0010 } as const;
const DO = 0x8000;
/** As many as a name of 255 bytes can need; without a bound one message of pointers would cost its square in time. */
const MOST_POINTERS = 126;

/** @returns undefined for what has no header, and for responses: to answer those would let two servers talk for ever */
export function decodeHeader(message: Uint8Array): Header | undefined {
  if (message.length < HEADER_BYTES) return undefined;
  const view = viewOf(message);
  const flags = view.getUint16(2);
  if (flags & FLAG.QR) return undefined;
  return {
    id: view.getUint16(0),
    flags,
    opcode: (flags >> 11) & 15,
    recursionDesired: (flags & FLAG.RD) !== 0,
    checkingDisabled: (flags & FLAG.CD) !== 0,
  };
}

/** Everything up to the last byte must make sense. @returns undefined where the answer is FORMERR */
export function decodeQuery(message: Uint8Array, header: Header): Query | undefined {
  try {
    return readQuery(message, header);
  } catch (error) {
    if (error instanceof Malformed) return undefined;
    throw error;
  }
}

/** No compression: the answers of a lab are small, and the question's bytes can be put in without moving a pointer. */
export function encodeResponse(response: Response): Uint8Array {
  const { header, rcode, question, edns } = response;
  const message = encode({
    type: "response",
    id: header.id,
    flags:
      (header.opcode << 11) |
      (response.authoritative ? FLAG.AA : 0) |
      (response.truncated ? FLAG.TC : 0) |
      (header.recursionDesired ? FLAG.RD : 0) | // RFC 1035 4.1.1: copied
      (header.checkingDisabled ? FLAG.CD : 0) | // RFC 4035 3.2.2: copied
      (rcode & 15),
    answers: [...(response.answers ?? [])],
    authorities: [...(response.authorities ?? [])],
    additionals: edns ? [optRecord(edns.udpBytes, rcode, edns.dnssecOk)] : [],
  });
  if (!question) return message;
  message.writeUInt16BE(1, 4);
  return Buffer.concat([message.subarray(0, HEADER_BYTES), question.bytes, message.subarray(HEADER_BYTES)]);
}

/** RFC 6891 6.1.3: the upper eight bits of the response code stand in the OPT record. */
function optRecord(udpBytes: number, rcode: Rcode, dnssecOk: boolean): Answer {
  return {
    type: "OPT",
    name: ".",
    udpPayloadSize: udpBytes,
    extendedRcode: rcode >> 4,
    ednsVersion: 0,
    flags: dnssecOk ? DO : 0,
    flag_do: dnssecOk,
    options: [],
  };
}

/** Thrown by a Reader, caught by who made it. */
export class Malformed extends Error {}

function readQuery(message: Uint8Array, header: Header): Query {
  const reader = new Reader(message, HEADER_BYTES);
  const view = viewOf(message);
  // RFC 9619: a QUERY has one question; none would be a cookie request (RFC 7873 5.4), which nobody needs here
  if (view.getUint16(4) !== 1) throw new Malformed();
  const question = reader.question();
  for (let i = view.getUint16(6) + view.getUint16(8); i > 0; i--) {
    if (reader.record().type === TYPE.OPT) throw new Malformed();
  }
  let edns: Edns | undefined;
  for (let i = view.getUint16(10); i > 0; i--) {
    const record = reader.record();
    if (record.type !== TYPE.OPT) continue;
    // RFC 6891 6.1.1 and 6.1.2: more than one OPT is FORMERR, and so is one that is not the root's
    if (edns || !record.isRoot) throw new Malformed();
    edns = readEdns(record);
  }
  if (!reader.atEnd) throw new Malformed();
  return { header, question, ...(edns ? { edns } : {}) };
}

/** RFC 6891 6.1.2 and 6.1.3: the payload size is its class, version and DO are in its TTL; options are framed and ignored. */
export function readEdns(record: RawRecord): Edns {
  const options = new Reader(record.data, 0);
  while (!options.atEnd) {
    options.uint16();
    options.bytes(options.uint16());
  }
  return { version: (record.ttl >>> 16) & 255, udpBytes: record.class, dnssecOk: (record.ttl & DO) !== 0 };
}

export interface RawRecord {
  readonly isRoot: boolean;
  readonly type: number;
  readonly class: number;
  readonly ttl: number;
  readonly data: Uint8Array;
}

/** Never reads past the end: every step checks first. */
export class Reader {
  private readonly message: Uint8Array;
  private at: number;

  constructor(message: Uint8Array, at: number) {
    this.message = message;
    this.at = at;
  }

  get atEnd(): boolean {
    return this.at === this.message.length;
  }

  /** Read so far, from the message's beginning. */
  get position(): number {
    return this.at;
  }

  bytes(count: number): Uint8Array {
    if (this.at + count > this.message.length) throw new Malformed();
    this.at += count;
    return this.message.subarray(this.at - count, this.at);
  }

  uint16(): number {
    return viewOf(this.bytes(2)).getUint16(0);
  }

  /** @param cut "zero": where the message ends after the name or the type, the rest is 0 */
  question(cut: "malformed" | "zero" = "malformed"): Question {
    const start = this.at;
    const labels = this.name();
    // a pointer leads to an earlier name (RFC 1035 4.1.4), and before the question there is none
    if (labels === "compressed") throw new Malformed();
    const spelling = labels.map(renderLabel).join(".");
    const bytes = Buffer.alloc(this.at - start + 4);
    bytes.set(this.message.subarray(start, this.at));
    const rest = (): number => (cut === "zero" && this.atEnd ? 0 : this.uint16());
    const [type, klass] = [rest(), rest()];
    bytes.writeUInt16BE(type, bytes.length - 4);
    bytes.writeUInt16BE(klass, bytes.length - 2);
    return {
      name: spelling.toLowerCase(), // ASCII only, as RFC 4343 section 3 has it: the text has nothing else
      spelling,
      type,
      class: klass,
      bytes,
    };
  }

  record(): RawRecord {
    const name = this.name();
    const [type, klass] = [this.uint16(), this.uint16()];
    const ttl = viewOf(this.bytes(4)).getUint32(0);
    const data = this.bytes(this.uint16());
    return { isRoot: name !== "compressed" && name.length === 0, type, class: klass, ttl, data };
  }

  /** The labels of a name, pointers followed; each leads further to the front. */
  followName(): Uint8Array[] {
    const labels: Uint8Array[] = [];
    let [reader, start, bytes, pointers]: [Reader, number, number, number] = [this, this.at, 1, 0];
    for (;;) {
      const [length = 0] = reader.bytes(1);
      if (length === 0) return labels;
      if ((length & 0xc0) === 0xc0) {
        const target = ((length & 0x3f) << 8) | (reader.bytes(1)[0] ?? 0);
        pointers += 1;
        if (target < HEADER_BYTES || target >= start || pointers > MOST_POINTERS) throw new Malformed();
        [reader, start] = [new Reader(this.message, target), target];
        continue;
      }
      bytes += 1 + length;
      if (length > 63 || bytes > 255) throw new Malformed();
      labels.push(reader.bytes(length));
    }
  }

  /** At most 255 bytes in labels of at most 63 (RFC 1035 2.3.4). The names of other sections are only passed over, pointers not followed. */
  private name(): Uint8Array[] | "compressed" {
    const labels: Uint8Array[] = [];
    const start = this.at;
    for (;;) {
      const [length = 0] = this.bytes(1);
      if ((length & 0xc0) === 0xc0) {
        const target = ((length & 0x3f) << 8) | (this.bytes(1)[0] ?? 0);
        if (target < HEADER_BYTES || target >= start) throw new Malformed();
        return "compressed";
      }
      // 01 and 10 are no label types any more (RFC 6891 section 5)
      if (length > 63) throw new Malformed();
      if (length > 0) labels.push(this.bytes(length));
      if (this.at - start > 255) throw new Malformed();
      if (length === 0) return labels;
    }
  }
}

/** Letters, digits, hyphens and underscores stand for themselves, so that no label can look like two (RFC 1035 5.1). */
function renderLabel(label: Uint8Array): string {
  return Array.from(label, (byte) => {
    const character = String.fromCharCode(byte);
    return /[\w-]/.test(character) ? character : `\\${String(byte).padStart(3, "0")}`;
  }).join("");
}

export const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
