/** A daemon's work on the kernel, as a process of its own that tests kill: takes over a lab and makes it what the compose file says. */
import { readFileSync } from "node:fs";
import { loadSpec, resolveState } from "../../src/index.ts";
import { Executor } from "../../src/kernel/executor.ts";
import { readLab } from "../../src/kernel/lab-reading.ts";
import { readMachine } from "../../src/kernel/machine.ts";
import { Manifest } from "../../src/kernel/manifest.ts";
import { reconcile } from "../../src/observe/repair.ts";
import { layoutOf } from "../../src/plan/layout-of.ts";
import { labText } from "./lab-text.ts";

const [directory = "", file = ""] = process.argv.slice(2);
const manifest = new Manifest(directory);
manifest.addProcess("daemon", process.pid);
const executor = new Executor({ lab: manifest.lab, named: true, manifest });
const layout = layoutOf(resolveState(loadSpec(labText(readFileSync(file, "utf8")))).state, readMachine());
await executor.adopt(manifest.nodes());
await reconcile(
  {
    read: (wanted) => readLab(executor, wanted),
    repair: (ops) => executor.repair(ops),
    apply: (ops) => executor.apply(ops),
  },
  { ...layout, lab: manifest.lab },
);
await executor.detach();
