/**
 * A recording of a lab against what the kernel's interfaces counted themselves, and against tshark and capinfos, which share no code
 * with docknet.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { createLab, type Lab, type LabCapture, labFile } from "../../src/index.ts";
import { AF_PACKET, bind, closeFd, SOCK_RAW, send, socket } from "../../src/kernel/libc.ts";
import { indexOf } from "../../src/kernel/netlink/link-address.ts";
import type { Netns } from "../../src/kernel/netns.ts";
import type { Packet } from "../../src/kernel/packets/packet-batch.ts";
import { readPackets } from "../../src/kernel/packets/packet-reader.ts";
import { openPacketSocket } from "../../src/kernel/packets/packet-socket.ts";
import { PacketSockets } from "../../src/kernel/packets/packet-sockets.ts";
import { encodeFrame } from "../../src/net/frame.ts";
import type { Mac } from "../../src/net/mac.ts";
import { descriptors, ifName, openedSince, run, TinyNet, waitFor } from "../support/tiny-net.ts";

const BURST = fileURLToPath(new URL("../support/udp-burst.mjs", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "docknet-capture-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** @returns the file and what tshark and capinfos must not say: warnings */
async function write(recording: LabCapture, name: string): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of recording.pcapng()) pieces.push(piece);
  const file = join(folder, name);
  writeFileSync(file, Buffer.concat(pieces));
  return file;
}

function tshark(file: string, ...args: string[]): string[] {
  const { status, stdout, stderr } = spawnSync("tshark", ["-n", "-r", file, ...args], {
    encoding: "utf8",
    maxBuffer: 256 * 1024 * 1024,
  });
  // said to root, of itself
  const said = stderr.split("\n").filter((line) => line !== "" && !line.startsWith("Running as user"));
  expect({ status, said }).toEqual({ status: 0, said: [] });
  return stdout.split("\n").filter((line) => line !== "");
}

interface Counters {
  readonly [place: string]: { readonly rx: number; readonly tx: number };
}

async function counters(lab: Lab): Promise<Counters> {
  const found: Record<string, { rx: number; tx: number }> = {};
  for (const { name } of lab.layout.nodes) {
    const { stdout } = await lab.exec(name, ["ip", "-s", "-j", "link", "show"]);
    for (const { ifname, stats64 } of JSON.parse(stdout))
      if (ifname !== "lo") found[`${name}/${ifname}`] = { rx: stats64.rx.packets, tx: stats64.tx.packets };
  }
  return found;
}

/** Links send on their own now and then: begins where none did between the reading and the recording. */
async function recordFromStill(lab: Lab): Promise<{ recording: LabCapture; before: Counters }> {
  for (let tries = 0; tries < 50; tries++) {
    const before = await counters(lab);
    const recording = lab.capture();
    if (JSON.stringify(await counters(lab)) === JSON.stringify(before)) return { recording, before };
    await recording.close();
  }
  throw new Error("the lab's links are never still");
}

const tally = (words: readonly string[]): Record<string, number> =>
  Object.fromEntries([...new Set(words)].map((word) => [word, words.filter((w) => w === word).length]));

describe("the seed lab, recorded while it is verified", () => {
  test("has on each link, in and out, what the interface counted; tshark reads it without a warning", {
    timeout: 120_000,
  }, async () => {
    await using lab = await createLab(labFile("seed"));
    const { recording, before } = await recordFromStill(lab);
    await using _ = recording;
    const file = write(recording, "seed.pcapng");
    const report = await lab.verify();
    const wrong = report.checks.filter((c) => c.verdict !== "PASS");
    expect(report.verdict, JSON.stringify(wrong, null, 2)).toBe("PASS");
    // what is under way when the probes have ended: until the counters stand still
    let after = await counters(lab);
    for (let last = ""; last !== JSON.stringify(after); after = await counters(lab)) last = JSON.stringify(after);
    recording.stop();
    const path = await file;

    const seen = tally(
      tshark(path, "-T", "fields", "-e", "frame.interface_name", "-e", "frame.packet_flags_direction").map((line) =>
        line
          .replace("\t0x00000001", " in")
          .replace("\t0x00000002", " out")
          .replace("\t1", " in")
          .replace("\t2", " out"),
      ),
    );
    const counted = Object.fromEntries(
      Object.entries(after)
        .flatMap(([place, { rx, tx }]) => [
          [`${place} in`, rx - (before[place]?.rx ?? 0)] as const,
          [`${place} out`, tx - (before[place]?.tx ?? 0)] as const,
        ])
        .filter(([, n]) => n > 0),
    );
    expect(seen).toEqual(counted);
    expect(recording.summary().dropped).toBe(0);

    const info = execFileSync("capinfos", [path], { encoding: "utf8" });
    const places = lab.layout.nodes.flatMap((n) => n.links.map((l) => `${n.name}/${l.name}`));
    expect([...info.matchAll(/ Name = (.*)/g)].map((m) => m[1]).sort()).toEqual(places.sort());
    expect(info).toContain(`Number of interfaces in file: ${places.length}`);
    expect(info).toContain("Time precision = nanoseconds (9)");
    expect(info).toMatch(/Strict time order: +True/);
    expect(info.match(/Number of stat entries = 1/g)).toHaveLength(places.length);

    const comments = tally(
      tshark(path, "-Y", "frame.comment", "-T", "fields", "-e", "frame.interface_name", "-e", "frame.comment"),
    );
    const text = Object.keys(comments).join("\n");
    expect(text).toMatch(
      /^@host\/docker0\tDNAT 192\.168\.0\.10:8080 -> 172\.17\.0\.\d+:80 by nat DOCKER \(port 8080:80\/tcp of web\)$/m,
    );
    expect(text).toMatch(
      /^@router\/wan0\tSNAT 192\.168\.0\.10:\d+ -> 203\.0\.113\.91:\d+ by nat POSTROUTING MASQUERADE/m,
    );
    expect(text).toMatch(/^@host\/eth0\tDNAT undone for the reply: 172\.17\.0\.\d+:80 -> 192\.168\.0\.10:8080$/m);
    // the two senders with one source port (NAPT) leave with two
    expect(text).toMatch(/SNAT 172\.17\.0\.\d+:40000 -> 192\.168\.0\.10:40000 /);
    const named = tshark(path, "-N", "n", "-Y", "ip.dst == 203.0.113.80", "-T", "fields", "-e", "ip.dst_host");
    expect(new Set(named)).toEqual(new Set(["www.internet"]));
  });
});

