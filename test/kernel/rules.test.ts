/**
 * The kernel has the rules that Docker would have, in Docker's order: `iptables-save` of the host against moby's own generated
 * listings (the files without "own" in their head line were measured by moby's documentation test on a live dockerd).
 */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { buildLab, loadSpec } from "../../src/index.ts";
import { labText } from "../support/lab-text.ts";

const bridge1 = (options: Record<string, string> = {}, more = ""): string =>
  `networks: { bridge1: { name: bridge1, ${more} ipam: { config: [{ subnet: 192.0.2.0/24, gateway: 192.0.2.1 }] }, driver_opts: ${JSON.stringify(
    {
      "com.docker.network.bridge.name": "bridge1",
      ...options,
    },
  )} } }`;
const c1 = (port: string): string =>
  `services: { c1: { image: busybox, container_name: c1, networks: [bridge1], ports: ["${port}"] } }`;

/** Golden file -> the compose file that says the same as its docker commands. */
const SCENARIOS: Readonly<Record<string, string>> = {
  "new-daemon": "services: {}\nx-docknet: { engine: { ip-forward: true } }",
  "usernet-portmap": `${c1("8080:80")}\n${bridge1()}`,
  "usernet-portmap-lo": `${c1("127.0.0.1:8080:80")}\n${bridge1()}`,
  "usernet-portmap-noproxy": `${c1("8080:80")}\n${bridge1()}\nx-docknet: { engine: { userland-proxy: false } }`,
  "usernet-portmap-routed": `${c1("8080:80")}\n${bridge1({ "com.docker.network.bridge.gateway_mode_ipv4": "routed" })}`,
};

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
