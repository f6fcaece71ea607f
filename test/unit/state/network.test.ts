import { describe, expect, test } from "vitest";
import type { ErrorCode } from "../../../src/errors.ts";
import { stopContainer } from "../../../src/state/lifecycle.ts";
import { createNetwork, needsBridgeNetfilter, pruneNetworks, removeNetwork } from "../../../src/state/network.ts";
import { bridgesOf, type State } from "../../../src/state/state.ts";
import {
  bridgeOf,
  containerOf,
  errorOf,
  networkOf,
  networkRequest,
  newDaemon,
  refusalOf,
  withContainer,
  withNetwork,
} from "../../support/state.ts";

const option = (key: string, value: string) => ({ options: { [key]: value } });

test("a daemon that has just started has docker0 on 172.17.0.0/16 and nothing else", () => {
  const state = newDaemon();
  const { networks, containers } = state;
  expect(containers).toEqual([]);
  expect(networks).toHaveLength(1);
  expect(
    bridgesOf(state).map(({ name, bridge, subnet, gateway, isDefault }) => ({
      name,
      bridge,
      subnet,
      gateway,
      isDefault,
    })),
  ).toEqual([{ name: "bridge", bridge: "docker0", subnet: "172.17.0.0/16", gateway: "172.17.0.1", isDefault: true }]);
});

test("docker0 shows the options that `inspect` shows", () => {
  expect(newDaemon({ icc: false, mtu: 1450 }).networks[0]?.options).toEqual({
    "com.docker.network.bridge.default_bridge": "true",
    "com.docker.network.bridge.enable_icc": "false",
    "com.docker.network.bridge.enable_ip_masquerade": "true",
    "com.docker.network.bridge.host_binding_ipv4": "0.0.0.0",
    "com.docker.network.bridge.name": "docker0",
    "com.docker.network.driver.mtu": "1450",
  });
});

test("--icc and --mtu are docker0's alone", () => {
  const state = withNetwork(newDaemon({ icc: false, mtu: 1450 }), "n");
  expect(networkOf(state, "bridge")).toMatchObject({ icc: false, mtuBytes: 1450 });
  expect(bridgeOf(state, "n").icc).toBe(true);
  expect(bridgeOf(state, "n").mtuBytes).toBeUndefined();
  expect(networkOf(newDaemon(), "bridge")).toMatchObject({ mtuBytes: 1500 });
});

test("a user-defined network has Docker's defaults, and a bridge named after its id", () => {
  const network = networkOf(withNetwork(newDaemon(), "n"), "n");
  expect(network.id).toMatch(/^[0-9a-f]{64}$/);
  expect(network).toMatchObject({
    bridge: `br-${network.id.slice(0, 12)}`,
    icc: true,
    masquerade: true,
    gatewayMode: "nat",
    hostBinding: "0.0.0.0",
    inhibitIpv4: false,
    trustedInterfaces: [],
    ifPrefix: "eth",
    internal: false,
    options: {},
  });
});

test.for([
  ["bridge.name", "br0", { bridge: "br0" }],
  ["bridge.enable_icc", "false", { icc: false }],
  ["bridge.enable_icc", "T", { icc: true }],
  ["bridge.enable_ip_masquerade", "0", { masquerade: false }],
  ["bridge.host_binding_ipv4", "127.0.0.1", { hostBinding: "127.0.0.1" }],
  ["bridge.gateway_mode_ipv4", "nat-unprotected", { gatewayMode: "nat-unprotected" }],
  ["bridge.gateway_mode_ipv4", "routed", { gatewayMode: "routed" }],
  ["bridge.trusted_host_interfaces", "eth1:eth2", { trustedInterfaces: ["eth1", "eth2"] }],
  ["bridge.inhibit_ipv4", "1", { inhibitIpv4: true }],
  ["driver.mtu", "1400", { mtuBytes: 1400 }],
  ["container_iface_prefix", "dock", { ifPrefix: "dock" }],
  ["host_ipv4", "192.168.0.10", { snatTo: "192.168.0.10" }],
] as const)("option %s=%j is understood", ([key, value, want]) => {
  expect(networkOf(withNetwork(newDaemon(), "n", option(key, value)), "n")).toMatchObject(want);
});

test("mtu 0 means the kernel's default", () => {
  expect(bridgeOf(withNetwork(newDaemon(), "n", option("driver.mtu", "0")), "n").mtuBytes).toBeUndefined();
});

