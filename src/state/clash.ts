/** Warnings about containers whose program ends because another has a port that it wants. Pure. */
import { type Problem, renderOrigin } from "../errors.ts";
import { HOST } from "../net/name.ts";
import { renderProtoPort } from "../net/port.ts";
import { originOf } from "./refusal.ts";
import type { Container, FailedBind, State } from "./state.ts";

/** One warning a port, at the line of the service that could not have it. */
export function clashes(state: State): Problem[] {
  return state.containers.flatMap((container) =>
    (container.failedBinds ?? []).map((failed) => ({
      message: clashWords(state, container, failed),
      remedy: "Let one of them listen on another port, or give it a network of its own",
      ...originOf({ at: failed.at ?? container.at }),
    })),
  );
}

/** "admin cannot listen on 80/tcp of @host: it belongs to front (compose.yaml:3:3), and its program ends with 1" */
export function clashWords(state: State, container: Container, failed: FailedBind): string {
  const holder = state.containers.find((c) => c.id === failed.holder);
  const port = `${renderProtoPort(failed)} of ${stackWords(state, container)}`;
  const end = `its program ends with ${container.exitCode}`;
  if (!holder) return `${container.node} cannot listen on ${port}: another process has it, and ${end}`;
  const published = holder.bindings.find((b) => b.hostPort === failed.port && b.proto === failed.proto);
  const serves = holder.serves.find((s) => s.port === failed.port && s.proto === failed.proto);
  const at = (published ?? serves)?.at ?? holder.at;
  const has = published ? "is published for" : "belongs to";
  return `${container.node} cannot listen on ${port}: it ${has} ${holder.node}${at ? ` (${renderOrigin(at)})` : ""}, and ${end}`;
}

/** Whose network stack the container was to use. */
function stackWords(state: State, { sandbox, node }: Container): string {
  if (sandbox.kind === "host") return HOST;
  if (sandbox.kind !== "container") return node;
  const owner = state.containers.find((c) => c.id === sandbox.id);
  return owner ? stackWords(state, owner) : node;
}
