import { DocknetError } from "../errors.ts";
import type { Brand } from "./brand.ts";

/** "02:42:ac:11:00:02": lower-case, colons */
export type Mac = Brand<string, "Mac">;

/** The address of one interface, with colons or hyphens. @throws DocknetError LAB_FILE, in Docker's words */
export function parseMac(text: string): Mac {
  const mac = parseHardwareAddress(text);
  if (isUnicastMac(mac)) return mac;
  throw new DocknetError("LAB_FILE", `${text} is not a valid mac address: it is not the address of one interface`);
}

/**
 * What Go's net.ParseMAC takes as text with colons or hyphens, of 6, 8 or 20 bytes: an engine refuses what no interface can have when the
 * container starts. @throws DocknetError LAB_FILE, in Docker's words
 */
export function parseHardwareAddress(text: string): Mac {
  const normal = text.toLowerCase().replaceAll("-", ":");
  const mixed = text.includes("-") && text.includes(":");
  if (!mixed && /^[0-9a-f]{2}(:[0-9a-f]{2}){5}((:[0-9a-f]{2}){2}|(:[0-9a-f]{2}){14})?$/.test(normal))
    return normal as Mac;
  throw new DocknetError("LAB_FILE", `${text} is not a valid mac address`);
}

/** Six bytes, not all zero, and no group address. */
export function isUnicastMac(text: string): boolean {
  if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/.test(text)) return false;
  return text !== "00:00:00:00:00:00" && (Number.parseInt(text.slice(0, 2), 16) & 1) === 0;
}

/**
 * A locally administered unicast address from random bytes, as Docker makes them since 28.0.
 * Source: moby daemon/libnetwork/netutils/utils.go GenerateRandomMAC (first byte & 0xfe | 0x02).
 */
export function macFromBytes(bytes: Uint8Array): Mac {
  const six = Array.from({ length: 6 }, (_, i) => bytes[i] ?? 0);
  six[0] = ((six[0] ?? 0) & 0xfe) | 0x02;
  return six.map((b) => b.toString(16).padStart(2, "0")).join(":") as Mac;
}

export function macToBytes(mac: Mac): Uint8Array {
  return Uint8Array.from(mac.split(":").map((part) => Number.parseInt(part, 16)));
}
