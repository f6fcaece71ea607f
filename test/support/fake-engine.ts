/** An engine without a kernel: its state is real, what would be done for it is not done. For the API, which sees no more of one. */
import { createHash } from "node:crypto";
import type { Engine } from "../../src/daemon/engine.ts";
import { EventLog } from "../../src/daemon/event.ts";
import { ExecTable } from "../../src/daemon/exec-table.ts";
import type { LogLine } from "../../src/daemon/log.ts";
import type { ContainerRecord } from "../../src/daemon/record.ts";
import { findContainer } from "../../src/state/find.ts";
import type { State } from "../../src/state/state.ts";
import { newDaemon } from "./state.ts";

export interface FakeEngine {
  readonly engine: Engine;
  /** What containers are said to have written. */
  readonly written: LogLine[];
}

export function fakeEngine(initial: State = newDaemon()): FakeEngine {
  let state = initial;
  let records: Readonly<Record<string, ContainerRecord>> = {};
  let count = 0;
  const written: LogLine[] = [];
  const nothing = async (): Promise<void> => {};
  const fake = {
    lab: state.lab,
    directory: "/run/docknet/lab",
    startedAt: "2026-11-22T07:00:00Z",
    events: new EventLog(),
    execs: new ExecTable(),
    site: { announce: () => {} },
    processes: { start: nothing, signal: nothing, resize: nothing, has: () => false, pidOf: () => 0 },
    files: { pathsOf: (_state: State, { id }: { id: string }) => filePaths(id) },
    logs: {
      pathOf: (id: string) => `/run/docknet/lab/containers/${id}/${id}-json.log`,
      read: async function* () {
        yield* written;
      },
    },
    get state() {
      return state;
    },
    get records() {
      return records;
    },
    container: (ref: string) => findContainer(state, ref),
    record: (id: string) => records[id],
    freshId: () => createHash("sha256").update(String(count++)).digest("hex"),
    exclusive: <T>(work: () => Promise<T>): Promise<T> => work(),
    commit: async (next: State, nextRecords = records) => {
      state = next;
      records = nextRecords;
    },
    commitWith: async (next: State, work: () => Promise<void>) => {
      await work();
      state = next;
    },
    removing: new Set<string>(),
    forget: () => {},
    exitOf: () => new Promise(() => {}),
    removalOf: () => new Promise(() => {}),
  };
  return { engine: fake as unknown as Engine, written };
}

function filePaths(id: string): { hosts: string; hostname: string; resolvConf: string } {
  const folder = `/run/docknet/lab/containers/${id}`;
  return { hosts: `${folder}/hosts`, hostname: `${folder}/hostname`, resolvConf: `${folder}/resolv.conf` };
}
