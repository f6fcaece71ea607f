/** The `--format` flag of lists and of single objects. Source: docker/cli cli/flags/options.go. */
import type { FlagSpec } from "./flags.ts";

const END = `'TEMPLATE':         Print output using the given Go template.
Refer to https://docs.docker.com/go/formatting/ for more information about formatting output with templates`;

export const listFormatFlag: FlagSpec = {
  name: "format",
  kind: "string",
  usage: `Format output using a custom template:
'table':            Print output in table format with column headers (default)
'table TEMPLATE':   Print output in table format using the given Go template
'json':             Print in JSON format
${END}`,
};

export const inspectFormatFlag: FlagSpec = {
  name: "format",
  short: "f",
  kind: "string",
  usage: `Format output using a custom template:
'json':             Print in JSON format
${END}`,
};
