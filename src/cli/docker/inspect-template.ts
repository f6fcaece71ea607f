/** An inspected object through a template. Pure. Source: docker/cli cli/command/inspect/inspector.go. */
import { type Template, TemplateError } from "./go/template.ts";
import { typedValue, untypedValue } from "./go/types.ts";
import { StatusError } from "./status.ts";

/** An object as the daemon gave it, and the Go struct that templates know it as. */
export interface Found {
  readonly json: string;
  readonly type: string;
}

/** First with the names and types of Go's struct; what that does not know is looked for in the JSON itself. Throws StatusError. */
export function fillTemplate(template: Template, { json, type }: Found): string {
  const parsed: unknown = JSON.parse(json);
  try {
    return template.execute(typedValue(type, parsed));
  } catch (error) {
    if (!(error instanceof TemplateError)) throw error;
  }
  try {
    return template.execute(untypedValue(parsed), { untyped: true });
  } catch (error) {
    if (error instanceof TemplateError) throw new StatusError(`template parsing error: ${error.message}`);
    throw error;
  }
}
