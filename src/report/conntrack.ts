/** A NAT table as columns where they fit, else one block a connection; one change as a line. And as JSON (conntrack.schema.json). */
import { renderOrigin } from "../errors.ts";
import type { NatEnd, NatEvent, NatRow, NatTable, NodeNat } from "../observe/conntrack.ts";
import { cleanStrings, escapeJson, renderCleanJson } from "./clean.ts";
import { Pen, type Style } from "./pen.ts";
import { plural } from "./summary.ts";

export interface NatTableOptions {
  readonly colour: boolean;
  /** Columns of the terminal; undefined: no terminal, a line may be as long as it is. */
  readonly width?: number;
}

/** With a line break at the end. */
export function renderNatTable(table: NatTable, options: NatTableOptions): string {
  const { nodes } = cleanStrings(table);
  const pen = new Pen({ colour: options.colour, width: options.width ?? 0 });
  const blocks = nodes.map((node) => [
    pen.paint("bold", `${node.node}: ${headline(node)}`),
    ...(node.rows.length === 0 ? [] : rowLines(pen, node.rows, options.width)),
  ]);
  return `${blocks.map((lines) => lines.join("\n")).join("\n\n")}\n`;
}

export const renderNatTableJson = (table: NatTable): string => renderCleanJson(table);

/** "10:31:49.123  NEW      @host  tcp MASQUERADE out  inside web 172.17.0.4:41234  outside ...  remote ...  SYN_SENT" */
export function renderNatEvent(event: NatEvent, options: { readonly colour: boolean }): string {
  const { time, change, node, row } = cleanStrings(event);
  const pen = new Pen({ colour: options.colour, width: 0 });
  const parts = [
    pen.paint("dim", time.slice("2026-01-01T".length, -1)),
    pen.paint(CHANGE_STYLE[change], change.padEnd(7)),
    node,
    `${row.proto} ${kindOf(row)} ${row.direction}`,
    `inside ${renderEnd(row.insideLocal)}`,
    ...(row.kind === "none" ? [] : [`outside ${renderEnd(row.insideGlobal)}`]),
    `remote ${renderEnd(row.outsideGlobal)}`,
    ...(isSeenOtherwise(row) ? [`seen as ${renderEnd(row.outsideLocal)}`] : []),
    // a connection that is forgotten has no state any more
    ...(change === "DESTROY" ? [] : [pen.paint(stateStyle(row), row.state)]),
  ];
  return parts.join("  ");
}

/** A change as one line of JSON, without a line break. */
export const renderNatEventJson = (event: NatEvent): string => escapeJson(JSON.stringify(event));

const CHANGE_STYLE: Readonly<Record<NatEvent["change"], Style>> = { NEW: "green", UPDATE: "cyan", DESTROY: "red" };

function headline({ rows, untranslated }: NodeNat): string {
  const translated = rows.filter((r) => r.kind !== "none").length;
  const shown = rows.length - translated;
  return [
    plural(translated, "translated connection"),
    ...(shown > 0 ? [`${shown} without NAT`] : []),
    ...(untranslated > 0 ? [`${untranslated} more without NAT (--all shows them)`] : []),
  ].join(", ");
}

// --- columns ---------------------------------------------------------------------------------------------------------

interface Column {
  readonly title: string;
  readonly cell: (row: NatRow) => string;
  readonly style?: (row: NatRow) => Style;
}

const GAP = "  ";

function rowLines(pen: Pen, rows: readonly NatRow[], width: number | undefined): string[] {
  const columns = columnsOf(rows);
  const whole = tableOf(columns, rows);
  const narrow = tableOf(
    columns.filter((c) => c.title !== "WANTED BY"),
    rows,
  );
  const fitting = [whole, narrow].find((t) => width === undefined || t.width <= width);
  if (!fitting) return rows.flatMap((row) => blockOf(pen, row));
  return [
    pen.paint(
      "dim",
      lineOf(
        fitting,
        fitting.columns.map((c) => c.title),
      ),
    ),
    ...rows.map((row) =>
      lineOf(
        fitting,
        fitting.columns.map((c) => c.cell(row)),
        (text, i) => {
          const style = fitting.columns[i]?.style?.(row);
          return style ? pen.paint(style, text) : text;
        },
      ),
    ),
  ];
}

