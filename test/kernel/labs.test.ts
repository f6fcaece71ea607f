/** Every lab that ships proves itself: PASS, nothing left open, no frame lost. */
import { expect, test } from "vitest";
import { type CheckResult, createLab, labFile, listLabs, type Report } from "../../src/index.ts";

test.each(listLabs().map(({ name }) => name))("lab %s passes", async (name) => {
  await using lab = await createLab(labFile(name));
  const report = await lab.verify();
  expect(troubles(report)).toEqual([]);
  expect(report.verdict).toBe("PASS");
  expect(report.captures.dropped).toBe(0);
  expect(report.warnings).toEqual([]);
  expect(report.checks.length).toBeGreaterThan(10);
});

test.each(listLabs())("lab $name says in its first line what it shows", ({ about, name }) => {
  expect(about.length, name).toBeGreaterThan(20);
});

test("a lab is named after its file", async () => {
  for (const { name, file } of listLabs()) {
    await using lab = await createLab(file);
    expect(lab.spec.name).toBe(name);
  }
});

/** What is not PASS, as a person would read it. */
function troubles(report: Report): string[] {
  return report.checks.filter((c) => c.verdict !== "PASS").map(renderTrouble);
}

function renderTrouble(check: CheckResult): string {
  const place = check.at ? ` (${check.at.file}:${check.at.line})` : "";
  return [`${check.verdict} ${check.claim}${place}`, ...check.reasons].join("\n  ");
}
