/**
 * The whole rule list of a scenario against a golden file. The first five files are moby's own documents or listings of a live
 * dockerd (docker-reference 4.2). The others are derived by hand, rule by rule, from moby's code at HEAD
 * (daemon/libnetwork/drivers/bridge/internal/iptabler: network.go setupIPTables, endpoint.go filterDirectAccess, port.go
 * setPerPortIptables); the derivation stands at each row.
 */
import { describe, expect, test } from "vitest";
import { docker29Ruleset } from "../../../../src/plan/firewall/docker-29.ts";
import { renderRule } from "../../../../src/plan/firewall/rule.ts";
import { connectContainer, disconnectContainer } from "../../../../src/state/attachment.ts";
import { removeContainer } from "../../../../src/state/container.ts";
import type { State } from "../../../../src/state/state.ts";
import { expectGolden } from "../../../support/golden.ts";
import { renderTables } from "../../../support/rules.ts";
import { type NetworkText, newDaemon, withContainer, withNetwork } from "../../../support/state.ts";

/** `docker network create -o com.docker.network.bridge.name=bridge1 --subnet 192.0.2.0/24 --gateway 192.0.2.1 bridge1` */
function usernet(state: State, text: NetworkText = {}): State {
  const options = { "bridge.name": "bridge1", ...text.options };
  return withNetwork(state, "bridge1", { subnet: "192.0.2.0/24", gateway: "192.0.2.1", ...text, options });
}

function second(state: State, text: NetworkText = {}): State {
  const options = { "bridge.name": "bridge2", ...text.options };
  return withNetwork(state, "bridge2", { subnet: "198.51.100.0/24", ...text, options });
}

/** `docker run --network bridge1 -p ... --name NAME` */
const run = (
  state: State,
  name: string,
  publish: readonly string[],
  networks: readonly string[] = ["bridge1"],
): State => withContainer(state, name, { networks, publish });

const listing = (state: State, policies = false): string => renderTables(docker29Ruleset(state), policies);
const chain = (state: State, name: string): string[] =>
  docker29Ruleset(state)
    .rules.filter((r) => r.chain === name)
    .map(renderRule);

describe("docker's own listings", () => {
  test("a new daemon on a host that forwarded already: the policy of FORWARD is left alone", () => {
    expectGolden("rules/new-daemon.rules", listing(newDaemon({ ipForward: true }), true));
  });

  test("-p 8080:80 on a user-defined network", () => {
    expectGolden("rules/usernet-portmap.rules", listing(run(usernet(newDaemon()), "c1", ["8080:80"])));
  });

  test("-p 127.0.0.1:8080:80", () => {
    expectGolden("rules/usernet-portmap-lo.rules", listing(run(usernet(newDaemon()), "c1", ["127.0.0.1:8080:80"])));
  });

  test("--userland-proxy=false", () => {
    expectGolden(
      "rules/usernet-portmap-noproxy.rules",
      listing(run(usernet(newDaemon({ userlandProxy: false })), "c1", ["8080:80"])),
    );
  });

  test("gateway mode routed", () => {
    const options = { "bridge.gateway_mode_ipv4": "routed" };
    expectGolden(
      "rules/usernet-portmap-routed.rules",
      listing(run(usernet(newDaemon(), { options }), "c1", ["8080:80"])),
    );
  });
});

