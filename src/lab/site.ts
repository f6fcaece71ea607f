/**
 * A lab on the kernel: the namespaces that a State wants, and what lives in them: responders on every served port, the internet's
 * name server, the embedded DNS servers. It becomes one State after another; lab.ts has one that lives as long as its process,
 * the daemon one that outlives it.
 */
import { DisposerStack } from "../dispose.ts";
import { decodeAnswer, decodeWhoami, encodeQuestion, encodeWhoami } from "../dns/question.ts";
import { DocknetError, ProblemsError } from "../errors.ts";
import { announce } from "../kernel/announce.ts";
import { readCapacity } from "../kernel/capacity.ts";
import { Executor } from "../kernel/executor.ts";
import { readRules } from "../kernel/firewall/rules.ts";
import { readLab } from "../kernel/lab-reading.ts";
import { readMachine } from "../kernel/machine.ts";
import type { Manifest } from "../kernel/manifest.ts";
import { forgetFlows, readConntrack } from "../kernel/netlink/conntrack.ts";
import { forgetNeighbours, timesTableFull } from "../kernel/netlink/neighbours.ts";
import type { Netns } from "../kernel/netns.ts";
import { type CaptureOptions, openCapture } from "../kernel/packets/capture.ts";
import { openLinkFrames } from "../kernel/packets/link-frames.ts";
import { readNode } from "../kernel/reading.ts";
import { exchange } from "../kernel/speech/exchange.ts";
import { startTransfer } from "../kernel/speech/ftp-client.ts";
import { type ProbeRequest, startProbe } from "../kernel/speech/probe.ts";
import { parseAnswer } from "../kernel/speech/probe-speech.ts";
import { HOST, type LabName, type NodeName } from "../net/name.ts";
import type { ProtoPort } from "../net/port.ts";
import type { Instruments, NameReply } from "../observe/instruments.ts";
import { type Reconciled, type RepairKernel, reconcile } from "../observe/repair.ts";
import type { Drift } from "../observe/report.ts";
import { staleFlow, TRANSLATORS } from "../observe/stale-flow.ts";
import { capacityProblems, countProxies } from "../plan/capacity.ts";
import { EMBEDDED_DNS } from "../plan/firewall/embedded-dns.ts";
import type { Layout } from "../plan/layout.ts";
import { layoutOf } from "../plan/layout-of.ts";
import type { Op } from "../plan/op.ts";
import { planLab } from "../plan/plan.ts";
import { nameServerAt } from "../plan/predict/name-forward.ts";
import type { ProbeSpec } from "../plan/predict/prediction.ts";
import type { Container, State } from "../state/state.ts";
import { type LabServer, sandboxNode, serversOf } from "./servers.ts";

export interface SiteOptions {
  readonly lab: LabName;
  /** With it namespaces have names and outlive the process; without, they die with it. */
  readonly manifest?: Manifest;
  readonly onOp?: (op: Op) => void;
  readonly signal?: AbortSignal;
  /** A responder answered: one line for its container's log. */
  readonly onAnswer?: (container: string, line: string) => void;
  /** A container's port was taken on the kernel, by a process that no State knows: nothing stands in for it. Unless set, that is an error. */
  readonly onTaken?: (container: string, port: ProtoPort) => void;
}

export class Site {
  readonly executor: Executor;
  private readonly options: SiteOptions;
  private readonly facts = readMachine();
  private current: { readonly state: State; readonly layout: Layout } | undefined;
  private readonly servers = new Map<string, { close(): void | Promise<void> }>();

  constructor(options: SiteOptions) {
    this.options = options;
    this.executor = new Executor({ ...options, named: options.manifest !== undefined });
  }

  get state(): State {
    return this.standing().state;
  }

  /** What the kernel should look like. */
  get layout(): Layout {
    return this.standing().layout;
  }

