/** fmt's Sprint, Sprintln and Sprintf for the values of a template. Source: Go's fmt/print.go, fmt/doc.go. */
import { quoteGo } from "../flags.ts";
import { formatFloat, formatValue, GoFloat, GoList, GoNil, GoNumberText, type GoValue, typeOf } from "./value.ts";

/** A width or precision beyond this is a mistake; Go stops at a million. */
const MAX_WIDTH = 10_000;

/** A blank between two values of which neither is a text. */
export function formatAll(args: readonly GoValue[]): string {
  return args
    .map((arg, at) => {
      const isApart = at > 0 && typeof arg !== "string" && typeof args[at - 1] !== "string";
      return `${isApart ? " " : ""}${formatValue(arg)}`;
    })
    .join("");
}

export const formatLine = (args: readonly GoValue[]): string => `${args.map((a) => formatValue(a)).join(" ")}\n`;

interface Directive {
  readonly flags: string;
  readonly width: number;
  readonly precision: number | undefined;
  readonly verb: string;
}

const DIRECTIVE = /%([-+# 0]*)(\*|\d+)?(?:\.(\*|\d*))?([\s\S])?/gu;

export function sprintf(format: string, args: readonly GoValue[]): string {
  let used = 0;
  const star = (text: string | undefined): number | undefined => {
    if (text !== "*") return text === undefined ? undefined : Number(text || "0");
    const value = args[used++];
    return typeof value === "number" ? value : 0;
  };
  const out = format.replace(
    DIRECTIVE,
    (_, flags: string, widthText?: string, precisionText?: string, verb?: string) => {
      const width = star(widthText) ?? 0;
      const precision = star(precisionText);
      if (verb === undefined) return "%!(NOVERB)";
      if (verb === "%") return "%";
      if (used >= args.length) return `%!${verb}(MISSING)`;
      if (width > MAX_WIDTH) return "%!(BADWIDTH)";
      if ((precision ?? 0) > MAX_WIDTH) return "%!(BADPREC)";
      return formatOne({ flags, width, precision, verb }, args[used++]);
    },
  );
  if (used >= args.length) return out;
  return `${out}%!(EXTRA ${args
    .slice(used)
    .map((a) => `${typeOf(a)}=${formatValue(a)}`)
    .join(", ")})`;
}

function formatOne(directive: Directive, value: GoValue): string {
  const { flags, width } = directive;
  const body = formatVerb(directive, value);
  const missing = width - [...body].length;
  if (missing <= 0) return body;
  if (flags.includes("-")) return body + " ".repeat(missing);
  const sign = /^[+-]/.exec(body)?.[0] ?? "";
  return flags.includes("0") ? sign + "0".repeat(missing) + body.slice(sign.length) : " ".repeat(missing) + body;
}

function formatVerb(directive: Directive, value: GoValue): string {
  const { verb } = directive;
  if (verb === "T") return typeOf(value);
  if (verb === "v") return formatValue(value);
  if (value instanceof GoList) return `[${value.items.map((v) => formatVerb(directive, v)).join(" ")}]`;
  const formatted =
    typeof value === "string"
      ? formatString(directive, value)
      : value instanceof GoNumberText
        ? formatString(directive, value.text)
        : typeof value === "number"
          ? formatInteger(directive, value)
          : value instanceof GoFloat
            ? formatReal(directive, value.value)
            : typeof value === "boolean" && verb === "t"
              ? String(value)
              : undefined;
  if (formatted !== undefined) return formatted;
  if (value === undefined || value instanceof GoNil) return `%!${verb}(<nil>)`;
  return `%!${verb}(${typeOf(value)}=${formatValue(value)})`;
}

function formatString({ verb, precision, flags }: Directive, value: string): string | undefined {
  const cut = precision === undefined ? value : [...value].slice(0, precision).join("");
  const hex = (): string => Buffer.from(cut).toString("hex");
  if (verb === "s") return cut;
  if (verb === "q") return flags.includes("#") && !cut.includes("`") ? `\`${cut}\`` : quoteGo(cut);
  if (verb === "x") return hex();
  return verb === "X" ? hex().toUpperCase() : undefined;
}

function formatInteger({ verb, flags }: Directive, value: number): string | undefined {
  const signed = (text: string): string =>
    value < 0 ? `-${text}` : flags.includes("+") ? `+${text}` : flags.includes(" ") ? ` ${text}` : text;
  const size = Math.abs(value);
  const prefix = (text: string): string => (flags.includes("#") ? text : "");
  if (verb === "d") return signed(String(size));
  if (verb === "x") return signed(prefix("0x") + size.toString(16));
  if (verb === "X") return signed(prefix("0X") + size.toString(16).toUpperCase());
  if (verb === "o") return signed(prefix("0") + size.toString(8));
  if (verb === "b") return signed(size.toString(2));
  const isCode = value >= 0 && value <= 0x10ffff;
  if (verb === "c") return isCode ? String.fromCodePoint(value) : "\uFFFD";
  if (verb === "q") return `'${isCode ? String.fromCodePoint(value) : "\uFFFD"}'`;
  return verb === "U" ? `U+${size.toString(16).toUpperCase().padStart(4, "0")}` : undefined;
}

function formatReal({ verb, precision, flags }: Directive, value: number): string | undefined {
  const digits = Math.min(precision ?? 6, 100);
  const signed = (text: string): string => (value >= 0 && flags.includes("+") ? `+${text}` : text);
  if (verb === "f" || verb === "F") return signed(value.toFixed(digits));
  if (verb === "e") return signed(value.toExponential(digits).replace(/e([+-])(\d)$/, "e$10$2"));
  return verb === "g" ? signed(formatFloat(value)) : undefined;
}
