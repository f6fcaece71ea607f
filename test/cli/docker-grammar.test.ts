/** Docker's commands as a process, against an engine that the test plays: what goes over the socket, what is printed, how it ends. */
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, expect, test } from "vitest";

const CLI = fileURLToPath(new URL("../../dist/bin/docknet.js", import.meta.url));
const ID = "ab".repeat(32);
const NETWORK = { Id: ID, Name: "web", Driver: "bridge", Scope: "local", Created: "2026-11-22T07:39:26.842562993Z" };

type Answer = (path: string) => { readonly status?: number; readonly body: string; readonly stays?: true };

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0).reverse()) cleanup();
});

/** An engine at a socket of its own. */
async function playEngine(answer: Answer): Promise<{ host: string; calls: string[]; breakOff: () => void }> {
  const folder = mkdtempSync(join(tmpdir(), "docknet-grammar-"));
  const calls: string[] = [];
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => parts.push(part));
    request.on("end", () => {
      const path = decodeURIComponent(request.url ?? "").replace("/v1.51", "");
      calls.push(`${request.method} ${path} ${Buffer.concat(parts).toString()}`.trim());
      const { status = 200, body, stays } = answer(`${request.method} ${path}`);
      response.writeHead(status, { "Content-Type": "application/json" });
      if (stays) response.write(body);
      else response.end(body);
    });
  });
  cleanups.push(
    () => rmSync(folder, { recursive: true }),
    () => {
      server.closeAllConnections();
      server.close();
    },
  );
  await new Promise<void>((resolve) => server.listen(join(folder, "s"), resolve));
  return { host: `unix://${join(folder, "s")}`, calls, breakOff: () => server.closeAllConnections() };
}

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function run(args: readonly string[], host: string, input = "", onOutput?: (kill: () => void) => void): Promise<Ended> {
  const child = spawn(process.execPath, [CLI, ...args], { env: { ...process.env, DOCKNET_HOST: host } });
  const out = { stdout: "", stderr: "" };
  child.stdout.setEncoding("utf8").on("data", (part: string) => {
    out.stdout += part;
    onOutput?.(() => child.kill("SIGINT"));
  });
  child.stderr.setEncoding("utf8").on("data", (part: string) => {
    out.stderr += part;
  });
  child.stdin.on("error", () => {}); // it may end without reading
  child.stdin.end(input);
  return new Promise((resolve) => child.on("close", (code) => resolve({ code, ...out })));
}

test("network ls asks once and prints docker's table", async () => {
  const engine = await playEngine(() => ({ body: JSON.stringify([NETWORK, { ...NETWORK, Name: "bridge" }]) }));
  const ended = await run(["network", "ls", "-f", "driver=bridge", "-f", "name=w"], engine.host);
  expect(ended).toEqual({
    code: 0,
    stdout:
      "NETWORK ID     NAME      DRIVER    SCOPE\nabababababab   bridge    bridge    local\nabababababab   web       bridge    local\n",
    stderr: "",
  });
  expect(engine.calls).toEqual(['GET /networks?filters={"driver":{"bridge":true},"name":{"w":true}}']);
});

test("the daemon's refusal is told in its words, and ends with 1", async () => {
  const engine = await playEngine(() => ({ status: 404, body: '{"message":"No such container: nosuch"}' }));
  expect(await run(["port", "nosuch"], engine.host)).toEqual({
    code: 1,
    stdout: "",
    stderr: "Error response from daemon: No such container: nosuch\n",
  });
});

test("rm tells each name in order, then what failed", async () => {
  const engine = await playEngine((call) =>
    call.includes("/b") ? { status: 409, body: '{"message":"in use"}' } : { status: 204, body: "" },
  );
  expect(await run(["rm", "a", "b", "c"], engine.host)).toEqual({
    code: 1,
    stdout: "a\nc\n",
    stderr: "Error response from daemon: in use\n",
  });
});

test("rm -f forgives what is not there, and nothing else", async () => {
  const engine = await playEngine(() => ({ status: 404, body: '{"message":"No such container: a"}' }));
  expect(await run(["rm", "-f", "a"], engine.host)).toMatchObject({
    code: 0,
    stderr: "Error response from daemon: No such container: a\n",
  });
  expect(engine.calls).toEqual(["DELETE /containers/a?force=1"]);
});

test("network create sends what docker sends", async () => {
  const engine = await playEngine(() => ({ status: 201, body: JSON.stringify({ Id: ID, Warning: "" }) }));
  const args = [
    "--subnet",
    "10.0.0.0/8",
    "--gateway",
    "10.0.0.1",
    "--aux-address",
    "a=10.0.0.7",
    "--label",
    "x=y",
    "--ipv6",
  ];
  expect(await run(["network", "create", ...args, "web"], engine.host)).toMatchObject({ code: 0, stdout: `${ID}\n` });
  const body = JSON.parse(engine.calls[0]?.replace("POST /networks/create ", "") ?? "") as unknown;
  expect(body).toEqual({
    Name: "web",
    Driver: "bridge",
    Scope: "",
    EnableIPv6: true,
    IPAM: {
      Driver: "default",
      Options: {},
      Config: [{ Subnet: "10.0.0.0/8", Gateway: "10.0.0.1", AuxiliaryAddresses: { a: "10.0.0.7" } }],
    },
    Internal: false,
    Attachable: false,
    Ingress: false,
    ConfigOnly: false,
    ConfigFrom: null,
    Options: {},
    Labels: { x: "y" },
  });
});

