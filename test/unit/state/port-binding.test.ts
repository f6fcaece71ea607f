import { describe, expect, test } from "vitest";
import { connectContainer, disconnectContainer } from "../../../src/state/attachment.ts";
import { removeContainer, runContainer } from "../../../src/state/container.ts";
import { findContainer } from "../../../src/state/find.ts";
import type { State } from "../../../src/state/state.ts";
import {
  bindingsOf,
  containerOf,
  containerRequest,
  errorOf,
  networkOf,
  newDaemon,
  portRequests,
  protoPort,
  refusalOf,
  withContainer,
  withNetwork,
} from "../../support/state.ts";

const publish = (state: State, name: string, ...ports: string[]): State =>
  withContainer(state, name, { publish: ports });
const connect = (state: State, name: string, network: string, gwPriority = 0): State =>
  connectContainer(state, name, { network, gwPriority });
const disconnect = (state: State, name: string, network: string): State => disconnectContainer(state, name, network);
const remove = (state: State, name: string): State => removeContainer(state, name, { force: true });

describe("-p", () => {
  test.for<[string, readonly string[], readonly string[]]>([
    [
      "HOST:CONTAINER binds both families with one port",
      ["8080:80"],
      ["80/tcp -> 0.0.0.0:8080", "80/tcp -> [::]:8080"],
    ],
    ["with an address binds that one only", ["127.0.0.1:8080:80"], ["80/tcp -> 127.0.0.1:8080"]],
    ["with 0.0.0.0 binds IPv4 only", ["0.0.0.0:8080:80"], ["80/tcp -> 0.0.0.0:8080"]],
    ["with ::1 binds IPv6 only", ["[::1]:8080:80"], ["80/tcp -> [::1]:8080"]],
    ["with [::] binds IPv6 only", ["[::]:8080:80"], ["80/tcp -> [::]:8080"]],
    ["of udp", ["53:53/udp"], ["53/udp -> 0.0.0.0:53", "53/udp -> [::]:53"]],
    [
      "of a range to a range goes 1:1",
      ["127.0.0.1:8000-8002:80-82"],
      ["80/tcp -> 127.0.0.1:8000", "81/tcp -> 127.0.0.1:8001", "82/tcp -> 127.0.0.1:8002"],
    ],
    ["of a range to one port takes the first free", ["127.0.0.1:8000-8010:80"], ["80/tcp -> 127.0.0.1:8000"]],
    ["without a host port is ephemeral", ["127.0.0.1::80"], ["80/tcp -> 127.0.0.1:32768"]],
    [
      "of three ports without host ports takes three in a row",
      ["80-82"],
      [80, 81, 82].flatMap((p) => ["0.0.0.0", "[::]"].map((ip) => `${p}/tcp -> ${ip}:${32688 + p}`)),
    ],
    [
      "of one container port by two host ports",
      ["127.0.0.1:8080:80", "127.0.0.1:8081:80"],
      ["80/tcp -> 127.0.0.1:8080", "80/tcp -> 127.0.0.1:8081"],
    ],
  ])("%s", ([, ports, want]) => {
    expect(bindingsOf(publish(newDaemon(), "web", ...ports), "web")).toEqual(want);
  });

  // portmapperapi PortBindingReq.Compare: exact before ranges, container port, protocol (tcp 6, udp 17, sctp 132), host port, host address
  test.for<[string, readonly string[], readonly string[]]>([
    [
      "exact ports before ranges",
      ["127.0.0.1::70", "127.0.0.1:9000-9001:71", "127.0.0.1:8080:80"],
      ["80/tcp -> 127.0.0.1:8080", "70/tcp -> 127.0.0.1:32768", "71/tcp -> 127.0.0.1:9000"],
    ],
    [
      "container ports by number",
      ["127.0.0.1:1:100", "127.0.0.1:2:20", "127.0.0.1:3:3"],
      ["3/tcp -> 127.0.0.1:3", "20/tcp -> 127.0.0.1:2", "100/tcp -> 127.0.0.1:1"],
    ],
    [
      "tcp, udp, sctp",
      ["127.0.0.1:53:53/sctp", "127.0.0.1:53:53/udp", "127.0.0.1:53:53/tcp"],
      ["53/tcp -> 127.0.0.1:53", "53/udp -> 127.0.0.1:53", "53/sctp -> 127.0.0.1:53"],
    ],
    [
      "host ports by number",
      ["127.0.0.1:10000:80", "127.0.0.1:9000:80"],
      ["80/tcp -> 127.0.0.1:9000", "80/tcp -> 127.0.0.1:10000"],
    ],
    [
      "host addresses by number, not as text",
      ["192.168.0.10:80:80", "127.0.0.10:80:80", "127.0.0.9:80:80"],
      ["80/tcp -> 127.0.0.9:80", "80/tcp -> 127.0.0.10:80", "80/tcp -> 192.168.0.10:80"],
    ],
    ["IPv4 before IPv6", ["[::1]:80:80", "192.168.0.10:80:80"], ["80/tcp -> 192.168.0.10:80", "80/tcp -> [::1]:80"]],
  ])("is sorted as docker sorts: %s", ([, ports, want]) => {
    expect(bindingsOf(publish(newDaemon(), "web", ...ports), "web")).toEqual(want);
    expect(bindingsOf(publish(newDaemon(), "web", ...[...ports].reverse()), "web")).toEqual(want);
  });
});

