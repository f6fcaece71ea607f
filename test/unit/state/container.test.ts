import { describe, expect, test } from "vitest";
import type { ErrorCode } from "../../../src/errors.ts";
import type { Ipv4 } from "../../../src/net/address.ts";
import type { IfName, NodeName } from "../../../src/net/name.ts";
import { connectContainer, disconnectContainer } from "../../../src/state/attachment.ts";
import { type EndpointRequest, removeContainer, removeLink, runContainer } from "../../../src/state/container.ts";
import type { State } from "../../../src/state/state.ts";
import {
  addressOn,
  type ContainerText,
  containerOf,
  containerRequest,
  driverOptions,
  errorOf,
  networkOf,
  newDaemon,
  portRequests,
  protoPort,
  refusalOf,
  withContainer,
  withNetwork,
} from "../../support/state.ts";

const connect = (state: State, container: string, request: string | EndpointRequest): State =>
  connectContainer(state, container, typeof request === "string" ? { network: request } : request);
const disconnect = (state: State, container: string, network: string): State =>
  disconnectContainer(state, container, network);
const interfaces = (state: State, container: string): string[] =>
  containerOf(state, container).endpoints.map(
    (e) => `${state.networks.find((n) => n.id === e.network)?.name} ${e.ifName}`,
  );

const nets = ["n1", "n2", "n3"].reduce((s, n) => withNetwork(s, n), newDaemon());

describe("docker run", () => {
  test("makes a running container with an id, a MAC that is locally administered, and a bridge port", () => {
    const container = containerOf(withContainer(nets, "web", { networks: ["n1"] }), "web");
    expect(container).toMatchObject({ node: "web", status: "running", hostname: container.id.slice(0, 12) });
    expect(container.id).toMatch(/^[0-9a-f]{64}$/);
    const [endpoint] = container.endpoints;
    expect(endpoint?.mac).toMatch(/^[0-9a-f][26ae](:[0-9a-f]{2}){5}$/);
    expect(endpoint?.hostIfName).toBe(`veth${endpoint?.id.slice(0, 7)}`);
  });

  test("keeps a MAC that the user gave", () => {
    const mac = "02:42:ac:11:00:02" as NonNullable<EndpointRequest["mac"]>;
    const state = withContainer(nets, "web", { networks: [{ network: "n1", mac }] });
    expect(containerOf(state, "web").endpoints[0]?.mac).toBe(mac);
  });

  test("gives ids, MACs and ports' names that differ from container to container, and are the same in each run", () => {
    const run = () => ["aa", "bb"].reduce((s, c) => withContainer(s, c, { networks: ["n1", "n2"] }), nets);
    expect(run()).toEqual(run());
    const endpoints = run().containers.flatMap((c) => c.endpoints);
    for (const key of ["id", "mac", "hostIfName"] as const)
      expect(new Set(endpoints.map((e) => e[key])).size).toBe(endpoints.length);
  });

  test("never gives two containers one node: the name, then the id stands in for a short name that is taken", () => {
    const first = runContainer(nets, { ...containerRequest("lab-web-1"), node: "web" as NodeName });
    const second = withContainer(first, "web");
    expect(containerOf(first, "lab-web-1").node).toBe("web");
    expect(containerOf(second, "web").node).toBe(containerOf(second, "web").id.slice(0, 12));
  });

  test("applies endpoint.sysctls with IFNAME replaced, a dot in it written as a slash", () => {
    const driverOpts = driverOptions({
      "endpoint.ifname": "lan.5",
      "endpoint.sysctls": "net.ipv4.conf.IFNAME.log_martians=1,net.ipv4.neigh.IFNAME.gc_stale_time=30",
    });
    const state = withContainer(nets, "web", { networks: [{ network: "n1", driverOpts }] });
    expect(containerOf(state, "web").endpoints[0]?.sysctls).toEqual({
      "net.ipv4.conf.lan/5.log_martians": "1",
      "net.ipv4.neigh.lan/5.gc_stale_time": "30",
    });
  });
});

