/** The lab in words and addresses, for the head of a report. Pure. */
import { HOST, INTERNET, NEIGHBOUR, ROUTER } from "../net/name.ts";
import { renderProtoPort } from "../net/port.ts";
import { type Container, isBridge, networkById, type PortBinding, type State } from "../state/state.ts";
import type { Topology } from "./report.ts";

export function describeTopology(state: State): Topology {
  const { world } = state;
  const machine = (
    name: string,
    kind: string,
    attachments: string[],
    published: string[] = [],
  ): Topology["nodes"][number] => ({ name, kind, attachments, published, serves: [] });
  const forwards = world.router.forwards.map(
    (f) => `${world.router.public}:${f.publicPort}->${f.to}:${f.toPort}/${f.proto}`,
  );
  const statics = world.router.static.map((s) => `${s.public}<->${s.to}`);
  return {
    networks: state.networks.map((n) => ({
      name: n.name,
      driver: n.driver,
      ...(isBridge(n) ? { bridge: n.bridge } : { parent: n.parent }),
      subnet: n.subnet,
      ...(n.gateway ? { gateway: n.gateway } : {}),
      internal: n.internal,
      mode: isBridge(n) ? n.gatewayMode : n.mode,
    })),
    nodes: [
      machine(INTERNET, "internet", [`${world.internet.www} on eth0 (www)`, `${world.internet.dns} on eth0 (dns)`]),
      machine(
        ROUTER,
        "router",
        [`${world.router.public} on wan0`, `${world.router.lan} on lan0`],
        [...forwards, ...statics],
      ),
      machine(NEIGHBOUR, "neighbour", [`${world.neighbour} on eth0`]),
      machine(HOST, "host", [`${world.host} on eth0`]),
      ...state.containers.map((c) => describeContainer(state, c)),
    ],
  };
}

function describeContainer(state: State, container: Container): Topology["nodes"][number] {
  return {
    name: container.node,
    kind: "container",
    attachments: attachmentsOf(state, container),
    published: container.bindings.map(renderBinding),
    serves: container.serves.map(renderProtoPort),
    ...(container.at ? { at: container.at } : {}),
  };
}

function attachmentsOf(state: State, container: Container): string[] {
  const { sandbox } = container;
  if (sandbox.kind === "host") return ["host network"];
  if (sandbox.kind === "none") return ["no network"];
  if (sandbox.kind === "container")
    return [`network of ${state.containers.find((c) => c.id === sandbox.id)?.node ?? sandbox.id.slice(0, 12)}`];
  return container.endpoints.map((e) => `${e.address} on ${networkById(state, e.network).name} (${e.ifName})`);
}

/** "0.0.0.0:8080->80/tcp", as `docker ps` shows it; without a host port in routed mode. */
function renderBinding(b: PortBinding): string {
  const host = b.hostIp.includes(":") ? `[${b.hostIp}]` : b.hostIp;
  return `${host}:${b.hostPort ?? ""}->${b.target}/${b.proto}`;
}
