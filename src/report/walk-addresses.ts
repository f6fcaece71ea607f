/** What NAT made of a walk's packet, as one story: its addresses from link to link, and between them who changed them by which rule. */
import { renderOrigin } from "../errors.ts";
import type { MetRule, Walk, WalkHop, WalkStep, Way } from "../observe/walk.ts";
import type { Pen } from "./pen.ts";

/** Nothing where nothing was changed. */
export function addressLines(pen: Pen, walk: Walk): string[] {
  const told = walk.ways
    .filter((way) => way.kind !== "second")
    .map((way) => ({ way, stretches: stretchesOf(way) }))
    .filter(({ stretches }) => stretches.length > 1);
  return told.flatMap(({ way, stretches }) => [
    pen.paint("bold", TITLES[way.kind]),
    ...stretches.flatMap((stretch) => stretchLines(pen, stretch)),
    "",
  ]);
}

const TITLES: Readonly<Record<Way["kind"], string>> = {
  request: "What NAT made of it on its way",
  proxy: "What NAT made of the proxy's own",
  second: "",
  reply: "What NAT made of the answer",
};

/** From one translation to the next: the nodes between which it had these ends. */
interface Stretch {
  readonly nodes: string[];
  ends: string;
  /** By what it got them; none: it was sent so. */
  readonly changes: Change[];
}

interface Change {
  readonly node: string;
  readonly before: string;
  readonly after: string;
  readonly by: string;
  readonly rule?: MetRule;
}

function stretchesOf({ hops }: Way): Stretch[] {
  const stretches: Stretch[] = [];
  for (const hop of hops) {
    const changes = changesOf(hop);
    const current = stretches.at(-1);
    if (current) current.nodes.push(hop.node);
    else stretches.push({ nodes: [hop.node], ends: changes[0]?.before ?? endsOf(hop), changes: [] });
    const last = changes.at(-1);
    if (last) stretches.push({ nodes: [hop.node], ends: last.after, changes });
  }
  return stretches;
}

function changesOf({ node, steps }: WalkHop): Change[] {
  return steps.flatMap((step, i) => {
    if (step.kind !== "translation") return [];
    const rule = step.by === "conntrack" ? undefined : ruleOf(steps[i - 1]);
    return [{ node, before: step.before, after: step.after, by: step.by, ...(rule ? { rule } : {}) }];
  });
}

/** The rule of a nat chain that decided. */
const ruleOf = (step: WalkStep | undefined): MetRule | undefined =>
  step?.kind === "chain" ? step.rules.at(-1) : undefined;

function endsOf({ in: came, out }: WalkHop): string {
  const on = came ?? out;
  if (!on) return "";
  const end = (address: string, port: number | undefined): string =>
    port === undefined ? address : `${address}:${port}`;
  return `${end(on.src, on.sport)} -> ${end(on.dst, on.dport)}`;
}

function stretchLines(pen: Pen, { nodes, ends, changes }: Stretch): string[] {
  // what goes out by lo stays
  const way = nodes.filter((node, i) => node !== nodes[i - 1]);
  const place = way.length > 1 ? way.join(" > ") : `in ${way[0]}`;
  const line = `${place.padEnd(PLACE)}  ${ends}`;
  return [
    ...changes.flatMap((change) => changeLines(pen, change)),
    ...(line.length + 2 > pen.width
      ? [`  ${pen.paint("dim", place)}`, `    ${ends}`]
      : [`  ${pen.paint("dim", place.padEnd(PLACE))}  ${ends}`]),
  ];
}

const PLACE = 26;
const INDENT = "      ";

function changeLines(pen: Pen, { node, before, after, by, rule }: Change): string[] {
  const [old, now] = [before.split(" -> "), after.split(" -> ")];
  const which = ["source", "destination"].filter((_, i) => old[i] !== now[i]).join(" and ");
  const owner = rule?.owner ? ` (${rule.owner})` : "";
  const place = rule?.at ? `, ${renderOrigin(rule.at)}` : "";
  const how = by === "conntrack" ? "conntrack, as it did for the flow's first packet" : `${by}${owner}${place}`;
  return pen
    .wrap(`${node} changes the ${which} by ${how}`, INDENT.length)
    .map((line) => `${INDENT}${pen.paint("yellow", line)}`);
}
