/** What an old engine does not know is ignored, as that engine does, and the lab file's author is told. */
import { expect, test } from "vitest";
import { loadSpec, resolveState } from "../../../src/index.ts";
import { needsBridgeNetfilter } from "../../../src/state/network.ts";
import { labText } from "../../support/lab-text.ts";

const LAB = `services:
  a:
    image: busybox
    networks: { n: { gw_priority: 3, interface_name: foo0 } }
    ports: ["8080:80"]
networks:
  n:
    driver_opts:
      com.docker.network.bridge.gateway_mode_ipv4: routed
      com.docker.network.bridge.trusted_host_interfaces: eth0
      com.docker.network.bridge.enable_icc: "true"
x-docknet:
  engine: { profile: PROFILE, allow-direct-routing: true }
`;
const resolved = (profile: string) => resolveState(loadSpec(labText(LAB.replace("PROFILE", profile))));
const ignored = (profile: string): string[] =>
  resolved(profile)
    .warnings.filter((w) => w.message.includes("ignored"))
    .map((w) => `${w.at?.line}: ${w.message}`);

test("docker-20.10 ignores what came later, and each is named with its place", () => {
  const tail = "is ignored: the engine of profile docker-20.10 does not know it";
  expect(ignored("docker-20.10")).toEqual([
    `13: allow-direct-routing ${tail}`,
    `7: network n: option com.docker.network.bridge.gateway_mode_ipv4 ${tail}`,
    `7: network n: option com.docker.network.bridge.trusted_host_interfaces ${tail}`,
    `4: service a: interface_name ${tail}`,
    `4: service a: gw_priority ${tail}`,
  ]);
});

test("there the network is an ordinary one, and the interface has its ordinary name", () => {
  const { state } = resolved("docker-20.10");
  expect(state.networks.at(-1)).toMatchObject({ gatewayMode: "nat", trustedInterfaces: [], icc: true });
  expect(state.containers[0]?.endpoints[0]).toMatchObject({ ifName: "eth0", gwPriority: 0 });
  expect(state.containers[0]?.bindings[0]?.hostPort).toBe(8080);
});

test.for(["docker-28", "docker-29"])("%s knows all of it", (profile) => {
  expect(ignored(profile)).toEqual([]);
  expect(resolved(profile).state.networks.at(-1)).toMatchObject({ gatewayMode: "routed" });
  expect(resolved(profile).state.containers[0]?.endpoints[0]?.ifName).toBe("foo0");
});

test("docker-20.10 always loads br_netfilter, later releases only where they need it", () => {
  expect(needsBridgeNetfilter(resolved("docker-20.10").state)).toBe(true);
  expect(needsBridgeNetfilter(resolved("docker-28").state)).toBe(false);
});
