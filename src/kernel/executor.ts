/**
 * Does what a plan says, one namespace handle per node, and can take back what it did. rtnetlink requests for one namespace in
 * a row go out in one send; rule commits run beside the rest and are waited for before listeners open and before the end.
 */
import { readFileSync } from "node:fs";
import { DocknetError } from "../errors.ts";
import { type IfName, type LabName, type NodeName, netnsName } from "../net/name.ts";
import type { ProxyListener } from "../plan/layout.ts";
import { invertOp, type Op } from "../plan/op.ts";
import { NETLINK_ROUTE, NetlinkError, NetlinkSocket, type Request } from "./netlink.ts";
import { Netns, sysctlPath } from "./netns.ts";
import { openProxy } from "./proxy.ts";
import * as rt from "./rtnetlink.ts";
import { commitRules } from "./rules.ts";

export interface ExecutorOptions {
  readonly lab: LabName;
  /** Named namespaces outlive the process and are seen by `ip netns`; unnamed ones die with it. */
  readonly named: boolean;
  readonly onOp?: (op: Op) => void;
  readonly signal?: AbortSignal;
}

interface NodeState {
  readonly ns: Netns;
  readonly route: NetlinkSocket;
  readonly indexes: Map<string, number>;
  nextIndex: number;
  /** Sysctls of the namespace itself that a plan has set. */
  readonly touched: Set<string>;
}

const LO = "lo" as IfName;

export class Executor {
  private readonly options: ExecutorOptions;
  private readonly nodes = new Map<NodeName, NodeState>();
  private readonly proxies = new Map<string, { close(): void | Promise<void> }>();
  private queued: { readonly node: NodeState; readonly request: Request }[] = [];
  private commits: Promise<unknown>[] = [];
  /** Nodes of the commits that are under way. */
  private readonly committing = new Set<NodeName>();
  /** Value of a sysctl in a namespace that nobody has touched; undefined: it does not exist. */
  private readonly born = new Map<string, string | undefined>();

  constructor(options: ExecutorOptions) {
    this.options = options;
  }

  /** @throws DocknetError when the node does not exist */
  netns(node: NodeName): Netns {
    return this.stateOf(node).ns;
  }

  /** Does all steps in order. When one fails, those before it are taken back in reverse. @throws DocknetError */
  async apply(ops: readonly Op[]): Promise<void> {
    const done: Op[] = [];
    try {
      for (const op of ops) {
        if (this.options.signal?.aborted) throw new DocknetError("ABORTED", "Interrupted while building the lab");
        done.push(op);
        await this.start(op);
      }
      await this.settle();
    } catch (error) {
      await this.takeBack(done);
      throw error;
    }
  }

