/** What containers are made from, found by its key: each of thousands of services asks for others. Pure: made once for each Spec. */
import type { NetworkSpec, ServiceSpec, Spec } from "../spec/spec.ts";

export interface SpecIndex {
  readonly services: ReadonlyMap<string, ServiceSpec>;
  readonly networks: ReadonlyMap<string, NetworkSpec>;
  /** The services that have this as their key or as their container_name. */
  servicesCalled(name: string): readonly ServiceSpec[];
}

const indexes = new WeakMap<Spec, SpecIndex>();

export function indexSpec(spec: Spec): SpecIndex {
  const known = indexes.get(spec);
  if (known) return known;
  const called = new Map<string, ServiceSpec[]>();
  for (const service of spec.services)
    for (const name of new Set<string>([service.key, service.containerName ?? service.key]))
      called.set(name, [...(called.get(name) ?? []), service]);
  const index: SpecIndex = {
    services: firstByKey(spec.services),
    networks: firstByKey(spec.networks),
    servicesCalled: (name) => called.get(name) ?? [],
  };
  indexes.set(spec, index);
  return index;
}

function firstByKey<T extends { readonly key: string }>(items: readonly T[]): ReadonlyMap<string, T> {
  return new Map(items.toReversed().map((item) => [item.key, item]));
}
