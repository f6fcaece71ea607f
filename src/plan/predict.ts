/**
 * Who can reach whom, and how each packet is rewritten: Docker's documented semantics as a walk over the state, from the
 * sender's routing to the listener. It does not read the rules to decide (it names them when they decide), so a profile that
 * writes a wrong rule is caught by the difference between this and what the kernel does.
 * Source: docker-reference sections 4.3, 7.6, 8; moby integration/networking TestDirectRoutingOpenPorts and its neighbours.
 */

import { contains, type Ipv4, isLoopback, isPrivate, LOCALHOST, prefixLength, type Subnet } from "../net/address.ts";
import { HOST, type IfName, INTERNET, NEIGHBOUR, type NodeName, ROUTER } from "../net/name.ts";
import { needsBridgeNetfilter } from "../state/network.ts";
import {
  type BridgeNetwork,
  bearsAddress,
  bridgesOf,
  type Container,
  type Endpoint,
  gatewayEndpoint,
  isBridge,
  isHostAddress,
  type MacvlanNetwork,
  networkById,
  type State,
  sandboxOwner,
} from "../state/state.ts";
import { HostFirewall } from "./host-firewall.ts";
import { isServedOnInternet } from "./internet.ts";
import { lanReplyFault } from "./lan-reply.ts";
import { hear, isOwnChild, passthruStation, rivalsOf, type Station } from "./lan-segment.ts";
import type { Prediction, ProbeSpec, Stop } from "./prediction.ts";
import type { Rule, Ruleset } from "./rule.ts";
import type { BindingHit } from "./state-index.ts";
import { hasStatic } from "./static-nat.ts";
import { predictTransfer } from "./transfer.ts";

const eth0 = "eth0" as IfName;
const lan0 = "lan0" as IfName;
const wan0 = "wan0" as IfName;

/** @param rules the host's and the router's, only to name the rule that decides */
export function predict(
  state: State,
  probe: ProbeSpec,
  rules: { readonly host: Ruleset; readonly router: Ruleset },
): Prediction {
  const walk = (spec: ProbeSpec): Prediction => new Walk(state, spec, rules).start(spec.from);
  return probe.transfer ? predictTransfer(state, { ...probe, transfer: probe.transfer }, walk) : walk(probe);
}

class Walk extends HostFirewall {
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

  // --- senders -------------------------------------------------------------------------------------------------------

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
      if (!isBridge(network)) return this.fromStation(sender.node, network, onLink ? this.dst : network.gateway);
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

  // --- on a bridge ---------------------------------------------------------------------------------------------------

