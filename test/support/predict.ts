/** Predictions in few words: names for addresses in, one line out. */
import type { Ipv4 } from "../../src/net/address.ts";
import { HOST, type NodeName, ROUTER } from "../../src/net/name.ts";
import { EMPTY_RULESET, type Ruleset } from "../../src/plan/firewall/rule.ts";
import { nodeOf } from "../../src/plan/layout.ts";
import { layoutOf } from "../../src/plan/layout-of.ts";
import { ORDINARY_MACHINE } from "../../src/plan/machine.ts";
import { predict } from "../../src/plan/predict/predict.ts";
import type { Prediction, ProbeProto } from "../../src/plan/predict/prediction.ts";
import type { State } from "../../src/state/state.ts";
import { addressOn, networkOf, protoPort } from "./state.ts";

export interface Rules {
  readonly host: Ruleset;
  readonly router: Ruleset;
}

export function rulesOf(state: State): Rules {
  const layout = layoutOf(state, ORDINARY_MACHINE);
  const rules = (node: NodeName): Ruleset => nodeOf(layout, node)?.rules ?? EMPTY_RULESET;
  return { host: rules(HOST), router: rules(ROUTER) };
}

/**
 * "gw(n1)", "a", "a@n1" (a container on a network), "host", "lo", "neighbour", "router", "public", "www", "dns", or an address as it is.
 */
export function addressNamed(state: State, text: string): Ipv4 {
  const { world } = state;
  const known: Readonly<Record<string, string>> = {
    host: world.host,
    lo: "127.0.0.1",
    neighbour: world.neighbour,
    router: world.router.lan,
    public: world.router.public,
    www: world.internet.www,
    dns: world.internet.dns,
  };
  const gateway = /^gw\((.*)\)$/.exec(text)?.[1];
  if (gateway !== undefined) return networkOf(state, gateway).gateway ?? ("gatewayless" as Ipv4);
  if (/^[\d.]+$/.test(text)) return text as Ipv4;
  const [container = "", network] = text.split("@");
  return (known[text] as Ipv4 | undefined) ?? addressOn(state, container, network);
}

/** @param port "80", "53/udp", "ping" */
export function predictTo(state: State, from: string, to: string, port: string): Prediction {
  const { port: number, proto } = protoPort(port);
  const probe = {
    from: from as NodeName,
    address: addressNamed(state, to),
    proto: (port === "ping" ? "icmp" : proto) as ProbeProto,
    ...(port === "ping" ? {} : { port: number }),
  };
  return predict(state, probe, rulesOf(state));
}

/** "reach as 172.18.0.1 by web", "drop: direct-access", "drop: policy", "drop on reply: direct-access", "refuse at @host" */
export function verdictOf({ outcome, seenAs, server, stop }: Prediction): string {
  if (outcome === "reach") return `reach as ${seenAs} by ${server}`;
  const by = stop?.rule?.purpose ?? (stop?.policy ? "policy" : undefined);
  const where = stop?.onReply ? `${outcome} on reply` : outcome;
  return by ? `${where}: ${by}` : `${where} at ${stop?.node}`;
}
