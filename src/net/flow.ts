/**
 * What identifies a packet on its way, read straight from a frame's bytes: fast enough for every packet of a flood, where `decodeFrame`
 * makes a whole value. Its addresses and ports, and a fingerprint of what NAT leaves alone.
 */
import { ETHERTYPE_IPV4, PROTO_ICMP, PROTO_TCP, PROTO_UDP } from "./frame.ts";

export interface Flow {
  readonly proto: number;
  /** Signed 32 bits: `>>> 0` makes the number of address.ts. */
  readonly src: number;
  readonly dst: number;
  /** Of an echo message its id; else 0 without ports. */
  readonly sport: number;
  readonly dport: number;
  readonly ttl: number;
  /** Two digests of what no NAT changes: TCP's numbers and flags, or the IP identification, and the beginning of the payload. */
  readonly key: number;
  readonly check: number;
}

const ETHERTYPE_VLAN = 0x8100;
const MORE_OR_OFFSET = 0x3fff;
const MORE_FRAGMENTS = 0x2000;
const ECHO_REPLY = 0;
const ECHO_REQUEST = 8;
/** Of the payload that is looked at. */
const PAYLOAD_BYTES = 32;

/** @returns undefined for all but whole packets of TCP, UDP and echo over IPv4. Never reads past the end. */
export function readFlow(frame: Uint8Array): Flow | undefined {
  if (frame.length < 34) return undefined;
  let at = 14;
  let etherType = u16(frame, 12);
  if (etherType === ETHERTYPE_VLAN) {
    etherType = u16(frame, 16);
    at = 18;
  }
  const version = frame[at] ?? 0;
  const headerBytes = (version & 15) * 4;
  const body = at + headerBytes;
  if (etherType !== ETHERTYPE_IPV4 || version >>> 4 !== 4 || headerBytes < 20 || frame.length < body + 8)
    return undefined;
  const fragment = u16(frame, at + 6) & MORE_OR_OFFSET;
  if ((fragment & ~MORE_FRAGMENTS) !== 0) return undefined;
  const proto = frame[at + 9] ?? 0;
  const isTcp = proto === PROTO_TCP;
  const isEcho = proto === PROTO_ICMP && (frame[body] === ECHO_REQUEST || frame[body] === ECHO_REPLY);
  if (!isTcp && !isEcho && proto !== PROTO_UDP) return undefined;
  if (isTcp && frame.length < body + 20) return undefined;
  // a segment of TCP that is sent again is another packet: its identification differs
  const id = u16(frame, at + 4);
  const [a, b, c] = isTcp
    ? [u32(frame, body + 4), u32(frame, body + 8), (id << 8) | (frame[body + 13] ?? 0)]
    : [id, u16(frame, at + 2), isEcho ? (u32(frame, body) & 0xff00_0000) | u16(frame, body + 6) : proto];
  const payload = isTcp ? frame.length : body + 8;
  return {
    proto,
    src: u32(frame, at + 12),
    dst: u32(frame, at + 16),
    sport: u16(frame, isEcho ? body + 4 : body),
    dport: isEcho ? 0 : u16(frame, body + 2),
    ttl: frame[at + 8] ?? 0,
    key: digest(frame, payload, 0x811c9dc5 | 0, a, b, c) & 0x3fff_ffff,
    check: digest(frame, payload, 0x01000193, c, a, b),
  };
}

const u16 = (bytes: Uint8Array, at: number): number => ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
const u32 = (bytes: Uint8Array, at: number): number => (u16(bytes, at) << 16) | u16(bytes, at + 2);

/** Mixes 32 bits at a time, as MurmurHash3 does. 32-bit integers throughout: this runs for every packet, twice. */
function digest(frame: Uint8Array, from: number, seed: number, a: number, b: number, c: number): number {
  let hash = mix(mix(mix(seed, a), b), c);
  const end = Math.min(frame.length - 3, from + PAYLOAD_BYTES);
  for (let at = from; at < end; at += 4) hash = mix(hash, u32(frame, at));
  return Math.imul(hash ^ (hash >>> 15), 0x85ebca6b) ^ (hash >>> 13);
}

function mix(hash: number, word: number): number {
  const k = Math.imul(word, 0xcc9e2d51 | 0);
  const h = hash ^ Math.imul((k << 15) | (k >>> 17), 0x1b873593);
  return (Math.imul((h << 13) | (h >>> 19), 5) + (0xe6546b64 | 0)) | 0;
}
