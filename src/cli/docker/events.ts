/** docknet events. Source: docker/cli cli/command/system/events.go. */
import { print } from "../terminal.ts";
import type { CommandSpec } from "./command.ts";
import { encodeFilters, filterFlag } from "./filter.ts";
import { FlagValueError } from "./flags.ts";
import { inspectFormatFlag } from "./format-flag.ts";
import { parseTemplate, type Template, TemplateError } from "./go/template.ts";
import { GoMap, GoNumberText, GoStruct, type GoValue } from "./go/value.ts";
import { splitDocuments } from "./json-stream.ts";
import { StatusError } from "./status.ts";
import { readTimestamp } from "./timestamp.ts";

/** One event of GET /events. */
interface EngineEvent {
  readonly status?: string;
  readonly id?: string;
  readonly from?: string;
  readonly Type?: string;
  readonly Action?: string;
  readonly Actor?: { readonly ID?: string; readonly Attributes?: Readonly<Record<string, string>> };
  readonly scope?: string;
  readonly time?: number;
}

export const events: CommandSpec = {
  usage: "[OPTIONS]",
  max: 0,
  flags: [
    { name: "since", kind: "string", usage: "Show all events created since timestamp" },
    { name: "until", kind: "string", usage: "Stream events until this timestamp" },
    filterFlag("Filter output based on conditions provided", "f"),
    { name: inspectFormatFlag.name, kind: "string", usage: inspectFormatFlag.usage },
  ],
  run: async ({ flags, session }) => {
    const template = templateOf(flags.string("format"));
    const query = {
      since: momentOf(flags.string("since")),
      until: momentOf(flags.string("until")),
      filters: encodeFilters(flags),
    };
    const client = await session.client();
    for await (const text of splitDocuments(await client.stream("GET", "/events", { query })))
      print(template ? `${template.execute(eventStruct(text))}\n` : renderEvent(text));
    return 0;
  },
};

function momentOf(text: string): string | undefined {
  if (text === "") return undefined;
  try {
    return readTimestamp(text, new Date());
  } catch (error) {
    if (error instanceof FlagValueError) throw new StatusError(error.message);
    throw error;
  }
}

/** A template that an empty event cannot fill is refused before the first event comes. */
function templateOf(format: string): Template | undefined {
  if (format === "") return undefined;
  try {
    const template = parseTemplate(format === "json" ? "{{json .}}" : format);
    template.execute(eventStruct("{}", "*events.Message"));
    return template;
  } catch (error) {
    if (error instanceof TemplateError) throw new StatusError(`Error parsing format: ${error.message}`, 64);
    throw error;
  }
}

/** Nanoseconds are more than a number of JavaScript holds: they are taken from the text. */
const nanosecondsOf = (json: string): string => /"timeNano":(-?\d+)/.exec(json)?.[1] ?? "0";

function eventStruct(json: string, type = "events.Message"): GoStruct {
  const event = JSON.parse(json) as EngineEvent;
  const attributes = new GoMap("map[string]string", Object.entries(event.Actor?.Attributes ?? {}), "");
  const id = event.Actor?.ID ?? "";
  const fields: Readonly<Record<string, GoValue>> = {
    Status: event.status ?? "",
    ID: event.id ?? "",
    From: event.from ?? "",
    Type: event.Type ?? "",
    Action: event.Action ?? "",
    Actor: new GoStruct("events.Actor", {
      fields: [
        { name: "ID", value: () => id },
        { name: "Attributes", value: () => attributes },
      ],
      json: () => event.Actor,
    }),
    Scope: event.scope ?? "",
    Time: event.time ?? 0,
    TimeNano: new GoNumberText(nanosecondsOf(json)),
  };
  return new GoStruct(type, {
    fields: Object.entries(fields).map(([name, value]) => ({ name, value: () => value })),
    jsonText: () => json,
  });
}

/** `2026-11-22T07:50:11.962833866Z network create 2596... (name=x, type=bridge)` */
function renderEvent(json: string): string {
  const event = JSON.parse(json) as EngineEvent;
  const attributes = Object.entries(event.Actor?.Attributes ?? {})
    .map(([key, value]) => `${key}=${value}`)
    .sort();
  const when = nanosecondsOf(json) === "0" ? "" : `${localTime(BigInt(nanosecondsOf(json)))} `;
  const what = `${event.Type ?? ""} ${event.Action ?? ""} ${event.Actor?.ID ?? ""}`;
  return `${when}${what}${attributes.length > 0 ? ` (${attributes.join(", ")})` : ""}`;
}

/** RFC 3339 in this machine's zone, always with nine digits of a second. */
function localTime(nanoseconds: bigint): string {
  const date = new Date(Number(nanoseconds / 1_000_000n));
  const offset = -date.getTimezoneOffset();
  const local = new Date(date.getTime() + offset * 60_000).toISOString().slice(0, 19);
  const fraction = String(nanoseconds % 1_000_000_000n).padStart(9, "0");
  const hours = String(Math.trunc(Math.abs(offset) / 60)).padStart(2, "0");
  const minutes = String(Math.abs(offset) % 60).padStart(2, "0");
  return `${local}.${fraction}${offset === 0 ? "Z" : `${offset < 0 ? "-" : "+"}${hours}:${minutes}`}`;
}
