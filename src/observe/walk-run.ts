/**
 * Does a walk: opens its eyes in every namespace that can matter, sends one packet, waits for what becomes of it, and closes them.
 * The kernel is seen by an interface; walking.ts puts the real one behind it.
 */
import type { ConntrackEntry } from "../kernel/conntrack.ts";
import type { Trace, TraceEvent, TraceSelector } from "../kernel/nft-trace.ts";
import type { Neighbour, RouteAnswer, RouteQuestion } from "../kernel/route-query.ts";
import type { KernelRule } from "../kernel/rules.ts";
import type { Reaction, Stimulus, StimulusRequest } from "../kernel/stimulus.ts";
import type { Tap, Tapped } from "../kernel/tap.ts";
import type { Frame } from "../net/frame.ts";
import type { Mac } from "../net/mac.ts";
import { HOST, type NodeName } from "../net/name.ts";
import type { Port } from "../net/port.ts";
import { type Layout, nodeOf, type ProxyListener } from "../plan/layout.ts";
import { EMPTY_RULESET } from "../plan/rule.ts";
import { renderConntrack } from "./judge.ts";
import type { Walk } from "./walk.ts";
import { hasSecond, isComplete, joinWalk, type WalkCourse } from "./walk-join.ts";
import {
  type NodeFacts,
  type NodeTrace,
  placeOf,
  renderEnds,
  type WalkLink,
  type WalkRecord,
  type WalkSighting,
} from "./walk-record.ts";

export interface WalkInstruments {
  links(node: NodeName): WalkLink[];
  /** Are there any rules or chains, whoever made them? */
  hasTables(node: NodeName): boolean;
  tap(node: NodeName, onFrame: (tapped: Tapped) => void): Tap;
  trace(node: NodeName, selectors: readonly TraceSelector[], onEvent: (event: TraceEvent) => void): Trace;
  /** By `ruleKey`. */
  rules(node: NodeName): Promise<ReadonlyMap<string, KernelRule>>;
  route(node: NodeName, question: RouteQuestion): RouteAnswer;
  neighbours(node: NodeName): readonly Neighbour[];
  conntrack(node: NodeName): readonly ConntrackEntry[];
  stimulus(node: NodeName, request: StimulusRequest): Stimulus;
}

export interface WalkOrder extends StimulusRequest {
  readonly sender: NodeName;
  /** Namespaces where it may show. */
  readonly nodes: readonly NodeName[];
  readonly layout: Layout;
  /** The host's listeners that may take it. */
  readonly proxies: readonly ProxyListener[];
  readonly reply: boolean;
  readonly second: boolean;
  /** Milliseconds after which silence counts as silence. */
  readonly silenceMs: number;
}

export type Walked = Pick<Walk, "verdict" | "reason" | "rule" | "ways" | "conntrack" | "warnings">;

/** A REJECT's message follows the trace of its rule; the second packet its answer. */
const SOON_MS = 50;

/** @throws DocknetError or SystemError when the packet cannot be sent or seen */
export async function runWalk(instruments: WalkInstruments, order: WalkOrder): Promise<Walked> {
  const watch = new Watch();
  const sightings: WalkSighting[] = [];
  const traces: NodeTrace[] = [];
  const links = new Map(order.nodes.map((node) => [node, instruments.links(node)]));
  const tabled = order.nodes.filter((node) => instruments.hasTables(node));
  const stations = stationsOf(order.layout);
  const open: (Tap | Trace)[] = [];
  const stimulus = instruments.stimulus(order.sender, order);
  try {
    for (const node of order.nodes) {
      const nameOf = new Map(links.get(node)?.map((l) => [l.index, l.name]));
      open.push(
        instruments.tap(node, ({ index, direction, frame }) => {
          const link = nameOf.get(index);
          if (link === undefined || stations.get(placeOf(node, link))?.some((mac) => isOf(frame, mac))) return;
          sightings.push({ node, link, direction, order: sightings.length, frame });
          watch.look();
        }),
      );
    }
    for (const node of tabled) {
      open.push(
        instruments.trace(node, selectorsOf(order, stimulus.port), (event) => {
          traces.push({ node, ...event });
          watch.look();
        }),
      );
    }
    const facts = (rules: ReadonlyMap<NodeName, NodeFacts["rules"]>): WalkRecord["nodes"] =>
      new Map(
        order.nodes.map((node): [NodeName, NodeFacts] => [
          node,
          {
            links: links.get(node) ?? [],
            rules: rules.get(node) ?? new Map(),
            planned: nodeOf(order.layout, node)?.rules ?? EMPTY_RULESET,
            route: (question) => instruments.route(node, question),
            neighbours: instruments.neighbours(node),
          },
        ]),
      );
    const course: WalkCourse = {
      ...order,
      sport: stimulus.port,
      host: HOST,
    };
    let reaction: Reaction | undefined;
    const reacted = stimulus.fire().then((r) => {
      reaction = r;
      watch.look();
    });
    reacted.catch(() => watch.look());
    const peers = peersOf(order.layout);
    const early: WalkRecord = { sightings, traces, nodes: facts(new Map()), peers };
    // what other walks' tables choose is told here too: a drop must be ours
    const isDropped = (): boolean =>
      traces.some((t) => t.verdict.kind === "DROP") && joinWalk(early, course).rule !== undefined;
    await watch.until(() => reaction !== undefined || isDropped(), order.silenceMs);
    if (reaction === undefined && isDropped()) await watch.until(() => reaction !== undefined, SOON_MS);
    if (reaction?.kind === "answer") {
      await watch.until(() => isComplete(early, course), order.silenceMs);
      if (order.second) {
        stimulus.again();
        await watch.until(() => hasSecond(early, course), SOON_MS);
      }
    }
    const entries = new Map(tabled.map((node) => [node, instruments.conntrack(node)]));
    const whole = open.map((o) => o.drain()).every(Boolean);
    const traced = new Set(traces.map((t) => t.node));
    const rules = new Map(
      await Promise.all([...traced].map(async (node) => [node, await instruments.rules(node)] as const)),
    );
    const story = joinWalk(
      { sightings, traces, nodes: facts(rules), peers },
      { ...course, ...(reaction ? { reaction } : {}) },
    );
    return {
      ...story,
      conntrack: conntrackOf(story.ways, entries, stimulus.port),
      warnings: whole ? [] : ["the lab sends more than could be watched: some frames or traces are missing"],
    };
  } finally {
    stimulus.close();
    await Promise.all(open.map((o) => o.close()));
  }
}

