/** NAT decides at a flow's first packet: flows that bindings made are forgotten with them, so that no old flow goes on to nobody. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { loadSpec, resolveState, type State } from "../../src/index.ts";
import { removeOwned } from "../../src/kernel/clean.ts";
import { Manifest } from "../../src/kernel/manifest.ts";
import { readConntrack } from "../../src/kernel/netlink/conntrack.ts";
import { Site } from "../../src/lab/site.ts";
import type { Ipv4 } from "../../src/net/address.ts";
import { HOST, type LabName, NEIGHBOUR } from "../../src/net/name.ts";
import type { Port } from "../../src/net/port.ts";
import { labText } from "../support/lab-text.ts";

const HOST_ADDRESS = "192.168.0.10" as Ipv4;
/** One that a client keeps, as NAT gateways and DNS clients do. */
const SOURCE = 41_000 as Port;

let directory: string;
let lab: LabName;
let site: Site;

beforeEach(() => {
  lab = `f${process.pid}` as LabName;
  directory = join(mkdtempSync(join(tmpdir(), "docknet-flows-")), lab);
  site = openSite();
});

afterEach(async () => {
  await site.close().catch(() => {});
  await removeOwned(directory);
  rmSync(dirname(directory), { recursive: true, force: true });
});

function openSite(): Site {
  return new Site({ lab, manifest: new Manifest(directory) });
}

/** @param services of a compose file, one a line */
const stateOf = (...services: string[]): State =>
  resolveState(loadSpec({ ...labText(["services:", ...services.map((s) => `  ${s}`)].join("\n")), projectName: lab }))
    .state;

const a = "a: { image: x, ports: ['5000:9/udp', '8080:80'] }";
const pad = "pad: { image: x }";
const b = "b: { image: x, ports: ['5000:9/udp', '8080:80'] }";

/** From the neighbour's one source port to a port of the host: who answered, or what became of it. */
async function ask(proto: "tcp" | "udp", port: number): Promise<string> {
  const request = { node: NEIGHBOUR, proto, address: HOST_ADDRESS, port: port as Port, sourcePort: SOURCE };
  const { outcome, answer } = await site.instruments().probe({ ...request, deadlineMs: 20_000 }).result;
  return answer?.service ?? outcome;
}

const udpFlows = (): string[] =>
  readConntrack(site.netns(HOST))
    .filter((e) => e.proto === "udp" && e.original.srcPort === SOURCE)
    .map((e) => `${e.original.dst} leads to ${e.reply.src}`);

test("a UDP flow follows its port to another container", async () => {
  await site.become(stateOf(a));
  expect(await ask("udp", 5000)).toBe("a");
  expect(udpFlows()).toEqual(["192.168.0.10 leads to 172.18.0.2"]);
  await site.become(stateOf(pad, b));
  expect(udpFlows()).toEqual([]);
  expect(await ask("udp", 5000)).toBe("b");
});

test("what was refused reaches the container that comes then, from the same source port", async () => {
  await site.become(stateOf(pad));
  expect([await ask("tcp", 8080), await ask("udp", 5000)]).toEqual(["refuse", "refuse"]);
  await site.become(stateOf(pad, a));
  expect([await ask("tcp", 8080), await ask("udp", 5000)]).toEqual(["a", "a"]);
});

test("flows to a port that is published no more are forgotten when another process takes the lab up", async () => {
  await site.become(stateOf(a));
  // else forgotten after 30 s, which a busy machine may take
  site.netns(HOST).writeSysctl("net.netfilter.nf_conntrack_udp_timeout", "600");
  await ask("udp", 5000);
  await site.detach();
  site = openSite();
  await site.adopt(stateOf(a));
  expect(udpFlows()).toEqual(["192.168.0.10 leads to 172.18.0.2"]);
  await site.detach();
  site = openSite();
  await site.adopt(stateOf(pad));
  expect(udpFlows()).toEqual([]);
});