describe("docker run refuses, in Docker's words", () => {
  const state = withContainer(withContainer(nets, "web"), "onhost", { mode: "host" });
  const rows: readonly (readonly [string, ContainerText, ErrorCode, string])[] = [
    [
      "a missing network",
      { networks: ["nosuch"] },
      "NOT_FOUND",
      "failed to set up container networking: network nosuch not found",
    ],
    ["a network twice", { networks: ["n1", "n1"] }, "LAB_FILE", 'network "n1" is specified multiple times'],
    [
      "to join a container that does not exist",
      { mode: "container:nosuch" },
      "CONFLICT",
      "joining network namespace of container: No such container: nosuch",
    ],
    [
      "-p with container:X",
      { mode: "container:web", publish: ["80"] },
      "LAB_FILE",
      "conflicting options: port publishing and the container type network mode",
    ],
    [
      "-h with container:X",
      { mode: "container:web", hostname: "me" },
      "LAB_FILE",
      "conflicting options: hostname and the network mode",
    ],
    [
      "a net sysctl with --network host",
      { mode: "host", sysctls: { "net.ipv4.ip_forward": "1" } },
      "CONFLICT",
      'failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: sysctl "net.ipv4.ip_forward" not allowed in host network namespace',
    ],
    [
      "a sysctl of one interface",
      { sysctls: { "net.ipv4.conf.eth0.log_martians": "1" } },
      "CONFLICT",
      `interface specific sysctl setting "net.ipv4.conf.eth0.log_martians" must be supplied using driver option 'com.docker.network.endpoint.sysctls'`,
    ],
    [
      "an alias on the default bridge",
      { networks: [{ network: "bridge", aliases: ["db"] }] },
      "LAB_FILE",
      "invalid config for network bridge: invalid endpoint settings:\nnetwork-scoped alias is supported only for containers in user defined networks",
    ],
    [
      "an endpoint sysctl without IFNAME",
      {
        networks: [
          { network: "n1", driverOpts: driverOptions({ "endpoint.sysctls": "net.ipv4.conf.eth0.forwarding=1" }) },
        ],
      },
      "LAB_FILE",
      "invalid config for network n1: invalid endpoint settings:\nunrecognised network interface sysctl 'net.ipv4.conf.eth0.forwarding=1'; represent 'net.X.Y.ethN.Z=V' as 'net.X.Y.IFNAME.Z=V', 'X' must be 'ipv4', 'ipv6' or 'mpls'",
    ],
  ];
  test.for(rows)("%s", ([, text, code, message]) => {
    expect(errorOf(() => withContainer(state, "new", text))).toEqual({ code, message });
  });

  test("--expose with container:X", () => {
    const request = { ...containerRequest("new", { mode: "container:web" }), exposed: [protoPort("80")] };
    expect(refusalOf(() => runContainer(state, request))).toBe(
      "conflicting options: port exposing and the container type network mode",
    );
  });

  test("a name that is taken", () => {
    expect(errorOf(() => withContainer(state, "web"))).toEqual({
      code: "CONFLICT",
      message: `Conflict. The container name "/web" is already in use by container "${containerOf(state, "web").id}". You have to remove (or rename) that container to be able to reuse that name.`,
    });
  });

  test("networks beside a mode that is none", () => {
    const request = { ...containerRequest("new"), sandbox: { kind: "host" } } as const;
    expect(refusalOf(() => runContainer(state, request))).toBe(
      "conflicting options: cannot attach both user-defined and non-user-defined network-modes",
    );
  });

  test.for(["net.ipv4.conf.all.forwarding", "net.ipv4.conf.default.forwarding", "net.core.somaxconn"])(
    "not a sysctl of the whole namespace: %s",
    (key) => {
      expect(containerOf(withContainer(state, "new", { sysctls: { [key]: "1" } }), "new").sysctls).toEqual({
        [key]: "1",
      });
    },
  );
});