describe("derived from moby's code", () => {
  test("a host that did not forward: whoever turns forwarding on sets the policy DROP (setup_ip_forwarding.go)", () => {
    expectGolden("rules/forwarding-was-off.rules", listing(newDaemon({ ipForward: false }), true));
  });

  // setupInternalNetworkRules inserts the drop of what goes out, then that of what comes in, so newest first and "in" above "out";
  // setIcc appends to DOCKER-FORWARD, ACCEPT where nothing else would; no other rule, and -p does nothing (setPerPortIptables)
  test("two internal networks, icc on and off", () => {
    let state = withNetwork(newDaemon(), "icc", {
      subnet: "192.0.2.0/24",
      internal: true,
      options: { "bridge.name": "bridgeICC" },
    });
    state = withNetwork(state, "noicc", {
      subnet: "198.51.100.0/24",
      internal: true,
      options: { "bridge.name": "bridgeNoICC", "bridge.enable_icc": "false" },
    });
    expectGolden("rules/internal-icc.rules", listing(run(state, "c1", ["8080:80"], ["icc", "noicc"])));
  });

  // setIcc appends the DROP within the bridge before setupNonInternalNetworkRules appends outRuleNoICC; ports as ever
  test("icc=false with a published port", () => {
    expectGolden(
      "rules/icc-off.rules",
      listing(run(usernet(newDaemon(), { options: { "bridge.enable_icc": "false" } }), "c1", ["8080:80"])),
    );
  });

  // setDefaultForwardRule accepts; setPerPortForwarding and filterDirectAccess are skipped for Unprotected; NAT is as in mode nat
  test("gateway mode nat-unprotected", () => {
    const options = { "bridge.gateway_mode_ipv4": "nat-unprotected" };
    expectGolden("rules/nat-unprotected.rules", listing(run(usernet(newDaemon(), { options }), "c1", ["8080:80"])));
  });

  // natRule is programmed only when config.Masquerade; nothing else asks for it
  test("enable_ip_masquerade=false", () => {
    const options = { "bridge.enable_ip_masquerade": "false" };
    expectGolden("rules/masquerade-off.rules", listing(run(usernet(newDaemon(), { options }), "c1", ["8080:80"])));
  });

  // config.HostIP makes natArgs and hpNatArgs SNAT; hpNatRule is inserted after natRule, so above it; the container's own hairpin
  // (setPerPortNAT) is MASQUERADE whatever the network's address
  test.for([
    ["host-ipv4", true],
    ["host-ipv4-noproxy", false],
  ] as const)("host_ipv4: SNAT in place of MASQUERADE: %s", ([golden, userlandProxy]) => {
    const options = { host_ipv4: "192.168.0.10" };
    expectGolden(
      `rules/${golden}.rules`,
      listing(run(usernet(newDaemon({ userlandProxy }), { options }), "c1", ["8080:80"])),
    );
  });

  // filterDirectAccess appends an ACCEPT per trusted interface before the DROP
  test("trusted_host_interfaces", () => {
    const options = { "bridge.trusted_host_interfaces": "eth1:eth2" };
    expectGolden("rules/trusted-interfaces.rules", listing(run(usernet(newDaemon(), { options }), "c1", ["8080:80"])));
  });

  // an isolated network is internal to the firewaller; that the bridge bears no address changes no rule
  test("gateway mode isolated", () => {
    const state = withNetwork(newDaemon(), "bridge1", {
      subnet: "192.0.2.0/24",
      internal: true,
      options: { "bridge.name": "bridge1", "bridge.gateway_mode_ipv4": "isolated" },
    });
    expectGolden("rules/isolated.rules", listing(run(state, "c1", ["8080:80"])));
  });

  // filterDirectAccess with AllowDirectRouting deletes and appends nothing
  test("--allow-direct-routing", () => {
    expectGolden(
      "rules/allow-direct-routing.rules",
      listing(run(usernet(newDaemon({ allowDirectRouting: true })), "c1", ["8080:80"])),
    );
  });

  // routed endpoints always carry their own ports: HostPort 0, so no loopback drop and no NAT, only the open port; no raw rule
  test("a routed network that is not the gateway", () => {
    const state = second(usernet(newDaemon()), { options: { "bridge.gateway_mode_ipv4": "routed" } });
    expectGolden("rules/routed-non-gateway.rules", listing(run(state, "c1", ["8080:80"], ["bridge1", "bridge2"])));
  });

  // PortBindingReq.Compare: exact before range, container port, tcp before udp; DNAT is appended in that order, open ports inserted
  test("several ports and protocols of one container", () => {
    const ports = ["8081:443", "53:53/udp", "9000-9001:90", "8080:80", "53:53"];
    expectGolden("rules/several-ports.rules", listing(run(usernet(newDaemon()), "c1", ports)));
  });

  // two DNATs, but the second open port is there already (programChainRule asks first)
  test("two host ports for one container port", () => {
    expectGolden(
      "rules/two-bindings.rules",
      listing(run(usernet(newDaemon()), "c1", ["8080:80", "127.0.0.1:8081:80"])),
    );
  });

  // masquerades and open ports are inserted: newest first; everything else is appended: oldest first
  test("networks and containers made in turn", () => {
    let state = run(usernet(newDaemon()), "c1", ["8080:80"]);
    state = run(second(state), "c2", ["8081:80"], ["bridge2"]);
    expectGolden("rules/two-networks.rules", listing(run(state, "c3", ["127.0.0.1:8082:80"])));
  });
});

describe("over time", () => {
  const base = second(usernet(newDaemon()));
  const two = run(run(base, "c1", ["8080:80"]), "c2", ["8081:80"]);

  test("a container that goes leaves no rule", () => {
    expect(listing(removeContainer(run(base, "c1", ["127.0.0.1:8080:80"]), "c1", { force: true }))).toBe(listing(base));
  });

  test("ports that move to a new gateway are programmed as the newest", () => {
    const moved = disconnectContainer(connectContainer(two, "c1", { network: "bridge2" }), "c1", "bridge1");
    expect(chain(moved, "DOCKER").filter((r) => r.includes("--dport"))).toEqual([
      "-A DOCKER ! -i bridge1 -p tcp -m tcp --dport 8081 -j DNAT --to-destination 192.0.2.3:80",
      "-A DOCKER ! -i bridge2 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 198.51.100.2:80",
      "-A DOCKER -d 198.51.100.2/32 ! -i bridge2 -o bridge2 -p tcp -m tcp --dport 80 -j ACCEPT",
      "-A DOCKER -d 192.0.2.3/32 ! -i bridge1 -o bridge1 -p tcp -m tcp --dport 80 -j ACCEPT",
    ]);
  });

  test("a network that joins without becoming the gateway adds only the guard of its address", () => {
    const joined = connectContainer(two, "c1", { network: "bridge2" });
    expect(listing(joined)).toBe(
      listing(two).replace(/\n$/, "\n-A PREROUTING -d 198.51.100.2/32 ! -i bridge2 -j DROP\n"),
    );
  });

  test("every rule names who wants it", () => {
    for (const { owner, purpose } of docker29Ruleset(two).rules) {
      expect(owner.label).not.toBe("");
      if (purpose === "dnat")
        expect(owner).toMatchObject({ kind: "port", label: expect.stringMatching(/^port 808[01]:80\/tcp of c[12]$/) });
    }
  });

  test("a binding of an IPv6 host address has no rule: only the proxy serves it", () => {
    expect(listing(run(base, "c1", ["[::1]:8080:80"]))).toBe(listing(run(base, "c1", [])));
  });
});
