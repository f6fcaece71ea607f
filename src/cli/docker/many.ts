/** One request for each of several names: done together, printed in the order typed. Source: docker/cli container/utils.go parallelOperation. */
import { print } from "../terminal.ts";
import { StatusError } from "./status.ts";

/** As many requests are under way at a time. */
const AT_ONCE = 50;

type Outcome = { readonly error: StatusError } | { readonly error: undefined };

export interface ManyOptions {
  /** Tells an error that is no failure, and is then only shown. */
  readonly forgives?: (error: StatusError) => boolean;
}

/**
 * Does the work for each name and prints the names that succeeded. Failures come together at the end.
 * @returns 0; throws StatusError when any failed
 */
export async function forEachName(
  names: readonly string[],
  work: (name: string) => Promise<unknown>,
  options: ManyOptions = {},
): Promise<number> {
  const errors: string[] = [];
  for (let from = 0; from < names.length; from += AT_ONCE) {
    const batch = names.slice(from, from + AT_ONCE);
    const results = new ByName(batch, work);
    for (const name of batch) {
      const { error } = await results.next(name);
      if (!error) print(name);
      else if (options.forgives?.(error)) process.stderr.write(`${error.message}\n`);
      else errors.push(error.message);
    }
  }
  if (errors.length > 0) throw new StatusError(errors.join("\n"));
  return 0;
}

/** The outcomes of each name; a name that was given twice has two, the first to come first. */
class ByName {
  private readonly done = new Map<string, Outcome[]>();
  private readonly underWay = new Map<string, Promise<void>[]>();

  constructor(names: readonly string[], work: (name: string) => Promise<unknown>) {
    for (const name of names) {
      const result = attempt(work, name).then((outcome) => {
        this.done.set(name, [...(this.done.get(name) ?? []), outcome]);
      });
      this.underWay.set(name, [...(this.underWay.get(name) ?? []), result]);
    }
  }

  async next(name: string): Promise<Outcome> {
    const ready = this.done.get(name)?.shift();
    if (ready) return ready;
    await Promise.race(this.underWay.get(name) ?? []);
    return this.done.get(name)?.shift() ?? this.last(name);
  }

  /** The race was won by one that was taken already: the other one is waited for. */
  private async last(name: string): Promise<Outcome> {
    await Promise.all(this.underWay.get(name) ?? []);
    return this.done.get(name)?.shift() ?? { error: undefined };
  }
}

async function attempt(work: (name: string) => Promise<unknown>, name: string): Promise<Outcome> {
  try {
    await work(name);
    return { error: undefined };
  } catch (error) {
    if (error instanceof StatusError) return { error };
    throw error;
  }
}
