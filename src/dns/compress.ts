/**
 * A response read and written again with its names compressed (RFC 1035 4.1.4), as moby passes on what an upstream server said: miekg/dns
 * unpacks it and packs it with `Compress`. What that changes can be seen on the wire: the length, names inside SRV and the like in full,
 * counts that say what is there, nothing after the last record. Everything else stays, byte by byte.
 *
 * Names are compressed in the record types of RFC 1035 only, and read compressed in those of RFC 3597 section 4 as well. A name written in
 * full may be pointed at later, whatever its record. Other records' data is copied.
 */
import { HEADER_BYTES, Malformed, MESSAGE_BYTES, Reader, viewOf } from "./message.ts";

export interface Rewritten {
  readonly bytes: Uint8Array;
  /** The first question in full, when there is one. */
  readonly question: Uint8Array | undefined;
}

/** Never throws. @returns undefined when it does not parse, or no longer fits into a message */
export function compressMessage(message: Uint8Array): Rewritten | undefined {
  if (message.length < HEADER_BYTES) return undefined;
  try {
    return rewrite(message);
  } catch (error) {
    if (error instanceof Malformed) return undefined;
    throw error;
  }
}

/** A field of a record's data: a name, compressed or in full; a character-string; so many bytes; all that is left. */
type Field = "name" | "full name" | "string" | "rest" | number;

const ONE_NAME: readonly Field[] = ["name"];
/** By type. The data must end with its last field; it may also be empty (RFC 2136 section 2.4). Types without a line are copied. */
const FIELDS: Readonly<Record<number, readonly Field[]>> = {
  1: [4], //                                                       A
  2: ONE_NAME, //                                                  NS
  3: ONE_NAME, //                                                  MD
  4: ONE_NAME, //                                                  MF
  5: ONE_NAME, //                                                  CNAME
  6: ["name", "name", 20], //                                      SOA
  7: ONE_NAME, //                                                  MB
  8: ONE_NAME, //                                                  MG
  9: ONE_NAME, //                                                  MR
  12: ONE_NAME, //                                                 PTR
  14: ["name", "name"], //                                         MINFO
  15: [2, "name"], //                                              MX
  17: ["full name", "full name"], //                               RP
  18: [2, "full name"], //                                         AFSDB
  21: [2, "full name"], //                                         RT
  24: [18, "full name", "rest"], //                                SIG
  26: [2, "full name", "full name"], //                            PX
  28: [16], //                                                     AAAA
  30: ["full name", "rest"], //                                    NXT
  33: [6, "full name"], //                                         SRV
  35: [4, "string", "string", "string", "full name"], //           NAPTR
  36: [2, "full name"], //                                         KX
  39: ["full name"], //                                            DNAME
  46: [18, "full name", "rest"], //                                RRSIG
  47: ["full name", "rest"], //                                    NSEC
  64: [2, "full name", "rest"], //                                 SVCB
  65: [2, "full name", "rest"], //                                 HTTPS
};

function rewrite(message: Uint8Array): Rewritten {
  const view = viewOf(message);
  const reader = new Reader(message, HEADER_BYTES);
  const writer = new Writer(HEADER_BYTES);
  const header = Buffer.from(message.subarray(0, HEADER_BYTES));
  let question: Uint8Array | undefined;
  for (let section = 0; section < 4; section++) {
    const wanted = view.getUint16(4 + 2 * section);
    let count = 0;
    for (; count < wanted && !reader.atEnd; count++) {
      if (section > 0) {
        copyRecord(reader, writer);
        continue;
      }
      const copied = copyQuestion(reader, writer);
      question ??= copied;
    }
    header.writeUInt16BE(count, 4 + 2 * section);
  }
  return { bytes: writer.finish(header), question };
}

function copyQuestion(reader: Reader, writer: Writer): Uint8Array {
  const labels = reader.followName();
  const tail = reader.bytes(4);
  writer.name(labels, "name");
  writer.bytes(tail);
  return Buffer.concat([encodeLabels(labels), tail]);
}

function copyRecord(reader: Reader, writer: Writer): void {
  writer.name(reader.followName(), "name");
  const head = reader.bytes(8);
  const length = reader.uint16();
  const end = reader.position + length;
  writer.bytes(head);
  const finishData = writer.data();
  const fields: readonly Field[] = length === 0 ? [] : (FIELDS[viewOf(head).getUint16(0)] ?? ["rest"]);
  for (const field of fields) {
    if (field === "name" || field === "full name") writer.name(reader.followName(), field);
    else if (field === "string") writer.bytes(readString(reader));
    else writer.bytes(reader.bytes(field === "rest" ? Math.max(0, end - reader.position) : field));
  }
  if (reader.position !== end) throw new Malformed();
  finishData();
}

/** With its length byte (RFC 1035 3.3). */
function readString(reader: Reader): Uint8Array {
  const length = reader.bytes(1);
  return Buffer.concat([length, reader.bytes(length[0] ?? 0)]);
}

/** On the wire, with the root at the end. */
function encodeLabels(labels: readonly Uint8Array[]): Buffer {
  return Buffer.concat([...labels.flatMap((label) => [Buffer.from([label.length]), label]), Buffer.from([0])]);
}

/** A pointer has 14 bits (RFC 1035 4.1.4). */
const POINTER_REACH = 0x4000;

/** Bounded by the size of a message: a small one can hold many pointers to a long name. */
class Writer {
  private readonly parts: Uint8Array[] = [];
  private at: number;
  /** Where each name, and each end of one, was first written; by its bytes, for the case of letters is kept. */
  private readonly written = new Map<string, number>();

  constructor(at: number) {
    this.at = at;
  }

  bytes(bytes: Uint8Array): void {
    this.at += bytes.length;
    if (this.at > MESSAGE_BYTES) throw new Malformed();
    this.parts.push(bytes);
  }

  name(labels: readonly Uint8Array[], how: "name" | "full name"): void {
    for (const [i, label] of labels.entries()) {
      const key = encodeLabels(labels.slice(i)).toString("latin1");
      const known = this.written.get(key);
      if (known !== undefined && how === "name") {
        this.bytes(uint16(0xc000 | known));
        return;
      }
      if (known === undefined && this.at < POINTER_REACH) this.written.set(key, this.at);
      this.bytes(Uint8Array.of(label.length));
      this.bytes(label);
    }
    this.bytes(Uint8Array.of(0));
  }

  /** Leaves room for the length of the data that follows. @returns what fills it in */
  data(): () => void {
    const length = Buffer.alloc(2);
    this.bytes(length);
    const start = this.at;
    return () => void length.writeUInt16BE(this.at - start);
  }

  finish(header: Uint8Array): Uint8Array {
    return Buffer.concat([header, ...this.parts]);
  }
}

function uint16(value: number): Uint8Array {
  return Uint8Array.of(value >>> 8, value & 255);
}
