/**
 * `docknet plan` is honest: its script, run by sh, leaves the kernel as the executor does. The script runs in a mount namespace of
 * its own with an own /run, so that its named namespaces are nobody else's.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { buildLab, explainPlan, type LoadOptions, labFile, loadSpec, resolveState } from "../../src/index.ts";
import { DUMP_SECTIONS, normalizeDump } from "../support/kernel-dump.ts";
import { labText } from "../support/lab-text.ts";
import { waitFor } from "../support/wait-for.ts";

const EVERY_FEATURE = `
services:
  web: { image: nginx, networks: { front: { gw_priority: 1 }, back: {} }, ports: ["8080:80", "127.0.0.1:8081:81/udp", "8000-8001:82-83"], sysctls: { net.ipv4.tcp_keepalive_time: "600" } }
  db: { image: postgres, networks: { back: { ipv4_address: 10.5.0.9, mac_address: "02:42:0a:05:00:09", interface_name: data0 } } }
  open: { image: nginx, networks: [unprotected], ports: ["9000:80"] }
  plain: { image: nginx, networks: [routed], ports: ["9001:80"] }
  quiet: { image: nginx, networks: [noicc] }
  none: { image: busybox, network_mode: none }
  host: { image: redis, network_mode: host }
networks:
  front: { driver_opts: { com.docker.network.driver.mtu: "1400" } }
  back: { internal: true, ipam: { config: [{ subnet: 10.5.0.0/24 }] } }
  unprotected: { driver_opts: { com.docker.network.bridge.gateway_mode_ipv4: nat-unprotected } }
  routed: { driver_opts: { com.docker.network.bridge.gateway_mode_ipv4: routed } }
  noicc: { driver_opts: { com.docker.network.bridge.enable_icc: "false", com.docker.network.bridge.name: br-noicc } }
x-docknet: { world: { router: { forwards: ["8080"], static: ["203.0.113.92:host", "203.0.113.93:neighbour"] } } }
`;
const WITHOUT_PROXY = EVERY_FEATURE.replace("x-docknet: {", "x-docknet: { engine: { userland-proxy: false },");

const MACVLANS = `
services:
  web: { image: nginx, networks: [lan], ports: ["8080:80"] }
  db: { image: postgres, networks: { lan: { ipv4_address: 192.168.0.77, mac_address: "02:42:c0:a8:00:4d", interface_name: lan7 } } }
  both: { image: nginx, networks: { lan: {}, front: { gw_priority: 1 }, other: {} }, ports: ["9000:80"] }
networks:
  lan: { driver: macvlan, driver_opts: { parent: eth0 }, ipam: { config: [{ subnet: 192.168.0.0/24, ip_range: 192.168.0.96/27, gateway: 192.168.0.1 }] } }
  other: { driver: macvlan, internal: true, driver_opts: { parent: eth0, macvlan_mode: private } }
  front: {}
`;

const labs: Record<string, LoadOptions> = {
  "the seed lab": { files: [labFile("seed")], cwd: "/", env: {} },
  "a lab with every feature": labText(EVERY_FEATURE),
  "a lab without the userland proxy": labText(WITHOUT_PROXY),
  "a lab with macvlans": labText(MACVLANS),
};

test.for(Object.keys(labs))(
  "the script of docknet plan builds the same kernel state as the executor: %s",
  async (name) => {
    const spec = loadSpec(labs[name] as LoadOptions);
    const { state } = resolveState(spec);
    const byScript = runScript(explainPlan(state).script, explainPlan(state, true).script);
    await using lab = await buildLab(spec);
    for (const node of lab.layout.nodes) {
      const netns = `${spec.name}.${node.name.replace("@", "")}`;
      for (const [section, command] of Object.entries(DUMP_SECTIONS)) {
        const wanted = normalizeDump(section, byScript.get(`${netns} ${section}`) ?? "");
        let found: unknown;
        await waitFor("equal dumps", 5000, async () => {
          found = normalizeDump(section, (await lab.exec(node.name, ["sh", "-c", command])).stdout);
          return JSON.stringify(found) === JSON.stringify(wanted);
        }).catch(() => {});
        expect(found, `${section} of ${node.name}`).toEqual(wanted);
      }
    }
    expect(byScript.get("left over"), "what docknet plan --down leaves").toBe("");
    byScript.delete("left over");
    expect(new Set([...byScript.keys()].map((k) => k.split(" ")[0])).size).toBe(lab.layout.nodes.length);
  },
);

/** Runs it with sh as root of a fresh network and mount namespace; returns "<netns> <section>" -> output. */
function runScript(script: string, down: string): Map<string, string> {
  const folder = mkdtempSync(join(tmpdir(), "docknet-plan-"));
  try {
    writeFileSync(join(folder, "plan.sh"), script);
    writeFileSync(join(folder, "down.sh"), down);
    const dumps = Object.entries(DUMP_SECTIONS).map(
      ([section, command]) => `echo "=== $n ${section}"; ip netns exec $n sh -c ${quote(command)}`,
    );
    writeFileSync(
      join(folder, "run.sh"),
      `set -e\nmount -t tmpfs tmpfs /run\nsh ${folder}/plan.sh\nfor n in $(ip netns list | cut -d' ' -f1); do\n${dumps.join("\n")}\ndone\nsh ${folder}/down.sh\necho "=== left over"; ip netns list\n`,
    );
    const output = execFileSync("unshare", ["--net", "--mount", "sh", join(folder, "run.sh")], {
      encoding: "utf8",
      maxBuffer: 1 << 28,
    });
    return new Map(
      output
        .split(/^=== /m)
        .slice(1)
        .map((part) => [part.slice(0, part.indexOf("\n")), part.slice(part.indexOf("\n") + 1)]),
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
