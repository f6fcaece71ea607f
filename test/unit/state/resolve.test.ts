import { describe, expect, test } from "vitest";
import { DocknetError, ProblemsError, renderProblem } from "../../../src/errors.ts";
import { resolveState } from "../../../src/state/resolve.ts";
import { type State, sandboxOwner } from "../../../src/state/state.ts";
import { addressOn, bindingsOf, containerOf } from "../../support/state.ts";
import { loadText } from "../spec/lab.ts";

const resolve = (text: string): State => resolveState(loadText(text)).state;
const warnings = (text: string): string[] => resolveState(loadText(text)).warnings.map(renderProblem);
const problems = (text: string): string[] => {
  const spec = loadText(text);
  try {
    resolveState(spec);
    return [];
  } catch (error) {
    if (error instanceof ProblemsError) return error.problems.map(renderProblem);
    throw error;
  }
};
const containers = (text: string): string[] => resolve(text).containers.map((c) => c.name);

describe("networks", () => {
  test("are made in file order, docker0 first, under Compose's names", () => {
    const state = resolve(`
name: shop
services:
  a: { image: x, networks: [back, front] }
networks:
  front:
  back: { name: backend }
`);
    expect(state.networks.map((n) => [n.name, n.subnet])).toEqual([
      ["bridge", "172.17.0.0/16"],
      ["shop_front", "172.18.0.0/16"],
      ["backend", "172.19.0.0/16"],
    ]);
  });

  test("that no service uses are skipped", () => {
    const state = resolve(`
services:
  a: { image: x, networks: [used] }
networks: { unused: , used: }
`);
    expect(state.networks.map((n) => n.name)).toEqual(["bridge", "lab_used"]);
  });

  test("that are external are made, as there is nobody else to have made them", () => {
    const state = resolve(`
services:
  a: { image: x, networks: [proxy] }
networks: { proxy: { external: true, name: traefik_proxy } }
`);
    expect(state.networks.map((n) => n.name)).toEqual(["bridge", "traefik_proxy"]);
  });

  test("that are external and called bridge are docker0, which takes no aliases", () => {
    const state = resolve(`
services:
  a: { image: x, networks: [old] }
networks: { old: { external: true, name: bridge } }
`);
    expect(state.networks.map((n) => n.name)).toEqual(["bridge"]);
    expect(containerOf(state, "lab-a-1").endpoints).toMatchObject([{ address: "172.17.0.2", aliases: [] }]);
  });
});

describe("containers", () => {
  test("start in file order", () => {
    expect(containers("services: { c: { image: x }, a: { image: x }, b: { image: x } }")).toEqual([
      "lab-c-1",
      "lab-a-1",
      "lab-b-1",
    ]);
  });

  test("start after what they depend on, link to, or share a sandbox with: so addresses follow that order", () => {
    const state = resolve(`
services:
  web: { image: x, depends_on: [app] }
  app: { image: x, links: [db], depends_on: [cache] }
  side: { image: x, network_mode: "service:last" }
  db: { image: x }
  cache: { image: x }
  last: { image: x }
`);
    expect(state.containers.map((c) => c.service)).toEqual(["cache", "db", "app", "web", "last", "side"]);
    expect(addressOn(state, "lab-cache-1")).toBe("172.18.0.2");
    expect(addressOn(state, "lab-web-1")).toBe("172.18.0.5");
  });

  test("that depend on each other in a circle are refused", () => {
    const spec = loadText("services: { a: { image: x }, b: { image: x } }");
    const [a, b] = spec.services.map((s, i) => ({ ...s, dependsOn: [["b"], ["a"]][i] ?? [] }));
    const circular = { ...spec, services: [a, b].flatMap((s) => (s ? [s] : [])) };
    expect(() => resolveState(circular)).toThrow(DocknetError);
    expect(() => resolveState(circular)).toThrow("dependency cycle detected: a -> b -> a");
  });

  test("of several replicas are numbered, and so are their nodes", () => {
    const state = resolve("services: { web: { image: nginx, deploy: { replicas: 3 } } }");
    expect(state.containers.map((c) => [c.name, c.node])).toEqual([
      ["lab-web-1", "web-1"],
      ["lab-web-2", "web-2"],
      ["lab-web-3", "web-3"],
    ]);
  });

  test("have nodes of different names, also when a service is called like a replica or another's container", () => {
    const state = resolve(`
services:
  web: { image: x, deploy: { replicas: 2 } }
  web-1: { image: x }
  app: { image: x }
  other: { image: x, container_name: app }
`);
    const nodes = state.containers.map((c) => c.node);
    expect(new Set(nodes).size).toBe(nodes.length);
    expect(nodes).toEqual(["lab-web-1", "web-2", "web-1", "lab-app-1", "other"]);
  });

  test("join networks by priority, the highest is eth0; aliases begin with the service's name", () => {
    const state = resolve(`
services:
  a:
    image: x
    networks:
      low: { priority: 1 }
      high: { priority: 9, aliases: [api, a] }
networks: { low: , high: }
`);
    const { endpoints } = containerOf(state, "lab-a-1");
    expect(endpoints.map((e) => [state.networks.find((n) => n.id === e.network)?.name, e.ifName, e.aliases])).toEqual([
      ["lab_high", "eth0", ["a", "api"]],
      ["lab_low", "eth1", ["a"]],
    ]);
  });

  test("serve what is published, exposed, asked for, or exposed by a well-known image, each once", () => {
    const state = resolve(`
services:
  a:
    image: nginx
    ports: ["8080:80", "8443:443"]
    expose: ["80", "9000"]
    x-docknet: { serve: ["53/udp", "443"] }
`);
    expect(containerOf(state, "lab-a-1").serves.map((s) => `${s.port}/${s.proto}`)).toEqual([
      "80/tcp",
      "443/tcp",
      "9000/tcp",
      "53/udp",
    ]);
  });

  test("have the addresses, names and MAC of the file", () => {
    const state = resolve(`
services:
  a:
    image: x
    container_name: alpha
    hostname: me
    networks: { n: { ipv4_address: 10.5.0.77, mac_address: "02:00:00:00:00:07", gw_priority: 4 } }
networks: { n: { ipam: { config: [{ subnet: 10.5.0.0/24 }] } } }
`);
    expect(containerOf(state, "alpha")).toMatchObject({
      hostname: "me",
      endpoints: [{ address: "10.5.0.77", mac: "02:00:00:00:00:07", gwPriority: 4 }],
    });
  });
});

