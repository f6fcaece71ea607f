/**
 * Does a walk: opens its observer in every namespace that can matter, sends one packet, waits for what becomes of it, and closes them.
 * The kernel is seen by an interface; lab/walk.ts puts the real one behind it.
 */
import { DocknetError } from "../../errors.ts";
import type { Trace, TraceEvent, TraceSelector } from "../../kernel/firewall/nft-trace.ts";
import type { Neighbour } from "../../kernel/netlink/neighbours.ts";
import type { RouteAnswer, RouteQuestion } from "../../kernel/netlink/route-query.ts";
import type { FrameWatch, WatchedFrame } from "../../kernel/packets/frame-watch.ts";
import type { Reaction, Stimulus, StimulusRequest } from "../../kernel/speech/stimulus.ts";
import type { Frame } from "../../net/frame.ts";
import type { Mac } from "../../net/mac.ts";
import { HOST, type NodeName } from "../../net/name.ts";
import type { Port } from "../../net/port.ts";
import { type Layout, type ProxyListener, rulesIn } from "../../plan/layout.ts";
import { EventWatch } from "../event-watch.ts";
import { conntrackOf, type FindConntrack } from "./conntrack.ts";
import { hasSecond, isComplete, joinWalk, type WalkCourse } from "./join.ts";
import { type NodeFacts, type NodeTrace, placeOf, type WalkLink, type WalkPacket, type WalkRecord } from "./record.ts";
import type { Walk } from "./walk.ts";

export interface WalkInstruments {
  links(node: NodeName): WalkLink[];
  /** Are there any rules or chains, whoever made them? */
  hasTables(node: NodeName): boolean;
  watch(node: NodeName, onFrame: (watched: WatchedFrame) => void): FrameWatch;
  trace(node: NodeName, selectors: readonly TraceSelector[], onEvent: (event: TraceEvent) => void): Trace;
  rules(node: NodeName): Promise<NodeFacts["rules"]>;
  route(node: NodeName, question: RouteQuestion): RouteAnswer;
  /** @param index of a link */
  forwards(node: NodeName, index: number): boolean;
  neighbours(node: NodeName): readonly Neighbour[];
  readonly conntrack: FindConntrack;
  stimulus(node: NodeName, request: StimulusRequest): Stimulus;
}

export interface WalkOrder extends StimulusRequest {
  readonly sender: NodeName;
  /** Namespaces where it may show. */
  readonly nodes: readonly NodeName[];
  /** Those of them where it should: their rules are read while it is on its way. */
  readonly likely: ReadonlySet<NodeName>;
  /** Ports from which it may be answered: its own target, and those that NAT leads it to. */
  readonly answerPorts: readonly Port[];
  readonly layout: Layout;
  /** The host's listeners that may take it. */
  readonly proxies: readonly ProxyListener[];
  readonly reply: boolean;
  readonly second: boolean;
  /** Milliseconds after which silence counts as silence. */
  readonly silenceMs: number;
  /** Ends the walk early, and with ABORTED. */
  readonly signal?: AbortSignal;
}

export type Walked = Pick<Walk, "verdict" | "reason" | "rule" | "ways" | "conntrack" | "warnings">;

/** A REJECT's message follows the trace of its rule; the second packet its answer. */
const SOON_MS = 250;