describe("the default host address", () => {
  test("is the network's host_binding_ipv4, then without an IPv6 twin", () => {
    const state = withNetwork(newDaemon(), "n", { options: { "bridge.host_binding_ipv4": "127.0.0.1" } });
    expect(bindingsOf(withContainer(state, "web", { networks: ["n"], publish: ["8080:80"] }), "web")).toEqual([
      "80/tcp -> 127.0.0.1:8080",
    ]);
  });

  test("has no IPv6 twin when the proxy is off: nothing could serve it", () => {
    const state = newDaemon({ userlandProxy: false });
    expect(bindingsOf(publish(state, "web", "8080:80"), "web")).toEqual(["80/tcp -> 0.0.0.0:8080"]);
  });
});

test("an IPv6 host address of an IPv4 container needs the proxy: without it nothing is bound", () => {
  expect(bindingsOf(publish(newDaemon({ userlandProxy: false }), "web", "[::1]:8080:80"), "web")).toEqual([]);
});

describe("ephemeral ports", () => {
  test("are the next after the last one given", () => {
    const state = ["aa", "bb", "cc"].reduce((s, c) => publish(s, c, "127.0.0.1::80"), newDaemon());
    expect(["aa", "bb", "cc"].flatMap((c) => bindingsOf(state, c))).toEqual([
      "80/tcp -> 127.0.0.1:32768",
      "80/tcp -> 127.0.0.1:32769",
      "80/tcp -> 127.0.0.1:32770",
    ]);
    expect(bindingsOf(publish(remove(state, "aa"), "dd", "127.0.0.1::80"), "dd")).toEqual([
      "80/tcp -> 127.0.0.1:32771",
    ]);
  });

  test("are counted per protocol", () => {
    expect(bindingsOf(publish(newDaemon(), "aa", "127.0.0.1::80", "127.0.0.1::80/udp"), "aa")).toEqual([
      "80/tcp -> 127.0.0.1:32768",
      "80/udp -> 127.0.0.1:32768",
    ]);
  });

  test("are counted per host address, and skip what collides", () => {
    const state = publish(newDaemon(), "aa", "127.0.0.1::80");
    expect(bindingsOf(publish(state, "bb", "127.0.0.2::80"), "bb")).toEqual(["80/tcp -> 127.0.0.2:32768"]);
    expect(bindingsOf(publish(state, "bb", "0.0.0.0::80"), "bb")).toEqual(["80/tcp -> 0.0.0.0:32769"]);
  });

  test("do not go on after an exact port that happens to lie in their range", () => {
    const state = publish(newDaemon(), "aa", "40000:80");
    expect(bindingsOf(publish(state, "bb", "127.0.0.1::80"), "bb")).toEqual(["80/tcp -> 127.0.0.1:32768"]);
  });

  test("skip an exact port that is taken", () => {
    const state = publish(newDaemon(), "aa", "32768:80");
    expect(bindingsOf(publish(state, "bb", "127.0.0.1::80"), "bb")).toEqual(["80/tcp -> 127.0.0.1:32769"]);
  });

  test("wrap at the end of ip_local_port_range", () => {
    const state = { ...newDaemon(), lastPorts: { "127.0.0.1/tcp": 60999 } };
    expect(bindingsOf(publish(state, "bb", "127.0.0.1::80"), "bb")).toEqual(["80/tcp -> 127.0.0.1:32768"]);
  });

  test("are remembered after their container has gone [seen]", () => {
    const state = remove(publish(newDaemon(), "aa", "80"), "aa");
    expect(bindingsOf(publish(state, "bb", "80"), "bb")).toEqual(["80/tcp -> 0.0.0.0:32769", "80/tcp -> [::]:32769"]);
    expect(bindingsOf(publish(state, "bb", "[::]::80"), "bb")).toEqual(["80/tcp -> [::]:32769"]);
  });

  test("of a range have a memory for that very range [seen]", () => {
    const once = (s: State, range: string): [State, string[]] => {
      const next = publish(s, "aa", `127.0.0.1:${range}:80`);
      return [remove(next, "aa"), bindingsOf(next, "aa")];
    };
    let state = newDaemon();
    const given: string[] = [];
    for (const range of ["8000-8002", "8000-8002", "8000-8002", "8000-8002", "8001-8002"]) {
      const [next, bindings] = once(state, range);
      state = next;
      given.push(...bindings);
    }
    expect(given.map((b) => b.slice(-4))).toEqual(["8000", "8001", "8002", "8000", "8001"]);
  });

  test("of -P go to every exposed port that -p does not name", () => {
    const request = { ...containerRequest("aa", { publish: ["8080:80"] }), publishAll: true, image: "nginx" };
    const exposed = [protoPort("90"), protoPort("91/udp")];
    const state = runContainer(newDaemon({ userlandProxy: false }), { ...request, exposed });
    expect(bindingsOf(state, "aa")).toEqual([
      "80/tcp -> 0.0.0.0:8080",
      "90/tcp -> 0.0.0.0:32768",
      "91/udp -> 0.0.0.0:32768",
    ]);
  });
});

