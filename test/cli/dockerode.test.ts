/** The npm package dockerode against docknet's socket: its calls for networks, containers, execs and streams. Needs dist/bin and a network namespace. */
import { spawnSync } from "node:child_process";
import { PassThrough, type Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import Docker from "dockerode";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { socketPath } from "../../src/daemon/place.ts";

const LAB = `t${process.pid}ode`;
const DOCKNET = fileURLToPath(new URL("../../dist/bin/docknet.js", import.meta.url));
const docker = new Docker({ socketPath: socketPath(LAB) });

function docknet(...words: string[]): void {
  const { status, stderr } = spawnSync(process.execPath, [DOCKNET, "-p", LAB, ...words], { encoding: "utf8" });
  expect(status, `docknet -p ${LAB} ${words.join(" ")}: ${stderr}`).toBe(0);
}

beforeAll(() => docknet("network", "ls"));
afterAll(() => docknet("down"));

/** Everything that a stream still gives. */
async function textOf(stream: NodeJS.ReadableStream): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream as Readable) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

/** The two streams that Docker's frames hold. */
async function framesOf(stream: NodeJS.ReadWriteStream): Promise<{ stdout: string; stderr: string }> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  docker.modem.demuxStream(stream, stdout, stderr);
  stream.on("end", () => {
    stdout.end();
    stderr.end();
  });
  const [out, err] = await Promise.all([textOf(stdout), textOf(stderr)]);
  return { stdout: out, stderr: err };
}

async function sleeper(name: string, network = "bridge"): Promise<Docker.Container> {
  const container = await docker.createContainer({
    name,
    Image: "busybox",
    Cmd: ["sleep", "300"],
    HostConfig: { NetworkMode: network },
  });
  await container.start();
  return container;
}

describe("networks", () => {
  test("are created, listed, inspected, connected, disconnected and removed", async () => {
    const network = await docker.createNetwork({
      Name: "ode",
      IPAM: { Config: [{ Subnet: "10.50.0.0/24" }] },
      Labels: { made: "by dockerode" },
    });
    const listed = await docker.listNetworks({ filters: { label: ["made"] } });
    expect(listed.map(({ Name, Id }) => ({ Name, Id }))).toEqual([{ Name: "ode", Id: network.id }]);
    const container = await sleeper("networked");
    await network.connect({ Container: "networked", EndpointConfig: { Aliases: ["other"] } });
    const connected = (await network.inspect()) as Docker.NetworkInspectInfo;
    expect(connected.Containers?.[container.id]).toMatchObject({ Name: "networked", IPv4Address: "10.50.0.2/24" });
    const { NetworkSettings } = await container.inspect();
    expect(NetworkSettings.Networks.ode).toMatchObject({ Aliases: ["other"], IPAMConfig: null, DriverOpts: null });
    await network.disconnect({ Container: "networked" });
    expect(Object.keys((await container.inspect()).NetworkSettings.Networks)).toEqual(["bridge"]);
    await container.remove({ force: true });
    await network.remove();
    await expect(network.inspect()).rejects.toMatchObject({ statusCode: 404, reason: "no such network" });
  });

  test("a refusal has its status and Docker's message", async () => {
    await expect(docker.createNetwork({ Name: "bridge" })).rejects.toMatchObject({
      statusCode: 403,
      json: { message: "operation is not permitted on predefined bridge network " },
    });
  });
});

