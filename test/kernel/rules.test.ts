/**
 * The kernel has the rules that Docker would have, in Docker's order: `iptables-save` of the host against moby's own generated
 * listings (the files without "own" in their head line were measured by moby's documentation test on a live dockerd).
 */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { buildLab, loadSpec } from "../../src/index.ts";
import { labText } from "../support/lab-text.ts";

const OPTION = "com.docker.network.";

interface Net {
  readonly subnet?: string;
  readonly internal?: boolean;
  readonly options?: Record<string, string>;
}

function network(name: string, { subnet = "192.0.2.0/24", internal = false, options = {} }: Net = {}): string {
  const opts = Object.entries({ "bridge.name": name, ...options }).map(([k, v]) => [`${OPTION}${k}`, v]);
  return `${name}: { name: ${name}, internal: ${internal}, ipam: { config: [{ subnet: ${subnet} }] }, driver_opts: ${JSON.stringify(Object.fromEntries(opts))} }`;
}

/** One container c1 on bridge1, with the bridge's options, its published ports, and dockerd's flags. */
function one(options: Record<string, string> = {}, ports = ["8080:80"], engine = ""): string {
  return lab([network("bridge1", { options })], [["c1", ["bridge1"], ports]], engine);
}

function lab(
  networks: readonly string[],
  containers: readonly (readonly [string, readonly string[], readonly string[]])[],
  engine = "",
): string {
  const services = containers.map(
    ([name, joins, ports]) =>
      `${name}: { image: busybox, container_name: ${name}, networks: ${JSON.stringify(joins)}, ports: ${JSON.stringify(ports)} }`,
  );
  return `services: { ${services.join(", ")} }\nnetworks: { ${networks.join(", ")} }\nx-docknet: { engine: { ${engine} } }\n`;
}

/** Golden file -> the compose file that says the same as its docker commands. */
const SCENARIOS: Readonly<Record<string, string>> = {
  "new-daemon": "services: {}\nx-docknet: { engine: { ip-forward: true } }",
  "forwarding-was-off": "services: {}",
  "usernet-portmap": one(),
  "usernet-portmap-lo": one({}, ["127.0.0.1:8080:80"]),
  "usernet-portmap-noproxy": one({}, ["8080:80"], "userland-proxy: false"),
  "usernet-portmap-routed": one({ "bridge.gateway_mode_ipv4": "routed" }),
  "icc-off": one({ "bridge.enable_icc": "false" }),
  "nat-unprotected": one({ "bridge.gateway_mode_ipv4": "nat-unprotected" }),
  "masquerade-off": one({ "bridge.enable_ip_masquerade": "false" }),
  "host-ipv4": one({ host_ipv4: "192.168.0.10" }),
  "host-ipv4-noproxy": one({ host_ipv4: "192.168.0.10" }, ["8080:80"], "userland-proxy: false"),
  "trusted-interfaces": one({ "bridge.trusted_host_interfaces": "eth1:eth2" }),
  "allow-direct-routing": one({}, ["8080:80"], "allow-direct-routing: true"),
  "two-bindings": one({}, ["8080:80", "127.0.0.1:8081:80"]),
  isolated: lab(
    [network("bridge1", { internal: true, options: { "bridge.gateway_mode_ipv4": "isolated" } })],
    [["c1", ["bridge1"], ["8080:80"]]],
  ),
  "internal-icc": lab(
    [
      network("bridgeICC", { internal: true }),
      network("bridgeNoICC", { subnet: "198.51.100.0/24", internal: true, options: { "bridge.enable_icc": "false" } }),
    ],
    [["c1", ["bridgeICC", "bridgeNoICC"], ["8080:80"]]],
  ),
};

// two-networks, several-ports and routed-non-gateway depend on the order of commands, which compose does not give: test/unit/plan/docker-29
test.for(Object.keys(SCENARIOS))("iptables-save of the host is that of Docker: %s", async (scenario) => {
  const golden = readFileSync(new URL(`../golden/rules/${scenario}.rules`, import.meta.url), "utf8");
  await using lab = await buildLab(loadSpec(labText(SCENARIOS[scenario] as string)));
  const { stdout } = await lab.exec("@host", ["iptables-save"]);
  expect(listRules(stdout, /^-P /m.test(golden))).toEqual(listRules(golden, true));
});

/** Table -> its lines in order, of iptables-save or `iptables -S`, as -P, -N and -A. */
function listRules(text: string, withPolicies: boolean): Record<string, string[]> {
  const tables: Record<string, string[]> = {};
  let table = "";
  for (const line of text.split("\n")) {
    const chain = /^:(\S+) (\S+)/.exec(line);
    const rule = chain ? (chain[2] === "-" ? `-N ${chain[1]}` : `-P ${chain[1]} ${chain[2]}`) : line.trim();
    if (line.startsWith("*")) {
      table = line.slice(1).trim();
      tables[table] = [];
    } else if (/^-[PNA] /.test(rule) && (withPolicies || !rule.startsWith("-P "))) tables[table]?.push(rule);
  }
  return tables;
}
