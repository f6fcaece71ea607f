/** `x-docknet: checks:` claims about who reaches whom. */
import { DocknetError, type Origin } from "../errors.ts";
import { isIpv4, parseIpv4 } from "../net/address.ts";
import { type Port, parsePort } from "../net/port.ts";
import type { ProblemList } from "./problem-list.ts";
import type { CheckProto, CheckRef, CheckSpec } from "./spec.ts";
import { type Entry, originAt } from "./tree.ts";
import type { CheckInput } from "./x-docknet.ts";

const NODES = ["@host", "@router", "@neighbour", "@internet"] as const;
const PROTOS: readonly string[] = ["tcp", "udp", "icmp", "sctp"];

/** What a check may speak of. */
export interface CheckSubjects {
  readonly active: ReadonlySet<string>;
  /** Services whose profile is not active: a check on them is left out, with a warning. */
  readonly inactive: ReadonlySet<string>;
  readonly networks: ReadonlySet<string>;
}

/** @param entry the list as written, to place messages */
export function readChecks(
  inputs: readonly CheckInput[] | undefined,
  entry: Entry | undefined,
  subjects: CheckSubjects,
  problems: ProblemList,
): CheckSpec[] {
  return (inputs ?? []).flatMap((input, i) => {
    const at = (...path: PropertyKey[]): Origin | undefined =>
      entry ? originAt(entry.value, [i, ...path]) : undefined;
    const place = at() ?? { file: "", line: 1, column: 1 };
    const check = readCheck(input, place, at, subjects, problems);
    if (!check) return [];
    const asleep = [check.from, check.to].find((ref) => ref.kind === "service" && subjects.inactive.has(ref.service));
    if (asleep?.kind !== "service") return [check];
    problems.warn(place, `check left out: service "${asleep.service}" is in no active profile`);
    return [];
  });
}

function readCheck(
  input: CheckInput,
  place: Origin,
  at: (...path: PropertyKey[]) => Origin | undefined,
  subjects: CheckSubjects,
  problems: ProblemList,
): CheckSpec | undefined {
  const from = problems.attempt(at("from"), () => parseRef(input.from, subjects, false));
  const target = problems.attempt(at("to"), () => parseTarget(input, subjects));
  const seenAs = input["seen-as"];
  const seen =
    seenAs === undefined ? undefined : problems.attempt(at("seen-as"), () => parseSeenAs(seenAs, target?.proto));
  const sourcePort = input["source-port"];
  const source =
    sourcePort === undefined
      ? undefined
      : problems.attempt(at("source-port"), () => parsePort(String(sourcePort), "source-port"));
  if (input.network !== undefined && !subjects.networks.has(input.network)) {
    problems.error(at("network"), `check refers to undefined network ${input.network}`);
  }
  const { transfer } = input;
  if (transfer !== undefined && target && target.proto !== "tcp") {
    problems.error(
      at("transfer"),
      `check with transfer: ${transfer} is about FTP, which goes over tcp, not ${target.proto}`,
    );
  }
  if (seen?.seenPort !== undefined && sourcePort === undefined) {
    problems.error(
      at("seen-as"),
      `check "seen-as: ${seenAs}" names a port, and no source-port says which one is sent from`,
      `Write source-port: ${seen.seenPort}, or leave the port out of seen-as`,
    );
  }
  if (!from || !target) return undefined;
  return {
    ...(input.name === undefined ? {} : { name: input.name }),
    from,
    ...target,
    ...(input.network === undefined ? {} : { network: input.network }),
    expect: input.expect ?? "reach",
    ...seen,
    ...(source === undefined ? {} : { sourcePort: source }),
    ...(transfer === undefined ? {} : { transfer }),
    at: place,
  };
}

/** `db:5432`, `db:53/udp`, `@host:22`, `192.168.0.10:80`; `db` alone for icmp. @throws DocknetError LAB_FILE */
function parseTarget(input: CheckInput, subjects: CheckSubjects): { to: CheckRef; port?: Port; proto: CheckProto } {
  const slash = input.to.indexOf("/");
  const own = slash < 0 ? undefined : input.to.slice(slash + 1).toLowerCase();
  if (own !== undefined && !PROTOS.includes(own)) throw new DocknetError("LAB_FILE", `invalid proto: ${own}`);
  if (own !== undefined && input.proto !== undefined && own !== input.proto) {
    throw new DocknetError("LAB_FILE", `check "to: ${input.to}" contradicts "proto: ${input.proto}"`);
  }
  const proto = (own ?? input.proto ?? "tcp") as CheckProto;
  const text = slash < 0 ? input.to : input.to.slice(0, slash);
  const colon = text.lastIndexOf(":");
  const to = parseRef(colon < 0 ? text : text.slice(0, colon), subjects, true);
  if (colon < 0) {
    if (proto === "icmp") return { to, proto };
    throw new DocknetError("LAB_FILE", `check to "${input.to}" needs a port`, {
      remedy: `Write ${text}:PORT, or proto: icmp`,
    });
  }
  const port = parsePort(text.slice(colon + 1));
  if (proto === "icmp") throw new DocknetError("LAB_FILE", `check to "${input.to}": icmp has no ports`);
  return { to, port, proto };
}

/** "203.0.113.91", or with the source port "203.0.113.91:40000". @throws DocknetError LAB_FILE */
function parseSeenAs(text: string, proto: CheckProto | undefined): Pick<CheckSpec, "seenAs" | "seenPort"> {
  const [address = "", port, ...rest] = text.split(":");
  if (port === undefined || rest.length > 0) return { seenAs: parseIpv4(text) };
  if (proto === "icmp") throw new DocknetError("LAB_FILE", `check "seen-as: ${text}": icmp has no ports`);
  return { seenAs: parseIpv4(address), seenPort: parsePort(port, "seen-as port") };
}

function parseRef(text: string, subjects: CheckSubjects, isTarget: boolean): CheckRef {
  const node = NODES.find((name) => name === text);
  if (node) return { kind: "node", node };
  if (subjects.active.has(text) || subjects.inactive.has(text)) return { kind: "service", service: text };
  if (isTarget && isIpv4(text)) return { kind: "address", address: text };
  const wanted = `a service, ${NODES.join(", ")}${isTarget ? " or an IPv4 address" : ""}`;
  throw new DocknetError("LAB_FILE", `check refers to undefined service "${text}": it must be ${wanted}`);
}
