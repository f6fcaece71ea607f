/** Columns as docker's tabwriter lines them up: cells end with a tab, a column is as wide as the widest of its cells in adjoining lines. */

export interface TableLayout {
  /** The least width of a column, padding included. */
  readonly minWidth: number;
  readonly padding: number;
}

/** docker ps, docker network ls. Source: docker/cli cli/command/formatter (tabwriter 10, 1, 3). */
const LISTING: TableLayout = { minWidth: 10, padding: 3 };

/** Lines with tabs as lines with blanks. The last cell of a line is not padded and does not widen its column. */
export function alignColumns(text: string, layout: TableLayout = LISTING): string {
  const lines = text.split("\n").map((line) => line.split("\t"));
  const widths = lines.map((): number[] => []);
  const columns = Math.max(...lines.map((cells) => cells.length)) - 1;
  for (let column = 0; column < columns; column++) {
    for (let from = 0; from < lines.length; ) {
      let to = from;
      let width = layout.minWidth;
      for (; (lines[to]?.length ?? 0) > column + 1; to++)
        width = Math.max(width, widthOf(lines[to]?.[column] ?? "") + layout.padding);
      for (let at = from; at < to; at++) widths[at]?.push(width);
      from = Math.max(to, from + 1);
    }
  }
  return lines.map((cells, line) => cells.map((cell, at) => padTo(cell, widths[line]?.[at])).join("")).join("\n");
}

/** In characters, as Go counts runes. */
const widthOf = (text: string): number => [...text].length;

const padTo = (cell: string, width: number | undefined): string =>
  width === undefined ? cell : cell + " ".repeat(Math.max(0, width - widthOf(cell)));
