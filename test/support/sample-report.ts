/**
 * Reports as a run of the seed lab would give them: a, b and web on docker0, c and db on `second`, agent in host mode, lonely
 * with no network. One in which all is well, and one in which the DNAT rule of web is missing and a capture lost frames.
 */
import type { Origin } from "../../src/errors.ts";
import type {
  CheckResult,
  Drift,
  Evidence,
  Hop,
  Lost,
  Report,
  RuleSeen,
  Topology,
  TranslationSeen,
} from "../../src/observe/report.ts";
import type { CheckGroup } from "../../src/plan/check/check.ts";

const FILE = "labs/seed.yaml";
const SECOND_BRIDGE = "br-03c601df8a3d";
const at = (line: number, column = 3): Origin => ({ file: FILE, line, column });

const ADDRESS = { a: "172.17.0.2", b: "172.17.0.3", web: "172.17.0.4", c: "172.18.0.2", db: "172.18.0.3" } as const;
type Container = keyof typeof ADDRESS;
const LINE = { a: 3, b: 7, web: 10, c: 14, db: 17, agent: 21, lonely: 25 } as const;
const bridgeOf = (name: Container): string => (ADDRESS[name].startsWith("172.17.") ? "docker0" : SECOND_BRIDGE);
const networkOf = (name: Container): string => (bridgeOf(name) === "docker0" ? "bridge" : "second");

const topology: Topology = {
  networks: [
    {
      name: "bridge",
      driver: "bridge",
      bridge: "docker0",
      subnet: "172.17.0.0/16",
      gateway: "172.17.0.1",
      internal: false,
      mode: "nat",
    },
    {
      name: "second",
      driver: "bridge",
      bridge: SECOND_BRIDGE,
      subnet: "172.18.0.0/16",
      gateway: "172.18.0.1",
      internal: false,
      mode: "nat",
    },
  ],
  nodes: [
    world("@internet", "internet", ["203.0.113.80 (www)", "203.0.113.53 (dns)"], ["80/tcp", "80/udp"]),
    {
      ...world("@router", "router", ["203.0.113.91 (wan0)", "192.168.0.1 (lan0)"]),
      published: ["203.0.113.91:8080->192.168.0.10:8080/tcp", "203.0.113.92<->192.168.0.20"],
    },
    world("@neighbour", "neighbour", ["192.168.0.20 (eth0)"]),
    world("@host", "host", ["192.168.0.10 (eth0)"]),
    container("a", ["172.17.0.2 on bridge (eth0)"], ["80/tcp"]),
    container("b", ["172.17.0.3 on bridge (eth0)"]),
    container("web", ["172.17.0.4 on bridge (eth0)"], ["80/tcp"], ["0.0.0.0:8080->80/tcp"]),
    container("c", ["172.18.0.2 on second (eth0)"]),
    container("db", ["172.18.0.3 on second (eth0)"], ["5432/tcp"]),
    container("agent", ["host network"], ["9000/tcp"]),
    container("lonely", ["no network"]),
  ],
};

function world(name: string, kind: string, attachments: string[], serves: string[] = []): Topology["nodes"][number] {
  return { name, kind, attachments, published: [], serves };
}

function container(
  name: keyof typeof LINE,
  attachments: string[],
  serves: string[] = [],
  published: string[] = [],
): Topology["nodes"][number] {
  return { name, kind: "container", attachments, published, serves, at: at(LINE[name]) };
}

// --- evidence ------------------------------------------------------------------------------------------------------------

const NOTHING: Evidence = { hops: [], translations: [], conntrack: [] };

function hop(place: string, src: string, dst: string, ttl: number, detail = "tcp SYN"): Hop {
  const [node = "", link = "", direction = ""] = place.split(" ");
  const [[source = "", sport], [target = "", dport]] = [src.split(":"), dst.split(":")];
  return {
    node,
    link,
    direction: direction === "in" ? "in" : "out",
    frame: `${src} > ${dst} ${detail} ttl ${ttl}`,
    src: source,
    dst: target,
    ...(sport ? { sport: Number(sport) } : {}),
    ...(dport ? { dport: Number(dport) } : {}),
    ttl,
  };
}