/** The flow both ways, and the proxy's own. */
function selectorsOf({ proto, proxies }: WalkOrder, sport: number): TraceSelector[] {
  const unreachable: TraceSelector = { proto: "icmp", icmpType: 3 };
  if (proto === "icmp") return [{ proto, echoId: sport }, unreachable];
  const own = [{ sport: sport as Port }, { dport: sport as Port }];
  const proxied = proxies.flatMap(({ containerIp, containerPort }) => [
    { destination: containerIp, dport: containerPort },
    { source: containerIp, sport: containerPort },
  ]);
  return [...[...own, ...proxied].map((match): TraceSelector => ({ proto, ...match })), unreachable];
}

/** MACs of the macvlans on a link: their frames pass it by, and the node that it is in neither sends nor gets them. */
function stationsOf({ nodes }: Layout): ReadonlyMap<string, readonly Mac[]> {
  const on = new Map<string, Mac[]>();
  for (const link of nodes.flatMap((n) => n.links)) {
    if (link.kind !== "macvlan" || link.mode === "passthru" || !link.mac) continue;
    const place = placeOf(link.parent.node, link.parent.name);
    on.set(place, [...(on.get(place) ?? []), link.mac]);
  }
  return on;
}

const isOf = ({ srcMac, dstMac }: Frame, mac: Mac): boolean => srcMac === mac || dstMac === mac;

function peersOf({ nodes }: Layout): Map<string, string> {
  const pairs = nodes.flatMap(({ name, links }) =>
    links.flatMap((link) =>
      link.kind === "veth" ? [[placeOf(name, link.name), placeOf(link.peer.node, link.peer.name)] as const] : [],
    ),
  );
  return new Map(pairs.flatMap(([one, other]) => [[one, other] as const, [other, one] as const]));
}

/** Those whose first packet had ends that were seen in their namespace, in the order of the way. @param echoId of a ping */
function conntrackOf(
  ways: Walk["ways"],
  entries: ReadonlyMap<NodeName, readonly ConntrackEntry[]>,
  echoId: number,
): Walk["conntrack"] {
  const told = new Map<ConntrackEntry, NodeName>();
  for (const hop of ways.filter((w) => w.kind === "request" || w.kind === "proxy").flatMap((w) => w.hops)) {
    const node = hop.node as NodeName;
    const seen = [
      ...(hop.in ? [renderEnds(hop.in)] : []),
      ...hop.steps.flatMap((step) => (step.kind === "translation" ? [step.before, step.after] : [])),
      ...(hop.out ? [renderEnds(hop.out)] : []),
    ];
    for (const ends of seen)
      for (const entry of entries.get(node) ?? []) if (firstEnds(entry, echoId) === ends) told.set(entry, node);
  }
  return [...told].map(([entry, node]) => ({ node, entry: renderConntrack(entry) }));
}

/** undefined: another ping's. */
function firstEnds({ proto, original }: ConntrackEntry, echoId: number): string | undefined {
  const { src, srcPort: sport, dst, dstPort: dport } = original;
  if (proto !== "icmp") return renderEnds({ src, sport, dst, dport });
  return sport === echoId ? renderEnds({ src, dst }) : undefined;
}

/** Waits for facts that come with events. */
class Watch {
  private wake: () => void = () => {};

  /** Something may have become true. */
  look(): void {
    this.wake();
  }

  /** @returns false when the time was over first */
  async until(fact: () => boolean, limitMs: number): Promise<boolean> {
    const end = performance.now() + limitMs;
    while (!fact()) {
      const rest = end - performance.now();
      if (rest <= 0) return false;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, rest);
        this.wake = () => {
          clearTimeout(timer);
          // more may have come in the same turn
          setImmediate(resolve);
        };
      });
    }
    return true;
  }
}
