/**
 * One packet under way: its addresses now, the links it was seen on, what changed it, and the ways in which it can end. What happens to
 * it where stands in the files beside this one: packet-container.ts, -host.ts, -router.ts, -lan.ts.
 */
import { contains, type Ipv4, prefixLength, type Subnet } from "../../net/address.ts";
import type { IfName, NodeName } from "../../net/name.ts";
import type { Port } from "../../net/port.ts";
import { listenerAt, type Stack } from "../../state/listening.ts";
import { type Container, type Endpoint, type Network, networkById, type State } from "../../state/state.ts";
import { type Traits, traitsOf } from "../firewall/profile.ts";
import type { Purpose, Rule, Ruleset } from "../firewall/rule.ts";
import type { Leg, Outcome, Prediction, ProbeProto, ProbeSpec, Stop, Translation } from "./prediction.ts";
import { indexState, type StateIndex } from "./state-index.ts";

export class PacketWalk {
  protected readonly state: State;
  protected readonly rules: { readonly host: Ruleset; readonly router: Ruleset };
  protected readonly index: StateIndex;
  protected readonly traits: Traits;
  protected readonly proto: ProbeProto;
  protected src: Ipv4;
  protected dst: Ipv4;
  protected dport: Port | undefined;
  /** The sender's own choice of source. */
  private readonly bound: Ipv4 | undefined;
  private readonly listener: NodeName | undefined;
  protected newFlow = false;
  protected readonly legs: Leg[] = [];
  protected readonly translations: Translation[] = [];
  protected readonly unsure: { node: NodeName; link: IfName }[] = [];

  constructor(state: State, probe: ProbeSpec, rules: { readonly host: Ruleset; readonly router: Ruleset }) {
    this.state = state;
    this.index = indexState(state);
    this.traits = traitsOf(state);
    this.rules = rules;
    this.proto = probe.proto;
    this.src = probe.address;
    this.dst = probe.address;
    this.dport = probe.port;
    this.bound = probe.source;
    this.listener = probe.listener;
  }

  /** Where routing leaves the choice of a source to the sender. */
  protected sourceOr(chosenByRouting: Ipv4): Ipv4 {
    return this.bound ?? chosenByRouting;
  }

  /** Has a program of this node got the very port that the packet is for? */
  protected listensOn(node: NodeName): boolean {
    return this.listener === node;
  }

  /** The container whose program has the packet's port in this stack. */
  protected listenerAt(stack: Stack): Container | undefined {
    const { dport: port, proto } = this;
    return port === undefined || proto === "icmp" ? undefined : listenerAt(this.state, stack, { port, proto });
  }

  /** "80/tcp", for sentences. */
  protected portWords(): string {
    return this.dport === undefined ? "the random port" : `${this.dport}/${this.proto}`;
  }

  protected send(node: NodeName, link: IfName, src: Ipv4, next: () => Prediction): Prediction {
    this.src = this.sourceOr(src);
    this.leg(node, link, "out");
    return next();
  }

  /** @param server who answers; undefined: nobody listens there */
  protected answer(node: NodeName, server: NodeName | undefined, because: string): Prediction {
    if (!server) return this.end("refuse", { node }, `nothing listens on ${this.portWords()} of ${node}`);
    return { ...this.way(), outcome: "reach", seenAs: this.src, server, because };
  }

  protected nobody(at: NodeName, because = `nobody has the address ${this.dst}: ARP is not answered`): Prediction {
    // the packet waits for an answer to ARP and never leaves
    if (this.legs.at(-1)?.node === at && this.legs.at(-1)?.direction === "out") this.legs.pop();
    return this.end("unreachable", { node: at }, because);
  }

  protected lost(reply: Stop, address = this.src): Prediction {
    const own =
      reply.rule?.purpose === "isolation-drop" ? "it is on another network" : "it is a container's own address";
    const reason = reply.rule ? `dropped: ${own}` : "lost: the host does not have that address";
    return this.end("drop", reply, `the answer to ${address} is ${reason}`);
  }

  protected drop(node: NodeName, purpose: Purpose, where: (r: Rule) => boolean, because: string): Prediction {
    const rule = this.find(purpose, where);
    return this.end("drop", { node, ...(rule ? { rule } : {}) }, because);
  }

  protected end(outcome: Outcome, stop: Stop, because: string): Prediction {
    return { ...this.way(), outcome, stop, because };
  }

  protected way(): Pick<Prediction, "legs" | "translations" | "unsure"> {
    return {
      legs: this.legs,
      translations: this.translations,
      ...(this.unsure.length > 0 ? { unsure: this.unsure } : {}),
    };
  }

  protected leg(node: NodeName, link: IfName, direction: "in" | "out"): void {
    const port = this.dport === undefined ? {} : { dport: this.dport };
    this.legs.push({
      node,
      link,
      direction,
      src: this.src,
      dst: this.dst,
      ...port,
      ...(this.newFlow ? { newFlow: true } : {}),
    });
  }

  protected find(purpose: Purpose, where: (r: Rule) => boolean): Rule | undefined {
    return this.rules.host.rules.find((r) => r.purpose === purpose && where(r));
  }

  protected networkOf(endpoint: Endpoint): Network {
    return networkById(this.state, endpoint.network);
  }
}

/** As routing chooses: of those whose subnet holds the address, the narrowest. */
export function longestMatch<T>(items: readonly T[], subnet: (item: T) => Subnet, address: Ipv4): T | undefined {
  return [...items]
    .filter((i) => contains(subnet(i), address))
    .sort((a, b) => prefixLength(subnet(b)) - prefixLength(subnet(a)))[0];
}
