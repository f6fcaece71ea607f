/**
 * How much is done, counted and not timed: how often each function and block of src ran, as V8 counts for coverage. Counting begins when
 * this file is loaded: V8 counts in every function that is compiled from then on, that is, called for the first time.
 */
import { Session } from "node:inspector";

interface Coverage {
  readonly result: readonly {
    readonly url: string;
    readonly functions: readonly { readonly ranges: readonly { readonly count: number }[] }[];
  }[];
}

const session = new Session();
session.connect();
ask("Profiler.enable");
ask("Profiler.startPreciseCoverage", { callCount: true, detailed: true });

/** Loops inside of V8 itself (a copy of an array, a sort) do not count, what they call does. */
export function countWork(work: () => unknown): number {
  // begins to count anew
  ask("Profiler.takePreciseCoverage");
  work();
  const { result } = ask("Profiler.takePreciseCoverage") as Coverage;
  return result
    .filter(({ url }) => /\/(src|test)\//.test(url) && !url.includes("/node_modules/"))
    .flatMap(({ functions }) => functions.flatMap(({ ranges }) => ranges.map(({ count }) => count)))
    .reduce((a, b) => a + b, 0);
}

function ask(method: string, options: object = {}): unknown {
  let answer: unknown;
  session.post(method, options, (error, result) => {
    if (error) throw error;
    answer = result;
  });
  return answer;
}
