/** Who is at the other end of a unix socket: SO_PEERCRED (unix(7)), which the kernel writes down when the connection is made. */
import type { Socket } from "node:net";
import { getsockopt } from "./libc.ts";
import { SO_PEERCRED, SOL_SOCKET } from "./uapi/socket.ts";

export interface PeerCredentials {
  /** As this process' PID namespace knows it; 0: it does not. Of a listener, who called listen(2). */
  readonly pid: number;
  /** As this process' user namespace knows it; the overflow uid (65534) where it does not. */
  readonly uid: number;
}

/** @param socket connected. @throws SystemError */
export function peerOf(socket: Socket): PeerCredentials {
  // struct ucred: pid_t, uid_t, gid_t
  const ucred = getsockopt(descriptorOf(socket), SOL_SOCKET, SO_PEERCRED, 12);
  return { pid: ucred.readInt32LE(0), uid: ucred.readUInt32LE(4) };
}

/** Is the other end a process of this user? */
export const isOwnPeer = (socket: Socket): boolean => peerOf(socket).uid === process.geteuid?.();

/** Node has no public name for it; libuv's handle has had this one since Node 0.10. */
function descriptorOf(socket: Socket): number {
  const fd = (socket as Socket & { readonly _handle?: { readonly fd?: number } })._handle?.fd;
  if (fd === undefined || fd < 0) throw new Error("a socket without a descriptor");
  return fd;
}