  /**
   * Makes the kernel follow `next`, from the state that it has (nothing at first). On failure it is put back. @throws DocknetError
   * @param standing what the kernel has, where that is not what this site made it
   */
  async become(next: State, standing: Layout | undefined = this.current?.layout): Promise<void> {
    const before = this.current;
    if (before && standing === before.layout && sameOnKernel(before.state, next)) {
      this.current = { state: next, layout: standing };
      return;
    }
    const layout = layoutOf(next, this.facts);
    const wanted = this.serversOf(next);
    this.checkCapacity(next, layout, wanted);
    const keys = new Set(wanted.map((r) => r.key));
    // a socket that is open keeps its namespace alive
    for (const key of [...this.servers.keys()]) if (!keys.has(key)) await this.closeServer(key);
    try {
      await this.executor.apply(planLab(standing, layout));
      this.current = { state: next, layout };
      if (before) this.forgetFlows(before.state, next);
      if (before && before.state.world !== next.world) this.forgetWorld();
      this.openServers(wanted);
    } catch (error) {
      await this.putBack(before, layout);
      throw error;
    }
  }

  /** Would `next` fit into this process and this kernel? @throws ProblemsError KERNEL_REFUSED with everything that would not */
  checkFits(next: State): void {
    this.checkCapacity(next, layoutOf(next, this.facts), this.serversOf(next));
  }

  private checkCapacity(next: State, layout: Layout, servers: readonly LabServer[]): void {
    const wanted = servers.reduce((sum, { sockets = 1 }) => sum + sockets, 0);
    const open = this.servers.size + (this.current ? countProxies(this.current.layout) : 0);
    const problems = capacityProblems(next, layout, { wanted, open }, readCapacity());
    if (problems.length > 0) throw new ProblemsError("KERNEL_REFUSED", problems);
  }

  /** Takes over what an earlier process made and left at any moment of its work, and brings it to `state`. @throws DocknetError */
  async adopt(state: State): Promise<void> {
    await this.executor.adopt(this.options.manifest?.nodes() ?? []);
    const layout = layoutOf(state, this.facts);
    await reconcile(this.repairKernel(), layout);
    this.forgetFlowsToNobody(state);
    this.current = { state, layout };
    this.openServers(this.serversOf(state));
  }

  /** Puts back on the kernel what others changed there. @throws DocknetError when something comes back each time */
  async reconcile(): Promise<Reconciled> {
    const { state, layout } = this.standing();
    const reconciled = await reconcile(this.repairKernel(), layout);
    const stale = TRANSLATORS.flatMap((node) => this.forgetStaleFlows(node, layout));
    for (const key of [...this.servers.keys()]) await this.closeServer(key);
    this.openServers(this.serversOf(state));
    return { ...reconciled, drift: [...reconciled.drift, ...stale] };
  }

  /** @returns what they were */
  private forgetStaleFlows(node: NodeName, layout: Layout): Drift[] {
    const stale: Drift[] = [];
    forgetFlows(this.netns(node), (entry) => {
      const found = staleFlow(layout, node, entry);
      if (found) stale.push(found);
      return found !== undefined;
    });
    return stale;
  }

  private repairKernel(): RepairKernel {
    return {
      read: (wanted) => readLab(this.executor, wanted),
      repair: (ops) => this.executor.repair(ops),
      apply: (ops) => this.executor.apply(ops),
    };
  }

  /** Announces to the bridges of a container which MAC its addresses have now. @param network only that one's */
  announce(container: Container, network?: string): void {
    for (const endpoint of container.endpoints) {
      if (network !== undefined && endpoint.network !== network) continue;
      const { ifName: link, address, mac } = endpoint;
      announce(this.netns(container.node), { link, address, mac });
    }
  }

  /** @throws DocknetError NOT_FOUND */
  netns(node: NodeName): Netns {
    return this.executor.netns(node);
  }

  /** The node whose network a container uses: its own, the one it joined, or the host's; undefined: nobody's, only lo. */
  sandboxOf(container: Container): NodeName | undefined {
    return sandboxNode(this.state, container);
  }