describe("two containers", () => {
  test.for([
    ["different protocols", "53:53/tcp", "53:53/udp"],
    ["two loopback addresses", "127.0.0.1:80:80", "127.0.0.2:80:80"],
    ["loopback and LAN", "127.0.0.1:80:80", "192.168.0.10:80:80"],
    ["different ports", "80:80", "81:80"],
    ["IPv4 and IPv6", "127.0.0.1:80:80", "[::1]:80:80"],
    ["0.0.0.0 without a twin, and IPv6", "0.0.0.0:80:80", "[::1]:80:80"],
  ] as const)("may both have %s", ([, a, b]) => {
    expect(errorOf(() => publish(publish(newDaemon(), "aa", a), "bb", b))).toBeUndefined();
    expect(errorOf(() => publish(publish(newDaemon(), "aa", b), "bb", a))).toBeUndefined();
  });

  // the message names the address that is held, not the one that is wanted [seen]
  test.for([
    ["the same address and port", "80:80", "80:8080", "0.0.0.0:80"],
    ["0.0.0.0 against a loopback address", "80:80", "127.0.0.1:80:80", "0.0.0.0:80"],
    ["a loopback address against 0.0.0.0", "127.0.0.1:80:80", "80:80", "127.0.0.1:80"],
    ["a LAN address against 0.0.0.0", "192.168.0.10:80:80", "0.0.0.0:80:80", "192.168.0.10:80"],
    ["the same in udp", "53:53/udp", "53:53/udp", "0.0.0.0:53"],
    ["[::] against ::1", "[::]:80:80", "[::1]:80:80", ":::80"],
    ["the implicit [::] twin against ::1", "80:80", "[::1]:80:80", ":::80"],
  ] as const)("cannot both have %s", ([, a, b, where]) => {
    const state = publish(newDaemon(), "aa", a);
    const error = errorOf(() => publish(state, "bb", b));
    expect(error?.code).toBe("CONFLICT");
    expect(error?.message).toMatch(
      /^failed to set up container networking: driver failed programming external connectivity on endpoint bb \([0-9a-f]{64}\): /,
    );
    expect(error?.message).toMatch(`Bind for ${where} failed: port is already allocated`);
  });

  test("of a range take one port each, until all are allocated", () => {
    const two = ["aa", "bb"].reduce((s, c) => publish(s, c, "127.0.0.1:8000-8001:80"), newDaemon());
    expect(["aa", "bb"].flatMap((c) => bindingsOf(two, c))).toEqual([
      "80/tcp -> 127.0.0.1:8000",
      "80/tcp -> 127.0.0.1:8001",
    ]);
    expect(refusalOf(() => publish(two, "cc", "127.0.0.1:8000-8001:80"))).toMatch(/: all ports are allocated$/);
  });

  test("with a range need one port that is free for both families", () => {
    const state = publish(newDaemon(), "aa", "[::1]:8000:80");
    expect(bindingsOf(publish(state, "bb", "8000-8001:80"), "bb")).toEqual([
      "80/tcp -> 0.0.0.0:8001",
      "80/tcp -> [::]:8001",
    ]);
  });

  test("may use a port one after the other: a removed container reserves nothing", () => {
    const state = remove(publish(newDaemon(), "aa", "80:80"), "aa");
    expect(bindingsOf(publish(state, "bb", "127.0.0.1:80:80"), "bb")).toEqual(["80/tcp -> 127.0.0.1:80"]);
  });
});

