/**
 * Checks as values: one probe, what is expected of it, and the sentence that it proves. Derived from the state when the lab file
 * names none; every "cannot reach" gets a control that shows the target alive in the same topology.
 */
import type { Origin } from "../errors.ts";
import { type Ipv4, isIpv4, isLoopback, LOCALHOST } from "../net/address.ts";
import { FTP_PORT, TRANSFERS, type Transfer, transferWords } from "../net/ftp.ts";
import { HOST, INTERNET, NEIGHBOUR, type NodeName } from "../net/name.ts";
import { type Port, type ProtoPort, renderProtoPort } from "../net/port.ts";
import {
  type CheckRef,
  type CheckSpec,
  type Container,
  type Endpoint,
  gatewayEndpoint,
  isHostAddress,
  isMacvlan,
  networkById,
  type PortBinding,
  type State,
  sandboxOwner,
} from "../state/state.ts";
import { isServed, knownAddress, ownAddress, publicPort, sharesSandbox } from "./address-book.ts";
import { isServedOnInternet } from "./internet.ts";
import { predict } from "./predict.ts";
import type { Outcome, Prediction, ProbeSpec } from "./prediction.ts";
import type { Ruleset } from "./rule.ts";
import { staticNatChecks } from "./static-nat-check.ts";

/** Sections of the report, in the order in which they are told. */
export type CheckGroup =
  | "explicit"
  | "service"
  | "isolation"
  | "publish"
  | "transfer"
  | "direct"
  | "outbound"
  | "napt"
  | "static"
  | "name"
  | "control";

export interface Check {
  /** Unique in a report and stable from run to run: "publish/web:80/tcp/@neighbour". */
  readonly id: string;
  readonly group: CheckGroup;
  /** One sentence that the packets prove. */
  readonly claim: string;
  readonly probe: ProbeSpec & { readonly sourcePort?: Port };
  /** The target as people say it: "db:5432/tcp". */
  readonly to: string;
  readonly predicted: Prediction;
  /** What must be seen; where the file says, what it says, else the prediction. */
  readonly expected: { readonly outcome: Outcome; readonly seenAs?: Ipv4; readonly seenPort?: Port };
  /** Id of the check that shows the target alive; set on every check that expects silence or refusal by a rule. */
  readonly control?: string;
  readonly at?: Origin;
}

interface Rules {
  readonly host: Ruleset;
  readonly router: Ruleset;
}

/** @param explicit the file's own checks; when there are any, they are the report. */
export function checksOf(state: State, rules: Rules, explicit: readonly CheckSpec[]): Check[] {
  const build = new CheckBuilder(state, rules);
  if (explicit.length > 0) for (const spec of explicit) build.explicit(spec);
  else build.derive();
  return build.finish();
}

/** The same source port for two senders, so that NAPT must rewrite one. */
const NAPT_PORT = 40000 as Port;

class CheckBuilder {
  private readonly state: State;
  private readonly rules: Rules;
  private readonly checks: Check[] = [];
  private readonly ids = new Set<string>();
  /** Whose port a probe to a published port is meant for, where its address does not say it. */
  private readonly behind = new Map<ProbeSpec, { readonly container: Container; readonly port: ProtoPort }>();

  constructor(state: State, rules: Rules) {
    this.state = state;
    this.rules = rules;
  }

  derive(): void {
    const senders = this.state.containers.filter((c) => c.status === "running");
    for (const from of senders) for (const to of senders) if (from !== to) this.serviceToService(from, to);
    for (const container of senders) for (const binding of container.bindings) this.published(container, binding);
    for (const container of senders) this.atHostAddress(container);
    for (const container of senders) this.direct(container);
    for (const check of [...this.checks]) this.transfers(check);
    for (const from of senders) this.outbound(from);
    this.napt(senders);
    for (const check of staticNatChecks(this.state, this.rules)) this.checks.push(check);
  }

  /** Adds the controls that the negative checks point at, each once. */
  finish(): Check[] {
    const controls = new Map<string, Check>();
    const ids = new Map<string, Check>();
    for (const c of this.checks) if (!ids.has(c.id)) ids.set(c.id, c);
    const withControls = this.checks.map((check): Check => {
      const control = isNegative(check) ? this.controlFor(check) : undefined;
      if (!control) return check;
      const known = ids.get(control.id) ?? controls.get(control.id) ?? control;
      if (ids.get(known.id) !== known) controls.set(known.id, known);
      return { ...check, control: known.id };
    });
    return [...withControls, ...controls.values()];
  }

