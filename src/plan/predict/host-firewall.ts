/**
 * What Docker's rules on the host decide about a packet, by Docker's documented semantics and not by reading the rules: direct access
 * (raw), port bindings (nat DOCKER), forwarding (filter) and masquerading (nat POSTROUTING). The way between is in packet-host.ts.
 */
import { type Origin, renderOrigin } from "../../errors.ts";
import { contains, isIpv4 } from "../../net/address.ts";
import { HOST, type IfName } from "../../net/name.ts";
import { needsBridgeNetfilter } from "../../state/network.ts";
import { type BridgeNetwork, bridgesOf, isHostAddress } from "../../state/state.ts";
import type { Purpose, Rule } from "../firewall/rule.ts";
import { PacketWalk } from "./packet.ts";
import type { Prediction, Stop } from "./prediction.ts";
import type { BindingHit } from "./state-index.ts";

export class HostFirewall extends PacketWalk {
  /** raw PREROUTING: a container's own address is for its bridge alone. */
  protected directAccess(from: IfName): Prediction | undefined {
    if (!this.traits.guardsAddresses || this.state.engine.allowDirectRouting) return undefined;
    for (const network of bridgesOf(this.state)) {
      if (
        network.internal ||
        network.gatewayMode !== "nat" ||
        network.bridge === from ||
        network.trustedInterfaces.includes(from)
      )
        continue;
      if (!this.index.endpointAt(network, this.dst)) continue;
      return this.drop(
        HOST,
        "direct-access",
        (r) => r.match.destination === this.dst,
        `${this.dst} may be addressed only from its own network ${network.name}`,
      );
    }
    return undefined;
  }

  /** The first binding whose DNAT rule matches. @param from undefined: the host's own packet */
  protected matchBinding(from: IfName | undefined): BindingHit | undefined {
    if (this.proto === "icmp") return undefined;
    if (this.dport === undefined || this.goesToProxy(from)) return undefined;
    return this.index
      .bindingsOf(this.dport, this.proto)
      .filter(({ binding }) => binding.hostIp === "0.0.0.0" || binding.hostIp === this.dst)
      .find(({ network }) => !this.state.engine.userlandProxy || from !== network.bridge);
  }

  /** nat DOCKER, first of all: is what comes by this bridge left to the userland proxy? */
  private goesToProxy(from: IfName | undefined): boolean {
    const network = bridgesOf(this.state).find((n) => n.bridge === from);
    if (!network || !this.traits.containersByProxy || !this.state.engine.userlandProxy) return false;
    return network.masquerade && !network.internal;
  }

  protected translateTo({ endpoint, binding }: BindingHit): void {
    this.dst = endpoint.address;
    this.dport = binding.target;
    const rule = this.find(
      "dnat",
      (r) =>
        r.match.dport === binding.hostPort &&
        r.target.kind === "DNAT" &&
        r.target.to === endpoint.address &&
        r.match.proto === binding.proto,
    );
    this.translations.push({ node: HOST, kind: "DNAT", ...(rule ? { rule } : {}) });
  }

  protected whyUnpublished(): string {
    if (this.dport === undefined) return `nothing listens on ${this.portWords()} of the host's ${this.dst}`;
    const nothing = `nothing listens on ${this.dst}:${this.portWords()} of the host`;
    for (const { node, bindings, publish } of this.state.containers) {
      const near = bindings.find((b) => b.hostPort === this.dport && b.proto === this.proto && isIpv4(b.hostIp));
      if (near) return `${nothing}: it is published on ${near.hostIp} only, for ${node}${placeOf(near.at)}`;
      const lost = publish.find((p) => p.published?.first === this.dport && p.proto === this.proto);
      if (lost) return `${nothing}: ${node} asks for it${placeOf(lost.at)}, but no network of it has a way out`;
    }
    return nothing;
  }

  /** filter FORWARD for a new flow: internal networks, what comes into a network, what leaves one, the policy. */
  protected filterForward(from: IfName, out: IfName, network: BridgeNetwork | undefined): Prediction | undefined {
    const source = bridgesOf(this.state).find((n) => n.bridge === from);
    if (network?.internal && !contains(network.subnet, this.src)) {
      return this.drop(
        HOST,
        "internal-in",
        (r) => r.match.out === network.bridge,
        `network ${network.name} is internal`,
      );
    }
    if (source?.internal && !contains(source.subnet, this.dst)) {
      return this.drop(HOST, "internal-out", (r) => r.match.in === source.bridge, `network ${source.name} is internal`);
    }
    if (network && source && from !== out && this.isIsolated(network)) {
      const because = `${source.name} and ${network.name} are two networks, and ${this.state.engine.profile} lets nothing from one to another`;
      return this.drop(HOST, "isolation-drop", (r) => r.match.out === network.bridge, because);
    }
    if (network && !network.internal && from !== out) return this.intoNetwork(network);
    if (source && from === out) {
      return source.icc
        ? undefined
        : this.drop(
            HOST,
            "icc-drop",
            (r) => r.match.in === source.bridge,
            `network ${source.name} has inter-container communication off`,
          );
    }
    return source ? undefined : this.forwardPolicy("no rule accepts it");
  }

