/** A recorded session of a real dockerd as tests: one a chapter, its steps in order; what differs is listed, and the rest goes on. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Replay, readRecording } from "./docker-replay.ts";
import type { Step } from "./docker-script.ts";

export const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const DOCKNET = [process.execPath, `${ROOT}dist/bin/docknet.js`] as const;
const CHAPTER_MS = 900_000;

export interface RecordedSession {
  /** In test/golden/docker: "session" for session.json. */
  readonly name: string;
  readonly chapters: Readonly<Record<string, readonly Step[]>>;
  readonly session: readonly Step[];
}

export const recordingOf = ({ name, session }: RecordedSession) =>
  readRecording(`${ROOT}test/golden/docker/${name}.json`, session);

export function docknet(lab: string, ...words: string[]): void {
  const { status, stderr } = spawnSync(DOCKNET[0], [DOCKNET[1], "-p", lab, ...words], { encoding: "utf8" });
  expect(status, `docknet -p ${lab} ${words.join(" ")}: ${stderr}`).toBe(0);
}

export function replayChapters({ chapters }: RecordedSession, server: string, replay: () => Replay): void {
  for (const [chapter, steps] of Object.entries(chapters)) {
    test(
      `${chapter}: ${steps.length} command lines as dockerd ${server} answered`,
      async () => {
        const differences: string[] = [];
        for (const { title } of steps) {
          const difference = await replay().next();
          if (difference) differences.push(`--- ${title}\n${difference}`);
        }
        expect(
          differences.length,
          `\n${differences.join("\n\n")}\n\n${differences.length} of ${steps.length} differ`,
        ).toBe(0);
      },
      CHAPTER_MS,
    );
  }
}

/** Typed to docknet's own command line, in a lab of its own. */
export function replayByDocknet(recorded: RecordedSession, lab: string): void {
  const recording = recordingOf(recorded);
  let replay: Replay;
  beforeAll(() => {
    replay = new Replay({ program: "docknet", argv: [...DOCKNET, "-p", lab], env: {} }, recorded.session, recording, {
      sameClient: true,
    });
  });
  afterAll(() => {
    replay.close();
    docknet(lab, "down");
  });
  replayChapters(recorded, recording.server, () => replay);
}