function directAccess(name: Container, packets = 3): RuleSeen {
  const owner = `${name} on network ${networkOf(name)}`;
  return {
    node: "@host",
    table: "raw",
    chain: "PREROUTING",
    rule: `-A PREROUTING -d ${ADDRESS[name]}/32 ! -i ${bridgeOf(name)} -j DROP`,
    owner,
    words: `a container's own address is not reachable from outside its bridge (${owner})`,
    at: at(LINE[name]),
    packets,
  };
}

function masquerade(name: Container): RuleSeen {
  const network = networkOf(name);
  const subnet = network === "bridge" ? "172.17.0.0/16" : "172.18.0.0/16";
  return {
    node: "@host",
    table: "nat",
    chain: "POSTROUTING",
    rule: `-A POSTROUTING -s ${subnet} ! -o ${bridgeOf(name)} -j MASQUERADE`,
    owner: `network ${network}`,
    words: `what leaves the network takes the host's address (network ${network})`,
    ...(network === "second" ? { at: at(28) } : {}),
    packets: 1,
  };
}

const ROUTER_MASQUERADE: RuleSeen = {
  node: "@router",
  table: "nat",
  chain: "POSTROUTING",
  rule: "-A POSTROUTING -o wan0 -j MASQUERADE",
  owner: "home router",
  words: "what leaves the network takes the host's address (home router)",
  packets: 1,
};

const DNAT_RULE = "-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.4:80";
const DNAT_OWNER = "port 8080:80/tcp of web";
const DNAT: RuleSeen = {
  node: "@host",
  table: "nat",
  chain: "DOCKER",
  rule: DNAT_RULE,
  owner: DNAT_OWNER,
  words: `the host's port leads to the container's port (${DNAT_OWNER})`,
  at: at(13, 13),
  packets: 1,
};

// --- checks --------------------------------------------------------------------------------------------------------------

type Given = Pick<CheckResult, "id" | "group" | "claim" | "from" | "to" | "address"> & {
  readonly port: number;
  readonly outcome?: CheckResult["expected"]["outcome"];
  readonly seenAs?: string;
  readonly sport?: number;
  readonly server?: string;
  readonly because: string;
  readonly evidence?: Evidence;
  readonly errno?: string;
  readonly control?: string;
  readonly line?: Origin;
};

/** A check that was seen just as expected. */
function passed(given: Given): CheckResult {
  const { id, group, claim, from, to, address, port, outcome = "reach", seenAs, because } = given;
  const as = seenAs ? { seenAs } : {};
  return {
    id,
    group,
    claim,
    from,
    to,
    address,
    port,
    proto: "tcp",
    verdict: "PASS",
    expected: { outcome, ...as },
    predicted: { outcome, ...as, because },
    observed: {
      outcome,
      ...(seenAs ? { seenAs: `${seenAs}:${given.sport ?? 40000}` } : {}),
      ...(given.server ? { server: given.server } : {}),
      afterMs: outcome === "drop" ? 300 : 1.7,
      ...(given.errno ? { errno: given.errno } : {}),
    },
    reasons: [],
    evidence: given.evidence ?? NOTHING,
    ...(given.control ? { control: given.control } : {}),
    ...(given.line ? { at: given.line } : {}),
  };
}

let nextPort = 40000;

function sameNetwork(from: Container, to: Container, port: number): CheckResult {
  const sport = ++nextPort;
  const [src, dst] = [`${ADDRESS[from]}:${sport}`, `${ADDRESS[to]}:${port}`];
  return passed({
    id: `service/${from}/${to}:${port}/tcp`,
    group: "service",
    claim: `${from} reaches ${to}:${port}/tcp at ${ADDRESS[to]}`,
    from,
    to: `${to}:${port}/tcp`,
    address: ADDRESS[to],
    port,
    seenAs: ADDRESS[from],
    sport,
    server: to,
    because: `both are on network ${networkOf(from)}`,
    evidence: { ...NOTHING, hops: [hop(`${from} eth0 out`, src, dst, 64), hop(`${to} eth0 in`, src, dst, 64)] },
    line: at(LINE[to]),
  });
}

