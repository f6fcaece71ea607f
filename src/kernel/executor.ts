/**
 * Does what a plan says, one namespace handle per node, and can take back what it did. rtnetlink requests for one namespace in
 * a row go out in one send; rule commits run beside the rest and are waited for before listeners open and before the end.
 */
import { DocknetError } from "../errors.ts";
import type { IfName, LabName, NodeName } from "../net/name.ts";
import type { RepairOp } from "../plan/firewall/repair-edit.ts";
import type { ProxyListener } from "../plan/layout.ts";
import { invertOp, type Op, type VethEnd } from "../plan/op.ts";
import { commitRepair, commitRules } from "./firewall/rules.ts";
import { type Manifest, type NetnsIdentity, netnsPath } from "./manifest.ts";
import { linksReady } from "./netlink/link-ready.ts";
import type { NetlinkSocket, Request } from "./netlink/netlink.ts";
import * as rt from "./netlink/rtnetlink.ts";
import { isUnfinishedName, Netns, type NetnsPlace, removeName } from "./netns.ts";
import { commitsEnded, pidsIn, processesByNetns } from "./netns-processes.ts";
import { NodeState } from "./node-state.ts";
import { refusal, removeForeign } from "./request.ts";
import { openProxy } from "./speech/proxy.ts";
import { InitialValues, setSysctl } from "./sysctl.ts";

export interface ExecutorOptions {
  readonly lab: LabName;
  /** Named namespaces outlive the process and are seen by `ip netns`; unnamed ones die with it. */
  readonly named: boolean;
  /** Where named namespaces are recorded before they get their names; wanted when `named`. */
  readonly manifest?: Manifest;
  readonly onOp?: (op: Op) => void;
  readonly signal?: AbortSignal;
}

interface Listener {
  readonly node: NodeName;
  readonly proxy: ProxyListener;
  readonly socket: { close(): void | Promise<void> };
}

const LO = "lo" as IfName;

/** A hook for tests of crashes: with DOCKNET_CRASH_AFTER_OPS=n this process kills itself (SIGKILL) when n steps were done. Read once. */
let opsUntilCrash = Number(process.env.DOCKNET_CRASH_AFTER_OPS ?? 0);

export class Executor {
  private readonly options: ExecutorOptions;
  private readonly nodes = new Map<NodeName, NodeState>();
  private readonly proxies = new Map<string, Listener>();
  private queued: { readonly node: NodeState; readonly request: Request }[] = [];
  private commits: Promise<unknown>[] = [];
  /** Nodes of the commits that are under way. */
  private readonly committing = new Set<NodeName>();
  private readonly initial = new InitialValues();
  /** Counts calls of `apply`: what the kernel has may have changed between two. */
  private round = 1;

  /** @throws DocknetError INTERNAL for names without a manifest */
  constructor(options: ExecutorOptions) {
    if (options.named && !options.manifest)
      throw new DocknetError("INTERNAL", `Named namespaces of lab ${options.lab} would not be recorded`);
    this.options = options;
  }

  /** Those that it holds, in the order in which it got them. */
  get nodeNames(): NodeName[] {
    return [...this.nodes.keys()];
  }

  /** What is open in a node now. */
  listeners(node: NodeName): ProxyListener[] {
    return [...this.proxies.values()].filter((l) => l.node === node).map((l) => l.proxy);
  }

  /** For questions to its namespace. @throws DocknetError NOT_FOUND */
  node(node: NodeName): { readonly ns: Netns; readonly route: NetlinkSocket } {
    return this.stateOf(node);
  }

  /** @throws DocknetError when the node does not exist */
  netns(node: NodeName): Netns {
    return this.stateOf(node).ns;
  }

  /**
   * Takes over what an earlier process left: namespaces of these nodes that the manifest says are ours, by their names or by the
   * processes that live in them. A name that its maker was killed over is removed. What that process had under way in them is
   * waited for. @returns the nodes that were taken over; the others are gone, or their names belong to somebody else
   */
  async adopt(nodes: readonly NodeName[]): Promise<NodeName[]> {
    const adopted = nodes.filter((node) => !this.nodes.has(node) && this.adoptNode(node));
    await commitsEnded(adopted.map((node) => this.netns(node).identity));
    return adopted;
  }

  /** Lets go: listeners and handles are closed, named namespaces stay for the next `adopt`. Idempotent. */
  async detach(): Promise<void> {
    await this.closeListeners();
    for (const state of this.nodes.values()) state.detach();
    this.nodes.clear();
  }

