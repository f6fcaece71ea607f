/** What is done in a lab leaves no file on the machine, and what runs in a container cannot reach the lab's daemon. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";

const CLI = fileURLToPath(new URL("../../dist/bin/docknet.js", import.meta.url));
const directory = mkdtempSync(join(tmpdir(), "dn-files-"));
const root = join(directory, "run");
const lab = `t${process.pid}files`;

function docknet(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const env = { ...process.env, DOCKNET_RUN_DIR: root, DOCKNET_PROJECT: lab };
  const { status, stdout, stderr } = spawnSync(process.execPath, [CLI, ...args], {
    encoding: "utf8",
    timeout: 100_000,
    env,
    cwd: directory,
  });
  return { status, stdout, stderr };
}

afterAll(() => {
  docknet("down");
  rmSync(directory, { recursive: true, force: true });
});

test("a namespace made by hand in a node is seen there alone, and goes with the lab", () => {
  expect(docknet("run", "-d", "--name", "aa", "nginx")).toMatchObject({ status: 0 });
  const red = `red${process.pid}`;
  expect(docknet("exec", "@host", "ip", "netns", "add", red)).toMatchObject({ status: 0, stderr: "" });
  expect(existsSync(`/run/netns/${red}`)).toBe(false);
  const names = (node: string): string[] => docknet("exec", node, "ls", "/run/netns").stdout.trimEnd().split("\n");
  expect(names("@host").filter((name) => name !== red && !name.startsWith(`${lab}.`))).toEqual([]);
  expect(names("@host")).toEqual(expect.arrayContaining([red, `${lab}.aa`]));
  expect(names("@router")).not.toContain(red);

  expect(docknet("run", "-d", "--name", "bb", "nginx")).toMatchObject({ status: 0 });
  expect(docknet("rm", "-f", "aa")).toMatchObject({ status: 0 });
  expect(names("@host")).toContain(`${lab}.bb`);
  expect(names("@host")).not.toContain(`${lab}.aa`);
  expect(docknet("exec", "@host", "ip", "netns", "exec", `${lab}.bb`, "ip", "-br", "link").stdout).toContain("eth0@");

  const down = docknet("down");
  expect(down).toMatchObject({ status: 0 });
  expect(down.stderr).toContain(` Namespace ${red} of @host  Removed\n`);
  expect(down.stderr).toContain("nothing left");
  expect(existsSync(`/run/netns/${red}`)).toBe(false);
});

test("a container, privileged or not, finds neither sockets of docknet nor names of namespaces", () => {
  for (const more of [[], ["--privileged"]]) {
    const look = ["sh", "-c", `find ${root} /run/docknet /run/netns -mindepth 1 2>/dev/null; echo looked`];
    expect(docknet("run", "--rm", ...more, "busybox", ...look).stdout).toBe("looked\n");
  }
});
