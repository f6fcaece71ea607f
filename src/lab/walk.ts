/** `docknet walk` on a lab that stands: finds the two ends, puts the kernel behind the walk's instruments, sends one packet. */
import { randomBytes } from "node:crypto";
import { decodeAnswer, encodeQuestion } from "../dns/question.ts";
import { DocknetError } from "../errors.ts";
import { openTrace } from "../kernel/firewall/nft-trace.ts";
import { readNumberedRules } from "../kernel/firewall/rule-handle.ts";
import { findConntrack } from "../kernel/netlink/conntrack.ts";
import { readNeighbours } from "../kernel/netlink/neighbours.ts";
import { NETLINK_NETFILTER, NetlinkSocket } from "../kernel/netlink/netlink.ts";
import { askForwarding, askRoute } from "../kernel/netlink/route-query.ts";
import { decodeLinkFacts, dumpLinks, dumpTables } from "../kernel/netlink/rtnetlink-read.ts";
import { watchFrames } from "../kernel/packets/frame-watch.ts";
import { exchange } from "../kernel/speech/exchange.ts";
import { openStimulus } from "../kernel/speech/stimulus.ts";
import type { Ipv4 } from "../net/address.ts";
import { HOST, type IfName, type NodeName } from "../net/name.ts";
import { isPort, type Port } from "../net/port.ts";
import { ruleKey } from "../observe/walk/record.ts";
import { runWalk, type WalkInstruments } from "../observe/walk/run.ts";
import type { Walk } from "../observe/walk/walk.ts";
import { firewallsOf, linkOf, nodeOf } from "../plan/layout.ts";
import { predict } from "../plan/predict/predict.ts";
import { isWorldNode, parseWalkTarget, walkAddress, walkSender } from "../plan/predict/walk-target.ts";
import type { Container } from "../state/state.ts";
import type { Site } from "./site.ts";
import { VERSION } from "./verify.ts";

export interface WalkOptions {
  /** Also show the way of the answer. */
  readonly reply?: boolean;
  /** Also send and show a second packet of the same flow. */
  readonly second?: boolean;
  /** Milliseconds after which silence counts as silence; 250 unless said. */
  readonly silenceMs?: number;
  /** From which port it is sent, or which id an echo request has; a free one unless said. */
  readonly sourcePort?: number;
  readonly signal?: AbortSignal;
}

const SILENCE_MS = 250;
const DNS_MS = 1000;
const DNS_PORT = 53;

/**
 * Sends one packet from `from` to `to` and follows it. Changes nothing that stays, but for what a packet does: counters and conntrack.
 * @param from a service, a container or @host, @router, @neighbour, @internet; @param to the same, or an address or name, with
 * `:PORT[/proto]`; no port: an echo request. @throws DocknetError USAGE, NOT_FOUND, CONFLICT
 */
export async function walkSite(site: Site, from: string, to: string, options: WalkOptions = {}): Promise<Walk> {
  const { state, layout } = site;
  const target = parseWalkTarget(to);
  const { sourcePort } = options;
  if (sourcePort !== undefined && !(isPort(sourcePort) && sourcePort > 0))
    throw new DocknetError("USAGE", `Cannot walk from port ${sourcePort}: wanted 1 to 65535`);
  const { node, container } = walkSender(state, from);
  const sender = (container && site.sandboxOf(container)) ?? node;
  const address = walkAddress(state, node, target.name) ?? (await resolve(site, sender, container, target.name));
  const probe = { from: node, address, proto: target.proto, ...(target.port ? { port: target.port } : {}) };
  const { legs } = predict(state, probe, firewallsOf(layout));
  const holder = state.containers.find((c) => c.endpoints.some((e) => e.address === address));
  const likely = new Set([sender, ...legs.map((l) => l.node), ...(holder ? [holder.node] : [])]);
  const nodes = layout.nodes.map((n) => n.name).filter((name) => isWorldNode(name) || likely.has(name));
  // also where it is led to when it goes on otherwise than predicted
  const forwards = state.world.router.forwards.filter((f) => f.publicPort === target.port);
  const ports = [...new Set([target.port, ...legs.map((l) => l.dport), ...forwards.map((f) => f.toPort)])].filter(
    (p) => p !== undefined,
  );
  const walked = await runWalk(instrumentsOf(site), {
    sender,
    nodes,
    likely,
    layout,
    address,
    proto: target.proto,
    ...(target.port ? { port: target.port } : {}),
    payload: payloadOf(target.port, container),
    answerPorts: ports,
    proxies: (nodeOf(layout, HOST)?.proxies ?? []).filter(
      (p) => p.proto === target.proto && ports.includes(p.hostPort),
    ),
    reply: options.reply ?? false,
    second: options.second ?? false,
    silenceMs: options.silenceMs ?? SILENCE_MS,
    ...(sourcePort ? { sourcePort: sourcePort as Port } : {}),
    ...(options.signal ? { signal: options.signal } : {}),
  });
  const { port, proto } = target;
  return {
    schema: 1,
    docknet: VERSION,
    lab: state.lab,
    from,
    to,
    address,
    ...(port ? { port } : {}),
    proto,
    ...walked,
  };
}

