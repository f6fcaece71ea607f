/**
 * Which ports of a container are proven when a file names none of its own checks: all of them, but of a long run of consecutive ports
 * only some. One rule of Docker's makes each of them, and ten thousand of them would be hundreds of thousands of packets. Every report
 * says what was left out.
 */
import type { Origin, Problem } from "../../errors.ts";
import type { Port, Proto } from "../../net/port.ts";
import type { Container, PortBinding, ServedPort, State } from "../../state/state.ts";

/** Of a longer run only some ports are proven. */
export const LONGEST_WHOLE_RUN = 64;
/** The first, the last, and others at even distances between. */
export const SAMPLE_SIZE = 16;

export interface SampledRun {
  readonly container: Container;
  readonly what: "published" | "served";
  readonly first: Port;
  readonly last: Port;
  readonly proto: Proto;
  readonly length: number;
  readonly at?: Origin;
}

export interface PortSample {
  readonly bindings: readonly PortBinding[];
  readonly serves: readonly ServedPort[];
  /** What was left out of. */
  readonly runs: readonly SampledRun[];
}

const samples = new WeakMap<Container, PortSample>();

export function samplePorts(container: Container): PortSample {
  const known = samples.get(container);
  if (known) return known;
  const sample = draw(container);
  samples.set(container, sample);
  return sample;
}

/** One sentence for each run that verify proves by a sample, for the report. */
export function sampleWarnings(state: State): Problem[] {
  const running = state.containers.filter((c) => c.status === "running");
  return describeRuns(
    running.flatMap((c) => samplePorts(c).runs),
    { done: "proven", remedy: "Name the ports that must be proven in x-docknet checks" },
  );
}

/** @param words what is done to the ports of the sample, and how the others are asked for */
export function describeRuns(
  runs: readonly SampledRun[],
  words: { readonly done: string; readonly remedy: string },
): Problem[] {
  return runs.map(({ container, what, first, last, proto, length, at }) => ({
    message: `of the ${length} ${what} ports ${first}-${last}/${proto} of ${container.node}, ${SAMPLE_SIZE} are ${words.done}: the first, the last and ${SAMPLE_SIZE - 2} at even distances between, as of every run of more than ${LONGEST_WHOLE_RUN} ports`,
    remedy: words.remedy,
    ...(at ? { at } : {}),
  }));
}

function draw(container: Container): PortSample {
  const published = runsOf(container.bindings, {
    list: ({ hostIp, proto, endpoint, hostPort, target }) =>
      `${endpoint} ${hostIp} ${proto} ${hostPort === undefined ? "" : target - hostPort}`,
    port: ({ hostPort, target }) => hostPort ?? target,
  });
  const served = runsOf(container.serves, { list: ({ proto }) => proto, port: ({ port }) => port });
  const left = [
    ...published.flatMap((run) => sampled(container, "published", run)),
    ...served.flatMap((run) => sampled(container, "served", run)),
  ];
  // a port that is bound in both families is one published port
  const once = new Map(left.map((run) => [`${run.what} ${run.first} ${run.last} ${run.proto}`, run]));
  return {
    bindings: inOrder(container.bindings, published),
    serves: inOrder(container.serves, served),
    runs: [...once.values()],
  };
}

/** Things with consecutive ports. */
interface Run<T> {
  readonly first: Port;
  readonly items: T[];
}

const isLong = ({ items }: Run<unknown>): boolean => items.length > LONGEST_WHOLE_RUN;

/** Nothing of a run that is proven whole. */
function sampled(
  container: Container,
  what: SampledRun["what"],
  run: Run<{ readonly proto: Proto; readonly at?: Origin }>,
): SampledRun[] {
  const { first, items } = run;
  const [one] = items;
  if (!one || !isLong(run)) return [];
  const { proto, at } = one;
  const last = (first + items.length - 1) as Port;
  return [{ container, what, first, last, proto, length: items.length, ...(at ? { at } : {}) }];
}

/** @param of which list an item is, and where it stands there */
function runsOf<T>(
  items: readonly T[],
  of: { readonly list: (item: T) => string; readonly port: (item: T) => Port },
): Run<T>[] {
  const lists = new Map<string, T[]>();
  for (const item of items) {
    const key = of.list(item);
    const list = lists.get(key);
    if (list) list.push(item);
    else lists.set(key, [item]);
  }
  return [...lists.values()].flatMap((list) => {
    const runs: Run<T>[] = [];
    for (const item of list.sort((a, b) => of.port(a) - of.port(b))) {
      const run = runs.at(-1);
      if (run && of.port(item) === run.first + run.items.length) run.items.push(item);
      else runs.push({ first: of.port(item), items: [item] });
    }
    return runs;
  });
}

/** Those of `items` that are proven, in their order. */
function inOrder<T>(items: readonly T[], runs: readonly Run<T>[]): readonly T[] {
  if (!runs.some(isLong)) return items;
  const chosen = new Set<T>(runs.flatMap((run) => (isLong(run) ? evenly(run.items) : run.items)));
  return items.filter((item) => chosen.has(item));
}

function evenly<T>(items: readonly T[]): T[] {
  const step = (items.length - 1) / (SAMPLE_SIZE - 1);
  return Array.from({ length: SAMPLE_SIZE }, (_, i) => Math.round(i * step)).flatMap((i) => items.slice(i, i + 1));
}
