/** The exit code of a container, asked for before it can exit. Source: docker/cli cli/command/container/utils.go waitExitOrRemoved. */
import { messageOf } from "../../errors.ts";
import type { EngineClient } from "./client.ts";

export type WaitCondition = "not-running" | "next-exit" | "removed";

interface WaitAnswer {
  readonly StatusCode: number;
  readonly Error?: { readonly Message: string } | null;
}

/** What stands for an exit code that nobody learned. */
const UNKNOWN = 125;

/** Resolves when the daemon has begun to wait; the promise within, when the container has ended. Throws nothing after that. */
export async function beginWait(
  client: EngineClient,
  id: string,
  condition: WaitCondition,
): Promise<{ readonly status: Promise<number> }> {
  const answer = await client.stream("POST", `/containers/${encodeURIComponent(id)}/wait`, { query: { condition } });
  return { status: readStatus(answer) };
}

async function readStatus(answer: AsyncIterable<Buffer>): Promise<number> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of answer) chunks.push(chunk);
    const { StatusCode, Error: failure } = JSON.parse(Buffer.concat(chunks).toString("utf8")) as WaitAnswer;
    if (!failure) return StatusCode;
    process.stderr.write(`Error waiting for container: ${failure.Message}\n`);
  } catch (error) {
    process.stderr.write(`error waiting for container: ${messageOf(error)}\n`);
  }
  return UNKNOWN;
}