  private forwardPolicy(why: string): Prediction | undefined {
    if (this.state.engine.ipForward) return undefined;
    const stop: Stop = { node: HOST, policy: { table: "filter", chain: "FORWARD" } };
    return this.end("drop", stop, `${why}, and the policy of FORWARD is DROP`);
  }

  /** From the bridge of another network: up to 28 only a routed network is open to the others. */
  private isIsolated(network: BridgeNetwork): boolean {
    return this.traits.isolatesBridges && network.gatewayMode !== "routed";
  }

  protected intoNetwork(network: BridgeNetwork): Prediction | undefined {
    if (network.gatewayMode === "nat-unprotected") return undefined;
    const target = this.index.endpointAt(network, this.dst);
    const open = target?.container.bindings.some(
      (b) => b.endpoint === target.endpoint.id && isIpv4(b.hostIp) && b.target === this.dport && b.proto === this.proto,
    );
    if (open || (network.gatewayMode === "routed" && this.proto === "icmp")) return undefined;
    const why = `${this.proto === "icmp" ? "ping" : this.portWords()} of ${this.dst} is not published`;
    if (!this.traits.dropsByDefault) return this.forwardPolicy(why);
    return this.drop(HOST, "default-drop", (r) => r.match.out === network.bridge, why);
  }

  /** nat POSTROUTING. @returns why answers would be lost, when they would */
  protected masqueradeForward(out: IfName, network: BridgeNetwork | undefined): Stop | undefined {
    const source = bridgesOf(this.state).find((n) => contains(n.subnet, this.src) && !n.internal);
    if (!this.state.engine.userlandProxy && network && this.src === this.dst) {
      // Docker writes MASQUERADE here even where the network has a fixed address for SNAT
      const { snatTo: _, ...plain } = network;
      this.masquerade(plain, "masquerade-hairpin", (r) => r.match.source === this.dst);
      return undefined;
    }
    if (!source || source.bridge === out) return undefined;
    if (source.masquerade && source.gatewayMode !== "routed") {
      const address = network ? network.gateway : this.state.world.host;
      this.masquerade(source, "masquerade", (r) => r.match.source === source.subnet, address);
      // within the host conntrack finds the way back; from outside, answers go to whoever has the address
      const nowhere = !network && source.snatTo && !isHostAddress(this.state, source.snatTo);
      return nowhere ? { node: HOST, onReply: true } : undefined;
    }
    return this.guardedReply(source);
  }

  /** A packet leaves its network with the container's own address: answers come back to that address, and meet what guards it. */
  private guardedReply(source: BridgeNetwork): Stop | undefined {
    const guarded =
      this.traits.guardsAddresses && source.gatewayMode === "nat" && !this.state.engine.allowDirectRouting;
    const rule = guarded ? this.find("direct-access", (r) => r.match.destination === this.src) : undefined;
    return rule ? { node: HOST, rule, onReply: true } : undefined;
  }

  /**
   * From one port of a bridge to another, with the address that the sender has on another network: only a socket that is bound to it does
   * that. With netfilter on bridges it leaves that network as any packet does; else as it is. @returns why answers would be lost
   */
  protected leaveBridged(network: BridgeNetwork): Stop | undefined {
    const source = bridgesOf(this.state).find((n) => contains(n.subnet, this.src));
    if (!source || source === network) return undefined;
    const lost = needsBridgeNetfilter(this.state)
      ? this.masqueradeForward(network.bridge, network)
      : this.guardedReply(source);
    if (lost || !this.traits.isolatesAnswers) return lost;
    const rule = this.find("isolation-drop", (r) => r.match.out === source.bridge);
    return { node: HOST, ...(rule ? { rule } : {}), onReply: true };
  }

  protected masquerade(
    network: BridgeNetwork,
    purpose: Purpose,
    where: (r: Rule) => boolean,
    address = network.gateway,
  ): void {
    const rule = this.find(purpose, where);
    this.src = network.snatTo ?? address ?? this.src;
    this.translations.push({ node: HOST, kind: network.snatTo ? "SNAT" : "MASQUERADE", ...(rule ? { rule } : {}) });
  }
}

const placeOf = (at: Origin | undefined): string => (at ? ` at ${renderOrigin(at)}` : "");
