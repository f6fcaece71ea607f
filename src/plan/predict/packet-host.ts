/**
 * What the Docker host does with a packet: published ports, its own services and the userland proxy, and forwarding between its bridges
 * and the LAN. Source: docker-reference sections 4.3, 7.6, 8.
 */
import { HOST, type IfName, type NodeName } from "../../net/name.ts";
import { needsBridgeNetfilter } from "../../state/network.ts";
import { type BridgeNetwork, bearsAddress, bridgesOf, isHostAddress } from "../../state/state.ts";
import { eth0 } from "../world.ts";
import { longestMatch } from "./packet.ts";
import { PacketAtContainer } from "./packet-container.ts";
import type { Prediction, Stop } from "./prediction.ts";
import type { BindingHit } from "./state-index.ts";

export abstract class PacketAtHost extends PacketAtContainer {
  /** @param from the machine that sends it on the LAN. @param lostReply set when answers to this packet will be dropped on their way back */
  protected abstract lanDeliver(from: NodeName, lostReply?: Stop): Prediction;

  /**
   * With bridge-nf-call-iptables the prerouting hooks run while the frame is still a bridge port's, so the bridge itself sees the
   * packet after raw and DNAT, or not at all (net/bridge/br_netfilter_hooks.c br_nf_pre_routing).
   */
  protected hostIngress(from: IfName): Prediction {
    const early = from !== eth0 && needsBridgeNetfilter(this.state);
    if (!early) this.leg(HOST, from, "in");
    const direct = this.directAccess(from);
    if (direct) return direct;
    const hit = isHostAddress(this.state, this.dst) ? this.matchBinding(from) : undefined;
    if (hit) this.translateTo(hit);
    if (early && hit?.network.bridge === from) return this.hairpin(hit);
    if (early) this.leg(HOST, from, "in");
    if (!hit && isHostAddress(this.state, this.dst)) return this.hostInput();
    return this.forward(from, hit !== undefined);
  }

  /** Back out of the bridge it came in by, without being routed (bridged DNAT); by way of the bridge device while ARP is not cached. */
  private hairpin({ container, endpoint, network }: BindingHit): Prediction {
    this.unsure.push({ node: HOST, link: network.bridge }, { node: container.node, link: endpoint.ifName });
    const refusal = this.filterForward(network.bridge, network.bridge, network);
    if (refusal) return refusal;
    this.masqueradeForward(network.bridge, network);
    return this.arrive(container, endpoint, "the port is published, and its bridge turns the packet around");
  }

  /** The host's own packet to a published port of one of its own addresses: nat OUTPUT. */
  protected hostDnat(hit: BindingHit): Prediction {
    this.translateTo(hit);
    this.masqueradeLocal(hit.network);
    this.leg(HOST, hit.network.bridge, "out");
    return this.arrive(hit.container, hit.endpoint, `port ${hit.binding.hostPort} is published`);
  }

  /** nat POSTROUTING: without the userland proxy what the host itself sends into a network takes the gateway's address. */
  protected masqueradeLocal(network: BridgeNetwork): void {
    if (this.state.engine.userlandProxy || network.internal) return;
    this.masquerade(network, "masquerade-local", (r) => r.match.out === network.bridge);
  }

  /** Delivered to the host itself: a service in host mode, or the userland proxy, or nobody. */
  protected hostInput(): Prediction {
    if (this.proto === "icmp") return this.answer(HOST, HOST, "the host answers ping");
    if (this.listensOn(HOST)) return this.answer(HOST, HOST, "it is the host's own address");
    const service = this.listenerAt("host");
    if (service) return this.answer(HOST, service.node, `${service.node} listens on the host's own port`);
    const hit = this.state.engine.userlandProxy ? this.matchBinding(undefined) : undefined;
    if (!hit) return this.end("refuse", { node: HOST }, this.whyUnpublished());
    this.translations.push({ node: HOST, kind: "proxy" });
    this.src = hit.network.gateway ?? this.src;
    this.dst = hit.endpoint.address;
    this.dport = hit.binding.target;
    this.newFlow = true;
    this.leg(HOST, hit.network.bridge, "out");
    return this.arrive(
      hit.container,
      hit.endpoint,
      `the userland proxy of port ${hit.binding.hostPort} opens a connection of its own`,
    );
  }

  private forward(from: IfName, dnat = false): Prediction {
    const network = longestMatch(bridgesOf(this.state).filter(bearsAddress), (n) => n.subnet, this.dst);
    const out = network?.bridge ?? eth0;
    const refusal = this.filterForward(from, out, network);
    if (refusal) return refusal;
    const lostReply = this.masqueradeForward(out, network);
    this.leg(HOST, out, "out");
    if (!network) return this.lanDeliver(HOST, lostReply);
    const target = this.index.endpointAt(network, this.dst);
    if (!target) return this.nobody(HOST);
    const because = dnat ? "the port is published" : this.whyDirect(network);
    return this.arrive(target.container, target.endpoint, because, { lostReply, dnat });
  }

  private whyDirect(network: BridgeNetwork): string {
    return this.traits.guardsAddresses
      ? `network ${network.name} is in gateway mode ${network.gatewayMode}`
      : `${this.state.engine.profile} does not guard container addresses`;
  }
}