test.for([
  ["the same binding", ["80:80", "80:80"], "failed to listen on TCP socket: address already in use"],
  [
    "one host port for one container port",
    ["127.0.0.1:80:80", "80:80"],
    "failed to listen on TCP socket: address already in use",
  ],
  [
    "one host port for two container ports",
    ["80:80", "80:81"],
    "Bind for 0.0.0.0:80 failed: port is already allocated",
  ],
] as const)("twice in one container %s fails [seen]", ([, ports, message]) => {
  expect(refusalOf(() => publish(newDaemon(), "aa", ...ports))).toMatch(message);
});

describe("processes of host-mode containers", () => {
  const agent = withContainer(newDaemon(), "agent", { mode: "host", serves: ["9100", "53/udp"] });

  test("keep their ports from being published", () => {
    expect(refusalOf(() => publish(agent, "web", "9100:80"))).toMatch(
      /: failed to bind host port for 0\.0\.0\.0:9100:172\.17\.0\.2:80\/tcp: address already in use$/,
    );
    expect(refusalOf(() => publish(agent, "web", "127.0.0.1:53:53/udp"))).toMatch(
      /: failed to bind host port for 127\.0\.0\.1:53:172\.17\.0\.2:53\/udp: address already in use$/,
    );
    expect(refusalOf(() => publish(agent, "web", "53:53/tcp"))).toBeUndefined();
  });

  test("count when they only share the sandbox of one in host mode", () => {
    const side = withContainer(agent, "side", { mode: "container:agent", serves: ["9200"] });
    expect(refusalOf(() => publish(side, "web", "9200:80"))).toMatch("address already in use");
  });

  test("end where a port was published before", () => {
    const web = publish(newDaemon(), "web", "127.0.0.1:9100:80");
    const agentOf = (serves: string[]) => {
      const state = withContainer(web, "agent", { mode: "host", serves });
      const { status, exitCode, failedBinds } = findContainer(state, "agent");
      return { status, exitCode, failedBinds };
    };
    expect(agentOf(["9100"])).toEqual({
      status: "exited",
      exitCode: 1,
      failedBinds: [{ port: 9100, proto: "tcp", address: "0.0.0.0", holder: findContainer(web, "web").id }],
    });
    expect(agentOf(["9100/udp", "80"])).toMatchObject({ status: "running", failedBinds: undefined });
  });
});

test.for([
  ["the neighbour's", "192.168.0.20:8080:80", "192.168.0.20:8080"],
  ["nobody's", "10.9.9.9:8080:80", "10.9.9.9:8080"],
  ["IPv6 beyond lo: the lab's host has none", "[fd00::1]:8080:80", "[fd00::1]:8080"],
] as const)("a host address that is not on the host cannot be assigned: %s", ([, port, where]) => {
  expect(refusalOf(() => publish(newDaemon(), "web", port))).toMatch(
    `failed to bind host port for ${where}:172.17.0.2:80/tcp: cannot assign requested address`,
  );
});

test.for(["127.0.0.2:8080:80", "192.168.0.10:8080:80", "172.17.0.1:8080:80"])(
  "a host address that the host has is bound: %s",
  (port) => {
    expect(bindingsOf(publish(newDaemon(), "web", port), "web")).toEqual([`80/tcp -> ${port.replace(/:80$/, "")}`]);
  },
);

describe("where nothing can lead in, -p is ignored without an error:", () => {
  const state = withNetwork(newDaemon(), "inner", { internal: true });
  test.for([
    ["internal networks only", { networks: ["inner"] }],
    ["no network", { mode: "none" }],
    ["host mode", { mode: "host" }],
  ] as const)("%s", ([, text]) => {
    expect(bindingsOf(withContainer(state, "web", { ...text, publish: ["8080:80"] }), "web")).toEqual([]);
    expect(
      refusalOf(() => publish(withContainer(state, "web", { ...text, publish: [] }), "other", "8080:80")),
    ).toBeUndefined();
  });
});

