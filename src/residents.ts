/**
 * What lives in a lab's namespaces beside the kernel's own objects, as a function of the State: a responder on every served port,
 * the internet's name server, one embedded DNS server per sandbox that has a user-defined network.
 */
import { answerQuery } from "./dns/authority.ts";
import { answerEmbedded, type NameView, shuffleByChance } from "./dns/embedded.ts";
import { whoamiZone, worldZones } from "./dns/zone.ts";
import { type ForwardServer, openEmbeddedDns } from "./kernel/embedded-dns.ts";
import { openNameServer } from "./kernel/name-server.ts";
import type { Netns } from "./kernel/netns.ts";
import { openResponder, renderAnswer } from "./kernel/responder.ts";
import { isIpv4 } from "./net/address.ts";
import { HOST, INTERNET, type NodeName } from "./net/name.ts";
import { type Port, type ProtoPort, renderProtoPort } from "./net/port.ts";
import { EMBEDDED_DNS, resolverPorts } from "./plan/embedded-dns.ts";
import { INTERNET_PORTS } from "./plan/internet.ts";
import { lookupName, reverseName } from "./state/names.ts";
import { type Container, hasDefaultGateway, networkById, type State, sandboxOwner } from "./state/state.ts";

const DNS_PORT = 53 as Port;

/** Something that listens in a namespace. */
export interface Resident {
  /** Says all that it depends on: another key is another resident. */
  readonly key: string;
  /** How many sockets it listens on; absent: one. */
  readonly sockets?: number;
  open(): { close(): void | Promise<void> };
}

export interface Surroundings {
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

export function residentsOf(state: State, around: Surroundings): Resident[] {
  return [
    ...respondersOf(state, around),
    internetDns(state, around),
    ...state.containers.flatMap((c) => embeddedDns(c, around)),
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

/** One responder per port of a sandbox, but for sctp, which Node has no sockets for: of several containers that share it and serve one port, the first has it. */
function respondersOf(state: State, around: Surroundings): Resident[] {
  const places = state.containers
    .filter((c) => c.status === "running")
    .flatMap((c) => {
      const node = sandboxNode(state, c);
      if (node === undefined) return [];
      return c.serves
        .filter(({ proto }) => proto !== "sctp")
        .map(
          ({ port, proto }): ResponderPlace => ({
            node,
            sandbox: c.sandboxId,
            service: c.node,
            container: c.id,
            port: { port, proto },
          }),
        );
    });
  const internet = INTERNET_PORTS.map(
    (port): ResponderPlace => ({ node: INTERNET, sandbox: "", service: INTERNET, port }),
  );
  const spot = (p: ResponderPlace): string => `${p.node} ${renderProtoPort(p.port)}`;
  const first = new Map([...places, ...internet].reverse().map((p) => [spot(p), p]));
  return [...first.values()].reverse().map((place) => ({
    key: `responder ${spot(place)} of ${place.service} ${place.container ?? ""} ${place.sandbox}`,
    open: () => {
      const { container } = place;
      const onAnswer = container && around.onAnswer;
      return openResponder(around.netns(place.node), {
        service: place.service,
        port: place.port,
        ...(onAnswer ? { onAnswer: (line: string) => onAnswer(container, line) } : {}),
      });
    },
  }));
}

function internetDns({ world }: State, around: Surroundings): Resident {
  const zones = worldZones(world);
  return {
    key: `name server ${world.internet.dns}`,
    sockets: 2,
    open: () =>
      openNameServer(around.netns(INTERNET), world.internet.dns, (query, transport, { from, to }) => {
        const asked = renderAnswer(INTERNET, { port: DNS_PORT, proto: transport }, from, to);
        return answerQuery([...zones, whoamiZone(asked)], query, transport);
      }),
  };
}

/** None for a container whose sandbox is another's: the owner's server answers there, with the owner's names. */
function embeddedDns(container: Container, around: Surroundings): Resident[] {
  const ports = resolverPorts(container);
  if (!ports) return [];
  const live = (): Container | undefined => around.state().containers.find((c) => c.id === container.id);
  return [
    {
      key: `DNS of ${container.node} ${container.sandboxId}`,
      sockets: 2,
      open: () =>
        openEmbeddedDns(around.netns(container.node), {
          udpPort: ports.udp,
          tcpPort: ports.tcp,
          answer: (query, transport) =>
            answerEmbedded(nameView(around.state(), live()), query, transport, shuffleByChance),
          servers: () => forwardServers(around.state(), live(), around),
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

/**
 * Whom unknown names are asked of: the container's own --dns from its namespace, else the emulated host's server from the host's;
 * that one not at all when no network of the container leads out (docker-reference 6.4).
 */
function forwardServers(state: State, asker: Container | undefined, around: Surroundings): ForwardServer[] {
  if (!asker) return [];
  const port = DNS_PORT;
  if (asker.dns.servers.length > 0) {
    return asker.dns.servers
      .filter(isIpv4)
      .filter((address) => address !== EMBEDDED_DNS)
      .map((address) => ({ address, port, ns: around.netns(asker.node) }));
  }
  const leadsOut = asker.endpoints.some((e) => hasDefaultGateway(networkById(state, e.network)));
  return leadsOut ? [{ address: state.world.internet.dns, port, ns: around.netns(HOST) }] : [];
}
