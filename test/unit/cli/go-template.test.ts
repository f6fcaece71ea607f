/** Go templates: what docker 28.2.2 printed for the same JSON (scripts/record-templates.mjs), and that nothing else can happen. */
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { expect, test } from "vitest";
import { parseTemplate, TemplateError } from "../../../src/cli/docker/go/template.ts";
import { openStruct, typedValue, untypedValue } from "../../../src/cli/docker/go/types.ts";
import { fillTemplate } from "../../../src/cli/docker/inspect-template.ts";
import { StatusError } from "../../../src/cli/docker/status.ts";
import { templateOrFail } from "../../../src/cli/docker/template-once.ts";

const golden = JSON.parse(readFileSync(new URL("../../golden/cli/templates.json", import.meta.url), "utf8")) as {
  readonly objects: Readonly<Record<"container" | "network", string>>;
  readonly cases: readonly {
    readonly object: "container" | "network";
    readonly template: string;
    readonly code: number;
    readonly stdout: string;
    readonly stderr: string;
  }[];
};
const TYPES = { container: "container.InspectResponse", network: "network.Inspect" };

/** What docknet says otherwise, and why. */
const KNOWN = new Map([["{{(1).Foo}}", "in the second try a constant's own type is not told apart from that of JSON"]]);

function inspect(object: "container" | "network", template: string): { code: number; stdout: string; stderr: string } {
  try {
    const parsed = templateOrFail(template);
    if (!parsed) throw new Error("empty template");
    try {
      return {
        code: 0,
        stdout: `${fillTemplate(parsed, { json: golden.objects[object], type: TYPES[object] })}\n`,
        stderr: "",
      };
    } catch (error) {
      if (!(error instanceof StatusError)) throw error;
      return { code: error.code, stdout: "\n", stderr: `${error.message}\n` };
    }
  } catch (error) {
    if (!(error instanceof StatusError)) throw error;
    return { code: error.code, stdout: "", stderr: `${error.message}\n` };
  }
}

test.each(golden.cases.filter((c) => !KNOWN.has(c.template)))(
  "$object $template prints what docker prints",
  (recorded) => {
    const { object, template, code, stdout, stderr } = recorded;
    expect(inspect(object, template)).toEqual({ code, stdout, stderr });
  },
);

test("what is known to differ still differs", () => {
  for (const { object, template, code, stdout, stderr } of golden.cases.filter((c) => KNOWN.has(c.template)))
    expect(inspect(object, template)).not.toEqual({ code, stdout, stderr });
});

const fragment = fc.oneof(
  fc.constantFrom(
    "{{",
    "}}",
    "{{-",
    "-}}",
    "{{.",
    ".A",
    ".B.C",
    "$x",
    ":=",
    "|",
    "(",
    ")",
    "range",
    "if",
    "else",
    "end",
  ),
  fc.constantFrom(
    "with",
    "define",
    "template",
    "block",
    "break",
    "json",
    "index",
    "printf",
    "len",
    "and",
    '"a"',
    "'b'",
    "`c`",
    "1",
    "-2",
  ),
  fc.constantFrom("1.5", " ", "\n", ",", "/*", "*/", "nil", "true", "eq", "%", "slice", "pad", "\\", "é"),
  fc.string({ maxLength: 4 }),
);
const data = openStruct("data", { A: [1, "x", null], B: { C: { "80/tcp": [{ d: 1 }] } } });

test("no text makes a template fail otherwise than with a TemplateError", () => {
  fc.assert(
    fc.property(fc.array(fragment, { maxLength: 14 }), (parts) => {
      for (const value of [data, untypedValue({ A: [1], B: { C: "x" } })]) {
        try {
          expect(typeof parseTemplate(parts.join("")).execute(value)).toBe("string");
        } catch (error) {
          if (!(error instanceof TemplateError)) throw error;
          expect(error.message).toMatch(/^template: /);
        }
      }
    }),
    { numRuns: 2000 },
  );
});

test("text without braces is printed as it is", () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[^{]*$/), (text) => {
      expect(parseTemplate(text).execute(data)).toBe(text);
    }),
  );
});

test.each(["(", "{{if 1}}", '{{with "x"}}', "{{range 1}}"])("nesting without end is refused: %s", (part) => {
  const source = part === "(" ? `{{${part.repeat(5000)}1` : part.repeat(5000);
  expect(() => parseTemplate(source)).toThrow(TemplateError);
});

test("a template that would not end is stopped", () => {
  expect(() => parseTemplate("{{range 100000000}}{{end}}{{range 100000000}}x{{end}}").execute(data)).toThrow(
    TemplateError,
  );
  expect(() => parseTemplate('{{define "x"}}{{template "x"}}{{end}}{{template "x"}}').execute(data)).toThrow(
    TemplateError,
  );
  expect(() => parseTemplate("x".repeat(70_000))).toThrow(TemplateError);
});

test("an absent member of a known struct is its type's zero", () => {
  const container = typedValue("container.InspectResponse", { State: {} });
  expect(parseTemplate("{{.State.Pid}}|{{.Name}}|{{.State.Health}}|{{.Args}}|{{.Config}}").execute(container)).toBe(
    "0||<nil>|[]|<nil>",
  );
});