  /** What observing needs. `node` may be a container's that shares the network of another. */
  instruments(): Instruments {
    const netns = (node: NodeName): Netns => {
      const container = this.state.containers.find((c) => c.node === node);
      return this.netns((container && this.sandboxOf(container)) ?? node);
    };
    return {
      probe: ({ node, transfer, ...request }) => {
        if (request.proto === "sctp") throw new DocknetError("KERNEL_FEATURE", "docknet sends and serves no SCTP");
        const { port } = request;
        if (transfer && port) return startTransfer({ ns: netns(node), ...request, port, transfer });
        return startProbe({ ns: netns(node), ...this.speech(node, request), ...request });
      },
      capture: ({ node, link, mac, shared }, onFrame) => {
        const options: CaptureOptions = {
          ...(mac ? { mac } : {}),
          filter: STORY_FILTER,
          onFrame: ({ frame, direction }) => onFrame(frame, direction),
        };
        return shared ? openLinkFrames(netns(node), link, options) : openCapture(netns(node), link, options);
      },
      resolve: ({ node, name, deadlineMs }) => resolveName(netns(node), name, deadlineMs),
      identify: ({ node, deadlineMs }) => identifyServer(netns(node), deadlineMs),
      forgetNeighbours: (nodes) => {
        for (const node of nodes) forgetNeighbours(this.executor.node(node).route);
      },
      timesNeighboursFull: timesTableFull,
      readRules: (node) => readRules(netns(node)),
      readConntrack: (node) => readConntrack(netns(node)),
      readNode: (node, sysctls) => readNode(netns(node), sysctls),
    };
  }

  /** What a probe says: words for a responder, a question for a name server; each differs in its length, so that captures tell two datagrams apart. */
  private speech(node: NodeName, request: Omit<ProbeSpec, "from">): Pick<ProbeRequest, "token" | "dns"> {
    const n = probes++;
    const server = nameServerAt(this.state, { ...request, from: node });
    if (server === undefined) return { token: `probe-${n} `.padEnd(16 + (n % LENGTHS), ".") };
    const id = n & 0xffff;
    return { dns: { query: encodeWhoami(id, n % LENGTHS, server), readLine: (message) => decodeWhoami(id, message) } };
  }

  /** Removes everything. Idempotent. @throws DocknetError naming what could not be removed */
  async close(): Promise<void> {
    await using undo = new DisposerStack();
    undo.use("the lab's namespaces", this.executor);
    for (const [key, server] of this.servers) undo.use(key, server);
    this.servers.clear();
  }

  /** Lets go of a lab with names: what listens in it ends with this process, the rest stays. */
  async detach(): Promise<void> {
    for (const key of [...this.servers.keys()]) await this.closeServer(key);
    await this.executor.detach();
  }

  /**
   * NAT rules act on a flow's first packet: flows that older bindings made would go on as before (docker-reference 7.5). Forgotten
   * are those of addresses that went, and UDP flows to host ports that came or went. A new TCP binding needs none of that: a SYN that
   * was refused before begins its flow anew (net/netfilter/nf_conntrack_proto_tcp.c), and reading the table walks the whole machine's.
   */
  private forgetFlows(before: State, after: State): void {
    const [old, next] = [flowEnds(before), flowEnds(after)];
    const gone = [...old].filter((end) => !next.has(end));
    const come = [...next].filter((end) => !old.has(end) && end.startsWith("udp "));
    const changed = new Set([...gone, ...come]);
    if (changed.size === 0) return;
    forgetFlows(
      this.netns(HOST),
      ({ proto, original, reply }) =>
        [original.src, original.dst, reply.src].some((address) => changed.has(address)) ||
        (proto === "udp" && changed.has(`udp ${original.dstPort}`)),
    );
  }

  /** The world has other addresses: who has learned the old ones, or goes on by them, begins anew. */
  private forgetWorld(): void {
    for (const { name } of this.layout.nodes) forgetNeighbours(this.executor.node(name).route);
    for (const node of TRANSLATORS) forgetFlows(this.netns(node), () => true);
  }

  /** Those that lead to a port that is not published now: of a step that the last process did not finish. */
  private forgetFlowsToNobody(state: State): void {
    const published = new Set(
      state.containers.flatMap(({ bindings, endpoints }) =>
        bindings.map((b) => `${b.proto} ${endpoints.find((e) => e.id === b.endpoint)?.address}:${b.target}`),
      ),
    );
    forgetFlows(
      this.netns(HOST),
      ({ proto, dstNat, reply }) => dstNat && !published.has(`${proto} ${reply.src}:${reply.srcPort}`),
    );
  }

