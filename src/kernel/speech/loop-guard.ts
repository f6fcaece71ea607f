/**
 * Name servers that forward to each other would pass one question around for ever. A forwarded question keeps its id, so one that comes
 * back looks like the one that is waited for, but comes from another address; a client that asks again does so from its own.
 */

/** As often may one address ask the same while its first question waits: a client's repetitions. */
const REPETITIONS = 4;
/** As often may the same be asked at all in a while: servers that all ask each other have very many ways around. */
const QUESTIONS = 64;
const WHILE_MS = 10_000;
/** Questions that are remembered before old ones are looked for. */
const REMEMBERED = 1024;

interface Asked {
  /** Addresses of those that wait, one for each question. */
  readonly waiting: string[];
  count: number;
  readonly since: number;
}

export class LoopGuard {
  private readonly asked = new Map<string, Asked>();

  /** @param query the whole message with its id. @returns what ends it, or undefined for a question that runs in a circle */
  enter(query: Uint8Array, from: string): (() => void) | undefined {
    const now = performance.now();
    if (this.asked.size >= REMEMBERED) this.forget(now);
    const key = Buffer.from(query).toString("latin1");
    const known = this.asked.get(key);
    const asked = known && !isOver(known, now) ? known : { waiting: [], count: 0, since: now };
    const { waiting } = asked;
    if (asked.count >= QUESTIONS || waiting.length >= REPETITIONS || waiting.some((w) => w !== from)) return undefined;
    this.asked.set(key, asked);
    asked.count += 1;
    waiting.push(from);
    return () => void waiting.splice(waiting.indexOf(from), 1);
  }

  private forget(now: number): void {
    for (const [key, asked] of this.asked) if (isOver(asked, now)) this.asked.delete(key);
  }
}

const isOver = ({ waiting, since }: Asked, now: number): boolean => waiting.length === 0 && now - since > WHILE_MS;
