/** What a chain of rules is there for, in words; and when a packet meets it. Source: iptables(8), moby iptabler/iptabler.go, docker-20.ts. */

/** The hooks in the order of a packet's way, each with its tables in theirs (linux/netfilter_ipv4.h NF_IP_PRI_*). */
const HOOKS: readonly (readonly [hook: string, tables: readonly string[]])[] = [
  ["PREROUTING", ["raw", "mangle", "nat"]],
  ["INPUT", ["mangle", "filter", "security", "nat"]],
  ["FORWARD", ["mangle", "filter", "security"]],
  ["OUTPUT", ["raw", "mangle", "nat", "filter", "security"]],
  ["POSTROUTING", ["mangle", "nat"]],
];

/** "raw PREROUTING", "nat PREROUTING", "filter INPUT" ...: the built-in chains, as a packet meets them. */
export const BUILT_IN_CHAINS: readonly string[] = HOOKS.flatMap(([hook, tables]) => tables.map((t) => `${t} ${hook}`));

/** One sentence without its end; undefined: a chain that docknet knows nothing of. */
export function describeChain(table: string, chain: string): string | undefined {
  return WORDS[`${table} ${chain}`] ?? TABLE_WORDS[table];
}

const WORDS: Readonly<Record<string, string>> = {
  "raw PREROUTING": "every packet that comes in, first of all, before conntrack has looked at it",
  "raw OUTPUT": "every packet that a program here sends, first of all, before conntrack has looked at it",
  "nat PREROUTING":
    "the first packet of each connection that comes in: where shall it go (DNAT)? conntrack does the same to all that follow",
  "nat INPUT": "the first packet of each connection to this machine itself: from whom shall it seem to come (SNAT)?",
  "nat OUTPUT": "the first packet of each connection that a program here opens: where shall it go (DNAT)?",
  "nat POSTROUTING":
    "the first packet of each connection that leaves: from whom shall it seem to come (SNAT, MASQUERADE)?",
  "filter INPUT": "packets for this machine itself",
  "filter FORWARD": "packets that only pass through, from one link to another",
  "filter OUTPUT": "packets that a program here sends",
  "nat DOCKER": "published ports: which host port leads to which container",
  "filter DOCKER-USER": "your own rules: asked before all of Docker's, and left alone by Docker",
  "filter DOCKER-FORWARD":
    "Docker's own order: known connections, internal networks, published ports, then what containers send",
  "filter DOCKER-CT": "packets of connections that conntrack knows already",
  "filter DOCKER-INTERNAL": "what may not enter or leave an internal network",
  "filter DOCKER-BRIDGE": "what goes into a container network: is the port open?",
  "filter DOCKER": "what may come into a container network: the published ports",
  "filter DOCKER-ISOLATION-STAGE-1": "what leaves one container network",
  "filter DOCKER-ISOLATION-STAGE-2": "would it go into another container network?",
  "nat DOCKER_OUTPUT": "questions to 127.0.0.11: on to the port where the embedded DNS server listens",
  "nat DOCKER_POSTROUTING": "answers of the embedded DNS server: from port 53 again",
};

const TABLE_WORDS: Readonly<Record<string, string>> = {
  mangle: "where marks are set and header fields changed; docknet writes nothing here",
  security: "where security modules mark packets; docknet writes nothing here",
};
