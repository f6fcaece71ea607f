/**
 * Bytes of a link to plain data and back: Ethernet II with 802.1Q tags, ARP, IPv4, TCP, UDP, ICMP.
 *
 * A decoder of our own instead of cap's: cap/lib/Decoders.js reads past the end of truncated input, throws in the middle, and
 * its results point into the buffer that cap overwrites with the next packet. Here nothing is read that is not there, what is
 * wrong becomes a `problem` at the layer where it is (a payload that was not captured is `cut`, no problem), and no result
 * holds a view on the input. Checksums are neither checked nor computed: on veth pairs they are left to the "hardware" and
 * are wrong in every capture.
 */
import { fromNumber, type Ipv4, toBytes } from "./address.ts";
import { type Mac, macToBytes } from "./mac.ts";

export interface Frame {
  readonly srcMac: Mac;
  readonly dstMac: Mac;
  /** After VLAN tags: 0x0800 IPv4, 0x0806 ARP, 0x86dd IPv6 (not decoded further). */
  readonly etherType: number;
  /** VLAN id of the outermost 802.1Q tag. */
  readonly vlan?: number;
  /** Captured bytes, with the Ethernet header, without the FCS. */
  readonly length: number;
  readonly arp?: Arp;
  readonly ip?: Ipv4Packet;
  readonly problem?: string;
}

export interface Arp {
  /** 1 request, 2 reply (RFC 826) */
  readonly operation: number;
  readonly senderMac: Mac;
  readonly senderIp: Ipv4;
  readonly targetMac: Mac;
  readonly targetIp: Ipv4;
}

export interface Ipv4Packet {
  readonly src: Ipv4;
  readonly dst: Ipv4;
  readonly ttl: number;
  readonly id: number;
  readonly proto: number;
  /** Total length that the header claims, in bytes. */
  readonly length: number;
  readonly fragment?: Fragment;
  /** The headers are whole, but the capture has not all of the payload (segmentation offload, snapshot length). */
  readonly cut?: true;
  readonly tcp?: TcpSegment;
  readonly udp?: UdpDatagram;
  readonly icmp?: IcmpMessage;
  readonly problem?: string;
}

/** Present when the packet is part of a whole; only the part at offset 0 has a transport header. */
export interface Fragment {
  readonly offsetBytes: number;
  readonly more: boolean;
}

export interface TcpSegment {
  readonly srcPort: number;
  readonly dstPort: number;
  readonly seq: number;
  readonly ack: number;
  readonly flags: TcpFlags;
  /** Payload bytes, by the IP header's length. */
  readonly length: number;
}

export interface TcpFlags {
  readonly syn: boolean;
  readonly ack: boolean;
  readonly fin: boolean;
  readonly rst: boolean;
  readonly psh: boolean;
}

export interface UdpDatagram {
  readonly srcPort: number;
  readonly dstPort: number;
  /** Payload bytes, by the UDP header's length. */
  readonly length: number;
}

export interface IcmpMessage {
  /** 0 echo reply, 3 unreachable, 8 echo request, 11 time exceeded (RFC 792) */
  readonly type: number;
  readonly code: number;
  /** Of echo messages. */
  readonly id?: number;
  readonly seq?: number;
  /** Of error messages: the packet that caused it, with at least the first 8 bytes of its payload (RFC 792). */
  readonly quoted?: Ipv4Packet;
  readonly problem?: string;
}

export const ETHERTYPE_IPV4 = 0x0800;
export const ETHERTYPE_ARP = 0x0806;
export const ETHERTYPE_IPV6 = 0x86dd;
const ETHERTYPE_VLAN = 0x8100;
const ETHERTYPE_QINQ = 0x88a8;
export const PROTO_ICMP = 1;
export const PROTO_TCP = 6;
export const PROTO_UDP = 17;

const NO_MAC = "00:00:00:00:00:00" as Mac;
const ECHO_TYPES = [0, 8];
/** Destination unreachable, source quench, redirect, time exceeded, parameter problem: they quote a packet. */
const ERROR_TYPES = [3, 4, 5, 11, 12];

