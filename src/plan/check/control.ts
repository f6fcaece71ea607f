/**
 * What stands beside every check that expects silence, refusal or no way: one that shows the target alive in the same topology. Without
 * it a "cannot reach" proves nothing.
 */
import type { Origin } from "../../errors.ts";
import { type Ipv4, isIpv4, isLoopback } from "../../net/address.ts";
import { transferWords } from "../../net/ftp.ts";
import { HOST, INTERNET, NEIGHBOUR, type NodeName } from "../../net/name.ts";
import { type ProtoPort, renderProtoPort } from "../../net/port.ts";
import { listenerAt } from "../../state/listening.ts";
import { originOf } from "../../state/refusal.ts";
import {
  type Container,
  gatewayEndpoint,
  isHostAddress,
  isMacvlan,
  networkById,
  type State,
  sandboxOwner,
} from "../../state/state.ts";
import { isServed } from "../address-book.ts";
import { isServedOnInternet } from "../predict/internet.ts";
import { predict } from "../predict/predict.ts";
import type { ProbeSpec } from "../predict/prediction.ts";
import type { Check, Rules } from "./check.ts";
import type { MeantPorts } from "./derive.ts";

/** The checks, each that needs one with the id of its control, and behind them the controls that are not among them, each once. */
export function withControls(state: State, rules: Rules, checks: readonly Check[], meant: MeantPorts): Check[] {
  const finder = new ControlFinder(state, rules, meant);
  const controls = new Map<string, Check>();
  const ids = new Map<string, Check>();
  for (const c of checks) if (!ids.has(c.id)) ids.set(c.id, c);
  const controlled = checks.map((check): Check => {
    const control = isNegative(check) ? finder.controlFor(check) : undefined;
    if (!control) return check;
    const known = ids.get(control.id) ?? controls.get(control.id) ?? control;
    if (ids.get(known.id) !== known) controls.set(known.id, known);
    return { ...check, control: known.id };
  });
  return [...controlled, ...controls.values()];
}

class ControlFinder {
  private readonly state: State;
  private readonly rules: Rules;
  private readonly meant: MeantPorts;

  constructor(state: State, rules: Rules, meant: MeantPorts) {
    this.state = state;
    this.rules = rules;
    this.meant = meant;
  }

  /** The host, or else the target itself, reaches the very listener that the negative check must not: it is alive, its address right. */
  controlFor(check: Check): Check | undefined {
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
      ...originOf(target),
    };
  }

  /** The network stack that has the probe's address. */
  private stackBehind(check: Check): Listener | undefined {
    const { address } = check.probe;
    if (address === this.state.world.host) return { node: HOST, address };
    const container = this.state.containers.find((c) => c.endpoints.some((e) => e.address === address));
    return container && { node: container.node, address, ...originOf(container) };
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
    const meant = this.meant.get(check.probe);
    if (meant) return this.listenerOf(meant.container, meant.port);
    for (const container of this.state.containers) {
      const endpoint = container.endpoints.find((e) => e.address === address);
      if (endpoint && isServed(this.state, container, { port, proto }))
        return { node: container.node, address, port: { port, proto }, ...originOf(container) };
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
      return { node: container.node, address: e.address, port: { port: b.target, proto }, ...originOf(container) };
    }
    const onHost = listenerAt(this.state, "host", { port, proto });
    if (!onHost || !isHostAddress(this.state, address) || isLoopback(address)) return undefined;
    return { node: onHost.node, address, port: { port, proto }, ...originOf(onHost) };
  }

  /** Straight at the container's own address; at the host's for host mode; nowhere for one without a network. */
  private listenerOf(container: Container, port: ProtoPort): Listener | undefined {
    const owner = sandboxOwner(this.state, container);
    if (owner === "gone") return undefined;
    if (owner === "host") return { node: container.node, address: this.state.world.host, port, ...originOf(container) };
    const endpoint = gatewayEndpoint(this.state, owner.endpoints) ?? owner.endpoints[0];
    if (!endpoint || !isServed(this.state, owner, port)) return undefined;
    return { node: owner.node, address: endpoint.address, port, ...originOf(container) };
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
