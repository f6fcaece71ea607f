/**
 * docknet matrix on the real kernel: it agrees with the prediction where nothing is wrong, finds exactly the cells that a fault made by hand
 * changes, and its walk names the rule. What it saw is checked against curl.
 */
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { buildLab, createLab, type Lab, labFile, loadSpec, type Matrix, renderMatrixJson } from "../../src/index.ts";
import { labText } from "../support/lab-text.ts";
import { matrixValidator } from "../support/matrix-schema.ts";

const THIRTY = fileURLToPath(new URL("../fixtures/labs/thirty.yaml", import.meta.url));
const validate = matrixValidator();

const troubles = ({ cells }: Matrix): string[] =>
  cells
    .filter((c) => c.verdict === "FAIL" || c.verdict === "INCONCLUSIVE")
    .map((c) => `${c.from} to ${c.to}: ${c.verdict}: ${c.reasons.join("; ")}`);

const differing = ({ cells }: Matrix): string[] =>
  cells.filter((c) => c.verdict === "FAIL").map((c) => `${c.from} ${c.to} ${c.observed?.outcome}`);

/** The same packet by another program: an HTTP request by curl, told in the matrix's words. */
async function byCurl(lab: Lab, from: string, address: string, port: number): Promise<string> {
  const url = `http://${address}:${port}/`;
  const { exitCode, stdout } = await lab.exec(from, ["curl", "-s", "--connect-timeout", "3", "--max-time", "60", url]);
  // curl(1): 7 failed to connect to host, 28 the time is over
  if (exitCode === 0) return `reach ${/^service=(\S+)/.exec(stdout)?.[1]} ${/from=([\d.]+)/.exec(stdout)?.[1]}`;
  return exitCode === 28 ? "drop" : exitCode === 7 ? "refuse or unreachable" : `curl ended with ${exitCode}`;
}

test.each(["seed", "dmz"])("lab %s: every cell is as predicted", async (name) => {
  await using lab = await createLab(labFile(name));
  const told: [number, number][] = [];
  const matrix = await lab.matrix({ onProgress: (done, total) => told.push([done, total]) });
  expect(troubles(matrix)).toEqual([]);
  expect(matrix).toMatchObject({ verdict: "PASS", walks: [], notWalked: 0 });
  expect(validate(JSON.parse(renderMatrixJson(matrix))) ? [] : validate.errors).toEqual([]);
  expect(matrix.cells.length).toBe(matrix.rows.length * matrix.columns.length);
  expect(matrix.columns.map((c) => c.control)).toEqual(matrix.columns.map(() => "PASS"));
  expect(told.at(-1)?.[0]).toBe(told.at(-1)?.[1]);
});

test("curl sees what the matrix says", async () => {
  await using lab = await createLab(labFile("seed"));
  const { cells } = await lab.matrix({ from: ["a", "c", "@neighbour"], to: ["web", "db", "@host"] });
  const compared = await Promise.all(
    cells.map(async ({ from, address = "", port = 0, observed }) => {
      const { outcome, server, seenAs } = observed ?? {};
      const said = outcome === "reach" ? `reach ${server} ${seenAs?.split(":")[0]}` : outcome;
      return [`${from} ${address}:${port}`, said, await byCurl(lab, from, address, port)];
    }),
  );
  expect(compared.length).toBe(9);
  expect(compared.map(([ends, said]) => [ends, said])).toEqual(compared.map(([ends, , curl]) => [ends, curl]));
});

test("a rule that drops what is forwarded: the cells between networks and from outside, and the walk names it", async () => {
  await using lab = await createLab(labFile("seed"));
  await lab.exec("@host", ["iptables", "-I", "FORWARD", "-p", "tcp", "--dport", "80", "-j", "DROP"]);
  const matrix = await lab.matrix({ answerDeadlineMs: 300 });
  // within one bridge nothing is forwarded by iptables; the host itself sends by OUTPUT
  const published = "0.0.0.0:8080->80/tcp of web";
  expect(differing(matrix)).toEqual([
    `c ${published} drop`,
    `db ${published} drop`,
    `@neighbour ${published} drop`,
    `@internet ${published} drop`,
  ]);
  expect(matrix.walks.map((w) => [w.cells, w.repeated, w.walk.verdict, w.walk.rule?.rule])).toEqual([
    [4, true, "drop", "-A FORWARD -p tcp -m tcp --dport 80 -j DROP"],
  ]);
  expect(matrix).toMatchObject({ verdict: "FAIL", notWalked: 0 });
  expect(matrix.drift.map((d) => d.problem)).toContain("unexpected");
});

