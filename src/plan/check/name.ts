/**
 * Who resolves whom, to what: questions for the embedded DNS servers, with the answers that the State wants. Containers on the same
 * networks get the same answers, so one of them asks for every name and each of the others for one, which proves its own way there.
 * What becomes of other names: name-forward.ts.
 */
import type { Origin } from "../../errors.ts";
import { type Ipv4, isLoopback } from "../../net/address.ts";
import { dnsNameFault } from "../../net/dns-name.ts";
import type { NodeName } from "../../net/name.ts";
import { dnsNames, lookupName } from "../../state/names.ts";
import { type Container, networkById, type State } from "../../state/state.ts";
import { resolverPorts } from "../firewall/embedded-dns.ts";
import { embeddedSources, type Forwarded, predictForward } from "../predict/name-forward.ts";

/**
 * resolves: to these addresses. unknown: the server answers that there is none. unanswered: nobody that it asks has an answer; it says so
 * at once, or where a server is silent only after that. unaskable: no question can hold the name. no server: nobody listens at 127.0.0.11.
 */
export type NameExpectation =
  | { readonly kind: "resolves"; readonly addresses: readonly Ipv4[] }
  | { readonly kind: "unknown" }
  | { readonly kind: "unanswered"; readonly afterSilence: boolean }
  | { readonly kind: "unaskable" }
  | { readonly kind: "no server" };

export interface NameCheck {
  /** "name/web/db" */
  readonly id: string;
  readonly from: NodeName;
  readonly name: string;
  readonly claim: string;
  readonly expected: NameExpectation;
  readonly because: string;
  /** Milliseconds that silent servers cost before the answer. */
  readonly afterMs?: number;
  /** The container whose name server hears what is forwarded. */
  readonly heardBy?: NodeName;
  /** Id of the check by which the same server shows that it answers. */
  readonly control?: string;
  readonly at?: Origin;
}

/** A name of the lab's internet (dns/zone.ts). */
const EXTERNAL = "www.example.test";

export function nameChecksOf(state: State): NameCheck[] {
  const askers = state.containers.filter((c) => c.status === "running" && c.sandbox.kind === "own");
  const [groups, forwards] = [new Set<string>(), new Set<string>()];
  const isNew = (seen: Set<string>, key: string): boolean => !seen.has(key) && seen.add(key) !== undefined;
  return askers.flatMap((asker): NameCheck[] => {
    if (!resolverPorts(asker)) return asker.endpoints.length > 0 ? [withoutServer(state, asker)] : [];
    const group = `${asker.endpoints.map((e) => e.network).sort()} ${JSON.stringify(asker.attachments.map((a) => a.links))}`;
    const first = isNew(groups, group);
    const firstToForward = isNew(forwards, `${group} ${forwardKey(state, asker)}`);
    const names = knownTo(state, asker);
    const [known, odd] = [names.filter(isFound), names.filter((name) => !isFound(name))];
    // whom no other name finds is found by its short id
    const own = known.length > 0 ? known : [asker.id.slice(0, 12)];
    const positives = (first ? own : own.slice(0, 1)).map((name) => resolves(state, asker, name));
    const control = positives.find((check) => check.expected.kind === "resolves")?.id;
    const forwarded = firstToForward ? predictForward(state, asker) : undefined;
    const strangers = askers.filter((c) => isFound(c.name) && lookupName(state, asker, c.name) === undefined);
    return [
      ...positives,
      ...(first ? uniqueIds(odd.flatMap((name) => byId(state, asker, name, control))) : []),
      ...(forwarded ? strangers.slice(0, 3).map((c) => stranger(asker, c, forwarded, control)) : []),
      ...(forwarded ? [external(state, asker, forwarded, control)] : []),
    ];
  });
}

const uniqueIds = (checks: readonly NameCheck[]): NameCheck[] => [...new Map(checks.map((c) => [c.id, c])).values()];

const isFound = (name: string): boolean => dnsNameFault(name) === undefined;

