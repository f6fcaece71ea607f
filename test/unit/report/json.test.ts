import { readFileSync } from "node:fs";
import { Ajv2020 } from "ajv/dist/2020.js";
import ts from "typescript";
import { describe, expect, test } from "vitest";
import type { Report } from "../../../src/observe/report.ts";
import { renderJson } from "../../../src/report/json.ts";
import { expectGolden } from "../../support/golden.ts";
import { failingReport, hostileReport, largeReport, passingReport, reportOf } from "../../support/sample-report.ts";

interface Schema {
  readonly type?: string;
  readonly description?: string;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: boolean;
  readonly items?: Schema;
  readonly $defs?: Readonly<Record<string, Schema>>;
}

const fileText = (path: string): string => readFileSync(new URL(`../../../${path}`, import.meta.url), "utf8");
const schema = JSON.parse(fileText("src/report/report.schema.json")) as Schema;
const validate = new Ajv2020({ strict: true, allErrors: true }).compile(schema);

describe("renderJson()", () => {
  test("is the report, in a fixed order", () => expectGolden("report/failing.json", renderJson(failingReport())));

  test("the order of keys does not depend on how the report was made", () => {
    const report = failingReport();
    const reversed = Object.fromEntries(Object.entries(report).reverse()) as unknown as Report;
    expect(renderJson(reversed)).toBe(renderJson(report));
  });

  test.for([
    ["passing", passingReport()],
    ["failing", failingReport()],
    ["large", largeReport(4)],
    ["hostile", hostileReport()],
    ["empty", reportOf([])],
  ] as const)("%s: nothing is lost, and the schema takes it", ([, report]) => {
    const read = JSON.parse(renderJson(report)) as unknown;
    expect(read).toEqual(report);
    validate(read);
    expect(validate.errors ?? []).toEqual([]);
  });

  test("what a terminal would obey is escaped", () => {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must not be there
    expect(renderJson(hostileReport())).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028-\u202e]/);
  });
});

describe("report.schema.json", () => {
  test.for([
    ["an unknown field", { ...passingReport(), extra: 1 }],
    ["another version", { ...passingReport(), schema: 2 }],
    ["a missing field", { ...passingReport(), counts: undefined }],
    ["an unknown verdict", { ...passingReport(), verdict: "OK" }],
  ] as const)("refuses %s", ([, report]) => {
    expect(validate(JSON.parse(JSON.stringify(report)))).toBe(false);
  });

  test("says of every object what it is, which fields it needs, and that it has no others", () => {
    const wrong = objectsOf(schema, "Report").filter(
      ([, o]) => !o.description || o.additionalProperties !== false || !o.required,
    );
    expect(wrong.map(([path]) => path)).toEqual([]);
  });

  test("describes every field", () => {
    const silent = objectsOf(schema, "Report").flatMap(([path, o]) =>
      Object.entries(o.properties ?? {})
        .filter(([, field]) => !field.description)
        .map(([name]) => `${path}.${name}`),
    );
    expect(silent).toEqual([]);
  });

  test("has the fields of the TypeScript types, and needs those that are not optional", () => {
    expect(fieldsOfSchema()).toEqual(fieldsOfTypes());
  });
});

/** "Topology.networks[].gateway?" */
type Fields = readonly string[];

function objectsOf(part: Schema, path: string): [string, Schema][] {
  return [
    ...(part.type === "object" ? [[path, part] as [string, Schema]] : []),
    ...Object.entries(part.properties ?? {}).flatMap(([name, field]) => objectsOf(field, `${path}.${name}`)),
    ...(part.items ? objectsOf(part.items, `${path}[]`) : []),
    ...Object.entries(part.$defs ?? {}).flatMap(([name, def]) => objectsOf(def, name)),
  ];
}

function fieldsOfSchema(): Fields {
  return objectsOf(schema, "Report")
    .flatMap(([path, { properties = {}, required = [] }]) =>
      Object.keys(properties).map((name) => `${path}.${name}${required.includes(name) ? "" : "?"}`),
    )
    .sort();
}

/** Read from the source, so that a field added to the types and not to the schema fails here. */
function fieldsOfTypes(): Fields {
  const wanted = new Set(["Origin", "Problem"]);
  const interfaces = ["src/observe/report.ts", "src/errors.ts"].flatMap((path) =>
    ts
      .createSourceFile(path, fileText(path), ts.ScriptTarget.ES2022)
      .statements.filter((s) => ts.isInterfaceDeclaration(s))
      .filter((s) => path === "src/observe/report.ts" || wanted.has(s.name.text)),
  );
  return interfaces.flatMap((i) => membersOf(i.members, i.name.text)).sort();
}

function membersOf(members: ts.NodeArray<ts.TypeElement>, path: string): string[] {
  return members
    .filter((m) => ts.isPropertySignature(m))
    .flatMap((member): string[] => {
      const name = (member.name as ts.Identifier).text;
      return [`${path}.${name}${member.questionToken ? "?" : ""}`, ...inlineFields(member.type, `${path}.${name}`)];
    });
}

function inlineFields(type: ts.TypeNode | undefined, path: string): string[] {
  if (!type) return [];
  if (ts.isTypeLiteralNode(type)) return membersOf(type.members, path);
  if (ts.isTypeOperatorNode(type)) return inlineFields(type.type, path);
  return ts.isArrayTypeNode(type) ? inlineFields(type.elementType, `${path}[]`) : [];
}
