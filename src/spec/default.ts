/** The lab that no file describes: Docker's defaults in the standard world, nothing in it. */
import type { LabName } from "../net/name.ts";
import { readEngine } from "./engine.ts";
import { ProblemList } from "./problem-list.ts";
import type { Spec } from "./spec.ts";
import { readWorld } from "./world.ts";

export function defaultSpec(name: LabName): Spec {
  const problems = new ProblemList();
  const nowhere = { file: "", line: 1, column: 1 };
  return {
    name,
    files: [],
    networks: [],
    services: [],
    engine: readEngine(undefined, undefined, problems),
    world: readWorld(undefined, undefined, nowhere, problems),
    checks: [],
    warnings: [],
  };
}
