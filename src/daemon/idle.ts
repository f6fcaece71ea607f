/** Ends a lab by itself, where that is asked for: nothing has run in it and no request has come for some time. */
import type { FastifyInstance } from "fastify";
import type { Engine } from "./engine.ts";

/** Seconds without a request and without a running container after which the lab goes; absent or not a number: never. */
export const idleSeconds = (): number => Number(process.env.DOCKNET_IDLE_S ?? "") || Number.POSITIVE_INFINITY;

/** @param end called once, when the lab has been idle for so long */
export function watchIdle(server: FastifyInstance, engine: Engine, seconds: number, end: () => void): void {
  if (!Number.isFinite(seconds)) return;
  let open = 0;
  let timer: NodeJS.Timeout | undefined;
  const look = (): void => {
    clearTimeout(timer);
    if (open > 0) return;
    timer = setTimeout(() => {
      if (engine.state.containers.some((c) => c.status === "running")) look();
      else end();
    }, seconds * 1000);
    timer.unref();
  };
  server.addHook("onRequest", async (_request, reply) => {
    open += 1;
    clearTimeout(timer);
    reply.raw.once("close", () => {
      open -= 1;
      look();
    });
  });
  look();
}
