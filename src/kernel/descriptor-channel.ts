/** A way for descriptors from this process to a child of its: a socket pair of its own, since Node's channels take streams only (unix(7), SCM_RIGHTS). */
import { AF_UNIX, recvmsg, SOCK_SEQPACKET, sendmsg, socketpair } from "./libc.ts";
import { CMSG_HEADER, MSG_CMSG_CLOEXEC, MSG_DONTWAIT, SCM_RIGHTS, SOL_SOCKET } from "./uapi/socket.ts";

/** Far below what one message may carry (SCM_MAX_FD, 253), and what libc.ts has room for. */
const PER_MESSAGE = 32;

/** One end to send from, that does not wait, and one to give to the child. The caller closes both. @throws SystemError */
export function openDescriptorChannel(): { readonly sender: number; readonly receiver: number } {
  const [sender, receiver] = socketpair(AF_UNIX, SOCK_SEQPACKET);
  return { sender, receiver };
}

/** The receiver gets descriptors of its own for the same open files. @throws SystemError, EAGAIN when nobody takes them out */
export function sendDescriptors(sender: number, fds: readonly number[]): void {
  for (let at = 0; at < fds.length; at += PER_MESSAGE) {
    const some = fds.slice(at, at + PER_MESSAGE);
    const size = CMSG_HEADER + 4 * some.length;
    const control = Buffer.alloc((size + 7) & ~7);
    control.writeBigUInt64LE(BigInt(size), 0);
    control.writeInt32LE(SOL_SOCKET, 8);
    control.writeInt32LE(SCM_RIGHTS, 12);
    for (const [i, fd] of some.entries()) control.writeInt32LE(fd, CMSG_HEADER + 4 * i);
    sendmsg(sender, Uint8Array.of(some.length), NOBODY, control, MSG_DONTWAIT);
  }
}

const NOBODY = Buffer.alloc(0);

/** Waits until they are there: ask when the other end has sent them. @throws SystemError, or Error when the other end has gone */
export function receiveDescriptors(receiver: number, count: number): number[] {
  const fds: number[] = [];
  while (fds.length < count) {
    const control = recvmsg(receiver, MSG_CMSG_CLOEXEC)?.control ?? NOBODY;
    if (control.length < CMSG_HEADER) throw new Error("the descriptors' sender has gone");
    const end = Number(control.readBigUInt64LE(0));
    for (let at = CMSG_HEADER; at + 4 <= end; at += 4) fds.push(control.readInt32LE(at));
  }
  return fds;
}
