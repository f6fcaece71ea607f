import { readFileSync, writeFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { renderJsonSchema } from "../../../src/spec/x-docknet.ts";
import { loadText, problemsOfText, warningsOf } from "./lab.ts";

const services = "services: {web: {image: x}, db: {profiles: [off]}}\n";
const load = (block: string) => loadText(`${services}x-docknet:\n  ${block}\n`);
const problems = (block: string) => problemsOfText(`${services}x-docknet:\n  ${block}\n`);
const at = (line: number, column: number) => ({ file: "compose.yaml", line, column });

test("without a block, engine and world have their defaults", () => {
  const { engine, world, checks } = loadText(services);
  expect({ engine, world, checks }).toEqual({
    engine: {
      profile: "docker-29",
      userlandProxy: true,
      ipForward: false,
      allowDirectRouting: false,
      icc: true,
      addressPools: [],
    },
    world: {
      lan: "192.168.0.0/24",
      host: "192.168.0.10",
      neighbour: "192.168.0.20",
      router: { lan: "192.168.0.1", public: "203.0.113.91", forwards: [], static: [] },
      internet: { subnet: "203.0.113.0/24", www: "203.0.113.80", dns: "203.0.113.53" },
    },
    checks: [],
  });
});

test("every flag of the engine is read", () => {
  const block =
    "engine: {profile: docker-28, userland-proxy: false, ip-forward: true, allow-direct-routing: true, icc: 'false', bip: 10.9.0.1/16, mtu: 1400, default-address-pools: [{base: 10.0.0.0/8, size: 24}]}";
  expect(load(block).engine).toEqual({
    profile: "docker-28",
    userlandProxy: false,
    ipForward: true,
    allowDirectRouting: true,
    icc: false,
    bip: "10.9.0.1/16",
    mtu: 1400,
    addressPools: [{ base: "10.0.0.0/8", size: 24 }],
    at: at(3, 3),
  });
});

test("forwards have three forms", () => {
  const forwards = load(
    'world: {router: {forwards: [8080, "80:8080", "5353:53/udp", {public: 443, to: 192.168.0.20:8443, protocol: tcp}]}}',
  ).world.router.forwards;
  expect(forwards.map(({ publicPort, proto, to, toPort }) => `${publicPort}/${proto} ${to}:${toPort}`)).toEqual([
    "8080/tcp 192.168.0.10:8080",
    "80/tcp 192.168.0.10:8080",
    "5353/udp 192.168.0.10:53",
    "443/tcp 192.168.0.20:8443",
  ]);
  expect(forwards[1]?.at).toEqual(at(3, 37));
});

test("static NAT has two forms, and words for the machines of the LAN", () => {
  const { router } = load(
    'world: {neighbour: 192.168.0.77, router: {static: ["203.0.113.92:neighbour", {public: 203.0.113.93, to: host}, "203.0.113.94:192.168.0.5"]}}',
  ).world;
  expect(router.static).toEqual([
    { public: "203.0.113.92", to: "192.168.0.77", at: at(3, 54) },
    { public: "203.0.113.93", to: "192.168.0.10", at: at(3, 80) },
    { public: "203.0.113.94", to: "192.168.0.5", at: at(3, 114) },
  ]);
});

test("everything that is wrong with static NAT is told at once, each at its place", () => {
  const mappings = [
    "203.0.113.91:host",
    "203.0.113.80:192.168.0.30",
    "203.0.113.0:192.168.0.31",
    "198.51.100.1:192.168.0.32",
    "203.0.113.92:192.168.0.255",
    "203.0.113.93:192.168.0.1",
    "203.0.113.94:10.0.0.1",
    "203.0.113.95:192.168.0.40",
    "203.0.113.95:192.168.0.41",
    "203.0.113.96:192.168.0.40",
    "203.0.113.97",
    "203.0.113.97:80:192.168.0.42",
    "203.0.113.97:web",
    ":host",
    "x:host",
  ];
  const lines = mappings.map((m) => `      - "${m}"`).join("\n");
  const found = problems(`world:\n    router:\n     static:\n${lines}`);
  expect(
    found
      .map((text) => text.replace("compose.yaml:", ""))
      .sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10)),
  ).toMatchInlineSnapshot(`
    [
      "6:9: x-docknet.world.router.static: 203.0.113.91 is already the address of router.public",
      "7:9: x-docknet.world.router.static: 203.0.113.80 is already the address of internet.www",
      "8:9: x-docknet.world.router.static: 203.0.113.0 is the network or broadcast address of 203.0.113.0/24",
      "9:9: x-docknet.world.router.static: subnet 203.0.113.0/24 doesn't contain 198.51.100.1",
      "10:9: static NAT to 192.168.0.255: it is the network or broadcast address of the LAN 192.168.0.0/24",
      "11:9: static NAT to 192.168.0.1: it is the router itself",
      "12:9: static NAT to 10.0.0.1: the LAN 192.168.0.0/24 doesn't contain this address",
      "14:9: x-docknet.world.router.static: 203.0.113.95 is already the address of router.static",
      "15:9: duplicate static NAT: 192.168.0.40 already has 203.0.113.95",
      "16:9: invalid static NAT: "203.0.113.97" must be PUBLIC:ADDRESS, PUBLIC:host or PUBLIC:neighbour",
      "17:9: invalid static NAT: "203.0.113.97:80:192.168.0.42" must be PUBLIC:ADDRESS, PUBLIC:host or PUBLIC:neighbour",
      "18:9: invalid IPv4 address: web",
      "19:9: invalid static NAT: ":host" must be PUBLIC:ADDRESS, PUBLIC:host or PUBLIC:neighbour",
      "20:9: invalid IPv4 address: x",
    ]
  `);
});

