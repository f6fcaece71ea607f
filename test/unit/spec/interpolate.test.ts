// biome-ignore-all lint/suspicious/noTemplateCurlyInString: compose variables look like template strings
import { describe, expect, test } from "vitest";
import { interpolateText } from "../../../src/spec/interpolate.ts";
import { loadText, loadTexts, problemsOf, problemsOfText, serviceOf, warningsOf } from "./lab.ts";

const values = new Map([
  ["SET", "value"],
  ["EMPTY", ""],
]);
const lookup = (name: string): string | undefined => values.get(name);

describe("operators", () => {
  test.for([
    ["$SET", "value"],
    ["${SET}", "value"],
    ["a${SET}b$SET.c", "avalueb" + "value.c"],
    ["$UNSET-x", "-x"],
    ["${UNSET-d}", "d"],
    ["${EMPTY-d}", ""],
    ["${EMPTY:-d}", "d"],
    ["${SET:-d}", "value"],
    ["${SET?e}", "value"],
    ["${EMPTY?e}", ""],
    ["${SET:?e}", "value"],
    ["${SET+r}", "r"],
    ["${EMPTY+r}", "r"],
    ["${EMPTY:+r}", ""],
    ["${UNSET+r}", ""],
    ["${SET:+${SET}-${UNSET:-x}}", "value-x"],
    ["${A:-${B:-x}}", "x"],
    ["${A:-${B:-x}}${C:-y}", "xy"],
    ["$$SET", "$SET"],
    ["$${SET}", "${SET}"],
    ["${UNSET:-a$$b}", "a$b"],
    ["${UNSET:-http://h:80/?q=1}", "http://h:80/?q=1"],
    ["no variables", "no variables"],
  ] as const)("%s is %j", ([text, expected]) => {
    expect(interpolateText(text, lookup)).toBe(expected);
  });

  test.for(["${", "${}", "${1}", "${SET", "${SET!x}", "${A:-${B}"])("%s is malformed", (text) => {
    expect(() => interpolateText(text, lookup)).toThrow("invalid template");
  });

  test("defaults nested without end are malformed, and long texts are read in one pass", () => {
    expect(() => interpolateText("${A:-".repeat(100_000) + "}".repeat(100_000), lookup)).toThrow("invalid template");
    expect(interpolateText("${A:-x}$.".repeat(100_000), lookup)).toBe("x$.".repeat(100_000));
  });

  test.for([
    ["${EMPTY:?give one}", "required variable EMPTY is missing a value: give one"],
    ["${UNSET?}", "required variable UNSET is missing a value"],
    ["${UNSET:?see ${SET}}", "required variable UNSET is missing a value: see value"],
  ] as const)("%s fails", ([text, message]) => {
    expect(() => interpolateText(text, lookup)).toThrow(message);
  });
});

describe("in a file", () => {
  test("an unset variable is a warning, once, at its first place", () => {
    const spec = loadText("services:\n  a:\n    image: x:$TAG\n  b:\n    image: y:$TAG\n");
    expect(warningsOf(spec)).toEqual([
      'compose.yaml:3:12: The "TAG" variable is not set. Defaulting to a blank string.',
    ]);
    expect(serviceOf(spec, "b").image).toBe("y:");
  });

  test("a malformed one is an error with its place and path", () => {
    expect(problemsOfText("services:\n  a:\n    image: ${\n")).toEqual([
      'compose.yaml:3:12: invalid interpolation format for services.a.image: "${"; you may need to escape any $ with another $',
    ]);
  });

  test("a required one says why it is required", () => {
    expect(problemsOfText("services:\n  a:\n    ports: ['${P:?set P}:80']\n")).toEqual([
      "compose.yaml:3:13: error while interpolating services.a.ports[0]: required variable P is missing a value: set P",
    ]);
  });

  test("keys are left alone", () => {
    expect(serviceOf(loadText("services: {a: {labels: {$K: $$v}}}"), "a").labels).toEqual({ $K: "$v" });
  });

  test("numbers and booleans may come from variables, and places stay right", () => {
    const text =
      "services:\n  a:\n    scale: ${N}\n    ports:\n      - $P\nnetworks:\n  default:\n    internal: ${I}\n";
    const spec = loadText(text, { env: { N: "3", P: "8080-8082:80", I: "true" } });
    expect(serviceOf(spec, "a").replicas).toBe(3);
    expect(serviceOf(spec, "a").ports).toEqual([
      {
        target: 80,
        proto: "tcp",
        published: { first: 8080, last: 8082 },
        at: { file: "compose.yaml", line: 5, column: 9 },
      },
    ]);
    expect(spec.networks[0]?.internal).toBe(true);
  });

  test("the process environment wins over .env, and later env files over earlier ones", () => {
    const texts = { "compose.yaml": "services: {a: {image: $A-$B-$C}}", "1.env": "A=1\nB=1\nC=1", "2.env": "B=2\nC=2" };
    const spec = loadTexts(texts, { env: { C: "3" }, envFiles: ["1.env", "2.env"] });
    expect(serviceOf(spec, "a").image).toBe("1-2-3");
  });

  test("a named env file must be there", () => {
    expect(problemsOf(() => loadTexts({ "compose.yaml": "services: {}" }, { envFiles: ["no.env"] }))).toEqual([
      "open /lab/no.env: no such file or directory",
    ]);
  });

  test("COMPOSE_PROJECT_NAME is a variable of the file", () => {
    expect(serviceOf(loadText("name: demo\nservices: {a: {hostname: $COMPOSE_PROJECT_NAME}}"), "a").hostname).toBe(
      "demo",
    );
  });
});