describe("published ports", () => {
  test("of replicas on a range go to one host port each", () => {
    const state = resolve('services: { web: { image: x, ports: ["8000-8010:80"], deploy: { replicas: 3 } } }');
    expect(state.containers.flatMap((c) => bindingsOf(state, c.name)).filter((b) => b.includes("0.0.0.0"))).toEqual([
      "80/tcp -> 0.0.0.0:8000",
      "80/tcp -> 0.0.0.0:8001",
      "80/tcp -> 0.0.0.0:8002",
    ]);
  });

  test("of replicas on one host port collide, at the line of the port", () => {
    expect(
      problems(`
services:
  web:
    image: x
    ports:
      - "8080:80"
    deploy: { replicas: 2 }
`),
    ).toEqual([
      expect.stringMatching(
        /^compose\.yaml:6:9: .*endpoint lab-web-2 .*: Bind for 0\.0\.0\.0:8080 failed: port is already allocated$/,
      ),
    ]);
  });
});

describe("network modes", () => {
  const text = `
services:
  vpn: { image: x, networks: [n], x-docknet: { serve: ["80"] } }
  torrent: { image: x, network_mode: "service:vpn" }
  guest: { image: x, network_mode: "container:box" }
  host: { image: x, container_name: box, network_mode: host }
  lonely: { image: x, network_mode: none }
  old: { image: x, network_mode: bridge }
networks: { n: }
`;

  test("service: and container: use another's sandbox, host the host's, none their own without a network, bridge docker0", () => {
    // guest names a container, which orders nothing: here it must come after box
    const state = resolve(text.replace('"container:box" }', '"container:box", depends_on: [host] }'));
    const owner = (node: string) => {
      const container = state.containers.find((c) => c.node === node);
      const found = container && sandboxOwner(state, container);
      return typeof found === "object" ? found.node : found;
    };
    // service host: its node may not be called like @host's namespace
    expect(["vpn", "torrent", "guest", "box", "lonely", "old"].map((n) => [n, owner(n)])).toEqual([
      ["vpn", "vpn"],
      ["torrent", "vpn"],
      ["guest", "host"],
      ["box", "host"],
      ["lonely", "lonely"],
      ["old", "old"],
    ]);
    expect(containerOf(state, "lab-lonely-1").endpoints).toEqual([]);
    expect(addressOn(state, "lab-old-1")).toBe("172.17.0.2");
  });

  test("container: of one that is not there is refused at the service", () => {
    expect(problems('services: { a: { image: x, network_mode: "container:nosuch" } }')).toEqual([
      expect.stringMatching(/^compose\.yaml:1:\d+: joining network namespace of container: No such container: nosuch$/),
    ]);
  });
});

