/** The recorded session test/golden/docker/endpoints.json of a real dockerd, typed to docknet: see docker-script.test.ts. */
import { describe } from "vitest";
import * as recorded from "../golden/docker/endpoints.ts";
import { replayByDocknet } from "../support/replay-chapters.ts";

describe("docknet's own command line", () =>
  replayByDocknet({ name: "endpoints", ...recorded }, `t${process.pid}endpoints`));