/** @throws DocknetError or SystemError when the packet cannot be sent or seen */
export async function runWalk(instruments: WalkInstruments, order: WalkOrder): Promise<Walked> {
  const { signal, silenceMs } = order;
  const watch = new EventWatch(signal);
  const observer = new WalkObserver(instruments, order);
  const stimulus = instruments.stimulus(order.sender, order);
  try {
    observer.open(stimulus, () => watch.look());
    const course: WalkCourse = { ...order, sport: stimulus.port, host: HOST };
    let reaction: Reaction | undefined;
    const reacted = stimulus.fire().then((r) => {
      reaction = r;
      watch.look();
    });
    reacted.catch(() => watch.look());
    const early = observer.record();
    // the trace shows what other walks chose too: a drop must be ours
    const isDropped = (): boolean =>
      observer.traces.some((t) => t.verdict.kind === "DROP") && joinWalk(early, course).rule !== undefined;
    await watch.until(() => reaction !== undefined || isDropped(), silenceMs);
    if (reaction === undefined && isDropped()) {
      await observer.readRules();
      const { rule } = joinWalk(observer.record(), course);
      // a DROP sends no message
      if (rule?.verdict === "REJECT" || rule?.see) await watch.until(() => reaction !== undefined, SOON_MS);
    }
    if (reaction?.kind === "answer") {
      await watch.until(() => isComplete(early, course), silenceMs);
      if (order.second) {
        stimulus.again();
        await watch.until(() => hasSecond(early, course), SOON_MS);
      }
    }
    if (signal?.aborted) throw new DocknetError("ABORTED", "The walk was interrupted");
    const whole = observer.drain();
    await observer.readRules();
    const record = observer.record();
    const { firsts, ...story } = joinWalk(record, { ...course, ...(reaction ? { reaction } : {}) });
    const met = story.ways.flatMap((way) => way.hops.map((hop) => hop.node as NodeName));
    const tracked = [...new Set(met)].filter((node) => observer.tabled.includes(node));
    return {
      ...story,
      conntrack: conntrackOf(record, tracked, firsts, instruments.conntrack),
      warnings: whole ? [] : ["the lab sends more than could be watched: some frames or traces are missing"],
    };
  } finally {
    stimulus.close();
    observer.close();
  }
}

/** All that looks on, and what it has seen. */
class WalkObserver {
  readonly traces: NodeTrace[] = [];
  /** Namespaces that have rules or chains. */
  readonly tabled: readonly NodeName[];
  private readonly packets: WalkPacket[] = [];
  private readonly instruments: WalkInstruments;
  private readonly order: WalkOrder;
  private readonly links: ReadonlyMap<NodeName, readonly WalkLink[]>;
  private readonly peers: ReadonlyMap<string, readonly string[]>;
  private readonly macvlans: ReadonlyMap<string, readonly Mac[]>;
  private readonly rules = new Map<NodeName, NodeFacts["rules"]>();
  private readonly looking: (FrameWatch | Trace)[] = [];

  constructor(instruments: WalkInstruments, order: WalkOrder) {
    this.instruments = instruments;
    this.order = order;
    this.links = new Map(order.nodes.map((node) => [node, instruments.links(node)]));
    this.tabled = order.nodes.filter((node) => instruments.hasTables(node));
    this.peers = peersOf(order.layout);
    this.macvlans = macvlansOf(order.layout);
  }

  /** From its return on nothing is missed. */
  open(stimulus: Stimulus, onEvent: () => void): void {
    const { order, instruments, packets, traces } = this;
    for (const node of order.nodes) {
      const nameOf = new Map(this.links.get(node)?.map((l) => [l.index, l.name]));
      const watched = instruments.watch(node, ({ index, direction, frame }) => {
        const link = nameOf.get(index);
        if (link === undefined || this.passesBy(node, link, frame)) return;
        packets.push({ node, link, direction, order: packets.length, frame });
        onEvent();
      });
      this.looking.push(watched);
    }
    const selectors = selectorsOf(order, stimulus);
    for (const node of this.tabled) {
      // errors surface when the rules are needed
      if (order.likely.has(node)) instruments.rules(node).catch(() => {});
      const trace = instruments.trace(node, selectors, (event) => {
        traces.push({ node, ...event });
        onEvent();
      });
      this.looking.push(trace);
    }
  }

  /** Is it a macvlan's own, which its parent's node neither sends nor gets? */
  private passesBy(node: NodeName, link: string, { srcMac, dstMac }: Frame): boolean {
    return this.macvlans.get(placeOf(node, link))?.some((mac) => mac === srcMac || mac === dstMac) ?? false;
  }

