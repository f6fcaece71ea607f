/**
 * Who can reach whom, and how each packet is rewritten: Docker's documented semantics as a walk over the state, from the
 * sender's routing to the listener. It does not read the rules to decide (it names them when they decide), so a profile that
 * writes a wrong rule is caught by the difference between this and what the kernel does.
 * Source: docker-reference sections 4.3, 7.6, 8; moby integration/networking TestDirectRoutingOpenPorts and its neighbours.
 */

import { contains, type Ipv4, isLoopback, LOCALHOST, prefixLength } from "../../net/address.ts";
import { HOST, INTERNET, NEIGHBOUR, type NodeName, ROUTER } from "../../net/name.ts";
import {
  bearsAddress,
  bridgesOf,
  type Container,
  gatewayEndpoint,
  isBridge,
  isHostAddress,
  networkById,
  type State,
  sandboxOwner,
} from "../../state/state.ts";
import type { Ruleset } from "../firewall/rule.ts";
import { eth0, lan0, wan0 } from "../world.ts";
import { longestMatch } from "./packet.ts";
import { PacketOnLan } from "./packet-lan.ts";
import type { Prediction, ProbeSpec } from "./prediction.ts";
import { predictTransfer } from "./transfer.ts";

/** @param rules the host's and the router's, only to name the rule that decides */
export function predict(
  state: State,
  probe: ProbeSpec,
  rules: { readonly host: Ruleset; readonly router: Ruleset },
): Prediction {
  const walk = (spec: ProbeSpec): Prediction => new Walk(state, spec, rules).start(spec.from);
  return probe.transfer ? predictTransfer(state, { ...probe, transfer: probe.transfer }, walk) : walk(probe);
}

class Walk extends PacketOnLan {
  start(from: NodeName): Prediction {
    if (from === HOST) return this.fromHost();
    if (this.isOwn(from)) return this.toItself(from);
    if (from === NEIGHBOUR) return this.fromNeighbour();
    if (from === INTERNET) return this.fromInternet();
    if (from === ROUTER) return this.fromRouter();
    const container = this.index.containerOf(from);
    if (!container) throw new Error(`no node ${from} in lab ${this.state.lab}`);
    const owner = sandboxOwner(this.state, container);
    if (owner === "gone")
      return this.end(
        "unreachable",
        { node: from },
        `${from} has no network: it is not running, or what it shared is gone`,
      );
    return owner === "host" ? this.fromHost() : this.fromContainer(owner);
  }

  private fromContainer(sender: Container): Prediction {
    const own = sender.endpoints.find((e) => e.address === this.dst);
    if (own || isLoopback(this.dst)) {
      this.src = own ? own.address : LOCALHOST;
      return this.answer(sender.node, this.listenerIn(sender), "it is the container itself");
    }
    const onLink = longestMatch(sender.endpoints, (e) => this.networkOf(e).subnet, this.dst);
    const way = onLink ?? gatewayEndpoint(this.state, sender.endpoints);
    if (!way)
      return this.end(
        "unreachable",
        { node: sender.node },
        `${sender.node} has no route to ${this.dst}: ${noRouteReason(this.state, sender)}`,
      );
    const network = this.networkOf(way);
    return this.send(sender.node, way.ifName, way.address, () => {
      if (!isBridge(network)) return this.fromMacvlan(sender.node, network, onLink ? this.dst : network.gateway);
      if (onLink && network.gateway !== this.dst) return this.bridged(network);
      return bearsAddress(network) ? this.hostIngress(network.bridge) : this.nobody(sender.node);
    });
  }

  private fromHost(): Prediction {
    const network = longestMatch(bridgesOf(this.state).filter(bearsAddress), (n) => n.subnet, this.dst);
    if (isHostAddress(this.state, this.dst)) {
      this.src = isLoopback(this.dst) ? LOCALHOST : this.dst;
      const hit = !isLoopback(this.dst) || !this.state.engine.userlandProxy ? this.matchBinding(undefined) : undefined;
      return hit ? this.hostDnat(hit) : this.hostInput();
    }
    if (network?.gateway) {
      this.src = this.sourceOr(network.gateway);
      if (this.src !== network.gateway) this.masqueradeLocal(network);
      return this.outOnBridge(network);
    }
    return this.send(HOST, eth0, this.state.world.host, () => this.lanDeliver(HOST));
  }

  private fromNeighbour(): Prediction {
    const { world } = this.state;
    const viaHost =
      this.dst === world.host ||
      bridgesOf(this.state).some((n) => prefixLength(n.subnet) <= 31 && contains(n.subnet, this.dst));
    return this.send(NEIGHBOUR, eth0, world.neighbour, () =>
      viaHost ? this.hostFromLan() : this.lanDeliver(NEIGHBOUR),
    );
  }

  private fromRouter(): Prediction {
    const { world } = this.state;
    if (contains(world.lan, this.dst)) return this.send(ROUTER, lan0, world.router.lan, () => this.lanDeliver(ROUTER));
    return this.send(ROUTER, wan0, world.router.public, () => this.internetDeliver());
  }

  private fromInternet(): Prediction {
    const { world } = this.state;
    if (!contains(world.internet.subnet, this.dst)) {
      return this.end(
        "unreachable",
        { node: INTERNET },
        `${this.dst} is a private address: the internet has no route to it`,
      );
    }
    return this.send(INTERNET, eth0, world.internet.www, () => this.routerFromWan());
  }

  /** Is the destination the machine of the world that sends? */
  private isOwn(node: NodeName): boolean {
    const { neighbour, router, internet } = this.state.world;
    const own = new Map<NodeName, readonly Ipv4[]>([
      [NEIGHBOUR, [neighbour]],
      [ROUTER, [router.lan, router.public, ...router.static.map((s) => s.public)]],
      [INTERNET, [internet.www, internet.dns]],
    ]).get(node);
    return own !== undefined && (isLoopback(this.dst) || own.includes(this.dst));
  }

  private toItself(node: NodeName): Prediction {
    this.src = isLoopback(this.dst) ? LOCALHOST : this.dst;
    const served = this.proto === "icmp" || this.listensOn(node) || (node === INTERNET && this.isServedOnInternet());
    return this.answer(node, served ? node : undefined, "it is the machine itself");
  }
}

function noRouteReason(state: State, container: Container): string {
  if (container.endpoints.length === 0) return "it has only lo";
  const names = container.endpoints.map((e) => networkById(state, e.network).name).join(", ");
  return `its networks (${names}) are internal and have no default gateway`;
}
