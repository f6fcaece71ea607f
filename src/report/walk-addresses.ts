/** What NAT made of a walk's packet, as one story: its addresses from link to link, and between them who changed them by which rule. */
import { renderOrigin } from "../errors.ts";
import type { MetRule, Walk, WalkHop, WalkStep, Way } from "../observe/walk/walk.ts";
import type { Pen } from "./pen.ts";

/** Nothing where nothing was changed. */
export function addressLines(pen: Pen, walk: Walk): string[] {
  const told = walk.ways
    .filter((way) => way.kind !== "second")
    .map((way) => ({ way, stretches: stretchesOf(way) }))
    .filter(({ stretches }) => stretches.length > 1);
  return told.flatMap(({ way, stretches }) => [
    pen.paint("bold", TITLES[way.kind]),
    ...stretches.flatMap((stretch) => stretchLines(pen, stretch, columnOf(stretches))),
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

/** What goes out by lo stays. */
function placeOf({ nodes }: Stretch): string {
  const way = nodes.filter((node, i) => node !== nodes[i - 1]);
  return way.length > 1 ? way.join(" > ") : `in ${way[0]}`;
}

/** Places stand in a column of this width, unless long names would make it too wide. */
function columnOf(stretches: readonly Stretch[]): number {
  const widest = Math.max(...stretches.map((s) => placeOf(s).length));
  return widest <= MOST ? Math.max(LEAST, widest) : LEAST;
}

const [LEAST, MOST] = [26, 40];

function stretchLines(pen: Pen, stretch: Stretch, column: number): string[] {
  const { ends, changes } = stretch;
  const place = placeOf(stretch).padEnd(column);
  const fits = 2 + place.length + 2 + ends.length <= pen.width;
  return [
    ...changes.flatMap((change) => changeLines(pen, change)),
    ...(fits ? [`  ${pen.paint("dim", place)}  ${ends}`] : [`  ${pen.paint("dim", place.trimEnd())}`, `    ${ends}`]),
  ];
}

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