test("the world may be another one", () => {
  const block =
    "world: {lan: 10.5.0.0/24, host: 10.5.0.2, neighbour: 10.5.0.3, router: {lan: 10.5.0.1, public: 198.51.100.1}, internet: {subnet: 198.51.100.0/24, www: 198.51.100.80, dns: 198.51.100.53}}";
  expect(load(block).world).toEqual({
    lan: "10.5.0.0/24",
    host: "10.5.0.2",
    neighbour: "10.5.0.3",
    router: { lan: "10.5.0.1", public: "198.51.100.1", forwards: [], static: [] },
    internet: { subnet: "198.51.100.0/24", www: "198.51.100.80", dns: "198.51.100.53" },
    at: at(3, 3),
  });
});

describe("checks", () => {
  const service = (name: string) => ({ kind: "service", service: name });
  test.for([
    [
      "{from: web, to: 'web:80'}",
      { from: service("web"), to: service("web"), port: 80, proto: "tcp", expect: "reach" },
    ],
    [
      "{from: '@host', to: '@router:53/udp', expect: refuse}",
      {
        from: { kind: "node", node: "@host" },
        to: { kind: "node", node: "@router" },
        port: 53,
        proto: "udp",
        expect: "refuse",
      },
    ],
    [
      "{from: '@internet', to: '192.168.0.10:80', expect: drop}",
      {
        from: { kind: "node", node: "@internet" },
        to: { kind: "address", address: "192.168.0.10" },
        port: 80,
        proto: "tcp",
        expect: "drop",
      },
    ],
    [
      "{from: web, to: web, proto: icmp, expect: unreachable}",
      { from: service("web"), to: service("web"), proto: "icmp", expect: "unreachable" },
    ],
    [
      "{name: n, from: web, to: 'web:80', proto: sctp, seen-as: 172.18.0.2, network: default, source-port: 40000}",
      {
        name: "n",
        from: service("web"),
        to: service("web"),
        port: 80,
        proto: "sctp",
        network: "default",
        expect: "reach",
        seenAs: "172.18.0.2",
        sourcePort: 40000,
      },
    ],
    [
      "{from: '@internet', to: 'web:21', transfer: extended-passive, expect: refuse}",
      {
        from: { kind: "node", node: "@internet" },
        to: service("web"),
        port: 21,
        proto: "tcp",
        transfer: "extended-passive",
        expect: "refuse",
      },
    ],
    [
      "{from: '@host', to: '@internet:80', seen-as: '203.0.113.92:40000', source-port: 40000}",
      {
        from: { kind: "node", node: "@host" },
        to: { kind: "node", node: "@internet" },
        port: 80,
        proto: "tcp",
        expect: "reach",
        seenAs: "203.0.113.92",
        seenPort: 40000,
        sourcePort: 40000,
      },
    ],
  ] as const)("%s", ([check, expected]) => {
    expect(load(`checks: [${check}]`).checks).toEqual([{ ...expected, at: at(3, 12) }]);
  });

  test("one on a service in no active profile is left out, with a warning", () => {
    const spec = load("checks: [{from: web, to: 'db:5432'}]");
    expect([spec.checks, warningsOf(spec)]).toEqual([
      [],
      ['compose.yaml:3:12: check left out: service "db" is in no active profile'],
    ]);
  });

  test.for([
    [
      "{from: nobody, to: 'web:80'}",
      '13: check refers to undefined service "nobody": it must be a service, @host, @router, @neighbour, @internet',
    ],
    [
      "{from: 10.0.0.1, to: 'web:80'}",
      '13: check refers to undefined service "10.0.0.1": it must be a service, @host, @router, @neighbour, @internet',
    ],
    [
      "{from: web, to: 'x:80'}",
      '24: check refers to undefined service "x": it must be a service, @host, @router, @neighbour, @internet or an IPv4 address',
    ],
    ["{from: web, to: web}", '24: check to "web" needs a port'],
    ["{from: web, to: 'web:80', proto: icmp}", '24: check to "web:80": icmp has no ports'],
    ["{from: web, to: 'web:80/udp', proto: tcp}", '24: check "to: web:80/udp" contradicts "proto: tcp"'],
    ["{from: web, to: 'web:0'}", "24: invalid port: 0"],
    ["{from: web, to: 'web:80/foo'}", "24: invalid proto: foo"],
    ["{from: web, to: 'web:80', network: x}", "38: check refers to undefined network x"],
    ["{from: web, to: 'web:80', seen-as: x}", "38: invalid IPv4 address: x"],
    ["{from: web, to: 'web:80', seen-as: '10.0.0.1:0'}", "38: invalid seen-as port: 0"],
    [
      "{from: web, to: 'web:80', seen-as: '10.0.0.1:1'}",
      '38: check "seen-as: 10.0.0.1:1" names a port, and no source-port says which one is sent from',
    ],
    ["{from: web, to: 'web:80', seen-as: '10.0.0.1:1:2'}", "38: invalid IPv4 address: 10.0.0.1:1:2"],
    ["{from: web, to: web, proto: icmp, seen-as: '10.0.0.1:1'}", '46: check "seen-as: 10.0.0.1:1": icmp has no ports'],
    ["{from: web, to: 'web:80', source-port: 70000}", "38: invalid source-port: 70000"],
    [
      "{from: web, to: 'web:80', expect: maybe}",
      '38: x-docknet.checks.0.expect: expected one of "reach"|"refuse"|"drop"|"unreachable"',
    ],
    ["{to: 'web:80'}", "12: x-docknet.checks.0 missing property 'from'"],
    [
      "{from: web, to: 'web:21', transfer: port}",
      '38: x-docknet.checks.0.transfer: expected one of "active"|"passive"|"extended-passive"',
    ],
    [
      "{from: web, to: 'web:21/udp', transfer: active}",
      "42: check with transfer: active is about FTP, which goes over tcp, not udp",
    ],
    [
      "{from: web, to: web, proto: icmp, transfer: passive}",
      "46: check with transfer: passive is about FTP, which goes over tcp, not icmp",
    ],
    ["{from: web, to: 'web:80', port: 1}", "38: x-docknet.checks.0 additional properties 'port' not allowed"],
  ] as const)("%s is an error", ([check, expected]) => {
    expect(problems(`checks: [${check}]`)).toEqual([`compose.yaml:3:${expected}`]);
  });
});

