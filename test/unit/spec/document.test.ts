import { describe, expect, test } from "vitest";
import { loadText, loadTexts, problemsOf, problemsOfText, serviceOf } from "./lab.ts";

describe("YAML", () => {
  test("merge keys: own keys win, earlier sources win, lists of maps work", () => {
    const text = [
      "x-a: &a {image: a, hostname: ha}",
      "x-b: &b {image: b, domainname: db}",
      "services:",
      "  s:",
      "    <<: [*a, *b]",
      "    hostname: own",
    ].join("\n");
    const { image, hostname, domainname } = serviceOf(loadText(text), "s");
    expect({ image, hostname, domainname }).toEqual({ image: "a", hostname: "own", domainname: "db" });
  });

  test("an alias keeps the place where its anchor was written", () => {
    const text = "x-ports: &p\n  - 80:80\nservices:\n  a:\n    ports: *p\n";
    expect(serviceOf(loadText(text), "a").ports[0]?.at).toEqual({ file: "compose.yaml", line: 2, column: 5 });
  });

  test("22:22 is text, not sexagesimal", () => {
    expect(serviceOf(loadText("services: {a: {ports: [22:22]}}"), "a").ports).toEqual([
      {
        target: 22,
        proto: "tcp",
        published: { first: 22, last: 22 },
        at: { file: "compose.yaml", line: 1, column: 24 },
      },
    ]);
  });

  test("__proto__ and constructor are names like others", () => {
    const spec = loadText(
      "services: {__proto__: {labels: {__proto__: x}}, constructor: {}}\nnetworks: {__proto__: {}}",
    );
    expect(spec.services.map(({ key }) => key)).toEqual(["__proto__", "constructor"]);
    expect(Object.entries(serviceOf(spec, "__proto__").labels)).toEqual([["__proto__", "x"]]);
    expect(Object.getPrototypeOf({})).toBe(Object.prototype);
  });
});

describe("what is not a compose file", () => {
  test.for([
    ["empty text", "", "1:1: empty compose file"],
    ["a comment", "# x\n", "1:1: empty compose file"],
    ["a list", "[a]", "1:1: top-level object must be a mapping"],
    ["an unknown key in the second document", "services: {}\n---\na: 1", "3:1: additional properties 'a' not allowed"],
    ["a key twice", "services:\n  a: {}\n  a: {}", '3:3: mapping key "a" already defined at line 2'],
    ["a number as a key", "services:\n  a:\n    labels: {1: x}", "3:14: non-string key in services.a.labels: 1"],
    ["a tab as indentation", "services:\n\ta: {}", "2:1: yaml: Tabs are not allowed as indentation"],
    ["a NUL", "a: \0", "1:4: yaml: control characters are not allowed"],
    ["an unknown anchor", "services: *a", "1:11: yaml: unknown anchor 'a' referenced"],
    ["an anchor inside itself", "x-a: &a [*a]", "1:10: yaml: anchor 'a' value contains itself"],
    [
      "a scalar to merge",
      "services:\n  a:\n    <<: 1",
      "3:9: yaml: map merge requires map or sequence of maps as the value",
    ],
  ] as const)("%s", ([, text, expected]) => {
    expect(problemsOfText(text)).toEqual([`compose.yaml:${expected}`]);
  });

  test("bytes that are no UTF-8 and missing files are named", () => {
    expect(problemsOf(() => loadTexts({}, { files: ["no.yaml"] }))).toEqual([
      "open /lab/no.yaml: no such file or directory",
    ]);
    expect(problemsOf(() => loadTexts({}))).toEqual(["no configuration file provided: not found"]);
  });
});

describe("hostile text ends quickly", () => {
  const M = 1024 * 1024;
  const laughs = [..."bcdefghi"].map((c, i) => `x-${c}: &${c} [${Array(9).fill(`*${"abcdefghi"[i]}`).join(",")}]`);
  test.for([
    ["10 MB", `x-a: "${"x".repeat(10 * M)}"`, "more than 5 MiB"],
    ["a million open brackets", "[".repeat(M), "nested deeper"],
    ["a million dashes", "- ".repeat(M), "nested deeper"],
    ["150 levels of lists", `x-a:\n  ${"- ".repeat(150)}x`, "nested deeper"],
    ["a billion laughs", `x-a: &a [x,x,x,x,x,x,x,x,x]\n${laughs.join("\n")}`, "excessive aliasing"],
    ["half a million items", `x-a: [${"b,".repeat(M / 2)}]`, "more than 120000 lines and items"],
    [
      "every port a thousand times",
      `services:\n${Array.from({ length: 1000 }, (_, i) => `  s${i}: {ports: [1-65535]}\n`).join("")}`,
      "too many ports",
    ],
  ] as const)("%s", { timeout: 15_000 }, ([, text, expected]) => {
    const start = performance.now();
    expect(problemsOfText(text).join("\n")).toContain(expected);
    expect(performance.now() - start).toBeLessThan(5000);
  });
});