/** Never throws and never reads past the end: what is missing or wrong stands in `problem` of its layer. */
export function decodeFrame(bytes: Uint8Array): Frame {
  const r = readerOf(bytes);
  if (bytes.length < 14) {
    return {
      srcMac: NO_MAC,
      dstMac: NO_MAC,
      etherType: 0,
      length: bytes.length,
      problem: `Ethernet header has ${bytes.length} of 14 bytes`,
    };
  }
  const addresses = { dstMac: macAt(r, 0), srcMac: macAt(r, 6), length: bytes.length };
  let etherType = r.u16(12);
  let at = 14;
  let vlan: number | undefined;
  while (etherType === ETHERTYPE_VLAN || etherType === ETHERTYPE_QINQ) {
    if (bytes.length < at + 4)
      return { ...addresses, etherType, ...(vlan === undefined ? {} : { vlan }), problem: "802.1Q tag is cut off" };
    vlan ??= r.u16(at) & 0x0fff;
    etherType = r.u16(at + 2);
    at += 4;
  }
  const payload = bytes.subarray(at);
  const head = { ...addresses, etherType, ...(vlan === undefined ? {} : { vlan }) };
  // Below 0x0600 the field is a length: IEEE 802.3 with LLC, as spanning tree sends it.
  if (etherType === ETHERTYPE_IPV4) return { ...head, ip: decodeIpv4(payload) };
  if (etherType === ETHERTYPE_ARP) return { ...head, ...decodeArp(payload) };
  return head;
}

/** A packet without link header (a ping socket's payload, a raw link). As `decodeFrame`: never throws. */
export function decodeIpv4(bytes: Uint8Array): Ipv4Packet {
  return decodePacket(bytes, false);
}

/** @param quoted inside an ICMP error: cut short on purpose, so the 8 bytes that must be there are enough, and are not truncation */
function decodePacket(bytes: Uint8Array, quoted: boolean): Ipv4Packet {
  const r = readerOf(bytes);
  if (bytes.length < 20) return noPacket(`IPv4 header has ${bytes.length} of 20 bytes`);
  const version = r.u8(0) >>> 4;
  if (version !== 4) return noPacket(`IP version is ${version}, not 4`);
  const flagsAndOffset = r.u16(6);
  const fragment = { offsetBytes: (flagsAndOffset & 0x1fff) * 8, more: (flagsAndOffset & 0x2000) !== 0 };
  const headerBytes = (r.u8(0) & 15) * 4;
  const total = r.u16(2);
  const head = {
    src: fromNumber(r.u32(12)),
    dst: fromNumber(r.u32(16)),
    ttl: r.u8(8),
    id: r.u16(4),
    proto: r.u8(9),
    length: total,
    ...(fragment.more || fragment.offsetBytes > 0 ? { fragment } : {}),
  };
  if (headerBytes < 20) return { ...head, problem: `IPv4 header length ${headerBytes} is less than 20` };
  if (bytes.length < headerBytes)
    return { ...head, problem: `IPv4 options are cut off: ${bytes.length} of ${headerBytes} bytes` };
  if (total < headerBytes)
    return { ...head, problem: `IPv4 total length ${total} is less than its header's ${headerBytes}` };
  const cut = total > bytes.length && !quoted ? { cut: true as const } : {};
  // Ethernet pads short frames: what is after the total length is not the packet's.
  const payload = bytes.subarray(headerBytes, Math.min(total, bytes.length));
  if (fragment.offsetBytes > 0) return { ...head, ...cut };
  return { ...head, ...cut, ...decodeTransport(head.proto, payload, total - headerBytes, quoted) };
}

type Transport = Pick<Ipv4Packet, "tcp" | "udp" | "icmp" | "problem">;

/** @param claimed payload bytes by the IP header, of which `bytes` may be fewer */
function decodeTransport(proto: number, bytes: Uint8Array, claimed: number, quoted: boolean): Transport {
  if (proto === PROTO_TCP) return decodeTcp(bytes, claimed, quoted);
  if (proto === PROTO_UDP) return decodeUdp(bytes);
  if (proto === PROTO_ICMP) return decodeIcmp(bytes);
  return {};
}

function decodeTcp(bytes: Uint8Array, claimed: number, quoted: boolean): Transport {
  const r = readerOf(bytes);
  const enough = quoted ? 8 : 20;
  if (bytes.length < enough) return { problem: `TCP header has ${bytes.length} of ${enough} bytes` };
  const ports = { srcPort: r.u16(0), dstPort: r.u16(2), seq: r.u32(4) };
  if (bytes.length < 20) return { tcp: { ...ports, ack: 0, flags: flagsOf(0), length: 0 } };
  const headerBytes = (r.u8(12) >>> 4) * 4;
  const tcp = { ...ports, ack: r.u32(8), flags: flagsOf(r.u8(13)), length: Math.max(0, claimed - headerBytes) };
  if (headerBytes < 20 || headerBytes > claimed)
    return { tcp, problem: `TCP header length ${headerBytes} is not in 20..${claimed}` };
  return { tcp };
}

function flagsOf(byte: number): TcpFlags {
  return {
    syn: (byte & 2) !== 0,
    ack: (byte & 16) !== 0,
    fin: (byte & 1) !== 0,
    rst: (byte & 4) !== 0,
    psh: (byte & 8) !== 0,
  };
}

