/**
 * Who reaches whom: docker-reference section 8, row by row, HEAD column, as far as it is IPv4 and the lab has the place.
 * Source addresses are those of section 7.6. "timeout" there is "drop" here, "refused" is "refuse", "unreachable" is itself.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { docker29Ruleset } from "../../../../src/plan/firewall/docker-29.ts";
import { bridgesOf, type State } from "../../../../src/state/state.ts";
import { stateAfter } from "../../../support/commands.ts";
import { addressNamed, predictTo, verdictOf } from "../../../support/predict.ts";
import { newDaemon, protoPort, WORLD, withContainer, withNetwork } from "../../../support/state.ts";

type Row = readonly [claim: string, from: string, to: string, port: string, verdict: string];

function city(engine: Parameters<typeof newDaemon>[0] = {}): State {
  const forwards = [
    {
      publicPort: protoPort("8080").port,
      proto: "tcp",
      to: WORLD.host,
      toPort: protoPort("8080").port,
      at: { file: "f", line: 1, column: 1 },
    },
    {
      publicPort: protoPort("2222").port,
      proto: "tcp",
      to: WORLD.host,
      toPort: protoPort("9999").port,
      at: { file: "f", line: 1, column: 1 },
    },
  ] as const;
  let state = newDaemon(engine, { router: { ...WORLD.router, forwards } });
  const mode = (m: string) => ({ options: { "bridge.gateway_mode_ipv4": m } });
  for (const [name, text] of [
    ["n1", {}],
    ["n2", {}],
    ["inner", { internal: true }],
    ["noicc", { options: { "bridge.enable_icc": "false" } }],
    ["r", mode("routed")],
    ["u", mode("nat-unprotected")],
    ["cut", { internal: true, ...mode("isolated") }],
  ] as const)
    state = withNetwork(state, name, text);
  const serves = ["80", "9000", "53/udp"];
  for (const [name, network, publish] of [
    ["a", "n1", ["8080:80", "127.0.0.1:8081:80", "5353:53/udp"]],
    ["a2", "n1", []],
    ["b", "n2", ["8090:80", "192.168.0.10:8091:80"]],
    ["i1", "inner", ["8099:80"]],
    ["i2", "inner", []],
    ["c1", "noicc", ["8100:80"]],
    ["c2", "noicc", []],
    ["r1", "r", ["8110:80"]],
    ["u1", "u", ["8120:80"]],
    ["x1", "cut", []],
    ["x2", "cut", []],
  ] as const)
    state = withContainer(state, name, { networks: [network], publish, serves });
  state = withContainer(state, "agent", { mode: "host", serves: ["9100", "9100/udp"] });
  state = withContainer(state, "lonely", { mode: "none", serves: ["80"] });
  return withContainer(state, "side", { mode: "container:a", serves: ["7000"] });
}

const proxyOn = city();
const check =
  (state: State) =>
  ([, from, to, port, want]: Row): void => {
    const verdict = verdictOf(predictTo(state, from, to, port));
    // "(name)" in a verdict stands for an address
    expect(verdict).toBe(want.replaceAll(/\((gw\(\w+\)|\w+)\)/g, (_, name: string) => addressNamed(state, name)));
  };
const title = "%s: %s to %s %s is %s";

describe("a container", () => {
  test.for<Row>([
    ["any port of its own network", "a2", "a", "9000", "reach as (a2) by a"],
    ["ping on its own network", "a2", "a", "ping", "reach as (a2) by a"],
    ["a closed port of its own network", "a2", "a", "1", "refuse at a"],
    ["nobody's address of its own network", "a2", "172.18.99.99", "80", "unreachable at a2"],
    ["another network's container", "a", "b", "80", "drop: direct-access"],
    ["another network's container by ping", "a", "b", "ping", "drop: direct-access"],
    ["another network's published port at its own gateway", "a", "gw(n1)", "8090", "reach as (gw(n2)) by b"],
    ["another network's published port at that gateway", "a", "gw(n2)", "8090", "reach as (gw(n2)) by b"],
    ["another network's published port at the LAN address", "a", "host", "8090", "reach as (gw(n2)) by b"],
    ["a neighbour's published port at the gateway: by the proxy", "a2", "gw(n1)", "8080", "reach as (gw(n1)) by a"],
    ["a neighbour's published port at the LAN address: by the proxy", "a2", "host", "8080", "reach as (gw(n1)) by a"],
    ["a neighbour's published UDP port", "a2", "host", "5353/udp", "reach as (gw(n1)) by a"],
    ["its own published port through the host", "a", "host", "8080", "reach as (gw(n1)) by a"],
    ["itself", "a", "a", "80", "reach as (a) by a"],
    ["its own loopback", "a", "lo", "80", "reach as 127.0.0.1 by a"],
    ["its own loopback where the host's port is", "a", "lo", "8080", "refuse at a"],
    ["a port published on the host's loopback, at its gateway", "a", "gw(n1)", "8081", "refuse at @host"],
    ["a port published on the host's loopback, at the LAN address", "b", "host", "8081", "refuse at @host"],
    ["a port published on the LAN address, at the gateway", "a", "gw(n2)", "8091", "refuse at @host"],
    ["a port published on the LAN address, there", "a", "host", "8091", "reach as (gw(n2)) by b"],
    ["a service of the host at its gateway", "a", "gw(n1)", "9100", "reach as (a) by agent"],
    ["a service of the host at another gateway", "a", "gw(n2)", "9100", "reach as (a) by agent"],
    ["a UDP service of the host at the LAN address", "a", "host", "9100/udp", "reach as (a) by agent"],
    ["ping of the host", "a", "host", "ping", "reach as (a) by @host"],
    ["a LAN machine, behind the host's address", "a", "neighbour", "ping", "reach as (host) by @neighbour"],
    ["the internet, behind two NATs", "a", "www", "80", "reach as (public) by @internet"],
    ["the internet's name server over UDP", "a", "dns", "53/udp", "reach as (public) by @internet"],
    ["the internet's name server over TCP", "a", "dns", "53", "reach as (public) by @internet"],
    ["the web server's address, where no name server is", "a", "www", "53/udp", "refuse at @internet"],
    ["the name server's address, where the web server answers too", "a", "dns", "80", "reach as (public) by @internet"],
    ["a port that nobody has at the name server's address", "a", "dns", "54", "refuse at @internet"],
    ["the router", "a", "router", "ping", "reach as (host) by @router"],
  ])(title, check(proxyOn));
});

describe("the host", () => {
  test.for<Row>([
    ["a published port at a container", "@host", "a", "80", "reach as (gw(n1)) by a"],
    ["any port of a container", "@host", "a", "9000", "reach as (gw(n1)) by a"],
    ["ping of a container", "@host", "a", "ping", "reach as (gw(n1)) by a"],
    ["127.0.0.1", "@host", "lo", "8080", "reach as (gw(n1)) by a"],
    ["127.0.0.2", "@host", "127.0.0.2", "8080", "reach as (gw(n1)) by a"],
    ["its own LAN address", "@host", "host", "8080", "reach as (host) by a"],
    ["another network's gateway address", "@host", "gw(n2)", "8080", "reach as (gw(n2)) by a"],
    ["a port published on 127.0.0.1, there", "@host", "lo", "8081", "reach as (gw(n1)) by a"],
    ["a port published on 127.0.0.1, at the LAN address", "@host", "host", "8081", "refuse at @host"],
    ["a port published on the LAN address, at 127.0.0.1", "@host", "lo", "8091", "refuse at @host"],
    ["a container of an internal network", "@host", "i1", "80", "reach as (gw(inner)) by i1"],
    ["a container without icc", "@host", "c1", "9000", "reach as (gw(noicc)) by c1"],
    ["a routed container, any port", "@host", "r1", "9000", "reach as (gw(r)) by r1"],
    ["an isolated container: the bridge has no address", "@host", "x1", "80", "unreachable: router-private"],
    ["its own service", "@host", "lo", "9100", "reach as 127.0.0.1 by agent"],
  ])(title, check(proxyOn));
});

describe("a LAN neighbour", () => {
  test.for<Row>([
    ["a published port at the LAN address", "@neighbour", "host", "8080", "reach as (neighbour) by a"],
    ["a published UDP port", "@neighbour", "host", "5353/udp", "reach as (neighbour) by a"],
    ["a published port at a gateway address", "@neighbour", "gw(n1)", "8080", "reach as (neighbour) by a"],
    ["a container, published port", "@neighbour", "a", "80", "drop: direct-access"],
    ["a container, other port", "@neighbour", "a", "9000", "drop: direct-access"],
    ["a container by ping", "@neighbour", "a", "ping", "drop: direct-access"],
    ["a port published on 127.0.0.1, at the LAN address", "@neighbour", "host", "8081", "refuse at @host"],
    ["its own loopback, where nothing listens", "@neighbour", "lo", "8081", "refuse at @neighbour"],
    ["itself", "@neighbour", "neighbour", "ping", "reach as (neighbour) by @neighbour"],
    ["a service of the host", "@neighbour", "host", "9100", "reach as (neighbour) by agent"],
    ["a port that nobody has", "@neighbour", "host", "1", "refuse at @host"],
    ["ping of the host", "@neighbour", "host", "ping", "reach as (neighbour) by @host"],
    ["an internal container", "@neighbour", "i1", "80", "drop: internal-in"],
    ["a container without icc", "@neighbour", "c1", "80", "drop: direct-access"],
    ["a routed container, published port", "@neighbour", "r1", "80", "reach as (neighbour) by r1"],
    ["a routed container by ping", "@neighbour", "r1", "ping", "reach as (neighbour) by r1"],
    ["a routed container, other port", "@neighbour", "r1", "9000", "drop: default-drop"],
    ["a nat-unprotected container, any port", "@neighbour", "u1", "9000", "reach as (neighbour) by u1"],
    ["a nat-unprotected container by ping", "@neighbour", "u1", "ping", "reach as (neighbour) by u1"],
  ])(title, check(proxyOn));
});

describe("the internet", () => {
  test.for<Row>([
    ["a port that the router forwards to a published one", "@internet", "public", "8080", "reach as (www) by a"],
    ["a port that the router forwards to nothing", "@internet", "public", "2222", "refuse at @host"],
    ["a port that the router does not forward", "@internet", "public", "8090", "refuse at @router"],
    ["a private address", "@internet", "host", "8080", "unreachable at @internet"],
    ["itself", "@internet", "www", "80", "reach as (www) by @internet"],
    ["its own name server", "@internet", "dns", "53/udp", "reach as (dns) by @internet"],
    ["its own loopback, where no name server is", "@internet", "lo", "53", "refuse at @internet"],
  ])(title, check(proxyOn));
});

describe("an internal network", () => {
  test.for<Row>([
    ["a peer", "i1", "i2", "80", "reach as (i1) by i2"],
    ["its own gateway: host services there", "i1", "gw(inner)", "9100", "reach as (i1) by agent"],
    ["its own gateway by ping", "i1", "gw(inner)", "ping", "reach as (i1) by @host"],
    ["the internet", "i1", "www", "80", "unreachable at i1"],
    ["another network", "i1", "a", "80", "unreachable at i1"],
    ["the host's LAN address", "i1", "host", "9100", "unreachable at i1"],
    ["another network's published port at its own gateway", "i1", "gw(inner)", "8080", "drop: internal-out"],
    ["into it from another network", "a", "i1", "80", "drop: internal-in"],
    ["its own -p, which is ignored", "@neighbour", "host", "8099", "refuse at @host"],
    ["isolated: a peer", "x1", "x2", "80", "reach as (x1) by x2"],
    ["isolated: nothing else", "x1", "www", "80", "unreachable at x1"],
  ])(title, check(proxyOn));
});

describe("icc=false", () => {
  test.for<Row>([
    ["a neighbour's address", "c2", "c1", "80", "drop: icc-drop"],
    ["a neighbour by UDP", "c2", "c1", "53/udp", "drop: icc-drop"],
    ["a neighbour by ping", "c2", "c1", "ping", "drop: icc-drop"],
    [
      "a neighbour's published port at the gateway: by the proxy",
      "c2",
      "gw(noicc)",
      "8100",
      "reach as (gw(noicc)) by c1",
    ],
    [
      "a neighbour's published port at the LAN address: by the proxy",
      "c2",
      "host",
      "8100",
      "reach as (gw(noicc)) by c1",
    ],
    ["the internet", "c2", "www", "80", "reach as (public) by @internet"],
    ["services of the host", "c2", "gw(noicc)", "9100", "reach as (c2) by agent"],
    ["itself", "c2", "c2", "80", "reach as (c2) by c2"],
  ])(title, check(proxyOn));
});

describe("modes without a network of their own", () => {
  test.for<Row>([
    ["none: its own lo", "lonely", "lo", "80", "reach as 127.0.0.1 by lonely"],
    ["none: anything else", "lonely", "www", "80", "unreachable at lonely"],
    ["none: the host", "lonely", "host", "9100", "unreachable at lonely"],
    ["host: as the host", "agent", "a", "9000", "reach as (gw(n1)) by a"],
    ["host: published ports", "agent", "lo", "8080", "reach as (gw(n1)) by a"],
    ["container:X: 127.0.0.1 is X's", "side", "lo", "80", "reach as 127.0.0.1 by a"],
    ["container:X: X reaches it so", "a", "lo", "7000", "reach as 127.0.0.1 by side"],
    ["container:X: its ports are at X's address", "a2", "a", "7000", "reach as (a2) by side"],
    ["container:X: sends from X's address", "side", "a2", "80", "reach as (a) by a2"],
  ])(title, check(proxyOn));
});

describe("routed and nat-unprotected networks", () => {
  test.for<Row>([
    ["routed, published port, from another network", "a", "r1", "80", "reach as (gw(r)) by r1"],
    ["routed, other port, from another network", "a", "r1", "9000", "drop: default-drop"],
    ["routed, ping, from another network", "a", "r1", "ping", "reach as (gw(r)) by r1"],
    ["from a routed network to a container", "r1", "a", "80", "drop: direct-access"],
    [
      "from a routed network to a private address of nobody: not even the refusal comes back",
      "r1",
      "10.99.0.1",
      "80",
      "drop on reply at @router",
    ],
    [
      "from a network that masquerades to a private address of nobody",
      "a",
      "10.99.0.1",
      "80",
      "unreachable: router-private",
    ],
    [
      "from a routed network to a published port through the host: its own address",
      "r1",
      "host",
      "8080",
      "reach as (r1) by a",
    ],
    ["the host port of a routed network's -p", "@neighbour", "host", "8110", "refuse at @host"],
    ["the host port of a routed network's -p, from the host", "@host", "lo", "8110", "refuse at @host"],
    ["nat-unprotected, published port through the host", "a", "host", "8120", "reach as (gw(u)) by u1"],
    ["nat-unprotected, any port at the container", "a", "u1", "9000", "reach as (gw(u)) by u1"],
    [
      "from a routed network to the LAN: its own address, and an answer by way of the host",
      "r1",
      "neighbour",
      "ping",
      "reach as (r1) by @neighbour",
    ],
  ])(title, check(proxyOn));
});

describe("with the proxy off", () => {
  const proxyOff = city({ userlandProxy: false });
  test.for<Row>([
    ["a neighbour's published port: its own address", "a2", "host", "8080", "reach as (a2) by a"],
    ["its own published port: the gateway", "a", "host", "8080", "reach as (gw(n1)) by a"],
    ["another network's published port", "a", "host", "8090", "reach as (gw(n2)) by b"],
    ["the host at 127.0.0.1", "@host", "lo", "8080", "reach as (gw(n1)) by a"],
    ["the host at its own LAN address", "@host", "host", "8080", "reach as (gw(n1)) by a"],
    ["the host at a port of 127.0.0.1", "@host", "lo", "8081", "reach as (gw(n1)) by a"],
    ["a LAN neighbour", "@neighbour", "host", "8080", "reach as (neighbour) by a"],
    ["icc=false: a neighbour's published port", "c2", "host", "8100", "drop: icc-drop"],
    ["direct access", "@neighbour", "a", "80", "drop: direct-access"],
  ])(title, check(proxyOff));
});

describe("with --allow-direct-routing", () => {
  const open = city({ allowDirectRouting: true });
  test.for<Row>([
    ["a neighbour to a published port at the container", "@neighbour", "a", "80", "reach as (neighbour) by a"],
    ["a neighbour to another port", "@neighbour", "a", "9000", "drop: default-drop"],
    ["another network's container, published port", "a", "b", "80", "reach as (gw(n2)) by b"],
  ])(title, check(open));
});

describe("options of a network", () => {
  const withOption = (key: string, value: string): State => {
    let state = withNetwork(newDaemon(), "n", { options: { [key]: value } });
    state = withNetwork(state, "m");
    state = withContainer(state, "c", { networks: ["n"], publish: ["8080:80"], serves: ["9000"] });
    return withContainer(state, "d", { networks: ["m"], publish: ["8090:80"] });
  };
  test.for<readonly [string, string, string, string, string, string, string]>([
    [
      "a trusted interface reaches published ports",
      "bridge.trusted_host_interfaces",
      "eth0",
      "@neighbour",
      "c",
      "80",
      "reach as (neighbour) by c",
    ],
    [
      "a trusted interface reaches no other",
      "bridge.trusted_host_interfaces",
      "eth0",
      "@neighbour",
      "c",
      "9000",
      "drop: default-drop",
    ],
    [
      "another interface is not trusted",
      "bridge.trusted_host_interfaces",
      "eth1",
      "@neighbour",
      "c",
      "80",
      "drop: direct-access",
    ],
    [
      "SNAT shows the fixed address to the LAN",
      "host_ipv4",
      "192.168.0.10",
      "c",
      "neighbour",
      "ping",
      "reach as (host) by @neighbour",
    ],
    [
      "SNAT shows the fixed address to another network",
      "host_ipv4",
      "192.168.0.10",
      "c",
      "host",
      "8090",
      "reach as (host) by d",
    ],
    [
      "SNAT to an address that the host has not: answers are lost on the LAN",
      "host_ipv4",
      "192.168.0.99",
      "c",
      "neighbour",
      "ping",
      "drop on reply at @host",
    ],
    [
      "SNAT to an address that the host has not: answers are lost on the internet",
      "host_ipv4",
      "192.168.0.99",
      "c",
      "www",
      "80",
      "drop on reply at @host",
    ],
    [
      "SNAT to an address that the host has not: conntrack still finds back within the host",
      "host_ipv4",
      "192.168.0.99",
      "c",
      "host",
      "8090",
      "reach as 192.168.0.99 by d",
    ],
    [
      "without masquerade the LAN's answers meet the raw drop",
      "bridge.enable_ip_masquerade",
      "false",
      "c",
      "neighbour",
      "ping",
      "drop on reply: direct-access",
    ],
    [
      "without masquerade another network's answers meet it too",
      "bridge.enable_ip_masquerade",
      "false",
      "c",
      "host",
      "8090",
      "drop on reply: direct-access",
    ],
    [
      "without masquerade the way in is as ever",
      "bridge.enable_ip_masquerade",
      "false",
      "@neighbour",
      "host",
      "8080",
      "reach as (neighbour) by c",
    ],
    [
      "host_binding_ipv4 127.0.0.1 closes -p to the LAN",
      "bridge.host_binding_ipv4",
      "127.0.0.1",
      "@neighbour",
      "host",
      "8080",
      "refuse at @host",
    ],
    [
      "host_binding_ipv4 127.0.0.1 leaves -p to the host",
      "bridge.host_binding_ipv4",
      "127.0.0.1",
      "@host",
      "lo",
      "8080",
      "reach as (gw(n)) by c",
    ],
    [
      "inhibit_ipv4 takes the containers their gateway",
      "bridge.inhibit_ipv4",
      "true",
      "c",
      "www",
      "80",
      "unreachable at c",
    ],
  ])("%s", ([claim, key, value, from, to, port, want]) => {
    check(withOption(key, value))([claim, from, to, port, want]);
  });

  test("the hairpin of a container to itself is masqueraded, also where the network has a fixed address", () => {
    let state = withNetwork(newDaemon({ userlandProxy: false }), "n", { options: { host_ipv4: "192.168.0.10" } });
    state = withContainer(state, "c", { networks: ["n"], publish: ["8080:80"] });
    const prediction = predictTo(state, "c", "host", "8080");
    expect(verdictOf(prediction)).toBe(`reach as ${addressNamed(state, "gw(n)")} by c`);
    expect(prediction.translations.map((t) => [t.kind, t.rule?.purpose])).toEqual([
      ["DNAT", "dnat"],
      ["MASQUERADE", "masquerade-hairpin"],
    ]);
  });
});

test("a container on two networks is reached by each, and leaves by its gateway", () => {
  let state = withNetwork(withNetwork(newDaemon(), "front"), "back", { internal: true });
  state = withContainer(state, "app", { networks: ["back", "front"], serves: ["80"] });
  state = withContainer(state, "db", { networks: ["back"], serves: ["5432"] });
  expect(verdictOf(predictTo(state, "db", "app@back", "80"))).toBe(`reach as ${addressNamed(state, "db")} by app`);
  expect(verdictOf(predictTo(state, "app", "db", "5432"))).toBe(`reach as ${addressNamed(state, "app@back")} by db`);
  expect(verdictOf(predictTo(state, "app", "www", "80"))).toBe("reach as 203.0.113.91 by @internet");
  expect(verdictOf(predictTo(state, "@neighbour", "app@front", "80"))).toBe("drop: direct-access");
});

test("addresses on the way: a published port from the LAN is rewritten once, at the host, by the rule of that port", () => {
  const { legs, translations } = predictTo(proxyOn, "@neighbour", "host", "8080");
  const a = addressNamed(proxyOn, "a");
  expect(
    legs.map(({ node, link, direction, src, dst, dport }) => [node, link, direction, src, `${dst}:${dport}`]),
  ).toEqual([
    ["@neighbour", "eth0", "out", "192.168.0.20", "192.168.0.10:8080"],
    ["@host", "eth0", "in", "192.168.0.20", "192.168.0.10:8080"],
    ["@host", bridgesOf(proxyOn).find((n) => n.name === "n1")?.bridge, "out", "192.168.0.20", `${a}:80`],
    ["a", "eth0", "in", "192.168.0.20", `${a}:80`],
  ]);
  expect(translations.map((t) => [t.node, t.kind, t.rule?.purpose, t.rule?.owner.label])).toEqual([
    ["@host", "DNAT", "dnat", "port 8080:80/tcp of a"],
  ]);
});

test("addresses on the way out: masqueraded at the host, then at the router", () => {
  const { legs, translations } = predictTo(proxyOn, "a", "www", "80");
  expect(legs.map(({ node, direction, src }) => [node, direction, src])).toEqual([
    ["a", "out", addressNamed(proxyOn, "a")],
    ["@host", "in", addressNamed(proxyOn, "a")],
    ["@host", "out", "192.168.0.10"],
    ["@router", "in", "192.168.0.10"],
    ["@router", "out", "203.0.113.91"],
    ["@internet", "in", "203.0.113.91"],
  ]);
  expect(translations.map((t) => [t.node, t.kind])).toEqual([
    ["@host", "MASQUERADE"],
    ["@router", "MASQUERADE"],
  ]);
});

test("the userland proxy opens a connection of its own", () => {
  const { legs, translations } = predictTo(proxyOn, "a2", "host", "8080");
  expect(translations.map((t) => t.kind)).toEqual(["proxy"]);
  expect(legs.map((l) => l.newFlow ?? false)).toEqual([false, false, true, true]);
});

describe("for any state", () => {
  const probe = fc.tuple(
    fc.constantFrom("@host", "@neighbour", "@internet", "@router", "aa", "bb", "cc"),
    fc.constantFrom("host", "lo", "neighbour", "www", "public", "aa", "bb", "cc", "gw(bridge)", "10.200.0.1"),
    fc.constantFrom("80", "8080", "8080/udp", "81/udp", "53/udp", "ping"),
  );
  const possible = (state: State, name: string): boolean =>
    !/^[a-c]{2}$/.test(name) || state.containers.some((c) => c.name === name && c.endpoints.length > 0);

  test("a prediction is whole: reached by someone from some address, or stopped somewhere, and the rule that decides is a rule of the host", () => {
    fc.assert(
      fc.property(stateAfter(20), fc.array(probe, { maxLength: 8 }), (state, probes) => {
        const rules = new Set(docker29Ruleset(state).rules.map((r) => JSON.stringify(r)));
        for (const [from, to, port] of probes.filter(([f, t]) => possible(state, f) && possible(state, t))) {
          const p = predictTo(state, from, to, port);
          expect(p.because).not.toBe("");
          if (p.outcome === "reach")
            expect([p.seenAs, p.server, p.stop]).toEqual([expect.any(String), expect.any(String), undefined]);
          else expect([p.seenAs, p.stop?.node]).toEqual([undefined, expect.any(String)]);
          for (const rule of [p.stop?.rule, ...p.translations.map((t) => t.rule)])
            if (rule && rule.owner.kind !== "router") expect(rules).toContain(JSON.stringify(rule));
          // a drop at the host is the work of a rule, of a policy, or of an answer that goes astray
          if (p.outcome === "drop" && p.stop?.node === "@host" && !p.stop.onReply)
            expect(p.stop.rule ?? p.stop.policy).toBeDefined();
        }
      }),
    );
  });
});
