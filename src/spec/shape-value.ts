/**
 * Values that Compose turns into something else: whole numbers, truth values, sizes, durations. Text may stand for each, since a
 * variable gives text. Sources: compose-go loader/interpolate.go, loader/mapstructure.go; docker/go-units size.go;
 * xhit/go-str2duration.
 */
import { either, type Kind, listOf, mapOf, type Shape, scalarOf, type ValueCheck } from "./shape.ts";

const ofText =
  (check: (text: string) => string | undefined): ValueCheck =>
  (value) =>
    typeof value === "string" ? check(value) : undefined;

const matching = (pattern: RegExp, fault: (text: string) => string): ValueCheck =>
  ofText((text) => (pattern.test(text) ? undefined : fault(text)));

export const text: Shape = scalarOf(["string"]);
export const textOrNull: Shape = scalarOf(["null", "string"]);
export const textOrNumber: Shape = scalarOf(["number", "string"]);
export const truth: Shape = scalarOf(["boolean"]);
export const number: Shape = scalarOf(["number"]);

/** Words of YAML 1.1 are truth values where text stands for one. */
const TRUTH = /^(true|false|y|yes|on|n|no|off)$/i;

export const truthOrText: Shape = scalarOf(
  ["boolean", "string"],
  matching(TRUTH, (value) => `failed to cast to expected type: invalid boolean: ${value}`),
);

const castNumber = (pattern: RegExp, go: string): ValueCheck =>
  matching(
    pattern,
    (value) => `failed to cast to expected type: strconv.${go}: parsing ${JSON.stringify(value)}: invalid syntax`,
  );

const bounded =
  (check: ValueCheck, least?: number, most?: number): ValueCheck =>
  (value) => {
    const fault = check(value);
    if (fault !== undefined) return fault;
    if (least !== undefined && Number(value) < least) return `must be greater than or equal to ${least}`;
    return most !== undefined && Number(value) > most ? `must be less than or equal to ${most}` : undefined;
  };

export const wholeOrText = (least?: number, most?: number): Shape =>
  scalarOf(["integer", "string"], bounded(castNumber(/^[+-]?\d+$/, "Atoi"), least, most));

/** A number, or the one word. */
export const wholeOr = (word: string): Shape =>
  scalarOf(
    ["integer", "string"],
    ofText((value) =>
      value.toLowerCase() === word || /^[+-]?\d+$/.test(value)
        ? undefined
        : `invalid value ${JSON.stringify(value)}, the only value allowed is '${word}' or a number`,
    ),
  );

/** Fractions are taken, and cut off, where they are written as a number. */
export const numberOrWholeText: Shape = scalarOf(["number", "string"], castNumber(/^[+-]?\d+$/, "ParseInt"));

export const numberOrText = (least?: number, most?: number): Shape =>
  scalarOf(
    ["number", "string"],
    bounded(castNumber(/^[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?$/i, "ParseFloat"), least, most),
  );

export const size = (kinds: readonly Kind[] = ["number", "string"]): Shape =>
  scalarOf(
    kinds,
    matching(/^(-?\d+|\d+(\.\d+)? ?([kmgtp]i?)?b?)$/i, (value) => `invalid size: '${value}'`),
  );

export const duration: Shape = scalarOf(
  ["string"],
  matching(
    /^[+-]?(0|(\d+(\.\d*)?(ns|us|µs|ms|s|m|h|d|w))+)$/,
    (value) => `time: invalid duration ${JSON.stringify(value)}`,
  ),
);

export const oneOf = (...words: readonly string[]): Shape =>
  scalarOf(
    ["string"],
    ofText((value) =>
      words.includes(value) ? undefined : `value must be one of ${words.map((word) => `'${word}'`).join(", ")}`,
    ),
  );

export const textLike = (pattern: RegExp, words: string): Shape =>
  scalarOf(
    ["string"],
    matching(pattern, () => `does not match pattern '${words}'`),
  );

export const notEmpty: Shape = scalarOf(
  ["string"],
  ofText((value) => (value === "" ? "value can't be blank" : undefined)),
);

/** Equal texts of these lists are a fault. */
export const texts: Shape = listOf(text, true);
/** Of these Compose keeps the later of two equal ones. */
export const mergedTexts: Shape = listOf(text);
export const textOrTexts: Shape = either(text, texts);
export const textOrMergedTexts: Shape = either(text, mergedTexts);

const plain: Shape = scalarOf(["boolean", "null", "number", "string"]);
/** `{k: v}` or `["k=v"]`. */
export const pairs: Shape = either(mapOf(plain), texts);
export const mergedPairs: Shape = either(mapOf(plain), mergedTexts);
export const options: Shape = mapOf(scalarOf(["number", "string"]));