test.for([
  ["foo: 1", "3: x-docknet additional properties 'foo' not allowed"],
  [
    "engine: {profile: docker-1}",
    '12: x-docknet.engine.profile: expected one of "docker-29"|"docker-28"|"docker-20.10"',
  ],
  ["engine: {mtu: 10}", "12: x-docknet.engine.mtu: 10 is not between 68 and 65535"],
  ["engine: {bip: 10.0.0.1}", "12: invalid address 10.0.0.1: invalid CIDR block notation"],
  [
    "engine: {default-address-pools: [{base: 10.0.0.0/16, size: 8}]}",
    "36: invalid base pool 10.0.0.0/16: subnets of /8 cannot be cut from it",
  ],
  ["world: {lan: 192.168.0.1/24}", "11: invalid subnet 192.168.0.1/24: it should be 192.168.0.0/24"],
  ["world: {host: 10.0.0.1}", "11: x-docknet.world.host: subnet 192.168.0.0/24 doesn't contain 10.0.0.1"],
  ["world: {host: 192.168.0.20}", "10: x-docknet.world.neighbour: 192.168.0.20 is already the address of host"],
  [
    "world: {host: 192.168.0.255}",
    "11: x-docknet.world.host: 192.168.0.255 is the network or broadcast address of 192.168.0.0/24",
  ],
  [
    "world: {internet: {subnet: 192.168.0.0/16, www: 192.168.9.80, dns: 192.168.9.53}, router: {public: 192.168.9.1}}",
    "10: x-docknet.world: lan 192.168.0.0/24 overlaps internet 192.168.0.0/16",
  ],
  [
    "world: {router: {forwards: [80, '80:81']}}",
    "35: duplicate forward: public port 80/tcp already goes to 192.168.0.10:80",
  ],
  ["world: {router: {forwards: [{public: 80}]}}", "31: x-docknet.world.router.forwards.0 missing property 'to'"],
  ["world: {router: {forwards: [x]}}", '31: invalid forward: "x" must be PORT, PUBLIC:PORT or PUBLIC:PORT/proto'],
  [
    "world: {router: {forwards: [{public: 80, to: 10.0.0.1:80}]}}",
    "31: forward to 10.0.0.1: the LAN 192.168.0.0/24 doesn't contain this address",
  ],
  [
    "world: {router: {forwards: [{public: 80, to: 192.168.0.1:80}]}}",
    "31: forward to 192.168.0.1: it is the router itself",
  ],
  [
    "world: {router: {forwards: [{public: 80, to: 192.168.0.255:80}]}}",
    "31: forward to 192.168.0.255: it is the network or broadcast address of the LAN 192.168.0.0/24",
  ],
  ["world: {router: {static: [{public: 203.0.113.92}]}}", "29: x-docknet.world.router.static.0 missing property 'to'"],
  [
    "world: {router: {static: [{public: 203.0.113.92, to: host, port: 80}]}}",
    "62: x-docknet.world.router.static.0 additional properties 'port' not allowed",
  ],
  [
    "world: {internet: {subnet: 192.0.2.0/24, www: 192.0.2.80, dns: 192.0.2.53}, router: {public: 192.0.2.1}}",
    "22: x-docknet.world.internet.subnet: 192.0.2.0/24 overlaps 192.0.2.0/24, which is in use on some machines",
  ],
] as const)("%s is an error", ([block, expected]) => {
  expect(problems(block)).toEqual([`compose.yaml:3:${expected}`]);
});

