// biome-ignore-all lint/suspicious/noTemplateCurlyInString: compose variables look like template strings
import { expect, test } from "vitest";
import { renderProblem } from "../../../src/errors.ts";
import { parseDotenv } from "../../../src/spec/dotenv.ts";
import { ProblemList } from "../../../src/spec/problem-list.ts";

function parse(text: string, outer: Readonly<Record<string, string>> = {}) {
  const problems = new ProblemList();
  const found = parseDotenv(text, ".env", (name) => outer[name], problems);
  return { found: Object.fromEntries(found), problems: problems.errors.map(renderProblem) };
}

test.for([
  ["unquoted values end at white space and #", "A=b c  # d", { A: "b c" }],
  ["# inside a word belongs to the value", "A=b#c", { A: "b#c" }],
  ["a comment alone is the value, as Compose has it", "A= # d", { A: "# d" }],
  ["single quotes are literal", "A='$B \\n # c' # d", { A: "$B \\n # c" }],
  ["a single quote may be escaped", "A='Let\\'s go!'", { A: "Let's go!" }],
  ["double quotes know escapes", 'A="a\\tb\\n\\"c\\" \\\\ \\$D"', { A: 'a\tb\n"c" \\ $D' }],
  ["double quotes replace variables", 'A=1\nB="${A}2${C:-3}"', { A: "1", B: "123" }],
  ["unquoted values replace variables", "A=1\nB=$A$A", { A: "1", B: "11" }],
  ["quotes may span lines", "A='1\n2'\nB=3", { A: "1\n2", B: "3" }],
  ["export is skipped", "export A=1\n  export B=2", { A: "1", B: "2" }],
  ["the YAML-like form is accepted", "A: 1\nB: '2'", { A: "1", B: "2" }],
  ["blank lines, comments and CRLF are skipped", "\r\n# x\r\nA=1\r\n", { A: "1" }],
  ["spaces around = are skipped", "A = 1", { A: "1" }],
  ["$$ is a dollar", "A=a$$b", { A: "a$b" }],
] as const)("%s", ([, text, expected]) => {
  expect(parse(text)).toEqual({ found: expected, problems: [] });
});

test("a bare key takes the outer value, and is absent without one", () => {
  expect(parse("A\nB", { A: "out" }).found).toEqual({ A: "out" });
});

test("the outer value wins inside expressions", () => {
  expect(parse("A=1\nB=$A", { A: "out" }).found).toEqual({ A: "1", B: "out" });
});

test.for([
  ["an open quote", "A=1\nB='x\ny", [".env:2:1: unterminated quoted value 'x"]],
  ["a malformed variable", "A=${", ['.env:1:1: invalid template: "${"; you may need to escape any $ with another $']],
  ["a bad name", "\n A!=1", ['.env:2:2: unexpected character "!" in variable name']],
  ["a name with a space", "A B=1", [".env:1:1: key cannot contain a space"]],
] as const)("%s is a problem with its line", ([, text, expected]) => {
  expect(parse(text).problems).toEqual(expected);
});
