/** What decides how names resolve inside a service: dns settings, extra hosts, links. */
import { DocknetError } from "../errors.ts";
import { type Ipv4, type Ipv6, isIpv4, isIpv6, parseIpv6 } from "../net/address.ts";
import type { ProblemList } from "./problem-list.ts";
import { type Placed, readPairs, readTextOrTexts, readTexts } from "./reader.ts";
import type { ServiceSpec } from "./spec.ts";
import { type Entry, entryOf, type Mapping } from "./tree.ts";

type Resolution = Pick<ServiceSpec, "dns" | "dnsSearch" | "dnsOpt" | "extraHosts" | "links">;

export function readResolution(service: Mapping, path: string, problems: ProblemList): Resolution {
  const texts = (key: string): string[] =>
    readTextOrTexts(entryOf(service, key), `${path}.${key}`, problems).map(({ value }) => value);
  return {
    // Compose leaves out what is empty
    dns: readTextOrTexts(entryOf(service, "dns"), `${path}.dns`, problems)
      .filter(({ value }) => value !== "")
      .flatMap((server) => parseDnsServer(server, problems)),
    dnsSearch: texts("dns_search"),
    dnsOpt: readTexts(entryOf(service, "dns_opt"), `${path}.dns_opt`, problems).map(({ value }) => value),
    extraHosts: readExtraHosts(entryOf(service, "extra_hosts"), `${path}.extra_hosts`, problems),
    links: [
      ...readLinks(entryOf(service, "links"), `${path}.links`, false, problems),
      ...readLinks(entryOf(service, "external_links"), `${path}.external_links`, true, problems),
    ],
  };
}

function parseDnsServer({ value, at }: Placed<string>, problems: ProblemList): (Ipv4 | Ipv6)[] {
  if (isIpv4(value)) return [value];
  if (isIpv6(value)) return [parseIpv6(value)];
  problems.error(at, `invalid IP address: ${value}`);
  return [];
}

/** `["host:ip", "host=ip"]` or `{host: ip}` or `{host: [ip, ip]}` (compose-go types/hostList.go). */
function readExtraHosts(entry: Entry | undefined, path: string, problems: ProblemList): ServiceSpec["extraHosts"] {
  if (!entry) return [];
  const placed: { host: string; text: string; at: Placed<string>["at"] }[] = [];
  if (entry.value.kind === "mapping") {
    for (const [host, { at, value }] of entry.value.entries) {
      const lists = value.kind === "sequence" ? readTexts({ at, value }, `${path}.${host}`, problems) : [];
      placed.push(...lists.map((item) => ({ host, text: item.value, at: item.at })));
      if (value.kind === "sequence") continue;
      const text = readPairs(
        { at, value: { kind: "mapping", entries: new Map([[host, { at, value }]]), at } },
        path,
        problems,
      ).get(host);
      if (text) placed.push({ host, text: text.value, at });
    }
  } else {
    for (const { value, at } of readTexts(entry, path, problems)) {
      const cut = value.includes("=") ? value.indexOf("=") : value.indexOf(":");
      if (cut <= 0 || cut === value.length - 1) problems.error(at, `bad format for add-host: "${value}"`);
      else
        placed.push(
          ...value
            .slice(cut + 1)
            .split(",")
            .map((text) => ({ host: value.slice(0, cut), text, at })),
        );
    }
  }
  return placed.flatMap(({ host, text, at }) => {
    if (/[:=]/.test(host)) {
      problems.error(at, `bad host name '${host}'`);
      return [];
    }
    const address = problems.attempt(at, () => parseHostAddress(text));
    return address === undefined ? [] : [{ host, address }];
  });
}

function parseHostAddress(text: string): Ipv4 | Ipv6 | "host-gateway" {
  if (text === "host-gateway") return text;
  const bare = /^\[(.*)\]$/.exec(text)?.[1] ?? text;
  if (isIpv4(bare)) return bare;
  if (isIpv6(bare)) return parseIpv6(bare);
  throw new DocknetError("LAB_FILE", `invalid IP address in add-host: "${text}"`);
}

function readLinks(
  entry: Entry | undefined,
  path: string,
  external: boolean,
  problems: ProblemList,
): ServiceSpec["links"] {
  return readTexts(entry, path, problems).flatMap(({ value, at }) => {
    const parts = value.split(":");
    // with more colons than one Compose takes the whole for a service's name
    const [service = "", alias = service] = parts.length === 2 ? parts : [value];
    if (service === "" || alias === "") {
      problems.error(at, `bad format for links: ${value}`, "Write SERVICE or SERVICE:ALIAS");
      return [];
    }
    if (external)
      problems.warn(at, `external link "${value}" is not emulated: only containers of this lab can be linked`);
    return [{ service, alias, external, at }];
  });
}
