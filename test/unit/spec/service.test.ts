import { describe, expect, test } from "vitest";
import { loadText, problemsOfText, serviceOf, warningsOf } from "./lab.ts";

const at = (line: number, column: number) => ({ file: "compose.yaml", line, column });
const service = (body: string, rest = "") => serviceOf(loadText(`services: {a: {${body}}, b: {}}\n${rest}`), "a");

test("a bare service has these values", () => {
  expect(serviceOf(loadText("services:\n  a: {}\n"), "a")).toEqual({
    key: "a",
    replicas: 1,
    mode: { kind: "networks" },
    attachments: [
      { network: "default", aliases: [], driverOpts: {}, linkLocalIps: [], priority: 0, gwPriority: 0, at: at(2, 3) },
    ],
    ports: [],
    expose: [],
    serve: [],
    run: false,
    links: [],
    dns: [],
    dnsSearch: [],
    dnsOpt: [],
    extraHosts: [],
    sysctls: {},
    dependsOn: [],
    labels: {},
    at: at(2, 3),
  });
});

test.for([
  ["network_mode: none", { kind: "none" }],
  ["network_mode: host", { kind: "host" }],
  ["network_mode: bridge", { kind: "bridge" }],
  ["network_mode: default", { kind: "bridge" }],
  ["network_mode: 'service:b'", { kind: "service", service: "b" }],
  ["network_mode: 'container:x'", { kind: "container", container: "x" }],
  ["network_mode: host, networks: []", { kind: "host" }],
] as const)("%s is %j", ([body, mode]) => {
  const { mode: found, attachments } = service(body);
  expect({ found, attachments }).toEqual({ found: mode, attachments: [] });
});

test("an endpoint has all its settings", () => {
  const settings =
    "aliases: [x, y, x], ipv4_address: 10.0.0.5, mac_address: 02-42-AC-11-00-05, priority: 3, gw_priority: 4, interface_name: lan0, link_local_ips: [169.254.1.1], driver_opts: {k: 1}";
  const rest = "networks: {n: {ipam: {config: [{subnet: 10.0.0.0/24}]}}, m: {}}";
  expect(service(`networks: {n: {${settings}}, m: }`, rest).attachments).toEqual([
    {
      network: "n",
      aliases: ["x", "y"],
      ipv4: "10.0.0.5",
      mac: "02:42:ac:11:00:05",
      interfaceName: "lan0",
      driverOpts: { k: "1" },
      linkLocalIps: ["169.254.1.1"],
      priority: 3,
      gwPriority: 4,
      at: at(1, 27),
    },
    {
      network: "m",
      aliases: [],
      driverOpts: {},
      linkLocalIps: [],
      priority: 0,
      gwPriority: 0,
      at: at(1, 1 + `services: {a: {networks: {n: {${settings}}, `.length),
    },
  ]);
});

test("the endpoint option ifname is interface_name", () => {
  const [endpoint] = service(
    "networks: {default: {driver_opts: {com.docker.network.endpoint.ifname: lan0}}}",
  ).attachments;
  expect(endpoint?.interfaceName).toBe("lan0");
});

describe("the other settings", () => {
  test.for([
    ["command: 'sh -c \"echo a b\" c\\ d'", { command: ["sh", "-c", "echo a b", "c d"] }],
    ["command: [sh, -c, x y]", { command: ["sh", "-c", "x y"] }],
    [
      "dns: 1.1.1.1, dns_search: a.test, dns_opt: ['ndots:1']",
      { dns: ["1.1.1.1"], dnsSearch: ["a.test"], dnsOpt: ["ndots:1"] },
    ],
    ["dns: [1.1.1.1, 8.8.8.8, 1.1.1.1], dns_search: [a, b]", { dns: ["1.1.1.1", "8.8.8.8"], dnsSearch: ["a", "b"] }],
    [
      "extra_hosts: ['a:1.1.1.1', b=2.2.2.2, 'c=[::1]', 'd:::1', 'e:host-gateway']",
      {
        extraHosts: [
          { host: "a", address: "1.1.1.1" },
          { host: "b", address: "2.2.2.2" },
          { host: "c", address: "::1" },
          { host: "d", address: "::1" },
          { host: "e", address: "host-gateway" },
        ],
      },
    ],
    [
      "extra_hosts: {a: 1.1.1.1, b: [2.2.2.2, 3.3.3.3]}",
      {
        extraHosts: [
          { host: "a", address: "1.1.1.1" },
          { host: "b", address: "2.2.2.2" },
          { host: "b", address: "3.3.3.3" },
        ],
      },
    ],
    ["sysctls: {net.core.somaxconn: 1024, kernel.shmmax: 1}", { sysctls: { "net.core.somaxconn": "1024" } }],
    ["sysctls: [net.ipv4.ip_forward=1, fs.mqueue=2]", { sysctls: { "net.ipv4.ip_forward": "1" } }],
    ["mac_address: 02:42:ac:11:00:02", { mac: "02:42:ac:11:00:02" }],
    ["scale: 3", { replicas: 3 }],
    ["deploy: {replicas: '2'}", { replicas: 2 }],
    ["deploy: {replicas: 0}", { replicas: 0 }],
    ["hostname: web.example, domainname: test", { hostname: "web.example", domainname: "test" }],
    ["hostname: a_b", { hostname: "a_b" }],
    ["hostname: a b", { hostname: "a b" }],
    ["hostname: -a", { hostname: "-a" }],
    ["depends_on: [b]", { dependsOn: ["b"] }],
    ["depends_on: {b: {condition: service_healthy}}", { dependsOn: ["b"] }],
    [
      "links: [b, 'b:db']",
      {
        dependsOn: ["b"],
        links: [
          { service: "b", alias: "b", external: false, at: at(1, 24) },
          { service: "b", alias: "db", external: false, at: at(1, 27) },
        ],
      },
    ],
    ["network_mode: 'service:b'", { dependsOn: ["b"] }],
    ["build: ., volumes: [x], gpus: all, cap_add: [NET_ADMIN], x-any: 1", {}],
  ] as const)("%s", ([body, expected]) => {
    expect(service(body)).toMatchObject(expected);
  });
});