describe("interfaces", () => {
  test("are numbered in order of joining", () => {
    expect(interfaces(withContainer(nets, "aa", { networks: ["n2", "n1"] }), "aa")).toEqual(["n2 eth0", "n1 eth1"]);
  });

  test("take the lowest free number: one freed by disconnect is used again [seen]", () => {
    const state = disconnect(withContainer(nets, "aa", { networks: ["n1", "n2"] }), "aa", "n1");
    expect(interfaces(connect(state, "aa", "n3"), "aa")).toEqual(["n2 eth1", "n3 eth0"]);
  });

  test("with endpoint.ifname have that name and use up no number [seen]", () => {
    const driverOpts = driverOptions({ "endpoint.ifname": "foo0" });
    const state = withContainer(nets, "aa", { networks: [{ network: "n1", driverOpts }, "n2"] });
    expect(interfaces(state, "aa")).toEqual(["n1 foo0", "n2 eth0"]);
  });

  test("with an explicit name like eth0 push the numbers on", () => {
    const state = withContainer(nets, "aa", { networks: [{ network: "n1", ifName: "eth0" as IfName }, "n2"] });
    expect(interfaces(state, "aa")).toEqual(["n1 eth0", "n2 eth1"]);
  });

  test("have the network's container_iface_prefix, each prefix with numbers of its own", () => {
    const state = withNetwork(nets, "p", { options: { container_iface_prefix: "dock" } });
    expect(interfaces(withContainer(state, "aa", { networks: ["n1", "p", "n2"] }), "aa")).toEqual([
      "n1 eth0",
      "p dock0",
      "n2 eth1",
    ]);
  });

  test.for(["eth0", "lo"])("cannot be called %s when the container has one", (ifName) => {
    const state = withContainer(nets, "aa", { networks: ["n1"] });
    expect(refusalOf(() => connect(state, "aa", { network: "n2", ifName: ifName as IfName }))).toMatch(
      new RegExp(
        `^failed to add interface (veth[0-9a-f]{7}) to sandbox: error renaming interface "\\1" to "${ifName}": file exists$`,
      ),
    );
  });
});

describe("docker network connect and disconnect", () => {
  const state = ["none", "host", "container:web"].reduce(
    (s, mode, i) => withContainer(s, `mode${i}`, { mode: mode as NonNullable<ContainerText["mode"]> }),
    withContainer(nets, "web", { networks: ["n1"] }),
  );

  test("join and leave", () => {
    const joined = connect(state, "web", "n2");
    expect(addressOn(joined, "web", "n2")).toBe("172.19.0.2");
    expect(interfaces(disconnect(joined, "web", "n1"), "web")).toEqual(["n2 eth1"]);
  });

  test.for([
    ["twice", "web", "n1", "CONFLICT", "endpoint with name web already exists in network n1"],
    ["a container that does not exist", "nosuch", "n1", "NOT_FOUND", "No such container: nosuch"],
    ["a network that does not exist", "web", "nosuch", "NOT_FOUND", "network nosuch not found"],
    [
      "to host",
      "web",
      "host",
      "LAB_FILE",
      "cannot connect container to host network - container must be created in host network mode",
    ],
    [
      "to none",
      "web",
      "none",
      "LAB_FILE",
      "container cannot be connected to multiple networks with one of the networks in private (none) mode",
    ],
    [
      "a container on none",
      "mode0",
      "n1",
      "LAB_FILE",
      "container cannot be connected to multiple networks with one of the networks in private (none) mode",
    ],
    [
      "a container in host mode",
      "mode1",
      "n1",
      "LAB_FILE",
      "container sharing network namespace with another container or host cannot be connected to any other network",
    ],
    [
      "a container that joined another",
      "mode2",
      "n1",
      "LAB_FILE",
      "container sharing network namespace with another container or host cannot be connected to any other network",
    ],
  ] as const)("connect refuses, in Docker's words: %s", ([, container, network, code, message]) => {
    expect(errorOf(() => connect(state, container, network))).toEqual({ code, message });
  });

  test.for([
    ["a container that does not exist", "nosuch", "n1", "No such container: nosuch"],
    ["a network that does not exist", "web", "nosuch", "network nosuch not found"],
    [
      "from host",
      "mode1",
      "host",
      "cannot disconnect container from host network - container was created in host network mode",
    ],
  ] as const)("disconnect refuses, in Docker's words: %s", ([, container, network, message]) => {
    expect(refusalOf(() => disconnect(state, container, network))).toBe(message);
  });

  test("disconnect of what is not connected names the container by its id", () => {
    expect(refusalOf(() => disconnect(state, "web", "n2"))).toBe(
      `container ${containerOf(state, "web").id} is not connected to network n2`,
    );
  });

  test("a refused connect leaves nothing behind", () => {
    const fixed = { network: "fix", address: "10.9.0.9" as Ipv4 };
    const busy = withContainer(withNetwork(state, "fix", { subnet: "10.9.0.0/24" }), "other", { networks: [fixed] });
    const before = structuredClone(busy);
    expect(refusalOf(() => connect(busy, "web", fixed))).toBe("Address already in use");
    expect(busy).toEqual(before);
  });
});