describe("a flood of 20,000 packets a second between two containers", () => {
  const PACKETS = 20_000;

  test("is recorded whole, on every link of its way, and no packet is dropped", { timeout: 120_000 }, async () => {
    await using lab = await createLab(labFile("seed"));
    await using recording = lab.capture({ filter: "udp dst port 9" });
    const target = addressOf(lab, "b");
    const file = write(recording, "flood.pcapng");
    // 10 times 2000, a burst each 100 ms: within one it is faster
    const flood = await lab.exec("a", [process.execPath, BURST, target, "9", "10", String(PACKETS / 10), "100"]);
    expect(JSON.parse(flood.stdout).sent).toBe(PACKETS);
    recording.stop();
    await file;
    const { links, dropped } = recording.summary();
    expect(dropped).toBe(0);
    const way = links.filter((l) => l.received > 0);
    expect(way.map((l) => l.node)).toEqual(["@host", "@host", "a", "b"]);
    for (const link of way)
      expect(link, `${link.node}/${link.link}`).toMatchObject({ received: PACKETS, delivered: PACKETS });
  });

  test("that is not read in time is dropped by the kernel, and counted to the last packet", {
    timeout: 120_000,
  }, async () => {
    await using net = new TinyNet();
    const tap = openPacketSocket(net.server, ifName("eth0"), { filter: "udp", bufferBytes: 65_536 });
    run(net.client, `${process.execPath} ${BURST} 172.17.0.2 9 1 3000 1`);
    await waitFor("all packets came by", () => tap.statistics().received === 3000, 60_000);
    const abort = new AbortController();
    abort.abort();
    const packets: Packet[] = [];
    for await (const batch of readPackets(new PacketSockets([tap]), abort.signal)) packets.push(...batch);
    expect(tap.statistics().dropped).toBeGreaterThan(0);
    expect(packets).toHaveLength(3000 - tap.statistics().dropped);
    await tap.close();
  });
});