function toAgent(from: Container): CheckResult {
  const sport = ++nextPort;
  const [src, dst] = [`${ADDRESS[from]}:${sport}`, "192.168.0.10:9000"];
  return passed({
    id: `service/${from}/agent:9000/tcp`,
    group: "service",
    claim: `${from} reaches agent:9000/tcp at 192.168.0.10`,
    from,
    to: "agent:9000/tcp",
    address: "192.168.0.10",
    port: 9000,
    seenAs: ADDRESS[from],
    sport,
    server: "@host",
    because: "agent listens on the host's own port",
    evidence: {
      ...NOTHING,
      hops: [hop(`${from} eth0 out`, src, dst, 64), hop(`@host ${bridgeOf(from)} in`, src, dst, 64)],
    },
    line: at(LINE.agent),
  });
}

/** The host, or a container in host mode, to a container: by the bridge's own address. */
function fromHost(from: "agent" | "@host", to: Container, port: number): CheckResult {
  const sport = ++nextPort;
  const gateway = bridgeOf(to) === "docker0" ? "172.17.0.1" : "172.18.0.1";
  const [src, dst] = [`${gateway}:${sport}`, `${ADDRESS[to]}:${port}`];
  const group: CheckGroup = from === "agent" ? "service" : "control";
  const label = `${to}:${port}/tcp`;
  return passed({
    id: from === "agent" ? `service/agent/${label}` : `control/@host/${ADDRESS[to]}:${port}/tcp`,
    group,
    claim: `${from} reaches ${label} at ${ADDRESS[to]}${group === "control" ? ": the listener is alive" : ""}`,
    from,
    to: label,
    address: ADDRESS[to],
    port,
    seenAs: gateway,
    sport,
    server: to,
    because: "the host reaches its own containers",
    evidence: {
      ...NOTHING,
      hops: [hop(`@host ${bridgeOf(to)} out`, src, dst, 64), hop(`${to} eth0 in`, src, dst, 64)],
    },
    line: at(LINE[to]),
  });
}

function isolated(from: Container, to: Container, port: number): CheckResult {
  const sport = ++nextPort;
  const [src, dst] = [`${ADDRESS[from]}:${sport}`, `${ADDRESS[to]}:${port}`];
  const hops = [hop(`${from} eth0 out`, src, dst, 64), hop(`@host ${bridgeOf(from)} in`, src, dst, 64)];
  const lost: Lost = {
    lastSeen: { node: "@host", link: bridgeOf(from), frame: hops[1]?.frame ?? "" },
    rule: directAccess(to),
    reason: `${ADDRESS[to]} may be addressed only from its own network ${networkOf(to)}`,
  };
  return passed({
    id: `isolation/${from}/${to}:${port}/tcp`,
    group: "isolation",
    claim: `${from} does not reach ${to}:${port}/tcp at ${ADDRESS[to]}`,
    from,
    to: `${to}:${port}/tcp`,
    address: ADDRESS[to],
    port,
    outcome: "drop",
    because: lost.reason,
    evidence: { ...NOTHING, hops, lost },
    control: `control/@host/${ADDRESS[to]}:${port}/tcp`,
    line: at(LINE[to]),
  });
}

function noWay(to: Container, port: number): CheckResult {
  return passed({
    id: `isolation/lonely/${to}:${port}/tcp`,
    group: "isolation",
    claim: `lonely does not reach ${to}:${port}/tcp at ${ADDRESS[to]}`,
    from: "lonely",
    to: `${to}:${port}/tcp`,
    address: ADDRESS[to],
    port,
    outcome: "unreachable",
    errno: "ENETUNREACH",
    because: `lonely has no route to ${ADDRESS[to]}: it has only lo`,
    control: `control/@host/${ADDRESS[to]}:${port}/tcp`,
    line: at(LINE[to]),
  });
}