describe("docker rm", () => {
  test("gives back address and ports", () => {
    const state = withContainer(nets, "web", { publish: ["8080:80"] });
    const again = withContainer(removeContainer(state, "web", { force: true }), "new", { publish: ["8080:80"] });
    expect(addressOn(again, "new")).toBe("172.17.0.2");
    expect(again.containers.map((c) => c.name)).toEqual(["new"]);
  });

  test("--link removes a link and no container, and refuses what is no link [seen]", () => {
    const linked = runContainer(withContainer(newDaemon(), "store"), {
      ...containerRequest("app"),
      links: [{ target: "store", alias: "pg" }],
    });
    const after = removeLink(linked, "app/pg");
    expect(after.containers.map(({ name, links }) => ({ name, links }))).toEqual([
      { name: "store", links: [] },
      { name: "app", links: [] },
    ]);
    expect(refusalOf(() => removeLink(linked, "store"))).toBe(
      "Conflict, cannot remove the default link name of the container",
    );
    for (const ref of ["app/nosuch", "nosuch/pg", "nosuch", "app/pg/x"])
      expect(refusalOf(() => removeLink(linked, ref))).toBe(`No such container: ${ref}`);
  });

  test("of a missing container says so", () => {
    expect(refusalOf(() => removeContainer(nets, "nosuch"))).toBe("No such container: nosuch");
  });

  test.for([
    ["name", (id: string) => id && "web", "web"],
    ["id prefix", (id: string) => id.slice(0, 12), undefined],
  ] as const)("of a running one wants force, and says the %s that it was called by", ([, refOf]) => {
    const state = withContainer(nets, "web");
    const ref = refOf(containerOf(state, "web").id);
    expect(errorOf(() => removeContainer(state, ref))).toEqual({
      code: "CONFLICT",
      message: `cannot remove container "${ref}": container is running: stop the container before removing or force remove`,
    });
    expect(removeContainer(state, ref, { force: true }).containers).toEqual([]);
  });
});

test("a later network of a failed run gives back what the earlier ones took", () => {
  const request = { ...containerRequest("aa", { networks: ["n1"] }), publish: portRequests("8080:80") };
  const taken = withContainer(nets, "web", { publish: ["8080:80"] });
  expect(refusalOf(() => runContainer(taken, request))).toContain("port is already allocated");
  expect(addressOn(withContainer(taken, "bb", { networks: ["n1"] }), "bb")).toBe(
    addressOn(withContainer(nets, "bb", { networks: ["n1"] }), "bb"),
  );
  expect(networkOf(taken, "n1")).toBe(networkOf(nets, "n1"));
});
