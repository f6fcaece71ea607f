/** What the home router does with a packet, from the LAN and from the internet, and what becomes of it on the internet. */
import { contains, type Ipv4, isPrivate, type Subnet } from "../../net/address.ts";
import { INTERNET, ROUTER } from "../../net/name.ts";
import type { Rule } from "../firewall/rule.ts";
import { hasStatic } from "../firewall/static-nat.ts";
import { eth0, lan0, wan0 } from "../world.ts";
import { isServedOnInternet } from "./internet.ts";
import { PacketAtHost } from "./packet-host.ts";
import type { Prediction, Stop } from "./prediction.ts";

export abstract class PacketAtRouter extends PacketAtHost {
  protected routerFromLan(lostReply?: Stop): Prediction {
    const { world } = this.state;
    // 1:1 NAT is for what comes from the internet: the LAN finds the router itself at each of its addresses
    const ownRouter =
      this.dst === world.router.lan || this.dst === world.router.public || hasStatic(world.router, this.dst);
    this.leg(ROUTER, lan0, "in");
    if (ownRouter) return this.routerItself(lostReply);
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

  protected routerFromWan(): Prediction {
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

  /** Addressed from the LAN: what it answers must find back. */
  private routerItself(lostReply: Stop | undefined): Prediction {
    if (contains(this.state.world.lan, this.src)) return lostReply ? this.lost(lostReply) : this.routerInput();
    return this.end(
      "drop",
      { node: ROUTER, onReply: true },
      `the router has no route back to ${this.src}: it is not an address of the LAN`,
    );
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

  /** @param lostReply set when answers do not find back to `inside`, the sender's address before the router's NAT */
  protected internetDeliver(lostReply?: Stop, inside = this.src): Prediction {
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

  protected isServedOnInternet(): boolean {
    const { proto, dport: port } = this;
    return proto !== "icmp" && port !== undefined && isServedOnInternet(this.state.world, this.dst, { port, proto });
  }
}

const covers = (rule: Rule, address: Ipv4): boolean =>
  typeof rule.match.destination === "string" && contains(rule.match.destination as Subnet, address);
