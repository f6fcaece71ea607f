/**
 * What lives in a lab's namespaces beside the kernel's own objects, as a function of the State: a responder on every served port,
 * the internet's name server, one embedded DNS server per sandbox that has a user-defined network.
 */
import { answerQuery } from "../dns/authority.ts";
import { answerEmbedded, type NameView, shuffleByChance } from "../dns/embedded.ts";
import { answerResolver } from "../dns/resolver.ts";
import { whoamiZone, worldZones } from "../dns/zone.ts";
import type { Netns } from "../kernel/netns.ts";
import { openDnsResponder } from "../kernel/speech/dns-responder.ts";
import { type ForwardServer, openEmbeddedDns } from "../kernel/speech/embedded-dns.ts";
import { openNameServer } from "../kernel/speech/name-server.ts";
import { openResponder, renderAnswer } from "../kernel/speech/responder.ts";
import { isIpv4 } from "../net/address.ts";
import { HOST, INTERNET, type NodeName } from "../net/name.ts";
import { type ProtoPort, renderProtoPort } from "../net/port.ts";
import { resolverPorts } from "../plan/firewall/embedded-dns.ts";
import { INTERNET_PORTS } from "../plan/predict/internet.ts";
import { DNS_PORT, embeddedSources, type NameSource, resolverSources } from "../plan/predict/name-forward.ts";
import { listenerAt } from "../state/listening.ts";
import { lookupName, reverseName } from "../state/names.ts";
import { type Container, type State, sandboxOwner } from "../state/state.ts";

/** Something that listens in a namespace. */
export interface LabServer {
  /** Says all that it depends on: another key is another server. */
  readonly key: string;
  /** How many sockets it listens on; absent: one. */
  readonly sockets?: number;
  /** It stands in for the program of a container, which would end if it could not bind. */
  readonly serves?: { readonly container: string; readonly port: ProtoPort };
  /** @throws DocknetError CONFLICT when what it wants to listen on is taken */
  open(): { close(): void | Promise<void> };
}

export interface LabContext {
  /** The state at the moment of asking: a name server answers from it. */
  state(): State;
  netns(node: NodeName): Netns;
  /** A responder answered: one line for the log of its container. */
  readonly onAnswer?: (container: string, line: string) => void;
}

/** The node whose network a container uses: its own, the one it joined, or the host's; undefined: only a lo that nobody else has. */
export function sandboxNode(state: State, container: Container): NodeName | undefined {
  const owner = sandboxOwner(state, container);
  if (owner === "host") return HOST;
  return owner === "gone" || owner.status !== "running" ? undefined : owner.node;
}

export function serversOf(state: State, context: LabContext): LabServer[] {
  return [
    ...respondersOf(state, context),
    internetDns(state, context),
    ...state.containers.flatMap((c) => embeddedDns(c, context)),
  ];
}

interface ResponderPlace {
  readonly node: NodeName;
  /** The namespace's own id: a container that was started again is another place. */
  readonly sandbox: string;
  readonly service: string;
  readonly container?: string;
  readonly port: ProtoPort;
}

/** One responder per port of a sandbox, but for sctp, which Node has no sockets for: that of the container whose program has the port. */
function respondersOf(state: State, context: LabContext): LabServer[] {
  const places = state.containers.flatMap((c): ResponderPlace[] => {
    const node = sandboxNode(state, c);
    const stack = sandboxOwner(state, c);
    if (node === undefined || stack === "gone") return [];
    return c.serves
      .filter((served) => served.proto !== "sctp" && listenerAt(state, stack, served) === c)
      .map(({ port, proto }) => ({
        node,
        sandbox: c.sandboxId,
        service: c.node,
        container: c.id,
        port: { port, proto },
      }));
  });
  const internet = INTERNET_PORTS.map(
    (port): ResponderPlace => ({ node: INTERNET, sandbox: "", service: INTERNET, port }),
  );
  return [...places, ...internet].map((place) => ({
    key: `responder ${place.node} ${renderProtoPort(place.port)} of ${place.service} ${place.container ?? ""} ${place.sandbox}`,
    ...(place.container ? { serves: { container: place.container, port: place.port } } : {}),
    open: () => {
      const { container } = place;
      const onAnswer = container && context.onAnswer;
      const request = {
        service: place.service,
        port: place.port,
        ...(onAnswer ? { onAnswer: (line: string) => onAnswer(container, line) } : {}),
      };
      const ns = context.netns(place.node);
      if (place.port.port !== DNS_PORT) return openResponder(ns, request);
      return openDnsResponder(ns, {
        ...request,
        answer: answerResolver,
        servers: () => upstreamsOf(context.state(), container, context),
      });
    },
  }));
}

function internetDns({ world }: State, context: LabContext): LabServer {
  const zones = worldZones(world);
  return {
    // with other addresses in its zones it is another one: it would go on to answer with the old ones
    key: `name server ${world.internet.dns} of ${JSON.stringify(zones)}`,
    sockets: 2,
    open: () =>
      openNameServer(context.netns(INTERNET), world.internet.dns, (query, transport, { from, to }) => {
        const asked = renderAnswer(INTERNET, { port: DNS_PORT, proto: transport }, from, to);
        return answerQuery([...zones, whoamiZone(asked)], query, transport);
      }),
  };
}

/** None for a container whose sandbox is another's: the owner's server answers there, with the owner's names. */
function embeddedDns(container: Container, context: LabContext): LabServer[] {
  const ports = resolverPorts(container);
  if (!ports) return [];
  const live = (): Container | undefined => context.state().containers.find((c) => c.id === container.id);
  return [
    {
      key: `DNS of ${container.node} ${container.sandboxId}`,
      sockets: 2,
      open: () =>
        openEmbeddedDns(context.netns(container.node), {
          udpPort: ports.udp,
          tcpPort: ports.tcp,
          answer: (query, transport) =>
            answerEmbedded(nameView(context.state(), live()), query, transport, shuffleByChance),
          servers: () => {
            const [state, asker] = [context.state(), live()];
            return asker ? openable(state, embeddedSources(state, asker), context) : [];
          },
        }),
    },
  ];
}

function nameView(state: State, asker: Container | undefined): NameView {
  if (!asker) return { lookup: () => undefined, reverse: () => undefined, ndotsSet: false };
  return {
    lookup: (name) => lookupName(state, asker, name),
    reverse: (address) => reverseName(state, asker, address),
    ndotsSet: asker.dns.options.some((o) => /^ndots:[1-9]\d*$/.test(o)),
  };
}

/** Whom a name server in a container asks in turn. */
function upstreamsOf(state: State, id: string | undefined, context: LabContext): ForwardServer[] {
  const resolver = state.containers.find((c) => c.id === id);
  return resolver ? openable(state, resolverSources(state, resolver), context) : [];
}

/** Servers with IPv6 addresses are not asked: nothing leads there. */
function openable(state: State, sources: readonly NameSource[], context: LabContext): ForwardServer[] {
  return sources.flatMap(({ from, address }) => {
    const container = state.containers.find((c) => c.node === from);
    const node = container ? sandboxNode(state, container) : from;
    return node !== undefined && isIpv4(address) ? [{ address, port: DNS_PORT, ns: context.netns(node) }] : [];
  });
}
