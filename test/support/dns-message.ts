/** DNS queries, built by hand so that they may be wrong, and answers as `dig` would show them, in values to compare. */
import { type Answer, decode } from "dns-packet";

export const QR = 0x8000;
export const RD = 0x0100;
export const AD = 0x0020;
export const CD = 0x0010;

export interface Opt {
  readonly udpBytes: number;
  readonly version?: number;
  readonly dnssecOk?: boolean;
  readonly options?: readonly number[];
}

export interface Asked {
  readonly id?: number;
  readonly name?: string;
  /** In place of `name`: latin1, may hold dots. */
  readonly labels?: readonly string[];
  /** A unless said. */
  readonly type?: number;
  /** IN unless said. */
  readonly class?: number;
  readonly flags?: number;
  readonly opt?: Opt;
}

/** What an answer says; what is left out was not there. */
export interface Said {
  readonly status: string;
  /** Of "aa tc rd ra ad cd". */
  readonly flags: string;
  readonly opcode?: number;
  /** The bytes of the question. */
  readonly question?: string;
  readonly answers?: readonly string[];
  readonly authorities?: readonly string[];
  readonly edns?: string;
}

export function queryOf(asked: Asked): Buffer {
  const { id, flags, opt } = asked;
  const header = headerOf({
    ...(id === undefined ? {} : { id }),
    ...(flags === undefined ? {} : { flags }),
    additionals: opt ? 1 : 0,
  });
  return Buffer.concat([header, questionOf(asked), ...(opt ? [optOf(opt)] : [])]);
}

export function headerOf(
  given: { id?: number; flags?: number; questions?: number; answers?: number; additionals?: number } = {},
): Buffer {
  const { id = 0xbeef, flags = 0, questions = 1, answers = 0, additionals = 0 } = given;
  const header = Buffer.alloc(12);
  for (const [i, value] of [id, flags, questions, answers, 0, additionals].entries())
    header.writeUInt16BE(value, 2 * i);
  return header;
}

export function questionOf({ name = "", labels = name.split("."), type = 1, class: klass = 1 }: Asked): Buffer {
  const tail = Buffer.alloc(5);
  tail.writeUInt16BE(type, 1);
  tail.writeUInt16BE(klass, 3);
  const bytes = labels.flatMap((label) => [Buffer.from([label.length]), Buffer.from(label, "latin1")]);
  return Buffer.concat([...bytes, tail]);
}

export function optOf({ udpBytes, version = 0, dnssecOk = false, options = [] }: Opt): Buffer {
  const record = Buffer.alloc(11);
  record.writeUInt16BE(41, 1);
  record.writeUInt16BE(udpBytes, 3);
  record.writeUInt8(version, 6);
  record.writeUInt16BE(dnssecOk ? 0x8000 : 0, 7);
  record.writeUInt16BE(options.length, 9);
  return Buffer.concat([record, Buffer.from(options)]);
}

const STATUS: Readonly<Record<number, string>> = {
  0: "NOERROR",
  1: "FORMERR",
  2: "SERVFAIL",
  3: "NXDOMAIN",
  4: "NOTIMP",
  5: "REFUSED",
  16: "BADVERS",
};
const FLAGS = { aa: 0x400, tc: 0x200, rd: 0x100, ra: 0x80, z: 0x40, ad: 0x20, cd: 0x10 };

/** @throws Error when it is no response, or does not end where it says */
export function readAnswer(message: Uint8Array | undefined): Required<Omit<Said, "edns">> & Pick<Said, "edns"> {
  const bytes = Buffer.from(message ?? []);
  const decoded = decode(bytes);
  if (decode.bytes !== bytes.length) throw new Error(`${bytes.length - decode.bytes} bytes after the message`);
  if (decoded.type !== "response") throw new Error("not a response");
  const flags = bytes.readUInt16BE(2);
  const [opt, ...others] = decoded.additionals ?? [];
  if (others.length > 0 || (opt && opt.type !== "OPT")) throw new Error("additionals other than one OPT");
  const rcode = (flags & 15) | (opt?.type === "OPT" ? opt.extendedRcode << 4 : 0);
  return {
    status: STATUS[rcode] ?? String(rcode),
    flags: Object.entries(FLAGS)
      .flatMap(([name, bit]) => (flags & bit ? [name] : []))
      .join(" "),
    opcode: (flags >> 11) & 15,
    question: bytes.readUInt16BE(4) === 0 ? "" : bytes.toString("latin1", 12, endOfQuestion(bytes)),
    answers: (decoded.answers ?? []).map(renderRecord),
    authorities: (decoded.authorities ?? []).map(renderRecord),
    ...(opt?.type === "OPT"
      ? { edns: `version ${opt.ednsVersion} udp ${opt.udpPayloadSize}${opt.flag_do ? " do" : ""}` }
      : {}),
  };
}

function endOfQuestion(bytes: Buffer): number {
  let at = 12;
  while (bytes.readUInt8(at) > 0) at += 1 + bytes.readUInt8(at);
  return at + 5;
}

function renderRecord(record: Answer): string {
  if (record.type === "OPT") throw new Error("OPT outside the additionals");
  const data = record.type === "SOA" ? Object.values(record.data).join(" ") : String(record.data);
  return `${record.name} ${record.ttl} ${record.type} ${data}`;
}
