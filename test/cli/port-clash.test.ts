/** Two programs that want one port of a network stack: as with real nginx, the second cannot bind, says so and ends with 1. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, expect, test } from "vitest";

const CLI = fileURLToPath(new URL("../../dist/bin/docknet.js", import.meta.url));
const directory = mkdtempSync(join(tmpdir(), "dn-clash-"));
const lab = `t${process.pid}clash`;
const file = join(directory, "compose.yaml");
const TAKEN = "bind() to 0.0.0.0:80 failed (98: Address already in use)";

function docknet(...args: string[]) {
  const env = { ...process.env, DOCKNET_RUN_DIR: join(directory, "run"), DOCKNET_PROJECT: lab };
  const { status, stdout, stderr } = spawnSync(process.execPath, [CLI, ...args], {
    encoding: "utf8",
    timeout: 100_000,
    env,
  });
  return { status, stdout, stderr };
}

const statusOf = (name: string): string =>
  docknet("ps", "-a", "--filter", `name=^${name}$`, "--format", "{{.Status}}").stdout.trim();

afterEach(() => {
  docknet("down");
  rmSync(directory, { recursive: true, force: true });
});

test("of a file: validate warns, verify fails and names both, up starts both and one ends", () => {
  writeFileSync(
    file,
    [
      "services:",
      "  front: { image: nginx, network_mode: host }",
      "  admin: { image: nginx, network_mode: host }",
      "",
    ].join("\n"),
  );
  const fault = `admin cannot listen on 80/tcp of @host: it belongs to front (${file}:2:3)`;
  const validated = docknet("validate", "-f", file);
  expect(validated.status).toBe(0);
  expect(validated.stderr + validated.stdout).toContain(`${file}:3:3: ${fault}`);
  const verified = docknet("verify", "-f", file, "--format", "json");
  expect(verified.status).toBe(1);
  const failed = JSON.parse(verified.stdout).checks.filter((c: { verdict: string }) => c.verdict !== "PASS");
  expect(failed.map((c: { id: string; verdict: string }) => [c.id, c.verdict])).toEqual([
    ["listen/admin/80/tcp", "FAIL"],
  ]);
  expect(failed[0].reasons.join("\n")).toContain(fault);
  expect(docknet("up", "-f", file).status).toBe(0);
  expect(statusOf(`${lab}-front-1`)).toMatch(/^Up /);
  expect(statusOf(`${lab}-admin-1`)).toMatch(/^Exited \(1\) /);
  expect(docknet("logs", `${lab}-admin-1`).stderr).toContain(TAKEN);
  expect(docknet("verify").stdout).toContain("admin cannot listen on 80/tcp of @host");
  // the port is free again when its holder ends
  docknet("stop", `${lab}-front-1`);
  docknet("start", `${lab}-admin-1`);
  expect(statusOf(`${lab}-admin-1`)).toMatch(/^Up /);
});

test("in a living lab a published port and a host-mode program exclude each other, whichever is first", () => {
  expect(docknet("run", "-d", "--name", "pub", "-p", "80:80", "nginx").status).toBe(0);
  expect(docknet("run", "-d", "--name", "own", "--network", "host", "nginx").status).toBe(0);
  expect(statusOf("own")).toMatch(/^Exited \(1\) /);
  expect(docknet("logs", "own").stderr).toContain(TAKEN);
  docknet("rm", "-f", "pub", "own");
  expect(docknet("run", "-d", "--name", "own", "--network", "host", "nginx").status).toBe(0);
  const refused = docknet("run", "-d", "--name", "pub", "-p", "127.0.0.1:80:80", "nginx");
  expect(refused.status).toBe(125);
  expect(refused.stderr).toContain("address already in use");
  expect(statusOf("own")).toMatch(/^Up /);
  // in the foreground the program's own end is the command's
  const foreground = docknet("run", "--rm", "--network", "host", "nginx");
  expect(foreground).toMatchObject({ status: 1, stdout: "" });
  expect(foreground.stderr).toContain(TAKEN);
});

test("what somebody runs on @host by hand has its port too", () => {
  expect(
    docknet("exec", "-d", "@host", process.execPath, "-e", "require('node:http').createServer().listen(80)").status,
  ).toBe(0);
  let logs = "";
  for (let i = 0; i < 20 && !logs.includes(TAKEN); i++) {
    docknet("run", "-d", "--name", `own${i}`, "--network", "host", "nginx");
    logs = docknet("logs", `own${i}`).stderr;
    if (!logs.includes(TAKEN)) docknet("rm", "-f", `own${i}`);
  }
  expect(logs).toContain(TAKEN);
});