function columnsOf(rows: readonly NatRow[]): Column[] {
  const column = (title: string, cell: Column["cell"], style?: Column["style"]): Column => ({
    title,
    cell,
    ...(style ? { style } : {}),
  });
  return [
    column("PROTO", (r) => r.proto),
    column("NAT", kindOf),
    column("DIR", (r) => r.direction),
    column("INSIDE", (r) => renderEnd(r.insideLocal)),
    column("OUTSIDE", (r) => (r.kind === "none" ? "" : renderEnd(r.insideGlobal))),
    column("REMOTE", (r) => renderEnd(r.outsideGlobal)),
    ...(rows.some(isSeenOtherwise)
      ? [column("SEEN AS", (r) => (isSeenOtherwise(r) ? renderEnd(r.outsideLocal) : ""))]
      : []),
    column("STATE", (r) => r.state, stateStyle),
    column("EXPIRES", (r) => `${r.expiresSeconds}s`),
    ...(rows.some((r) => r.counters) ? [column("PACKETS", packetsOf)] : []),
    column("WANTED BY", (r) => r.by.map((b) => b.owner).join("; ")),
  ];
}

interface Table {
  readonly columns: readonly Column[];
  readonly widths: readonly number[];
  readonly width: number;
}

function tableOf(columns: readonly Column[], rows: readonly NatRow[]): Table {
  const widths = columns.map(({ title, cell }) => Math.max(title.length, ...rows.map((row) => cell(row).length)));
  return { columns, widths, width: widths.reduce((sum, w) => sum + w, 0) + GAP.length * (columns.length - 1) };
}

function lineOf(
  { widths }: Table,
  cells: readonly string[],
  paint: (text: string, i: number) => string = (text) => text,
): string {
  return cells
    .map((cell, i) => `${paint(cell, i)}${" ".repeat((widths[i] ?? 0) - cell.length)}`)
    .join(GAP)
    .trimEnd();
}

// --- blocks ----------------------------------------------------------------------------------------------------------

function blockOf(pen: Pen, row: NatRow): string[] {
  const line = (label: string, text: string): string => `    ${pen.paint("dim", label.padEnd(11))}${text}`;
  const counted = row.counters ? `, ${packetsOf(row)} packets` : "";
  return [
    `  ${row.proto} ${kindOf(row)} ${row.direction}  ${pen.paint(stateStyle(row), row.state)}, expires in ${row.expiresSeconds}s${counted}`,
    line("inside", renderEnd(row.insideLocal)),
    ...(row.kind === "none" ? [] : [line("outside", renderEnd(row.insideGlobal))]),
    line("remote", renderEnd(row.outsideGlobal)),
    ...(isSeenOtherwise(row) ? [line("seen as", renderEnd(row.outsideLocal))] : []),
    ...row.by.map((b) => line("wanted by", `${b.owner}${b.at ? `, ${renderOrigin(b.at)}` : ""}`)),
  ];
}

// --- words -----------------------------------------------------------------------------------------------------------

/** "web 172.17.0.4:41234", "203.0.113.80 id 41" */
export function renderEnd({ node, address, port, id }: NatEnd): string {
  const place = port !== undefined ? `${address}:${port}` : id !== undefined ? `${address} id ${id}` : address;
  return node === undefined ? place : `${node} ${place}`;
}

const kindOf = ({ kind, hairpin }: NatRow): string => (hairpin ? `${kind} hairpin` : kind);

const isSeenOtherwise = ({ outsideLocal: l, outsideGlobal: g }: NatRow): boolean =>
  l.address !== g.address || l.port !== g.port;

const packetsOf = ({ counters }: NatRow): string =>
  counters ? `${counters.original.packets} + ${counters.reply.packets}` : "";

const stateStyle = ({ replied, state }: NatRow): Style =>
  !replied ? "yellow" : state === "ESTABLISHED" || state === "ASSURED" ? "green" : "bold";
