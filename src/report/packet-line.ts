/** One captured packet as one line of a live view: time, link, direction, what it is, and what NAT did to it. Pure. */

import type { Time } from "./pcapng.ts";
import { Pen, type Style } from "./pen.ts";

export interface PacketLine {
  readonly time: Time;
  /** "web/eth0" */
  readonly place: string;
  readonly direction: "in" | "out";
  /** "172.17.0.2:41234 > 203.0.113.80:80 tcp SYN ttl 64" */
  readonly text: string;
  readonly comment?: string;
}

export interface PacketLineOptions {
  readonly colour: boolean;
  /** Columns for the place: that of the longest one, so that lines stand below each other. */
  readonly placeWidth: number;
  /** Minutes that local time is behind UTC, as `Date.getTimezoneOffset` tells. */
  readonly utcOffsetMinutes: number;
}

/** "09:12:01.123456789  web/eth0  in   172.17.0.1:45678 > 172.17.0.2:80 tcp SYN ttl 63  (DNAT ...)" */
export function renderPacketLine(line: PacketLine, options: PacketLineOptions): string {
  const pen = new Pen({ colour: options.colour, width: 120 });
  const parts = [
    pen.paint("dim", renderTime(line.time, options.utcOffsetMinutes)),
    pen.paint("cyan", line.place.padEnd(options.placeWidth)),
    line.direction.padEnd(3),
    pen.paint(styleOf(line.text), line.text),
  ];
  if (line.comment !== undefined) parts.push(pen.paint("yellow", `(${line.comment})`));
  return parts.filter((part) => part !== "").join("  ");
}

/** Refusals and errors stand out, the beginning of a connection is easily found. */
function styleOf(text: string): Style {
  if (/ tcp \S*RST| icmp .*(unreachable|prohibited|exceeded)/.test(text)) return "red";
  return / tcp SYN ttl /.test(text) ? "green" : "bold";
}

function renderTime({ seconds, nanos }: Time, utcOffsetMinutes: number): string {
  const local = new Date(seconds * 1000 - utcOffsetMinutes * 60_000);
  return `${local.toISOString().slice(11, 19)}.${String(nanos).padStart(9, "0")}`;
}
