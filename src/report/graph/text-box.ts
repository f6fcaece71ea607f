/** Boxes of box-drawing characters, as lines of painted pieces: widths are counted before colour is added. Pure. */
import type { Pen, Style } from "../pen.ts";
import { columnsOf } from "./columns.ts";

export interface Piece {
  readonly text: string;
  readonly style?: Style;
}
export type Line = readonly Piece[];

export const plain = (text: string): Piece => ({ text });
export const wire = (text: string): Piece => ({ text, style: "dim" });

export const widthOf = (line: Line): number => line.reduce((sum, { text }) => sum + columnsOf(text), 0);

export function padLine(line: Line, width: number): Line {
  return [...line, plain(" ".repeat(Math.max(0, width - widthOf(line))))];
}

/** Words, broken between words where they fit and inside one where they do not. @param width columns, at least 1 */
export function wrapWords(words: readonly Piece[], width: number): Line[] {
  const lines: Piece[][] = [[]];
  for (const word of words.flatMap((w) => chunks(w, width))) {
    const last = lines.at(-1) ?? [];
    if (last.length === 0) last.push(word);
    else if (widthOf(last) + 1 + widthOf([word]) <= width) last.push(plain(" "), word);
    else lines.push([word]);
  }
  return lines;
}

/** At least one letter each, also where a letter is wider than the line. */
function chunks({ text, ...style }: Piece, width: number): Piece[] {
  const parts = [""];
  for (const letter of text) {
    const last = parts.at(-1) ?? "";
    if (last !== "" && columnsOf(last + letter) > width) parts.push(letter);
    else parts[parts.length - 1] = last + letter;
  }
  return parts.map((part) => ({ ...style, text: part }));
}

/** A text in pieces of one word each. */
export const words = (text: string, style?: Style): Piece[] =>
  text.split(" ").map((word) => (style ? { text: word, style } : { text: word }));

/** "┌─ web ─────┐", in the corners that are given. A title that does not fit is left out: see `titleRows`. */
export function border(width: number, [left, right]: readonly [string, string], title?: Piece, joint = ""): Line {
  const name = title && fits(title, width) ? [plain(" "), title, plain(" ")] : [];
  const open = `${left}─${joint}${joint ? "─" : ""}`;
  const dashes = Math.max(0, width - open.length - widthOf(name) - 1);
  return [wire(open), ...name, wire(`${"─".repeat(dashes)}${right}`)];
}

const fits = (title: Piece, width: number): boolean => widthOf([title]) + 8 <= width;

/** The title as lines of the box, where its border has no room for it. */
export function titleRows(title: Piece, width: number): Line[] {
  return fits(title, width) ? [] : wrapWords([title], width - 4);
}

/** "│ text      │" @param open character of the left border */
export function row(line: Line, width: number, open = "│"): Line {
  return [wire(`${open} `), ...padLine(line, width - 4), wire(" │")];
}

const ASCII: Readonly<Record<string, string>> = {
  "│": "|",
  "─": "-",
  "▶": ">",
  "◀": "<",
  "┌": "+",
  "┐": "+",
  "└": "+",
  "┘": "+",
  "├": "+",
  "┤": "+",
  "┬": "+",
  "┴": "+",
  "┼": "+",
};

/** @param ascii draw without box characters */
export function paintLine(line: Line, pen: Pen, ascii: boolean): string {
  const pieces = line.map(({ text, style }, i) => {
    const shown = i === line.length - 1 ? text.trimEnd() : text;
    const drawn = ascii ? shown.replace(/[│─▶◀┌┐└┘├┤┬┴┼]/g, (c) => ASCII[c] ?? c) : shown;
    return style ? pen.paint(style, drawn) : drawn;
  });
  return pieces.join("").trimEnd();
}
