/** A conntrack entry in few words: "tcp SRC:PORT DST:PORT" for each direction; the protocol may be left out. */
import type { ConntrackEntry, Tuple } from "../../src/kernel/netlink/conntrack.ts";
import type { Ipv4 } from "../../src/net/address.ts";

export function conntrackEntry(original: string, reply: string, more: Partial<ConntrackEntry> = {}): ConntrackEntry {
  const proto = /^[a-z]+(?= )/.exec(original)?.[0] ?? "tcp";
  const [there, back] = [tuple(original.replace(/^[a-z]+ /, "")), tuple(reply)];
  return {
    proto,
    original: there,
    reply: back,
    ...(proto === "tcp" ? { state: "ESTABLISHED" } : {}),
    replied: proto === "tcp",
    assured: proto === "tcp",
    srcNat: there.src !== back.dst || there.srcPort !== back.dstPort,
    dstNat: there.dst !== back.src || there.dstPort !== back.srcPort,
    timeoutSeconds: 120,
    ...more,
  };
}

function tuple(text: string): Tuple {
  const [, src = "", srcPort, dst = "", dstPort] = /^(\S+):(\d+) (\S+):(\d+)$/.exec(text) ?? [];
  return { src: src as Ipv4, dst: dst as Ipv4, srcPort: Number(srcPort), dstPort: Number(dstPort) };
}
