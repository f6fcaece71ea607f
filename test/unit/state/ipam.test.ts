import { describe, expect, test } from "vitest";
import type { Ipv4, Subnet } from "../../../src/net/address.ts";
import { connectContainer, disconnectContainer } from "../../../src/state/attachment.ts";
import { removeContainer } from "../../../src/state/container.ts";
import { removeNetwork } from "../../../src/state/network.ts";
import type { State } from "../../../src/state/state.ts";
import {
  addressOn,
  containerOf,
  networkOf,
  newDaemon,
  refusalOf,
  withContainer,
  withNetwork,
} from "../../support/state.ts";

const subnets = (state: State): string[] => state.networks.map((n) => n.subnet);
const fill = (state: State, count: number): State =>
  Array.from({ length: count }, (_, i) => `n${i + 1}`).reduce((s, name) => withNetwork(s, name), state);

/** A LAN that lies in none of Docker's pools. */
const OUTSIDE = {
  lan: "10.255.0.0/24" as Subnet,
  host: "10.255.0.10" as Ipv4,
  neighbour: "10.255.0.20" as Ipv4,
};

describe("pools", () => {
  test("are given in Docker's order: 172.17 to 172.31, then the /20s of 192.168, 31 in all, then no more", () => {
    const full = fill(newDaemon({}, OUTSIDE), 30);
    expect(subnets(full)).toEqual([
      ...Array.from({ length: 15 }, (_, i) => `172.${17 + i}.0.0/16`),
      ...Array.from({ length: 16 }, (_, i) => `192.168.${i * 16}.0/20`),
    ]);
    expect(refusalOf(() => withNetwork(full, "one-more"))).toBe(
      "all predefined address pools have been fully subnetted",
    );
  });

  test("that the host has on its LAN are skipped: the default world costs 192.168.0.0/20", () => {
    const full = fill(newDaemon(), 29);
    expect(subnets(full)).not.toContain("192.168.0.0/20");
    expect(subnets(full).at(15)).toBe("192.168.16.0/20");
    expect(refusalOf(() => withNetwork(full, "one-more"))).toBe(
      "all predefined address pools have been fully subnetted",
    );
  });

  test("that hold the host's name server are skipped too", () => {
    const internet = { subnet: "172.18.7.0/24" as Subnet, www: "172.18.7.80" as Ipv4, dns: "172.18.7.53" as Ipv4 };
    expect(subnets(fill(newDaemon({}, { internet }), 2))).toEqual(["172.17.0.0/16", "172.19.0.0/16", "172.20.0.0/16"]);
  });

  test("skip what an explicit --subnet took a part of", () => {
    const state = withNetwork(newDaemon(), "mine", { subnet: "172.18.5.0/24" });
    expect(subnets(withNetwork(state, "next")).at(-1)).toBe("172.19.0.0/16");
  });

  test("fill the hole of a removed network first", () => {
    const state = removeNetwork(fill(newDaemon(), 3), "n1");
    expect(networkOf(withNetwork(state, "again"), "again").subnet).toBe("172.18.0.0/16");
  });

  test("of --default-address-pool replace Docker's own, docker0 included", () => {
    const engine = { addressPools: [{ base: "10.90.0.0/22" as Subnet, size: 24 }] };
    const full = fill(newDaemon(engine), 3);
    expect(subnets(full)).toEqual(["10.90.0.0/24", "10.90.1.0/24", "10.90.2.0/24", "10.90.3.0/24"]);
    expect(refusalOf(() => withNetwork(full, "n4"))).toBe("all predefined address pools have been fully subnetted");
  });

  test("do not apply to docker0 when --bip says where it stands", () => {
    const [docker0] = newDaemon({ bip: "10.9.0.5/24" }).networks;
    expect([docker0?.subnet, docker0?.gateway]).toEqual(["10.9.0.0/24", "10.9.0.5"]);
  });

  test.for([
    ["the same subnet", "10.10.0.0/24"],
    ["a part of it", "10.10.0.128/25"],
    ["one that holds it", "10.0.0.0/8"],
    ["docker0's", "172.17.0.0/16"],
  ] as const)("an explicit subnet that overlaps another network's is refused: %s", ([, subnet]) => {
    const state = withNetwork(newDaemon(), "first", { subnet: "10.10.0.0/24" });
    expect(refusalOf(() => withNetwork(state, "second", { subnet }))).toBe(
      "invalid pool request: Pool overlaps with other one on this address space",
    );
  });
});

