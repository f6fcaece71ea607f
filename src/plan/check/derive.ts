/**
 * Checks that follow from a state alone: services among each other, published ports, direct access, the way out, NAPT, transfers. What is
 * expected is what is predicted.
 */
import { ANY_IPV4, type Ipv4, isIpv4, isLoopback, LOCALHOST } from "../../net/address.ts";
import { FTP_PORT, TRANSFERS, type Transfer, transferWords } from "../../net/ftp.ts";
import { HOST, INTERNET, NEIGHBOUR, type NodeName } from "../../net/name.ts";
import { type Port, type ProtoPort, renderProtoPort } from "../../net/port.ts";
import { meantListener } from "../../state/listening.ts";
import { originOf } from "../../state/refusal.ts";
import {
  type Container,
  type Endpoint,
  isMacvlan,
  networkById,
  type PortBinding,
  type State,
} from "../../state/state.ts";
import { knownAddress, publicPorts, sharesSandbox } from "../address-book.ts";
import { EMBEDDED_DNS } from "../firewall/embedded-dns.ts";
import { DNS_PORT } from "../predict/name-forward.ts";
import { predict } from "../predict/predict.ts";
import type { Prediction, ProbeSpec } from "../predict/prediction.ts";
import type { Check, Rules } from "./check.ts";
import { forwardChecks } from "./forward.ts";
import { samplePorts } from "./port-sample.ts";
import { staticNatChecks } from "./static-nat.ts";

/** Whose port a probe to a published port is meant for, where its address does not say it. */
export type MeantPorts = ReadonlyMap<ProbeSpec, { readonly container: Container; readonly port: ProtoPort }>;

/** The same source port for two senders, so that NAPT must rewrite one. */
const NAPT_PORT = 40000 as Port;

/** In the order of the report's groups, each id once. */
export function derivedChecks(
  state: State,
  rules: Rules,
): { readonly checks: readonly Check[]; readonly meant: MeantPorts } {
  const derivation = new Derivation(state, rules);
  derivation.derive();
  return derivation;
}

class Derivation {
  readonly checks: Check[] = [];
  readonly meant = new Map<ProbeSpec, { readonly container: Container; readonly port: ProtoPort }>();
  private readonly state: State;
  private readonly rules: Rules;
  private readonly ids = new Set<string>();

  constructor(state: State, rules: Rules) {
    this.state = state;
    this.rules = rules;
  }

  derive(): void {
    const senders = this.state.containers.filter((c) => c.status === "running");
    for (const from of senders) for (const to of senders) if (from !== to) this.serviceToService(from, to);
    for (const container of senders)
      for (const binding of samplePorts(container).bindings) this.published(container, binding);
    for (const container of senders) this.atHostAddress(container);
    for (const container of senders) this.atOwnPublicAddress(container);
    for (const container of senders) this.direct(container);
    for (const check of forwardChecks(this.state, this.rules, this.checks)) this.add(check);
    for (const check of [...this.checks]) this.transfers(check);
    for (const from of senders) this.outbound(from);
    for (const from of senders) this.nameServers(from);
    this.napt(senders);
    for (const check of staticNatChecks(this.state, this.rules)) this.checks.push(check);
  }

  private serviceToService(from: Container, to: Container): void {
    const target = knownAddress(this.state, from, to);
    if (!target) return;
    for (const port of samplePorts(to).serves) {
      const probe = { from: from.node, address: target, port: port.port, proto: port.proto };
      const predicted = predict(this.state, probe, this.rules);
      const reach = predicted.outcome === "reach";
      const label = `${to.node}:${renderProtoPort(port)}`;
      this.add({
        id: `${reach ? "service" : "isolation"}/${from.node}/${label}`,
        group: reach ? "service" : "isolation",
        claim: reach
          ? `${from.node} reaches ${label} at ${target}`
          : `${from.node} does not reach ${label} at ${target}`,
        probe,
        to: label,
        predicted,
        meant: meantListener(this.state, to, port),
        ...originOf({ at: port.at ?? to.at }),
      });
    }
  }

  private published(container: Container, binding: PortBinding): void {
    if (!isIpv4(binding.hostIp)) return;
    const { world } = this.state;
    if (binding.hostPort === undefined) {
      const endpoint = container.endpoints.find((e) => e.id === binding.endpoint);
      if (endpoint) this.publishedAt(container, binding, NEIGHBOUR, endpoint.address, binding.target);
      return;
    }
    const port = binding.hostPort;
    const loopback = isLoopback(binding.hostIp) ? binding.hostIp : LOCALHOST;
    this.publishedAt(container, binding, HOST, loopback, port);
    this.publishedAt(container, binding, HOST, world.host, port);
    // on one bridge's gateway alone, say: the other ways only show where it is not
    if (binding.hostIp !== ANY_IPV4) this.publishedAt(container, binding, HOST, binding.hostIp, port);
    this.publishedAt(container, binding, NEIGHBOUR, world.host, port);
    // a container goes by the host's address too, even one of the same network or the published one itself
    for (const from of this.state.containers)
      if (from.sandbox.kind === "own" && from.status === "running")
        this.publishedAt(container, binding, from.node, world.host, port);
    for (const outer of publicPorts(world, port, binding.proto))
      this.publishedAt(container, binding, INTERNET, world.router.public, outer);
    this.atStaticAddress(container, binding, port);
  }

