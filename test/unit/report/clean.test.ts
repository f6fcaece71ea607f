import { describe, expect, test } from "vitest";
import { cleanStrings, cleanText } from "../../../src/report/clean.ts";

describe("cleanText()", () => {
  test.for([
    ["plain text stays", "web → db, ü, 日本", "web → db, ü, 日本"],
    ["a colour sequence goes whole", "\u001b[1;31mred\u001b[0m", "red"],
    ["an 8-bit CSI goes whole", "\u009b31mred", "red"],
    ["a window title goes whole", "a\u001b]0;title\u0007b\u001b]8;;http://x\u001b\\c", "abc"],
    ["an unended title takes the rest", "a\u001b]0;title", "a"],
    ["a bare escape goes", "a\u001bcb", "acb"],
    ["line breaks become a blank", "a\r\nb\u2028c\td", "a b c d"],
    ["bidi overrides and zero widths go", "a\u202eb\u2066c\u200bd\ufeff", "abcd"],
    ["lone surrogates go, pairs stay", "a\ud800b\ud83d\ude00", "ab\ud83d\ude00"],
    ["the runner's old commands are broken", "##[error]x", "# #[error]x"],
  ] as const)("%s", ([, text, cleaned]) => expect(cleanText(text)).toBe(cleaned));
});

test("cleanStrings() reaches every string and nothing else", () => {
  expect(cleanStrings({ a: ["x\u0007", { b: "y\u0000" }], n: 1, t: true, z: null, u: undefined })).toEqual({
    a: ["x", { b: "y" }],
    n: 1,
    t: true,
    z: null,
    u: undefined,
  });
});