describe("the gateway", () => {
  test.for([
    ["is the first host address", { subnet: "10.1.0.0/24" }, "10.1.0.1"],
    [
      "is the first of the ip-range when one is given [seen]",
      { subnet: "10.77.0.0/24", ipRange: "10.77.0.128/25" },
      "10.77.0.128",
    ],
    [
      "is never the network address, even when the ip-range begins there",
      { subnet: "10.1.0.0/24", ipRange: "10.1.0.0/25" },
      "10.1.0.1",
    ],
    ["is what --gateway says", { subnet: "10.1.0.0/24", gateway: "10.1.0.254" }, "10.1.0.254"],
    [
      "may lie outside the ip-range",
      { subnet: "198.51.100.0/24", ipRange: "198.51.100.128/25", gateway: "198.51.100.1" },
      "198.51.100.1",
    ],
    ["of a /30 is its first host [seen]", { subnet: "10.1.0.4/30" }, "10.1.0.5"],
    ["of a /31 is its first address [seen]", { subnet: "10.1.0.4/31" }, "10.1.0.4"],
    ["of a /32 is its only address", { subnet: "10.1.0.4/32" }, "10.1.0.4"],
  ] as const)("%s", ([, text, want]) => {
    expect(networkOf(withNetwork(newDaemon(), "n", text), "n").gateway).toBe(want);
  });

  test.for([
    [
      "network address",
      { subnet: "10.1.0.0/24", gateway: "10.1.0.0" },
      "failed to allocate gateway (10.1.0.0): Address already in use",
    ],
    [
      "broadcast address",
      { subnet: "10.1.0.0/24", gateway: "10.1.0.255" },
      "failed to allocate gateway (10.1.0.255): Address already in use",
    ],
  ] as const)("cannot be the %s", ([, text, message]) => {
    expect(refusalOf(() => withNetwork(newDaemon(), "n", text))).toBe(message);
  });

  // moby daemon/libnetwork/network.go ipamAllocateVersion asks for the gateway first, then for each auxiliary address
  test.for([
    ["the gateway that was given", { subnet: "10.1.0.0/24", gateway: "10.1.0.9", aux: ["10.1.0.9"] }, "10.1.0.9"],
    ["the gateway that Docker chose", { subnet: "10.1.0.0/24", aux: ["10.1.0.1"] }, "10.1.0.1"],
    ["the network address", { subnet: "10.1.0.0/24", aux: ["10.1.0.0"] }, "10.1.0.0"],
    ["another auxiliary address", { subnet: "10.1.0.0/24", aux: ["10.1.0.7", "10.1.0.7"] }, "10.1.0.7"],
  ] as const)("an auxiliary address that is %s is in use", ([, text, address]) => {
    const name = String.fromCharCode(96 + text.aux.length);
    expect(refusalOf(() => withNetwork(newDaemon(), "n", text))).toBe(
      `failed to allocate secondary ip address (${name}:${address}): Address already in use`,
    );
  });

  test.for([
    ["isolated", { options: { "bridge.gateway_mode_ipv4": "isolated" } }],
    ["inhibit_ipv4", { options: { "bridge.inhibit_ipv4": "true" } }],
  ] as const)("is not allocated for an internal network with %s: a /31 has two container addresses", ([, text]) => {
    const base = withNetwork(newDaemon(), "n", { subnet: "10.1.0.4/31", internal: true, ...text });
    expect(networkOf(base, "n").gateway).toBeUndefined();
    const two = withContainer(withContainer(base, "aa", { networks: ["n"] }), "bb", { networks: ["n"] });
    expect([addressOn(two, "aa"), addressOn(two, "bb")]).toEqual(["10.1.0.4", "10.1.0.5"]);
  });
});

describe("a container's address", () => {
  test.for([
    ["is the lowest free one", { subnet: "10.1.0.0/24" }, ["10.1.0.2", "10.1.0.3", "10.1.0.4"]],
    [
      "comes from the ip-range, after the gateway there [seen]",
      { subnet: "10.77.0.0/24", ipRange: "10.77.0.128/25" },
      ["10.77.0.129", "10.77.0.130"],
    ],
    [
      "is the range's first when the gateway lies elsewhere [seen]",
      { subnet: "198.51.100.0/24", ipRange: "198.51.100.128/25", gateway: "198.51.100.1" },
      ["198.51.100.128", "198.51.100.129"],
    ],
    [
      "leaves out auxiliary addresses",
      { subnet: "10.1.0.0/24", aux: ["10.1.0.2", "10.1.0.4"] },
      ["10.1.0.3", "10.1.0.5"],
    ],
    ["of a /31 is the second [seen]", { subnet: "10.1.0.4/31" }, ["10.1.0.5"]],
    ["of a /30 is the second host [seen]", { subnet: "10.1.0.4/30" }, ["10.1.0.6"]],
    [
      "of a gateway in the middle goes around it",
      { subnet: "10.1.0.0/29", gateway: "10.1.0.3" },
      ["10.1.0.1", "10.1.0.2", "10.1.0.4"],
    ],
  ] as const)("%s", ([, text, want]) => {
    const names = want.map((_, i) => `c${i}`);
    const state = names.reduce((s, c) => withContainer(s, c, { networks: ["n"] }), withNetwork(newDaemon(), "n", text));
    expect(names.map((c) => addressOn(state, c))).toEqual(want);
  });

  test.for([
    ["/30 after one", { subnet: "10.1.0.4/30" }, 1],
    ["/31 after one", { subnet: "10.1.0.4/31" }, 1],
    ["/32 at once", { subnet: "10.1.0.4/32" }, 0],
    ["/29 after five", { subnet: "10.1.0.0/29" }, 5],
    ["ip-range of two after one", { subnet: "10.1.0.0/24", ipRange: "10.1.0.128/31" }, 1],
    [
      "ip-range of two after both, when the gateway lies elsewhere",
      { subnet: "10.1.0.0/24", ipRange: "10.1.0.128/31", gateway: "10.1.0.1" },
      2,
    ],
  ] as const)("is refused when the pool is full: %s", ([, text, count]) => {
    const names = Array.from({ length: count }, (_, i) => `c${i}`);
    const full = names.reduce((s, c) => withContainer(s, c, { networks: ["n"] }), withNetwork(newDaemon(), "n", text));
    const { id } = networkOf(full, "n");
    expect(refusalOf(() => withContainer(full, "one-more", { networks: ["n"] }))).toBe(
      `failed to set up container networking: no available IPv4 addresses on this network's address pools: n (${id})`,
    );
  });

  test("is free again when its container goes, and the next to start takes it: no memory [seen]", () => {
    const three = ["aa", "bb", "cc"].reduce((s, c) => withContainer(s, c), newDaemon());
    const again = withContainer(removeContainer(three, "bb", { force: true }), "dd");
    expect(addressOn(again, "dd")).toBe("172.17.0.3");
    expect(addressOn(withContainer(again, "ee"), "ee")).toBe("172.17.0.5");
  });

  test("is free again when its container disconnects", () => {
    const base = withContainer(withNetwork(newDaemon(), "n"), "aa", { networks: ["n", "bridge"] });
    const gone = disconnectContainer(base, "aa", "n");
    expect(addressOn(withContainer(gone, "bb", { networks: ["n"] }), "bb")).toBe("172.18.0.2");
  });
});

