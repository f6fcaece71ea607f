/**
 * The same requests that were made of a real dockerd 28.5.2 leave the same objects: test/golden/api holds what it answered. Compared
 * as text, field order included; ids, times, MACs and paths of the two machines are made equal first.
 */
import { readFileSync } from "node:fs";
import type { FastifyInstance } from "fastify";
import { beforeAll, describe, expect, test } from "vitest";
import { createServer } from "../../../src/daemon/api/server.ts";
import { fakeEngine } from "../../support/fake-engine.ts";

const golden = (name: string): string =>
  readFileSync(new URL(`../../golden/api/${name}.json`, import.meta.url), "utf8");

/** What differs between any two machines; then what differs between Docker and a lab on purpose. */
function normalise(text: string): string {
  const compact = JSON.stringify(JSON.parse(text), (key, value: unknown) => {
    if (key === "GraphDriver") return { Data: null, Name: "overlay2" };
    if (key === "Pid" || key === "Created" || key === "ConsoleSize") return 0;
    if (key === "Status" && /second|minute/.test(String(value))) return "some time";
    if (key === "Hostname" && (value === "vm" || value === "host")) return "the host";
    return value;
  });
  return compact
    .replace(/[0-9a-f]{64}/g, "ID")
    .replace(/"[0-9a-f]{12}"/g, '"SHORT"')
    .replace(/"([0-9a-f]{2}:){5}[0-9a-f]{2}"/g, '"MAC"')
    .replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g, "TIME")
    .replace(/"SandboxKey":"[^"]+"/g, '"SandboxKey":"PATH"')
    .replace(/"\/(dk|run)\/[^"]*\/(hosts|hostname|resolv\.conf|[^"/]*-json\.log)"/g, '"$2"');
}

let app: FastifyInstance;

async function call(method: "GET" | "POST", url: string, body?: unknown): Promise<string> {
  const payload = body === undefined ? {} : { payload: JSON.stringify(body) };
  const answer = await app.inject({
    method,
    url: `/v1.51${url}`,
    headers: { "content-type": "application/json" },
    ...payload,
  });
  expect(answer.statusCode, answer.body).toBeLessThan(300);
  return answer.body;
}

/** Made and started, as `docker run -d` does. */
async function run(name: string, config: object): Promise<void> {
  await call("POST", `/containers/create?name=${name}`, { Image: "busybox:latest", ...config });
  await call("POST", `/containers/${name}/start`);
}

/** Empty lists that the docker client sends, and dockerd shows as it got them. */
const CLIENT = {
  Dns: [],
  DnsOptions: [],
  DnsSearch: [],
  PortBindings: {},
  BlkioWeightDevice: [],
  BlkioDeviceReadBps: [],
  BlkioDeviceWriteBps: [],
  BlkioDeviceReadIOps: [],
  BlkioDeviceWriteIOps: [],
  Devices: [],
  Ulimits: [],
  MemorySwappiness: -1,
  PidsLimit: 0,
};

beforeAll(async () => {
  app = createServer(fakeEngine().engine, { version: "0.0.0" });
  const pool = {
    Subnet: "10.213.0.0/24",
    IPRange: "10.213.0.128/25",
    Gateway: "10.213.0.1",
    AuxiliaryAddresses: { r: "10.213.0.9" },
  };
  await call("POST", "/networks/create", { Name: "zapi-n1", IPAM: { Config: [pool] }, Labels: { a: "b" } });
  await call("POST", "/networks/create", { Name: "zapi-other" });
  await call("POST", "/networks/create", { Name: "zapi-n2" });
  await run("zapi-other", { Cmd: ["sleep", "1d"] });
  await run("zapi-c1", {
    Cmd: ["sh"],
    Tty: true,
    OpenStdin: true,
    Hostname: "hh",
    Env: ["X=1"],
    WorkingDir: "/tmp",
    Labels: { l: "v" },
    ExposedPorts: { "90/tcp": {}, "80/tcp": {}, "81/udp": {} },
    HostConfig: {
      ...CLIENT,
      NetworkMode: "zapi-n2",
      Dns: ["1.1.1.1"],
      ExtraHosts: ["a:1.2.3.4"],
      PortBindings: { "81/udp": [{ HostIp: "", HostPort: "28081" }], "80/tcp": [{ HostIp: "", HostPort: "28080" }] },
    },
    NetworkingConfig: { EndpointsConfig: { "zapi-n2": { Aliases: ["al"] } } },
  });
  const sleep = { Cmd: ["sleep", "1d"] };
  await run("zapi-c2", { ...sleep, HostConfig: { ...CLIENT, NetworkMode: "none" } });
  await call("POST", "/containers/create?name=zapi-c3", {
    ...sleep,
    AttachStdout: true,
    AttachStderr: true,
    Image: "busybox:latest",
    HostConfig: { ...CLIENT, NetworkMode: "zapi-n1" },
    NetworkingConfig: {
      EndpointsConfig: { "zapi-n1": { IPAMConfig: { IPv4Address: "10.213.0.20" }, Aliases: ["q"] } },
    },
  });
  await run("zapi-c4", { ...sleep, ExposedPorts: { "70/tcp": {} }, HostConfig: { ...CLIENT, PublishAllPorts: true } });
  await run("zapi-c5", { ...sleep, HostConfig: { ...CLIENT, NetworkMode: "container:zapi-c4" } });
  await run("zapi-c6", {
    Cmd: ["false"],
    AttachStdout: true,
    AttachStderr: true,
    HostConfig: { ...CLIENT, NetworkMode: "host" },
  });
  await call("POST", "/networks/zapi-n1/connect", {
    Container: "zapi-c1",
    EndpointConfig: { IPAMConfig: { IPv4Address: "10.213.0.30" }, Aliases: [], DriverOpts: {} },
  });
  await run("zapi-c7", { ...sleep, HostConfig: { ...CLIENT, Links: ["zapi-c4:d"] } });
  const lan = { Subnet: "192.168.0.0/24", IPRange: "192.168.0.96/27", AuxiliaryAddresses: { r: "192.168.0.100" } };
  await call("POST", "/networks/create", {
    Name: "lan",
    Driver: "macvlan",
    Options: { parent: "eth0" },
    IPAM: { Config: [lan] },
  });
  await run("web", {
    ...sleep,
    ExposedPorts: { "80/tcp": {} },
    HostConfig: { ...CLIENT, NetworkMode: "lan", PortBindings: { "80/tcp": [{ HostIp: "", HostPort: "8080" }] } },
  });
});