function published(from: "@host" | "@neighbour", address: string): CheckResult {
  const sport = ++nextPort;
  const proxy = address === "127.0.0.1";
  const sender = from === "@neighbour" ? "192.168.0.20" : address;
  const [before, seen] = [`${sender}:${sport}`, proxy ? "172.17.0.1" : sender];
  const after = proxy ? `${seen}:51532` : before;
  const translation: TranslationSeen = {
    node: "@host",
    kind: proxy ? "proxy" : "DNAT",
    before: `${before} -> ${address}:8080`,
    after: `${after} -> 172.17.0.4:80`,
    ...(proxy ? {} : { rule: DNAT }),
  };
  const outside = from === "@neighbour";
  return passed({
    id: `publish/web:80/${from}/${address}:8080/tcp`,
    group: "publish",
    claim: `${from} reaches web through ${address}:8080/tcp`,
    from,
    to: `${address}:8080/tcp`,
    address,
    port: 8080,
    seenAs: seen,
    sport: proxy ? 51532 : sport,
    server: "web",
    because: proxy ? "the userland proxy of port 8080 opens a connection of its own" : "the port is published",
    evidence: {
      hops: [
        ...(outside
          ? [
              hop("@neighbour eth0 out", before, `${address}:8080`, 64),
              hop("@host eth0 in", before, `${address}:8080`, 64),
            ]
          : []),
        hop("@host docker0 out", after, "172.17.0.4:80", outside ? 63 : 64),
        hop("web eth0 in", after, "172.17.0.4:80", outside ? 63 : 64),
      ],
      translations: [translation],
      conntrack: proxy
        ? []
        : [
            {
              node: "@host",
              entry: `tcp ESTABLISHED ${before} -> ${address}:8080, replies 172.17.0.4:80 -> ${before}`,
            },
          ],
    },
    line: at(13, 13),
  });
}

function direct(to: Container, port: number): CheckResult {
  const sport = ++nextPort;
  const [src, dst] = [`192.168.0.20:${sport}`, `${ADDRESS[to]}:${port}`];
  const hops = [hop("@neighbour eth0 out", src, dst, 64), hop("@host eth0 in", src, dst, 64)];
  const lost: Lost = {
    lastSeen: { node: "@host", link: "eth0", frame: hops[1]?.frame ?? "" },
    rule: directAccess(to),
    reason: `${ADDRESS[to]} may be addressed only from its own network ${networkOf(to)}`,
  };
  return passed({
    id: `direct/${to}/${ADDRESS[to]}:${port}/tcp`,
    group: "direct",
    claim: `@neighbour cannot reach ${to} directly at ${ADDRESS[to]}:${port}/tcp`,
    from: "@neighbour",
    to: `${ADDRESS[to]}:${port}/tcp`,
    address: ADDRESS[to],
    port,
    outcome: "drop",
    because: lost.reason,
    evidence: { ...NOTHING, hops, lost },
    control: `control/@host/${ADDRESS[to]}:${port}/tcp`,
    line: at(LINE[to]),
  });
}

/** @param hostPort the port that the host's NAT gives it, when another sender has its own */
function outbound(from: Container, group: "outbound" | "napt", sport: number, hostPort = sport): CheckResult {
  const www = "203.0.113.80:80";
  const [inside, onLan, outside] = [
    `${ADDRESS[from]}:${sport}`,
    `192.168.0.10:${hostPort}`,
    `203.0.113.91:${hostPort}`,
  ];
  const seen = ", which sees 203.0.113.91";
  return passed({
    id: group === "napt" ? `napt/${from}/${sport}` : `outbound/${from}`,
    group,
    claim:
      group === "napt"
        ? `${from} reaches www from source port ${sport}, used by two containers at once${seen}`
        : `${from} reaches www on the internet${seen}`,
    from,
    to: `www ${www}/tcp`,
    address: "203.0.113.80",
    port: 80,
    seenAs: "203.0.113.91",
    sport: hostPort,
    server: "@internet",
    because: "both NATs let it out",
    evidence: {
      hops: [
        hop(`${from} eth0 out`, inside, www, 64),
        hop(`@host ${bridgeOf(from)} in`, inside, www, 64),
        hop("@host eth0 out", onLan, www, 63),
        hop("@router lan0 in", onLan, www, 63),
        hop("@router wan0 out", outside, www, 62),
        hop("@internet eth0 in", outside, www, 62),
      ],
      translations: [
        {
          node: "@host",
          kind: "MASQUERADE",
          before: `${inside} -> ${www}`,
          after: `${onLan} -> ${www}`,
          rule: masquerade(from),
        },
        {
          node: "@router",
          kind: "MASQUERADE",
          before: `${onLan} -> ${www}`,
          after: `${outside} -> ${www}`,
          rule: ROUTER_MASQUERADE,
        },
      ],
      conntrack: [
        { node: "@host", entry: `tcp ESTABLISHED ${inside} -> ${www}, replies ${www} -> ${onLan}` },
        { node: "@router", entry: `tcp ESTABLISHED ${onLan} -> ${www}, replies ${www} -> ${outside}` },
      ],
    },
    line: at(LINE[from]),
  });
}

