/**
 * The zones that the lab's internet serves: example.test (RFC 6761 keeps "test." for this) and the reverse zones of its addresses.
 *
 *   example.test, www.example.test        A  the web server
 *   dns.example.test, ns.example.test     A  the name server
 *   router.example.test                   A  the home router's public side
 *   80.113.0.203.in-addr.arpa             PTR www.example.test, and so on
 *   whoami.example.test                   TXT who asks, as the server sees it, like whoami.akamai.net
 */
import type { Ipv4 } from "../net/address.ts";
import type { State } from "../state/state.ts";

/** Names are lower case, without the last dot, of letters, digits, hyphens and underscores. */
export type ZoneRecord =
  | { readonly name: string; readonly type: "A"; readonly data: Ipv4 }
  | { readonly name: string; readonly type: "NS" | "PTR" | "TXT"; readonly data: string };

/** RFC 1035 3.3.13; times in seconds. */
export interface Soa {
  readonly mname: string;
  readonly rname: string;
  readonly serial: number;
  readonly refresh: number;
  readonly retry: number;
  readonly expire: number;
  /** How long "no such name" may be kept (RFC 2308 section 4). */
  readonly minimum: number;
}

export interface Zone {
  readonly origin: string;
  readonly soa: Soa;
  /** Seconds that a record may be kept. */
  readonly ttl: number;
  /** All but the SOA. */
  readonly records: readonly ZoneRecord[];
}

const ORIGIN = "example.test";
const NAME_SERVER = `ns.${ORIGIN}`;
export const WHOAMI = `whoami.${ORIGIN}`;

/** The zones of a lab's world. Pure. */
export function worldZones({ internet, router }: State["world"]): Zone[] {
  const hosts = [
    { name: `www.${ORIGIN}`, address: internet.www },
    { name: `dns.${ORIGIN}`, address: internet.dns },
    { name: `router.${ORIGIN}`, address: router.public },
  ];
  const aliases = [
    { name: ORIGIN, address: internet.www },
    { name: NAME_SERVER, address: internet.dns },
  ];
  const forward = zone(
    ORIGIN,
    [...hosts, ...aliases].map(({ name, address }): ZoneRecord => ({ name, type: "A", data: address })),
  );
  const origins = [...new Set(hosts.map(({ address }) => parentOf(reverseName(address))))];
  const reverse = origins.map((origin) =>
    zone(
      origin,
      hosts
        .filter(({ address }) => parentOf(reverseName(address)) === origin)
        .map(({ name, address }): ZoneRecord => ({ name: reverseName(address), type: "PTR", data: name })),
    ),
  );
  return [forward, ...reverse];
}

/** The zone of one answer: it is another's in the next. @param line what a responder would say, at most 255 bytes */
export function whoamiZone(line: string): Zone {
  return { ...zone(WHOAMI, [{ name: WHOAMI, type: "TXT", data: line }]), ttl: 0 };
}

/** "203.0.113.80" is "80.113.0.203.in-addr.arpa" (RFC 1035 3.5). */
export function reverseName(address: Ipv4): string {
  return `${address.split(".").reverse().join(".")}.in-addr.arpa`;
}

/** The zone that a name is in: the longest origin that it ends with (RFC 1034 4.3.2 step 2). */
export function zoneOf(zones: readonly Zone[], name: string): Zone | undefined {
  return zones
    .filter(({ origin }) => isBelow(name, origin))
    .reduce<Zone | undefined>((best, z) => (best && best.origin.length >= z.origin.length ? best : z), undefined);
}

/** A name also exists when only a longer one has records (RFC 8020, empty non-terminals of RFC 4592 2.2.2). */
export function nameExists(zone: Zone, name: string): boolean {
  return name === zone.origin || zone.records.some((record) => isBelow(record.name, name));
}

/** The name itself counts too. */
function isBelow(name: string, ancestor: string): boolean {
  return name === ancestor || name.endsWith(`.${ancestor}`);
}

function zone(origin: string, records: readonly ZoneRecord[]): Zone {
  return {
    origin,
    soa: {
      mname: NAME_SERVER,
      rname: `hostmaster.${ORIGIN}`,
      serial: 1,
      refresh: 3600,
      retry: 600,
      expire: 86_400,
      minimum: 60,
    },
    ttl: 300,
    records: [{ name: origin, type: "NS", data: NAME_SERVER }, ...records],
  };
}

const parentOf = (name: string): string => name.slice(name.indexOf(".") + 1);
