/** `--format` of commands that print one thing (version, info). */
import { writeOut } from "../terminal.ts";
import { parseTemplate, type Template, TemplateError } from "./go/template.ts";
import type { GoValue } from "./go/value.ts";
import { StatusError } from "./status.ts";

/** The template, or none for an empty format. Throws StatusError with 64 for one that cannot be parsed. */
export function templateOrFail(format: string, name = ""): Template | undefined {
  if (format === "") return undefined;
  try {
    return parseTemplate(format, name);
  } catch (error) {
    if (error instanceof TemplateError) throw new StatusError(`template parsing error: ${error.message}`, 64);
    throw error;
  }
}

/** Prints the value through the template; the line is ended even when it cannot be filled. */
export function fillOnce(template: Template, value: GoValue): void {
  try {
    writeOut(`${template.execute(value)}\n`);
  } catch (error) {
    if (!(error instanceof TemplateError)) throw error;
    writeOut("\n");
    throw new StatusError(error.message);
  }
}
