/** A lab with every situation that a walk tells of, and independent observer on it: iptables' counters and tcpdump. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Netns } from "../../src/kernel/netns.ts";
import type { Site } from "../../src/lab/site.ts";
import type { NodeName } from "../../src/net/name.ts";
import { run } from "./tiny-net.ts";
import { waitFor } from "./wait-for.ts";

export const WALK_LAB = `
services:
  a: { image: busybox, network_mode: bridge, x-docknet: { serve: ["80"] } }
  b: { image: busybox, network_mode: bridge, x-docknet: { serve: ["80"] } }
  web: { image: nginx, network_mode: bridge, ports: ["8080:80"] }
  c: { image: busybox, networks: [second], x-docknet: { serve: ["80"] } }
  db: { image: postgres, networks: [second] }
  quiet: { image: busybox, networks: [closed], x-docknet: { serve: ["80"] } }
  x: { image: busybox, networks: [noicc], x-docknet: { serve: ["80"] } }
  y: { image: busybox, networks: [noicc], x-docknet: { serve: ["80"] } }
  agent: { image: busybox, network_mode: host, x-docknet: { serve: ["9100"] } }
  lonely: { image: busybox, network_mode: none }
networks:
  second: { name: second }
  closed: { internal: true }
  noicc: { driver_opts: { com.docker.network.bridge.enable_icc: "false" } }
x-docknet: { world: { router: { forwards: ["8080"], static: ["203.0.113.92:192.168.0.20"] } } }
`;

const TABLES = ["raw", "nat", "filter"] as const;

/** "@host raw PREROUTING -d 172.17.0.2/32 ! -i docker0 -j DROP" -> packets, by `iptables -L -v -x` in the order of `iptables -S`. */
export function readCounters(site: Site, nodes: readonly NodeName[]): Map<string, number> {
  const counters = new Map<string, number>();
  for (const node of nodes) {
    for (const table of TABLES) {
      const specs = run(site.netns(node), `iptables -t ${table} -S`);
      const packets = packetsOf(run(site.netns(node), `iptables -t ${table} -L -v -x -n`));
      for (const [, chain = "", spec = ""] of specs.matchAll(/^-A (\S+) (.*)$/gm))
        counters.set(`${node} ${table} ${chain} ${spec}`, packets.get(chain)?.shift() ?? Number.NaN);
    }
  }
  return counters;
}

/** Chain -> packets of its rules in order. */
function packetsOf(listing: string): Map<string, number[]> {
  const packets = new Map<string, number[]>();
  let chain: number[] = [];
  for (const line of listing.split("\n")) {
    const name = /^Chain (\S+)/.exec(line)?.[1];
    if (name !== undefined) {
      chain = [];
      packets.set(name, chain);
    }
    const count = /^\s+(\d+)\s+\d+\s/.exec(line)?.[1];
    if (count !== undefined) chain.push(Number(count));
  }
  return packets;
}

/** Rules that counted packets between two readings. */
export const movedBetween = (before: ReadonlyMap<string, number>, after: ReadonlyMap<string, number>): string[] =>
  [...after].flatMap(([rule, packets]) => (packets > (before.get(rule) ?? 0) ? [rule] : []));

/** In an unprivileged user namespace tcpdump cannot become the user that it wants to be. */
const isBound = existsSync("/proc/self/setgroups") && readFileSync("/proc/self/setgroups", "utf8").trim() === "deny";
const EYE: readonly [string, ...string[]] = isBound
  ? ["perl", fileURLToPath(new URL("./packet-eye.pl", import.meta.url))]
  : ["tcpdump", "-i", "any", "-nn", "-l", "-v", "--immediate-mode", "ip"];

/** `tcpdump -i any` in one namespace, as text. */
export class Tcpdump {
  private readonly child: ChildProcess;
  private text = "";
  private readonly listening: Promise<unknown>;

  constructor(ns: Netns) {
    const [file, ...args] = EYE;
    this.child = ns.enter(() => ({ child: spawn(file, args, { stdio: ["ignore", "pipe", "pipe"] }) })).child;
    this.child.stdout?.on("data", (chunk) => {
      this.text += chunk;
    });
    this.listening = new Promise<void>((resolve, reject) => {
      let said = "";
      this.child.stderr?.on("data", (chunk) => {
        said += chunk;
        if (said.includes("listening on")) resolve();
      });
      this.child.once("exit", () => reject(new Error(`tcpdump ended: ${said}`)));
    });
    this.listening.catch(() => {});
  }

  ready(): Promise<unknown> {
    return this.listening;
  }

  /** Waits until it has printed such a packet. */
  async saw(packet: {
    link: string;
    direction: "in" | "out";
    src: string;
    sport?: number;
    dst: string;
    dport?: number;
    ttl: number;
  }): Promise<void> {
    const dot = (port: number | undefined): string => (port === undefined ? "" : `.${port}`);
    const ends = `${packet.src}${dot(packet.sport)} > ${packet.dst}${dot(packet.dport)}:`;
    // "P": it is for another station, as a bridge's port gets it
    const sides = packet.direction === "in" ? [" In ", " P "] : [" Out "];
    await waitFor(`${packet.link}${sides[0]}${ends} ttl ${packet.ttl}`, 20_000, async () =>
      this.text
        .replaceAll(/\n {4}/g, " ")
        .split("\n")
        .some(
          (l) =>
            ` ${l}`.includes(` ${packet.link} `) &&
            sides.some((side) => l.includes(side)) &&
            l.includes(`ttl ${packet.ttl},`) &&
            l.includes(ends),
        ),
    );
  }

  async close(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    this.child.kill("SIGTERM");
    await once(this.child, "exit");
  }
}
