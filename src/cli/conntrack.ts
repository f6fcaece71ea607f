/** docknet conntrack: the NAT table of the lab that lives, or of a file's lab that is built and verified for it; or its changes as they happen. */
import type { ConntrackOptions, NatEvent, NatTable } from "../index.ts";
import { livingLab, specToBuild } from "./chosen-lab.ts";
import type { EngineClient } from "./docker/client.ts";
import { EXIT } from "./exit.ts";
import { asError, call, type Told } from "./lab-client.ts";
import type { LabFlags } from "./lab-options.ts";
import { Lines } from "./lines.ts";
import { verifyLiving } from "./rules.ts";
import { print, say, useColour, writeOut } from "./terminal.ts";

export interface ConntrackFlags extends LabFlags {
  readonly all?: boolean;
  readonly proto?: string;
  readonly watch?: boolean;
  readonly after?: "verify";
  readonly format: "table" | "json";
}

export const CONNTRACK_HELP = `
Columns, and what RFC 2663 and Cisco's "show ip nat translations" call them:
  INSIDE   inside local: the end behind the NAT, by its own address
  OUTSIDE  inside global: the same end as the outside knows it; of a published
           port the published address
  REMOTE   outside global: the other end
  SEEN AS  outside local: the other end as the inside sees it, if that differs
  NAT      MASQUERADE and SNAT give a new source, DNAT a new destination;
           hairpin: back into the network that it came from
  DIR      out: the inside began; in: the remote end did
  EXPIRES  so long until it is forgotten, when nothing more comes
Of icmp the id stands where others have a port.

A lab from a file is built, verified, shown and removed: what its checks sent
is in the table. With --watch an entry tells of itself when it began after the
watch did, as with conntrack -E.

Examples:
  docknet conntrack                  the lab that lives: host and home router
  docknet conntrack @router --proto udp
  docknet conntrack --watch          NEW, UPDATE, DESTROY as they happen
  docknet conntrack --lab seed --format json | jq '.nodes[].rows[].insideGlobal'
`;

export async function conntrack(node: string | undefined, flags: ConntrackFlags, signal: AbortSignal): Promise<number> {
  if (flags.watch && flags.after) {
    const { DocknetError } = await import("../index.ts");
    throw new DocknetError("USAGE", "Cannot watch after a verification: a watch tells what happens from its start on", {
      remedy: "Leave out --after, and run `docknet verify` beside it",
    });
  }
  const { all, proto } = flags;
  const options: ConntrackOptions = {
    ...(node === undefined ? {} : { node }),
    ...(proto === undefined ? {} : { proto }),
    all: all ?? false,
  };
  const living = await livingLab(flags);
  if (living && flags.watch) return await watchLiving(living.client, options, flags, signal);
  if (living && flags.after) await verifyLiving(living.client, signal);
  const table = living
    ? await call<NatTable>(living.client, "post", "conntrack", options, signal)
    : await ofFile(options, flags, signal);
  if (table) await show(table, flags);
  return EXIT.ok;
}

async function show(table: NatTable, flags: ConntrackFlags): Promise<void> {
  // not from the index: it would load all that builds labs
  const { renderNatTable, renderNatTableJson } = await import("../report/conntrack.ts");
  if (flags.format === "json") return print(renderNatTableJson(table));
  const { columns } = process.stdout;
  print(renderNatTable(table, { colour: useColour(process.stdout), ...(columns ? { width: columns } : {}) }));
}

/** @returns undefined when its changes were printed instead */
async function ofFile(
  options: ConntrackOptions,
  flags: ConntrackFlags,
  signal: AbortSignal,
): Promise<NatTable | undefined> {
  const { buildLab } = await import("../index.ts");
  await using lab = await buildLab(await specToBuild(flags), { signal });
  if (!flags.watch) {
    await lab.verify();
    return lab.conntrack(options);
  }
  const tell = await teller(flags);
  const watch = lab.watchConntrack(tell, options);
  try {
    await lab.verify();
  } finally {
    watch.close();
  }
  return undefined;
}

// --- changes ---------------------------------------------------------------------------------------------------------

/** A line of the daemon's stream (src/daemon/api/inspection-routes.ts). */
interface WatchLine {
  readonly watching?: true;
  readonly event?: NatEvent;
  readonly lost?: string;
  readonly error?: Told;
}

async function watchLiving(
  client: EngineClient,
  options: ConntrackOptions,
  flags: ConntrackFlags,
  signal: AbortSignal,
): Promise<number> {
  const tell = await teller(flags);
  const lines = new Lines();
  try {
    for await (const chunk of await client.stream("POST", "/docknet/conntrack/watch", { body: options, signal })) {
      lines.push(chunk);
      for (const line of lines.take()) {
        const { watching, event, lost, error } = JSON.parse(line) as WatchLine;
        if (error) throw await asError(error);
        if (watching && process.stderr.isTTY) say("docknet: watching, Ctrl-C ends");
        if (lost !== undefined) say(`docknet: lost ${lost}: they came faster than they were read`);
        // whoever read it has gone
        if (event && !tell(event)) return EXIT.ok;
      }
    }
  } catch (error) {
    if (!signal.aborted && (error as NodeJS.ErrnoException).code !== "ECONNRESET") throw error;
  }
  if (signal.aborted) return EXIT.ok;
  const { DocknetError } = await import("../index.ts");
  throw new DocknetError("ABORTED", "The daemon of the lab ended before the watch did");
}

/** @returns what prints one change, and says whether its reader is still there */
async function teller(flags: ConntrackFlags): Promise<(event: NatEvent) => boolean> {
  const { renderNatEvent, renderNatEventJson } = await import("../report/conntrack.ts");
  const colour = useColour(process.stdout);
  return (event) =>
    writeOut(`${flags.format === "json" ? renderNatEventJson(event) : renderNatEvent(event, { colour })}\n`);
}
