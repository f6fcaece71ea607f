/**
 * Datagrams with the local address that each came to, and answers from that same address. Node's dgram shows no control
 * messages; a socket bound to 0.0.0.0 would then answer from whatever address the route prefers, and a client that asked
 * another one would drop the answer, as would conntrack's NAT. IP_PKTINFO (ip(7), ipv6(7)) is what docker-proxy uses as well
 * (moby cmd/docker-proxy/udp_proxy_linux.go).
 */
import type { Ipv4, Ipv6 } from "../../net/address.ts";
import { IPPROTO_IP, IPPROTO_IPV6, recvmsg, SystemError, sendmsg } from "../libc.ts";
import { watchReadiness } from "../readiness.ts";
import { CMSG_HEADER, IP_PKTINFO, IPV6_PKTINFO } from "../uapi/socket.ts";
import { decodeSockaddr, encodeSockaddr, isV6, localAddressOf, type SocketAddress } from "./socket.ts";

export interface Datagram {
  readonly data: Buffer;
  readonly from: SocketAddress;
  /** The address and port it was sent to, as this socket saw them (after DNAT). */
  readonly to: SocketAddress;
  /** Sends back from `to`. Lost when the socket's buffer is full or there is no way back, as UDP is. */
  reply(data: Uint8Array): void;
}

export interface DatagramReader {
  /** Stops reading; the descriptor stays the caller's. */
  close(): void;
}

/** Datagrams read in one turn of the loop, so that one flood does not starve the rest. */
const BATCH = 64;

/** Reads a socket of `openUdpSocket` until closed. */
export function readDatagrams(fd: number, onDatagram: (datagram: Datagram) => void): DatagramReader {
  const local = localAddressOf(fd);
  let closed = false;
  const watch = watchReadiness(fd, "readable", () => {
    for (let i = 0; i < BATCH && !closed; i++) {
      const message = receive(fd);
      if (message === undefined) return;
      if (message === "error") continue;
      const { destination, source } = destinationOf(message.control) ?? {
        destination: local.address,
        source: undefined,
      };
      const from = decodeSockaddr(message.from);
      onDatagram({
        data: message.data,
        from,
        to: { address: destination, port: local.port },
        reply: (data) => reply(fd, data, from, source),
      });
    }
  });
  return {
    close() {
      closed = true;
      watch.close();
    },
  };
}

/** An ICMP error about an earlier answer of ours waits on the socket: fetched here, and of no interest. */
function receive(fd: number): ReturnType<typeof recvmsg> | "error" {
  try {
    return recvmsg(fd);
  } catch (error) {
    if (error instanceof SystemError) return "error";
    throw error;
  }
}

function reply(fd: number, data: Uint8Array, to: SocketAddress, source: Ipv4 | Ipv6 | undefined): void {
  try {
    sendmsg(fd, data, encodeSockaddr(to.address, to.port), source === undefined ? Buffer.alloc(0) : pktinfo(source));
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
  }
}

/** struct in_pktinfo { ifindex, spec_dst, addr }: spec_dst is the local address to answer from, addr what the header says. */
function destinationOf(control: Buffer): { destination: Ipv4 | Ipv6; source: Ipv4 | Ipv6 } | undefined {
  for (let at = 0; at + CMSG_HEADER <= control.length; ) {
    const length = Number(control.readBigUInt64LE(at));
    if (length < CMSG_HEADER || at + length > control.length) return undefined;
    const level = control.readInt32LE(at + 8);
    const type = control.readInt32LE(at + 12);
    const data = control.subarray(at + CMSG_HEADER, at + length);
    if (level === IPPROTO_IP && type === IP_PKTINFO && data.length >= 12) {
      return { source: data.subarray(4, 8).join(".") as Ipv4, destination: data.subarray(8, 12).join(".") as Ipv4 };
    }
    if (level === IPPROTO_IPV6 && type === IPV6_PKTINFO && data.length >= 20) {
      const sockaddr = Buffer.concat([
        encodeSockaddr("::" as Ipv6, 0).subarray(0, 8),
        data.subarray(0, 16),
        Buffer.alloc(4),
      ]);
      const { address } = decodeSockaddr(sockaddr);
      return { source: address, destination: address };
    }
    at += (length + 7) & ~7;
  }
  return undefined;
}

/** The interface index stays 0: routing chooses the way, only the source address is ours. */
function pktinfo(source: Ipv4 | Ipv6): Buffer {
  const v6 = isV6(source);
  const size = v6 ? 20 : 12;
  const control = Buffer.alloc(CMSG_HEADER + ((size + 7) & ~7));
  control.writeBigUInt64LE(BigInt(CMSG_HEADER + size), 0);
  control.writeInt32LE(v6 ? IPPROTO_IPV6 : IPPROTO_IP, 8);
  control.writeInt32LE(v6 ? IPV6_PKTINFO : IP_PKTINFO, 12);
  const address = encodeSockaddr(source, 0);
  if (v6) control.set(address.subarray(8, 24), CMSG_HEADER);
  else control.set(address.subarray(4, 8), CMSG_HEADER + 4);
  return control;
}
