/** Who gets a packet on the LAN: the machines there, and the macvlans that stand beside the host. Who hears whom: lan-segment.ts. */
import { contains, type Ipv4, isPrivate } from "../../net/address.ts";
import { HOST, NEIGHBOUR, type NodeName, ROUTER } from "../../net/name.ts";
import { bridgesOf, type MacvlanNetwork } from "../../state/state.ts";
import { eth0 } from "../world.ts";
import { hear, isOwnChild, type MacvlanEndpoint, passthruMacvlan, rivalsOf } from "./lan-segment.ts";
import { PacketAtRouter } from "./packet-router.ts";
import type { Prediction, Stop } from "./prediction.ts";

export class PacketOnLan extends PacketAtRouter {
  protected lanDeliver(from: NodeName, lostReply?: Stop): Prediction {
    const { world } = this.state;
    const onLink = contains(world.lan, this.dst);
    const heard = hear(this.state, from, onLink ? this.dst : world.router.lan);
    if ("because" in heard) return this.nobody(from, heard.because);
    if ("macvlan" in heard) {
      this.leg(HOST, eth0, "in");
      return this.toMacvlan(from, heard.macvlan, "a macvlan is a machine of its own on the LAN");
    }
    if (heard.machine === HOST) return this.hostFromLan();
    return heard.machine === NEIGHBOUR ? this.neighbourInput(lostReply) : this.routerFromLan(lostReply);
  }

  /** What a container on a macvlan sends. @param nextHop absent: its network has no gateway, and then it has no route either */
  protected fromMacvlan(node: NodeName, network: MacvlanNetwork, nextHop = this.dst): Prediction {
    const heard = hear(this.state, network, nextHop);
    if ("because" in heard) return this.nobody(node, heard.because);
    if ("macvlan" in heard) {
      // the kernel takes it by the parent, for who listens there (macvlan_queue_xmit: "send to lowerdev first for its network taps")
      this.leg(HOST, network.parent, "in");
      return this.toMacvlan(network, heard.macvlan, `both are macvlans on ${network.parent}`);
    }
    this.leg(HOST, eth0, "out");
    if (heard.machine === ROUTER) return this.routerFromLan();
    if (nextHop === this.dst) return this.neighbourInput();
    this.leg(NEIGHBOUR, eth0, "in");
    return this.end(
      "drop",
      { node: NEIGHBOUR },
      `${NEIGHBOUR}, the gateway of network ${network.name}, forwards nothing`,
    );
  }

  /** @param from who sent it on this Ethernet: a machine, or the network of another macvlan */
  private toMacvlan(from: NodeName | MacvlanNetwork, macvlan: MacvlanEndpoint, because: string): Prediction {
    const { container, endpoint } = macvlan;
    const rivals = rivalsOf(this.state, from, macvlan);
    if (rivals.length === 0) return this.arrive(container, endpoint, because);
    const arrived = this.arrive(container, endpoint, because);
    // it comes in by one of several links: none is promised
    this.legs.pop();
    this.unsure.push(...[macvlan, ...rivals].map((s) => ({ node: s.container.node, link: s.endpoint.ifName })));
    return { ...arrived, ...this.way() };
  }

  /** By the uplink: to the host, unless a container has the uplink to itself. */
  protected hostFromLan(): Prediction {
    const passthru = passthruMacvlan(this.state);
    if (passthru) {
      this.leg(HOST, eth0, "in");
      this.leg(passthru.container.node, passthru.endpoint.ifName, "in");
      return this.end(
        "unreachable",
        { node: passthru.container.node },
        `${passthru.container.node} in mode passthru has ${eth0} to itself: what is for @host comes to it, and it knows no way on`,
      );
    }
    if (!isOwnChild(this.state, this.src)) return this.hostIngress(eth0);
    this.leg(HOST, eth0, "in");
    const stop: Stop = { node: HOST, onReply: true };
    return this.end(
      "drop",
      stop,
      `the answer to ${this.src} is lost: the host does not reach the macvlans on its own link`,
    );
  }

  private neighbourInput(lostReply?: Stop): Prediction {
    this.leg(NEIGHBOUR, eth0, "in");
    if (lostReply) return this.lost(lostReply);
    if (!this.isKnownToNeighbour(this.src))
      return this.end(
        "drop",
        { node: NEIGHBOUR, onReply: true },
        `the neighbour's answer to ${this.src} goes to the router, which does not know the way`,
      );
    return this.proto === "icmp" || this.listensOn(NEIGHBOUR)
      ? this.answer(NEIGHBOUR, NEIGHBOUR, "it is on the LAN")
      : this.end("refuse", { node: NEIGHBOUR }, "nothing listens on the neighbour");
  }

  /** It has routes to the LAN, to each bridge by way of the host, and else to the router, which knows what came by it. */
  private isKnownToNeighbour(address: Ipv4): boolean {
    const { lan } = this.state.world;
    if (contains(lan, address) || bridgesOf(this.state).some((n) => contains(n.subnet, address))) return true;
    return this.cameByRouter() && !isPrivate(address);
  }
}
