/** What the real `docker compose config` answered (scripts/record-compose.mjs) is what our loader answers. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { renderPortRange } from "../../../src/net/port.ts";
import type { LoadOptions } from "../../../src/spec/load.ts";
import type { NetworkMode, PortSpec, Spec } from "../../../src/spec/spec.ts";
import { loadTexts, problemsOf, serviceOf } from "./lab.ts";

const ENVIRONMENT = { SET: "value", EMPTY: "", DOLLAR: "a$b", BRACE: "x}y" };

type Answer<T> = { readonly value: T } | { readonly refusal: string };
/** By version, or `all` where they agree. */
type Answers<T> = Readonly<Record<string, Answer<T>>>;

function golden<T>(name: string): T[] {
  return JSON.parse(readFileSync(new URL(`../../golden/compose/${name}.json`, import.meta.url), "utf8"));
}

/** The newest version's: versions are in order. */
function latest<T>(answers: Answers<T>): Answer<T> {
  const answer = Object.values(answers).at(-1);
  if (!answer) throw new Error("no answer recorded");
  return answer;
}

const title = (text: string): string => JSON.stringify(text);

describe("variables in values", () => {
  const cases = golden<{ text: string; answers: Answers<string> }>("interpolation");
  test.for(cases.map((one) => [title(one.text), one] as const))("%s", ([, { text, answers }]) => {
    const load = () =>
      loadTexts(
        { "compose.yaml": JSON.stringify({ services: { a: { image: "x", labels: { l: text } } } }) },
        { env: ENVIRONMENT },
      );
    const answer = latest(answers);
    if ("value" in answer) expect(serviceOf(load(), "a").labels).toEqual({ l: answer.value });
    else expect(problemsOf(load)).toEqual([expect.stringContaining(wordsOf(answer.refusal))]);
  });

  /** The reason without the text, which ours quotes. */
  const wordsOf = (refusal: string): string =>
    /is missing a value.*/.exec(refusal)?.[0] ?? "invalid interpolation format for services.a.labels.l";
});

describe("variables in .env files", () => {
  const cases = golden<{ text: string; names: string[]; answers: Answers<Record<string, string>> }>("dotenv");
  test.for(cases.map((one) => [title(one.text), one] as const))("%s", ([, { text, names, answers }]) => {
    const labels = Object.fromEntries(names.map((name) => [name, `\${${name}-NONE}`]));
    const files = { "compose.yaml": JSON.stringify({ services: { a: { image: "x", labels } } }), ".env": text };
    const load = () => loadTexts(files, { env: ENVIRONMENT });
    const answer = latest(answers);
    if ("value" in answer) expect(serviceOf(load(), "a").labels).toEqual(answer.value);
    else expect(problemsOf(load)).toEqual([expect.stringMatching(/^\.env:\d+:\d+: /)]);
  });
});

interface Summary {
  readonly name: string;
  readonly services: Readonly<Record<string, ServiceSummary>>;
  readonly networks: Readonly<Record<string, string>>;
}

interface ServiceSummary {
  readonly mode?: string;
  readonly networks?: readonly string[];
  readonly ports?: readonly string[];
  readonly dependsOn?: readonly string[];
}

interface FilesCase {
  readonly name: string;
  readonly args: readonly string[];
  /** Why docknet takes a file that Compose refuses, and warns. */
  readonly tolerant?: string;
  /** Why it takes it without a warning. */
  readonly quietly?: string;
  /** Why docknet refuses a file that `docker compose config` takes: the engine refuses it at `up`. */
  readonly strict?: string;
  /** Why docknet makes something else of it. */
  readonly differs?: string;
  readonly files: Readonly<Record<string, string>>;
  readonly answers: Answers<Summary>;
}

/** Names of a list in any order: Go's maps have none. */
function sorted({ name, services, networks }: Summary): Summary {
  const own = Object.entries(services).map(([key, { networks: joined, ports, mode, ...rest }]) => [
    key,
    {
      ...rest,
      ...(mode ? { mode: mode === "default" ? "bridge" : mode } : {}),
      ...(joined ? { networks: joined.toSorted() } : {}),
      ...(ports ? { ports: ports.map(plainPort).toSorted() } : {}),
    },
  ]);
  return { name, services: Object.fromEntries(own), networks };
}

/** Host port 0 asks for any, as an absent one does. */
const plainPort = (port: string): string => port.toLowerCase().replace(/(^|:)0(?=:\d+\/)/, "$1");

function summarize(spec: Spec): Summary {
  const services = spec.services.map((service) => [
    service.key,
    {
      ...(service.attachments.length > 0 ? { networks: service.attachments.map(({ network }) => network) } : {}),
      ...(service.mode.kind === "networks" ? {} : { mode: modeText(service.mode) }),
      ...(service.ports.length > 0 ? { ports: service.ports.map(portText) } : {}),
      ...(service.dependsOn.length > 0 ? { dependsOn: service.dependsOn.toSorted() } : {}),
    },
  ]);
  const used = new Set(spec.services.flatMap(({ attachments }) => attachments.map(({ network }) => network)));
  const networks = spec.networks.filter(({ key }) => used.has(key)).map(({ key, name }) => [key, name]);
  return sorted({
    name: spec.name,
    services: Object.fromEntries(services),
    networks: Object.fromEntries(networks),
  });
}

function modeText(mode: NetworkMode): string {
  if (mode.kind === "service") return `service:${mode.service}`;
  return mode.kind === "container" ? `container:${mode.container}` : mode.kind;
}

function portText({ hostIp, published, target, proto }: PortSpec): string {
  const range = published ? renderPortRange(published) : "";
  return `${hostIp ? `${hostIp}:` : ""}${range}:${target}/${proto}`;
}

/** The options of a command line as `docker compose` has them. */
function optionsOf(args: readonly string[]): Partial<LoadOptions> {
  const valuesOf = (flag: string): string[] => args.filter((_, i) => args[i - 1] === flag);
  return {
    ...(args.includes("-f") ? { files: valuesOf("-f") } : {}),
    ...(args.includes("--env-file") ? { envFiles: valuesOf("--env-file") } : {}),
    ...(args.includes("--profile") ? { profiles: valuesOf("--profile") } : {}),
  };
}

describe.for([
  "files",
  "networks",
  "ports",
  "service-keys",
  "service-networks",
  "service-other",
  "service-runtime",
  "several-files",
])("%s", (name) => {
  const cases = golden<FilesCase>(name);
  test.for(cases.map((one) => [one.name, one] as const))(
    "%s",
    ([, { args, tolerant, quietly, strict, differs, files, answers }]) => {
      const load = () => loadTexts(files, { cwd: "/lab", env: ENVIRONMENT, ...optionsOf(args) });
      // a key that one version takes is a key of Compose: the newest that takes it says what it means
      const taken = Object.values(answers).findLast((answer) => "value" in answer);
      const problems = problemsOf(load);
      if (strict !== undefined || (!taken && tolerant === undefined && quietly === undefined)) {
        expect(problems, JSON.stringify(answers)).not.toEqual([]);
        return;
      }
      expect(problems).toEqual([]);
      if (differs !== undefined) return;
      if (taken) expect(summarize(load())).toEqual(sorted(taken.value));
      else if (tolerant !== undefined) expect(load().warnings).not.toEqual([]);
    },
  );
});
