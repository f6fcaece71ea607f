/**
 * Property tests of labs: the same ones at every `npm test`, so that a red run can be run again; other ones on demand, by
 * DOCKNET_PROP_SEED (a number, or "random") and DOCKNET_PROP_RUNS.
 */
const DEFAULT_SEED = 20261122;

export function propertyRuns(fallback: number): { numRuns: number; seed: number; endOnFailure: true } {
  const { DOCKNET_PROP_SEED: seed, DOCKNET_PROP_RUNS: runs } = process.env;
  const chosen = seed === "random" ? Date.now() % 2 ** 31 : Number(seed ?? DEFAULT_SEED);
  return { numRuns: Number(runs ?? fallback), seed: chosen, endOnFailure: true };
}