  /** Seen from the LAN, at the host's address: what is not published is not there; a service on the host's network is. */
  private atHostAddress(container: Container): void {
    const { world } = this.state;
    for (const served of samplePorts(container).serves) {
      const bound = container.bindings.some((b) => b.target === served.port && b.proto === served.proto);
      if (bound || container.sandbox.kind === "none") continue;
      const meant = { ...served, target: served.port };
      this.publishedAt(container, meant, NEIGHBOUR, world.host, served.port);
      this.atStaticAddress(container, meant, served.port);
    }
  }

  /** A macvlan with a public address of its own: each port that it serves is on the internet. */
  private atOwnPublicAddress(container: Container): void {
    if (container.sandbox.kind !== "own") return;
    for (const { public: address } of this.state.world.router.static.filter((s) =>
      container.endpoints.some((e) => e.address === s.to && isMacvlan(networkById(this.state, e.network))),
    ))
      for (const served of samplePorts(container).serves)
        this.publishedAt(container, { ...served, target: served.port }, INTERNET, address, served.port);
  }

  /** Where the host has a public address of its own, each of its ports is on the internet, forwarded or not. */
  private atStaticAddress(container: Container, meant: MeantPort, port: Port): void {
    const { host, router } = this.state.world;
    for (const own of router.static.filter((s) => s.to === host))
      this.publishedAt(container, meant, INTERNET, own.public, port);
  }

  private publishedAt(container: Container, binding: MeantPort, from: NodeName, address: Ipv4, port: Port): void {
    const probe = { from, address, port, proto: binding.proto };
    const predicted = predict(this.state, probe, this.rules);
    const shown = `${address}:${port}/${binding.proto}`;
    const reach = predicted.outcome === "reach";
    if (reach && !sharesSandbox(this.state, predicted.server, container)) return; // there the port is another container's
    const target = { port: binding.target, proto: binding.proto };
    this.meant.set(probe, { container, port: target });
    this.add({
      id: `publish/${container.node}:${binding.target}/${from}/${shown}`,
      group: "publish",
      claim: reach
        ? `${from} reaches ${container.node} through ${shown}`
        : `${from} does not reach ${container.node} through ${shown}`,
      probe,
      to: shown,
      predicted,
      meant: meantListener(this.state, container, target),
      ...originOf({ at: binding.at ?? container.at }),
    });
  }

  /**
   * Where an FTP server answers, whether its data connections come to stand as well: both classic ways for containers, for who comes from
   * outside through a published port also the one that needs no address in its reply.
   */
  private transfers({ id, group, probe, to, predicted, at }: Check): void {
    if (predicted.outcome !== "reach" || servedPort(predicted, probe) !== FTP_PORT) return;
    for (const transfer of group === "publish" && probe.from.startsWith("@") ? TRANSFERS : CLASSIC_TRANSFERS) {
      const spec = { ...probe, transfer };
      const fetched = predict(this.state, spec, this.rules);
      const verb = fetched.outcome === "reach" ? "fetches" : "cannot fetch";
      const meant = this.meant.get(probe);
      if (meant) this.meant.set(spec, meant);
      this.add({
        id: `transfer/${transfer}/${id}`,
        group: "transfer",
        claim: `${probe.from} ${verb} a file from ${to} by ${transferWords(transfer)}`,
        probe: spec,
        to,
        predicted: fetched,
        ...originOf({ at }),
      });
    }
  }

  /** The neighbour addresses the container itself: on a bridge routed through the host, the attack that the raw table answers. */
  private direct(container: Container): void {
    if (container.sandbox.kind !== "own") return;
    for (const endpoint of container.endpoints) {
      this.ping(NEIGHBOUR, container, endpoint);
      if (isMacvlan(networkById(this.state, endpoint.network))) this.besideHost(container, endpoint);
      for (const port of samplePorts(container).serves) {
        const probe = { from: NEIGHBOUR, address: endpoint.address, port: port.port, proto: port.proto };
        const predicted = predict(this.state, probe, this.rules);
        const label = `${endpoint.address}:${renderProtoPort(port)}`;
        const verb = predicted.outcome === "reach" ? "reaches" : "cannot reach";
        this.add({
          id: `direct/${container.node}/${label}`,
          group: "direct",
          claim: `${NEIGHBOUR} ${verb} ${container.node} directly at ${label}`,
          probe,
          to: label,
          predicted,
          meant: meantListener(this.state, container, port),
          ...originOf({ at: port.at ?? container.at }),
        });
      }
    }
  }

