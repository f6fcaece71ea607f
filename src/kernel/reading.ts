/** Reads one namespace back with iproute2: a tool other than the rtnetlink encoders that built it. For drift and for tests. */
import { readFileSync } from "node:fs";
import { execa } from "execa";
import { DocknetError } from "../errors.ts";
import { type KernelRule, readRules } from "./firewall/rules.ts";
import { type Netns, sysctlPath } from "./netns.ts";

export interface NodeReading {
  readonly links: readonly LinkReading[];
  readonly routes: readonly RouteReading[];
  /** undefined: the key does not exist. */
  readonly sysctls: ReadonlyMap<string, string | undefined>;
  readonly rules: readonly KernelRule[];
}

export interface LinkReading {
  readonly name: string;
  readonly mac: string;
  readonly mtuBytes: number;
  readonly up: boolean;
  readonly master?: string;
  /** Of a macvlan: "bridge". */
  readonly mode?: string;
  /** IPv4 only, "172.17.0.2/16". */
  readonly addresses: readonly string[];
}

export interface RouteReading {
  /** "0.0.0.0/0" for the default. */
  readonly to: string;
  readonly via: string;
  readonly link: string;
}

/** @throws DocknetError KERNEL_REFUSED */
export async function readNode(ns: Netns, sysctls: readonly string[]): Promise<NodeReading> {
  const started = ns.enter(() => ({
    links: ipJson(ns, ["-4", "address", "show"]),
    all: ipJson(ns, ["-d", "link", "show"]),
    routes: ipJson(ns, ["-4", "route", "show"]),
    sysctls: new Map(sysctls.map((key) => [key, readSysctl(key)])),
  }));
  const [addresses, links, routes, rules] = await Promise.all([
    started.links,
    started.all,
    started.routes,
    readRules(ns),
  ]);
  const addressesOf = new Map(addresses.map((l) => [String(l.ifname), (l.addr_info as JsonRow[] | undefined) ?? []]));
  return {
    links: links.map((l) => decodeLink(l, addressesOf.get(String(l.ifname)) ?? [])),
    routes: routes.filter((r) => r.gateway !== undefined).map(decodeRoute),
    sysctls: started.sysctls,
    rules,
  };
}

type JsonRow = Readonly<Record<string, unknown>>;

async function ipJson(ns: Netns, args: readonly string[]): Promise<JsonRow[]> {
  const result = await execa("ip", ["-j", ...args], {
    reject: false,
    timeout: 20_000,
    env: { PATH: "/usr/sbin:/sbin:/usr/bin:/bin" },
  });
  if (result.exitCode !== 0)
    throw new DocknetError(
      "KERNEL_REFUSED",
      `Cannot read ${ns.label}: ip says ${result.stderr || result.shortMessage}`,
      { remedy: "Install the Debian package iproute2" },
    );
  const rows: unknown = JSON.parse(result.stdout || "[]");
  // `ip -j -4 address` prints {} for links without addresses
  return Array.isArray(rows)
    ? rows.filter((r): r is JsonRow => typeof r === "object" && r !== null && Object.keys(r).length > 0)
    : [];
}

function decodeLink(row: JsonRow, addresses: readonly JsonRow[]): LinkReading {
  const flags = Array.isArray(row.flags) ? row.flags : [];
  return {
    name: String(row.ifname),
    mac: String(row.address ?? ""),
    mtuBytes: Number(row.mtu ?? 0),
    up: flags.includes("UP"),
    ...(row.master ? { master: String(row.master) } : {}),
    ...macvlanMode(row.linkinfo),
    addresses: addresses.filter((a) => a.family === "inet").map((a) => `${a.local}/${a.prefixlen}`),
  };
}

/** `linkinfo` of `ip -d -j link`. */
function macvlanMode(info: unknown): { mode?: string } {
  const { info_kind: kind, info_data: data } = (info ?? {}) as JsonRow;
  const mode = ((data ?? {}) as JsonRow).mode;
  return kind === "macvlan" && typeof mode === "string" ? { mode } : {};
}

function decodeRoute(row: JsonRow): RouteReading {
  const to = String(row.dst);
  return {
    to: to === "default" ? "0.0.0.0/0" : to.includes("/") ? to : `${to}/32`,
    via: String(row.gateway),
    link: String(row.dev),
  };
}

/** In the namespace of this thread. undefined: the key does not exist. */
export function readSysctl(key: string): string | undefined {
  try {
    return readFileSync(sysctlPath(key), "utf8").trim().replaceAll(/\s+/g, " ");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
