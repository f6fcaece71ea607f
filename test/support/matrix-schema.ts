/** matrix.schema.json with the two that it refers to, as a validator. */
import { readFileSync } from "node:fs";
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";

const schemaNamed = (name: string): object =>
  JSON.parse(readFileSync(new URL(`../../src/report/${name}`, import.meta.url), "utf8")) as object;

export function matrixValidator(): ValidateFunction {
  const ajv = new Ajv2020({ strict: true, allErrors: true });
  for (const name of ["report.schema.json", "walk.schema.json"]) ajv.addSchema(schemaNamed(name), name);
  return ajv.compile(schemaNamed("matrix.schema.json"));
}