describe("all that Docker would refuse", () => {
  test("of networks is reported at once, each with its place", () => {
    expect(
      problems(`
services:
  a: { image: x, networks: [two, three, four] }
networks:
  one: { ipam: { config: [{ subnet: 10.1.0.0/24 }] } }
  two: { ipam: { config: [{ subnet: 172.17.128.0/24 }] } } # docker0 has 172.17.0.0/16
  three: { driver_opts: { com.docker.network.bridge.gateway_mode_ipv4: open } }
  four: { driver_opts: { com.docker.network.bridge.enable_icc: "maybe" } }
`).map((line) => line.replace(/:\d+: /, ": ")),
    ).toEqual([
      "compose.yaml:6: invalid pool request: Pool overlaps with other one on this address space",
      "compose.yaml:7: failed to parse com.docker.network.bridge.gateway_mode_ipv4 value: open (unknown gateway mode open)",
      'compose.yaml:8: failed to parse com.docker.network.bridge.enable_icc value: maybe (strconv.ParseBool: parsing "maybe": invalid syntax)',
    ]);
  });

  test("of containers is reported at once, each with its place", () => {
    expect(
      problems(`
services:
  a: { image: x, ports: ["80:80"] }
  b: { image: x, ports: ["80:80"] }
  c: { image: x, networks: [tiny] }
  d: { image: x, networks: [tiny] }
  e: { image: x, ports: ["10.9.9.9:81:81"] }
networks:
  tiny: { ipam: { config: [{ subnet: 10.1.0.0/30 }] } }
`).map((line) => line.replace(/\([0-9a-f]{64}\)/, "(ID)").replace(/:(\d+):\d+: /, ":$1: ")),
    ).toEqual([
      "compose.yaml:4: failed to set up container networking: driver failed programming external connectivity on endpoint lab-b-1 (ID): Bind for 0.0.0.0:80 failed: port is already allocated",
      "compose.yaml:6: failed to set up container networking: no available IPv4 addresses on this network's address pools: lab_tiny (ID)",
      "compose.yaml:7: failed to set up container networking: driver failed programming external connectivity on endpoint lab-e-1 (ID): failed to bind host port for 10.9.9.9:81:172.18.0.3:81/tcp: cannot assign requested address",
    ]);
  });

  test("and of docknet itself: a network may not cut the lab's own world off", () => {
    expect(
      problems(`
services: { a: { image: x, networks: [lan, net] } }
networks:
  lan: { ipam: { config: [{ subnet: 192.168.0.0/25 }] } }
  net: { ipam: { config: [{ subnet: 203.0.0.0/16 }] } }
`).map((line) => line.replace(/:\d+: /, ": ")),
    ).toEqual([
      "compose.yaml:4: network lab_lan: subnet 192.168.0.0/25 overlaps 192.168.0.0/24, the lab's LAN",
      "compose.yaml:5: network lab_net: subnet 203.0.0.0/16 overlaps 203.0.113.0/24, the lab's internet",
    ]);
  });
});

describe("published ports that lead nowhere are named in a warning:", () => {
  test.for([
    [
      "internal networks",
      "a: { image: x, networks: [inner], ports: [80] }",
      "published ports of a are discarded: it has only internal networks",
    ],
    [
      "no network",
      "a: { image: x, network_mode: none, ports: [80] }",
      "published ports of a are discarded: its network mode is none",
    ],
  ] as const)("%s", ([, service, message]) => {
    const text = `
services:
  ${service}
networks: { inner: { internal: true } }
`;
    expect(warnings(text).filter((w) => w.includes("published"))).toEqual([
      expect.stringMatching(new RegExp(`^compose\\.yaml:3:\\d+: ${message}$`)),
    ]);
  });

  test("an IPv6 host address without the proxy", () => {
    const text = `
services: { a: { image: x, ports: ["[::1]:80:80"] } }
x-docknet: { engine: { userland-proxy: false } }
`;
    expect(warnings(text).filter((w) => w.includes("published"))).toEqual([
      expect.stringContaining("published ports of a are discarded: nothing leads from an IPv6 host address to it"),
    ]);
  });

  test("none where all are bound", () => {
    expect(warnings('services: { a: { image: x, ports: ["80:80", "53:53/udp"] } }')).toEqual([]);
  });
});
