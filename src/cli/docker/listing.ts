/** Lists by `--format`: a table with a header, one line a row by a template, or JSON. Source: docker/cli cli/command/formatter. */
import { parseTemplate, TemplateError } from "./go/template.ts";
import { GoMap, type GoMethod, GoStruct, type GoValue } from "./go/value.ts";
import { StatusError } from "./status.ts";
import { alignColumns } from "./table.ts";

/** A column: what stands above it, and its text in a row. */
export interface Column {
  readonly header: string;
  readonly value: () => GoValue;
}

/** A row that templates see as a struct with one method for each column; `.Label "key"` is the one with an argument. */
export function rowOf(type: string, columns: Readonly<Record<string, () => GoValue>>, labels: Labels): GoStruct {
  const methods = new Map<string, GoMethod>(
    Object.entries(columns).map(([name, value]) => [name, { params: [], call: value }]),
  );
  methods.set("Label", { params: ["string"], call: ([key]) => labels?.[String(key)] ?? "" });
  return new GoStruct(type, { methods, jsonText: () => rowJson(columns) });
}

export type Labels = Readonly<Record<string, string>> | null | undefined;

/** `a=b,c=d`, sorted. */
export const joinLabels = (labels: Labels): string =>
  Object.entries(labels ?? {})
    .map(([key, value]) => `${key}=${value}`)
    .sort()
    .join(",");

/** One line; Go's json.Marshal escapes what HTML would misread. */
function rowJson(columns: Readonly<Record<string, () => GoValue>>): string {
  const pairs = Object.keys(columns)
    .sort()
    .map((name): [string, unknown] => {
      const value = columns[name]?.();
      return [name, typeof value === "string" ? value : null];
    });
  return JSON.stringify(Object.fromEntries(pairs)).replace(
    /[<>&\u2028\u2029]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

export interface Listing {
  /** table, table TEMPLATE, json or TEMPLATE. */
  readonly format: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly rows: readonly GoStruct[];
}

/** The text of a list. Throws StatusError for a template that is wrong. */
export function renderListing({ format, headers, rows }: Listing): string {
  const isTable = format.startsWith("table");
  const source = isTable ? format.slice("table".length) : format === "json" ? "{{json .}}" : format;
  const template = source
    .replace(/^ +| +$/g, "")
    .replaceAll("\\t", "\t")
    .replaceAll("\\n", "\n");
  try {
    const parsed = parseTemplate(template);
    const lines = rows.map((row) => `${parsed.execute(row)}\n`).join("");
    return isTable ? alignColumns(`${parsed.execute(headerOf(headers), { header: true })}\n${lines}`) : lines;
  } catch (error) {
    if (error instanceof TemplateError) throw new StatusError(`template parsing error: ${error.message}`);
    throw error;
  }
}

/** `.Label "com.example.tier-name"` stands above its column as "tier name". */
function headerOf(headers: Readonly<Record<string, string>>): GoStruct | GoMap {
  const label: GoMethod = {
    params: ["string"],
    call: ([key]) => (String(key).split(".").at(-1) ?? "").replace(/[-_]/g, " "),
  };
  return new GoMap("formatter.SubHeaderContext", Object.entries(headers), "", false, new Map([["Label", label]]));
}
