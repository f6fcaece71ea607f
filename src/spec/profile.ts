/**
 * Which services are active, and whether those have what they depend on.
 * Sources: Compose specification 15-profiles.md; compose-go types/project.go WithProfiles, loader/validate.go, graph/cycle.go.
 */

import type { DeclaredService, Dependency } from "./declared-service.ts";
import type { ProblemList } from "./problem-list.ts";
import type { ServiceSpec } from "./spec.ts";

/** Services without profiles, and those with an active one; "*" activates all. */
export function selectActive(services: readonly DeclaredService[], profiles: readonly string[]): DeclaredService[] {
  const active = new Set(profiles);
  return services.filter(
    (service) =>
      active.has("*") || service.profiles.length === 0 || service.profiles.some((profile) => active.has(profile)),
  );
}

/** The specs, with dependencies that exist; each undefined one and each cycle is a problem. */
export function checkDependencies(
  active: readonly DeclaredService[],
  declared: readonly DeclaredService[],
  problems: ProblemList,
): ServiceSpec[] {
  const activeKeys = new Set(active.map(({ spec }) => spec.key));
  const declaredKeys = new Set(declared.map(({ spec }) => spec.key));
  const specs = active.map(({ spec, dependencies }): ServiceSpec => {
    const kept = dependencies.filter((dependency) => {
      const isThere = activeKeys.has(dependency.service);
      const isOptional = !dependency.required && declaredKeys.has(dependency.service);
      if (!isThere && !isOptional) reportUndefined(spec.key, dependency, declaredKeys, problems);
      return isThere;
    });
    return withSharedNamespace({ ...spec, dependsOn: kept.map(({ service }) => service) }, activeKeys);
  });
  checkCycles(specs, active, problems);
  return specs;
}

function reportUndefined(
  key: string,
  { service, at }: Dependency,
  declared: ReadonlySet<string>,
  problems: ProblemList,
): void {
  problems.error(
    at,
    `service "${key}" depends on undefined service "${service}": invalid compose project`,
    declared.has(service) ? `Activate a profile of service "${service}"` : undefined,
  );
}

/** Depth first without recursion: a chain may be as long as the file. */
function checkCycles(specs: readonly ServiceSpec[], active: readonly DeclaredService[], problems: ProblemList): void {
  const edges = new Map(specs.map((spec) => [spec.key, spec.dependsOn]));
  const state = new Map<string, "open" | "done">();
  for (const root of edges.keys()) {
    if (state.has(root)) continue;
    const stack: { key: string; next: number }[] = [{ key: root, next: 0 }];
    state.set(root, "open");
    for (let top = stack.at(-1); top; top = stack.at(-1)) {
      const target = edges.get(top.key)?.[top.next++];
      if (target === undefined) {
        state.set(top.key, "done");
        stack.pop();
      } else if (state.get(target) === "open") {
        const loop = [...stack.map(({ key }) => key).slice(stack.findIndex(({ key }) => key === target)), target];
        const from = active.find(({ spec }) => spec.key === top.key);
        const at = from?.dependencies.find(({ service }) => service === target)?.at ?? from?.spec.at;
        problems.error(at, `dependency cycle detected: ${loop.join(" -> ")}`);
      } else if (!state.has(target) && edges.has(target)) {
        state.set(target, "open");
        stack.push({ key: target, next: 0 });
      }
    }
  }
}

/** Who joins another's network namespace starts after it. */
function withSharedNamespace(spec: ServiceSpec, active: ReadonlySet<string>): ServiceSpec {
  const { dependsOn, mode } = spec;
  if (mode.kind !== "service" || dependsOn.includes(mode.service) || !active.has(mode.service)) return spec;
  return { ...spec, dependsOn: [...dependsOn, mode.service] };
}
