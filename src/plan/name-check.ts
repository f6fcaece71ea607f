/**
 * Who resolves whom, to what: questions for the embedded DNS servers, with the answers that the State wants. Containers on the same
 * networks get the same answers, so one of them asks for every name and each of the others for one, which proves its own way there.
 */
import type { Origin } from "../errors.ts";
import type { Ipv4 } from "../net/address.ts";
import type { NodeName } from "../net/name.ts";
import { dnsNames, lookupName } from "../state/names.ts";
import { type Container, hasDefaultGateway, networkById, type State } from "../state/state.ts";
import { resolverPorts } from "./embedded-dns.ts";

/** resolves: to these addresses. unknown: the server answers, with no address. no server: nobody listens at 127.0.0.11. */
export type NameExpectation =
  | { readonly kind: "resolves"; readonly addresses: readonly Ipv4[] }
  | { readonly kind: "unknown" }
  | { readonly kind: "no server" };

export interface NameCheck {
  /** "name/web/db" */
  readonly id: string;
  readonly from: NodeName;
  readonly name: string;
  readonly claim: string;
  readonly expected: NameExpectation;
  readonly because: string;
  /** Id of the check by which the same server shows that it answers. */
  readonly control?: string;
  readonly at?: Origin;
}

/** A name of the lab's internet (dns/zone.ts). */
const EXTERNAL = "www.example.test";

export function nameChecksOf(state: State): NameCheck[] {
  const askers = state.containers.filter((c) => c.status === "running" && c.sandbox.kind === "own");
  const groups = new Set<string>();
  return askers.flatMap((asker): NameCheck[] => {
    if (!resolverPorts(asker)) return asker.endpoints.length > 0 ? [withoutServer(state, asker)] : [];
    const group = `${asker.endpoints.map((e) => e.network).sort()} ${JSON.stringify(asker.attachments.map((a) => a.links))}`;
    const first = !groups.has(group);
    groups.add(group);
    const known = knownTo(state, asker);
    const positives = (first ? known : known.slice(0, 1)).map((name) => resolves(state, asker, name));
    const control = positives[0]?.id;
    const strangers = first ? askers.filter((c) => lookupName(state, asker, c.name) === undefined).slice(0, 3) : [];
    return [
      ...positives,
      ...strangers.map((c) => unknown(asker, c.name, `${c.node} is on none of its networks`, control)),
      ...(first ? [external(state, asker, control)] : []),
    ];
  });
}

/** Names of its peers, those of itself last; names of several containers once. */
function knownTo(state: State, asker: Container): string[] {
  const networks = new Set(asker.endpoints.map((e) => e.network).filter((id) => !networkById(state, id).isDefault));
  const peers = state.containers.filter((c) => c.endpoints.some((e) => networks.has(e.network)));
  const names = [...peers.filter((c) => c !== asker), asker].flatMap((c) =>
    c.endpoints
      .filter((e) => networks.has(e.network))
      .flatMap((e) => dnsNames(c, e).filter((n) => n !== c.id.slice(0, 12))),
  );
  return [...new Set(names)];
}

function resolves(state: State, asker: Container, name: string): NameCheck {
  const addresses = lookupName(state, asker, name) ?? [];
  const label = addresses.join(" and ");
  return {
    ...of(asker, name),
    claim: `${asker.node} resolves ${name} to ${label}`,
    expected: { kind: "resolves", addresses },
    because: `a container on a network of ${asker.node} is called ${name}`,
  };
}

function unknown(asker: Container, name: string, because: string, control: string | undefined): NameCheck {
  return {
    ...of(asker, name),
    claim: `${asker.node} does not resolve ${name}`,
    expected: { kind: "unknown" },
    because,
    ...(control ? { control } : {}),
  };
}

function external(state: State, asker: Container, control: string | undefined): NameCheck {
  const { www } = state.world.internet;
  const leadsOut = asker.endpoints.some((e) => hasDefaultGateway(networkById(state, e.network)));
  if (!leadsOut && asker.dns.servers.length === 0)
    return unknown(asker, EXTERNAL, `none of its networks leads out, so ${EXTERNAL} is not forwarded`, control);
  return {
    ...of(asker, EXTERNAL),
    claim: `${asker.node} resolves ${EXTERNAL} to ${www}, asked of the internet`,
    expected: { kind: "resolves", addresses: [www] },
    because: "names of no container are forwarded",
  };
}

function withoutServer(state: State, asker: Container): NameCheck {
  const network = asker.endpoints[0] ? networkById(state, asker.endpoints[0].network).name : "bridge";
  return {
    ...of(asker, asker.name),
    claim: `${asker.node} has no DNS server at 127.0.0.11`,
    expected: { kind: "no server" },
    because: `network ${network} is the default bridge`,
  };
}

const of = (asker: Container, name: string) => ({
  id: `name/${asker.node}/${name}`,
  from: asker.node,
  name,
  ...(asker.at ? { at: asker.at } : {}),
});
