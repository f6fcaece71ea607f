/** The sections of the report, in order: what each is called, and what a beginner should know first. */
import type { CheckResult, Report } from "../observe/report.ts";
import type { CheckGroup } from "../plan/check/check.ts";

export interface Section {
  readonly group: CheckGroup;
  readonly heading: string;
  readonly lesson: string;
  readonly checks: readonly CheckResult[];
  readonly passed: number;
}

type Title = Pick<Section, "heading" | "lesson">;

const TITLES: Readonly<Record<CheckGroup, Title>> = {
  explicit: {
    heading: "Checks of the lab file",
    lesson: "What the lab file itself claims, under x-docknet: checks.",
  },
  listen: {
    heading: "Ports that two programs wanted",
    lesson:
      "One port of a network stack has one listener. Containers in host mode, and those that share a network, have one stack together: who binds a port second gets the error EADDRINUSE, and a server ends with that.",
  },
  service: {
    heading: "Services reach each other by their network",
    lesson:
      "Containers of one network are plugged into one bridge, a switch in software: it carries their packets unchanged. The host has an address on every bridge, so it is in reach too.",
  },
  isolation: {
    heading: "Isolation",
    lesson:
      "Two networks are two bridges. Only the host could pass a packet from one to the other, and Docker's rules tell it not to. A container without a network has no way out at all.",
  },
  publish: {
    heading: "Published ports",
    lesson:
      "A published port is a port of the host that leads to a container. DNAT writes the container's address into the packet as its new destination; the sender does not notice.",
  },
  transfer: {
    heading: "A second connection on a random port (FTP)",
    lesson:
      "FTP agrees in its first connection on an address and a random port for the second. NAT does not read what connections say, and nobody publishes a port that is drawn at random: what works on one network fails behind port forwarding.",
  },
  direct: {
    heading: "Direct access to container addresses",
    lesson:
      "Another machine of the LAN may simply route a container's own address through the host. Unless it comes through a published port, it must not get in.",
  },
  outbound: {
    heading: "Outbound through two NATs",
    lesson:
      "Container addresses are private. The host writes its own address over the source of what leaves (MASQUERADE), and the home router does the same again with its public one. Each remembers the pair in its conntrack table, so that answers find the way back.",
  },
  napt: {
    heading: "Two senders, one source port (NAPT)",
    lesson:
      "Two containers send from the same port to the same server. Behind the host's one address their answers would be mixed up, so the second one gets another port.",
  },
  static: {
    heading: "1:1 NAT at the router",
    lesson:
      "A machine with a public address of its own needs no port to be told apart by. The router changes the address alone, both ways: the machine's source ports stay, and every port of it, published ones too, is on the internet.",
  },
  name: {
    heading: "Names",
    lesson:
      "On a network of your own, containers find each other by name: Docker's DNS server listens at 127.0.0.11 inside each of them, answers for the networks that the asking container is on, and passes other names on. The default bridge has none.",
  },
  control: {
    heading: "Controls: the targets are alive",
    lesson:
      '"Does not reach" proves nothing if the target is dead. Each target of such a check is reached here by someone who may.',
  },
};

/** What else to know first where a lab has macvlans. */
const MACVLAN_LESSONS: Readonly<Partial<Record<CheckGroup, string>>> = {
  service: "A macvlan network has no bridge: its containers stand on the host's own link, beside the host.",
  direct:
    "A container on a macvlan is a machine of the LAN and meant to be reached. There it is the host that gets no answer: frames of a link are not handed to the macvlans on it, nor theirs to the host.",
  outbound: "What leaves by a macvlan does not pass the host: it meets the router's NAT alone.",
};

const ORDER = Object.keys(TITLES) as CheckGroup[];

/** Groups that have checks. Within one, what failed comes first, then what was not measured; else the order of the report. */
export function sectionsOf(report: Report): Section[] {
  const hasMacvlans = report.topology.networks.some((n) => n.driver === "macvlan");
  return ORDER.flatMap((group) => {
    const checks = report.checks.filter((c) => c.group === group);
    if (checks.length === 0) return [];
    const failed = checks.filter((c) => c.verdict === "FAIL");
    const unclear = checks.filter((c) => c.verdict === "INCONCLUSIVE");
    const passed = checks.filter((c) => c.verdict === "PASS");
    const { heading, lesson } = TITLES[group];
    const more = hasMacvlans ? MACVLAN_LESSONS[group] : undefined;
    const told = { group, heading, lesson: more ? `${lesson} ${more}` : lesson };
    return [{ ...told, checks: [...failed, ...unclear, ...passed], passed: passed.length }];
  });
}

/** What needs a reader's attention, most urgent first. */
export function troubles(report: Report): CheckResult[] {
  return [
    ...report.checks.filter((c) => c.verdict === "FAIL"),
    ...report.checks.filter((c) => c.verdict === "INCONCLUSIVE"),
  ];
}
