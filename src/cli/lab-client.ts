/** The `/docknet/` part of a lab's daemon, as its own commands use it: results, or the daemon's errors with places and remedies. */
import { existsSync } from "node:fs";
import { labDirectory } from "../daemon/place.ts";
import { DocknetError, type Problem, ProblemsError } from "../errors.ts";
import { ConnectError, EngineClient, UnfitDaemonError } from "./docker/client.ts";

/** The lab that commands mean when they name none (design.md section 8). */
export const DEFAULT_LAB = "docknet";

const ENDED_TEXT = "The daemon ended before it had answered";

/** An error as the daemon tells it. */
export interface Told {
  readonly code: DocknetError["code"];
  readonly message: string;
  readonly remedy?: string;
  readonly at?: Problem["at"];
  readonly problems?: readonly Problem[];
}

/** @throws DocknetError or ProblemsError as the daemon threw it */
export async function call<T>(
  client: EngineClient,
  method: "get" | "post",
  path: string,
  body?: unknown,
  signal?: AbortSignal,
): Promise<T> {
  const options = { ...(body ? { body } : {}), ...(signal ? { signal } : {}) };
  const answer = await client[method]<{ result?: T; error?: Told }>(`/docknet/${path}`, options).catch((cause) => {
    if (!(cause instanceof ConnectError) || cause instanceof UnfitDaemonError) throw cause;
    throw new DocknetError("ABORTED", ENDED_TEXT, { cause });
  });
  if (answer.error) throw asError(answer.error);
  return answer.result as T;
}

/** The same for work that tells its progress. */
export async function follow<T>(
  client: EngineClient,
  path: string,
  body: unknown,
  options: { readonly signal: AbortSignal; readonly onProgress: (done: number, total: number) => void },
): Promise<T> {
  const chunks = await client.stream("POST", `/docknet/${path}`, { body, signal: options.signal });
  let rest = "";
  for await (const chunk of chunks) {
    const lines = (rest + chunk.toString("utf8")).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const told = JSON.parse(line) as { progress?: [number, number]; result?: T; error?: Told };
      if (told.progress) options.onProgress(...told.progress);
      if (told.error) throw asError(told.error);
      if (told.result !== undefined) return told.result;
    }
  }
  throw new DocknetError("ABORTED", ENDED_TEXT);
}

export function asError(told: Told): DocknetError {
  if (told.problems) return new ProblemsError(told.code, told.problems);
  return new DocknetError(told.code, told.message, {
    ...(told.remedy ? { remedy: told.remedy } : {}),
    ...(told.at ? { at: told.at } : {}),
  });
}

/** The lab that is meant by -p or DOCKNET_PROJECT. */
export const namedLab = (flags: { readonly projectName?: string }): string | undefined =>
  flags.projectName ?? process.env.DOCKNET_PROJECT;

/** A client of a lab that runs; undefined: it does not. */
export async function findClient(lab: string): Promise<EngineClient | undefined> {
  const { findDaemon } = await import("../daemon/launch.ts");
  const daemon = await findDaemon(lab);
  return daemon && new EngineClient(daemon);
}

/** @throws DocknetError NOT_FOUND */
async function clientOf(lab: string): Promise<EngineClient> {
  const client = await findClient(lab);
  if (client) return client;
  throw new DocknetError("NOT_FOUND", `Lab ${lab} does not run`, {
    remedy: "Start one with `docknet up` or `docknet run`, or name another with -p",
  });
}

/** Is there such a lab? Its daemon may have died: then the next command takes it up. */
export const isAlive = (lab: string): boolean => existsSync(`${labDirectory(lab)}/manifest.jsonl`);

/** @throws DocknetError NOT_FOUND when there is nothing of it */
export async function revivedClient(lab: string): Promise<EngineClient> {
  if (!isAlive(lab)) return clientOf(lab);
  const { ensureDaemon } = await import("../daemon/launch.ts");
  return new EngineClient(await ensureDaemon(lab));
}