  private serviceToService(from: Container, to: Container): void {
    const target = knownAddress(this.state, from, to);
    if (!target) return;
    for (const port of to.serves) {
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
        ...originOf(port.at ?? to.at),
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
    this.publishedAt(container, binding, NEIGHBOUR, world.host, port);
    // a container goes by the host's address too, even one of the same network or the published one itself
    for (const from of this.state.containers)
      if (from.sandbox.kind === "own" && from.status === "running")
        this.publishedAt(container, binding, from.node, world.host, port);
    this.publishedAt(container, binding, INTERNET, world.router.public, publicPort(world, port, binding.proto));
    this.atStaticAddress(container, binding, port);
  }

  /** Seen from the LAN, at the host's address: what is not published is not there; a service on the host's network is. */
  private atHostAddress(container: Container): void {
    const { world } = this.state;
    for (const served of container.serves) {
      const bound = container.bindings.some((b) => b.target === served.port && b.proto === served.proto);
      if (bound || container.sandbox.kind === "none") continue;
      const meant = { ...served, target: served.port };
      this.publishedAt(container, meant, NEIGHBOUR, world.host, served.port);
      this.atStaticAddress(container, meant, served.port);
    }
  }

  /** Where the host has a public address of its own, each of its ports is on the internet, forwarded or not. */
  private atStaticAddress(container: Container, meant: MeantPort, port: Port): void {
    const { host, router } = this.state.world;
    const own = router.static.find((s) => s.to === host);
    if (own) this.publishedAt(container, meant, INTERNET, own.public, port);
  }

  private publishedAt(container: Container, binding: MeantPort, from: NodeName, address: Ipv4, port: Port): void {
    const probe = { from, address, port, proto: binding.proto };
    const predicted = predict(this.state, probe, this.rules);
    const shown = `${address}:${port}/${binding.proto}`;
    const reach = predicted.outcome === "reach";
    if (reach && !sharesSandbox(this.state, predicted.server, container)) return; // there the port is another container's
    this.behind.set(probe, { container, port: { port: binding.target, proto: binding.proto } });
    this.add({
      id: `publish/${container.node}:${binding.target}/${from}/${shown}`,
      group: "publish",
      claim: reach
        ? `${from} reaches ${container.node} through ${shown}`
        : `${from} does not reach ${container.node} through ${shown}`,
      probe,
      to: shown,
      predicted,
      ...originOf(binding.at ?? container.at),
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
      const meant = this.behind.get(probe);
      if (meant) this.behind.set(spec, meant);
      this.add({
        id: `transfer/${transfer}/${id}`,
        group: "transfer",
        claim: `${probe.from} ${verb} a file from ${to} by ${transferWords(transfer)}`,
        probe: spec,
        to,
        predicted: fetched,
        ...originOf(at),
      });
    }
  }

  /** The neighbour addresses the container itself: on a bridge routed through the host, the attack that the raw table answers. */
  private direct(container: Container): void {
    if (container.sandbox.kind !== "own") return;
    for (const endpoint of container.endpoints) {
      this.ping(NEIGHBOUR, container, endpoint);
      if (isMacvlan(networkById(this.state, endpoint.network))) this.besideHost(container, endpoint);
      for (const port of container.serves) {
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
          ...originOf(port.at ?? container.at),
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
      ...originOf(container.at),
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
      ...originOf(container.at),
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
      ...originOf(from.at),
    });
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

  explicit(spec: CheckSpec): void {
    for (const from of this.nodesOf(spec.from)) {
      for (const { address, label } of this.targetsOf(spec, from)) {
        const port = spec.proto === "icmp" || spec.port === undefined ? {} : { port: spec.port };
        const { transfer } = spec;
        const probe: ProbeSpec = { from, address, proto: spec.proto, ...port, ...(transfer ? { transfer } : {}) };
        const predicted = predict(this.state, probe, this.rules);
        const to = spec.port === undefined ? label : `${label}:${spec.port}/${spec.proto}`;
        const seen = spec.seenAs ? ` as ${spec.seenAs}${spec.seenPort ? `:${spec.seenPort}` : ""}` : "";
        const words: Readonly<Record<Outcome, string>> = {
          reach: `${from} reaches ${to}${seen}`,
          refuse: `${from} is refused by ${to}`,
          drop: `${from} gets no answer from ${to}`,
          unreachable: `${from} has no way to ${to}`,
        };
        const fetch = (wanted: Transfer): string =>
          spec.expect === "reach"
            ? `${from} fetches a file from ${to} by ${transferWords(wanted)}${seen}`
            : `${from} cannot fetch a file from ${to} by ${transferWords(wanted)}: ${NO_FILE[spec.expect]}`;
        this.checks.push({
          id: `explicit/${this.checks.length + 1}/${from}/${to}${transfer ? `/${transfer}` : ""}`,
          group: "explicit",
          claim: spec.name ?? (transfer ? fetch(transfer) : words[spec.expect]),
          probe: { ...probe, ...(spec.sourcePort ? { sourcePort: spec.sourcePort } : {}) },
          to,
          predicted,
          expected: {
            outcome: spec.expect,
            ...(spec.seenAs ? { seenAs: spec.seenAs } : {}),
            ...(spec.seenPort ? { seenPort: spec.seenPort } : {}),
          },
          at: spec.at,
        });
      }
    }
  }

  private nodesOf(ref: CheckRef): NodeName[] {
    if (ref.kind === "node") return [ref.node as NodeName];
    if (ref.kind === "address") return [];
    return this.state.containers.filter((c) => c.service === ref.service && c.status === "running").map((c) => c.node);
  }

  private targetsOf(spec: CheckSpec, from: NodeName): { address: Ipv4; label: string }[] {
    const { to } = spec;
    const { world } = this.state;
    if (to.kind === "address") return [{ address: to.address, label: to.address }];
    if (to.kind === "node") {
      const router = from === INTERNET ? world.router.public : world.router.lan;
      const address = {
        "@host": world.host,
        "@neighbour": world.neighbour,
        "@internet": spec.port === 53 ? world.internet.dns : world.internet.www,
        "@router": router,
      }[to.node];
      return [{ address, label: to.node }];
    }
    const sender = this.state.containers.find((c) => c.node === from);
    return this.state.containers
      .filter((c) => c.service === to.service)
      .flatMap((c) => {
        const named = spec.network && c.endpoints.find((e) => this.isOn(e, spec.network as string));
        const address = named
          ? named.address
          : sender
            ? knownAddress(this.state, sender, c)
            : ownAddress(this.state, c);
        return address ? [{ address, label: c.node }] : [];
      });
  }

  /** By the network's Docker name, or its key in the file (`<project>_<key>`). */
  private isOn(endpoint: Endpoint, network: string): boolean {
    const { name } = networkById(this.state, endpoint.network);
    return name === network || name === `${this.state.lab}_${network}`;
  }

  /** Two bindings of one port may ask the same of the same address: once is enough. */
  private add(check: Omit<Check, "expected">): void {
    // no responder and no probe speaks it; the file gets a warning (state/resolve.ts)
    if (check.probe.proto === "sctp") return;
    if (this.ids.has(check.id)) return;
    this.ids.add(check.id);
    const { outcome, seenAs } = check.predicted;
    this.checks.push({ ...check, expected: { outcome, ...(outcome === "reach" && seenAs ? { seenAs } : {}) } });
  }

  /** The host, or else the target itself, reaches the very listener that the negative check must not: it is alive, its address right. */
  private controlFor(check: Check): Check | undefined {
    const target = check.probe.proto === "icmp" ? this.stackBehind(check) : this.listenerBehind(check);
    if (!target) return undefined;
    const { node, address, port } = target;
    const { transfer } = check.probe;
    // the host itself is shown by another, and what it cannot reach by the LAN first
    const senders = node === HOST ? [NEIGHBOUR, HOST] : [HOST, ...(this.isMacvlanAt(address) ? [NEIGHBOUR] : []), node];
    const [control] = senders.flatMap((from) => {
      const probe: ProbeSpec = { from, address, ...(port ?? { proto: "icmp" }), ...(transfer ? { transfer } : {}) };
      const predicted = predict(this.state, probe, this.rules);
      return predicted.outcome === "reach" ? [{ from, probe, predicted }] : [];
    });
    if (!control) return undefined;
    const { from, probe, predicted } = control;
    const label = port ? `${node}:${renderProtoPort(port)}` : node;
    return {
      id: `control/${from}/${address}:${port ? renderProtoPort(port) : "icmp"}${transfer ? `/${transfer}` : ""}`,
      group: "control",
      claim: controlClaim(probe, label),
      probe,
      to: label,
      predicted,
      expected: { outcome: "reach", ...(predicted.seenAs ? { seenAs: predicted.seenAs } : {}) },
      ...originOf(target.at),
    };
  }

  /** The network stack that has the probe's address. */
  private stackBehind(check: Check): Listener | undefined {
    const { address } = check.probe;
    if (address === this.state.world.host) return { node: HOST, address };
    const container = this.state.containers.find((c) => c.endpoints.some((e) => e.address === address));
    return container && { node: container.node, address, ...originOf(container.at) };
  }

  private isMacvlanAt(address: Ipv4): boolean {
    return this.state.containers.some((c) =>
      c.endpoints.some((e) => e.address === address && isMacvlan(networkById(this.state, e.network))),
    );
  }

  /** The listener that answers where the probe's address leads, or where the port that it means is published from. */
  private listenerBehind(check: Check): Listener | undefined {
    const { address, port, proto } = check.probe;
    if (port === undefined || proto === "icmp") return undefined;
    const { world } = this.state;
    const onInternet = address === world.internet.www || address === world.internet.dns;
    if (onInternet && isServedOnInternet(world, address, { port, proto }))
      return { node: INTERNET, address, port: { port, proto } };
    const meant = this.behind.get(check.probe);
    if (meant) return this.listenerOf(meant.container, meant.port);
    for (const container of this.state.containers) {
      const endpoint = container.endpoints.find((e) => e.address === address);
      if (endpoint && isServed(this.state, container, { port, proto }))
        return { node: container.node, address, port: { port, proto }, ...originOf(container.at) };
    }
    const published = this.state.containers.flatMap((container) =>
      container.bindings
        .filter(
          (b) => isIpv4(b.hostIp) && b.hostPort === port && b.proto === proto && isHostAddress(this.state, address),
        )
        .flatMap((b) => container.endpoints.filter((e) => e.id === b.endpoint).map((e) => ({ container, b, e }))),
    )[0];
    if (published && isServed(this.state, published.container, { port: published.b.target, proto })) {
      const { container, b, e } = published;
      return { node: container.node, address: e.address, port: { port: b.target, proto }, ...originOf(container.at) };
    }
    const onHost = this.state.containers.find(
      (c) => sandboxOwner(this.state, c) === "host" && c.serves.some((s) => s.port === port && s.proto === proto),
    );
    if (!onHost || !isHostAddress(this.state, address) || isLoopback(address)) return undefined;
    return { node: onHost.node, address, port: { port, proto }, ...originOf(onHost.at) };
  }

  /** Straight at the container's own address; at the host's for host mode; nowhere for one without a network. */
  private listenerOf(container: Container, port: ProtoPort): Listener | undefined {
    const owner = sandboxOwner(this.state, container);
    if (owner === "gone") return undefined;
    if (owner === "host")
      return { node: container.node, address: this.state.world.host, port, ...originOf(container.at) };
    const endpoint = gatewayEndpoint(this.state, owner.endpoints) ?? owner.endpoints[0];
    if (!endpoint || !isServed(this.state, owner, port)) return undefined;
    return { node: owner.node, address: endpoint.address, port, ...originOf(container.at) };
  }
}

/** Something that answers, and the address that leads straight to it. */
interface Listener {
  readonly node: NodeName;
  readonly address: Ipv4;
  /** Absent: the stack itself, which answers ping. */
  readonly port?: ProtoPort;
  readonly at?: Origin;
}

/** The container's port that a probe to a host address means. */
type MeantPort = Pick<PortBinding, "target" | "proto" | "at">;

/** Silence, refusal or no way: it proves nothing unless the target is shown alive. */
function isNegative(check: Check): boolean {
  return check.expected.outcome !== "reach";
}

function controlClaim({ from, address, port, transfer }: ProbeSpec, label: string): string {
  if (transfer)
    return `${from} fetches a file from ${label} at ${address} by ${transferWords(transfer)}: the server is alive`;
  return port === undefined
    ? `${from} pings ${label} at ${address}: it is alive`
    : `${from} reaches ${label} at ${address}: the listener is alive`;
}

/** Of whoever answers, behind all translations. */
const servedPort = ({ legs }: Prediction, { port }: ProbeSpec): Port | undefined => legs.at(-1)?.dport ?? port;

const CLASSIC_TRANSFERS: readonly Transfer[] = ["active", "passive"];
const NO_FILE: Readonly<Record<Exclude<Outcome, "reach">, string>> = {
  refuse: "refused",
  drop: "no answer",
  unreachable: "no way",
};

const originOf = (at: Origin | undefined): { at?: Origin } => (at ? { at } : {});