  /** From one port of a bridge to another: iptables sees it only where icc is off, or the proxy. */
  private bridged(network: BridgeNetwork): Prediction {
    const target = this.index.endpointAt(network, this.dst);
    if (!target) return this.nobody(HOST);
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
  private outOnBridge(network: BridgeNetwork): Prediction {
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
  private arrive(
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

  // --- the Docker host -----------------------------------------------------------------------------------------------

  /**
   * With bridge-nf-call-iptables the prerouting hooks run while the frame is still a bridge port's, so the bridge itself sees the
   * packet after raw and DNAT, or not at all (net/bridge/br_netfilter_hooks.c br_nf_pre_routing).
   */
  private hostIngress(from: IfName): Prediction {
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
  private hostDnat(hit: BindingHit): Prediction {
    this.translateTo(hit);
    if (!this.state.engine.userlandProxy)
      this.masquerade(hit.network, "masquerade-local", (r) => r.match.out === hit.network.bridge);
    this.leg(HOST, hit.network.bridge, "out");
    return this.arrive(hit.container, hit.endpoint, `port ${hit.binding.hostPort} is published`);
  }

  /** Delivered to the host itself: a service in host mode, or the userland proxy, or nobody. */
  private hostInput(): Prediction {
    if (this.proto === "icmp") return this.answer(HOST, HOST, "the host answers ping");
    if (this.listensOn(HOST)) return this.answer(HOST, HOST, "it is the host's own address");
    const service = this.state.containers.find(
      (c) =>
        sandboxOwner(this.state, c) === "host" && c.serves.some((s) => s.port === this.dport && s.proto === this.proto),
    );
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

  // --- LAN, router, internet -----------------------------------------------------------------------------------------

  /** What a container on a macvlan sends. @param nextHop absent: its network has no gateway, and then it has no route either */
  private fromStation(node: NodeName, network: MacvlanNetwork, nextHop = this.dst): Prediction {
    const heard = hear(this.state, network, nextHop);
    if ("because" in heard) return this.nobody(node, heard.because);
    if ("station" in heard) {
      // the kernel takes it by the parent, for who listens there (macvlan_queue_xmit: "send to lowerdev first for its network taps")
      this.leg(HOST, network.parent, "in");
      return this.toStation(network, heard.station, `both are macvlans on ${network.parent}`);
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

  /** @param from who sent it on this Ethernet: a machine, or the network of another station */
  private toStation(from: NodeName | MacvlanNetwork, station: Station, because: string): Prediction {
    const { container, endpoint } = station;
    const rivals = rivalsOf(this.state, from, station);
    if (rivals.length === 0) return this.arrive(container, endpoint, because);
    const arrived = this.arrive(container, endpoint, because);
    // it comes in by one of several links: none is promised
    this.legs.pop();
    this.unsure.push(...[station, ...rivals].map((s) => ({ node: s.container.node, link: s.endpoint.ifName })));
    return { ...arrived, ...this.way() };
  }

  /** By the uplink: to the host, unless a container has the uplink to itself. */
  private hostFromLan(): Prediction {
    const thief = passthruStation(this.state);
    if (thief) {
      this.leg(HOST, eth0, "in");
      this.leg(thief.container.node, thief.endpoint.ifName, "in");
      return this.end(
        "unreachable",
        { node: thief.container.node },
        `${thief.container.node} in mode passthru has ${eth0} to itself: what is for @host comes to it, and it knows no way on`,
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

  /** It has routes to the LAN, to each bridge by way of the host, and else to the router, which knows what came by it. */
  private isKnownToNeighbour(address: Ipv4): boolean {
    const { lan } = this.state.world;
    if (contains(lan, address) || bridgesOf(this.state).some((n) => contains(n.subnet, address))) return true;
    return this.cameByRouter() && !isPrivate(address);
  }

  private cameByRouter(): boolean {
    return this.legs.some((leg) => leg.node === ROUTER);
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

  /** @param from the machine that sends it on the LAN. @param lostReply set when answers to this packet will be dropped on their way back */
  private lanDeliver(from: NodeName, lostReply?: Stop): Prediction {
    const { world } = this.state;
    const onLink = contains(world.lan, this.dst);
    const heard = hear(this.state, from, onLink ? this.dst : world.router.lan);
    if ("because" in heard) return this.nobody(from, heard.because);
    if ("station" in heard) {
      this.leg(HOST, eth0, "in");
      return this.toStation(from, heard.station, "a macvlan is a machine of its own on the LAN");
    }
    if (heard.machine === HOST) return this.hostFromLan();
    return heard.machine === NEIGHBOUR ? this.neighbourInput(lostReply) : this.routerFromLan(lostReply);
  }

  private routerFromLan(lostReply?: Stop): Prediction {
    const { world } = this.state;
    // 1:1 NAT is for what comes from the internet: the LAN finds the router itself at each of its addresses
    const ownRouter =
      this.dst === world.router.lan || this.dst === world.router.public || hasStatic(world.router, this.dst);
    this.leg(ROUTER, lan0, "in");
    if (ownRouter) return this.routerInput();
    if (contains(world.lan, this.dst)) {
      // from a macvlan whose subnet is a part of the LAN's
      this.leg(ROUTER, lan0, "out");
      return this.lanDeliver(ROUTER);
    }
    const foreign = !contains(world.internet.subnet, this.dst);
    const stranger = !contains(world.lan, this.src);
    if (foreign && isPrivate(this.dst)) {
      if (stranger)
        return this.end(
          "drop",
          { node: ROUTER, onReply: true },
          `the router's refusal finds no way back to ${this.src}`,
        );
      const rule = this.rules.router.rules.find((r) => r.purpose === "router-private" && covers(r, this.dst));
      const stop: Stop = { node: ROUTER, ...(rule ? { rule } : {}) };
      return this.end(
        "unreachable",
        stop,
        `the router sends nothing to ${this.dst}: private addresses do not exist on the internet`,
      );
    }
    const inside = this.src;
    const own = world.router.static.find((s) => s.to === inside);
    const rule = this.rules.router.rules.find((r) =>
      own ? r.purpose === "static-out" && r.match.source === inside : r.purpose === "router-masquerade",
    );
    this.src = own?.public ?? world.router.public;
    this.translations.push({ node: ROUTER, kind: own ? "SNAT" : "MASQUERADE", ...(rule ? { rule } : {}) });
    this.leg(ROUTER, wan0, "out");
    const noRoute: Stop | undefined = stranger ? { node: ROUTER, onReply: true } : lostReply;
    return this.internetDeliver(noRoute, inside);
  }

  /** @param lostReply set when answers do not find back to `inside`, the sender's address before the router's NAT */
  private internetDeliver(lostReply?: Stop, inside = this.src): Prediction {
    const { world } = this.state;
    const known = this.dst === world.internet.www || this.dst === world.internet.dns;
    if (!known && contains(world.internet.subnet, this.dst)) return this.nobody(ROUTER);
    this.leg(INTERNET, eth0, "in");
    if (!known) return this.end("drop", { node: INTERNET }, `the lab's internet has no ${this.dst}`);
    if (lostReply?.node === ROUTER) {
      return this.end("drop", lostReply, `the router has no route back to ${inside}: it is not an address of the LAN`);
    }
    if (lostReply) return this.lost(lostReply, inside);
    const served = this.proto === "icmp" || this.listensOn(INTERNET) || this.isServedOnInternet();
    return this.answer(INTERNET, served ? INTERNET : undefined, this.whyOut());
  }

  private whyOut(): string {
    const nats = this.translations.length;
    if (nats === 0) return "the router is on the internet itself";
    return nats === 1 ? "the router's NAT lets it out" : "both NATs let it out";
  }

  private isServedOnInternet(): boolean {
    const { proto, dport: port } = this;
    return proto !== "icmp" && port !== undefined && isServedOnInternet(this.state.world, this.dst, { port, proto });
  }

  private routerFromWan(): Prediction {
    const { world } = this.state;
    const own = world.router.static.find((s) => s.public === this.dst);
    if (this.dst !== world.router.public && !own) return this.nobody(INTERNET);
    this.leg(ROUTER, wan0, "in");
    if (own) return this.leadIn(own.to, (r) => r.purpose === "static-in" && r.match.destination === own.public);
    const forward = world.router.forwards.find((f) => f.publicPort === this.dport && f.proto === this.proto);
    if (!forward) return this.routerInput();
    this.dport = forward.toPort;
    return this.leadIn(
      forward.to,
      (r) => r.purpose === "router-dnat" && r.match.dport === forward.publicPort && r.match.proto === forward.proto,
    );
  }

  /** The router's DNAT to a machine of the LAN. */
  private leadIn(to: Ipv4, where: (r: Rule) => boolean): Prediction {
    const rule = this.rules.router.rules.find(where);
    this.dst = to;
    this.translations.push({ node: ROUTER, kind: "DNAT", ...(rule ? { rule } : {}) });
    this.leg(ROUTER, lan0, "out");
    return this.lanDeliver(ROUTER);
  }

  /** Who listens in this sandbox: the owner or a sharer. Ping is answered by the stack itself. */
  private listenerIn(owner: Container): NodeName | undefined {
    if (this.proto === "icmp" || this.listensOn(owner.node)) return owner.node;
    const users = [owner, ...this.state.containers.filter((c) => c !== owner && sandboxOwner(this.state, c) === owner)];
    return users.find((c) => c.serves.some((s) => s.port === this.dport && s.proto === this.proto))?.node;
  }

  private routerInput(): Prediction {
    if (this.proto === "icmp") return this.answer(ROUTER, ROUTER, "the router answers ping");
    if (this.listensOn(ROUTER)) return this.answer(ROUTER, ROUTER, "it is the router's own address");
    const forwards = this.dport === undefined ? "does not forward" : "forwards no";
    const why = hasStatic(this.state.world.router, this.dst)
      ? `on the LAN's side ${this.dst} is the router itself`
      : `the router ${forwards} ${this.portWords()}`;
    return this.end("refuse", { node: ROUTER }, `${why}, and nothing listens there`);
  }
}

const covers = (rule: Rule, address: Ipv4): boolean =>
  typeof rule.match.destination === "string" && contains(rule.match.destination as Subnet, address);

function longestMatch<T>(items: readonly T[], subnet: (item: T) => Subnet, address: Ipv4): T | undefined {
  return [...items]
    .filter((i) => contains(subnet(i), address))
    .sort((a, b) => prefixLength(subnet(b)) - prefixLength(subnet(a)))[0];
}

function noRouteReason(state: State, container: Container): string {
  if (container.endpoints.length === 0) return "it has only lo";
  const names = container.endpoints.map((e) => networkById(state, e.network).name).join(", ");
  return `its networks (${names}) are internal and have no default gateway`;
}
