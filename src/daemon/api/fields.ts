/** The body of a request, read field by field as Go would decode it: null is "not given", a wrong type is Go's error. */
import type { Json, JsonObject } from "../record.ts";
import { JSON_TYPE } from "./json.ts";
import { httpError } from "./refuse.ts";

/** How deep a body may be nested: nothing of the API goes deeper than eight. */
const MAX_DEPTH = 32;

export class Fields {
  readonly value: JsonObject;
  /** Go's name of the struct that this object is decoded into: "CreateRequest", ".HostConfig". */
  private readonly path: string;

  constructor(value: JsonObject, path: string) {
    this.value = value;
    this.path = path;
  }

  /** "" when not given. */
  text(key: string): string {
    return this.read(key, "string", (v) => typeof v === "string") ?? "";
  }

  flag(key: string): boolean {
    return this.read<boolean>(key, "bool", (v) => typeof v === "boolean") ?? false;
  }

  integer(key: string): number | undefined {
    return this.read<number>(key, "int", (v) => Number.isSafeInteger(v));
  }

  texts(key: string): readonly string[] | undefined {
    return this.read<readonly string[]>(
      key,
      "[]string",
      (v) => Array.isArray(v) && v.every((item) => typeof item === "string"),
    );
  }

  /** A list of words, or one word in place of a list of one (moby api/types/strslice). */
  words(key: string): readonly string[] | undefined {
    return typeof this.value[key] === "string" ? [this.text(key)] : this.texts(key);
  }

  textMap(key: string): Readonly<Record<string, string>> | undefined {
    return this.read<Readonly<Record<string, string>>>(
      key,
      "map[string]string",
      (v) => isObject(v) && Object.values(v).every((item) => typeof item === "string"),
    );
  }

  object(key: string): JsonObject | undefined {
    return this.read<JsonObject>(key, "object", isObject);
  }

  list(key: string): readonly Json[] | undefined {
    return this.read<readonly Json[]>(key, "[]object", Array.isArray);
  }

  /** The object below `key`; an empty one when not given. */
  child(key: string): Fields {
    return new Fields(this.object(key) ?? {}, `${this.path}.${key}`);
  }

  private read<T extends Json = string>(key: string, type: string, fits: (value: Json) => boolean): T | undefined {
    const value = this.value[key];
    if (value === undefined || value === null) return undefined;
    if (fits(value)) return value as T;
    throw httpError(
      400,
      `invalid JSON: json: cannot unmarshal ${goKind(value)} into Go struct field ${this.path}.${key} of type ${type}`,
    );
  }
}

export const isObject = (value: Json): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function goKind(value: Json): string {
  if (typeof value === "boolean") return "bool";
  return Array.isArray(value) ? "array" : typeof value;
}

/**
 * @param contentType of the request; without a body it does not matter
 * @param type Go's name of what is decoded: "network.CreateRequest". @throws DocknetError USAGE, in dockerd's words
 */
export function parseBody(body: Buffer | undefined, contentType: string | undefined, type: string): JsonObject {
  const text = body?.toString("utf8") ?? "";
  if (text === "") return {};
  checkContentType(contentType);
  const value = parseJson(text);
  if (value === null) return {};
  if (!isObject(value)) {
    throw httpError(400, `invalid JSON: json: cannot unmarshal ${goKind(value)} into Go value of type ${type}`);
  }
  if (isDeeperThan(value, MAX_DEPTH)) throw httpError(400, "invalid JSON: exceeded max depth");
  return value;
}

export function checkContentType(contentType: string | undefined): void {
  const media = contentType?.split(";")[0]?.trim().toLowerCase();
  if (media !== JSON_TYPE)
    throw httpError(400, `unsupported Content-Type header (${contentType ?? ""}): must be '${JSON_TYPE}'`);
}

function parseJson(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch (error) {
    throw httpError(400, explain(text, error instanceof Error ? error.message : ""));
  }
}

/** V8's complaint in Go's words. */
function explain(text: string, complaint: string): string {
  if (complaint.includes("after JSON")) return "unexpected content after JSON";
  const position = /at position (\d+)/.exec(complaint)?.[1];
  const character = /Unexpected token '(.)'/su.exec(complaint)?.[1] ?? (position ? text[Number(position)] : undefined);
  if (complaint.includes("end of JSON input") || character === undefined) return "invalid JSON: unexpected EOF";
  return `invalid JSON: invalid character '${character}' looking for beginning of value`;
}

function isDeeperThan(value: Json, levels: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  return levels === 0 || Object.values(value).some((item: Json) => isDeeperThan(item, levels - 1));
}
