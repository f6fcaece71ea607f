/** A graph made of a lab's state, its layout and, where it was read, what the kernel has. Pure. */
import type { Wiring } from "../kernel/wiring.ts";
import type { NodeName } from "../net/name.ts";
import { type Purpose, renderRule } from "../plan/firewall/rule.ts";
import type { Layout } from "../plan/layout.ts";
import { bridgesOf, isMacvlan, type State } from "../state/state.ts";
import type { Graph, GraphEnd, GraphNat, GraphNetwork, GraphNode, GraphPair, GraphPublished } from "./graph.ts";
import { graphNodes } from "./graph-node.ts";

/** @param wiring what the kernel has; absent: what the layout wants is drawn. Pure */
export function graphOf(docknet: string, state: State, layout: Layout, wiring?: ReadonlyMap<NodeName, Wiring>): Graph {
  const nodes = graphNodes(state, layout, wiring);
  return {
    schema: 1,
    docknet,
    lab: state.lab,
    profile: state.engine.profile,
    measured: wiring !== undefined,
    nodes,
    networks: state.networks.map(graphNetwork),
    pairs: pairsOf(nodes),
    ports: nodes.flatMap((node) =>
      node.links.flatMap(({ name, master, drift }) =>
        master && drift !== "missing" ? [{ node: node.name, bridge: master, link: name }] : [],
      ),
    ),
    published: publishedOf(state),
    forwards: state.world.router.forwards.map(({ publicPort, proto, to, toPort, at }) => ({
      address: state.world.router.public,
      port: publicPort,
      proto,
      to,
      toPort,
      at,
    })),
    statics: state.world.router.static.map(({ public: address, to, at }) => ({ address, to, at })),
    nat: natOf(state, layout),
  };
}

function graphNetwork(network: State["networks"][number]): GraphNetwork {
  const { name, subnet, gateway, internal, at } = network;
  const addressing = { subnet, ...(gateway ? { gateway } : {}), internal };
  const origin = at ? { at } : {};
  if (isMacvlan(network)) {
    const { driver, parent, mode } = network;
    return { name, driver, parent, ...addressing, mode, ...origin };
  }
  const { driver, bridge, icc, gatewayMode } = network;
  return { name, driver, bridge, ...addressing, icc, mode: gatewayMode, ...origin };
}

/** Each once, by the end that is met first. */
function pairsOf(nodes: readonly GraphNode[]): GraphPair[] {
  const met = new Set<string>();
  return nodes.flatMap((node) =>
    node.links.flatMap(({ name, index, peer, network }): GraphPair[] => {
      met.add(`${node.name} ${name}`);
      if (!peer || met.has(`${peer.node} ${peer.link}`)) return [];
      const end: GraphEnd = { node: node.name, link: name, ...(index === undefined ? {} : { index }) };
      return [{ ends: [end, peer], ...(network ? { network } : {}) }];
    }),
  );
}

function publishedOf(state: State): GraphPublished[] {
  return state.containers.flatMap((container) =>
    container.bindings.flatMap((binding): GraphPublished[] => {
      const endpoint = container.endpoints.find((e) => e.id === binding.endpoint);
      if (!endpoint) return [];
      const { hostIp, hostPort, proto, target, at } = binding;
      return [
        {
          hostIp,
          ...(hostPort === undefined ? {} : { hostPort }),
          proto,
          container: container.node,
          address: endpoint.address,
          port: target,
          ...(at ? { at } : {}),
        },
      ];
    }),
  );
}

const WAYS_OUT: ReadonlySet<Purpose> = new Set(["masquerade", "router-masquerade", "static-out"]);

/** What packets on their way out meet; NAT of the host's own packets and of hairpins is a detail of published ports. */
function natOf(state: State, layout: Layout): GraphNat[] {
  return layout.nodes.flatMap((node) =>
    node.rules.rules.flatMap((rule): GraphNat[] => {
      const { kind } = rule.target;
      if (!WAYS_OUT.has(rule.purpose) || (kind !== "MASQUERADE" && kind !== "SNAT")) return [];
      // the router writes rules about the LAN's subnet, which a macvlan network may have too
      const network = bridgesOf(state).find((n) => n.subnet === rule.match.source)?.name;
      return [{ node: node.name, kind, ...(network ? { network } : {}), rule: renderRule(rule) }];
    }),
  );
}
