/**
 * The lab as a tree that hangs from the internet, as packets see it:
 *
 *   @internet  203.0.113.80
 *      │
 *   @router  203.0.113.91, 192.168.0.1
 *      │       203.0.113.91:8080->192.168.0.10:8080/tcp
 *      │
 *      ├─ @neighbour  192.168.0.20
 *      │
 *   @host  192.168.0.10
 *      ├─ network bridge: docker0, 172.17.0.0/16, gateway 172.17.0.1
 *      │    └─ web  172.17.0.4  serves 80/tcp  published 0.0.0.0:8080->80/tcp
 *      └─ the host's own network
 *           └─ agent  serves 9000/tcp
 */
import type { Topology } from "../observe/report.ts";
import type { Pen } from "./pen.ts";
import { joinPortRuns } from "./port-runs.ts";

type Node = Topology["nodes"][number];
type Network = Topology["networks"][number];

interface Branch {
  readonly title: string;
  readonly leaves: readonly Leaf[];
}

interface Leaf {
  readonly name: string;
  readonly address: string;
  readonly detail: string;
}

/** @param most containers shown of one network */
export function drawLab(topology: Topology, pen: Pen, most: number): string[] {
  const kind = (wanted: string): Node[] => topology.nodes.filter((n) => n.kind === wanted);
  const branches = branchesOf(topology);
  const { down, fork } = pen.lines;
  const bar = pen.paint("dim", `     ${down}`);
  const chain = [...kind("internet"), ...kind("router")].flatMap((node) => [
    ...worldLine(node, "  ", pen),
    ...node.published.map((text) => `${bar}       ${text}`),
    bar,
  ]);
  const neighbours = kind("neighbour").flatMap((node) => worldLine(node, `     ${fork} `, pen));
  const hosts = kind("host").flatMap((node) => worldLine(node, "  ", pen));
  return [
    ...chain,
    ...(neighbours.length > 0 ? [...neighbours, bar] : []),
    ...hosts,
    ...branches.flatMap((branch, i) => branchLines(branch, i === branches.length - 1, pen, most)),
    ...alone(topology, pen),
  ];
}

function worldLine(node: Node, lead: string, pen: Pen): string[] {
  return [`${pen.paint("dim", lead)}${pen.paint("bold", node.name)}  ${node.attachments.join(", ")}`];
}

function branchesOf(topology: Topology): Branch[] {
  const named = new Set<string>();
  const detailOnce = (node: Node): string => {
    if (named.has(node.name)) return "";
    named.add(node.name);
    return detailOf(node);
  };
  const containers = topology.nodes.filter((n) => n.kind === "container");
  const networks = topology.networks.map((network): Branch => {
    const leaves = containers.flatMap((node) =>
      node.attachments.flatMap((text): Leaf[] => {
        const attachment = attachmentOf(text);
        if (attachment?.network !== network.name) return [];
        return [{ name: node.name, address: attachment.address, detail: detailOnce(node) }];
      }),
    );
    return { title: networkTitle(network), leaves };
  });
  const inHost = containers
    .filter((n) => n.attachments.includes(HOST_NETWORK))
    .map((n): Leaf => ({ name: n.name, address: "", detail: detailOf(n) }));
  return [
    ...networks,
    ...(inHost.length > 0 ? [{ title: "host network: no sandbox of their own", leaves: inHost }] : []),
  ];
}

const HOST_NETWORK = "host network";

/** "172.17.0.2 on bridge (eth0)" */
function attachmentOf(text: string): { address: string; network: string } | undefined {
  const [, address, network] = /^(\S+) on (.+?)(?: \([^)]*\))?$/.exec(text) ?? [];
  return address && network ? { address, network } : undefined;
}

function networkTitle({ name, driver, bridge, parent, subnet, gateway, internal, mode }: Network): string {
  const isMacvlan = driver === "macvlan";
  const parts = [
    isMacvlan ? `macvlan on ${parent}` : (bridge ?? ""),
    subnet,
    ...(gateway ? [`gateway ${gateway}`] : []),
    ...(internal ? ["internal: no way out"] : []),
    ...(isMacvlan ? [`mode ${mode}`] : mode === "nat" ? [] : [`gateway mode ${mode}`]),
  ];
  return `network ${name}: ${parts.join(", ")}`;
}

function detailOf({ serves, published }: Node): string {
  return [
    ...(serves.length > 0 ? [`serves ${joinPortRuns(serves).join(", ")}`] : []),
    ...(published.length > 0 ? [`published ${joinPortRuns(published).join(", ")}`] : []),
  ].join("; ");
}

function branchLines({ title, leaves }: Branch, last: boolean, pen: Pen, most: number): string[] {
  const { down, fork, last: end } = pen.lines;
  const lead = pen.paint("dim", `     ${last ? end : fork} `);
  const [name, rest = ""] = splitAt(title, ":");
  const stem = `     ${last ? " " : down}    `;
  const shown = leaves.slice(0, most);
  const hidden = leaves.length - shown.length;
  const nameColumn = Math.max(0, ...shown.map((l) => l.name.length));
  const addressColumn = Math.max(0, ...shown.map((l) => l.address.length));
  const rows = shown.flatMap(({ name: leaf, address, detail }, i) => {
    const tip = hidden === 0 && i === shown.length - 1 ? end : fork;
    const head = `${pen.paint("dim", `${stem}${tip} `)}${pen.paint("bold", leaf)}${" ".repeat(nameColumn - leaf.length)}  ${address.padEnd(addressColumn)}`;
    const column = stem.length + 3 + nameColumn + 2 + addressColumn + (addressColumn > 0 ? 2 : 0);
    const [first = "", ...more] = pen.wrap(detail, column);
    const under = `${stem}${tip === end ? " " : down}`.padEnd(column);
    return [
      `${head}${addressColumn > 0 ? "  " : ""}${first}`.trimEnd(),
      ...more.map((line) => `${pen.paint("dim", under)}${line}`),
    ];
  });
  const [first = "", ...more] = pen.wrap(rest, 8 + name.length);
  const wrapped = more.map((line) => `${pen.paint("dim", `${stem.trimEnd().padEnd(8)}`)}${line}`);
  return [
    `${lead}${pen.paint("cyan", name)}${first}`,
    ...wrapped,
    ...rows,
    ...(hidden > 0 ? [pen.paint("dim", `${stem}${end} and ${hidden} more`)] : []),
  ];
}

/** Those on no network of the list: none at all, or another's sandbox. */
function alone(topology: Topology, pen: Pen): string[] {
  const networks = new Set(topology.networks.map((n) => n.name));
  const placed = (text: string): boolean => text === HOST_NETWORK || networks.has(attachmentOf(text)?.network ?? "");
  const rest = topology.nodes.filter((n) => n.kind === "container" && !n.attachments.some(placed));
  if (rest.length === 0) return [];
  return [
    "",
    ...rest.map((n) => {
      const detail = [n.attachments.join(", "), detailOf(n)].filter((t) => t !== "").join("; ");
      return `  ${pen.paint("bold", n.name)}  ${detail}`.trimEnd();
    }),
  ];
}

function splitAt(text: string, mark: string): [string, string] {
  const i = text.indexOf(mark);
  return i < 0 ? [text, ""] : [text.slice(0, i), text.slice(i)];
}