test("events are printed as they come, until Ctrl-C ends with 130", async () => {
  const event = `{"Type":"network","Action":"create","Actor":{"ID":"${ID}","Attributes":{"type":"bridge","name":"web"}},"time":1,"timeNano":1795333811962833866}`;
  const engine = await playEngine(() => ({ body: `${event}\n`, stays: true }));
  const ended = await run(
    ["events", "--format", "{{.TimeNano}} {{.Action}} {{.Actor.Attributes.name}}"],
    engine.host,
    "",
    (kill) => kill(),
  );
  expect(ended).toEqual({ code: 130, stdout: "1795333811962833866 create web\n", stderr: "" });
});

test("events end with Go's word when the daemon breaks off", async () => {
  const event = { Type: "network", Action: "create", timeNano: 7, Actor: { ID, Attributes: { name: "web" } } };
  const engine = await playEngine(() => ({ body: JSON.stringify(event), stays: true }));
  const { code, stdout, stderr } = await run(["events", "--format", "{{.Action}}"], engine.host, "", () =>
    engine.breakOff(),
  );
  expect({ code, stdout, stderr }).toEqual({ code: 1, stdout: "create\n", stderr: "unexpected EOF\n" });
});

test.each([
  ["y\n", ["POST /networks/prune"]],
  ["n\n", []],
  ["yes\n", []],
  ["", []],
])("network prune asks first; the answer %j", async (input, calls) => {
  const engine = await playEngine(() => ({ body: '{"NetworksDeleted":["web"]}' }));
  const { code, stdout } = await run(["network", "prune"], engine.host, input);
  expect(engine.calls).toEqual(calls);
  expect({ code, stdout: stdout.split("[y/N] ")[1] }).toEqual({
    code: 0,
    stdout: calls.length > 0 ? "Deleted Networks:\nweb\n\n" : "",
  });
});

test("inspect keeps what was found when another is missing, and its JSON as it came", async () => {
  const engine = await playEngine((call) =>
    call.includes("/networks/web")
      ? { body: '{"Id":"x","Big":12345678901234567890}\n' }
      : { status: 404, body: '{"message":"nope"}' },
  );
  expect(await run(["inspect", "nosuch", "web"], engine.host)).toEqual({
    code: 1,
    stdout: '[\n    {\n        "Id": "x",\n        "Big": 12345678901234567890\n    }\n]\n',
    stderr: "Error: No such object: nosuch\n",
  });
});

test("without a daemon at the given host, its address is told", async () => {
  const text = "Cannot connect to the docknet daemon at unix:///nonexist/s. Is the docknet daemon running?\n";
  expect(await run(["ps"], "unix:///nonexist/s")).toEqual({ code: 1, stdout: "", stderr: text });
  expect(await run(["-H", "unix:///nonexist/s", "network", "rm", "a"], "")).toMatchObject({
    code: 1,
    stderr: `${text}exit status 1\n`,
  });
});

test("an answer that is no JSON, or none of docker's, is told and not thrown", async () => {
  const engine = await playEngine(() => ({ status: 500, body: "<html>" }));
  expect(await run(["ps"], engine.host)).toMatchObject({ code: 1, stderr: "Error response from daemon: <html>\n" });
});

test("the shell completes commands, flags, and names of the daemon", async () => {
  const engine = await playEngine((call) => ({
    body: JSON.stringify(call.includes("networks") ? [NETWORK] : [{ Names: ["/db"] }, { Names: ["/web1"] }]),
  }));
  const complete = async (...words: string[]) =>
    (await run(["__complete", ...words], engine.host)).stdout.split("\n").slice(0, -1);
  expect(await complete("net")).toEqual(["network"]);
  expect(await complete("network", "")).toEqual(["connect", "create", "disconnect", "inspect", "ls", "prune", "rm"]);
  expect(await complete("network", "rm", "w")).toEqual(["web"]);
  expect(await complete("network", "connect", "web", "")).toEqual(["db", "web1"]);
  expect(await complete("stop", "--t")).toEqual(["--timeout"]);
  expect(await complete("verify", "--ju")).toEqual(["--junit"]);
});

test.each(["bash", "zsh"])("the completion script for %s is one that bash can read", (shell) => {
  const { stdout } = spawnSync(process.execPath, [CLI, "completion", shell], { encoding: "utf8" });
  const script = stdout.replace(/^autoload.*\n/, "");
  expect(spawnSync("bash", ["-n"], { input: script, encoding: "utf8" })).toMatchObject({ status: 0, stderr: "" });
  expect(stdout).toContain("complete -F _docknet docknet");
});
