/** Matrices as a run would give them: one with every glyph and mark and a walk, one that is wide, one of a hostile lab. */
import type { Matrix, MatrixCell, MatrixTarget } from "../../src/observe/matrix.ts";
import type { Walk } from "../../src/observe/walk/walk.ts";

const at = { file: "compose.yaml", line: 3, column: 3 };

const WALK: Walk = {
  schema: 1,
  docknet: "0.1.0",
  lab: "shop",
  from: "@neighbour",
  to: "192.168.0.10:8080/tcp",
  address: "192.168.0.10",
  port: 8080,
  proto: "tcp",
  verdict: "drop",
  reason: "filter FORWARD takes it: -A FORWARD -j DROP",
  rule: { node: "@host", table: "filter", chain: "FORWARD", rule: "-A FORWARD -j DROP", verdict: "DROP" },
  ways: [
    {
      kind: "request",
      packet: "tcp SYN",
      hops: [
        {
          node: "@host",
          action: "drop",
          in: { link: "eth0", src: "192.168.0.20", sport: 40000, dst: "192.168.0.10", dport: 8080, ttl: 64 },
          steps: [],
          because: "filter FORWARD takes it",
        },
      ],
    },
  ],
  conntrack: [],
  warnings: [],
};

const COLUMNS: readonly MatrixTarget[] = [
  {
    kind: "service",
    name: "web:80",
    label: "web:80/tcp",
    container: "web",
    port: 80,
    proto: "tcp",
    control: "PASS",
    at,
  },
  {
    kind: "service",
    name: "db:5432",
    label: "db:5432/tcp",
    container: "db",
    port: 5432,
    proto: "tcp",
    control: "FAIL",
  },
  { kind: "service", name: "db:9/sctp", label: "db:9/sctp", container: "db", port: 9, proto: "sctp" },
  {
    kind: "published",
    name: "@host:8080",
    label: "0.0.0.0:8080->80/tcp of web",
    container: "web",
    port: 80,
    proto: "tcp",
    control: "PASS",
    at,
  },
];

const ends = (from: string, to: MatrixTarget) => ({ from, to: to.label, proto: to.proto });
const predicted = {
  outcome: "reach",
  seenAs: "192.168.0.20",
  server: "web",
  because: "the port is published",
} as const;
const rule = {
  node: "@host",
  table: "raw",
  chain: "PREROUTING",
  rule: "-A PREROUTING -d 172.18.0.2/32 ! -i br-1 -j DROP",
  owner: "direct access to web",
};

function row(from: string, marks: string): MatrixCell[] {
  return COLUMNS.map((column, i): MatrixCell => {
    const cell = { ...ends(from, column), address: "172.18.0.2", port: column.port };
    const kept = { verdict: "PASS", reasons: [] } as const;
    switch (marks[i]) {
      case "+":
        return {
          ...cell,
          predicted,
          observed: { outcome: "reach", seenAs: "192.168.0.20:40000", server: "web", afterMs: 1 },
          ...kept,
        };
      case ".":
        return {
          ...cell,
          predicted: { outcome: "drop", because: "no way in from outside its bridge", rule },
          observed: { outcome: "drop", afterMs: 250 },
          ...kept,
        };
      case "x":
        return {
          ...cell,
          predicted: { outcome: "refuse", because: "nobody listens" },
          observed: { outcome: "refuse", errno: "ECONNREFUSED", afterMs: 1 },
          ...kept,
        };
      case "0":
        return {
          ...cell,
          predicted: { outcome: "unreachable", because: "it has no route" },
          observed: { outcome: "unreachable", errno: "ENETUNREACH", afterMs: 0 },
          ...kept,
        };
      case "!":
        return {
          ...cell,
          predicted,
          observed: { outcome: "drop", afterMs: 3000 },
          verdict: "FAIL",
          reasons: ["met with silence, not answered"],
        };
      case "?":
        return {
          ...cell,
          predicted: { outcome: "drop", because: "no way in from outside its bridge" },
          observed: { outcome: "drop", afterMs: 250 },
          verdict: "INCONCLUSIVE",
          reasons: ["silence proves nothing: nobody listens there"],
        };
      case "~":
        return { ...cell, predicted, reasons: ["docknet sends no sctp"] };
      default:
        return { ...ends(from, column), reasons: [`${column.container} has no address`] };
    }
  });
}

export function sampleMatrix(): Matrix {
  const cells = [row("web", "+.~+"), row("db", "0x~x"), row("@neighbour", ".?-!")].flat();
  return {
    schema: 1,
    docknet: "0.1.0",
    lab: "shop",
    files: ["compose.yaml"],
    profile: "docker-29",
    kernel: "6.18.0",
    verdict: "FAIL",
    counts: { cells: 12, pass: 7, fail: 1, inconclusive: 1, notSent: 3 },
    rows: [
      { name: "web", kind: "container", at },
      { name: "db", kind: "container" },
      { name: "@neighbour", kind: "world" },
    ],
    columns: COLUMNS,
    cells,
    walks: [{ from: "@neighbour", to: "0.0.0.0:8080->80/tcp of web", cells: 1, repeated: true, walk: WALK }],
    notWalked: 0,
    drift: [
      {
        node: "@host",
        kind: "rule",
        problem: "unexpected",
        what: "filter FORWARD: -A FORWARD -j DROP",
        found: "position 1",
      },
    ],
    warnings: [{ message: "docknet serves no sctp", at, remedy: "Serve tcp" }],
    durations: { buildMs: 120.4, probeMs: 260.2, walkMs: 40 },
  };
}

/** By prediction, `count` columns. */
export function wideMatrix(count: number): Matrix {
  const { walks: _, verdict: __, ...sample } = sampleMatrix();
  const columns = Array.from({ length: count }, (_, i): MatrixTarget => {
    const label = `service-${i + 1}:80/tcp`;
    return {
      kind: "service",
      name: `service-${i + 1}:80`,
      label,
      container: `service-${i + 1}`,
      port: 80,
      proto: "tcp",
    };
  });
  const cells = sample.rows.flatMap(({ name }) =>
    columns.map((column): MatrixCell => ({ ...ends(name, column), predicted, reasons: [] })),
  );
  const counts = { cells: cells.length, pass: 0, fail: 0, inconclusive: 0, notSent: cells.length };
  return { ...sample, columns, cells, counts, walks: [], drift: [], warnings: [] };
}

/** Every text of it is `poison`. */
export function hostileMatrix(poison: string): Matrix {
  const spoil = <T>(value: T, key = ""): T => {
    const kept = ["kind", "proto", "verdict", "outcome", "action", "problem", "control"].includes(key);
    if (typeof value === "string") return (kept ? value : poison) as T;
    if (Array.isArray(value)) return value.map((v) => spoil(v, key)) as T;
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([k, inner]) => [k, spoil(inner, k)])) as T;
  };
  return spoil(sampleMatrix());
}
