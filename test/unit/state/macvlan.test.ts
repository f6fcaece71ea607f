/** The macvlan driver as dockerd 28.5.2 has it: each refusal, address and default was seen there, but for those that are said to be ours. */
import { describe, expect, test } from "vitest";
import type { DocknetError } from "../../../src/errors.ts";
import type { Ipv4 } from "../../../src/net/address.ts";
import type { Mac } from "../../../src/net/mac.ts";
import { connectContainer, disconnectContainer } from "../../../src/state/attachment.ts";
import { stopContainer } from "../../../src/state/lifecycle.ts";
import { lookupName } from "../../../src/state/names.ts";
import { removeNetwork } from "../../../src/state/network.ts";
import { resolveState } from "../../../src/state/resolve.ts";
import { gatewayEndpoint, type State } from "../../../src/state/state.ts";
import {
  addressOn,
  bindingsOf,
  containerOf,
  errorOf,
  type NetworkText,
  networkOf,
  newDaemon,
  refusalOf,
  withContainer,
  withNetwork,
} from "../../support/state.ts";
import { loadText } from "../spec/lab.ts";

const macvlan = (options: Readonly<Record<string, string>> = {}, more: NetworkText = {}): NetworkText => ({
  subnet: "10.90.0.0/24",
  macvlan: { parent: "eth0", ...options },
  ...more,
});
const lan = (more: NetworkText = {}): NetworkText => macvlan({}, { subnet: "192.168.0.0/24", ...more });
const withLan = (more: NetworkText = {}, state: State = newDaemon()): State => withNetwork(state, "lan", lan(more));

describe("network create refuses, in Docker's words", () => {
  test.for([
    ["foo", "requested macvlan mode 'foo' is not valid, 'bridge' mode is the macvlan driver default"],
    ["Bridge", "requested macvlan mode 'Bridge' is not valid, 'bridge' mode is the macvlan driver default"],
  ])("mode %s", ([mode = "", message]) => {
    expect(refusalOf(() => withNetwork(newDaemon(), "n", macvlan({ macvlan_mode: mode })))).toBe(message);
  });

  test.for([
    ["lo", "loopback interface is not a valid macvlan parent link"],
    ["nosuch", "invalid subinterface vlan name nosuch, example formatting is eth0.10"],
    ["averyveryverylongname", "invalid subinterface vlan name averyveryverylongname, example formatting is eth0.10"],
    ["nosuch.10", "-o parent interface was not found on the host: nosuch"],
    ["eth0.0", "vlan id must be between 1-4094, received: 0"],
    ["eth0.4095", "vlan id must be between 1-4094, received: 4095"],
    ["eth0.-1", "vlan id must be between 1-4094, received: -1"],
    ["eth0.abc", "unable to parse a valid vlan id from: abc (ex. eth0.10 for vlan 10)"],
    ["eth0.", "unable to parse a valid vlan id from:  (ex. eth0.10 for vlan 10)"],
    ["eth0.1.2", "required interface name format is: name.vlan_id, ex. eth0.10 for vlan 10, instead received eth0.1.2"],
    ["lo.10", "failed to create lo.10 vlan link: operation not supported"],
    // in our own words: Docker takes it
    ["docker0", "docknet does not emulate macvlan on docker0, which is a bridge"],
    ["docker0.10", "docknet does not emulate macvlan on docker0, which is a bridge"],
  ])("parent %s", ([parent = "", message]) => {
    expect(refusalOf(() => withNetwork(newDaemon(), "n", macvlan({ parent })))).toBe(message);
  });

  test("with status 500, each", () => {
    for (const options of [{ macvlan_mode: "foo" }, { parent: "lo" }, { parent: "nosuch" }]) {
      try {
        withNetwork(newDaemon(), "n", macvlan(options));
        expect.unreachable();
      } catch (error) {
        expect((error as DocknetError).details).toEqual({ status: 500 });
      }
    }
  });

  test("a parent is shared, but not with mode passthru, on either side", () => {
    const one = withNetwork(newDaemon(), "one", macvlan());
    const { id } = networkOf(one, "one");
    const other = (mode: string) => macvlan({ macvlan_mode: mode }, { subnet: "10.91.0.0/24" });
    expect(withNetwork(one, "two", other("private")).networks).toHaveLength(3);
    expect(refusalOf(() => withNetwork(one, "two", other("passthru")))).toBe(
      `cannot use mode passthru, macvlan network ${id} is already using parent interface eth0`,
    );
    const alone = withNetwork(newDaemon(), "one", macvlan({ macvlan_mode: "passthru" }));
    const holder = networkOf(alone, "one").id;
    expect(refusalOf(() => withNetwork(alone, "two", other("bridge")))).toBe(
      `macvlan network ${holder} is already using parent interface eth0 in mode passthru`,
    );
  });

  test("20.10 lets no two networks share a parent", () => {
    const one = withNetwork(newDaemon({ profile: "docker-20.10" }), "one", macvlan());
    expect(refusalOf(() => withNetwork(one, "two", macvlan({}, { subnet: "10.91.0.0/24" })))).toBe(
      `network dm-${networkOf(one, "one").id.slice(0, 12)} is already using parent interface eth0`,
    );
  });

  test("subnets overlap with no other network's, bridge or macvlan", () => {
    const overlap = "invalid pool request: Pool overlaps with other one on this address space";
    expect(refusalOf(() => withNetwork(withLan(), "n", macvlan({}, { subnet: "192.168.0.0/25" })))).toBe(overlap);
    expect(refusalOf(() => withNetwork(withLan(), "n", { subnet: "192.168.0.0/25" }))).toBe(overlap);
  });
});