describe("docker network create refuses, in Docker's words", () => {
  const state = withNetwork(newDaemon(), "taken", { options: { "bridge.name": "br0" } });
  const rows: readonly (readonly [string, Parameters<typeof networkRequest>, ErrorCode, string])[] = [
    ["the name of another network", ["taken"], "CONFLICT", "network with name taken already exists"],
    ["bridge", ["bridge"], "CONFLICT", "operation is not permitted on predefined bridge network "],
    ["host", ["host"], "CONFLICT", "operation is not permitted on predefined host network "],
    ["default", ["default"], "CONFLICT", "operation is not permitted on predefined default network "],
    ["none", ["none"], "CONFLICT", "operation is not permitted on predefined none network "],
    ["an empty name", [""], "LAB_FILE", "invalid name: name is empty"],
    [
      "a boolean that Go does not know",
      ["n", option("bridge.enable_icc", "yes")],
      "LAB_FILE",
      'failed to parse com.docker.network.bridge.enable_icc value: yes (strconv.ParseBool: parsing "yes": invalid syntax)',
    ],
    [
      "an unknown gateway mode",
      ["n", option("bridge.gateway_mode_ipv4", "open")],
      "LAB_FILE",
      "failed to parse com.docker.network.bridge.gateway_mode_ipv4 value: open (unknown gateway mode open)",
    ],
    [
      "mode isolated without --internal",
      ["n", option("bridge.gateway_mode_ipv4", "isolated")],
      "CONFLICT",
      "gateway mode 'isolated' can only be used for an internal network",
    ],
    ["a negative MTU", ["n", option("driver.mtu", "-3")], "LAB_FILE", "invalid MTU number: -3"],
    [
      "an MTU that is no number",
      ["n", option("driver.mtu", "big")],
      "LAB_FILE",
      'failed to parse com.docker.network.driver.mtu value: big (strconv.Atoi: parsing "big": invalid syntax)',
    ],
    ["an MTU that no bridge can have", ["n", option("driver.mtu", "67")], "CONFLICT", "invalid argument"],
    [
      "a host address that is none",
      ["n", option("host_ipv4", "10.0.0.300")],
      "LAB_FILE",
      "failed to parse com.docker.network.host_ipv4 value: 10.0.0.300 (nil ip)",
    ],
    [
      "a bridge name over 15 bytes",
      ["n", option("bridge.name", "a-very-long-bridge")],
      "CONFLICT",
      "numerical result out of range",
    ],
    [
      "the host's lo as a bridge",
      ["n", option("bridge.name", "lo")],
      "CONFLICT",
      "existing interface lo is not a bridge",
    ],
    [
      "the host's eth0 as a bridge",
      ["n", option("bridge.name", "eth0")],
      "CONFLICT",
      "existing interface eth0 is not a bridge",
    ],
  ];
  test.for(rows)("%s", ([, request, code, message]) => {
    expect(errorOf(() => createNetwork(state, networkRequest(...request)))).toEqual({ code, message });
  });

  test("another network's bridge name", () => {
    const { id } = networkOf(state, "taken");
    expect(refusalOf(() => withNetwork(state, "n", option("bridge.name", "br0")))).toMatch(
      new RegExp(
        `^cannot create network [0-9a-f]{64} \\(br0\\): conflicts with network ${id} \\(br0\\): networks have same bridge name$`,
      ),
    );
  });

  test.for([
    ["host", 'only one instance of "host" network is allowed'],
    ["null", 'only one instance of "null" network is allowed'],
    ["nosuch", 'plugin "nosuch" not found'],
    ["ipvlan", 'plugin "ipvlan" not found'],
  ] as const)("driver %s", ([driver, message]) => {
    expect(refusalOf(() => createNetwork(state, { name: "n", driver }))).toBe(message);
  });
});

test("names of networks are free text", () => {
  expect(networkOf(withNetwork(newDaemon(), "bad name!"), "bad name!").subnet).toBe("172.18.0.0/16");
});

describe("docker network rm", () => {
  const rm = (state: State, name: string) => removeNetwork(state, name);

  test("removes a network that nobody uses", () => {
    expect(rm(withNetwork(newDaemon(), "n"), "n").networks.map((n) => n.name)).toEqual(["bridge"]);
  });

  test("names the endpoints that are left", () => {
    const state = ["aa", "bb"].reduce(
      (s, c) => withContainer(s, c, { networks: ["n"] }),
      withNetwork(newDaemon(), "n"),
    );
    const ids = ["aa", "bb"].map((c) => `name:"${c}" id:"${containerOf(state, c).endpoints[0]?.id.slice(0, 12)}"`);
    expect(refusalOf(() => rm(state, "n"))).toBe(
      `error while removing network: network n has active endpoints (${ids.join(", ")})`,
    );
  });

  test.for(["bridge", "host", "none"])("refuses the predefined %s", (name) => {
    expect(refusalOf(() => rm(newDaemon(), name))).toBe(`${name} is a pre-defined network and cannot be removed`);
  });

  test("of a missing network says so", () => {
    expect(refusalOf(() => rm(newDaemon(), "n"))).toBe("network n not found");
  });
});

test.for([
  ["nothing asks for it", {}, {}, false],
  ["a network without icc", {}, { options: { "bridge.enable_icc": "false" } }, true],
  ["the proxy is off", { userlandProxy: false }, {}, true],
] as const)("bridge netfilter is needed only without icc or proxy: %s", ([, engine, text, want]) => {
  expect(needsBridgeNetfilter(withNetwork(newDaemon(engine), "n", text))).toBe(want);
});

