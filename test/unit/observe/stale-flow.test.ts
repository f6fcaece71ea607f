/** Which conntrack entries contradict the NAT rules that the lab wants, and which only look like it. */
import { describe, expect, test } from "vitest";
import { loadSpec, resolveState } from "../../../src/index.ts";
import type { ConntrackEntry } from "../../../src/kernel/netlink/conntrack.ts";
import type { Ipv4 } from "../../../src/net/address.ts";
import { HOST, type NodeName, ROUTER } from "../../../src/net/name.ts";
import { staleFlow } from "../../../src/observe/stale-flow.ts";
import { layoutOf } from "../../../src/plan/layout-of.ts";
import { ORDINARY_MACHINE } from "../../../src/plan/machine.ts";
import { labText } from "../../support/lab-text.ts";

const { state } = resolveState(
  loadSpec(
    labText(`
services:
  web: { image: nginx, network_mode: bridge, ports: ["8080:80"] }
  plain: { image: nginx, networks: [straight] }
networks:
  straight: { ipam: { config: [{ subnet: 172.30.0.0/24 }] }, driver_opts: { com.docker.network.bridge.enable_ip_masquerade: "false" } }
x-docknet: { world: { router: { forwards: ["8080"] } } }
`),
  ),
);
const layout = layoutOf(state, ORDINARY_MACHINE);

/** "172.17.0.2:5000 > 203.0.113.80:80" */
function tuple(text: string) {
  const [[src, srcPort], [dst, dstPort]] = text.split(" > ").map((end) => end.split(":")) as [string[], string[]];
  return { src: src as Ipv4, srcPort: Number(srcPort ?? 0), dst: dst as Ipv4, dstPort: Number(dstPort ?? 0) };
}

const found = (node: NodeName, proto: string, original: string, reply: string, tcp = "SYN_SENT") => {
  const entry = {
    proto,
    original: tuple(original),
    reply: tuple(reply),
    replied: false,
    assured: false,
    dstNat: false,
    srcNat: false,
    timeoutSeconds: 100,
    ...(proto === "tcp" ? { state: tcp } : {}),
  } as unknown as ConntrackEntry;
  const drift = staleFlow(layout, node, entry);
  return drift && { wanted: drift.wanted, found: drift.found };
};

const MASQUERADE = "-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE";
const DNAT = "-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80";

describe("stale", () => {
  test.for([
    [
      "out of a network without MASQUERADE",
      HOST,
      "tcp",
      "172.17.0.2:40000 > 203.0.113.80:80",
      "203.0.113.80:80 > 172.17.0.2:40000",
      MASQUERADE,
      "no translation",
    ],
    [
      "the same over udp",
      HOST,
      "udp",
      "172.17.0.2:4000 > 203.0.113.53:53",
      "203.0.113.53:53 > 172.17.0.2:4000",
      MASQUERADE,
      "no translation",
    ],
    [
      "and ping",
      HOST,
      "icmp",
      "172.17.0.2:7 > 203.0.113.80:7",
      "203.0.113.80:7 > 172.17.0.2:7",
      MASQUERADE,
      "no translation",
    ],
    [
      "to a published port without DNAT",
      HOST,
      "tcp",
      "192.168.0.20:5000 > 192.168.0.10:8080",
      "192.168.0.10:8080 > 192.168.0.20:5000",
      DNAT,
      "no translation",
    ],
    [
      "to a container that had the port before",
      HOST,
      "tcp",
      "192.168.0.20:5000 > 192.168.0.10:8080",
      "172.17.0.9:80 > 192.168.0.20:5000",
      DNAT,
      "a translation to 172.17.0.9:80",
    ],
    [
      "to a port that is published no more",
      HOST,
      "tcp",
      "192.168.0.20:5000 > 192.168.0.10:9999",
      "172.17.0.2:80 > 192.168.0.20:5000",
      "no translation",
      "a translation to 172.17.0.2:80",
    ],
    [
      "masqueraded where the network wants none",
      HOST,
      "tcp",
      "172.30.0.2:5000 > 203.0.113.80:80",
      "203.0.113.80:80 > 192.168.0.10:5000",
      "no translation",
      "a translation to 192.168.0.10",
    ],
    [
      "through the router as it came",
      ROUTER,
      "tcp",
      "192.168.0.10:5000 > 203.0.113.80:80",
      "203.0.113.80:80 > 192.168.0.10:5000",
      "-A POSTROUTING -o wan0 -j MASQUERADE",
      "no translation",
    ],
  ] as const)("%s", ([, node, proto, original, reply, wanted, seen]) => {
    expect(found(node, proto, original, reply)).toEqual({ wanted, found: seen });
  });
});

describe("not stale", () => {
  test.for([
    ["masqueraded", HOST, "172.17.0.2:40000 > 203.0.113.80:80", "203.0.113.80:80 > 192.168.0.10:40000", "ESTABLISHED"],
    [
      "with another port, for two senders had the same",
      HOST,
      "172.17.0.2:40000 > 203.0.113.80:80",
      "203.0.113.80:80 > 192.168.0.10:1024",
      "ESTABLISHED",
    ],
    ["published", HOST, "192.168.0.20:5000 > 192.168.0.10:8080", "172.17.0.2:80 > 192.168.0.20:5000", "ESTABLISHED"],
    [
      "from the network itself: the userland proxy answers",
      HOST,
      "172.17.0.2:5000 > 192.168.0.10:8080",
      "192.168.0.10:8080 > 172.17.0.2:5000",
      "ESTABLISHED",
    ],
    ["within the bridge", HOST, "172.17.0.2:5000 > 172.17.0.3:80", "172.17.0.3:80 > 172.17.0.2:5000", "ESTABLISHED"],
    ["to the host itself", HOST, "172.17.0.2:5000 > 172.17.0.1:22", "172.17.0.1:22 > 172.17.0.2:5000", "SYN_SENT"],
    [
      "of the host itself",
      HOST,
      "192.168.0.10:5000 > 203.0.113.80:80",
      "203.0.113.80:80 > 192.168.0.10:5000",
      "ESTABLISHED",
    ],
    ["over lo", HOST, "127.0.0.1:5000 > 127.0.0.1:8080", "127.0.0.1:8080 > 127.0.0.1:5000", "ESTABLISHED"],
    [
      "of a network without masquerading",
      HOST,
      "172.30.0.2:5000 > 203.0.113.80:80",
      "203.0.113.80:80 > 172.30.0.2:5000",
      "ESTABLISHED",
    ],
    [
      "of a container that has gone",
      HOST,
      "172.17.0.99:5000 > 203.0.113.80:80",
      "203.0.113.80:80 > 172.17.0.99:5000",
      "ESTABLISHED",
    ],
    [
      "over, so that the next SYN begins anew",
      HOST,
      "172.17.0.2:40000 > 203.0.113.80:80",
      "203.0.113.80:80 > 172.17.0.2:40000",
      "CLOSE",
    ],
    [
      "forwarded by the router",
      ROUTER,
      "203.0.113.80:5000 > 203.0.113.91:8080",
      "192.168.0.10:8080 > 203.0.113.80:5000",
      "ESTABLISHED",
    ],
  ] as const)("%s", ([, node, original, reply, tcp]) => {
    expect(found(node, "tcp", original, reply, tcp)).toBeUndefined();
  });
});