  /** Removes everything that is left, without a plan: listeners, then namespaces with all that is in them. Idempotent. */
  async close(): Promise<void> {
    this.queued = [];
    await Promise.allSettled(this.commits);
    this.commits = [];
    for (const proxy of this.proxies.values()) await proxy.close();
    this.proxies.clear();
    for (const name of [...this.nodes.keys()].reverse()) this.deleteNode(name);
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
        if (this.isInherited(op)) return;
        this.flush();
        return this.setSysctl(op.node, op.key, op.value);
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
        this.proxies.set(proxyKey(op.node, op.proxy), await openProxy(this.netns(op.node), op.proxy));
        return;
      case "proxy.close":
        await this.proxies.get(proxyKey(op.node, op.proxy))?.close();
        this.proxies.delete(proxyKey(op.node, op.proxy));
        return;
      default:
        this.queue(this.stateOf(op.node), ...this.requestsOf(op));
    }
  }

  private requestsOf(
    op: Extract<Op, { kind: `${"bridge" | "veth" | "link" | "port" | "address" | "route"}.${string}` }>,
  ): Request[] {
    const node = this.stateOf(op.node);
    switch (op.kind) {
      case "bridge.create":
        return [rt.createBridge({ ...op, index: this.claimIndex(node, op.name) })];
      case "veth.create": {
        const far = this.stateOf(op.peerNode);
        // the pair may join two namespaces whose requests are queued apart: what the far one waits for must be there first
        this.flush();
        const peer = { ...op.peer, index: this.claimIndex(far, op.peer.name), netnsFd: far.ns.fd };
        return [rt.createVeth({ ...op.end, index: this.claimIndex(node, op.end.name) }, peer)];
      }
      case "link.delete":
        return [rt.deleteLink(op.name, this.forgetIndex(node, op.name))];
      case "link.up":
      case "link.down":
        return [rt.setLinkUp(op.name, this.indexOf(node, op.name), op.kind === "link.up")];
      case "port.join": {
        const index = this.indexOf(node, op.name);
        const join = rt.setLinkMaster(op.name, index, this.indexOf(node, op.bridge));
        return op.hairpin ? [join, rt.setHairpin(op.name, index, true)] : [join];
      }
      case "port.leave":
        return [rt.setLinkMaster(op.name, this.indexOf(node, op.name), 0)];
      case "address.add":
        return [rt.addAddress(op.link, this.indexOf(node, op.link), op.address)];
      case "address.delete":
        return [rt.deleteAddress(op.link, this.indexOf(node, op.link), op.address)];
      case "route.add":
        return [rt.addRoute(op.route.to, op.route.via, this.routeLink(node, op.route.link))];
      case "route.delete":
        return [rt.deleteRoute(op.route.to, op.route.via, this.routeLink(node, op.route.link))];
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
    const ns = Netns.create(node, this.options.named ? netnsName(this.options.lab, node) : undefined);
    const route = new NetlinkSocket(ns, NETLINK_ROUTE);
    // modules like sit or ipip put devices of their own into each new namespace
    const links = route.query(rt.dumpLinks).map(rt.decodeLink);
    const state: NodeState = {
      ns,
      route,
      indexes: new Map(links.map((l) => [l.name, l.index])),
      nextIndex: Math.max(1, ...links.map((l) => l.index)) + 1,
      touched: new Set(),
    };
    this.nodes.set(node, state);
    route.request([rt.setLinkUp(LO, 1, true)]);
  }

  private deleteNode(node: NodeName): void {
    const state = this.nodes.get(node);
    if (!state) return;
    this.nodes.delete(node);
    state.route.close();
    state.ns.close();
  }

  /**
   * Does a namespace that was just made have the value already? All start as copies of the machine's first one, so what one of them
   * was born with is asked once; most of what a lab wants is the kernel's default.
   */
  private isInherited({ node, key, value }: { node: NodeName; key: string; value: string }): boolean {
    const state = this.stateOf(node);
    if (state.touched.has(key) || OF_A_LINK.test(key)) return false;
    state.touched.add(key);
    if (!this.born.has(key))
      this.born.set(
        key,
        state.ns.enter(() => readSysctl(sysctlPath(key))),
      );
    return this.born.get(key) === value;
  }

  private setSysctl(node: NodeName, key: string, value: string): void {
    try {
      this.netns(node).writeSysctl(key, value);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code === "ENOENT" && key.startsWith("net.bridge.")) {
        throw new DocknetError(
          "KERNEL_FEATURE",
          `cannot restrict inter-container communication or run without the userland proxy: ${sysctlPath(key)} does not exist`,
          {
            cause: error,
            remedy: "Load the module once: modprobe br_netfilter",
          },
        );
      }
      const known = code === "EINVAL" || code === "ENOENT" || code === "EPERM" || code === "EACCES";
      throw new DocknetError(
        known ? "KERNEL_REFUSED" : "INTERNAL",
        `Cannot set sysctl ${key}=${value} in ${node}: ${code ?? String(error)}`,
        { cause: error },
      );
    }
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

  private claimIndex(node: NodeState, name: IfName): number {
    const index = node.nextIndex++;
    node.indexes.set(name, index);
    return index;
  }

  private forgetIndex(node: NodeState, name: IfName): number {
    const index = this.indexOf(node, name);
    node.indexes.delete(name);
    return index;
  }

  private indexOf(node: NodeState, name: IfName): number {
    const index = node.indexes.get(name);
    if (index === undefined) throw new DocknetError("INTERNAL", `No link ${name} in ${node.ns.label}`);
    return index;
  }

  private routeLink(node: NodeState, name: IfName | undefined): number | undefined {
    return name === undefined ? undefined : this.indexOf(node, name);
  }

  private stateOf(node: NodeName): NodeState {
    const state = this.nodes.get(node);
    if (!state) throw new DocknetError("NOT_FOUND", `No node ${node} in lab ${this.options.lab}`);
    return state;
  }
}

/** net.ipv4.conf.eth0.forwarding, but not ...conf.all... or ...conf.default... */
const OF_A_LINK = /\.(conf|neigh)\.(?!all\.|default\.)/;

function readSysctl(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8").trim().replaceAll(/\s+/g, " ");
  } catch {
    return undefined; // writing it will say why
  }
}

const proxyKey = (node: NodeName, p: ProxyListener): string => [node, p.proto, p.hostIp, p.hostPort].join(" ");

function refusal(node: string, error: unknown): unknown {
  if (!(error instanceof NetlinkError)) return error;
  const remedies: Readonly<Record<string, string>> = {
    EOPNOTSUPP: "This kernel lacks the link type: run `docknet doctor`",
    EPERM: "Run as root, or let docknet enter a user namespace (see `docknet doctor`)",
    ENOSPC: "A bridge holds at most 1023 ports: spread the containers over more networks",
  };
  const code = error.code === "EPERM" ? "PRIVILEGE" : error.code === "EOPNOTSUPP" ? "KERNEL_FEATURE" : "KERNEL_REFUSED";
  return new DocknetError(code, `Cannot ${error.message.replace(/: /, ` in ${node}: the kernel says `)}`, {
    cause: error,
    ...(remedies[error.code] ? { remedy: remedies[error.code] as string } : {}),
  });
}
