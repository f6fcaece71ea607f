/** `x-docknet: engine:` what dockerd's flags would say, with dockerd's defaults. */
import { DocknetError } from "../errors.ts";
import { parseIfAddr, parseSubnet, prefixLength } from "../net/address.ts";
import type { ProblemList } from "./problem-list.ts";
import type { EngineSpec } from "./spec.ts";
import { type Entry, originAt } from "./tree.ts";
import type { EngineInput } from "./x-docknet.ts";

/** RFC 791: every host must take datagrams of 576, every module forward 68; 65535 is the longest datagram. */
const [MIN_MTU, MAX_MTU] = [68, 65_535];

/** @param entry the block as written, to place messages */
export function readEngine(
  input: EngineInput | undefined,
  entry: Entry | undefined,
  problems: ProblemList,
): EngineSpec {
  const given = input ?? {};
  const flag = (value: boolean | "true" | "false" | undefined, fallback: boolean): boolean =>
    value === undefined ? fallback : String(value) === "true";
  const at = (...path: PropertyKey[]) => (entry ? originAt(entry.value, path) : undefined);
  const { bip, mtu } = given;
  if (bip !== undefined) problems.attempt(at("bip"), () => parseIfAddr(bip));
  if (mtu !== undefined && (Number(mtu) < MIN_MTU || Number(mtu) > MAX_MTU)) {
    problems.error(at("mtu"), `x-docknet.engine.mtu: ${mtu} is not between ${MIN_MTU} and ${MAX_MTU}`);
  }
  const addressPools = (given["default-address-pools"] ?? []).flatMap(({ base, size }, i) => {
    const pool = problems.attempt(at("default-address-pools", i), () => parsePool(base, Number(size)));
    return pool ? [pool] : [];
  });
  return {
    profile: given.profile ?? "docker-29",
    userlandProxy: flag(given["userland-proxy"], true),
    ipForward: flag(given["ip-forward"], false),
    allowDirectRouting: flag(given["allow-direct-routing"], false),
    icc: flag(given.icc, true),
    ...(bip === undefined ? {} : { bip }),
    ...(mtu === undefined ? {} : { mtu: Number(mtu) }),
    addressPools,
    ...(entry ? { at: entry.at } : {}),
  };
}

function parsePool(text: string, size: number): EngineSpec["addressPools"][number] {
  const base = parseSubnet(text, "base pool");
  if (size >= prefixLength(base) && size <= 32) return { base, size };
  throw new DocknetError("LAB_FILE", `invalid base pool ${text}: subnets of /${size} cannot be cut from it`);
}