test("what a container on a macvlan has: an address of the LAN, a gateway there, and no published port", async () => {
  const mine = JSON.parse(await call("GET", "/containers/web/json")) as { NetworkSettings: unknown };
  const shown = JSON.parse(normalise(JSON.stringify(mine.NetworkSettings))) as unknown;
  expect(JSON.stringify(shown, null, 1)).toBe(
    JSON.stringify(JSON.parse(normalise(golden("settings-macvlan"))), null, 1),
  );
});

describe("A container is shown as dockerd shows it", () => {
  for (const [what, name] of [
    ["container-two-networks", "zapi-c1"],
    ["container-none", "zapi-c2"],
    ["container-created", "zapi-c3"],
    ["container-publish-all", "zapi-c4"],
    ["container-shared", "zapi-c5"],
    ["container-linked", "zapi-c7"],
  ] as const)
    test(what, async () => {
      const mine = JSON.parse(normalise(await call("GET", `/containers/${name}/json`))) as unknown;
      const theirs = JSON.parse(normalise(golden(what))) as unknown;
      expect(JSON.stringify(mine, null, 1)).toBe(JSON.stringify(theirs, null, 1));
    });
});

describe("A network is shown as dockerd shows it", () => {
  for (const [what, name] of [
    ["network-addresses", "zapi-n1"],
    ["network-automatic", "zapi-n2"],
    ["network-none", "none"],
    ["network-macvlan", "lan"],
  ] as const)
    test(what, async () => {
      const mine = JSON.parse(normalise(await call("GET", `/networks/${name}`))) as unknown;
      expect(JSON.stringify(mine, null, 1)).toBe(JSON.stringify(JSON.parse(normalise(golden(what))), null, 1));
    });

  test("the default bridge, but for who else is on it", async () => {
    const without = (text: string): unknown => ({ ...(JSON.parse(normalise(text)) as object), Containers: {} });
    expect(JSON.stringify(without(await call("GET", "/networks/bridge")), null, 1)).toBe(
      JSON.stringify(without(golden("network-bridge")), null, 1),
    );
  });

  test("the list", async () => {
    const filters = encodeURIComponent('{"name":["^zapi-n"]}');
    const mine = normalise(await call("GET", `/networks?filters=${filters}`));
    expect(mine).toBe(normalise(golden("networks")));
  });
});

test("the list of containers is dockerd's", async () => {
  const running = (text: string): unknown[] =>
    (JSON.parse(text) as { Names: string[] }[]).filter((c) => /^\/zapi-c[123457]$/.test(c.Names[0] ?? ""));
  const mine = running(normalise(await call("GET", "/containers/json?all=1")));
  expect(JSON.stringify(mine, null, 1)).toBe(JSON.stringify(running(normalise(golden("containers"))), null, 1));
});

describe("Lists of containers are filtered", () => {
  const names = async (filters: object): Promise<string[]> => {
    const url = `/containers/json?all=1&filters=${encodeURIComponent(JSON.stringify(filters))}`;
    return (JSON.parse(await call("GET", url)) as { Names: string[] }[]).map((c) => (c.Names[0] ?? "").slice(1));
  };

  test("by status", async () => expect(await names({ status: ["created"] })).toEqual(["zapi-c3"]));
  test("by network", async () => expect(await names({ network: ["zapi-n1"] })).toEqual(["zapi-c3", "zapi-c1"]));
  test("by label", async () => expect(await names({ label: ["l=v"] })).toEqual(["zapi-c1"]));
  test("by exposed port", async () => expect(await names({ expose: ["90"] })).toEqual(["zapi-c1"]));
  test("by published port", async () => expect(await names({ publish: ["28081/udp"] })).toEqual(["zapi-c1"]));
  test("by part of the name", async () => expect(await names({ name: ["c[12]$"] })).toEqual(["zapi-c2", "zapi-c1"]));
  test("by a pattern with a choice", async () =>
    expect(await names({ name: ["^/?zapi-(c1|other)$"] })).toEqual(["zapi-c1", "zapi-other"]));
  test("by a pattern that could take for ever, as plain text", async () =>
    expect(await names({ name: ["(c+)+$"] })).toEqual([]));
  test("by what came before", async () => expect(await names({ before: ["zapi-c1"] })).toEqual(["zapi-other"]));
});
