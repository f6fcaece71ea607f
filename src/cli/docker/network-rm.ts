/** docknet network rm. Source: docker/cli cli/command/network/remove.go. */
import { print } from "../terminal.ts";
import { EngineError } from "./client.ts";
import type { CommandSpec } from "./command.ts";
import { networkPath } from "./network-path.ts";
import { StatusError } from "./status.ts";

export const rm: CommandSpec = {
  usage: "NETWORK [NETWORK...]",
  min: 1,
  flags: [{ name: "force", short: "f", kind: "bool", usage: "Do not error if the network does not exist" }],
  completes: ["networks"],
  run: async ({ flags, args, session }) => {
    const client = await session.client();
    let failed = false;
    for (const name of args) {
      try {
        await client.delete(networkPath(name));
        print(name);
      } catch (error) {
        if (!(error instanceof StatusError)) throw error;
        if (flags.bool("force") && error instanceof EngineError && error.status === 404) continue;
        process.stderr.write(`${error.message}\n`);
        failed = true;
      }
    }
    // docker really says so
    if (failed) throw new StatusError("exit status 1");
    return 0;
  },
};
