/** Names change with the command that changes them: the very next query after the daemon's answer sees it. Needs dist/bin and root. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { netnsPath, type Owned, type OwnedNetns, readOwned } from "../../src/kernel/manifest.ts";
import { Netns } from "../../src/kernel/netns.ts";
import { LabDaemon } from "../support/daemon.ts";
import { askTcp, askUdp } from "../support/dns-client.ts";
import { queryOf, RD, readAnswer } from "../support/dns-message.ts";

const bin = process.env.DOCKNET_BIN ?? fileURLToPath(new URL("../../dist/bin", import.meta.url));
const runDirectory = mkdtempSync(join(tmpdir(), "dn-names-"));
const daemon = new LabDaemon({ runDirectory, lab: `t${process.pid}n`, bin });
const ROUNDS = 5;
const A = 1;
const PTR = 12;
const NOBODY = "SERVFAIL";
let asker: Netns;

beforeAll(async () => {
  await daemon.start();
  for (const Name of ["front", "back"]) await daemon.ask("POST", "/networks/create", { Name });
  await run("asker", "front");
  await run("db", "back");
  asker = netnsOf("asker");
});

afterAll(async () => {
  asker?.close();
  await daemon.remove();
  rmSync(runDirectory, { recursive: true, force: true });
});

test.for(Array.from({ length: ROUNDS }, (_, i) => i + 1))(
  "round %i: run, rename, stop, start, connect, disconnect and rm are seen by the next query",
  async () => {
    await run("web", "front", ["shop"]);
    const heard = [await hear("web"), await hear("shop")];
    const web = await addressOf("web", "front");
    expect(heard).toEqual([web, web]);
    const reverse = `${web.split(".").reverse().join(".")}.in-addr.arpa`;
    expect(await hear(reverse, PTR)).toBe("web.front");

    await command("/containers/web/rename?name=site");
    expect([await hear("web"), await hear("site"), await hear(reverse, PTR)]).toEqual([NOBODY, web, "site.front"]);
    await command("/containers/site/stop?t=0");
    expect([await hear("site"), await hear("shop"), await hear(reverse, PTR)]).toEqual([NOBODY, NOBODY, NOBODY]);
    await command("/containers/site/start");
    const again = await hear("site");
    expect(again).toBe(await addressOf("site", "front"));
    await command("/containers/site/restart?t=0");
    expect(await hear("shop")).toBe(again);

    await command("/networks/back/connect", { Container: "asker" });
    const db = await hear("db");
    expect(db).toBe(await addressOf("db", "back"));
    await command("/networks/back/disconnect", { Container: "asker" });
    expect(await hear("db")).toBe(NOBODY);
    await command("/networks/front/connect", { Container: "db", EndpointConfig: { Aliases: ["store"] } });
    const store = [await hear("store"), await hear("db")];
    const front = await addressOf("db", "front");
    expect(store).toEqual([front, front]);
    await command("/networks/front/disconnect", { Container: "db" });
    expect(await hear("store")).toBe(NOBODY);

    await daemon.ask("DELETE", "/containers/site?force=1");
    expect([await hear("site"), await hear("shop"), await hear("db")]).toEqual([NOBODY, NOBODY, NOBODY]);
    expect(daemon.complaints).toEqual([]);
  },
);

const command = (path: string, body?: unknown): Promise<unknown> => daemon.ask("POST", path, body);

/** On a network with what a well-known image serves: no process of its own. */
async function run(name: string, network: string, aliases: readonly string[] = []): Promise<void> {
  await command(`/containers/create?name=${name}`, {
    Image: "nginx",
    HostConfig: { NetworkMode: network },
    NetworkingConfig: { EndpointsConfig: { [network]: { Aliases: aliases } } },
  });
  await command(`/containers/${name}/start`);
}

/** The one answer, or the status of an answer without any; first over UDP, then the same over TCP. */
async function hear(name: string, type = A): Promise<string> {
  const query = queryOf({ name, type, flags: RD });
  const [udp, tcp] = [await askUdp(asker, query), await askTcp(asker, query)].map((answer) => {
    const { status, answers } = readAnswer(answer);
    return answers.length === 0 ? status : answers.map((a) => a.split(" ").at(-1)).join(" ");
  });
  expect(tcp).toBe(udp);
  return udp ?? "";
}

async function addressOf(container: string, network: string): Promise<string> {
  const { NetworkSettings } = await daemon.ask<{
    readonly NetworkSettings: { readonly Networks: Readonly<Record<string, { readonly IPAddress: string }>> };
  }>("GET", `/containers/${container}/json`);
  return NetworkSettings.Networks[network]?.IPAddress ?? "not on it";
}

function netnsOf(node: string): Netns {
  const isMeant = (o: Owned): o is OwnedNetns => o.kind === "netns" && o.node === node;
  const owned = [...readOwned(daemon.directory).values()].find(isMeant);
  const path = owned && netnsPath(daemon.lab as Parameters<typeof netnsPath>[0], owned.node);
  const ns =
    owned && path && Netns.open(node, path, owned, { path, owner: { directory: daemon.directory, node: owned.node } });
  if (!ns) throw new Error(`${node} has no namespace`);
  return ns;
}
