/** The recorded session test/golden/docker/networks.json of a real dockerd, typed to docknet: see docker-script.test.ts. */
import { describe } from "vitest";
import * as recorded from "../golden/docker/networks.ts";
import { replayByDocknet } from "../support/replay-chapters.ts";

describe("docknet's own command line", () =>
  replayByDocknet({ name: "networks", ...recorded }, `t${process.pid}networks`));
