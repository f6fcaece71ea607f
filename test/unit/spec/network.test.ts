import { describe, expect, test } from "vitest";
import { loadText, problemsOfText, warningsOf } from "./lab.ts";

const at = (line: number, column: number) => ({ file: "compose.yaml", line, column });
const bridge = (key: string, line: number, more: object = {}) => ({
  key,
  name: `p_${key}`,
  external: false,
  driver: "bridge",
  driverOpts: {},
  internal: false,
  attachable: false,
  enableIpv4: true,
  enableIpv6: false,
  labels: {},
  ipam: [],
  at: at(line, 3),
  ...more,
});
const networksOf = (body: string) => loadText(`networks:\n${body}`, { projectName: "p" }).networks;

describe("a network", () => {
  test.for([
    ["a key alone is a bridge of the project", "  n:\n", [bridge("n", 2)]],
    ["name replaces the project's prefix", "  n: {name: mine}\n", [bridge("n", 2, { name: "mine" })]],
    [
      "flags",
      "  n: {internal: true, attachable: 'true', enable_ipv4: false}\n",
      [bridge("n", 2, { internal: true, attachable: true, enableIpv4: false })],
    ],
    [
      "options become text",
      "  n: {driver_opts: {a.b: 1400, c: 1.5, d: x}}\n",
      [bridge("n", 2, { driverOpts: { "a.b": "1400", c: "1.5", d: "x" } })],
    ],
    [
      "labels as a list or a map",
      "  n: {labels: [a=1, b]}\n  m: {labels: {a: 1}}\n",
      [bridge("n", 2, { labels: { a: "1", b: "" } }), bridge("m", 3, { labels: { a: "1" } })],
    ],
    ["external has its key for a name", "  n: {external: true}\n", [bridge("n", 2, { external: true, name: "n" })]],
    ["external with a name", "  n: {external: true, name: x}\n", [bridge("n", 2, { external: true, name: "x" })]],
    [
      "external with a name, the old way",
      "  n: {external: {name: x}}\n",
      [bridge("n", 2, { external: true, name: "x" })],
    ],
    [
      "pools",
      "  n:\n    ipam:\n      config:\n        - {subnet: 10.1.0.0/24, ip_range: 10.1.0.128/25, gateway: 10.1.0.1, aux_addresses: {a: 10.1.0.5}}\n",
      [
        bridge("n", 2, {
          ipam: [
            {
              subnet: "10.1.0.0/24",
              ipRange: "10.1.0.128/25",
              gateway: "10.1.0.1",
              auxAddresses: { a: "10.1.0.5" },
              at: at(5, 11),
            },
          ],
        }),
      ],
    ],
  ] as const)("%s", ([, body, expected]) => {
    expect(networksOf(body)).toEqual(expected);
  });

  test("the default network is made when a service needs it, and stands at that service", () => {
    const spec = loadText("services:\n  a: {}\nnetworks:\n  n:\n", { projectName: "p" });
    expect(spec.networks).toEqual([bridge("n", 4), bridge("default", 2)]);
  });

  test("it may be declared", () => {
    const spec = loadText("services: {a: {}}\nnetworks:\n  default: {name: d, internal: true}\n", { projectName: "p" });
    expect(spec.networks).toEqual([bridge("default", 3, { name: "d", internal: true })]);
  });
});

