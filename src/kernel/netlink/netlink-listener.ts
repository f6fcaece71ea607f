/**
 * What the kernel sends by itself: messages of netlink groups of a namespace, read as they come and decoded with care. Source:
 * netlink(7); include/uapi/linux/netlink.h.
 */
import {
  AF_NETLINK,
  bind,
  closeFd,
  recvmsg,
  SOCK_NONBLOCK,
  SOCK_RAW,
  SystemError,
  setsockopt,
  socket,
} from "../libc.ts";
import type { Netns } from "../netns.ts";
import { watchReadiness } from "../readiness.ts";
import { enlargeReceiveBuffer } from "../socket/socket.ts";
import { SOL_NETLINK } from "../uapi/socket.ts";

export interface NetlinkListener {
  /** Reads what waits now. */
  drain(): void;
  /** Idempotent. */
  close(): void;
}

export interface NetlinkNews {
  readonly type: number;
  readonly flags: number;
  readonly body: Buffer;
}

const NETLINK_ADD_MEMBERSHIP = 1;
const HEADER_BYTES = 16;
const BUFFER_BYTES = 4 << 20;

/**
 * Listens until closed: the first message after it returns is reported. The caller closes it.
 * @param onBytes gets what came in one read. @param onLost the kernel sent more than its buffer took. @throws SystemError
 */
export function openNetlinkListener(
  ns: Netns,
  { protocol, groups }: { readonly protocol: number; readonly groups: readonly number[] },
  onBytes: (bytes: Buffer) => void,
  onLost: () => void,
): NetlinkListener {
  const fd = ns.enter(() => socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK, protocol));
  try {
    bind(fd, Buffer.from([AF_NETLINK, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]));
    for (const group of groups) setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group);
    enlargeReceiveBuffer(fd, BUFFER_BYTES);
  } catch (error) {
    closeFd(fd);
    throw error;
  }
  let closed = false;
  const drain = (): void => {
    try {
      // the listener may close during the call
      for (let got = closed ? undefined : recvmsg(fd); got; got = closed ? undefined : recvmsg(fd)) onBytes(got.data);
    } catch (error) {
      if (!(error instanceof SystemError) || error.code !== "ENOBUFS") throw error;
      onLost();
    }
  };
  const watch = watchReadiness(fd, "readable", drain);
  return {
    drain,
    close() {
      if (closed) return;
      closed = true;
      watch.close();
      closeFd(fd);
    },
  };
}

/** What came in one read, message by message. A malformed tail is left out. */
export function* newsIn(bytes: Buffer): Generator<NetlinkNews> {
  for (let at = 0; at + HEADER_BYTES <= bytes.length; ) {
    const size = bytes.readUInt32LE(at);
    if (size < HEADER_BYTES || at + size > bytes.length) return;
    const [type, flags] = [bytes.readUInt16LE(at + 4), bytes.readUInt16LE(at + 6)];
    yield { type, flags, body: bytes.subarray(at + HEADER_BYTES, at + size) };
    at += (size + 3) & ~3;
  }
}
