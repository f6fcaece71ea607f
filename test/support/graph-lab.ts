/** A lab with every situation that a graph shows, and a kernel that has exactly what a layout wants. */
import { loadSpec } from "../../src/index.ts";
import type { WiredLink, Wiring } from "../../src/kernel/wiring.ts";
import { contains, subnetOf } from "../../src/net/address.ts";
import type { NodeName } from "../../src/net/name.ts";
import type { Graph } from "../../src/observe/graph.ts";
import { graphOf } from "../../src/observe/graph-of.ts";
import { type Layout, pairOf } from "../../src/plan/layout.ts";
import { layoutOf } from "../../src/plan/layout-of.ts";
import { resolveState } from "../../src/state/resolve.ts";
import type { State } from "../../src/state/state.ts";
import { labText } from "./lab-text.ts";

export const GRAPH_LAB = `
services:
  gateway:
    image: nginx:1.29-alpine-with-a-rather-long-tag-that-no-column-holds
    networks: [front, back]
    ports: ["8080:80", "127.0.0.1:3000-3002:3000-3002", "53:53/udp"]
  api: { image: busybox, networks: { back: {}, open: { interface_name: open0 } }, x-docknet: { serve: ["80", "81"] } }
  side: { image: prom/node-exporter, network_mode: "service:gateway" }
  db: { image: postgres, networks: [back] }
  routed: { image: nginx, networks: [open], ports: ["80"] }
  plain: { image: busybox, network_mode: bridge, x-docknet: { serve: ["9000/udp"] } }
  agent: { image: prom/node-exporter, network_mode: host }
  lonely: { image: busybox, network_mode: none, x-docknet: { serve: ["80"] } }
networks:
  front: {}
  back: { internal: true, driver_opts: { com.docker.network.bridge.enable_icc: "false" } }
  open: { driver_opts: { com.docker.network.bridge.gateway_mode_ipv4: routed, com.docker.network.bridge.name: openbridge0 } }
x-docknet: { world: { router: { forwards: ["8080"], static: ["203.0.113.92:neighbour"] } } }
`;

const FACTS = { ipv6: true, bridgeNetfilter: true, maxGid: 65534 };

export const stateOf = (yaml: string): State => resolveState(loadSpec(labText(yaml))).state;

/** @param change of what the kernel has */
export function graphOfText(yaml: string, change?: (wiring: Map<NodeName, Wiring>) => void): Graph {
  const state = stateOf(yaml);
  const layout = layoutOf(state, FACTS);
  const wiring = wiringOf(layout);
  change?.(wiring);
  return graphOf("0", state, layout, wiring);
}

export const plannedGraph = (state: State): Graph => graphOf("0", state, layoutOf(state, FACTS));

/** Links in the order of the layout, from index 2: 1 is lo. */
export function wiringOf(layout: Layout): Map<NodeName, Wiring> {
  return new Map(
    layout.nodes.map(({ name: node, links, routes }) => {
      const wired = links.map((link, i): WiredLink => {
        const pair = pairOf(layout, node, link.name);
        const peer =
          link.kind === "veth"
            ? link.peer
            : link.kind === "macvlan"
              ? link.parent
              : pair && { node: pair.node, name: pair.link.name };
        return {
          index: i + 2,
          name: link.name,
          kind: link.kind === "peer" ? "veth" : link.kind,
          mac: link.mac ?? "02:00:00:00:00:01",
          mtuBytes: link.mtuBytes ?? 1500,
          up: true,
          ...(link.master ? { master: link.master } : {}),
          addresses: link.addresses,
          ...(peer ? { peer } : {}),
        };
      });
      const [route] = routes.filter((r) => r.to === "0.0.0.0/0");
      const near = links.find((l) => l.addresses.some((a) => route && contains(subnetOf(a), route.via)));
      const link = route?.link ?? near?.name;
      return [node, { links: wired, ...(route && link ? { gateway: { via: route.via, link } } : {}) }];
    }),
  );
}