describe("containers", () => {
  test("are created, listed, started, stopped and removed", async () => {
    const container = await docker.createContainer({
      name: "life",
      Image: "busybox",
      Cmd: ["sleep", "300"],
      ExposedPorts: { "80/tcp": {} },
      HostConfig: { PortBindings: { "80/tcp": [{ HostPort: "8080" }] } },
    });
    expect((await container.inspect()).State.Status).toBe("created");
    await container.start();
    const [listed] = await docker.listContainers({ filters: { name: ["life"] } });
    expect(listed).toMatchObject({ Id: container.id, State: "running", Names: ["/life"] });
    expect(listed?.Ports).toContainEqual({ IP: "0.0.0.0", PrivatePort: 80, PublicPort: 8080, Type: "tcp" });
    await container.stop({ t: 0 });
    expect((await container.inspect()).State).toMatchObject({ Status: "exited", ExitCode: 137 });
    await expect(container.stop()).rejects.toMatchObject({ statusCode: 304 });
    await container.remove();
    await expect(container.inspect()).rejects.toMatchObject({ statusCode: 404 });
  });

  test("wait gives the exit code", async () => {
    const container = await docker.createContainer({ Image: "busybox", Cmd: ["sh", "-c", "exit 7"] });
    const exit = container.wait({ condition: "next-exit" });
    await container.start();
    expect(await exit).toEqual({ StatusCode: 7 });
    await container.remove();
  });

  test("attach carries input and output, framed", async () => {
    const container = await docker.createContainer({
      Image: "busybox",
      Cmd: ["sh", "-c", "cat; echo bad >&2"],
      OpenStdin: true,
      StdinOnce: true,
    });
    const stream = await container.attach({ stream: true, stdin: true, stdout: true, stderr: true, hijack: true });
    await container.start();
    stream.end("typed\n");
    expect(await framesOf(stream)).toEqual({ stdout: "typed\n", stderr: "bad\n" });
    await container.remove({ force: true });
  });

  test("run attaches a terminal, starts, waits and says how it ended", async () => {
    const output = new PassThrough();
    const said = textOf(output);
    const [{ StatusCode }, container] = await docker.run("busybox", ["sh", "-c", "echo hi; exit 3"], output);
    expect(StatusCode).toBe(3);
    expect(await said).toBe("hi\r\n");
    await container.remove();
  });

  test("logs follow to the end, and are there at once without following", async () => {
    const container = await docker.createContainer({
      Image: "busybox",
      Cmd: ["sh", "-c", "echo one; read line; echo two"],
      OpenStdin: true,
    });
    const input = await container.attach({ stream: true, stdin: true, hijack: true });
    await container.start();
    const logs = await container.logs({ follow: true, stdout: true, stderr: true });
    const followed = framesOf(logs as NodeJS.ReadWriteStream);
    input.end("go\n");
    expect(await followed).toEqual({ stdout: "one\ntwo\n", stderr: "" });
    const past = await container.logs({ follow: false, stdout: true, tail: 1 });
    expect(past.subarray(8).toString()).toBe("two\n");
    await container.remove();
  });
});

describe("exec", () => {
  let container: Docker.Container;
  beforeAll(async () => {
    container = await sleeper("execs");
  });
  afterAll(() => container.remove({ force: true }));

  test.each([true, false])("runs and tells its output and exit code, hijack %s", async (hijack) => {
    const exec = await container.exec({
      Cmd: ["sh", "-c", "echo out; echo err >&2; exit 5"],
      AttachStdout: true,
      AttachStderr: true,
    });
    const stream = await exec.start({ hijack, stdin: false });
    expect(await framesOf(stream)).toEqual({ stdout: "out\n", stderr: "err\n" });
    expect(await exec.inspect()).toMatchObject({ Running: false, ExitCode: 5, ContainerID: container.id });
  });

  test("takes input over a hijacked connection", async () => {
    const exec = await container.exec({ Cmd: ["cat"], AttachStdin: true, AttachStdout: true });
    const stream = await exec.start({ hijack: true, stdin: true });
    stream.end("typed\n");
    expect(await framesOf(stream)).toEqual({ stdout: "typed\n", stderr: "" });
  });
});

test("events come as they happen", async () => {
  const controller = new AbortController();
  const events = (await docker.getEvents({
    filters: { type: ["network"], event: ["create", "destroy"] },
    abortSignal: controller.signal,
  })) as Readable;
  events.on("error", () => {}); // the abort
  const actions: string[] = [];
  const both = new Promise<void>((resolve) => {
    let rest = "";
    events.setEncoding("utf8").on("data", (text: string) => {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) actions.push((JSON.parse(line) as { Action: string }).Action);
      if (actions.length >= 2) resolve();
    });
  });
  await (await docker.createNetwork({ Name: "told" })).remove();
  await both;
  expect(actions).toEqual(["create", "destroy"]);
  const closed = new Promise((resolve) => events.once("close", resolve));
  controller.abort();
  await closed;
});
