/** What a compose file may look like. Source: compose-spec schema/compose-spec.json of the newest Compose. */

import type { Origin } from "../errors.ts";
import { RESOURCE_NAME, serviceShape } from "./compose-service-shape.ts";
import type { ProblemList } from "./problem-list.ts";
import {
  either,
  type Fault,
  findFaults,
  listOf,
  mapOf,
  recordOf,
  type Shape,
  scalarOf,
  strictRecordOf,
} from "./shape.ts";
import { mergedPairs, mergedTexts, options, text, textOrTexts, truthOrText } from "./shape-value.ts";
import { childOf, type Mapping, type Tree } from "./tree.ts";

const nothing: Shape = scalarOf(["null"]);
const orNothing = (shape: Shape): Shape => either(shape, nothing);

const external: Shape = either(truthOrText, recordOf({ name: text }));

const pool: Shape = recordOf({ subnet: text, ip_range: text, gateway: text, aux_addresses: mapOf(text) });

const network: Shape = orNothing(
  recordOf({
    name: text,
    driver: text,
    driver_opts: options,
    ipam: recordOf({ driver: text, config: listOf(pool), options: mapOf(text) }),
    external,
    internal: truthOrText,
    enable_ipv4: truthOrText,
    enable_ipv6: truthOrText,
    attachable: truthOrText,
    labels: mergedPairs,
  }),
);

const volume: Shape = orNothing(
  recordOf({ name: text, driver: text, driver_opts: options, external, labels: mergedPairs }),
);

const secret: Shape = recordOf({
  name: text,
  environment: text,
  file: text,
  external,
  labels: mergedPairs,
  driver: text,
  driver_opts: options,
  template_driver: text,
});

const config: Shape = recordOf({
  name: text,
  content: text,
  environment: text,
  file: text,
  external,
  labels: mergedPairs,
  template_driver: text,
});

const model: Shape = recordOf(
  { name: text, model: text, context_size: scalarOf(["integer"]), runtime_flags: mergedTexts },
  ["model"],
);

export const fileShape: Shape = recordOf({
  version: text,
  name: text,
  include: listOf(either(text, strictRecordOf({ path: textOrTexts, env_file: textOrTexts, project_directory: text }))),
  services: mapOf(serviceShape, RESOURCE_NAME),
  models: mapOf(model, RESOURCE_NAME, true),
  networks: mapOf(network, RESOURCE_NAME, true),
  volumes: mapOf(volume, RESOURCE_NAME),
  secrets: mapOf(secret, RESOURCE_NAME),
  configs: mapOf(config, RESOURCE_NAME),
});

/** Reports all that a merged compose file may not have; what is reported so is not reported again at the same place. */
export function checkFileShape(tree: Mapping, problems: ProblemList): void {
  for (const { at, message } of fileFaults(tree)) problems.shapeError(at, message);
}

export function fileFaults(tree: Mapping): { at: Origin; message: string }[] {
  return findFaults(tree, fileShape).map((fault) => ({ at: fault.at, message: wordsOf(fault) }));
}

const wordsOf = ({ path, text: words }: Fault): string => [path.join("."), words].filter(Boolean).join(" ");

/** The section's entries, for what must hold between them. */
export function sectionOf(tree: Tree, name: string): Mapping["entries"] {
  const section = childOf(tree, name);
  return section?.kind === "mapping" ? section.entries : new Map();
}