describe("addresses that do not fit are all named at once, in Docker's words [seen]", () => {
  test.for([
    ["one fault", { subnet: "10.90.0.1/24" }, ["invalid subnet 10.90.0.1/24: it should be 10.90.0.0/24"]],
    ["no CIDR", { subnet: "foo" }, ["invalid subnet foo: invalid CIDR block notation"]],
    [
      "four faults",
      { subnet: "10.90.0.0/24", ipRange: "10.90.0.1/25", gateway: "10.91.0.1", aux: ["10.92.0.1", "10.93.0.1"] },
      [
        "* invalid ip-range 10.90.0.1/25: it should be 10.90.0.0/25",
        "* invalid gateway 10.91.0.1: parent subnet 10.90.0.0/24 doesn't contain this address",
        "* invalid auxiliary address a: parent subnet 10.90.0.0/24 doesn't contain this address",
        "* invalid auxiliary address b: parent subnet 10.90.0.0/24 doesn't contain this address",
      ],
    ],
    [
      "a subnet with host bits, and what does not fit in it",
      { subnet: "10.90.0.1/24", ipRange: "10.90.0.129/25", gateway: "10.91.0.9" },
      [
        "* invalid subnet 10.90.0.1/24: it should be 10.90.0.0/24",
        "* invalid ip-range 10.90.0.129/25: it should be 10.90.0.128/25",
        "* invalid gateway 10.91.0.9: parent subnet 10.90.0.1/24 doesn't contain this address",
      ],
    ],
    [
      "a range that is bigger, with host bits",
      { subnet: "10.191.0.0/24", ipRange: "10.191.0.1/16" },
      [
        "* invalid ip-range 10.191.0.1/16: CIDR block is bigger than its parent subnet 10.191.0.0/24",
        "* invalid ip-range 10.191.0.1/16: it should be 10.191.0.0/16",
      ],
    ],
    [
      "a range that is bigger",
      { subnet: "10.90.0.0/24", ipRange: "10.0.0.0/8" },
      ["invalid ip-range 10.0.0.0/8: CIDR block is bigger than its parent subnet 10.90.0.0/24"],
    ],
    [
      "a range elsewhere",
      { subnet: "10.90.0.0/24", ipRange: "10.91.0.0/25" },
      ["invalid ip-range 10.91.0.0/25: parent subnet 10.90.0.0/24 doesn't contain ip-range"],
    ],
    [
      "a range of the other family",
      { subnet: "10.90.0.0/24", ipRange: "fd00::/64" },
      ["invalid ip-range fd00::/64: parent subnet is an IPv4 block"],
    ],
    [
      "texts that are no addresses",
      { subnet: "10.90.0.0/24", ipRange: "xx", gateway: "yy", aux: ["zz"] },
      [
        "* invalid ip-range xx: invalid CIDR block notation",
        "* invalid gateway yy: invalid address",
        "* invalid auxiliary address a: invalid address",
      ],
    ],
    ["a gateway alone", { gateway: "10.90.0.1" }, ["invalid subnet : invalid CIDR block notation"]],
  ] as const)("%s", ([, text, lines]) => {
    expect(errorOf(() => withNetwork(newDaemon(), "n", text))).toEqual({
      code: "LAB_FILE",
      message: ["invalid network config:", ...lines].join("\n"),
    });
  });

  test("and what the user named is told from what Docker chose", () => {
    const named = networkOf(withNetwork(newDaemon(), "n", { subnet: "10.1.0.0/24", gateway: "10.1.0.9" }), "n");
    const chosen = networkOf(withNetwork(newDaemon(), "n"), "n");
    expect([named.subnetGiven, named.gatewayGiven, chosen.subnetGiven, chosen.gatewayGiven]).toEqual([
      true,
      true,
      false,
      false,
    ]);
  });
});

test("a network that is made again under its name is another", () => {
  const first = withNetwork(newDaemon(), "n");
  const second = withNetwork(removeNetwork(first, "n"), "n");
  expect(networkOf(second, "n").id).not.toBe(networkOf(first, "n").id);
});

test("prune takes what no running container uses and the filter lets through, and never docker0", () => {
  const nets = ["used", "stopped", "free", "kept"].reduce((s, n) => withNetwork(s, n), newDaemon());
  const running = withContainer(withContainer(nets, "aa", { networks: ["used"] }), "bb", { networks: ["stopped"] });
  const { state, removed } = pruneNetworks(stopContainer(running, "bb", { exitCode: 0 }), (n) => n.name !== "kept");
  expect(removed.map((n) => n.name)).toEqual(["stopped", "free"]);
  expect(state.networks.map((n) => n.name)).toEqual(["bridge", "used", "kept"]);
});
