/** docknet matrix as a process: a file and a lab that lives, four formats, exit codes, and what is said of bad input. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Matrix } from "../../src/index.ts";
import { matrixValidator } from "../support/matrix-schema.ts";

const CLI = fileURLToPath(new URL("../../dist/bin/docknet.js", import.meta.url));
/** As test/support/named-namespaces.ts knows them. */
const NAME = `t${process.pid}matrix`;
const LAB = `name: ${NAME}
services:
  web: { image: nginx, ports: ["8080:80"] }
  db: { image: postgres }
x-docknet: { engine: { userland-proxy: false } }
`;

const folder = mkdtempSync(join(tmpdir(), "docknet-matrix-"));
const env = { ...process.env, DOCKNET_RUN_DIR: join(folder, "run"), NO_COLOR: "1" };
const validate = matrixValidator();

const docknet = (args: readonly string[], input?: string) =>
  spawnSync(process.execPath, [CLI, ...args], { encoding: "utf8", timeout: 100_000, env, ...(input ? { input } : {}) });
/** Of the file. */
const matrix = (...args: string[]) => docknet(["matrix", "-f", "-", ...args], LAB);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("of a file", () => {
  test("text, measured: all is as predicted", () => {
    const { status, stdout, stderr } = matrix();
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout.split("\n").slice(3, 9)).toEqual([
      "           web:80 db:5432 @host:8080",
      "web          ✓       ✓        ✓",
      "db           ✓       ✓        ✓",
      "@host        ✓       ✓        ✓",
      "@neighbour   ·       ·        ✓",
      "@internet    ∅       ∅        ✗",
    ]);
    expect(stdout).toMatch(/^PASS {2}15 cells, 0 differ, 0 inconclusive;/m);
  });

  test("--predicted says the same cells and sends nothing", () => {
    const { status, stdout } = matrix("--predicted", "--format", "json");
    const predicted = JSON.parse(stdout) as Matrix;
    expect(validate(predicted) ? [] : validate.errors).toEqual([]);
    expect([status, predicted.verdict, predicted.cells.filter((c) => c.observed)]).toEqual([0, undefined, []]);
    expect(predicted.cells.map((c) => c.predicted?.outcome).slice(-3)).toEqual([
      "unreachable",
      "unreachable",
      "refuse",
    ]);
  });

  test("rows and columns are chosen, and written to a file", () => {
    const file = join(folder, "m.html");
    const chosen = ["--from", "@neighbour", "db", "--to", "@host", "db:5432"];
    const { status, stdout, stderr } = matrix("--predicted", "--format", "html", "-o", file, ...chosen);
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: "", stderr: `wrote ${file}\n` });
    const html = readFileSync(file, "utf8");
    expect(html.match(/<th scope="row">[^<]+/g)).toEqual(['<th scope="row">db', '<th scope="row">@neighbour']);
    expect(html.match(/<td /g)).toHaveLength(4);
  });

  test.for([
    [["--from", "nobody"], 'The matrix has no row "nobody"', "There are web, db, @host, @neighbour, @internet"],
    [["--to", "web:81"], 'The matrix has no column "web:81"', "There are web, db"],
    [["-o", "/nowhere/m.html", "--predicted"], "Cannot write the matrix to /nowhere/m.html: ENOENT", "Name a file"],
  ] as const)("%j is a usage error that says what there is", ([args, message, remedy]) => {
    const { status, stdout, stderr } = matrix(...args);
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
    expect(stderr).toContain(message);
    expect(stderr).toContain(remedy);
  });
});

describe("of a lab that lives", () => {
  const living = (...args: string[]) => docknet(["-p", NAME, ...args]);

  beforeAll(() => {
    const file = join(folder, "compose.yaml");
    writeFileSync(file, LAB);
    expect(docknet(["up", "-f", file]).status).toBe(0);
  });

  afterAll(() => {
    expect(living("down").status).toBe(0);
  });

  test("as it is: 0 when well; 1 when something was changed by hand, with the walk that tells where it ends", () => {
    expect(living("matrix").stdout).toMatch(/^PASS {2}15 cells, 0 differ/m);
    expect(
      living("exec", "@host", "iptables", "-I", "FORWARD", "-p", "tcp", "--dport", "80", "-j", "DROP").status,
    ).toBe(0);
    const { status, stdout } = living("matrix", "--format", "markdown", "--deadline", "2000", "--from", "@neighbour");
    expect(status).toBe(1);
    expect(stdout).toContain(`## ❌ FAIL: who reaches what in lab ${NAME}`);
    expect(stdout).toContain("| `@neighbour` | · | · | **·!** |");
    expect(stdout).toContain("dropped: filter FORWARD takes it: -A FORWARD -p tcp -m tcp --dport 80 -j DROP");
    expect(stdout).toContain("rule unexpected on @host: filter FORWARD");
  });

  test("by prediction, and what is not there", () => {
    const { status, stdout } = living("matrix", "--predicted", "--to", "db");
    expect([status, stdout]).toEqual([0, expect.stringMatching(/^PREDICTED {2}5 cells;/m)]);
    expect(living("matrix", "--to", "nobody")).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('The matrix has no column "nobody"'),
    });
  });
});
