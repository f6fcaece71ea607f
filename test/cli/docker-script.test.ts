/**
 * The recorded session of a real dockerd (test/golden/docker/session.json), typed to docknet and to the real docker client on docknet's
 * socket: the same stdout, messages and exit codes but for ids, times and the program's name. By hand, with diffs as they come:
 * scripts/replay-docker.mjs. Needs dist/bin and a network namespace; the docker client comes with scripts/setup.sh --dev.
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { socketPath } from "../../src/daemon/place.ts";
import { chapters, session } from "../golden/docker/session.ts";
import { Replay, readRecording } from "../support/docker-replay.ts";
import { findDockerClient } from "../support/docker-script.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const DOCKNET = [process.execPath, `${ROOT}dist/bin/docknet.js`] as const;
const CHAPTER_MS = 900_000;

const recording = readRecording(`${ROOT}test/golden/docker/session.json`, session);

/** One test a chapter: its steps in order; what differs is listed, and the rest goes on. */
function replayChapters(replay: () => Replay): void {
  for (const [chapter, steps] of Object.entries(chapters)) {
    test(
      `${chapter}: ${steps.length} command lines as dockerd ${recording.server} answered`,
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

function docknet(lab: string, ...words: string[]): void {
  const { status, stderr } = spawnSync(DOCKNET[0], [DOCKNET[1], "-p", lab, ...words], { encoding: "utf8" });
  expect(status, `docknet -p ${lab} ${words.join(" ")}: ${stderr}`).toBe(0);
}

describe("docknet's own command line", () => {
  const lab = `t${process.pid}script`;
  let replay: Replay;
  beforeAll(() => {
    replay = new Replay({ program: "docknet", argv: [...DOCKNET, "-p", lab], env: {} }, session, recording, {
      sameClient: true,
    });
  });
  afterAll(() => {
    replay.close();
    docknet(lab, "down");
  });
  replayChapters(() => replay);
});

describe("the real docker client on docknet's socket", () => {
  const lab = `t${process.pid}client`;
  let replay: Replay | undefined;
  beforeAll(() => {
    const found = findDockerClient(ROOT);
    if (!found) throw new Error("no docker command on PATH or in node_modules/.cache: run scripts/setup.sh --dev");
    docknet(lab, "network", "ls");
    const env = { DOCKER_HOST: `unix://${socketPath(lab)}` };
    const sameClient = found.version === recording.client;
    replay = new Replay({ program: "docker", argv: [found.path], env }, session, recording, { sameClient });
  });
  afterAll(() => {
    replay?.close();
    docknet(lab, "down");
  });
  replayChapters(() => {
    if (!replay) throw new Error("no docker command");
    return replay;
  });
});