function seedChecks(): CheckResult[] {
  nextPort = 40000;
  return [
    sameNetwork("a", "web", 80),
    toAgent("a"),
    sameNetwork("b", "a", 80),
    sameNetwork("b", "web", 80),
    toAgent("b"),
    sameNetwork("web", "a", 80),
    toAgent("web"),
    sameNetwork("c", "db", 5432),
    toAgent("c"),
    toAgent("db"),
    fromHost("agent", "a", 80),
    fromHost("agent", "web", 80),
    fromHost("agent", "db", 5432),
    isolated("a", "db", 5432),
    isolated("b", "db", 5432),
    isolated("web", "db", 5432),
    isolated("c", "a", 80),
    isolated("c", "web", 80),
    isolated("db", "a", 80),
    isolated("db", "web", 80),
    noWay("a", 80),
    noWay("web", 80),
    noWay("db", 5432),
    published("@host", "127.0.0.1"),
    published("@host", "192.168.0.10"),
    published("@neighbour", "192.168.0.10"),
    direct("a", 80),
    direct("web", 80),
    direct("db", 5432),
    outbound("a", "outbound", 41001),
    outbound("b", "outbound", 41002),
    outbound("web", "outbound", 41003),
    outbound("c", "outbound", 41004),
    outbound("db", "outbound", 41005),
    outbound("a", "napt", 40000),
    outbound("b", "napt", 40000, 1024),
    fromHost("@host", "db", 5432),
    fromHost("@host", "a", 80),
    fromHost("@host", "web", 80),
  ];
}

// --- reports -------------------------------------------------------------------------------------------------------------

/** A report of these checks; verdict and counts follow from them. */
export function reportOf(checks: readonly CheckResult[], rest: Partial<Report> = {}): Report {
  const count = (verdict: CheckResult["verdict"]): number => checks.filter((c) => c.verdict === verdict).length;
  const [pass, fail, inconclusive] = [count("PASS"), count("FAIL"), count("INCONCLUSIVE")];
  return {
    schema: 1,
    docknet: "0.1.0",
    lab: "seed",
    files: [FILE],
    profile: "docker-29",
    kernel: "6.18.5",
    verdict: fail > 0 ? "FAIL" : inconclusive > 0 ? "INCONCLUSIVE" : "PASS",
    counts: { pass, fail, inconclusive, controls: checks.filter((c) => c.group === "control").length },
    topology,
    checks,
    drift: [],
    warnings: [],
    captures: { links: 23, frames: 512, dropped: 0 },
    durations: { buildMs: 98.4, verifyMs: 640.2 },
    ...rest,
  };
}

export function passingReport(): Report {
  return reportOf(seedChecks());
}