describe("a routed network", () => {
  const state = withNetwork(newDaemon(), "r", { options: { "bridge.gateway_mode_ipv4": "routed" } });

  test("opens the port at the container and binds none on the host", () => {
    const web = withContainer(state, "web", { networks: ["r"], publish: ["8080:80", "127.0.0.1:8080:81"] });
    expect(bindingsOf(web, "web")).toEqual(["80/tcp -> 0.0.0.0:-", "81/tcp -> 0.0.0.0:-"]);
    expect(refusalOf(() => publish(web, "other", "8080:80"))).toBeUndefined();
  });

  test("opens nothing for an IPv6 host address", () => {
    expect(bindingsOf(withContainer(state, "web", { networks: ["r"], publish: ["[::1]:8080:80"] }), "web")).toEqual([]);
  });

  test("opens its ports also when another network is the gateway (TestRoutedNonGateway)", () => {
    const web = withContainer(state, "web", { networks: ["r", "bridge"], publish: ["8080:80"] });
    const carriers = containerOf(web, "web").bindings.map(
      (b) => containerOf(web, "web").endpoints.find((e) => e.id === b.endpoint)?.ifName,
    );
    expect(bindingsOf(web, "web")).toEqual(["80/tcp -> 0.0.0.0:-", "80/tcp -> 0.0.0.0:8080", "80/tcp -> [::]:8080"]);
    expect(carriers).toEqual(["eth0", "eth1", "eth1"]);
  });
});

describe("bindings follow the gateway", () => {
  const nets = [
    ["aaa", {}],
    ["zzz", {}],
    ["inner", { internal: true }],
  ] as const;
  const base = nets.reduce<State>((s, [n, text]) => withNetwork(s, n, text), newDaemon());
  const web = withContainer(base, "web", { networks: ["zzz"], publish: ["8080:80", "127.0.0.1::90"] });
  const carrier = (state: State): string | undefined => {
    const { endpoints, bindings } = containerOf(state, "web");
    const networks = new Set(bindings.map((b) => endpoints.find((e) => e.id === b.endpoint)?.network));
    return state.networks
      .filter((n) => networks.has(n.id))
      .map((n) => n.name)
      .join(" ");
  };

  test("to a network that is connected and comes first", () => {
    const moved = connect(web, "web", "aaa");
    expect([carrier(web), carrier(moved)]).toEqual(["zzz", "aaa"]);
    // the ephemeral one is drawn anew, and the last is remembered
    expect(bindingsOf(moved, "web")).toEqual(
      bindingsOf(web, "web").map((b) => b.replace("127.0.0.1:32768", "127.0.0.1:32769")),
    );
  });

  test("and back when it is disconnected", () => {
    expect(carrier(disconnect(connect(web, "web", "aaa"), "web", "aaa"))).toBe("zzz");
  });

  test("by gw-priority", () => {
    const first = withContainer(base, "web", { networks: ["aaa"], publish: ["8080:80"] });
    expect(carrier(connect(first, "web", "zzz"))).toBe("aaa");
    expect(carrier(connect(first, "web", "zzz", 10))).toBe("zzz");
  });

  test("and vanish when only internal networks remain [seen], so that another may take the port", () => {
    const inner = disconnect(connect(web, "web", "inner"), "web", "zzz");
    expect(bindingsOf(inner, "web")).toEqual([]);
    expect(bindingsOf(publish(inner, "other", "8080:80"), "other")).toHaveLength(2);
    expect(refusalOf(() => connect(publish(inner, "other", "8080:80"), "web", "zzz"))).toMatch(
      "port is already allocated",
    );
  });

  test("and stay as they are, ephemeral ones too, when the gateway stays", () => {
    const other = publish(web, "other", "127.0.0.1::90");
    const joined = connect(other, "web", "inner");
    expect(containerOf(joined, "web").bindings).toEqual(containerOf(other, "web").bindings);
    expect(containerOf(joined, "web").programmedAt).toBe(containerOf(other, "web").programmedAt);
  });

  test("and a routed network adds its own without moving the others", () => {
    const state = withNetwork(publish(web, "other", "127.0.0.1::90"), "r", {
      options: { "bridge.gateway_mode_ipv4": "routed" },
    });
    const joined = connect(state, "web", "r", -1);
    expect(bindingsOf(joined, "web")).toEqual([
      ...bindingsOf(state, "web"),
      "80/tcp -> 0.0.0.0:-",
      "90/tcp -> 0.0.0.0:-",
    ]);
  });
});

test("an endpoint id in the refusal is that of the gateway endpoint", () => {
  const state = withNetwork(publish(newDaemon(), "aa", "80:80"), "n");
  const request = { ...containerRequest("bb", { networks: ["n"] }), id: "b".repeat(64) };
  const free = containerOf(runContainer(state, request), "bb").endpoints[0]?.id;
  expect(refusalOf(() => runContainer(state, { ...request, publish: portRequests("80:80") }))).toContain(
    `endpoint bb (${free})`,
  );
  expect(networkOf(state, "n").name).toBe("n");
});