/** To port 53 a question that a name server answers; to all others a few bytes. Each begins otherwise, so that a trace tells it apart. */
function payloadOf(port: number | undefined, container: Container | undefined): Uint8Array {
  const mark = randomBytes(4);
  return port === DNS_PORT
    ? encodeQuestion(mark.readUInt16BE(), container?.resolver ? container.name : "example.test")
    : Buffer.concat([Buffer.from("docknet walk"), mark]);
}

/** As the sender would ask: its embedded DNS server, or the internet's. */
async function resolve(site: Site, sender: NodeName, container: Container | undefined, name: string): Promise<Ipv4> {
  const addresses = container?.resolver
    ? await site
        .instruments()
        .resolve({ node: container.node, name, deadlineMs: DNS_MS })
        .then((r) => (r.outcome === "answer" ? r.addresses : []))
    : await askInternet(site, sender, name);
  const [address] = addresses;
  if (address) return address;
  throw new DocknetError(
    "NOT_FOUND",
    `No service, container or node "${name}" in lab ${site.state.lab}, and no such name in its DNS`,
    {
      remedy: "See `docknet ps` for what there is",
    },
  );
}

async function askInternet(site: Site, sender: NodeName, name: string): Promise<readonly Ipv4[]> {
  const server = { address: site.state.world.internet.dns, port: DNS_PORT };
  const reply = await exchange(site.netns(sender), server, encodeQuestion(1, name), {
    deadlineMs: DNS_MS,
    accept: (data) => decodeAnswer(1, data) !== undefined,
  });
  return reply.outcome === "answer" ? (decodeAnswer(1, reply.data)?.addresses ?? []) : [];
}

function instrumentsOf(site: Site): WalkInstruments {
  const { executor } = site;
  return {
    links: (node) => {
      const links = executor.node(node).route.query(dumpLinks).map(decodeLinkFacts);
      return links.map(({ index, name, mac, kind, masterIndex, up }) => {
        const master = links.find((l) => l.index === masterIndex)?.name;
        const wanted = kind === "macvlan" ? linkOf(site.layout, node, name as IfName) : undefined;
        const parent = wanted?.kind === "macvlan" ? `${wanted.parent.name} of ${wanted.parent.node}` : undefined;
        return {
          index,
          name,
          mac,
          isBridge: kind === "bridge",
          isUp: up,
          ...(master ? { master } : {}),
          ...(parent ? { parent } : {}),
        };
      });
    },
    hasTables: (node) => {
      const socket = new NetlinkSocket(site.netns(node), NETLINK_NETFILTER);
      try {
        return socket.query(dumpTables).length > 0;
      } finally {
        socket.close();
      }
    },
    watch: (node, onFrame) => watchFrames(site.netns(node), onFrame),
    trace: (node, selectors, onEvent) => openTrace(site.netns(node), selectors, onEvent),
    rules: async (node) =>
      new Map((await readNumberedRules(site.netns(node))).map((rule) => [ruleKey(rule.table, rule.handle), rule])),
    route: (node, question) => askRoute(executor.node(node).route, question),
    forwards: (node, index) => askForwarding(executor.node(node).route, index),
    neighbours: (node) => readNeighbours(executor.node(node).route),
    conntrack: (node, first) => findConntrack(site.netns(node), first),
    stimulus: (node, request) => openStimulus(site.netns(node), request),
  };
}
