/** docknet compare, as a process: what it prints, and that a measurement agrees with what was predicted. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import type { Comparison } from "../../src/plan/compare.ts";

const CLI = fileURLToPath(new URL("../../dist/bin/docknet.js", import.meta.url));

const LAB = `name: pair
services:
  web: { image: nginx, networks: [front], ports: ["8080:80"], x-docknet: { serve: ["9000"] } }
  api: { image: nginx, networks: [back], ports: ["8090:80"] }
networks: { front: {}, back: {} }
`;

function compare(...args: string[]) {
  return spawnSync(process.execPath, [CLI, "compare", "-f", "-", ...args], {
    input: LAB,
    encoding: "utf8",
    timeout: 100_000,
  });
}

test("text tells what changes, why, and by which rules", () => {
  const { status, stdout, stderr } = compare("--profiles", "docker-20.10,docker-29");
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  expect(stdout).toMatch(/^lab pair: docker-20\.10 -> docker-29$/m);
  expect(stdout).toMatch(/^since docker-28 a rule in raw drops/m);
  expect(stdout).toMatch(/@neighbour -> 172\.\d+\.0\.2:80\/tcp +reached as 192\.168\.0\.20 -> dropped/);
  expect(stdout).toMatch(/^- -t filter -A DOCKER-ISOLATION-STAGE-2 /m);
});

test("what is measured under both profiles is what was predicted", () => {
  const { status, stdout, stderr } = compare("--profiles", "docker-20.10,docker-28", "--measure", "--format", "json");
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  const { cells } = JSON.parse(stdout) as Comparison;
  const sides = cells.flatMap((c) => c.sides);
  expect(sides.length).toBeGreaterThan(20);
  expect(sides.filter((s) => !s.measured?.agrees)).toEqual([]);
});

test.for(["docker-29", "docker-29,docker-29", "docker-27,docker-29", "docker-28,docker-29,docker-20.10", ""])(
  "--profiles %s is a usage error that says what is wanted",
  (profiles) => {
    const { status, stdout, stderr } = compare("--profiles", profiles);
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
    expect(stderr).toContain("wanted two different ones of docker-20.10, docker-28, docker-29");
  },
);

test("no profiles at all, too", () => {
  const { status, stderr } = compare();
  expect(status).toBe(2);
  expect(stderr).toContain("required option '--profiles <a,b>' not specified");
});