function decodeUdp(bytes: Uint8Array): Transport {
  const r = readerOf(bytes);
  if (bytes.length < 8) return { problem: `UDP header has ${bytes.length} of 8 bytes` };
  const length = r.u16(4);
  const udp = { srcPort: r.u16(0), dstPort: r.u16(2), length: Math.max(0, length - 8) };
  return length < 8 ? { udp, problem: `UDP length ${length} is less than 8` } : { udp };
}

function decodeIcmp(bytes: Uint8Array): Transport {
  const r = readerOf(bytes);
  if (bytes.length < 8) return { problem: `ICMP header has ${bytes.length} of 8 bytes` };
  const head = { type: r.u8(0), code: r.u8(1) };
  if (ECHO_TYPES.includes(head.type)) return { icmp: { ...head, id: r.u16(4), seq: r.u16(6) } };
  if (ERROR_TYPES.includes(head.type)) return { icmp: { ...head, quoted: decodeQuoted(bytes.subarray(8)) } };
  return { icmp: head };
}

/** An error never answers an error (RFC 1122 3.2.2), so a quoted error's own quotation is not followed: depth stays one. */
function decodeQuoted(bytes: Uint8Array): Ipv4Packet {
  const isIcmpError =
    bytes.length > 20 && bytes[9] === PROTO_ICMP && ERROR_TYPES.includes(bytes[((bytes[0] ?? 0) & 15) * 4] ?? 0);
  return decodePacket(isIcmpError ? bytes.subarray(0, ((bytes[0] ?? 0) & 15) * 4) : bytes, true);
}

function decodeArp(bytes: Uint8Array): { arp: Arp } | { problem: string } {
  const r = readerOf(bytes);
  if (bytes.length < 28) return { problem: `ARP has ${bytes.length} of 28 bytes` };
  if (r.u16(0) !== 1 || r.u16(2) !== ETHERTYPE_IPV4 || r.u8(4) !== 6 || r.u8(5) !== 4) {
    return { problem: "ARP is not for IPv4 over Ethernet" };
  }
  return {
    arp: {
      operation: r.u16(6),
      senderMac: macAt(r, 8),
      senderIp: fromNumber(r.u32(14)),
      targetMac: macAt(r, 18),
      targetIp: fromNumber(r.u32(24)),
    },
  };
}

/**
 * A frame's bytes: payloads are zeros, checksums are zero, no options. Decoding gives the same frame again when it has no
 * problem and its lengths agree (`length` 14 + tag + ip.length, ip.length 20 + header + payload; ARP 28 bytes).
 */
export function encodeFrame(frame: Frame): Uint8Array {
  const tagBytes = frame.vlan === undefined ? 0 : 4;
  const bytes = new Uint8Array(frame.length);
  const view = new DataView(bytes.buffer);
  bytes.set(macToBytes(frame.dstMac), 0);
  bytes.set(macToBytes(frame.srcMac), 6);
  if (frame.vlan !== undefined) {
    view.setUint16(12, ETHERTYPE_VLAN);
    view.setUint16(14, frame.vlan);
  }
  view.setUint16(12 + tagBytes, frame.etherType);
  if (frame.arp) bytes.set(encodeArp(frame.arp), 14 + tagBytes);
  if (frame.ip) bytes.set(encodeIpv4(frame.ip), 14 + tagBytes);
  return bytes;
}

function encodeArp(arp: Arp): Uint8Array {
  const bytes = new Uint8Array(28);
  bytes.set([0, 1, 8, 0, 6, 4, arp.operation >>> 8, arp.operation & 255]);
  bytes.set(macToBytes(arp.senderMac), 8);
  bytes.set(toBytes(arp.senderIp), 14);
  bytes.set(macToBytes(arp.targetMac), 18);
  bytes.set(toBytes(arp.targetIp), 24);
  return bytes;
}

export function encodeIpv4(ip: Ipv4Packet): Uint8Array {
  const bytes = new Uint8Array(ip.length);
  const view = new DataView(bytes.buffer);
  bytes[0] = 0x45;
  view.setUint16(2, ip.length);
  view.setUint16(4, ip.id);
  view.setUint16(6, ((ip.fragment?.offsetBytes ?? 0) >>> 3) | (ip.fragment?.more ? 0x2000 : 0));
  bytes[8] = ip.ttl;
  bytes[9] = ip.proto;
  bytes.set(toBytes(ip.src), 12);
  bytes.set(toBytes(ip.dst), 16);
  if (ip.tcp) encodeTcp(view, ip.tcp);
  if (ip.udp) {
    view.setUint16(20, ip.udp.srcPort);
    view.setUint16(22, ip.udp.dstPort);
    view.setUint16(24, ip.udp.length + 8);
  }
  if (ip.icmp) {
    bytes[20] = ip.icmp.type;
    bytes[21] = ip.icmp.code;
    view.setUint16(24, ip.icmp.id ?? 0);
    view.setUint16(26, ip.icmp.seq ?? 0);
    if (ip.icmp.quoted) bytes.set(encodeIpv4(ip.icmp.quoted), 28);
  }
  return bytes;
}

