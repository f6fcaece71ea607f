/**
 * POST /docknet/rules and /docknet/conntrack: what the lab's kernel has, as one result. POST /docknet/conntrack/watch: a stream of JSON
 * lines, {"watching":true}, then {"event":...} for each change and {"lost":...} where some are missing, until the client goes away.
 */
import type { FastifyInstance, FastifyReply } from "fastify";
import { type ConntrackOptions, conntrackOfSite, watchSite } from "../../lab/conntrack.ts";
import type { RulesOptions } from "../../lab/rules.ts";
import type { Engine } from "../engine.ts";
import { rules } from "../lab.ts";
import type { JsonObject } from "../record.ts";
import { bodyOf, endSignal, openStream } from "./exchange.ts";
import { Fields } from "./fields.ts";
import { JSON_TYPE } from "./json.ts";

/** Of a client that does not read so much waits; what comes then is counted as lost. */
const MAX_WAITING_BYTES = 8 << 20;

export interface Answering {
  /** A result, or the error, in the body. */
  answer(reply: FastifyReply, work: () => Promise<unknown>): Promise<FastifyReply>;
  /** An error as the command line shows it. */
  describe(error: unknown): object;
}

export function inspectionRoutes(server: FastifyInstance, engine: Engine, { answer, describe }: Answering): void {
  server.post("/docknet/rules", (request, reply) =>
    answer(reply, async () => rules(engine, rulesOptions(bodyOf(request, "Rules")))),
  );
  // read at once: it does not wait for a verification that is under way
  server.post("/docknet/conntrack", (request, reply) =>
    answer(reply, async () => conntrackOfSite(engine.site, conntrackOptions(bodyOf(request, "Conntrack")))),
  );
  server.post("/docknet/conntrack/watch", async (request, reply) => {
    const options = conntrackOptions(bodyOf(request, "ConntrackWatch"));
    const stream = openStream(reply, JSON_TYPE);
    let lost = 0;
    const write = (line: object): void => void stream.write(`${JSON.stringify(line)}\n`);
    const hasRoom = (): boolean => reply.raw.writableLength < MAX_WAITING_BYTES;
    try {
      const watch = watchSite(
        engine.site,
        options,
        (event) => {
          if (!hasRoom()) {
            lost++;
            return;
          }
          if (lost > 0) write({ lost: `${lost} changes` });
          lost = 0;
          write({ event });
        },
        (node) => write({ lost: `changes of ${node}` }),
      );
      endSignal(reply).addEventListener("abort", () => {
        watch.close();
        stream.end();
      });
      write({ watching: true });
    } catch (error) {
      write({ error: describe(error) });
      stream.end();
    }
  });
}

function rulesOptions(body: JsonObject): RulesOptions {
  const fields = new Fields(body, "");
  return {
    ...given(fields, ["node", "table", "chain", "owner"]),
    all: fields.flag("all"),
    planned: fields.flag("planned"),
    hit: fields.flag("hit"),
  };
}

function conntrackOptions(body: JsonObject): ConntrackOptions {
  const fields = new Fields(body, "");
  return { ...given(fields, ["node", "proto"]), all: fields.flag("all") };
}

/** Texts that are there. */
function given<K extends string>(fields: Fields, keys: readonly K[]): { [key in K]?: string } {
  const pairs = keys.flatMap((key) => (fields.text(key) === "" ? [] : [[key, fields.text(key)] as const]));
  return Object.fromEntries(pairs) as { [key in K]?: string };
}
