/**
 * Netlink sockets, read synchronously: the kernel answers a request before send(2) returns, so no event loop is needed and
 * a batch of requests costs one send. A socket belongs to the namespace in which it was opened, from wherever it is used.
 * Source: netlink(7), include/uapi/linux/netlink.h. Byte order is the machine's; all supported machines are little-endian.
 */
import { AF_NETLINK, bind, closeFd, ERRNO, recv, SOCK_RAW, send, setsockopt, socket } from "../libc.ts";
import type { Netns } from "../netns.ts";
import { SO_RCVBUF, SOL_NETLINK, SOL_SOCKET } from "../uapi/socket.ts";

export const NETLINK_ROUTE = 0;
export const NETLINK_NETFILTER = 12;
export const NLM_F_REQUEST = 1;
export const NLM_F_ACK = 4;
export const NLM_F_EXCL = 0x200;
export const NLM_F_CREATE = 0x400;
export const NLM_F_DUMP = 0x300;
const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const NLA_F_NESTED = 0x8000;
const NLA_TYPE_MASK = 0x3fff;
const NETLINK_EXT_ACK = 11;
const NETLINK_CAP_ACK = 10;
const NLMSGERR_ATTR_MSG = 1;
const NLM_F_ACK_TLVS = 0x200;
const HEADER_BYTES = 16;
const RECEIVE_BYTES = 256 * 1024;
/** Acks of a batch queue in the receive buffer: keep a batch well under it. */
const BATCH_MESSAGES = 64;

/** A request before it has a sequence number. `what` names it in errors: "create link veth1". */
export interface Request {
  readonly what: string;
  readonly type: number;
  readonly flags: number;
  readonly body: Uint8Array;
}

/** The kernel's own word for a refused request. */
export class NetlinkError extends Error {
  override readonly name = "NetlinkError";
  readonly code: string;
  readonly what: string;
  constructor(what: string, errno: number, detail: string) {
    const code = ERRNO[errno] ?? `errno ${errno}`;
    super(`${what}: ${code}${detail ? ` (${detail})` : ""}`);
    this.code = code;
    this.what = what;
  }
}

export interface Message {
  readonly type: number;
  readonly body: Buffer;
}

const receiveBuffer = Buffer.alloc(RECEIVE_BYTES);

export class NetlinkSocket {
  private readonly fd: number;
  private sequence = 1;
  private closed = false;

  constructor(ns: Netns, protocol: number) {
    this.fd = ns.enter(() => socket(AF_NETLINK, SOCK_RAW, protocol));
    const address = Buffer.alloc(12);
    address.writeUInt16LE(AF_NETLINK, 0);
    bind(this.fd, address);
    setsockopt(this.fd, SOL_NETLINK, NETLINK_EXT_ACK, 1);
    setsockopt(this.fd, SOL_NETLINK, NETLINK_CAP_ACK, 1);
    setsockopt(this.fd, SOL_SOCKET, SO_RCVBUF, RECEIVE_BYTES);
  }

  /** Sends all, waits for every acknowledgement. @throws NetlinkError for the first that the kernel refused; later ones were tried too */
  request(requests: readonly Request[]): void {
    for (let at = 0; at < requests.length; at += BATCH_MESSAGES)
      this.requestBatch(requests.slice(at, at + BATCH_MESSAGES));
  }

  private requestBatch(requests: readonly Request[]): void {
    const first = this.sequence;
    this.sequence += requests.length;
    send(this.fd, Buffer.concat(requests.map((r, i) => encode(r, r.flags | NLM_F_REQUEST | NLM_F_ACK, first + i))));
    let failure: NetlinkError | undefined;
    for (let acked = 0; acked < requests.length; ) {
      for (const { type, flags, sequence, body } of this.receive()) {
        if (type !== NLMSG_ERROR || sequence < first) continue;
        acked++;
        const errno = -body.readInt32LE(0);
        const request = requests[sequence - first];
        if (errno !== 0 && request)
          failure ??= new NetlinkError(request.what, errno, flags & NLM_F_ACK_TLVS ? extendedAck(body) : "");
      }
    }
    if (failure) throw failure;
  }

  /**
   * Requests of one subsystem of nfnetlink as one transaction (nf_tables takes changes only in one): all are done, or none.
   * @param requests at most BATCH_MESSAGES. @throws NetlinkError for the first that the kernel refused
   */
  transact(requests: readonly Request[]): void {
    const [begin] = requests;
    if (!begin) return;
    const first = this.sequence;
    const last = first + requests.length;
    this.sequence += requests.length + 2;
    const bound = (what: string, type: number): Request => ({ what, type, flags: 0, body: batchBody(begin) });
    send(
      this.fd,
      Buffer.concat([
        encode(bound("begin", NFNL_MSG_BATCH_BEGIN), NLM_F_REQUEST, first),
        ...requests.map((r, i) => encode(r, r.flags | NLM_F_REQUEST | NLM_F_ACK, first + 1 + i)),
        encode(bound("end", NFNL_MSG_BATCH_END), NLM_F_REQUEST, last + 1),
      ]),
    );
    // refusals come in the order of the requests; a batch that is refused as a whole is answered in the name of its begin
    for (;;) {
      for (const { type, sequence, body } of this.receive()) {
        if (type !== NLMSG_ERROR || sequence < first) continue;
        const errno = -body.readInt32LE(0);
        if (errno !== 0) throw new NetlinkError((requests[sequence - first - 1] ?? begin).what, errno, "");
        if (sequence === last) return;
      }
    }
  }