describe("errors, in the words of Compose and Docker", () => {
  test.for([
    ["foo: 1", "2:7: services.a additional properties 'foo' not allowed"],
    ["image: [x]", "2:7: services.a.image must be a string"],
    [
      "network_mode: backend",
      '2:7: unsupported network_mode "backend": it must be none, host, bridge, default, service:NAME or container:NAME',
    ],
    [
      "network_mode: host, networks: [default]",
      "2:7: service a declares mutually exclusive `network_mode` and `networks`: invalid compose project",
    ],
    ["network_mode: 'service:x'", "2:7: service \"x\" not found for network_mode 'service:x'"],
    [
      "network_mode: 'service:b', ports: [80]",
      "2:34: conflicting options: port publishing and the container type network mode",
    ],
    ["network_mode: 'container:b', hostname: x", "2:36: conflicting options: hostname and the network mode"],
    ["networks: [backend]", '2:18: service "a" refers to undefined network backend: invalid compose project'],
    ["networks: {default: {foo: 1}}", "2:28: services.a.networks.default additional properties 'foo' not allowed"],
    ["networks: {default: {ipv4_address: x}}", "2:28: invalid IPv4 address: x"],
    [
      "networks: {default: {interface_name: averyveryverylongname}}",
      '2:28: invalid interface name "averyveryverylongname": numerical result out of range',
    ],
    ["mac_address: zz", "2:7: zz is not a valid mac address"],
    ["container_name: bad name", "2:7: Invalid container name (bad name), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"],
    [
      "container_name: xx, scale: 2",
      "2:27: services.scale: can't set container_name and a as container name must be unique: invalid compose project",
    ],
    [
      "container_name: xx, deploy: {replicas: 2}",
      "2:36: services.deploy.replicas: can't set container_name and a as container name must be unique: invalid compose project",
    ],
    [
      "scale: 2, deploy: {replicas: 3}",
      "2:7: services.a: can't set distinct values on 'scale' and 'deploy.replicas': invalid compose project",
    ],
    ["scale: -1", "2:7: services.a.scale must be greater than or equal to 0"],
    ["scale: x", '2:7: services.a.scale failed to cast to expected type: strconv.Atoi: parsing "x": invalid syntax'],
    ["scale: 1000000", "2:7: services.a: 1000000 replicas are more than 10000"],
    ["dns: foo", "2:12: invalid IP address: foo"],
    ["extra_hosts: [bad]", '2:21: bad format for add-host: "bad"'],
    ["extra_hosts: ['a:xyz']", '2:21: invalid IP address in add-host: "xyz"'],
    ["depends_on: [x]", '2:20: service "a" depends on undefined service "x": invalid compose project'],
    [
      "depends_on: {x: {condition: service_started, required: false}}",
      '2:20: service "a" depends on undefined service "x": invalid compose project',
    ],
    ["depends_on: [a]", "2:20: dependency cycle detected: a -> a"],
    ["links: [x]", '2:15: service "a" depends on undefined service "x": invalid compose project'],
    ["command: 'a \"b'", "2:7: invalid command line string"],
    ["x-docknet: {serve: [x], foo: 1}", "2:31: services.a.x-docknet additional properties 'foo' not allowed"],
  ] as const)("%s", ([body, expected]) => {
    expect(problemsOfText(`services:\n  a: {${body}}\n  b: {}\n`)).toEqual([`compose.yaml:${expected}`]);
  });

  test.for([
    [
      "a key that is no name",
      "services:\n  ../../etc: {}",
      "2:3: services additional properties '../../etc' not allowed",
    ],
    ["text for a service", "services:\n  a: x", "2:3: services.a must be a mapping"],
    ["a list of services", "services: []", "1:1: services must be a mapping"],
    ["an unknown section", "foo: 1", "1:1: additional properties 'foo' not allowed"],
    [
      "one name for two containers",
      "services:\n  a: {container_name: xx}\n  b: {container_name: xx}",
      '3:7: services.b: container name "xx" is already in use by service a',
    ],
    [
      "a ring of dependencies",
      "services:\n  a: {depends_on: [b]}\n  b: {depends_on: [c]}\n  c: {depends_on: [a]}",
      "4:20: dependency cycle detected: a -> b -> c -> a",
    ],
  ] as const)("%s", ([, text, expected]) => {
    expect(problemsOfText(text)).toEqual([`compose.yaml:${expected}`]);
  });
});

