/** How the text report meets the terminal: a tiny palette, glyphs with ASCII doubles, lines broken to the width. */
import type { Verdict } from "../observe/report.ts";

export interface PenOptions {
  readonly colour: boolean;
  /** Columns of the terminal. */
  readonly width: number;
  /** Glyphs and lines of the drawing in ASCII, for terminals and logs without UTF-8. */
  readonly ascii?: boolean;
}

/** SGR codes (ECMA-48 8.3.117): the eight basic colours only, so that the reader's own theme decides. */
const SGR = { bold: "1", dim: "2", red: "31", green: "32", yellow: "33", cyan: "36" } as const;
export type Style = keyof typeof SGR;

export const VERDICT_STYLE: Readonly<Record<Verdict, Style>> = { PASS: "green", FAIL: "red", INCONCLUSIVE: "yellow" };

const GLYPHS: Readonly<Record<Verdict, readonly [unicode: string, ascii: string]>> = {
  PASS: ["✓", "+"],
  FAIL: ["✗", "x"],
  INCONCLUSIVE: ["?", "?"],
};

const LINES = {
  unicode: { down: "│", fork: "├─", last: "└─" },
  ascii: { down: "|", fork: "+-", last: "`-" },
} as const;

/** Narrower than this nothing can be read; wider than this no eye finds the next line. */
const [MIN_WIDTH, MAX_WIDTH] = [60, 120];

export class Pen {
  readonly width: number;
  readonly lines: (typeof LINES)[keyof typeof LINES];
  private readonly colour: boolean;
  private readonly ascii: boolean;

  constructor({ colour, width, ascii = false }: PenOptions) {
    this.colour = colour;
    this.ascii = ascii;
    this.width = Math.min(Math.max(width, MIN_WIDTH), MAX_WIDTH);
    this.lines = LINES[ascii ? "ascii" : "unicode"];
  }

  paint(style: Style, text: string): string {
    return this.colour && text !== "" ? `\u001b[${SGR[style]}m${text}\u001b[0m` : text;
  }

  glyph(verdict: Verdict): string {
    return this.paint(VERDICT_STYLE[verdict], this.pick(GLYPHS[verdict]));
  }

  /** What this terminal can show. */
  pick([unicode, ascii]: readonly [unicode: string, ascii: string]): string {
    return this.ascii ? ascii : unicode;
  }

  /** Broken between words; a word longer than the line stays whole, so that it can be copied. @param indent columns already taken */
  wrap(text: string, indent: number, words: readonly string[] = wordsOf(text)): string[] {
    const room = Math.max(this.width - indent, 20);
    const lines: string[] = [];
    let line = "";
    for (const word of words) {
      if (line !== "" && line.length + 1 + word.length > room) {
        lines.push(line);
        line = word;
      } else line = line === "" ? word : `${line} ${word}`;
    }
    return [...lines, line];
  }
}

/** The two ends of an arrow stay on one line. */
function wordsOf(text: string): string[] {
  return text.split(/(?<!-?>) (?!-?> )/);
}

/** A frame in two pieces: its two ends, and the rest. */
export function framePieces(frame: string): string[] {
  return frame.split(/(?<=> \S+) /);
}

/** A rule in pieces that belong together: "-t nat", "-A DOCKER", "! -i docker0". */
export function rulePieces(rule: string): string[] {
  return rule.split(/ (?=! )|(?<!!) (?=-)/);
}
