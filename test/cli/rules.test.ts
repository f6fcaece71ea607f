/** docknet rules and docknet conntrack as processes: of the lab that lives, and of a file's; good flags and bad ones, pipes and Ctrl-C. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { NatEvent, NatTable, RuleListing } from "../../src/index.ts";
import { namedNamespaces } from "../support/named-namespaces.ts";
import { waitFor } from "../support/wait-for.ts";

const CLI = fileURLToPath(new URL("../../dist/bin/docknet.js", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "docknet-rules-"));
afterAll(() => rmSync(folder, { recursive: true }));

const lab = `t${process.pid}rules`;
const env = { ...process.env, DOCKNET_PROJECT: lab, NO_COLOR: "1", GITHUB_ACTIONS: "" };

function docknet(...words: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [CLI, ...words], {
    encoding: "utf8",
    timeout: 100_000,
    cwd: folder,
    env,
  });
  return { status, stdout, stderr };
}

/** What must go well. */
function told(...words: string[]): string {
  const { status, stdout, stderr } = docknet(...words);
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  return stdout;
}

const inNode = (node: string, ...argv: string[]): string =>
  execFileSync("ip", ["netns", "exec", `${lab}.${node}`, ...argv], { encoding: "utf8" });

/** Started, its output as it comes, and its end with all of it. */
function start(...words: string[]): { child: ChildProcess; said: () => string; ended: Promise<unknown[]> } {
  const child = spawn(process.execPath, [CLI, ...words], { env, cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
  let out = "";
  child.stdout?.setEncoding("utf8").on("data", (chunk: string) => {
    out += chunk;
  });
  return { child, said: () => out, ended: once(child, "close") };
}

const fetchWeb = (): string => inNode("neighbour", "curl", "-s", "http://192.168.0.10:8080/");

describe("of the lab that lives", () => {
  beforeAll(() => {
    const { status, stderr } = docknet("up", "--lab", "seed");
    expect(status, stderr).toBe(0);
    expect(fetchWeb()).toContain("service=web");
  });
  afterAll(() => {
    expect(docknet("down").status).toBe(0);
    expect(namedNamespaces(`${lab}.`)).toEqual([]);
  });

  test("rules: text, and JSON with the same rules; counters move with traffic", () => {
    const hits = (): number | undefined => {
      const { nodes } = JSON.parse(
        told("rules", "--chain", "DOCKER", "--table", "nat", "--format", "json"),
      ) as RuleListing;
      return nodes[0]?.chains[0]?.rules[0]?.packets;
    };
    const before = hits();
    fetchWeb();
    expect(hits()).toBe((before ?? Number.NaN) + 1);
    const text = told("rules", "--chain", "DOCKER", "--table", "nat");
    expect(text).toContain("nat DOCKER  from PREROUTING, OUTPUT");
    expect(text).toContain("the host's port leads to the container's port");
    expect(text).toContain("(port 8080:80/tcp of web, ");
  });

  test("rules: of the router, of a container, of all, only those of an owner, only those that counted", () => {
    expect(told("rules", "@router")).toMatch(/^@router: \d+ rules in \d+ chains/);
    expect(told("rules", "db")).toContain("-A DOCKER_OUTPUT -d 127.0.0.11/32 -p udp");
    expect(
      told("rules", "--all")
        .match(/^\S+: \d+ rules/gm)
        ?.map((l) => l.split(":")[0]),
    ).toEqual(expect.arrayContaining(["@host", "@router", "c", "db"]));
    const owners = JSON.parse(told("rules", "--owner", "of web", "--format", "json")) as RuleListing;
    expect(new Set(owners.nodes.flatMap((n) => n.chains.flatMap((c) => c.rules.map((r) => r.owner))))).toEqual(
      new Set(["port 8080:80/tcp of web"]),
    );
    const hit = JSON.parse(told("rules", "--hit", "--format", "json")) as RuleListing;
    expect(hit.nodes.flatMap((n) => n.chains.flatMap((c) => c.rules)).filter((r) => !r.packets)).toEqual([]);
  });

  test("rules: what was changed by hand is named, until reconcile puts it back", () => {
    inNode("host", "iptables", "-I", "DOCKER-USER", "-s", "192.168.0.20", "-j", "DROP");
    inNode("host", "iptables", "-D", "DOCKER-FORWARD", "1");
    const changed = told("rules");
    expect(changed).toMatch(/-A DOCKER-USER -s 192\.168\.0\.20\/32 -j DROP\n +not docknet's: somebody added it/);
    expect(changed).toMatch(/ {4}- +-A DOCKER-FORWARD -j DOCKER-CT\n.*\n +missing: the kernel does not have it/);
    expect(changed).toContain("Changed by hand: 1 not docknet's, 1 missing.");
    expect(docknet("reconcile").status).toBe(0);
    expect(told("rules")).not.toContain("Changed by hand");
  });

  test("conntrack: a line a connection into a pipe, and JSON", () => {
    fetchWeb();
    const lines = told("conntrack", "@host", "--proto", "tcp").split("\n");
    expect(lines[0]).toMatch(/^@host: \d+ translated connections?/);
    expect(lines[1]).toMatch(/^PROTO +NAT +DIR +INSIDE +OUTSIDE +REMOTE/);
    expect(
      lines.some((l) =>
        /^tcp +DNAT +in +web 172\.17\.0\.4:80 +@host 192\.168\.0\.10:8080 +@neighbour 192\.168\.0\.20:\d+ /.test(l),
      ),
    ).toBe(true);
    const { nodes } = JSON.parse(told("conntrack", "--format", "json")) as NatTable;
    expect(nodes.map((n) => n.node)).toEqual(["@host", "@router"]);
    expect(nodes[0]?.rows.find((r) => r.kind === "DNAT")).toMatchObject({
      insideLocal: { node: "web", address: "172.17.0.4", port: 80 },
      insideGlobal: { node: "@host", address: "192.168.0.10", port: 8080 },
      outsideGlobal: { node: "@neighbour", address: "192.168.0.20" },
    });
  });

  test("conntrack --watch: changes as they come, and Ctrl-C ends it well; JSON a line each", async () => {
    const text = start("conntrack", "--watch");
    const json = start("conntrack", "--watch", "--format", "json");
    // what begins before the watch does is told from its middle on: it is begun again, until both have seen a beginning
    await waitFor("both tell", 20_000, () => {
      fetchWeb();
      return text.said().includes(" NEW ") && json.said().includes('"NEW"');
    });
    expect(text.said()).toMatch(
      /^\d\d:\d\d:\d\d\.\d{3} {2}NEW {6}@host {2}tcp DNAT in {2}inside web 172\.17\.0\.4:80 {2}outside @host 192\.168\.0\.10:8080 {2}remote @neighbour 192\.168\.0\.20:\d+ {2}SYN_SENT$/m,
    );
    inNode("host", "conntrack", "-F");
    await waitFor("DESTROY", 20_000, () => text.said().includes(" DESTROY ") && json.said().includes('"DESTROY"'));
    for (const { child } of [text, json]) child.kill("SIGINT");
    for (const { ended } of [text, json]) expect(await ended).toEqual([0, null]);
    const events = json
      .said()
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as NatEvent);
    expect(new Set(events.map((e) => e.change))).toEqual(new Set(["NEW", "UPDATE", "DESTROY"]));
  });

  test("a reader that goes ends the watch", async () => {
    const { child, ended } = start("conntrack", "--watch", "--all");
    child.stdout?.once("data", () => child.stdout?.destroy());
    await waitFor("it ended", 20_000, () => {
      fetchWeb();
      return child.exitCode !== null;
    });
    expect(await ended).toEqual([0, null]);
  });

  test("nodes and choices are completed", () => {
    const candidates = (...words: string[]): string[] =>
      told("__complete", ...words)
        .trim()
        .split("\n");
    expect(candidates("rules", "")).toEqual(expect.arrayContaining([`${lab}-web-1`, "@host", "@router"]));
    expect(candidates("conntrack", "@")).toEqual(["@host", "@neighbour", "@router", "@internet"]);
    expect(candidates("rules", "--table", "")).toEqual(["raw", "mangle", "nat", "filter", "security"]);
    expect(candidates("rules", "--pl")).toEqual(["--planned"]);
  });

  test.each([
    [["rules", "nobody"], 'No service, container or node "nobody"', "@host"],
    [["rules", "--owner", "zzz"], 'No rule that "zzz" wants in @host', "port 8080:80/tcp of web"],
    [["rules", "--table", "natt"], "argument 'natt' is invalid", "raw, mangle, nat"],
    [["rules", "web", "--all"], "Cannot list the rules of web and of all nodes", "Leave out one"],
    [["conntrack", "--watch", "--after", "verify"], "Cannot watch after a verification", "Leave out --after"],
    [["rules", "--planned", "--hit"], "Cannot list planned rules that have counted", "Leave out --planned or --hit"],
    [["conntrack", "web\u001b[31m"], 'No service, container or node "web', "@host"],
    [["conntrack", "--watch", "nobody"], 'No service, container or node "nobody"', "@host"],
  ])("%j is refused", (words, message, remedy) => {
    const { status, stdout, stderr } = docknet(...words);
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
    expect(stderr).toContain(message);
    expect(stderr).toContain(remedy);
    expect(stderr).not.toContain("\u001b");
  });
});

describe("of a file", () => {
  test("rules as planned need no privilege, and are told for a file that is wrong", () => {
    const file = join(folder, "compose.yaml");
    writeFileSync(file, 'services: { web: { image: nginx, ports: ["127.0.0.1:8080:80"] } }\n');
    const planned = told("rules", "--planned", "-f", file);
    expect(planned).toContain("planned, not read");
    expect(planned).toContain("a port published on loopback is not reachable from another machine");
    expect(planned).not.toContain("packets  bytes");
    writeFileSync(file, "services: { web: { ports: nonsense } }\n");
    expect(docknet("rules", "--planned", "-f", file)).toMatchObject({ status: 2, stdout: "" });
  });

  test("a lab is built, verified and listed, and nothing of it stays", () => {
    const hits = ["rules", "--lab", "seed", "--after", "verify", "--hit", "--format", "json"];
    const { nodes } = JSON.parse(told(...hits)) as RuleListing;
    expect(nodes.flatMap((n) => n.chains.flatMap((c) => c.rules)).length).toBeGreaterThan(15);
    const table = JSON.parse(told("conntrack", "--lab", "seed", "--format", "json")) as NatTable;
    expect(new Set(table.nodes.flatMap((n) => n.rows.map((r) => r.kind)))).toEqual(
      new Set(["MASQUERADE", "DNAT", "DNAT+MASQUERADE"]),
    );
    expect(namedNamespaces(`${lab}.`)).toEqual([]);
  });

  test("the changes of a lab that is verified end with it", () => {
    expect(told("conntrack", "@router", "--lab", "web-db", "--watch")).toMatch(/^\S+ {2}NEW {6}@router /);
  });
});
