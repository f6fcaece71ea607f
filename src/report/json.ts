/** The report as JSON: docknet's published contract, described by report.schema.json. */
import type { Report } from "../observe/report.ts";
import { escapeJson } from "./clean.ts";

type FieldsOf<T> = T extends readonly (infer Item)[]
  ? FieldsOf<Item>
  : T extends object
    ? { [K in keyof T]-?: (K & string) | FieldsOf<T[K]> }[keyof T]
    : never;

/**
 * Every field of the report, in the order in which it is printed: two runs differ only where the network did. The type makes
 * the list complete: a new field of Report does not compile until it has a place here.
 */
const ORDER: Readonly<Record<FieldsOf<Report>, true>> = {
  schema: true,
  docknet: true,
  lab: true,
  files: true,
  profile: true,
  id: true,
  group: true,
  claim: true,
  // where: before what
  node: true,
  link: true,
  direction: true,
  name: true,
  kind: true,
  problem: true,
  what: true,
  driver: true,
  bridge: true,
  parent: true,
  subnet: true,
  gateway: true,
  internal: true,
  mode: true,
  attachments: true,
  published: true,
  serves: true,
  from: true,
  to: true,
  address: true,
  port: true,
  proto: true,
  transfer: true,
  kernel: true,
  verdict: true,
  counts: true,
  pass: true,
  fail: true,
  inconclusive: true,
  controls: true,
  topology: true,
  networks: true,
  nodes: true,
  checks: true,
  drift: true,
  warnings: true,
  captures: true,
  links: true,
  frames: true,
  dropped: true,
  durations: true,
  buildMs: true,
  verifyMs: true,
  expected: true,
  predicted: true,
  observed: true,
  outcome: true,
  seenAs: true,
  seenPort: true,
  because: true,
  server: true,
  afterMs: true,
  errno: true,
  reasons: true,
  evidence: true,
  data: true,
  openedBy: true,
  hops: true,
  translations: true,
  conntrack: true,
  lost: true,
  frame: true,
  src: true,
  sport: true,
  dst: true,
  dport: true,
  ttl: true,
  before: true,
  after: true,
  lastSeen: true,
  table: true,
  chain: true,
  rule: true,
  owner: true,
  words: true,
  packets: true,
  entry: true,
  reason: true,
  message: true,
  remedy: true,
  wanted: true,
  found: true,
  control: true,
  at: true,
  file: true,
  line: true,
  column: true,
};

/** Pretty, with a line break at the end. The data is untouched: what could harm a terminal is escaped, not removed. */
export function renderJson(report: Report): string {
  // an array as replacer both selects and orders the keys of every object (ECMA-262 JSON.stringify, PropertyList)
  return `${escapeJson(JSON.stringify(report, Object.keys(ORDER), 2))}\n`;
}
