/** Literals of Go: what a quoted text or a number of a template stands for. Source: Go's strconv.Unquote; the Go specification, literals. */
import type { ConstantNode } from "./template-nodes.ts";
import { GoFloat, type GoValue } from "./value.ts";

const SINGLE_ESCAPES: Readonly<Record<string, string>> = {
  a: "\u0007",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
  "\\": "\\",
  "'": "'",
  '"': '"',
};
const ESCAPE = /\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|([\s\S]))/g;

/** The text within "...", '...' or `...`; undefined for an escape that there is not. */
export function unquote(source: string): string | undefined {
  const inner = source.slice(1, -1);
  if (source.startsWith("`")) return inner;
  let isWrong = false;
  const text = inner.replace(
    ESCAPE,
    (_, hex?: string, short?: string, long?: string, octal?: string, single?: string) => {
      const code = octal === undefined ? Number.parseInt(hex ?? short ?? long ?? "0", 16) : Number.parseInt(octal, 8);
      const found =
        single !== undefined ? SINGLE_ESCAPES[single] : code > 0x10ffff ? undefined : String.fromCodePoint(code);
      isWrong ||= found === undefined;
      return found ?? "";
    },
  );
  return isWrong ? undefined : text;
}

/** 42, -1, 0x2a, 0b11, 0o17, 017, 1_000, 1.5, 1e3; undefined for what is no number. */
export function readNumber(source: string): number | undefined {
  const plain = source.replaceAll("_", "").replace(/^([+-]?)0(?=[0-7]+$)/, "$10o");
  const size = /\d/.test(plain) ? Number(plain.replace(/^[+-]/, "")) : Number.NaN;
  if (Number.isNaN(size)) return undefined;
  return plain.startsWith("-") ? -size : size;
}

/** The value of a constant: a number written with a point or an exponent is a float, also when it is whole. */
export const constantOf = (node: ConstantNode): GoValue =>
  node.isFloat && typeof node.value === "number" ? new GoFloat(node.value) : node.value;