describe("parents", () => {
  const parentOf = (options: Readonly<Record<string, string>>, state: State = newDaemon()): unknown => {
    const network = networkOf(withNetwork(state, "n", macvlan(options, { subnet: "10.95.0.0/24" })), "n");
    return network.driver === "macvlan" && [network.parent, network.mode, network.parentMade];
  };

  test("the host's link as it is, a VLAN of it, or a dummy", () => {
    expect(parentOf({})).toEqual(["eth0", "bridge", undefined]);
    expect(parentOf({ macvlan_mode: "" })).toEqual(["eth0", "bridge", undefined]);
    expect(parentOf({ parent: "eth0.10", macvlan_mode: "vepa" })).toEqual(["eth0.10", "vepa", "vlan"]);
    expect(parentOf({ parent: "", macvlan_mode: "private" })).toEqual([
      expect.stringMatching(/^dm-[0-9a-f]{12}$/),
      "private",
      "dummy",
    ]);
  });

  test("a VLAN that is there is shared, under its one name", () => {
    const first = withNetwork(newDaemon(), "one", macvlan({ parent: "eth0.10" }));
    expect(parentOf({ parent: "eth0.10" }, first)).toEqual(["eth0.10", "bridge", "vlan"]);
    expect(refusalOf(() => parentOf({ parent: "eth0.010" }, first))).toBe(
      "failed to create eth0.010 vlan link: file exists",
    );
  });

  test("a bridge does not take the name of one", () => {
    const state = withNetwork(newDaemon(), "one", macvlan({ parent: "eth0.10" }));
    expect(refusalOf(() => withNetwork(state, "n", { options: { "bridge.name": "eth0.10" } }))).toBe(
      "existing interface eth0.10 is not a bridge",
    );
  });

  test("options of the bridge driver mean nothing to it", () => {
    const named = macvlan({ "com.docker.network.container_iface_prefix": "lan", "com.docker.network.driver.mtu": "1" });
    expect(networkOf(withNetwork(newDaemon(), "n", named), "n").ifPrefix).toBe("eth");
  });
});

