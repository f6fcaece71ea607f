/**
 * The recorded session of a real dockerd (test/golden/docker/session.json), typed to docknet and to the real docker client on docknet's
 * socket: the same stdout, messages and exit codes but for ids, times and the program's name. By hand, with diffs as they come:
 * scripts/replay-docker.mjs. Needs dist/bin and a network namespace; the docker client comes with scripts/setup.sh --dev.
 */
import { afterAll, beforeAll, describe } from "vitest";
import { socketPath } from "../../src/daemon/place.ts";
import { chapters, session } from "../golden/docker/session.ts";
import { Replay } from "../support/docker-replay.ts";
import { findDockerClient } from "../support/docker-script.ts";
import {
  docknet,
  type RecordedSession,
  ROOT,
  recordingOf,
  replayByDocknet,
  replayChapters,
} from "../support/replay-chapters.ts";

const recorded: RecordedSession = { name: "session", chapters, session };

describe("docknet's own command line", () => replayByDocknet(recorded, `t${process.pid}script`));

describe("the real docker client on docknet's socket", () => {
  const lab = `t${process.pid}client`;
  const recording = recordingOf(recorded);
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
  replayChapters(recorded, recording.server, () => {
    if (!replay) throw new Error("no docker command");
    return replay;
  });
});
