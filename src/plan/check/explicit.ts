/** The checks that a lab file writes down: probes between the ends that it names, with the outcome that it expects. */
import type { Ipv4 } from "../../net/address.ts";
import { type Transfer, transferWords } from "../../net/ftp.ts";
import { INTERNET, type NodeName } from "../../net/name.ts";
import { meantListener } from "../../state/listening.ts";
import {
  type CheckRef,
  type CheckSpec,
  type Container,
  type Endpoint,
  networkById,
  type State,
} from "../../state/state.ts";
import { addressFrom } from "../address-book.ts";
import { predict } from "../predict/predict.ts";
import type { Outcome, Prediction, ProbeSpec } from "../predict/prediction.ts";
import type { Check, Rules } from "./check.ts";

/** One for each sender and target that it names. */
export function explicitChecks(state: State, rules: Rules, specs: readonly CheckSpec[]): Check[] {
  const checks: Check[] = [];
  for (const spec of specs) {
    for (const from of nodesOf(state, spec.from)) {
      for (const { address, label, container } of targetsOf(state, spec, from)) {
        const port = spec.proto === "icmp" || spec.port === undefined ? {} : { port: spec.port };
        const { transfer } = spec;
        const probe: ProbeSpec = { from, address, proto: spec.proto, ...port, ...(transfer ? { transfer } : {}) };
        const predicted = predict(state, probe, rules);
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
        checks.push({
          id: `explicit/${checks.length + 1}/${from}/${to}${transfer ? `/${transfer}` : ""}`,
          group: "explicit",
          claim: spec.name ?? (transfer ? fetch(transfer) : words[spec.expect]),
          probe: { ...probe, ...(spec.sourcePort ? { sourcePort: spec.sourcePort } : {}) },
          to,
          predicted,
          expected: {
            outcome: spec.expect,
            ...(spec.seenAs ? { seenAs: spec.seenAs } : {}),
            ...(spec.seenPort ? { seenPort: spec.seenPort } : {}),
            ...(container ? meantServer(state, spec, container, predicted) : {}),
          },
          at: spec.at,
        });
      }
    }
  }
  return checks;
}

/** A check that names a service means that very one: another that has its port in the same network stack is not it. */
function meantServer(
  state: State,
  spec: CheckSpec,
  container: Container,
  { server }: Prediction,
): { server?: NodeName } {
  const { expect, port, proto } = spec;
  if (expect !== "reach" || port === undefined || proto === "icmp") return {};
  const meant = meantListener(state, container, { port, proto }).node;
  return meant === server ? {} : { server: meant };
}

function nodesOf(state: State, ref: CheckRef): NodeName[] {
  if (ref.kind === "node") return [ref.node as NodeName];
  if (ref.kind === "address") return [];
  return state.containers.filter((c) => c.service === ref.service && c.status === "running").map((c) => c.node);
}

interface Target {
  readonly address: Ipv4;
  readonly label: string;
  readonly container?: Container;
}

function targetsOf(state: State, spec: CheckSpec, from: NodeName): Target[] {
  const { to } = spec;
  const { world } = state;
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
  return state.containers
    .filter((c) => c.service === to.service)
    .flatMap((c) => {
      const named = spec.network && c.endpoints.find((e) => isOn(state, e, spec.network as string));
      const address = named ? named.address : addressFrom(state, from, c);
      return address ? [{ address, label: c.node, container: c }] : [];
    });
}

/** By the network's Docker name, or its key in the file (`<project>_<key>`). */
function isOn(state: State, endpoint: Endpoint, network: string): boolean {
  const { name } = networkById(state, endpoint.network);
  return name === network || name === `${state.lab}_${network}`;
}

const NO_FILE: Readonly<Record<Exclude<Outcome, "reach">, string>> = {
  refuse: "refused",
  drop: "no answer",
  unreachable: "no way",
};
