/** `x-docknet: world: router: static:` 1:1 NAT, a public address of its own for one machine of the LAN. */
import { DocknetError, type Origin } from "../errors.ts";
import { type Ipv4, parseIpv4 } from "../net/address.ts";
import type { ProblemList } from "./problem-list.ts";
import type { StaticNatSpec } from "./spec.ts";
import type { StaticNatInput } from "./x-docknet.ts";

/** What a mapping may call a machine instead of giving its address. */
export interface LanMachines {
  readonly host: Ipv4;
  readonly neighbour: Ipv4;
}

/**
 * Mappings whose text is right; whether their addresses fit the world is for world.ts to say.
 * @param at the place of a mapping by its number in the file
 */
export function readStaticNat(
  inputs: readonly StaticNatInput[],
  machines: LanMachines,
  at: (index: number) => Origin,
  problems: ProblemList,
): StaticNatSpec[] {
  const owners = new Map<Ipv4, StaticNatSpec>();
  for (const [i, input] of inputs.entries()) {
    const mapping = problems.attempt(at(i), () => ({ ...parseStaticNat(input, machines), at: at(i) }));
    if (!mapping) continue;
    const twin = owners.get(mapping.to);
    // one machine leaves with one source address: a second mapping of it could only lead in
    if (twin) problems.error(mapping.at, `duplicate static NAT: ${mapping.to} already has ${twin.public}`);
    else owners.set(mapping.to, mapping);
  }
  return [...owners.values()];
}

/** "203.0.113.92:192.168.0.20", "203.0.113.92:host" or the long form. @throws DocknetError LAB_FILE */
function parseStaticNat(input: StaticNatInput, machines: LanMachines): Omit<StaticNatSpec, "at"> {
  if (typeof input === "object") return { public: parseIpv4(input.public), to: parseMachine(input.to, machines) };
  const [outer = "", inner = "", ...rest] = input.split(":");
  if (outer === "" || inner === "" || rest.length > 0) {
    throw new DocknetError(
      "LAB_FILE",
      `invalid static NAT: "${input}" must be PUBLIC:ADDRESS, PUBLIC:host or PUBLIC:neighbour`,
      { remedy: "1:1 NAT has no ports: to lead one port in, write it under forwards" },
    );
  }
  return { public: parseIpv4(outer), to: parseMachine(inner, machines) };
}

const parseMachine = (text: string, machines: LanMachines): Ipv4 =>
  text === "host" || text === "neighbour" ? machines[text] : parseIpv4(text);