  /** A macvlan and the host on one link: the surprise is that neither hears the other. */
  private besideHost(container: Container, endpoint: Endpoint): void {
    const { host } = this.state.world;
    this.ping(HOST, container, endpoint);
    const probe: ProbeSpec = { from: container.node, address: host, proto: "icmp" };
    const predicted = predict(this.state, probe, this.rules);
    this.add({
      id: `direct/${container.node}/${HOST}/icmp`,
      group: "direct",
      claim: `${container.node} ${predicted.outcome === "reach" ? "can" : "cannot"} ping ${HOST} at ${host}`,
      probe,
      to: host,
      predicted,
      ...originOf(container),
    });
  }

  private ping(from: typeof NEIGHBOUR | typeof HOST, container: Container, { address }: Endpoint): void {
    const probe: ProbeSpec = { from, address, proto: "icmp" };
    const predicted = predict(this.state, probe, this.rules);
    this.add({
      id: `direct/${container.node}/${address}/icmp${from === NEIGHBOUR ? "" : `/${from}`}`,
      group: "direct",
      claim: `${from} ${predicted.outcome === "reach" ? "can" : "cannot"} ping ${container.node} at ${address}`,
      probe,
      to: address,
      predicted,
      ...originOf(container),
    });
  }

  private outbound(from: Container, sourcePort?: Port): void {
    const { www } = this.state.world.internet;
    const probe = { from: from.node, address: www, port: 80 as Port, proto: "tcp" as const };
    const predicted = predict(this.state, probe, this.rules);
    const reach = predicted.outcome === "reach";
    const seen = reach && predicted.seenAs ? `, which sees ${predicted.seenAs}` : "";
    this.add({
      id: sourcePort ? `napt/${from.node}/${sourcePort}` : `outbound/${from.node}`,
      group: sourcePort ? "napt" : "outbound",
      claim: sourcePort
        ? `${from.node} reaches www from source port ${sourcePort}, used by two containers at once${seen}`
        : `${from.node} ${reach ? "reaches" : "does not reach"} www on the internet${seen}`,
      probe: { ...probe, ...(sourcePort ? { sourcePort } : {}) },
      to: `www ${www}:80/tcp`,
      predicted,
      ...originOf(from),
    });
  }

  /** The servers that it names with --dns: whether a question gets there at all. Those that are services have their own checks. */
  private nameServers(from: Container): void {
    if (from.sandbox.kind === "container") return;
    for (const address of from.dns.servers) {
      const probe: ProbeSpec = { from: from.node, address: address as Ipv4, port: DNS_PORT, proto: "udp" };
      const isAsked = ({ probe: p }: Check): boolean =>
        p.from === probe.from && p.address === address && p.port === DNS_PORT && p.proto === "udp";
      if (!isIpv4(address) || address === EMBEDDED_DNS || this.checks.some(isAsked)) continue;
      const predicted = predict(this.state, probe, this.rules);
      this.add({
        id: `dns/${from.node}/${address}`,
        group: "outbound",
        claim: `${from.node} ${predicted.outcome === "reach" ? "reaches" : "does not reach"} its DNS server ${address}`,
        probe,
        to: `${address}:${DNS_PORT}/udp`,
        predicted,
        ...originOf(from),
      });
    }
  }

  /** Two containers with sandboxes of their own that leave through the host's one address. */
  private napt(senders: readonly Container[]): void {
    const { www } = this.state.world.internet;
    const masked = senders.filter((c) => {
      if (c.sandbox.kind !== "own" || c.endpoints.length === 0) return false;
      const p = predict(this.state, { from: c.node, address: www, port: 80 as Port, proto: "tcp" }, this.rules);
      return p.outcome === "reach" && p.translations.some((t) => t.node === HOST && t.kind === "MASQUERADE");
    });
    if (masked.length >= 2) for (const c of masked.slice(0, 2)) this.outbound(c, NAPT_PORT);
  }

  /** Two bindings of one port may ask the same of the same address: once is enough. */
  private add({ meant, ...check }: Omit<Check, "expected"> & { readonly meant?: Container }): void {
    // no responder and no probe speaks it; the file gets a warning (state/resolve.ts)
    if (check.probe.proto === "sctp") return;
    if (this.ids.has(check.id)) return;
    this.ids.add(check.id);
    const { outcome, seenAs, server } = check.predicted;
    const other = outcome === "reach" && meant && meant.node !== server ? { server: meant.node } : {};
    this.checks.push({
      ...check,
      expected: { outcome, ...(outcome === "reach" && seenAs ? { seenAs } : {}), ...other },
    });
  }
}

/** The container's port that a probe to a host address means. */
type MeantPort = Pick<PortBinding, "target" | "proto" | "at">;

/** Of whoever answers, behind all translations. */
const servedPort = ({ legs }: Prediction, { port }: ProbeSpec): Port | undefined => legs.at(-1)?.dport ?? port;

const CLASSIC_TRANSFERS: readonly Transfer[] = ["active", "passive"];
