/** What a picture of a graph is made of, in pixels: boxes, texts of known width, wires; and cards, which are boxes with lines in them. Pure. */
import { columnsOf, cutText } from "./columns.ts";

export interface Drawing {
  readonly width: number;
  readonly height: number;
  readonly boxes: readonly Box[];
  readonly texts: readonly TextLine[];
  readonly wires: readonly Wire[];
}

export type BoxKind = "machine" | "host" | "bridge" | "parent" | "container" | "published" | "apart";

export interface Box {
  readonly kind: BoxKind;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  /** Which network's colour it has. */
  readonly network?: number;
  /** Shown by a browser when the pointer rests on it. */
  readonly tip?: string;
}

export type TextKind = "name" | "plain" | "dim" | "good" | "bad";

export interface TextLine {
  readonly kind: TextKind;
  /** Left end and base line. */
  readonly x: number;
  readonly y: number;
  readonly text: string;
  readonly width: number;
}

export interface Wire {
  readonly kind: "veth" | "macvlan" | "arrow";
  readonly points: readonly (readonly [x: number, y: number])[];
  readonly network?: number;
  readonly tip?: string;
}

export const PAD = 12;
/** Above the first and below the last line; a card of one line is a label. */
const padOf = (lines: readonly CardLine[]): number => (lines.length === 1 ? 6 : PAD);
export const LINE = 17;
/** Above the base line, and below it. */
export const ASCENT = 12;
export const DESCENT = 4;
/** Of the widest common monospaced fonts a letter takes 0.61 of its size. */
const LETTER = 0.61;
export const FONT_PX: Readonly<Record<TextKind, number>> = { name: 13, plain: 12, dim: 11, good: 11, bad: 11 };
/** Longer lines are cut: the whole text is in the card's tip. */
const MAX_COLUMNS = 56;

export interface CardLine {
  readonly text: string;
  readonly kind: TextKind;
  /** A wire meets the card at this line. */
  readonly key?: string;
}

/** A box with lines of text, not yet placed. */
export interface Card {
  readonly kind: BoxKind;
  readonly width: number;
  readonly height: number;
  readonly lines: readonly CardLine[];
  readonly network?: number;
  readonly tip: string;
}

export const textWidth = (text: string, kind: TextKind): number => Math.ceil(columnsOf(text) * FONT_PX[kind] * LETTER);

export function cardOf(kind: BoxKind, all: readonly CardLine[], network?: number): Card {
  const lines = all.map((line) => ({ ...line, text: cutText(line.text, MAX_COLUMNS) }));
  return {
    kind,
    lines,
    width: Math.max(0, ...lines.map((l) => textWidth(l.text, l.kind))) + 2 * PAD,
    height: lines.length * LINE + 2 * padOf(lines) - (LINE - ASCENT - DESCENT),
    ...(network === undefined ? {} : { network }),
    tip: all.map((l) => l.text).join("\n"),
  };
}

/** @param size in place of the card's own, where it is larger */
export function placeCard(card: Card, x: number, y: number, size: { width?: number; height?: number } = {}): Placed {
  const { kind, lines, network, tip } = card;
  const width = size.width ?? card.width;
  const height = size.height ?? card.height;
  return {
    box: { kind, x, y, width, height, ...(network === undefined ? {} : { network }), tip },
    texts: lines.map(
      (line, i): TextLine => ({
        kind: line.kind,
        x: x + PAD,
        y: y + padOf(lines) + ASCENT + i * LINE,
        text: line.text,
        width: textWidth(line.text, line.kind),
      }),
    ),
    heightAt: (key) => {
      const i = Math.max(
        0,
        lines.findIndex((l) => l.key === key),
      );
      return y + padOf(lines) + i * LINE + ASCENT / 2 + 1;
    },
  };
}

export interface Placed {
  readonly box: Box;
  readonly texts: readonly TextLine[];
  /** Of the line with that key: where a wire meets the card. */
  heightAt(key: string): number;
}

/** A drawing that grows. */
export class Sheet {
  private readonly boxes: Box[] = [];
  private readonly texts: TextLine[] = [];
  private readonly wires: Wire[] = [];

  /** Boxes that hold others come first: what is added later is drawn over them. */
  add(placed: Placed): Placed {
    this.boxes.push(placed.box);
    this.texts.push(...placed.texts);
    return placed;
  }

  wire(wire: Wire): void {
    this.wires.push(wire);
  }

  /** The page ends so far right of and below the last box. */
  drawing(edge: number): Drawing {
    const { boxes, texts, wires } = this;
    return {
      width: Math.max(0, ...boxes.map((b) => b.x + b.width)) + edge,
      height: Math.max(0, ...boxes.map((b) => b.y + b.height)) + edge,
      boxes,
      texts,
      wires,
    };
  }
}