describe("a fixed address", () => {
  const base = withNetwork(newDaemon(), "n", {
    subnet: "10.1.0.0/24",
    ipRange: "10.1.0.128/25",
    gateway: "10.1.0.1",
    aux: ["10.1.0.7"],
  });
  const fixed = (state: State, name: string, address: string): State =>
    withContainer(state, name, { networks: [{ network: "n", address: address as Ipv4 }] });

  test.for(["10.1.0.200", "10.1.0.2", "10.1.0.127"])("%s is given: in the ip-range or out of it", (address) => {
    expect(addressOn(fixed(base, "aa", address), "aa")).toBe(address);
  });

  test("is left out by those who want any", () => {
    const state = withContainer(fixed(base, "aa", "10.1.0.128"), "bb", { networks: ["n"] });
    expect(addressOn(state, "bb")).toBe("10.1.0.129");
  });

  test.for([
    ["network address", "10.1.0.0"],
    ["broadcast address", "10.1.0.255"],
    ["gateway", "10.1.0.1"],
    ["auxiliary address", "10.1.0.7"],
    ["address of another container", "10.1.0.50"],
  ] as const)("that is the %s is in use", ([, address]) => {
    const state = fixed(base, "taken", "10.1.0.50");
    expect(refusalOf(() => fixed(state, "aa", address))).toBe(
      "failed to set up container networking: Address already in use",
    );
  });

  test("outside the subnet is refused", () => {
    expect(refusalOf(() => fixed(base, "aa", "10.2.0.5"))).toBe(
      "invalid config for network n: invalid endpoint settings:\nno configured subnet or ip-range contain the IP address 10.2.0.5",
    );
  });

  test("is refused on a network without --subnet, until 29.1", () => {
    const state = withNetwork(newDaemon(), "auto");
    const address = "172.18.9.9" as Ipv4;
    expect(refusalOf(() => withContainer(state, "aa", { networks: [{ network: "auto", address }] }))).toBe(
      "invalid config for network auto: invalid endpoint settings:\nuser specified IP address is supported only when connecting to networks with user configured subnets",
    );
  });

  test("is refused on the default bridge, for two reasons", () => {
    const address = "172.17.0.9" as Ipv4;
    expect(refusalOf(() => withContainer(newDaemon(), "aa", { networks: [{ network: "bridge", address }] }))).toBe(
      [
        "invalid config for network bridge: invalid endpoint settings:",
        "* user specified IP address is supported on user defined networks only",
        "* user specified IP address is supported only when connecting to networks with user configured subnets",
      ].join("\n"),
    );
  });

  test("is not reserved while its container is away: another takes it, and the first is refused", () => {
    const other = withContainer(removeContainer(fixed(base, "aa", "10.1.0.128"), "aa", { force: true }), "bb", {
      networks: ["n"],
    });
    expect(containerOf(other, "bb").endpoints[0]?.address).toBe("10.1.0.128");
    expect(refusalOf(() => fixed(other, "aa", "10.1.0.128"))).toBe(
      "failed to set up container networking: Address already in use",
    );
  });

  test("works for docker network connect as for run", () => {
    const state = withContainer(base, "aa");
    const request = { network: "n", address: "10.1.0.66" as Ipv4 };
    expect(addressOn(connectContainer(state, "aa", request), "aa", "n")).toBe("10.1.0.66");
  });
});
