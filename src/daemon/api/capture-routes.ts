/** POST /docknet/capture: a stream of frames (src/lab/capture-process.ts). POST /docknet/capture/stop ends one by its id; so does going away, at once. */
import type { FastifyInstance } from "fastify";
import { DocknetError } from "../../errors.ts";
import { frame, STDERR } from "../../kernel/shim/wire.ts";
import { type CaptureRequest, Captures } from "../capture.ts";
import type { Engine } from "../engine.ts";
import type { JsonObject } from "../record.ts";
import { bodyOf, openStream, sendJson } from "./exchange.ts";
import { Fields } from "./fields.ts";
import { MULTIPLEXED_STREAM } from "./hijack.ts";

const MAX_NODES = 1000;

/** @param describe an error as the command line shows it */
export function captureRoutes(server: FastifyInstance, engine: Engine, describe: (error: unknown) => object): void {
  const captures = new Captures();
  // before the server ends its connections: a file has its end
  server.addHook("preClose", () => captures.finish());
  server.post("/docknet/capture", async (request, reply) => {
    const body = bodyOf(request, "Capture");
    const stream = openStream(reply, MULTIPLEXED_STREAM);
    try {
      const capture = captures.start(engine, captureRequest(body));
      reply.raw.once("close", () => capture.abandon());
      // pipe() waits for a reader that is slow
      capture.output.pipe(stream);
    } catch (error) {
      stream.end(frame(STDERR, Buffer.from(`${JSON.stringify({ error: describe(error) })}\n`)));
    }
  });
  server.post("/docknet/capture/stop", (request, reply) => {
    const fields = new Fields(bodyOf(request, "CaptureStop"), "");
    return sendJson(reply, { result: captures.stop(fields.text("id")) });
  });
}

function captureRequest(body: JsonObject): CaptureRequest {
  const fields = new Fields(body, "");
  const nodes = fields.texts("nodes") ?? [];
  if (nodes.length > MAX_NODES) throw new DocknetError("USAGE", `Cannot capture at ${nodes.length} places at once`);
  const filter = fields.text("filter");
  const positive = (key: "snapBytes" | "count" | "durationMs"): { [name in typeof key]?: number } => {
    const value = fields.integer(key);
    if (value !== undefined && value < 1) throw new DocknetError("USAGE", `Cannot capture: ${key} is ${value}`);
    return value === undefined ? {} : { [key]: value };
  };
  return {
    id: fields.text("id"),
    nodes,
    limits: {
      ...(filter ? { filter } : {}),
      ...positive("snapBytes"),
      ...positive("count"),
      ...positive("durationMs"),
    },
    format: fields.text("format") === "lines" ? "lines" : "pcapng",
  };
}
