/** `--filter name=value`, given again and again. Source: docker/cli opts/opts.go FilterOpt. */
import { type FlagSpec, type Flags, FlagValueError } from "./flags.ts";

export const filterFlag = (usage: string, short?: string): FlagSpec => ({
  name: "filter",
  ...(short ? { short } : {}),
  kind: "list",
  type: "filter",
  usage,
  check: (value) => {
    if (value !== "" && !value.includes("=")) throw new FlagValueError("bad format of filter (expected name=value)");
    return value;
  },
});

/** The filters as the API takes them: JSON of name -> value -> true; undefined when there are none. */
export function encodeFilters(flags: Flags): string | undefined {
  const filters = new Map<string, Set<string>>();
  for (const text of flags.list("filter").filter((t) => t !== "")) {
    const at = text.indexOf("=");
    const name = text.slice(0, at).trim().toLowerCase();
    filters.set(name, (filters.get(name) ?? new Set()).add(text.slice(at + 1).trim()));
  }
  if (filters.size === 0) return undefined;
  return JSON.stringify(
    Object.fromEntries(
      [...filters].map(([name, values]) => [name, Object.fromEntries([...values].map((v) => [v, true]))]),
    ),
  );
}