/** Containers of one group with the same key get the same of what is forwarded. */
function forwardKey(state: State, asker: Container): string {
  const isOwn = (address: string): boolean =>
    isLoopback(address as Ipv4) || asker.endpoints.some((e) => e.address === address);
  const own = embeddedSources(state, asker).some(({ address }) => isOwn(address)) ? asker.node : "";
  return `${JSON.stringify([asker.dns.servers, asker.dns.options])} ${own}`;
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
  // a link's alias may hide one (state/names.ts)
  return [...new Set(names)].filter((name) => lookupName(state, asker, name) !== undefined);
}

function resolves(state: State, asker: Container, name: string, because?: string): NameCheck {
  const addresses = lookupName(state, asker, name) ?? [];
  const label = addresses.join(" and ");
  return {
    ...of(asker, name),
    claim: `${asker.node} resolves ${name} to ${label}`,
    expected: { kind: "resolves", addresses },
    because: because ?? `a container on a network of ${asker.node} is called ${name}`,
  };
}

/** A name that nobody finds, and beside it the short id of a container that is called so, which is found. */
function byId(state: State, asker: Container, name: string, control: string | undefined): NameCheck[] {
  const called = state.containers.find((c) => c.endpoints.some((e) => dnsNames(c, e).includes(name)));
  const id = called?.id.slice(0, 12) ?? "";
  const isThere = called !== undefined && lookupName(state, asker, id) !== undefined;
  const found = isThere ? [resolves(state, asker, id, `it is the short id of ${called.node}`)] : [];
  const missed: NameCheck = {
    ...of(asker, name),
    claim: `${asker.node} does not resolve ${name}`,
    expected: { kind: "unaskable" },
    because: `the name ${dnsNameFault(name)}`,
    ...(control ? { control: found[0]?.id ?? control } : {}),
  };
  return [...found, missed];
}

/** With ndots set, Docker forwards no name of one label. The internet's server refuses names outside its zones, which Docker makes SERVFAIL. */
function stranger(
  asker: Container,
  { name, node }: Container,
  forwarded: Forwarded,
  control: string | undefined,
): NameCheck {
  const because = `${node} is on none of its networks`;
  const isKept = !name.includes(".") && asker.dns.options.some((option) => /^ndots:[1-9]\d*$/.test(option));
  const isRefused = forwarded.outcome === "answered";
  return {
    ...of(asker, name),
    claim: `${asker.node} does not resolve ${name}`,
    expected: isKept
      ? { kind: "unknown" }
      : isRefused
        ? { kind: "unanswered", afterSilence: false }
        : unanswered(forwarded),
    because: isKept ? because : `${because}, and ${forwarded.because}`,
    ...(isRefused && !isKept && forwarded.afterMs > 0 ? { afterMs: forwarded.afterMs } : {}),
    ...(control ? { control } : {}),
  };
}

const unanswered = ({ afterMs }: Forwarded): NameExpectation => ({ kind: "unanswered", afterSilence: afterMs > 0 });

function external(state: State, asker: Container, forwarded: Forwarded, control: string | undefined): NameCheck {
  const { www } = state.world.internet;
  const { outcome, afterMs, because, heardBy, via } = forwarded;
  const heard = heardBy ? { heardBy } : {};
  if (outcome === "failed") {
    return {
      ...of(asker, EXTERNAL),
      claim: `${asker.node} does not resolve ${EXTERNAL}`,
      expected: unanswered(forwarded),
      because,
      ...(afterMs > 0 ? {} : heard),
      ...(control ? { control } : {}),
    };
  }
  return {
    ...of(asker, EXTERNAL),
    claim: `${asker.node} resolves ${EXTERNAL} to ${www}, asked of ${via ?? "the internet"}`,
    expected: { kind: "resolves", addresses: [www] },
    because: `names of no container are forwarded: ${because}`,
    ...(afterMs > 0 ? { afterMs } : {}),
    ...heard,
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
