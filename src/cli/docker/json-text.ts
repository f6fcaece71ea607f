/** JSON laid out anew without being read as values: order, numbers and escapes stay as they came. Source: Go's json.Indent, json.Compact. */

const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g;

/** Without blanks between its parts. */
export const compactJson = (json: string): string => (json.match(TOKEN) ?? []).join("");

/** One member a line; an empty object or array stays closed. */
export function indentJson(json: string, indent: string): string {
  const tokens = json.match(TOKEN) ?? [];
  const out: string[] = [];
  let depth = 0;
  const newLine = (): string => `\n${indent.repeat(depth)}`;
  tokens.forEach((token, at) => {
    const isOpening = token === "{" || token === "[";
    const isClosing = token === "}" || token === "]";
    const follows = tokens[at + 1];
    if (isOpening) {
      const isEmpty = follows === "}" || follows === "]";
      if (!isEmpty) depth++;
      out.push(token, isEmpty ? "" : newLine());
    } else if (isClosing) {
      const wasEmpty = tokens[at - 1] === "{" || tokens[at - 1] === "[";
      if (!wasEmpty) depth--;
      out.push(wasEmpty ? "" : newLine(), token);
    } else if (token === ",") out.push(token, newLine());
    else out.push(token === ":" ? ": " : token);
  });
  return out.join("");
}
