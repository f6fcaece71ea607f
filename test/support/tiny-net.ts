/**
 * Three unnamed namespaces for tests of sockets, probes and captures:
 *
 *   client 10.1.0.2 --- 10.1.0.1 host 172.17.0.1 --- 172.17.0.2 (eth0) server
 *                                host 172.18.0.1 --- 172.18.0.2 (eth1) server
 *
 * IPv6 is off, so that nothing but the test sends; the host forwards; `lo` is up everywhere. Nothing outlives `close`.
 */
import { execFileSync } from "node:child_process";
import { readdirSync, readlinkSync } from "node:fs";
import { Netns } from "../../src/kernel/netns.ts";
import type { Ipv4 } from "../../src/net/address.ts";
import type { IfName } from "../../src/net/name.ts";
import type { Port } from "../../src/net/port.ts";

export class TinyNet implements AsyncDisposable {
  readonly client = Netns.create("client");
  readonly host = Netns.create("host");
  readonly server = Netns.create("server");

  constructor() {
    for (const ns of [this.client, this.host, this.server]) {
      ns.writeSysctl("net.ipv6.conf.all.disable_ipv6", "1");
      ns.writeSysctl("net.ipv6.conf.default.disable_ipv6", "1");
      run(ns, "ip link set lo up");
    }
    this.host.writeSysctl("net.ipv4.ip_forward", "1");
    link(this.client, "eth0", "10.1.0.2/24", this.host, "eth0", "10.1.0.1/24");
    link(this.host, "veth1", "172.17.0.1/16", this.server, "eth0", "172.17.0.2/16");
    link(this.host, "veth2", "172.18.0.1/16", this.server, "eth1", "172.18.0.2/16");
    run(this.client, "ip route add default via 10.1.0.1");
    run(this.server, "ip route add default via 172.17.0.1");
  }

  async close(): Promise<void> {
    for (const ns of [this.client, this.host, this.server]) ns.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** Words are split at spaces. @returns stdout */
export function run(ns: Netns, command: string): string {
  const [file = "", ...args] = command.split(" ");
  return ns.enter(() => execFileSync(file, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }));
}

export function link(a: Netns, nameA: string, cidrA: string, b: Netns, nameB: string, cidrB: string): void {
  run(a, `ip link add ${nameA} type veth peer name ${nameB} netns /proc/${process.pid}/fd/${b.fd}`);
  for (const [ns, name, cidr] of [
    [a, nameA, cidrA],
    [b, nameB, cidrB],
  ] as const) {
    run(ns, `ip addr add ${cidr} dev ${name}`);
    run(ns, `ip link set ${name} up`);
  }
}

/** Waits for a fact. @throws Error naming it after the deadline */
export async function waitFor(what: string, fact: () => boolean, deadlineMs = 20_000): Promise<void> {
  const end = performance.now() + deadlineMs;
  while (!fact()) {
    if (performance.now() > end) throw new Error(`not within ${deadlineMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

export const fdCount = (): number => readdirSync("/proc/self/fd").length;

/** What this process has open, by what it is: "socket:[4711]". */
export const descriptors = (): readonly string[] =>
  readdirSync("/proc/self/fd").flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/self/fd/${fd}`)];
    } catch {
      return []; // the directory that was read just now
    }
  });

/** What is open and was not then. A count would not do: what an earlier test has left to close may close meanwhile. */
export function openedSince(before: readonly string[]): string[] {
  const known = new Map<string, number>();
  for (const what of before) known.set(what, (known.get(what) ?? 0) + 1);
  return descriptors().filter((what) => {
    const left = known.get(what) ?? 0;
    known.set(what, left - 1);
    return left <= 0;
  });
}

export const ip = (text: string): Ipv4 => text as Ipv4;
export const port = (value: number): Port => value as Port;
export const ifName = (text: string): IfName => text as IfName;
