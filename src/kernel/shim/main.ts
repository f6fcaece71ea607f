/** The process of a lab's shim: `docknet-shim DIRECTORY`, started by src/kernel/shim/client.ts as PID 1 of a PID namespace. */
import { messageOf } from "../../errors.ts";
import { closeInheritedOnExec } from "../libc.ts";
import { RECORDED } from "./protocol.ts";
import { serveShim } from "./server.ts";

const [directory = ""] = process.argv.slice(2);
process.chdir("/");
process.umask(0o022);
closeInheritedOnExec();
// One mistake must not end every container of the lab: it is logged, and the others go on.
process.on("uncaughtException", (error) => process.stderr.write(`docknet-shim: ${error.stack ?? error.message}\n`));
// Who started it writes down whose it is, and says so; who dies before leaves nothing behind.
let said = "";
process.stdin.on("data", (chunk) => {
  said += chunk;
});
process.stdin.on("end", () => {
  if (said !== RECORDED) process.exit(1);
});
try {
  await serveShim(directory);
  process.stdout.write("ready\n");
} catch (error) {
  process.stderr.write(`docknet-shim: ${messageOf(error)}\n`);
  process.exit(1);
}