  /** Does all steps in order. When one fails, those before it are taken back in reverse. @throws DocknetError */
  async apply(ops: readonly Op[]): Promise<void> {
    const done: Op[] = [];
    this.round++;
    this.initial.forget();
    try {
      for (const op of ops) {
        if (this.options.signal?.aborted) throw new DocknetError("ABORTED", "Interrupted while building the lab");
        done.push(op);
        await this.start(op);
        if (--opsUntilCrash === 0) this.crash();
      }
      await this.settle();
      await this.linksReady(ops.filter((op) => op.kind === "link.up"));
    } catch (error) {
      await this.takeBack(done);
      throw error;
    }
  }

  /**
   * Puts back what was changed by hand, in order; what is foreign and gone already is none of our trouble. Nothing is taken back:
   * what was done before a failure was right. @throws DocknetError
   */
  async repair(ops: readonly RepairOp[]): Promise<void> {
    this.round++;
    for (const op of ops) {
      await this.startRepair(op);
      if (--opsUntilCrash === 0) this.crash();
    }
    await this.settle();
    await this.linksReady([...this.nodes.keys()].map((node) => ({ node })));
  }

  /** Removes everything that is left, without a plan: listeners, then namespaces with all that is in them. Idempotent. */
  async close(): Promise<void> {
    await this.closeListeners();
    for (const name of [...this.nodes.keys()].reverse()) this.deleteNode(name);
  }

  /** Of the nodes of these steps: what comes up in one gives carrier to the other. */
  private linksReady(steps: readonly { readonly node: NodeName }[]): Promise<void> {
    const touched = [...new Set(steps.map((step) => step.node))];
    return linksReady(touched.flatMap((node) => this.nodes.get(node)?.route ?? []));
  }

  private crash(): never {
    this.flush();
    process.kill(process.pid, "SIGKILL");
    throw new DocknetError("INTERNAL", "This process outlived its SIGKILL");
  }

  private async closeListeners(): Promise<void> {
    this.queued = [];
    await Promise.allSettled(this.commits);
    this.commits = [];
    for (const { socket } of this.proxies.values()) await socket.close();
    this.proxies.clear();
  }

  private async start(op: Op): Promise<void> {
    this.options.onOp?.(op);
    switch (op.kind) {
      case "netns.create":
        this.flush();
        return this.createNode(op.node);
      case "netns.delete":
        await this.settle();
        return this.deleteNode(op.node);
      case "sysctl.set":
        if (this.initial.has(this.stateOf(op.node), op)) return;
        this.flush();
        return setSysctl(this.netns(op.node), op);
      case "rules.commit":
        // two transactions on one namespace would take place in any order
        if (this.committing.has(op.node)) await this.settle();
        this.flush();
        this.committing.add(op.node);
        this.commits.push(commitRules(this.netns(op.node), op.edits));
        // a rejection is reported by settle(); until then nobody is listening
        this.commits.at(-1)?.catch(() => {});
        return;
      case "proxy.open":
        await this.settle();
        this.proxies.set(proxyKey(op.node, op.proxy), {
          node: op.node,
          proxy: op.proxy,
          socket: await openProxy(this.netns(op.node), op.proxy),
        });
        return;
      case "proxy.close":
        await this.proxies.get(proxyKey(op.node, op.proxy))?.socket.close();
        this.proxies.delete(proxyKey(op.node, op.proxy));
        return;
      default:
        this.queue(this.stateOf(op.node), ...this.requestsOf(op));
    }
  }

  private async startRepair(op: RepairOp): Promise<void> {
    switch (op.kind) {
      case "netns.name":
        return this.netns(op.node).giveName();
      case "foreign.delete":
        this.flush();
        return removeForeign(this.stateOf(op.node), op);
      case "link.change": {
        const node = this.stateOf(op.node);
        return this.queue(node, rt.changeLink({ ...op, index: node.indexOf(op.name) }));
      }
      case "rules.repair":
        await this.settle();
        return commitRepair(this.netns(op.node), op.edits);
      default:
        return this.start(op);
    }
  }