describe("fixed addresses", () => {
  const lab = (a: string, b: string, more = "") =>
    `services:\n  a: {networks: {n: {ipv4_address: ${a}}}${more}}\n  b: {networks: {n: {ipv4_address: ${b}}}}\nnetworks: {n: {ipam: {config: [{subnet: 10.0.0.0/24, gateway: 10.0.0.9}]}}}\n`;
  test.for([
    ["two of one network differ", lab("10.0.0.5", "10.0.0.6"), []],
    ["the second of two equal ones is refused", lab("10.0.0.5", "10.0.0.5"), ["3:22: Address already in use"]],
    ["the gateway's is taken", lab("10.0.0.9", "10.0.0.6"), ["2:22: Address already in use"]],
    [
      "the network's and the broadcast are taken",
      lab("10.0.0.0", "10.0.0.255"),
      ["2:22: Address already in use", "3:22: Address already in use"],
    ],
    ["the second replica has none", lab("10.0.0.5", "10.0.0.6", ", scale: 2"), ["2:22: Address already in use"]],
    [
      "one outside all subnets is refused",
      lab("10.0.1.5", "10.0.0.6"),
      ["2:22: invalid endpoint settings: no configured subnet contains IP address 10.0.1.5"],
    ],
  ] as const)("%s", ([, text, expected]) => {
    expect(problemsOfText(text)).toEqual(expected.map((line) => `compose.yaml:${line}`));
  });
});

test("all problems come in one go", () => {
  const text =
    "services:\n  a: {ports: [x:80, 80/icmp], networks: [n]}\n  b: {dns: x}\nnetworks: {m: {ipam: {config: [{subnet: x}]}}}\nfoo: 1\n";
  expect(problemsOfText(text).toSorted()).toEqual([
    "compose.yaml:2:15: invalid hostPort: x",
    "compose.yaml:2:21: invalid proto: icmp",
    'compose.yaml:2:42: service "a" refers to undefined network n: invalid compose project',
    "compose.yaml:3:12: invalid IP address: x",
    "compose.yaml:4:33: invalid subnet x: invalid CIDR block notation",
    "compose.yaml:5:1: additional properties 'foo' not allowed",
  ]);
});

test("what is not emulated is said, and nothing else", () => {
  const text = [
    "services:",
    "  a:",
    "    image: x",
    "    dns: ['2001:4860:4860::8888', 1.1.1.1]",
    "    external_links: ['old:db']",
    "    networks: {default: {ipv6_address: 'fd00::2', link_local_ips: ['fe80::1']}}",
    "    cap_add: [NET_ADMIN]",
    "    gpus: all",
    "  h: {image: x, network_mode: host, ports: [80]}",
  ].join("\n");
  expect(warningsOf(loadText(text))).toEqual([
    "compose.yaml:6:26: IPv6 is not emulated: ipv6_address is ignored",
    "compose.yaml:6:68: IPv6 is not emulated: link-local address fe80::1 is ignored",
    'compose.yaml:5:22: external link "old:db" is not emulated: only containers of this lab can be linked',
    "compose.yaml:9:37: Published ports are discarded when using host network mode",
  ]);
});

describe("profiles", () => {
  const text =
    "services:\n  a: {}\n  b: {profiles: [x]}\n  c: {profiles: [y, z]}\n  d: {depends_on: {b: {condition: service_started, required: false}}}\n";
  const keys = (options: object) =>
    loadText(text, options).services.map(({ key, dependsOn }) => [key, ...dependsOn].join(">"));
  test.for([
    ["none", {}, ["a", "d"]],
    ["one", { profiles: ["x"] }, ["a", "b", "d>b"]],
    ["several", { profiles: ["x", "z"] }, ["a", "b", "c", "d>b"]],
    ["all", { profiles: ["*"] }, ["a", "b", "c", "d>b"]],
    ["from the environment", { env: { COMPOSE_PROFILES: "x, y" } }, ["a", "b", "c", "d>b"]],
    ["options win over the environment", { profiles: ["z"], env: { COMPOSE_PROFILES: "x" } }, ["a", "c", "d"]],
  ] as const)("%s", ([, options, expected]) => {
    expect(keys(options)).toEqual(expected);
  });

  test("a dependency in no active profile is undefined", () => {
    expect(problemsOfText("services:\n  a: {depends_on: [b]}\n  b: {profiles: [x]}\n")).toEqual([
      'compose.yaml:2:20: service "a" depends on undefined service "b": invalid compose project',
    ]);
  });
});
