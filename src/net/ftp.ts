/**
 * FTP's words (RFC 959, 1123 4.1, 2428), both ways: commands, replies, and the addresses that each side announces for data connections.
 * Pure and strict. What does not fit is undefined: the other end is another program, and may say anything.
 */
import { type Ipv4, isIpv4 } from "./address.ts";
import { isPort, type Port } from "./port.ts";

/** How a client asks for its data connection: PORT (the server opens it), PASV, or EPSV (the client does). */
export type Transfer = (typeof TRANSFERS)[number];

export const TRANSFERS = ["active", "passive", "extended-passive"] as const;

/** "active FTP", for sentences. */
export const transferWords = (transfer: Transfer): string => `${transfer.replace("-", " ")} FTP`;

/** IANA's number for the control connection. */
export const FTP_PORT = 21 as Port;
/** Where an active data connection comes from: one below the control connection's port (RFC 959 3.2). */
export const FTP_DATA_PORT = 20 as Port;

/** An end of a data connection. */
export interface DataEnd {
  readonly address: Ipv4;
  readonly port: Port;
}

// --- commands ----------------------------------------------------------------------------------------------------------

export interface FtpCommand {
  /** In capitals: "RETR". */
  readonly verb: string;
  /** What follows the one space; empty when nothing does. */
  readonly argument: string;
}

/** @param line without its end of line */
export function parseFtpCommand(line: string): FtpCommand | undefined {
  const [, verb, argument = ""] = /^([A-Za-z]{3,4})(?: ([\x20-\x7e]*))?$/.exec(line) ?? [];
  return verb === undefined ? undefined : { verb: verb.toUpperCase(), argument };
}

/** h1,h2,h3,h4,p1,p2 (RFC 959 4.1.2): PORT's argument, and what a 227 reply has in parentheses. */
export function renderHostPort({ address, port }: DataEnd): string {
  return `${address.replaceAll(".", ",")},${port >> 8},${port & 0xff}`;
}

export function parseHostPort(text: string): DataEnd | undefined {
  const fields = text.split(",");
  if (fields.length !== 6 || !fields.every(isByte)) return undefined;
  const [high = 0, low = 0] = fields.slice(4).map(Number);
  return dataEnd(fields.slice(0, 4).join("."), high * 256 + low);
}

const isByte = (text: string): boolean => /^\d{1,3}$/.test(text) && Number(text) <= 255;

/** "another family": well formed, but not of IPv4, for which RFC 2428 has a reply of its own. */
export type ExtendedPort = DataEnd | "another family";

/** EPRT's argument, |1|132.235.1.2|6275| with any delimiter (RFC 2428 2). */
export function parseExtendedPort(text: string): ExtendedPort | undefined {
  const delimiter = text[0] ?? "";
  if (!/^[\x21-\x2f\x3a-\x7e]$/.test(delimiter)) return undefined;
  const [before, family, address = "", port = "", after, ...more] = text.split(delimiter);
  if (before !== "" || after !== "" || more.length > 0 || !isDigits(port)) return undefined;
  if (family === "1") return dataEnd(address, Number(port));
  return family !== undefined && isDigits(family) ? "another family" : undefined;
}

const isDigits = (text: string): boolean => /^\d{1,5}$/.test(text);

const dataEnd = (address: string, port: number): DataEnd | undefined =>
  isIpv4(address) && isPort(port) ? { address, port } : undefined;

// --- replies -----------------------------------------------------------------------------------------------------------

export interface FtpReply {
  /** 100 to 599. */
  readonly code: number;
  /** Of its last line, behind the code. */
  readonly text: string;
}

/**
 * The first whole reply of what has come, of one line or of several (RFC 959 4.2: "123-" to "123 ").
 * @returns undefined while it is not complete, "not FTP" when it can never be
 */
export function takeReply(said: string): { readonly reply: FtpReply; readonly rest: string } | undefined | "not FTP" {
  let at = 0;
  let code: string | undefined;
  for (;;) {
    const end = said.indexOf("\n", at);
    if (end < 0) return code === undefined && !beginsReply(said) ? "not FTP" : undefined;
    const [, digits, mark, text = ""] = /^([1-5]\d\d)([ -])(.*)$/.exec(said.slice(at, end).replace(/\r$/, "")) ?? [];
    if (code === undefined && digits === undefined) return "not FTP";
    code ??= digits;
    at = end + 1;
    if (digits === code && mark === " ") return { reply: { code: Number(code), text }, rest: said.slice(at) };
  }
}

/** Could these first characters of a line become a reply? */
const beginsReply = (said: string): boolean => /^$|^[1-5]$|^[1-5]\d$|^[1-5]\d\d$|^[1-5]\d\d[ -]/.test(said);

/** A 227 reply's address, wherever in the text it stands (RFC 1123 4.1.2.6: parentheses are not certain). */
export function parsePassiveReply(text: string): DataEnd | undefined {
  const found = /(?<![\d,])\d{1,3}(?:,\d{1,3}){5}(?![\d,])/.exec(text);
  return found ? parseHostPort(found[0]) : undefined;
}

/** A 229 reply's port, (|||6446|) with any delimiter (RFC 2428 3): the address is the control connection's. */
export function parseExtendedPassiveReply(text: string): Port | undefined {
  const [, , digits = ""] = /\(([\x21-\x27\x2a-\x2f\x3a-\x7e])\1\1(\d{1,5})\1\)/.exec(text) ?? [];
  const port = Number(digits);
  return digits !== "" && isPort(port) ? port : undefined;
}
