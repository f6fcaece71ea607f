/** docknet verify of FTP, as a process: the lab that ships, a lab that expects the wrong thing, one that asks for what cannot be. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Ajv2020 } from "ajv/dist/2020.js";
import { expect, test } from "vitest";
import type { Report } from "../../src/observe/report.ts";

const CLI = fileURLToPath(new URL("../../dist/bin/docknet.js", import.meta.url));
const SCHEMA = new URL("../../src/report/report.schema.json", import.meta.url);

function verify(input: string, ...args: string[]) {
  return spawnSync(process.execPath, [CLI, "verify", ...args], { input, encoding: "utf8", timeout: 100_000 });
}

const lab = (check: string): string => `name: pair
services:
  files: { image: nginx, ports: ["2121:21"], x-docknet: { serve: ["21"] } }
x-docknet:
  checks:
    - ${check}
`;

test("the lab that ships passes, and its JSON has both connections and the rule that counted the second away", () => {
  const { status, stdout, stderr } = verify("", "--lab", "ftp", "--format", "json");
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  const report = JSON.parse(stdout) as Report;
  const validate = new Ajv2020({ strict: true }).compile(JSON.parse(readFileSync(SCHEMA, "utf8")));
  expect(validate(report), JSON.stringify(validate.errors)).toBe(true);
  const passive = report.checks.find((c) => c.from === "@neighbour" && c.transfer === "passive");
  expect(passive).toMatchObject({
    expected: { outcome: "drop" },
    evidence: { translations: [{ kind: "DNAT", before: expect.stringMatching(/ -> 192\.168\.0\.10:21$/) }] },
    data: {
      openedBy: "@neighbour",
      from: expect.stringMatching(/^192\.168\.0\.20:/),
      to: expect.stringMatching(/^172\.31\.1\.10:/),
      evidence: { lost: { rule: { table: "raw", chain: "PREROUTING", owner: "files on network ftp_files_net" } } },
    },
  });
  const active = report.checks.find((c) => c.from === "@neighbour" && c.transfer === "active");
  expect(active?.data).toMatchObject({
    openedBy: "files",
    from: "172.31.1.10:20",
    seenAs: "192.168.0.10:20",
    evidence: { translations: [{ kind: "MASQUERADE", node: "@host" }] },
  });
});

test("a claim that passive works through the published port fails, with the rule and who announced the address", () => {
  const { status, stdout } = verify(lab('{ from: "@neighbour", to: "@host:2121", transfer: passive }'), "-f", "-");
  expect(status).toBe(1);
  expect(stdout).toContain("expected reach, but there was no answer");
  expect(stdout.replace(/\s+/g, " ")).toContain(
    "@neighbour opens the data connection to 172.18.0.2, the address that files announced",
  );
  expect(stdout).toMatch(/-t raw -A PREROUTING -d 172\.18\.0\.2\/32/);
});

test.for([
  ['{ from: "@host", to: "files:21", transfer: both }', 'expected one of "active"|"passive"|"extended-passive"'],
  ['{ from: "@host", to: "files:21/udp", transfer: active }', "is about FTP, which goes over tcp, not udp"],
] as const)("%s is refused at its place", ([check, message]) => {
  const { status, stdout, stderr } = verify(lab(check), "-f", "-");
  expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
  expect(stderr).toMatch(/:6:\d+: /);
  expect(stderr).toContain(message);
});