describe("address pools fail in Docker's words", () => {
  test.for([
    ["{subnet: 10.90.0.1/24}", "5:12: invalid subnet 10.90.0.1/24: it should be 10.90.0.0/24"],
    ["{subnet: foo}", "5:12: invalid subnet foo: invalid CIDR block notation"],
    [
      "{subnet: 10.0.0.0/24, ip_range: 10.0.0.129/25}",
      "5:33: invalid ip-range 10.0.0.129/25: it should be 10.0.0.128/25",
    ],
    [
      "{subnet: 10.0.0.0/24, ip_range: 10.0.0.0/23}",
      "5:33: invalid ip-range 10.0.0.0/23: CIDR block is bigger than its parent subnet 10.0.0.0/24",
    ],
    [
      "{subnet: 10.0.0.0/24, ip_range: 10.0.1.0/25}",
      "5:33: invalid ip-range 10.0.1.0/25: parent subnet 10.0.0.0/24 doesn't contain ip-range",
    ],
    [
      "{subnet: 10.0.0.0/24, ip_range: 'fd00::/64'}",
      "5:33: invalid ip-range fd00::/64: parent subnet is an IPv4 block",
    ],
    [
      "{subnet: 10.0.0.0/24, gateway: 10.0.1.1}",
      "5:33: invalid gateway 10.0.1.1: parent subnet 10.0.0.0/24 doesn't contain this address",
    ],
    ["{subnet: 10.0.0.0/24, gateway: x}", "5:33: invalid gateway x: invalid address"],
    [
      "{subnet: 10.0.0.0/24, aux_addresses: {a: 10.0.1.1}}",
      "5:49: invalid auxiliary address a: parent subnet 10.0.0.0/24 doesn't contain this address",
    ],
    ["{gateway: 10.0.0.1}", "5:12: every ip-range or gateway must have a corresponding subnet"],
    ["{ip_range: 10.0.0.0/25}", "5:12: every ip-range or gateway must have a corresponding subnet"],
    ["{subnet: 10.0.0.0/24, foo: 1}", "5:33: networks.n.ipam.config.0 additional properties 'foo' not allowed"],
  ] as const)("%s", ([pool, expected]) => {
    expect(problemsOfText(`networks:\n  n:\n    ipam:\n      config:\n        - ${pool}\n`)).toEqual([
      `compose.yaml:${expected}`,
    ]);
  });

  test("two subnets on one bridge", () => {
    const text =
      "networks:\n  n:\n    ipam:\n      config:\n        - subnet: 10.0.0.0/24\n        - subnet: 10.0.1.0/24\n";
    expect(problemsOfText(text)).toEqual(["compose.yaml:6:11: bridge driver doesn't support multiple subnets"]);
  });

  test("two networks on one range", () => {
    const text =
      "networks:\n  a: {ipam: {config: [{subnet: 10.0.1.0/24}]}}\n  b: {ipam: {config: [{subnet: 10.0.0.0/16}]}}\n";
    expect(problemsOfText(text)).toEqual([
      "compose.yaml:3:23: invalid pool request: Pool overlaps with other one on this address space",
    ]);
  });
});

test.for([
  ["an unknown setting", "networks: {n: {foo: 1}}", "1:16: networks.n additional properties 'foo' not allowed"],
  ["text for a network", "networks: {n: x}", "1:12: networks.n must be a mapping or null"],
  ["a list of networks", "networks: [n]", "1:1: networks must be a mapping"],
] as const)("%s is an error", ([, text, expected]) => {
  expect(problemsOfText(text)).toEqual([`compose.yaml:${expected}`]);
});

test("settings of somebody else's network are ignored, with a warning", () => {
  const spec = loadText("services: {}\nnetworks: {n: {external: true, driver: macvlan}}");
  expect(spec.networks).toMatchObject([{ name: "n", external: true, driver: "bridge" }]);
  expect(warningsOf(spec)).toEqual([
    "compose.yaml:2:32: networks.n: driver is ignored, since the network is external: somebody else made it",
  ]);
});

test("a macvlan network is read with its driver's options; it has one subnet, and shares none with another network", () => {
  const text = (more: string): string =>
    [
      "networks:",
      "  lan: {driver: macvlan, driver_opts: {parent: eth0.10, macvlan_mode: private}, ipam: {config: [{subnet: 192.168.0.0/24}]}}",
      more,
    ].join("\n");
  const spec = loadText(text(""));
  expect(warningsOf(spec)).toEqual([]);
  expect(spec.networks[0]).toMatchObject({
    driver: "macvlan",
    driverOpts: { parent: "eth0.10", macvlan_mode: "private" },
  });
  const overlap = "  b: {ipam: {config: [{subnet: 192.168.0.128/25}]}}";
  expect(() => loadText(text(overlap))).toThrow("Pool overlaps with other one on this address space");
  const two = "  two: {driver: macvlan, ipam: {config: [{subnet: 10.1.0.0/24}, {subnet: 10.2.0.0/24}]}}";
  expect(() => loadText(text(two))).toThrow("docknet does not emulate several subnets of one macvlan network");
});

test("what is not emulated is said", () => {
  const text = [
    "networks:",
    "  m: {driver: ipvlan}",
    "  six:",
    "    enable_ipv6: true",
    "    ipam: {driver: foo, config: [{subnet: 'fd00::/64'}, {subnet: 10.0.0.0/24}]}",
  ].join("\n");
  const spec = loadText(text);
  expect(warningsOf(spec)).toEqual([
    'compose.yaml:2:7: network driver "ipvlan" is not emulated yet',
    "compose.yaml:4:5: IPv6 is not emulated: enable_ipv6 has no effect",
    'compose.yaml:5:12: IPAM driver "foo" is not emulated: addresses are chosen by the default one',
    "compose.yaml:5:35: IPv6 is not emulated: pool fd00::/64 is ignored",
  ]);
  expect(spec.networks[1]?.ipam.map(({ subnet }) => subnet)).toEqual(["10.0.0.0/24"]);
});
