/** Top-level `networks:`. Sources: Compose specification 06-networks.md; compose-go validation/external.go. */
import type { Origin } from "../errors.ts";
import { rangeOf } from "../net/address.ts";
import type { LabName } from "../net/name.ts";
import { readIpam } from "./ipam.ts";
import type { ProblemList } from "./problem-list.ts";
import { readBoolean, readMapping, readPairs, readString, toRecord } from "./reader.ts";
import type { NetworkSpec } from "./spec.ts";
import { type Entry, entryOf, isNull, type Mapping, mapping, type Tree } from "./tree.ts";

/** The network that a service joins when it names none. */
export const DEFAULT_NETWORK = "default";

const EMULATED_DRIVERS: readonly string[] = ["bridge", "macvlan"];

/** Every declared network, in file order. */
export function readNetworks(tree: Tree, project: LabName, problems: ProblemList): NetworkSpec[] {
  const section = readMapping(entryOf(tree, "networks"), "networks", problems);
  if (!section) return [];
  const networks = [...section.entries].flatMap(([key, entry]): NetworkSpec[] => {
    const path = `networks.${key}`;
    if (!isNull(entry.value) && !readMapping(entry, path, problems)) return [];
    const body = entry.value.kind === "mapping" ? entry.value : mapping(new Map(), entry.at);
    return [readNetwork(key, body, entry.at, project, problems)];
  });
  checkOverlaps(networks, problems);
  return networks;
}

/** The network that stands for a file's silence; `at` is the service that made it necessary. */
export function implicitNetwork(project: LabName, at: Origin): NetworkSpec {
  return {
    key: DEFAULT_NETWORK,
    name: `${project}_${DEFAULT_NETWORK}`,
    external: false,
    driver: "bridge",
    driverOpts: {},
    internal: false,
    attachable: false,
    enableIpv4: true,
    enableIpv6: false,
    labels: {},
    ipam: [],
    at,
  };
}

/** An external network has no settings of its own but its name, and what x-docknet says of it. */
const EXTERNAL_KEYS: readonly string[] = ["name", "external", "x-docknet"];

function readNetwork(key: string, written: Mapping, at: Origin, project: LabName, problems: ProblemList): NetworkSpec {
  const path = `networks.${key}`;
  const { external, name: externalName } = readExternal(written, path, problems);
  const body = external
    ? mapping(new Map([...written.entries].filter(([name]) => EXTERNAL_KEYS.includes(name))), written.at)
    : written;
  const entry = (name: string): Entry | undefined => entryOf(body, name);
  const flag = (name: string): boolean | undefined => readBoolean(entry(name), `${path}.${name}`, problems);
  const driverEntry = entry("driver");
  const driver =
    (driverEntry && !isNull(driverEntry.value) && readString(driverEntry, `${path}.driver`, problems)) || "bridge";
  const name = readString(entry("name"), `${path}.name`, problems);
  if (name === "") problems.error(entry("name")?.at, "invalid name: name is empty");
  if (name && externalName && name !== externalName)
    problems.error(entry("external")?.at, `${path}: name and external.name conflict; only use name`);
  if (!external && !EMULATED_DRIVERS.includes(driver)) {
    problems.warn(
      entry("driver")?.at,
      `network driver "${driver}" is not emulated yet`,
      "Use the bridge or the macvlan driver to test this network",
    );
  }
  const enableIpv6 = flag("enable_ipv6") ?? false;
  if (enableIpv6) problems.warn(entry("enable_ipv6")?.at, "IPv6 is not emulated: enable_ipv6 has no effect");
  return {
    key,
    name: name || externalName || (external ? key : `${project}_${key}`),
    external,
    driver,
    driverOpts: toRecord(
      readPairs(mappingOnly(entry("driver_opts"), `${path}.driver_opts`, problems), `${path}.driver_opts`, problems),
    ),
    internal: flag("internal") ?? false,
    attachable: flag("attachable") ?? false,
    enableIpv4: flag("enable_ipv4") ?? true,
    enableIpv6,
    labels: toRecord(readPairs(entry("labels"), `${path}.labels`, problems)),
    ipam: readIpam(entry("ipam"), `${path}.ipam`, driver, problems),
    at,
  };
}

/** Options are a mapping only, unlike labels. */
export function mappingOnly(entry: Entry | undefined, path: string, problems: ProblemList): Entry | undefined {
  return readMapping(entry, path, problems, true) ? entry : undefined;
}

/** `true`, or the deprecated `{name: ...}`; an external network has no settings here, somebody else made it. */
function readExternal(body: Mapping, path: string, problems: ProblemList): { external: boolean; name?: string } {
  const entry = entryOf(body, "external");
  if (!entry) return { external: false };
  const isObject = entry.value.kind === "mapping";
  const external = isObject ? true : (readBoolean(entry, `${path}.external`, problems) ?? false);
  const name = isObject ? readString(entryOf(entry.value, "name"), `${path}.external.name`, problems) : undefined;
  if (external) {
    for (const [key, { at }] of body.entries) {
      if (key === "name" || key === "external" || key.startsWith("x-")) continue;
      problems.warn(at, `${path}: ${key} is ignored, since the network is external: somebody else made it`);
    }
  }
  return { external, ...(name ? { name } : {}) };
}

/** Two networks of one file on one range: Docker refuses the later. A sweep by address, so that size does not matter. */
function checkOverlaps(networks: readonly NetworkSpec[], problems: ProblemList): void {
  const pools = networks
    .filter((network) => !network.external && EMULATED_DRIVERS.includes(network.driver))
    .flatMap((network) => network.ipam.flatMap(({ subnet, at }) => (subnet ? [{ key: network.key, subnet, at }] : [])))
    .map((pool, order) => ({ ...pool, order, ...rangeOf(pool.subnet) }));
  const sorted = [...pools].sort((a, b) => a.first - b.first || a.order - b.order);
  let widest = sorted[0];
  for (const pool of sorted.slice(1)) {
    if (widest && pool.first <= widest.last && pool.key !== widest.key) {
      const [earlier, later] = pool.order > widest.order ? [widest, pool] : [pool, widest];
      problems.error(
        later.at,
        "invalid pool request: Pool overlaps with other one on this address space",
        `Choose a subnet that does not overlap ${earlier.subnet} of network "${earlier.key}"`,
      );
    }
    if (!widest || pool.last > widest.last) widest = pool;
  }
}
