/**
 * IPv4 addresses and prefixes as branded text, parsed strictly: four decimal octets without leading zeros, never the
 * inet_aton forms (`010.0.0.1`, `3232235777`) that ipaddr.js would accept from `parse`. Arithmetic is on unsigned 32-bit
 * numbers. Two kinds of CIDR on purpose: a Subnet has no host bits, an IfAddr is one host's address with its prefix.
 */
import ipaddr from "ipaddr.js";
import { DocknetError } from "../errors.ts";
import type { Brand } from "./brand.ts";

/** "172.18.0.2" */
export type Ipv4 = Brand<string, "Ipv4">;
/** "fd00::1", normalised by RFC 5952 */
export type Ipv6 = Brand<string, "Ipv6">;
/** "172.18.0.0/16": host bits are zero */
export type Subnet = Brand<string, "Subnet">;
/** "172.18.0.2/16": an address on a link */
export type IfAddr = Brand<string, "IfAddr">;

const STRICT_OCTETS = /^(0|[1-9]\d{0,2})(\.(0|[1-9]\d{0,2})){3}$/;

export function isIpv4(text: string): text is Ipv4 {
  return STRICT_OCTETS.test(text) && ipaddr.IPv4.isValidFourPartDecimal(text);
}

/** @throws DocknetError LAB_FILE, in Docker's words */
export function parseIpv4(text: string): Ipv4 {
  if (!isIpv4(text)) throw new DocknetError("LAB_FILE", `invalid IPv4 address: ${text}`);
  return text;
}

export function isIpv6(text: string): boolean {
  return text.includes(":") && !text.includes("%") && !text.includes("/") && ipaddr.IPv6.isValid(text);
}

/** @throws DocknetError LAB_FILE */
export function parseIpv6(text: string): Ipv6 {
  if (!isIpv6(text)) throw new DocknetError("LAB_FILE", `invalid IPv6 address: ${text}`);
  return ipaddr.IPv6.parse(text).toRFC5952String() as Ipv6;
}

const DOT = ".".charCodeAt(0);
const ZERO = "0".charCodeAt(0);

/** The address as an unsigned 32-bit number. */
export function toNumber(address: Ipv4): number {
  // digit by digit: a matrix asks this some hundred thousand times, and split() would make garbage each time
  let value = 0;
  let octet = 0;
  for (let i = 0; i < address.length; i++) {
    const code = address.charCodeAt(i);
    if (code === DOT) {
      value = value * 256 + octet;
      octet = 0;
    } else octet = octet * 10 + (code - ZERO);
  }
  return value * 256 + octet;
}

/** @param value unsigned, 0..2^32-1 */
export function fromNumber(value: number): Ipv4 {
  return `${value >>> 24}.${(value >>> 16) & 255}.${(value >>> 8) & 255}.${value & 255}` as Ipv4;
}

/** The four octets, as they stand on the wire. */
export function toBytes(address: Ipv4): Uint8Array {
  return Uint8Array.from(address.split(".").map(Number));
}

function splitCidr(text: string, what: string): { address: Ipv4; length: number } {
  const slash = text.indexOf("/");
  const address = text.slice(0, slash < 0 ? undefined : slash);
  const length = slash < 0 ? "" : text.slice(slash + 1);
  if (!isIpv4(address) || !/^(0|[1-9]\d?)$/.test(length) || Number(length) > 32) {
    throw new DocknetError("LAB_FILE", `invalid ${what} ${text}: invalid CIDR block notation`);
  }
  return { address, length: Number(length) };
}

const maskOf = (length: number): number => (length === 0 ? 0 : (0xffffffff << (32 - length)) >>> 0);

/** @param what the word that Docker's message uses: "subnet", "ip-range". @throws DocknetError LAB_FILE, in Docker's words */
export function parseSubnet(text: string, what = "subnet"): Subnet {
  const { address, length } = splitCidr(text, what);
  const masked = `${fromNumber((toNumber(address) & maskOf(length)) >>> 0)}/${length}` as Subnet;
  if (masked !== text) throw new DocknetError("LAB_FILE", `invalid ${what} ${text}: it should be ${masked}`);
  return masked;
}

/** @throws DocknetError LAB_FILE */
export function parseIfAddr(text: string): IfAddr {
  const { address, length } = splitCidr(text, "address");
  return `${address}/${length}` as IfAddr;
}

export function prefixLength(cidr: Subnet | IfAddr): number {
  return Number(cidr.slice(cidr.indexOf("/") + 1));
}

/** The address part: the network address of a Subnet, the host's of an IfAddr. */
export function addressOf(cidr: Subnet | IfAddr): Ipv4 {
  return cidr.slice(0, cidr.indexOf("/")) as Ipv4;
}

/** First and last address of a subnet, both included, as numbers. */
export function rangeOf(subnet: Subnet): { first: number; last: number } {
  const first = toNumber(addressOf(subnet));
  return { first, last: (first | ~maskOf(prefixLength(subnet))) >>> 0 };
}

export function contains(subnet: Subnet, address: Ipv4): boolean {
  const { first, last } = rangeOf(subnet);
  const value = toNumber(address);
  return value >= first && value <= last;
}

export function containsSubnet(outer: Subnet, inner: Subnet): boolean {
  const [o, i] = [rangeOf(outer), rangeOf(inner)];
  return i.first >= o.first && i.last <= o.last;
}

export function overlaps(a: Subnet, b: Subnet): boolean {
  const [x, y] = [rangeOf(a), rangeOf(b)];
  return x.first <= y.last && y.first <= x.last;
}

/** The address on a link of that subnet: "172.18.0.2" in "172.18.0.0/16" is "172.18.0.2/16". */
export function onLink(address: Ipv4, subnet: Subnet): IfAddr {
  return `${address}/${prefixLength(subnet)}` as IfAddr;
}

export function subnetOf(ifAddr: IfAddr): Subnet {
  const length = prefixLength(ifAddr);
  return `${fromNumber((toNumber(addressOf(ifAddr)) & maskOf(length)) >>> 0)}/${length}` as Subnet;
}

export function broadcastOf(subnet: Subnet): Ipv4 {
  return fromNumber(rangeOf(subnet).last);
}

/** 224.0.0.0/4 (RFC 5771) */
export const isMulticast = (address: Ipv4): boolean => toNumber(address) >>> 28 === 14;

/** 127.0.0.0/8 (RFC 1122 3.2.1.3) */
export function isLoopback(address: Ipv4): boolean {
  return address.startsWith("127.");
}

/** 10/8, 172.16/12, 192.168/16 (RFC 1918) */
export function isPrivate(address: Ipv4): boolean {
  return ipaddr.IPv4.parse(address).range() === "private";
}

export const ANY_IPV4 = "0.0.0.0" as Ipv4;
export const LOCALHOST = "127.0.0.1" as Ipv4;
export const DEFAULT_ROUTE = "0.0.0.0/0" as Subnet;
