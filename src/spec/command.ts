/** A command line split into words as Compose does (compose-go types/command.go, github.com/mattn/go-shellwords). */
import { DocknetError } from "../errors.ts";

/** Quotes and backslashes group words; nothing is expanded. @throws DocknetError LAB_FILE for an open quote */
export function splitCommand(text: string): string[] {
  const words: string[] = [];
  let word = "";
  let inWord = false;
  let quote = "";
  for (let i = 0; i < text.length; i++) {
    const char = text[i] ?? "";
    if (char === "\\" && quote !== "'" && i + 1 < text.length) {
      word += text[++i] ?? "";
      inWord = true;
    } else if (quote !== "") {
      if (char === quote) quote = "";
      else word += char;
    } else if (char === "'" || char === '"') {
      quote = char;
      inWord = true;
    } else if (/\s/.test(char)) {
      if (inWord) words.push(word);
      word = "";
      inWord = false;
    } else {
      word += char;
      inWord = true;
    }
  }
  if (quote !== "") throw new DocknetError("LAB_FILE", "invalid command line string");
  if (inWord) words.push(word);
  return words;
}