  private requestsOf(op: Exclude<Op, { kind: `${"netns" | "sysctl" | "rules" | "proxy"}.${string}` }>): Request[] {
    const node = this.stateOf(op.node);
    const numbered = (end: VethEnd): rt.NewLink => ({ ...end, index: node.claimIndex(end.name) });
    switch (op.kind) {
      case "bridge.create":
        return [rt.createBridge(numbered(op))];
      case "veth.create": {
        const far = this.stateOf(op.peerNode);
        // the pair may join two namespaces whose requests are queued apart: what the far one waits for must be there first
        this.flush();
        const peer = { ...op.peer, index: far.claimIndex(op.peer.name), netnsFd: far.ns.fd };
        return [rt.createVeth(numbered(op.end), peer)];
      }
      case "macvlan.create": {
        // what is queued for the parent's namespace must be there first
        this.flush();
        const over = this.stateOf(op.parentNode);
        const parent = { index: over.indexOf(op.parent), nsid: node.numberOf(over.ns) };
        return [rt.createMacvlan(numbered(op.end), parent, op.mode)];
      }
      case "vlan.create":
        return [rt.createVlan(numbered(op.end), node.indexOf(op.parent), op.vlanId)];
      case "dummy.create":
        return [rt.createDummy(numbered(op.end))];
      case "link.delete":
        return [rt.deleteLink(op.name, node.forgetIndex(op.name))];
      case "link.up":
      case "link.down":
        return [rt.setLinkUp(op.name, node.indexOf(op.name), op.kind === "link.up")];
      case "port.join": {
        const index = node.indexOf(op.name);
        const join = rt.setLinkMaster(op.name, index, node.indexOf(op.bridge));
        return op.hairpin ? [join, rt.setHairpin(op.name, index, true)] : [join];
      }
      case "port.leave":
        return [rt.setLinkMaster(op.name, node.indexOf(op.name), 0)];
      case "address.add":
        return [rt.addAddress(op.link, node.indexOf(op.link), op.address)];
      case "address.delete":
        return [rt.deleteAddress(op.link, node.indexOf(op.link), op.address)];
      case "route.add":
        return [rt.addRoute(op.route.to, op.route.via, routeLink(node, op.route.link))];
      case "route.delete":
        return [rt.deleteRoute(op.route.to, op.route.via, routeLink(node, op.route.link))];
    }
  }

  private queue(node: NodeState, ...requests: Request[]): void {
    if (this.queued.length > 0 && this.queued[0]?.node !== node) this.flush();
    for (const request of requests) this.queued.push({ node, request });
  }

  private flush(): void {
    const [first] = this.queued;
    if (!first) return;
    const requests = this.queued.map((q) => q.request);
    this.queued = [];
    try {
      first.node.route.request(requests);
    } catch (error) {
      throw refusal(first.node.ns.label, error);
    }
  }

  private async settle(): Promise<void> {
    this.flush();
    const commits = this.commits;
    this.commits = [];
    this.committing.clear();
    const results = await Promise.allSettled(commits);
    const failure = results.find((r) => r.status === "rejected");
    if (failure) throw failure.reason;
  }

  private createNode(node: NodeName): void {
    const { lab, manifest } = this.options;
    const name = manifest && {
      path: netnsPath(lab, node),
      owner: manifest.ownerOf(node),
      record: (identity: NetnsIdentity) => manifest.addNetns(node, identity),
    };
    const state = new NodeState(Netns.create(node, name), true, this.round);
    this.nodes.set(node, state);
    state.route.request([rt.setLinkUp(LO, 1, true)]);
  }

  private adoptNode(node: NodeName): boolean {
    const { lab, manifest } = this.options;
    const owned = manifest?.netnsOf(node);
    const path = netnsPath(lab, node);
    if (!owned || !manifest) return false;
    if (isUnfinishedName(path)) removeName(path, owned);
    const name = { path, owner: manifest.ownerOf(node) };
    const ns = Netns.open(node, path, owned, name) ?? openInhabited(node, owned, name);
    if (ns) this.nodes.set(node, new NodeState(ns, false, this.round));
    return ns !== undefined;
  }

  private deleteNode(node: NodeName): void {
    const state = this.nodes.get(node);
    if (!state) return;
    this.nodes.delete(node);
    state.close();
    const owned = this.options.manifest?.netnsOf(node);
    if (owned) this.options.manifest?.forget(owned);
  }

  private async takeBack(done: readonly Op[]): Promise<void> {
    this.queued = [];
    await Promise.allSettled(this.commits);
    this.commits = [];
    for (const op of [...done].reverse()) {
      try {
        await this.start(invertOp(op));
        await this.settle();
      } catch {
        // the step that failed, and what it kept others from doing, cannot be taken back; namespaces go in any case
      }
    }
  }

  private stateOf(node: NodeName): NodeState {
    const state = this.nodes.get(node);
    if (!state) throw new DocknetError("NOT_FOUND", `No node ${node} in lab ${this.options.lab}`);
    return state.readLinks(this.round);
  }
}

/** Somebody removed the name, but a process of the lab keeps the namespace. */
function openInhabited(node: NodeName, identity: NetnsIdentity, name: NetnsPlace): Netns | undefined {
  for (const pid of pidsIn(processesByNetns(), identity)) {
    const ns = Netns.open(node, `/proc/${pid}/ns/net`, identity, name);
    if (ns) return ns;
  }
  return undefined;
}

const routeLink = (node: NodeState, name: IfName | undefined): number | undefined =>
  name === undefined ? undefined : node.indexOf(name);

const proxyKey = (node: NodeName, p: ProxyListener): string => [node, p.proto, p.hostIp, p.hostPort].join(" ");
