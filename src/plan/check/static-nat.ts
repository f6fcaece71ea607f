/**
 * What 1:1 NAT claims, as checks: the machine leaves with a public address of its own and keeps its source port, and ping to that
 * address comes to the machine. That its ports are reached from outside too is checked with the other ways to a published port.
 */
import type { Ipv4 } from "../../net/address.ts";
import { HOST, INTERNET, NEIGHBOUR, type NodeName } from "../../net/name.ts";
import type { Port } from "../../net/port.ts";
import { type Container, gatewayEndpoint, networkById, type State } from "../../state/state.ts";
import type { Ruleset } from "../firewall/rule.ts";
import { predict } from "../predict/predict.ts";
import type { ProbeSpec } from "../predict/prediction.ts";
import type { Check } from "./check.ts";

/** Below those that the kernel gives to sockets by itself (ip-sysctl: ip_local_port_range): no other probe has it. */
const FIRST_PORT = 20_000;

/** @param rules the host's and the router's */
export function staticNatChecks(state: State, rules: { readonly host: Ruleset; readonly router: Ruleset }): Check[] {
  return state.world.router.static.flatMap(({ public: address, to, at }): Check[] => {
    const machine = machineAt(state, to);
    const ping: ProbeSpec = { from: INTERNET, address, proto: "icmp" };
    if (!machine) {
      const predicted = predict(state, ping, rules);
      const nobody: Check = {
        id: `static/${address}/in`,
        group: "static",
        claim: `${INTERNET} ${predicted.outcome === "reach" ? `pings ${predicted.server}` : "finds nobody"} at ${address}, which is ${to} in the LAN`,
        probe: ping,
        to: address,
        predicted,
        expected: { outcome: predicted.outcome },
        at,
      };
      return [nobody];
    }
    const out = checkOut(state, machine);
    return [
      {
        id: `static/${machine}/out`,
        group: "static",
        claim: `${machine} reaches www, which sees ${address}, its own public address, and its own port ${out.sourcePort}`,
        probe: out,
        to: `www ${out.address}:80/tcp`,
        predicted: predict(state, out, rules),
        expected: { outcome: "reach", seenAs: address, seenPort: out.sourcePort },
        at,
      },
      {
        id: `static/${machine}/in`,
        group: "static",
        claim: `${INTERNET} pings ${machine} at ${address}`,
        probe: ping,
        to: address,
        predicted: predict(state, ping, rules),
        expected: { outcome: "reach", seenAs: state.world.internet.www },
        at,
      },
    ];
  });
}

/** A machine of the LAN that leaves by this address: a macvlan's container too, where its default route is the router's. */
function machineAt(state: State, address: Ipv4): NodeName | undefined {
  const { world } = state;
  if (address === world.host) return HOST;
  if (address === world.neighbour) return NEIGHBOUR;
  const isIt = ({ endpoints }: Container): boolean => {
    const way = gatewayEndpoint(state, endpoints);
    return way?.address === address && networkById(state, way.network).gateway === world.router.lan;
  };
  return state.containers.find(isIt)?.node;
}

function checkOut(state: State, from: NodeName): ProbeSpec & { readonly sourcePort: Port } {
  const taken = new Set(
    state.containers.flatMap((c) => [...c.bindings.map((b) => b.hostPort), ...c.serves.map((s) => s.port)]),
  );
  let sourcePort = FIRST_PORT;
  while (taken.has(sourcePort as Port)) sourcePort++;
  const { www } = state.world.internet;
  return { from, address: www, port: 80 as Port, proto: "tcp", sourcePort: sourcePort as Port };
}