  /** All answers of one dump or get request. @throws NetlinkError */
  query(request: Request): Message[] {
    const sequence = this.sequence++;
    const isDump = (request.flags & NLM_F_DUMP) === NLM_F_DUMP;
    send(this.fd, encode(request, request.flags | NLM_F_REQUEST, sequence));
    const answers: Message[] = [];
    for (;;) {
      for (const message of this.receive()) {
        if (message.sequence !== sequence) continue;
        if (message.type === NLMSG_DONE) return answers;
        if (message.type === NLMSG_ERROR) {
          const errno = -message.body.readInt32LE(0);
          if (errno !== 0) throw new NetlinkError(request.what, errno, "");
          return answers;
        }
        answers.push({ type: message.type, body: Buffer.from(message.body) });
        if (!isDump) return answers;
      }
    }
  }

  private *receive(): Generator<{ type: number; flags: number; sequence: number; body: Buffer }> {
    const length = recv(this.fd, receiveBuffer);
    for (let at = 0; at + HEADER_BYTES <= length; ) {
      const size = receiveBuffer.readUInt32LE(at);
      if (size < HEADER_BYTES || at + size > length) return;
      yield {
        type: receiveBuffer.readUInt16LE(at + 4),
        flags: receiveBuffer.readUInt16LE(at + 6),
        sequence: receiveBuffer.readUInt32LE(at + 8),
        body: receiveBuffer.subarray(at + HEADER_BYTES, at + size),
      };
      at += align(size);
    }
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    closeFd(this.fd);
  }
}

const NFNL_MSG_BATCH_BEGIN = 16;
const NFNL_MSG_BATCH_END = 17;

/** struct nfgenmsg whose resource id, in network order, is the subsystem. */
const batchBody = ({ type }: Request): Buffer => Buffer.from([0, 0, 0, type >> 8]);

const align = (n: number): number => (n + 3) & ~3;

function encode(request: Request, flags: number, sequence: number): Buffer {
  const message = Buffer.alloc(align(HEADER_BYTES + request.body.length));
  message.writeUInt32LE(HEADER_BYTES + request.body.length, 0);
  message.writeUInt16LE(request.type, 4);
  message.writeUInt16LE(flags, 6);
  message.writeUInt32LE(sequence, 8);
  message.set(request.body, HEADER_BYTES);
  return message;
}

/** With NETLINK_CAP_ACK the error is followed by the request's header alone, then attributes. */
function extendedAck(body: Buffer): string {
  const text = decodeAttributes(body.subarray(4 + HEADER_BYTES)).get(NLMSGERR_ATTR_MSG);
  return text ? text.toString("utf8").replace(/\0+$/, "") : "";
}

// --- attributes ------------------------------------------------------------------------------------------------------

export function attribute(type: number, value: Uint8Array): Buffer {
  const bytes = Buffer.alloc(align(4 + value.length));
  bytes.writeUInt16LE(4 + value.length, 0);
  bytes.writeUInt16LE(type, 2);
  bytes.set(value, 4);
  return bytes;
}

export const nested = (type: number, ...attributes: readonly Uint8Array[]): Buffer =>
  attribute(type | NLA_F_NESTED, Buffer.concat(attributes));
export const textAttribute = (type: number, text: string): Buffer => attribute(type, Buffer.from(`${text}\0`));

export function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(value);
  return bytes;
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value >>> 0);
  return bytes;
}

/** One attribute as it stands. The kernel marks its nested ones in some subsystems only. */
export interface Attribute {
  readonly type: number;
  readonly isNested: boolean;
  readonly value: Buffer;
}

/** In order. A malformed tail is left out. */
export function listAttributes(bytes: Buffer): Attribute[] {
  const found: Attribute[] = [];
  for (let at = 0; at + 4 <= bytes.length; ) {
    const size = bytes.readUInt16LE(at);
    if (size < 4 || at + size > bytes.length) break;
    const type = bytes.readUInt16LE(at + 2);
    const value = bytes.subarray(at + 4, at + size);
    found.push({ type: type & NLA_TYPE_MASK, isNested: (type & NLA_F_NESTED) !== 0, value });
    at += align(size);
  }
  return found;
}

/** Type to value; of a type that comes twice the last one counts. A malformed tail is left out. */
export const decodeAttributes = (bytes: Buffer): Map<number, Buffer> =>
  new Map(listAttributes(bytes).map(({ type, value }) => [type, value]));
