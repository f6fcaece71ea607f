/**
 * The capture file format of Wireshark: blocks with a type, a length at both ends, a fixed part and options, all padded to 32 bits.
 * Pure: values to bytes, little endian. Source: draft-ietf-opsawg-pcapng (section numbers below), as IANA registers its codes.
 */
import { type Ipv4, toBytes } from "../net/address.ts";
import { type Mac, macToBytes } from "../net/mac.ts";

export interface SectionHeader {
  readonly hardware?: string;
  readonly os?: string;
  readonly application?: string;
  readonly comment?: string;
}

export interface InterfaceDescription {
  readonly name: string;
  readonly description?: string;
  readonly filter?: string;
  readonly mac?: Mac;
  /** Kept of a packet; 0: all of it. */
  readonly snapBytes: number;
}

export interface EnhancedPacket {
  /** Position of its interface among those described. */
  readonly interfaceId: number;
  readonly seconds: number;
  readonly nanos: number;
  /** On the wire. */
  readonly length: number;
  readonly data: Uint8Array;
  readonly direction?: "in" | "out";
  readonly reception?: keyof typeof RECEPTION;
  readonly comment?: string;
}

export interface InterfaceStatistics {
  readonly interfaceId: number;
  readonly at: Time;
  readonly start: Time;
  readonly end: Time;
  /** That passed the filter, dropped ones included. */
  readonly received: number;
  readonly dropped: number;
  /** That stand in the file. */
  readonly delivered: number;
}

/** Of the Unix epoch. */
export interface Time {
  readonly seconds: number;
  readonly nanos: number;
}

/** One address and a name of it. */
export interface NameRecord {
  readonly address: Ipv4;
  readonly name: string;
}

const SECTION_HEADER = 0x0a0d0d0a;
const INTERFACE_DESCRIPTION = 1;
const NAME_RESOLUTION = 4;
const INTERFACE_STATISTICS = 5;
const ENHANCED_PACKET = 6;
const BYTE_ORDER_MAGIC = 0x1a2b3c4d;
const LINKTYPE_ETHERNET = 1;
const NANOSECONDS = 9;
/** Of epb_flags, bits 2 to 4 (4.3.1). */
export const RECEPTION = { unspecified: 0, unicast: 1, multicast: 2, broadcast: 3, promiscuous: 4 } as const;
/** A length is 16 bits (3.5). */
const MAX_OPTION_BYTES = 0xffff;

// --- the blocks ------------------------------------------------------------------------------------------------------

/** 4.1; the section's length is not said: it is written as it comes. */
export function encodeSectionHeader(section: SectionHeader): Buffer {
  const fixed = Buffer.alloc(16);
  fixed.writeUInt32LE(BYTE_ORDER_MAGIC, 0);
  fixed.writeUInt16LE(1, 4); // version 1.0
  fixed.writeBigInt64LE(-1n, 8);
  const { comment, hardware, os, application } = section;
  return block(SECTION_HEADER, [
    fixed,
    ...options([text(1, comment), text(2, hardware), text(3, os), text(4, application)]),
  ]);
}

/** 4.2, with time stamps in nanoseconds. */
export function encodeInterfaceDescription(described: InterfaceDescription): Buffer {
  const { name, description, filter, mac, snapBytes } = described;
  const fixed = Buffer.alloc(8);
  fixed.writeUInt16LE(LINKTYPE_ETHERNET, 0);
  fixed.writeUInt32LE(snapBytes, 4);
  const asText = Buffer.from([0]); // the filter is the words of libpcap
  return block(INTERFACE_DESCRIPTION, [
    fixed,
    ...options([
      text(2, name),
      text(3, description),
      ...(mac === undefined ? [] : [option(6, macToBytes(mac))]),
      option(9, Uint8Array.of(NANOSECONDS)),
      ...(filter ? [option(11, Buffer.concat([asText, Buffer.from(filter)]))] : []),
    ]),
  ]);
}

/** 4.3: one block each. All in one piece of memory, since this is done for every packet of a flood. */
export function encodeEnhancedPackets(packets: readonly EnhancedPacket[]): Buffer {
  const comments = packets.map((p) => (p.comment === undefined ? undefined : cut(p.comment, MAX_OPTION_BYTES)));
  let total = 0;
  for (const [i, packet] of packets.entries()) total += lengthOf(packet, comments[i]);
  const bytes = Buffer.allocUnsafe(total);
  let at = 0;
  for (const [i, packet] of packets.entries()) at = writeEnhancedPacket(bytes, at, packet, comments[i]);
  return bytes;
}

const padded = (length: number): number => (length + 3) & ~3;

function lengthOf({ data, direction }: EnhancedPacket, comment: Uint8Array | undefined): number {
  const options = (comment ? 4 + padded(comment.length) : 0) + (direction ? 8 : 0);
  return 32 + padded(data.length) + options + (options > 0 ? 4 : 0);
}