describe("a packet", () => {
  test("comes with the kernel's time, its direction, whom it was for, and its whole length when it is cut", async () => {
    await using net = new TinyNet();
    const tap = openPacketSocket(net.server, ifName("eth0"), { filter: "icmp", snapBytes: 40 });
    const startedAt = Date.now();
    run(net.host, "ping -n -c 1 -s 100 172.17.0.2");
    const abort = new AbortController();
    const packets: Packet[] = [];
    for await (const batch of readPackets(new PacketSockets([tap]), abort.signal)) {
      packets.push(...batch);
      if (packets.length === 2) abort.abort();
    }
    expect(packets.map(({ direction, to, length, data }) => ({ direction, to, length, kept: data.length }))).toEqual([
      { direction: "in", to: "host", length: 142, kept: 40 },
      { direction: "out", to: "unknown", length: 142, kept: 40 },
    ]);
    for (const { seconds, nanos } of packets) {
      const ms = seconds * 1000 + nanos / 1e6;
      expect(ms).toBeGreaterThan(startedAt - 1);
      expect(ms).toBeLessThan(Date.now() + 1);
    }
    await tap.close();
  });

  test("on a VLAN has its tag, though the kernel keeps it apart", async () => {
    await using net = new TinyNet();
    const tap = openPacketSocket(net.server, ifName("eth0"));
    const mac = "02:00:00:00:00:01" as Mac;
    const frame = encodeFrame({ srcMac: mac, dstMac: mac, etherType: 0x0806, vlan: 7, length: 60 });
    sendRaw(net.host, "veth1", frame);
    const abort = new AbortController();
    const packets: Packet[] = [];
    for await (const batch of readPackets(new PacketSockets([tap]), abort.signal)) {
      packets.push(...batch.filter((p) => p.length === 60));
      if (packets.length > 0) abort.abort();
    }
    expect(packets.map((p) => p.data.toString("hex"))).toEqual([Buffer.from(frame).toString("hex")]);
    await tap.close();
  });

  test("is seen from the moment on that the socket is open, and none after stop()", async () => {
    await using net = new TinyNet();
    const before = descriptors();
    const tap = openPacketSocket(net.server, ifName("eth0"), { filter: "icmp" });
    run(net.host, "ping -n -c 1 172.17.0.2");
    tap.stop();
    run(net.host, "ping -n -c 1 172.17.0.2");
    expect(tap.statistics()).toEqual({ received: 2, dropped: 0 });
    await tap.close();
    expect(openedSince(before)).toEqual([]);
  });
});

describe("capture of a lab", () => {
  test("names what it does not find, and what it cannot use", async () => {
    await using lab = await createLab(labFile("seed"));
    const before = descriptors();
    expect(() => lab.capture({ nodes: ["wep"] })).toThrow("Cannot capture at wep: there is no node wep that runs");
    expect(() => lab.capture({ nodes: ["web/eth7"] })).toThrow(
      'Cannot capture at web/eth7: web has no interface "eth7"',
    );
    expect(() => lab.capture({ filter: "tcp and and" })).toThrow(
      /^Cannot use the filter "tcp and and": .*syntax error/,
    );
    expect(openedSince(before)).toEqual([]);
  });

  test("takes nodes and links by name, with or without @, a container that uses the host's network, and lo", async () => {
    await using lab = await createLab(labFile("seed"));
    const linksOf = async (...nodes: string[]): Promise<string> => {
      await using recording = lab.capture({ nodes });
      return recording.links.join(" ");
    };
    expect(await linksOf("web")).toBe("web/eth0");
    expect(await linksOf("host/eth0", "@host/docker0", "web/eth0", "web")).toBe("@host/eth0 @host/docker0 web/eth0");
    expect(await linksOf("agent/eth0", "web/lo")).toBe("@host/eth0 web/lo");
  });

  test("takes a service, which is all its containers, and a container by the name that docknet ps tells", async () => {
    await using lab = await createLab(labFile("replicas"));
    const linksOf = async (...nodes: string[]): Promise<readonly string[]> => {
      await using recording = lab.capture({ nodes });
      return recording.links;
    };
    const replicas = ["api-1/eth0", "api-2/eth0", "api-3/eth0"];
    expect(await linksOf("api")).toEqual(replicas);
    expect(await linksOf("api/eth0")).toEqual(replicas);
    const [second = ""] = lab.state.containers.filter((c) => c.node === "api-2").map((c) => c.name);
    expect(second).not.toBe("api-2");
    expect(await linksOf(second)).toEqual(["api-2/eth0"]);
  });

  test("ends after so many packets, or so long", async () => {
    await using lab = await createLab(labFile("seed"));
    await using counted = lab.capture({ nodes: ["web"], filter: "icmp", count: 3 });
    await using timed = lab.capture({ nodes: ["web"], filter: "icmp", durationMs: 300 });
    const pinging = lab.exec("a", ["ping", "-n", "-c", "5", "-i", "0.3", addressOf(lab, "web")]);
    const seen: string[] = [];
    for await (const packet of counted) seen.push(`${packet.node}/${packet.link} ${packet.direction}`);
    expect(seen).toEqual(["web/eth0 in", "web/eth0 out", "web/eth0 in"]);
    for await (const packet of timed) expect(packet.frame.ip?.icmp).toBeDefined();
    await pinging;
  });
});

/** As it is, past all of the sender's stack. */
function sendRaw(ns: Netns, link: string, frame: Uint8Array): void {
  const fd = ns.enter(() => {
    const raw = socket(AF_PACKET, SOCK_RAW, 0);
    const address = Buffer.alloc(20); // struct sockaddr_ll
    address.writeUInt16LE(AF_PACKET, 0);
    address.writeInt32LE(indexOf(ifName(link)), 4);
    bind(raw, address);
    return raw;
  });
  send(fd, frame);
  closeFd(fd);
}

function addressOf(lab: Lab, node: string): string {
  return lab.state.containers.find((c) => c.node === node)?.endpoints[0]?.address ?? "";
}
