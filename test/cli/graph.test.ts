/** docknet graph as a process: of a file, without privilege, of a lab that lives; and what a user gets wrong. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Ajv2020 } from "ajv/dist/2020.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Graph } from "../../src/index.ts";
import { LabDaemon } from "../support/daemon.ts";
import { GRAPH_LAB } from "../support/graph-lab.ts";

const bin = process.env.DOCKNET_BIN ?? fileURLToPath(new URL("../../dist/bin", import.meta.url));
const schema = fileURLToPath(new URL("../../dist/schema/graph.schema.json", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "dn-graph-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** @param prefix words before node's */
function graph(args: readonly string[], prefix: readonly string[] = []) {
  const [file = "", ...rest] = [...prefix, process.execPath, `${bin}/docknet.js`, "graph", "-f", "-", ...args];
  const { status, stdout, stderr } = spawnSync(file, rest, {
    input: GRAPH_LAB,
    encoding: "utf8",
    timeout: 100_000,
    env: { ...process.env, DOCKNET_PROJECT: "test" },
  });
  return { status, stdout, stderr };
}

const planned = (...args: string[]) => graph(["--planned", ...args]);

describe("of a file", () => {
  test("built for it, with indexes; what it prints is what the schema says", () => {
    const { status, stdout, stderr } = graph(["--format", "json"]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    const read = JSON.parse(stdout) as Graph;
    const validate = new Ajv2020({ strict: true }).compile(JSON.parse(readFileSync(schema, "utf8")) as object);
    expect(validate(read) ? [] : validate.errors).toEqual([]);
    expect(read.measured).toBe(true);
    expect(read.pairs.every((p) => p.ends.every((e) => e.index !== undefined))).toBe(true);
  });

  test("planned: needs no privilege", () => {
    const { status, stdout } = graph(["--planned"], ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--"]);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^lab test: 11 namespaces, 4 networks, 11 veth pairs; as planned/);
  });

  test("a drawing, piped: no colour, no line over 100 columns", () => {
    const { stdout } = planned();
    expect(stdout).not.toContain("\u001b");
    expect(stdout.split("\n").filter((l) => [...l].length > 100)).toEqual([]);
    expect(stdout).toContain(" ──▶│ 0.0.0.0:8080, [::]:8080 ─▶ gateway 172.18.0.2:80/tcp");
  });

  test.for([
    ["mermaid", "---\ntitle: "],
    ["svg", '<svg xmlns="http://www.w3.org/2000/svg"'],
  ] as const)("%s", ([format, beginning]) => {
    expect(planned("--format", format).stdout.slice(0, beginning.length)).toBe(beginning);
  });

  test("into a file, the same and nothing else", () => {
    const file = join(folder, "lab.svg");
    expect(planned("--format", "svg", "-o", file)).toEqual({ status: 0, stdout: "", stderr: "" });
    expect(readFileSync(file, "utf8")).toBe(planned("--format", "svg").stdout);
  });

  test("only what is named, and what it hangs on", () => {
    const { nodes } = JSON.parse(planned("--format", "json", "db").stdout) as Graph;
    expect(nodes.map((n) => n.name)).toEqual(["@internet", "@router", "@lan", "@host", "db"]);
  });
});

describe("refused, with exit code 2", () => {
  test("a name that is nothing's, before anything is built", () => {
    const { status, stdout, stderr } = graph(["wbe"]);
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
    expect(stderr).toMatch(/^docknet: No network, service, container or node "wbe" in lab test\n/);
    expect(stderr).toContain("There are bridge, test_front, test_back, test_open, @internet");
  });

  test("a file that cannot be written", () => {
    const { status, stderr } = planned("-o", join(folder, "none", "x.svg"));
    expect(status).toBe(2);
    expect(stderr).toMatch(/^docknet: Cannot write .*x\.svg: ENOENT/);
    expect(stderr).toContain("Name a file in a folder that exists");
  });

  test("a format that there is none of", () => {
    const { status, stderr } = planned("--format", "png");
    expect(status).toBe(2);
    expect(stderr).toContain("Allowed choices are text, mermaid, svg, json");
  });
});

describe("of a lab that lives", () => {
  const daemon = new LabDaemon({ runDirectory: folder, lab: `t${process.pid}g`, bin });

  beforeAll(async () => {
    await daemon.start();
    for (const Name of ["front", "back"]) await daemon.ask("POST", "/networks/create", { Name });
    await daemon.ask("POST", "/containers/create?name=web", { Image: "nginx", HostConfig: { NetworkMode: "front" } });
  });
  afterAll(() => daemon.remove());

  const read = async (...args: string[]): Promise<Graph> => {
    const { code, stdout, stderr } = await daemon.docknet("graph", "--format", "json", ...args);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    return JSON.parse(stdout) as Graph;
  };
  const pairsOf = (found: Graph): string[] =>
    found.pairs.flatMap((p) => (p.ends.some((e) => e.node === "web") ? [p.network ?? ""] : []));

  test("it is drawn as it is after each command", async () => {
    const created = await read("web");
    expect(created.nodes.find((n) => n.name === "web")).toMatchObject({ status: "created", links: [] });
    await daemon.ask("POST", "/containers/web/start");
    expect(pairsOf(await read())).toEqual(["front"]);
    await daemon.ask("POST", "/networks/back/connect", { Container: "web" });
    const connected = await read();
    expect(pairsOf(connected)).toEqual(["front", "back"]);
    expect(connected.measured).toBe(true);
    expect((await read("--planned")).measured).toBe(false);
    await daemon.ask("POST", "/containers/web/stop?t=0");
    const stopped = await read();
    expect(pairsOf(stopped)).toEqual([]);
    expect(stopped.nodes.find((n) => n.name === "web")).toMatchObject({ status: "exited" });
  });

  test("a name that is nothing's is refused as it is for a file", async () => {
    const { code, stderr } = await daemon.docknet("graph", "wbe");
    expect(code).toBe(2);
    expect(stderr).toContain(`No network, service, container or node "wbe" in lab ${daemon.lab}`);
  });
});