test("a DNAT rule that is gone: the published port is refused, the walk ends on the host, the drift names whose rule it was", async () => {
  await using lab = await buildLab(
    loadSpec(
      labText(`
services:
  web: { image: nginx, ports: ["8080:80", "8443:443"] }
  db: { image: postgres }
x-docknet: { engine: { userland-proxy: false } }
`),
    ),
  );
  await lab.exec("@host", ["iptables", "-t", "nat", "-D", "DOCKER", "1"]);
  const { stdout } = await lab.exec("@host", ["iptables", "-t", "nat", "-S", "DOCKER"]);
  const left = stdout.includes("--dport 8443") ? "8080->80" : "8443->443";
  const matrix = await lab.matrix();
  expect(differing(matrix)).toEqual(
    ["web", "db", "@host", "@neighbour"].map((from) => `${from} 0.0.0.0:${left}/tcp of web refuse`),
  );
  expect(matrix.walks.map((w) => [w.cells, w.walk.verdict])).toEqual([[4, "refuse"]]);
  expect(matrix.walks[0]?.walk.from).toBe("web");
  expect(matrix.drift).toMatchObject([{ node: "@host", kind: "rule", problem: "missing" }]);
  expect(matrix.drift[0]?.owner).toContain(left.split("->")[0]);
});

test("a way that is opened by hand: what was dropped is reached, and that is told too", async () => {
  await using lab = await createLab(labFile("seed"));
  const guard = ["-d", "172.17.0.2", "!", "-i", "docker0", "-j", "DROP"];
  await lab.exec("@host", ["iptables", "-t", "raw", "-D", "PREROUTING", ...guard]);
  await lab.exec("@host", ["iptables", "-I", "DOCKER-USER", "-s", "192.168.0.20", "-d", "172.17.0.2", "-j", "ACCEPT"]);
  const matrix = await lab.matrix();
  expect(differing(matrix)).toEqual(["@neighbour a:80/tcp reach"]);
  expect(matrix.walks).toMatchObject([
    { from: "@neighbour", to: "a:80/tcp", repeated: true, walk: { verdict: "reach" } },
  ]);
});

test("a bridge that is down: the walk that finds no way on tells of the same fault as the silence, not of one that comes and goes", async () => {
  await using lab = await createLab(labFile("seed"));
  // ARP has been answered before: what is sent now is met with silence
  await lab.matrix({ from: ["a"], to: ["b"] });
  await lab.exec("@host", ["ip", "link", "set", "docker0", "down"]);
  const matrix = await lab.matrix({ from: ["a"], to: ["b"], answerDeadlineMs: 300 });
  expect(differing(matrix)).toEqual(["a b:80/tcp drop"]);
  expect(matrix.walks.map((w) => [w.repeated, w.walk.verdict])).toEqual([[true, "unreachable"]]);
  expect(matrix.drift).toMatchObject([{ node: "@host", kind: "link" }]);
});

test("a gateway that nobody has does not hold up the matrix, and is no way, not silence", async () => {
  const options = '{ com.docker.network.bridge.inhibit_ipv4: "true" }';
  await using lab = await buildLab(
    loadSpec(
      labText(`
services:
  stranded: { image: nginx, networks: [dark] }
  web: { image: nginx, networks: [light], ports: ["8080:80"] }
networks:
  light: {}
  dark: { driver_opts: ${options} }
`),
    ),
  );
  const matrix = await lab.matrix({ from: ["stranded"] });
  expect(troubles(matrix)).toEqual([]);
  const published = matrix.cells.find((c) => c.to === "0.0.0.0:8080->80/tcp of web");
  // without an errno: the kernel itself, which takes three seconds to give up (arp(7)), has not yet
  expect(published?.observed).toEqual({ outcome: "unreachable", afterMs: expect.any(Number) });
});

test("thirty services: every cell is as predicted", async () => {
  await using lab = await createLab(THIRTY);
  const matrix = await lab.matrix();
  expect(troubles(matrix)).toEqual([]);
  expect(matrix.verdict).toBe("PASS");
  expect([matrix.rows.length, matrix.cells.length > 2000]).toEqual([33, true]);
});

test("what is not there is said", async () => {
  await using lab = await createLab(labFile("seed"));
  await expect(lab.matrix({ from: ["nobody"] })).rejects.toThrow('The matrix has no row "nobody"');
  const predicted = await lab.matrix({ predicted: true });
  expect([predicted.verdict, predicted.cells.some((c) => c.observed)]).toEqual([undefined, false]);
});
