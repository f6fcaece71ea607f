import { expect, test } from "vitest";
import type { Ipv4 } from "../../../src/net/address.ts";
import type { EndpointRequest } from "../../../src/state/container.ts";
import { gatewayEndpoint, isHostAddress, networkById, type State, sandboxOwner } from "../../../src/state/state.ts";
import { containerOf, newDaemon, withContainer, withNetwork } from "../../support/state.ts";

/** The network whose gateway is the container's default route. */
function gatewayOf(state: State, name: string): string | undefined {
  const endpoint = gatewayEndpoint(state, containerOf(state, name).endpoints);
  return endpoint && networkById(state, endpoint.network).name;
}

const nets = [
  ["alpha", {}],
  ["zulu", {}],
  ["Upper", {}],
  ["inner", { internal: true }],
  ["cut", { internal: true, options: { "bridge.gateway_mode_ipv4": "isolated" } }],
  ["routed", { options: { "bridge.gateway_mode_ipv4": "routed" } }],
] as const;
const base = nets.reduce<State>((s, [name, text]) => withNetwork(s, name, text), newDaemon());
const priority = (network: string, gwPriority: number): EndpointRequest => ({ network, gwPriority });

// docker-reference 3.5: gw-priority, not internal, network name in byte order
test.for<[string, readonly (string | EndpointRequest)[], string | undefined]>([
  ["the only network", ["zulu"], "zulu"],
  ["the first name in byte order, whatever was joined first", ["zulu", "alpha"], "alpha"],
  ["upper case before lower case: bytes, not letters", ["alpha", "Upper"], "Upper"],
  ["bridge before routed [seen]", ["routed", "bridge"], "bridge"],
  ["the higher gw-priority before the name", ["alpha", priority("zulu", 1)], "zulu"],
  ["a negative gw-priority comes after 0", [priority("alpha", -1), "zulu"], "zulu"],
  ["equal gw-priority: the name", [priority("zulu", 5), priority("alpha", 5)], "alpha"],
  ["an internal network never, though its name is first", ["inner", "zulu"], "zulu"],
  ["an internal network never, though its gw-priority is higher", [priority("inner", 100), "zulu"], "zulu"],
  ["none of an internal one alone", ["inner"], undefined],
  ["none of an isolated one alone", ["cut"], undefined],
  ["a routed network too", ["routed", "zulu"], "routed"],
  ["none without networks", [], undefined],
])("the default route goes to %s", ([, networks, want]) => {
  expect(gatewayOf(withContainer(base, "aa", { networks }), "aa")).toBe(want);
});

test("a sandbox is owned by the container itself, by the one it joins, or by the host", () => {
  let state = withContainer(base, "web", { networks: ["alpha"] });
  state = withContainer(state, "side", { mode: "container:web" });
  state = withContainer(state, "side2", { mode: "container:side" });
  state = withContainer(state, "agent", { mode: "host" });
  state = withContainer(state, "agent2", { mode: "container:agent" });
  state = withContainer(state, "lonely", { mode: "none" });
  const owners = state.containers.map((c) => {
    const owner = sandboxOwner(state, c);
    return [c.name, typeof owner === "string" ? owner : owner.name];
  });
  expect(owners).toEqual([
    ["web", "web"],
    ["side", "web"],
    ["side2", "web"],
    ["agent", "host"],
    ["agent2", "host"],
    ["lonely", "lonely"],
  ]);
});

test.for([
  ["127.0.0.1", true],
  ["127.9.9.9", true],
  ["192.168.0.10", true],
  ["172.17.0.1", true],
  ["172.17.0.2", false],
  ["192.168.0.20", false],
  ["203.0.113.91", false],
] as const)("%s is the host's own: %s", ([address, want]) => {
  expect(isHostAddress(newDaemon(), address as Ipv4)).toBe(want);
});

test("a bridge that bears no address gives the host none", () => {
  const state = withNetwork(newDaemon(), "n", { subnet: "10.1.0.0/24", options: { "bridge.inhibit_ipv4": "true" } });
  expect(isHostAddress(state, "10.1.0.1" as Ipv4)).toBe(false);
});