/** @returns where the next one begins */
function writeEnhancedPacket(bytes: Buffer, start: number, packet: EnhancedPacket, comment?: Uint8Array): number {
  const { interfaceId, data, length, direction, reception = "unspecified" } = packet;
  const size = lengthOf(packet, comment);
  bytes.writeUInt32LE(ENHANCED_PACKET, start);
  bytes.writeUInt32LE(size, start + 4);
  bytes.writeUInt32LE(interfaceId, start + 8);
  writeTime(bytes, start + 12, packet);
  bytes.writeUInt32LE(data.length, start + 20);
  bytes.writeUInt32LE(length, start + 24);
  let at = writePadded(bytes, start + 28, data);
  if (comment) {
    writeOptionHead(bytes, at, 1, comment.length);
    at = writePadded(bytes, at + 4, comment);
  }
  if (direction) {
    writeOptionHead(bytes, at, 2, 4);
    bytes.writeUInt32LE((direction === "in" ? 1 : 2) | (RECEPTION[reception] << 2), at + 4);
    at += 8;
  }
  if (comment || direction) {
    writeOptionHead(bytes, at, 0, 0);
    at += 4;
  }
  bytes.writeUInt32LE(size, at);
  return at + 4;
}

/** @returns where the next one begins */
function writePadded(bytes: Buffer, at: number, value: Uint8Array): number {
  bytes.set(value, at);
  const end = at + padded(value.length);
  for (let i = at + value.length; i < end; i++) bytes[i] = 0;
  return end;
}

function writeOptionHead(bytes: Buffer, at: number, code: number, length: number): void {
  bytes.writeUInt16LE(code, at);
  bytes.writeUInt16LE(length, at + 2);
}

/** 4.5; records of IPv4 addresses. */
export function encodeNameResolution(records: readonly NameRecord[]): Buffer {
  const encoded = records.map(({ address, name }) =>
    option(1, Buffer.concat([toBytes(address), Buffer.from(cut(name, MAX_OPTION_BYTES - 5)), Uint8Array.of(0)])),
  );
  return block(NAME_RESOLUTION, options(encoded));
}

/** 4.6 */
export function encodeInterfaceStatistics(statistics: InterfaceStatistics): Buffer {
  const fixed = Buffer.alloc(12);
  fixed.writeUInt32LE(statistics.interfaceId, 0);
  writeTime(fixed, 4, statistics.at);
  return block(INTERFACE_STATISTICS, [
    fixed,
    ...options([
      option(2, timeOf(statistics.start)),
      option(3, timeOf(statistics.end)),
      option(4, uint64(statistics.received)),
      option(5, uint64(statistics.dropped)),
      option(8, uint64(statistics.delivered)),
    ]),
  ]);
}

// --- their parts -----------------------------------------------------------------------------------------------------

/** 3.1 */
function block(type: number, body: readonly Uint8Array[]): Buffer {
  let length = 12;
  for (const part of body) length += part.length;
  const bytes = Buffer.allocUnsafe(length);
  bytes.writeUInt32LE(type, 0);
  bytes.writeUInt32LE(length, 4);
  let at = 8;
  for (const part of body) {
    bytes.set(part, at);
    at += part.length;
  }
  bytes.writeUInt32LE(length, at);
  return bytes;
}

/** 3.5: those that are given, and opt_endofopt. */
function options(given: readonly (Buffer | undefined)[]): Buffer[] {
  return [...given.filter((o) => o !== undefined), Buffer.alloc(4)];
}

function option(code: number, value: Uint8Array): Buffer {
  const bytes = Buffer.alloc(4 + padded(value.length));
  writeOptionHead(bytes, 0, code, value.length);
  bytes.set(value, 4);
  return bytes;
}

/** UTF-8 without a NUL; undefined: no such option. */
const text = (code: number, value: string | undefined): Buffer | undefined =>
  value ? option(code, cut(value, MAX_OPTION_BYTES)) : undefined;

/** Not in the middle of a character. */
function cut(value: string, maxBytes: number): Uint8Array {
  const bytes = Buffer.from(value);
  if (bytes.length <= maxBytes) return bytes;
  let end = maxBytes;
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return bytes.subarray(0, end);
}

function uint64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value), 0);
  return bytes;
}

function timeOf(time: Time): Buffer {
  const bytes = Buffer.alloc(8);
  writeTime(bytes, 0, time);
  return bytes;
}

/** 64 bits of nanoseconds, the upper half first; in halves, since a number has 53 bits and a BigInt costs. */
function writeTime(bytes: Buffer, at: number, { seconds, nanos }: Time): void {
  const upper = Math.floor(seconds / 65_536) * 1e9;
  const lower = (seconds % 65_536) * 1e9;
  const low = (upper % 65_536) * 65_536 + (lower % 2 ** 32) + nanos;
  const high = Math.floor(upper / 65_536) + Math.floor(lower / 2 ** 32) + Math.floor(low / 2 ** 32);
  bytes.writeUInt32LE(high, at);
  bytes.writeUInt32LE(low % 2 ** 32, at + 4);
}