function encodeTcp(view: DataView, tcp: TcpSegment): void {
  const { syn, ack, fin, rst, psh } = tcp.flags;
  view.setUint16(20, tcp.srcPort);
  view.setUint16(22, tcp.dstPort);
  view.setUint32(24, tcp.seq);
  view.setUint32(28, tcp.ack);
  view.setUint8(32, 5 << 4);
  view.setUint8(33, (fin ? 1 : 0) | (syn ? 2 : 0) | (rst ? 4 : 0) | (psh ? 8 : 0) | (ack ? 16 : 0));
}

/** One line, as tcpdump would put it: "172.17.0.2:41234 > 203.0.113.80:80 tcp SYN ttl 64". */
export function renderFrame(frame: Frame): string {
  const tail = frame.problem === undefined ? "" : ` [${frame.problem}]`;
  if (frame.ip) return renderIpv4(frame.ip) + tail;
  if (frame.arp) return renderArp(frame.arp) + tail;
  return `${frame.srcMac} > ${frame.dstMac} ethertype 0x${frame.etherType.toString(16).padStart(4, "0")} length ${frame.length}${tail}`;
}

export function renderIpv4(ip: Ipv4Packet): string {
  const ports = ip.tcp ?? ip.udp;
  const [from, to] = ports ? [`${ip.src}:${ports.srcPort}`, `${ip.dst}:${ports.dstPort}`] : [ip.src, ip.dst];
  const part = ip.fragment ? ` fragment ${ip.fragment.offsetBytes}${ip.fragment.more ? "+" : ""}` : "";
  return `${from} > ${to} ${renderTransport(ip)}${part} ttl ${ip.ttl}${ip.problem === undefined ? "" : ` [${ip.problem}]`}`;
}

function renderTransport(ip: Ipv4Packet): string {
  if (ip.tcp) {
    const names = (["syn", "fin", "rst", "psh", "ack"] as const).filter((name) => ip.tcp?.flags[name]);
    const flags = names.length === 0 ? "no flags" : names.join(",").toUpperCase();
    return `tcp ${flags}${ip.tcp.length > 0 ? ` length ${ip.tcp.length}` : ""}`;
  }
  if (ip.udp) return `udp length ${ip.udp.length}`;
  if (ip.icmp) return renderIcmp(ip.icmp);
  return `proto ${ip.proto}`;
}

/** RFC 792 and RFC 1812 5.2.7.1 */
const UNREACHABLE: readonly string[] = ["net", "host", "protocol", "port"];

function renderIcmp(icmp: IcmpMessage): string {
  if (icmp.type === 8) return `icmp echo request id ${icmp.id ?? 0} seq ${icmp.seq ?? 0}`;
  if (icmp.type === 0) return `icmp echo reply id ${icmp.id ?? 0} seq ${icmp.seq ?? 0}`;
  const quoted = icmp.quoted ? ` (${renderIpv4(icmp.quoted)})` : "";
  if (icmp.type === 3 && [9, 10, 13].includes(icmp.code)) return `icmp administratively prohibited${quoted}`;
  if (icmp.type === 3) return `icmp ${UNREACHABLE[icmp.code] ?? `code ${icmp.code}`} unreachable${quoted}`;
  if (icmp.type === 11) return `icmp time exceeded${quoted}`;
  return `icmp type ${icmp.type} code ${icmp.code}${quoted}`;
}

function renderArp(arp: Arp): string {
  if (arp.operation === 1) return `arp who-has ${arp.targetIp} tell ${arp.senderIp}`;
  if (arp.operation === 2) return `arp ${arp.senderIp} is-at ${arp.senderMac}`;
  return `arp operation ${arp.operation}`;
}

/** Big-endian reads; a caller has checked the length, and past the end there are zeros, never other memory. */
interface Reader {
  u8(at: number): number;
  u16(at: number): number;
  u32(at: number): number;
}

function readerOf(bytes: Uint8Array): Reader {
  const u8 = (at: number): number => bytes[at] ?? 0;
  const u16 = (at: number): number => (u8(at) << 8) | u8(at + 1);
  return { u8, u16, u32: (at) => ((u16(at) << 16) | u16(at + 2)) >>> 0 };
}

const HEX: readonly string[] = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, "0"));

function macAt(r: Reader, at: number): Mac {
  return Array.from({ length: 6 }, (_, i) => HEX[r.u8(at + i)]).join(":") as Mac;
}

function noPacket(problem: string): Ipv4Packet {
  const none = fromNumber(0);
  return { src: none, dst: none, ttl: 0, id: 0, proto: 0, length: 0, problem };
}