describe("addresses", () => {
  test("the LAN's own subnet is what it is for; the gateway is the lowest address of the range unless named", () => {
    const state = withContainer(withLan({ ipRange: "192.168.0.96/27" }), "web", { networks: ["lan"] });
    expect(networkOf(state, "lan").gateway).toBe("192.168.0.96");
    expect(addressOn(state, "web")).toBe("192.168.0.97");
    expect(networkOf(withLan({ gateway: "192.168.0.1" }), "lan").gateway).toBe("192.168.0.1");
  });

  test("an internal one keeps no address back for a gateway, and gives no way out", () => {
    const state = withContainer(withNetwork(newDaemon(), "n", macvlan({}, { internal: true })), "web", {
      networks: ["n"],
    });
    expect(addressOn(state, "web")).toBe("10.90.0.1");
    expect(gatewayEndpoint(state, containerOf(state, "web").endpoints)).toBeUndefined();
    const named = withNetwork(newDaemon(), "n", macvlan({}, { internal: true, gateway: "10.90.0.9" }));
    expect(networkOf(named, "n").gateway).toBe("10.90.0.9");
    expect(
      refusalOf(() => withContainer(named, "web", { networks: [{ network: "n", address: "10.90.0.9" as Ipv4 }] })),
    ).toBe("failed to set up container networking: Address already in use");
  });

  test("without a parent it leads nowhere", () => {
    const state = withContainer(withNetwork(newDaemon(), "n", macvlan({ parent: "" })), "web", { networks: ["n"] });
    expect(gatewayEndpoint(state, containerOf(state, "web").endpoints)).toBeUndefined();
  });

  test("an endpoint has nothing on the host, and its names are in the network's DNS", () => {
    const state = withContainer(withContainer(withLan(), "web", { networks: ["lan"] }), "db", { networks: ["lan"] });
    const [endpoint] = containerOf(state, "web").endpoints;
    expect(endpoint).not.toHaveProperty("hostIfName");
    expect(endpoint?.ifName).toBe("eth0");
    expect(lookupName(state, containerOf(state, "db"), "web")).toEqual([addressOn(state, "web")]);
  });

  test("in mode passthru one container has the parent, and its MAC", () => {
    const state = withContainer(withNetwork(newDaemon(), "n", macvlan({ macvlan_mode: "passthru" })), "web", {
      networks: ["n"],
    });
    const mac = containerOf(state, "web").endpoints[0]?.mac;
    expect(refusalOf(() => withContainer(state, "two", { networks: ["n"] }))).toBe(
      "failed to set up container networking: failed to create the macvlan port: invalid argument",
    );
    const stopped = stopContainer(state, "web", { exitCode: 0 });
    expect(containerOf(withContainer(stopped, "two", { networks: ["n"] }), "two").endpoints[0]?.mac).toBe(mac);
  });

  test("no two on one parent have one MAC, nor the parent's", () => {
    const mac = "02:42:0a:00:00:05" as Mac;
    const state = withContainer(withLan(), "web", { networks: [{ network: "lan", mac }] });
    expect(refusalOf(() => withContainer(state, "two", { networks: [{ network: "lan", mac }] }))).toBe(
      "failed to set up container networking: failed to set link up: address already in use",
    );
  });
});

describe("published ports", () => {
  test("none while a macvlan is the way out; they come and go as it does", () => {
    const start = withContainer(withNetwork(withLan(), "zz"), "web", { networks: ["lan"], publish: ["8080:80"] });
    expect(bindingsOf(start, "web")).toEqual([]);
    const both = connectContainer(start, "web", { network: "zz" });
    expect(bindingsOf(both, "web")).toEqual([]);
    const moved = disconnectContainer(both, "web", "lan");
    expect(bindingsOf(moved, "web")).toEqual(["80/tcp -> 0.0.0.0:8080", "80/tcp -> [::]:8080"]);
    const back = connectContainer(moved, "web", { network: "lan" });
    expect(bindingsOf(back, "web")).toEqual([]);
    expect(containerOf(back, "web").endpoints.map((e) => e.ifName)).toEqual(["eth1", "eth0"]);
  });

  test("a lab file is told so", () => {
    const text = [
      "services:",
      "  web: {image: nginx, networks: [lan], ports: ['8080:80']}",
      "networks: {lan: {driver: macvlan, driver_opts: {parent: eth0}}}",
    ].join("\n");
    expect(resolveState(loadText(text)).warnings.map((w) => w.message)).toEqual([
      "published ports of web are discarded: its way out is network lab_lan, and the macvlan driver does not support port mappings",
    ]);
  });
});

test("it goes when nobody is on it any more", () => {
  const state = withContainer(withLan(), "web", { networks: ["lan"] });
  expect(refusalOf(() => removeNetwork(state, "lan"))).toMatch(
    /^error while removing network: network lan has active endpoints \(name:"web" id:"[0-9a-f]{12}"\)$/,
  );
  expect(removeNetwork(stopContainer(state, "web", { exitCode: 0 }), "lan").networks).toHaveLength(1);
});

describe("a lab file", () => {
  const file = (ipam: string, service = "networks: [lan]"): string =>
    [
      "services:",
      `  web: {image: nginx, ${service}}`,
      `networks: {lan: {driver: macvlan, driver_opts: {parent: eth0}, ipam: {config: [${ipam}]}}}`,
    ].join("\n");

  test("may have the LAN's subnet, and not the internet's", () => {
    expect(resolveState(loadText(file("{subnet: 192.168.0.0/24}"))).warnings).toEqual([]);
    expect(errorOf(() => resolveState(loadText(file("{subnet: 203.0.113.0/24}"))))?.message).toContain(
      "network lab_lan: subnet 203.0.113.0/24 overlaps 203.0.113.0/24, the lab's internet",
    );
  });

  test("is told when Docker would give a container the address of a machine of the LAN", () => {
    const fixed = file("{subnet: 192.168.0.0/24}", "networks: {lan: {ipv4_address: 192.168.0.10}}");
    expect(errorOf(() => resolveState(loadText(fixed)))?.message).toContain(
      "web gets 192.168.0.10 on network lab_lan, the address of @host on the LAN",
    );
  });
});
