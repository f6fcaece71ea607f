/** Loads labs from texts, without a file system. */
import { ProblemsError, renderProblem } from "../../../src/errors.ts";
import { type LoadOptions, loadSpec } from "../../../src/spec/load.ts";
import type { ServiceSpec, Spec } from "../../../src/spec/spec.ts";

type Texts = Readonly<Record<string, string>>;

/** Files by path under /lab; compose.yaml is found when no other is named. */
export function loadTexts(texts: Texts, options: Partial<LoadOptions> = {}): Spec {
  const readFile = (path: string): string => {
    if (path === "/dev/null") return "";
    const name = path.startsWith("/lab/") ? path.slice("/lab/".length) : path;
    const text = Object.hasOwn(texts, name) ? texts[name] : undefined;
    if (text !== undefined) return text;
    const isDirectory = Object.keys(texts).some((file) => file.startsWith(`${name}/`));
    throw Object.assign(new Error(path), { code: isDirectory ? "EISDIR" : "ENOENT" });
  };
  return loadSpec({ cwd: "/lab", env: {}, readFile, ...options });
}

export function loadText(text: string, options: Partial<LoadOptions> = {}): Spec {
  return loadTexts({ "compose.yaml": text }, options);
}

/** The problems as lines; empty when the lab loads. */
export function problemsOf(load: () => Spec): string[] {
  try {
    load();
    return [];
  } catch (error) {
    if (error instanceof ProblemsError) return error.problems.map(renderProblem);
    throw error;
  }
}

export function problemsOfText(text: string, options: Partial<LoadOptions> = {}): string[] {
  return problemsOf(() => loadText(text, options));
}

export function warningsOf(spec: Spec): string[] {
  return spec.warnings.map(renderProblem);
}

export function serviceOf(spec: Spec, key: string): ServiceSpec {
  const service = spec.services.find((candidate) => candidate.key === key);
  if (!service) throw new Error(`no service ${key}`);
  return service;
}