test("the committed JSON Schema is the one that the zod schemas make", () => {
  const file = new URL("../../../src/spec/x-docknet.schema.json", import.meta.url);
  const rendered = `${JSON.stringify(renderJsonSchema(), null, 2)}\n`;
  if (process.env.DOCKNET_UPDATE_GOLDEN === "1") writeFileSync(file, rendered);
  expect(readFileSync(file, "utf8")).toBe(rendered);
});

test("every field of the JSON Schema is described", () => {
  const undescribed: string[] = [];
  const visit = (schema: unknown, path: string): void => {
    if (typeof schema !== "object" || schema === null) return;
    const { properties = {}, items, anyOf = [], additionalProperties, description } = schema as Record<string, never>;
    if (path !== "" && !path.includes("anyOf") && description === undefined) undescribed.push(path);
    for (const [key, value] of Object.entries(properties)) visit(value, `${path}/${key}`);
    for (const [i, value] of Object.entries(anyOf)) visit(value, `${path}/anyOf${i}`);
    visit(items, `${path}/items`);
    visit(additionalProperties, `${path}/*`);
  };
  visit(renderJsonSchema(), "");
  expect(undescribed.filter((path) => !path.endsWith("/items") && path !== "/*" && !path.endsWith("/*/*"))).toEqual([]);
});
