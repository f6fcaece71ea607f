/** Docker's verbs on macvlan networks of a living lab, in Docker's words, on the kernel. Needs dist/bin and root. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { LabDaemon } from "../support/daemon.ts";

const bin = fileURLToPath(new URL("../../dist/bin", import.meta.url));
const runDirectory = mkdtempSync(join(tmpdir(), "dn-macvlan-"));
const daemon = new LabDaemon({ runDirectory, lab: `t${process.pid}m`, bin });

beforeAll(async () => {
  await daemon.start();
});

afterAll(async () => {
  await daemon.remove();
  rmSync(runDirectory, { recursive: true, force: true });
});

interface Said {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function docknet(...args: readonly string[]): Said {
  const { status, stdout, stderr } = spawnSync(process.execPath, [`${bin}/docknet.js`, "-p", daemon.lab, ...args], {
    encoding: "utf8",
    timeout: 100_000,
    env: { ...process.env, DOCKNET_RUN_DIR: runDirectory, NO_COLOR: "1" },
  });
  return { status, stdout, stderr };
}

const create = (...args: readonly string[]): Said => docknet("network", "create", "-d", "macvlan", ...args);
const ok = (said: Said): string => {
  expect(said).toMatchObject({ status: 0, stderr: "" });
  return said.stdout.trim();
};

test("bad input is refused in Docker's words", () => {
  for (const [args, message] of [
    [["-o", "parent=nosuch", "n"], "invalid subinterface vlan name nosuch, example formatting is eth0.10"],
    [["-o", "parent=lo", "n"], "loopback interface is not a valid macvlan parent link"],
    [
      ["-o", "parent=eth0", "-o", "macvlan_mode=foo", "n"],
      "requested macvlan mode 'foo' is not valid, 'bridge' mode is the macvlan driver default",
    ],
  ] as const) {
    const said = create(...args);
    expect(said.status).toBe(1);
    expect(said.stderr).toContain(`Error response from daemon: ${message}`);
  }
});

test("create, run, inspect, connect, disconnect, rm; its containers are machines of the LAN", () => {
  const pool = ["--subnet", "192.168.0.0/24", "--ip-range", "192.168.0.96/27", "--gateway", "192.168.0.1"];
  expect(ok(create("-o", "parent=eth0", ...pool, "lan"))).toMatch(/^[0-9a-f]{64}$/);
  expect(ok(docknet("network", "ls", "--filter", "driver=macvlan", "--format", "{{.Name}} {{.Driver}}"))).toBe(
    "lan macvlan",
  );
  ok(docknet("run", "-d", "--name", "web", "--network", "lan", "-p", "8080:80", "nginx"));
  expect(ok(docknet("port", "web"))).toBe("");
  expect(ok(docknet("ps", "--format", "{{.Names}} [{{.Ports}}]"))).toBe("web []");
  const address = "{{.NetworkSettings.Networks.lan.IPAddress}} {{.NetworkSettings.Networks.lan.Gateway}}";
  expect(ok(docknet("inspect", "-f", address, "web"))).toBe("192.168.0.96 192.168.0.1");

  const told = ok(docknet("exec", "web", "ip", "-d", "-o", "link", "show", "eth0"));
  expect(told).toContain("macvlan mode bridge");
  expect(docknet("exec", "@neighbour", "ping", "-c1", "-W2", "192.168.0.96").status).toBe(0);
  expect(docknet("exec", "@host", "ping", "-c1", "-W1", "192.168.0.96").status).toBe(1);

  ok(docknet("network", "create", "zz"));
  ok(docknet("network", "connect", "zz", "web"));
  expect(ok(docknet("port", "web"))).toBe("");
  expect(docknet("network", "rm", "lan").stderr).toContain("network lan has active endpoints");
  ok(docknet("network", "disconnect", "lan", "web"));
  expect(ok(docknet("port", "web"))).toContain("80/tcp -> 0.0.0.0:8080");
  expect(ok(docknet("network", "rm", "lan"))).toBe("lan");
});
