/** What the real `docker compose config` answered (scripts/record-compose.mjs) is what our loader answers. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
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