  /** Of the namespaces whose chains were met. */
  async readRules(): Promise<void> {
    const traced = [...new Set(this.traces.map((t) => t.node))];
    await Promise.all(traced.map(async (node) => this.rules.set(node, await this.instruments.rules(node))));
  }

  /** Frames and traces are added to it as they come; the rest is as it is now. */
  record(): WalkRecord {
    const { order, instruments, packets, traces, peers } = this;
    const facts = (node: NodeName): NodeFacts => ({
      links: this.links.get(node) ?? [],
      rules: this.rules.get(node) ?? new Map(),
      planned: rulesIn(order.layout, node),
      route: (question) => instruments.route(node, question),
      forwards: (index) => instruments.forwards(node, index),
      neighbours: instruments.neighbours(node),
    });
    return { packets, traces, nodes: new Map(order.nodes.map((node) => [node, facts(node)])), peers };
  }

  /** @returns false when something was lost */
  drain(): boolean {
    return this.looking.map((l) => l.drain()).every(Boolean);
  }

  close(): void {
    for (const looking of this.looking.splice(0)) looking.close();
  }
}

/** The flow both ways, and the proxy's own. NAT may change each address and each port: a flow is known by what it leaves alone. */
function selectorsOf(order: WalkOrder, { port, sequence }: Stimulus): TraceSelector[] {
  const { proto, proxies, payload, answerPorts } = order;
  const unreachable: TraceSelector = { proto: "icmp", icmpType: 3 };
  // an echo reply has the request's data
  if (proto === "icmp") return [{ proto, data: payload }, unreachable];
  const own =
    sequence === undefined
      ? // a datagram's answer has data of its own
        [{ data: payload }, { dport: port as Port }, ...answerPorts.map((sport) => ({ sport }))]
      : [{ sequence }, { sequence: sequence + 1 }, { acknowledges: sequence + 1 }];
  const proxied = proxies.flatMap(({ containerIp, containerPort }) => [
    { destination: containerIp, dport: containerPort },
    { source: containerIp, sport: containerPort },
  ]);
  return [...[...own, ...proxied].map((match): TraceSelector => ({ proto, ...match })), unreachable];
}

/** By the place of a parent: the MACs of the macvlans on it. */
function macvlansOf({ nodes }: Layout): ReadonlyMap<string, readonly Mac[]> {
  const on = new Map<string, Mac[]>();
  for (const link of nodes.flatMap((n) => n.links)) {
    if (link.kind !== "macvlan" || link.mode === "passthru" || !link.mac) continue;
    const place = placeOf(link.parent.node, link.parent.name);
    on.set(place, [...(on.get(place) ?? []), link.mac]);
  }
  return on;
}

/** Where a frame comes in that goes out of a link: at the other end of its veth, or by a parent and its veth at a macvlan. */
function peersOf({ nodes }: Layout): Map<string, readonly string[]> {
  const ends = nodes.flatMap(({ name, links }) => links.map((link) => ({ link, place: placeOf(name, link.name) })));
  const pairs = ends.flatMap(({ link, place }) =>
    link.kind === "veth" ? [[place, placeOf(link.peer.node, link.peer.name)] as const] : [],
  );
  const peers = new Map<string, readonly string[]>(
    pairs.flatMap(([one, other]) => [[one, [other]] as const, [other, [one]] as const]),
  );
  const macvlans = ends.flatMap(({ link, place }) =>
    link.kind === "macvlan" ? [{ place, parent: placeOf(link.parent.node, link.parent.name) }] : [],
  );
  for (const { place, parent } of macvlans) {
    const beyond = peers.get(parent)?.[0];
    const others = macvlans.filter((s) => s.parent === parent && s.place !== place).map((s) => s.place);
    peers.set(place, [...(beyond ? [beyond] : []), ...others]);
    if (beyond) peers.set(beyond, [...(peers.get(beyond) ?? []), place]);
  }
  return peers;
}
