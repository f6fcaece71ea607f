/**
 * What happens to a packet on its last link, at a container, whether it comes from the host, from the next port of a bridge or from the
 * LAN: who answers it there, and whether the answer comes back.
 */
import { HOST, type NodeName, ROUTER } from "../../net/name.ts";
import { needsBridgeNetfilter } from "../../state/network.ts";
import { type BridgeNetwork, type Container, type Endpoint, gatewayEndpoint, isBridge } from "../../state/state.ts";
import { HostFirewall } from "./host-firewall.ts";
import { lanReplyFault } from "./lan-reply.ts";
import { longestMatch } from "./packet.ts";
import type { Prediction, Stop } from "./prediction.ts";

export class PacketAtContainer extends HostFirewall {
  /** From one port of a bridge to another: iptables sees it only where icc is off, or the proxy. */
  protected bridged(network: BridgeNetwork): Prediction {
    const target = this.index.endpointAt(network, this.dst);
    // the sender itself asks for it by ARP
    if (!target) return this.nobody(this.legs.at(-1)?.node ?? HOST);
    if (!network.icc)
      return this.drop(
        HOST,
        "icc-drop",
        (r) => r.match.in === network.bridge,
        `network ${network.name} has inter-container communication off`,
      );
    const lostReply = this.leaveBridged(network);
    return this.arrive(target.container, target.endpoint, `both are on network ${network.name}`, { lostReply });
  }

  /** The host puts it on a bridge. */
  protected outOnBridge(network: BridgeNetwork): Prediction {
    this.leg(HOST, network.bridge, "out");
    const target = this.index.endpointAt(network, this.dst);
    return target
      ? this.arrive(target.container, target.endpoint, "the host reaches its own containers")
      : this.nobody(HOST);
  }

  /**
   * On the last link. Answers go where the container's own routes send them: over a network that it shares with the sender they take a
   * shortcut past the host's NAT, which only a bridge with netfilter still undoes.
   * @param lostReply set when answers that go back by the host are lost
   */
  protected arrive(
    container: Container,
    endpoint: Endpoint,
    because: string,
    { lostReply, dnat }: { lostReply?: Stop | undefined; dnat?: boolean } = {},
  ): Prediction {
    this.leg(container.node, endpoint.ifName, "in");
    const server = this.listenerIn(container);
    const onLink = longestMatch(container.endpoints, (e) => this.networkOf(e).subnet, this.src);
    const back = onLink ?? gatewayEndpoint(this.state, container.endpoints);
    if (back && !(isBridge(this.networkOf(endpoint)) && isBridge(this.networkOf(back)))) {
      const fault = lanReplyFault(this.state, this.src, {
        container,
        to: endpoint,
        back,
        onLink: back === onLink,
        dnat,
        byRouter: this.cameByRouter(),
      });
      return fault
        ? this.end("drop", { node: container.node, onReply: true }, fault)
        : this.answer(container.node, server, because);
    }
    if (onLink && onLink !== endpoint) {
      if (!dnat || needsBridgeNetfilter(this.state)) return this.answer(container.node, server, because);
      const why = `${container.node} answers ${this.src} over network ${this.networkOf(onLink).name}, past the NAT that changed the address`;
      return this.end("drop", { node: container.node, onReply: true }, why);
    }
    if (lostReply) return this.lost(lostReply);
    if (back) return this.answer(container.node, server, because);
    return this.end(
      "drop",
      { node: container.node, onReply: true },
      `${container.node} has no route back to ${this.src}`,
    );
  }

  /** Who listens in this sandbox: the owner or a sharer. Ping is answered by the stack itself. */
  protected listenerIn(owner: Container): NodeName | undefined {
    if (this.proto === "icmp" || this.listensOn(owner.node)) return owner.node;
    return this.listenerAt(owner)?.node;
  }

  protected cameByRouter(): boolean {
    return this.legs.some((leg) => leg.node === ROUTER);
  }
}