  private standing(): { readonly state: State; readonly layout: Layout } {
    if (this.current) return this.current;
    throw new DocknetError("INTERNAL", `Lab ${this.options.lab} is not built`);
  }

  private serversOf(state: State): LabServer[] {
    const { onAnswer } = this.options;
    return serversOf(state, {
      state: () => this.state,
      netns: (node) => this.netns(node),
      ...(onAnswer ? { onAnswer } : {}),
    });
  }

  private openServers(wanted: readonly LabServer[]): void {
    for (const server of wanted) {
      if (this.servers.has(server.key)) continue;
      const opened = this.open(server);
      if (opened) this.servers.set(server.key, opened);
    }
  }

  private open(server: LabServer): { close(): void | Promise<void> } | undefined {
    const { onTaken } = this.options;
    try {
      return server.open();
    } catch (error) {
      if (!server.serves || !onTaken || !(error instanceof DocknetError) || error.code !== "CONFLICT") throw error;
      onTaken(server.serves.container, server.serves.port);
      return undefined;
    }
  }

  private async closeServer(key: string): Promise<void> {
    const server = this.servers.get(key);
    this.servers.delete(key);
    await server?.close();
  }

  /** The executor has taken back what it did, unless it was a server that failed. */
  private async putBack(before: typeof this.current, tried: Layout): Promise<void> {
    const built = this.current !== before;
    if (!before) return;
    const old = this.serversOf(before.state);
    const keys = new Set(old.map((r) => r.key));
    for (const key of [...this.servers.keys()]) if (!keys.has(key)) await this.closeServer(key);
    if (built) await this.executor.apply(planLab(tried, before.layout));
    this.current = before;
    this.openServers(old);
  }
}

let questions = 0;

async function resolveName(ns: Netns, name: string, deadlineMs: number): Promise<NameReply> {
  const id = nextQuestion();
  const reply = await exchange(ns, { address: EMBEDDED_DNS, port: 53 }, encodeQuestion(id, name), {
    deadlineMs,
    accept: (data) => decodeAnswer(id, data) !== undefined,
  });
  if (reply.outcome !== "answer") return reply;
  const { rcode, addresses } = decodeAnswer(id, reply.data) ?? { rcode: "FORMERR", addresses: [] };
  return { outcome: "answer", rcode, addresses, afterMs: reply.afterMs };
}

/** The embedded server forwards a question for the identity of a server as any other: the answer tells to whom. */
async function identifyServer(ns: Netns, deadlineMs: number): Promise<string | undefined> {
  const id = nextQuestion();
  const reply = await exchange(ns, { address: EMBEDDED_DNS, port: 53 }, encodeWhoami(id, 0, "container"), {
    deadlineMs,
    accept: (data) => decodeAnswer(id, data) !== undefined,
  });
  return reply.outcome === "answer" ? parseAnswer(decodeWhoami(id, reply.data))?.service : undefined;
}

function nextQuestion(): number {
  questions = (questions + 1) & 0xffff;
  return questions;
}

let probes = 0;
/** Of probes' payloads, up to a frame's worth. */
const LENGTHS = 1024;

/** What tells a flow's story: its first packets and its refusals; data and acknowledgements would only load the captures. */
const STORY_FILTER = "(tcp[tcpflags] & (tcp-syn|tcp-rst) != 0) or udp or icmp";

/** Does a change leave the kernel alone? A container that is created or renamed, say, but does not run. Parts that stay are the very same values. */
function sameOnKernel(a: State, b: State): boolean {
  const [x, y] = [a, b].map((s) => s.containers.filter((c) => c.status === "running"));
  return (
    a.networks === b.networks &&
    a.engine === b.engine &&
    a.world === b.world &&
    x?.length === y?.length &&
    x?.every((c, i) => c === y?.[i]) === true
  );
}

/** Addresses of containers with bindings, and host ports of UDP bindings. */
function flowEnds(state: State): Set<string> {
  return new Set(
    state.containers.flatMap((c) => [
      ...(c.bindings.length > 0 ? c.endpoints.map((e): string => e.address) : []),
      ...c.bindings.filter((b) => b.proto === "udp").map((b) => `udp ${b.hostPort ?? b.target}`),
    ]),
  );
}
