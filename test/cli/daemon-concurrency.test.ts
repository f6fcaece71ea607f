/** Many at once: of the commands that find no daemon one starts it, and what they ask for comes one after the other, whole. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";
import { LabDaemon, machineLinks } from "../support/daemon.ts";
import { waitFor } from "../support/wait-for.ts";

const bin = process.env.DOCKNET_BIN ?? fileURLToPath(new URL("../../dist/bin", import.meta.url));
const runDirectory = mkdtempSync(join(tmpdir(), "dn-crowd-"));
const lab = `t${process.pid}w`;
const daemon = new LabDaemon({ runDirectory, lab, bin });
const CROWD = 50;

afterAll(async () => {
  await daemon.remove();
  rmSync(runDirectory, { recursive: true, force: true });
});

const crowd = <T>(work: (i: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: CROWD }, (_, i) => work(i)));

const drift = (): Promise<unknown> => daemon.ask("GET", "/docknet/drift");

test(`${CROWD} commands at once, and no daemon: one starts, all are served`, { timeout: 600_000 }, async () => {
  const before = machineLinks();
  const ends = await crowd((i) =>
    i % 2 === 0
      ? daemon.docknet("run", "-d", "--name", `web${i}`, "-p", "80", "nginx")
      : daemon.docknet("network", "create", `net${i}`),
  );
  expect(ends.filter((e) => e.code !== 0)).toEqual([]);
  // one that came too late may take a moment to end
  await waitFor("one daemon runs", 20_000, () => daemon.processes().length === 1);
  const list = await daemon.ask<Listed[]>("GET", "/containers/json");
  expect(list).toHaveLength(CROWD / 2);
  const addresses = list.map((c) => c.NetworkSettings.Networks.bridge?.IPAddress);
  const ports = list.flatMap((c) => c.Ports.filter((p) => p.IP === "0.0.0.0").map((p) => p.PublicPort));
  for (const unique of [addresses, ports, list.map((c) => c.Id)]) expect(new Set<unknown>(unique).size).toBe(CROWD / 2);
  const subnets = (await daemon.ask<Network[]>("GET", "/networks")).flatMap((n) =>
    (n.IPAM.Config ?? []).map((c) => c.Subnet),
  );
  expect(new Set(subnets).size).toBe(CROWD / 2 + 1);
  expect(await drift()).toEqual({ result: [] });
  expect(machineLinks()).toBe(before);
});

test("of many that want one name one gets it, the others are told who has it", { timeout: 600_000 }, async () => {
  const answers = await crowd(() => daemon.request("POST", "/containers/create?name=same", { Image: "nginx" }));
  const [winner] = answers.filter((a) => a.status === 201);
  if (!winner) throw new Error("nobody got the name");
  const { Id: id } = winner.body as { Id: string };
  const losers = answers.filter((a) => a !== winner);
  expect(losers).toHaveLength(CROWD - 1);
  for (const { status, body } of losers)
    expect([status, body]).toEqual([
      409,
      {
        message: `Conflict. The container name "/same" is already in use by container "${id}". You have to remove (or rename) that container to be able to reuse that name.`,
      },
    ]);
});

test("names that nobody chose are never the same", { timeout: 600_000 }, async () => {
  const answers = await crowd(() => daemon.request("POST", "/containers/create", { Image: "nginx" }));
  expect(answers.filter((a) => a.status !== 201)).toEqual([]);
});

test("start, stop, rename, connect and rm -f of the same containers at once end, and leave the lab whole", {
  timeout: 600_000,
}, async () => {
  const program = { Image: "busybox", Cmd: ["sleep", "1000"] };
  for (const name of ["xx", "yy"]) await daemon.ask("POST", `/containers/create?name=${name}`, program);
  const acts = [
    ["POST", "start"],
    ["POST", "stop?t=0"],
    ["POST", "restart?t=0"],
    ["POST", "kill"],
    ["POST", "rename?name=zz"],
    ["POST", "rename?name=xx"],
    ["DELETE", "?force=1"],
  ];
  const answers = await crowd((i) => {
    const [method = "", path = ""] = acts[i % acts.length] ?? [];
    const name = i % 3 === 0 ? "yy" : "xx";
    return daemon.request(method, `/containers/${name}${path.startsWith("?") ? path : `/${path}`}`);
  });
  // done, done already, not there, in conflict: and no mistake of ours
  const wrong = answers.filter(({ status, body }) => {
    const { message = "" } = (body || {}) as { message?: string };
    return (
      ![204, 304, 404, 409].includes(status) &&
      !/^(Renaming a container with the same name|Cannot restart)/.test(message)
    );
  });
  expect(wrong).toEqual([]);
  for (const name of ["xx", "yy", "zz"]) await daemon.request("DELETE", `/containers/${name}?force=1`);
  expect(await drift()).toEqual({ result: [] });
  expect((await daemon.docknet("down")).code).toBe(0);
  expect(await daemon.leftovers()).toEqual([]);
});

interface Listed {
  readonly Id: string;
  readonly Ports: readonly { readonly IP: string; readonly PublicPort: number }[];
  readonly NetworkSettings: { readonly Networks: Readonly<Record<string, { readonly IPAddress: string }>> };
}

interface Network {
  readonly IPAM: { readonly Config: readonly { readonly Subnet: string }[] | null };
}
