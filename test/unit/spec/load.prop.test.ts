import { readdirSync, readFileSync } from "node:fs";
import fc from "fast-check";
import { expect, test } from "vitest";
import { DocknetError } from "../../../src/errors.ts";
import { loadText } from "./lab.ts";

const folder = new URL("../../fixtures/spec/", import.meta.url);
const seeds = readdirSync(folder)
  .filter((name) => name.endsWith(".yaml"))
  .map((name) => readFileSync(new URL(name, folder), "utf8"));

/** Whatever the text, only our own errors come out. */
function survives(text: string): void {
  try {
    loadText(text, { projectName: "p" });
  } catch (error) {
    expect(error).toBeInstanceOf(DocknetError);
    expect((error as DocknetError).code).toBe("LAB_FILE");
  }
}

test("random text never breaks the loader", () => {
  fc.assert(fc.property(fc.string({ unit: "binary", maxLength: 200 }), survives), {
    numRuns: 300,
    interruptAfterTimeLimit: 5000,
  });
});

test("random YAML-like text never breaks the loader", () => {
  const word = fc.constantFrom(
    "services",
    "networks",
    "ports",
    "x-docknet",
    "a",
    "&a",
    "*a",
    "<<",
    ":",
    "- ",
    "\n",
    "\n  ",
    "\n    ",
    "{",
    "}",
    "[",
    "]",
    ",",
    "${A",
    "!reset",
    "!override",
    "null",
    "80",
    '"',
    "'",
    "|",
    ">",
    "?",
    "#",
    "\t",
    "extends",
    "include",
  );
  fc.assert(
    fc.property(fc.array(word, { maxLength: 40 }), (words) => survives(words.join(""))),
    { numRuns: 500, interruptAfterTimeLimit: 5000 },
  );
});

test("random values anywhere in a compose file never break the loader", () => {
  const keys = ["services", "networks", "include", "x-docknet", "name"];
  const inner = fc.constantFrom(
    "a",
    "ports",
    "networks",
    "ipam",
    "config",
    "subnet",
    "extends",
    "depends_on",
    "links",
    "deploy",
    "engine",
    "world",
    "checks",
    "__proto__",
    "dns",
    "extra_hosts",
    "command",
  );
  const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
    tree: fc.oneof(
      { maxDepth: 5 },
      fc.constantFrom(null, true, 1.5, -1, "a", "10.0.0.0/8", "a:b", ""),
      fc.array(tie("tree"), { maxLength: 3 }),
      fc.dictionary(inner, tie("tree"), { maxKeys: 4 }),
    ),
  }));
  fc.assert(
    fc.property(fc.dictionary(fc.constantFrom(...keys), tree, { maxKeys: 4 }), (file) =>
      survives(JSON.stringify(file)),
    ),
    { numRuns: 500, interruptAfterTimeLimit: 5000 },
  );
});

test("mutations of real files never break the loader", () => {
  const mutation = fc.record({
    seed: fc.nat(),
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    cut: fc.nat(20),
    put: fc.string({ maxLength: 5 }),
  });
  fc.assert(
    fc.property(mutation, ({ seed, at, cut, put }) => {
      const text = seeds[seed % seeds.length] ?? "";
      const index = Math.floor(at * text.length);
      survives(text.slice(0, index) + put + text.slice(index + cut));
    }),
    { numRuns: 300, interruptAfterTimeLimit: 10_000 },
  );
}, 30_000);