/** Without the DNAT rule the userland proxy answers the neighbour: it works, but web sees the gateway. */
function answeredByProxy(check: CheckResult): CheckResult {
  const before = "192.168.0.20:40027";
  const after = "172.17.0.1:51540";
  return {
    ...check,
    verdict: "FAIL",
    observed: { outcome: "reach", seenAs: after, server: "web", afterMs: 3.2 },
    reasons: [
      "web saw the packet come from 172.17.0.1, wanted 192.168.0.20",
      "the userland proxy answered where DNAT was predicted",
    ],
    evidence: {
      hops: [
        hop("@neighbour eth0 out", before, "192.168.0.10:8080", 64),
        hop("@host eth0 in", before, "192.168.0.10:8080", 64),
        hop("@host docker0 out", after, "172.17.0.4:80", 64),
        hop("web eth0 in", after, "172.17.0.4:80", 64),
      ],
      translations: [
        { node: "@host", kind: "proxy", before: `${before} -> 192.168.0.10:8080`, after: `${after} -> 172.17.0.4:80` },
      ],
      conntrack: [
        {
          node: "@host",
          entry: `tcp ESTABLISHED ${before} -> 192.168.0.10:8080, replies 192.168.0.10:8080 -> ${before}`,
        },
      ],
    },
  };
}

function notMeasured(check: CheckResult): CheckResult {
  return {
    ...check,
    verdict: "INCONCLUSIVE",
    observed: { outcome: "drop", afterMs: 300 },
    reasons: ["the capture on eth0 of @host lost 12 frames", "silence proves nothing when frames were not seen"],
    evidence: { ...NOTHING, hops: check.evidence.hops.slice(0, 1) },
  };
}

const MISSING_DNAT: Drift = {
  node: "@host",
  kind: "rule",
  problem: "missing",
  what: `nat DOCKER: ${DNAT_RULE}`,
  owner: DNAT_OWNER,
  at: at(13, 13),
};

export function failingReport(): Report {
  const checks = seedChecks().map((check) => {
    if (check.id === "publish/web:80/@neighbour/192.168.0.10:8080/tcp") return answeredByProxy(check);
    if (check.id === "direct/db/172.18.0.3:5432/tcp") return notMeasured(check);
    return check;
  });
  return reportOf(checks, {
    drift: [
      MISSING_DNAT,
      {
        node: "@router",
        kind: "sysctl",
        problem: "changed",
        what: "net.ipv4.conf.all.rp_filter",
        wanted: "0",
        found: "2",
      },
    ],
    warnings: [
      {
        message: 'service "db" sets "mac_address", which docknet does not emulate',
        at: at(19, 5),
        remedy: "Remove it, or expect another address",
      },
    ],
    captures: { links: 23, frames: 498, dropped: 12 },
  });
}

/** A lab of 30 services on one network: what a report must stay readable for. */
export function largeReport(services = 30): Report {
  const names = Array.from({ length: services }, (_, i) => `svc${String(i + 1).padStart(2, "0")}`);
  const template = sameNetwork("a", "web", 80);
  const checks = names.flatMap((from) =>
    names
      .filter((to) => to !== from)
      .map(
        (to): CheckResult => ({
          ...template,
          id: `service/${from}/${to}:80/tcp`,
          claim: `${from} reaches ${to}:80/tcp`,
          from,
          to: `${to}:80/tcp`,
        }),
      ),
  );
  return reportOf(checks, {
    lab: "large",
    topology: {
      networks: topology.networks.slice(0, 1),
      nodes: names.map((name, i) => ({
        name,
        kind: "container",
        attachments: [`172.17.0.${i + 2} on bridge (eth0)`],
        published: [],
        serves: ["80/tcp"],
      })),
    },
  });
}

/** Everything that a file or a packet could bring to break out of a format. */
export const HOSTILE =
  "x\u001b[31mred\u001b]0;title\u0007\n::error::forged\r\n<b>&amp;|`--`|]]></failure>\u0000\u202eevil\u2028# TODO not so @octocat %0A ##[error]";

export function hostileReport(): Report {
  const failing = failingReport();
  return {
    ...failing,
    lab: HOSTILE,
    files: [HOSTILE],
    checks: failing.checks.map((check) =>
      check.verdict === "PASS"
        ? { ...check, claim: `${HOSTILE} ${check.id}` }
        : { ...check, claim: HOSTILE, reasons: [HOSTILE], at: { file: HOSTILE, line: 1, column: 1 } },
    ),
    warnings: [{ message: HOSTILE, remedy: HOSTILE }],
    topology: {
      ...failing.topology,
      nodes: failing.topology.nodes.map((n) => ({ ...n, name: `${HOSTILE}${n.name}` })),
    },
  };
}
