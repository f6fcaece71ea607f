/** Lists of ports for people: a long run of consecutive ports is one item, and what was a page is a line. */

/** Shorter runs stay as they are: each port is then a word that one may look for. */
const SHORTEST_JOINED = 9;

interface Run {
  readonly head: string;
  readonly proto: string;
  readonly host: number | undefined;
  readonly port: number;
  length: number;
}

/** @param texts "80/tcp", "0.0.0.0:8080->80/tcp" or, without a host port, "0.0.0.0:->80/tcp"; what is none of these stays. */
export function joinPortRuns(texts: readonly string[]): string[] {
  const open = new Map<string, Run>();
  const placed = texts.map((text): { readonly text: string; readonly run?: Run; readonly isFirst?: boolean } => {
    const [, head = "", host = "", port, proto = ""] = /^(?:(.*:)(\d*)->)?(\d+)\/(\w+)$/.exec(text) ?? [];
    if (port === undefined) return { text };
    const next: Run = { head, proto, host: host === "" ? undefined : Number(host), port: Number(port), length: 1 };
    const key = `${head} ${proto} ${next.host === undefined ? "" : next.port - next.host}`;
    const run = open.get(key);
    if (run && run.port + run.length === next.port) {
      run.length++;
      return { text, run };
    }
    open.set(key, next);
    return { text, run: next, isFirst: true };
  });
  return placed.flatMap(({ text, run, isFirst }) => {
    if (!run || run.length < SHORTEST_JOINED) return [text];
    return isFirst ? [renderRun(run)] : [];
  });
}

function renderRun({ head, proto, host, port, length }: Run): string {
  const range = (first: number): string => `${first}-${first + length - 1}`;
  const left = head === "" ? "" : `${head}${host === undefined ? "" : range(host)}->`;
  return `${left}${range(port)}/${proto}`;
}
