/** Ids, MACs and veth names that Docker draws at random, derived here from what they name: one lab file, one result. */
import { createHash } from "node:crypto";
import { type Mac, macFromBytes } from "../net/mac.ts";
import { type IfName, type LabName, type NodeName, parseIfName } from "../net/name.ts";

/** 64 lower-case hex digits, like Docker's. */
export function deriveId(...parts: readonly string[]): string {
  return createHash("sha256").update(parts.join("\0")).digest("hex");
}

/** Random-looking, locally administered, unicast: what Docker makes since 28.0. */
export function deriveMac(id: string): Mac {
  return macFromBytes(Buffer.from(deriveId("mac", id), "hex"));
}

/** Of a link that the lab's world has before Docker is there. */
export function worldMac(lab: LabName, node: NodeName, name: IfName): Mac {
  return deriveMac(`${lab}/${node}/${name}`);
}

/** `br-` + first 12 of the network's id (moby daemon/libnetwork/drivers/bridge/bridge_linux.go parseNetworkOptions). */
export function bridgeName(networkId: string): IfName {
  return parseIfName(`br-${networkId.slice(0, 12)}`);
}

/** `veth` + 7 hex digits (moby daemon/libnetwork/netutils/utils_linux.go GenerateIfaceName). */
export function vethName(endpointId: string): IfName {
  return parseIfName(`veth${endpointId.slice(0, 7)}`);
}

/** `dm-` + first 12 of the network's id (moby daemon/libnetwork/drivers/macvlan/macvlan_setup.go getDummyName). */
export function dummyName(networkId: string): IfName {
  return parseIfName(`dm-${networkId.slice(0, 12)}`);
}
