/**
 * What a probe says, and what it reads in what comes back. To the lab's responders it says HTTP or a datagram of any words
 * (responder.ts), to a name server a DNS query; either answer holds the one line that tells who answered, and whom.
 */
import { type Ipv4, isIpv4 } from "../../net/address.ts";
import { takeReply } from "../../net/ftp.ts";
import { isPort, type Port } from "../../net/port.ts";

/** A query in place of the token, and how the responder's line is found in the answer (src/dns/question.ts). */
export interface DnsSpeech {
  readonly query: Uint8Array;
  /** Never throws. @returns undefined when it is not in there */
  readLine(message: Uint8Array): string | undefined;
}

export interface ResponderAnswer {
  readonly service: string;
  readonly from: { readonly address: Ipv4; readonly port: number };
  readonly to: { readonly address: Ipv4; readonly port: number };
}

/** Both functions take all that has come so far. */
export interface Speech {
  readonly request: Uint8Array;
  /** There is no need to wait for more. */
  isComplete(said: Buffer): boolean;
  /** Strict: another program may listen there and say anything. */
  readAnswer(said: Buffer): ResponderAnswer | undefined;
}

export function overTcp(address: Ipv4, token: string, dns: DnsSpeech | undefined): Speech {
  if (!dns) {
    return {
      request: Buffer.from(`GET /${encodeURIComponent(token)} HTTP/1.0\r\nHost: ${address}\r\n\r\n`),
      // what does not begin as HTTP is another service's greeting; the responder ends what does
      isComplete: (said) => said.length > 0 && !said.toString("latin1").startsWith("HTTP/".slice(0, said.length)),
      readAnswer: (said) => parseHttpAnswer(said.toString("latin1")) ?? parseGreeting(said.toString("latin1")),
    };
  }
  // RFC 1035 4.2.2: a message has its length before it
  const length = Buffer.alloc(2);
  length.writeUInt16BE(dns.query.length);
  return {
    request: Buffer.concat([length, dns.query]),
    isComplete: (said) => said.length >= 2 && said.length >= 2 + said.readUInt16BE(0),
    readAnswer: (said) => parseAnswer(dns.readLine(said.subarray(2))),
  };
}

/** Any datagram is complete. */
export function overUdp(token: string, dns: DnsSpeech | undefined): Omit<Speech, "isComplete"> {
  if (dns) return { request: dns.query, readAnswer: (said) => parseAnswer(dns.readLine(said)) };
  return {
    request: Buffer.from(token),
    readAnswer: (said) => parseAnswer(said.toString("latin1").replace(/ data=[0-9a-f]*\n$/, "")),
  };
}

function parseHttpAnswer(text: string): ResponderAnswer | undefined {
  const split = text.indexOf("\r\n\r\n");
  if (split < 0 || !/^HTTP\/1\.[01] 200 /.test(text)) return undefined;
  const body = text.slice(split + 4);
  return body.endsWith("\n") ? parseAnswer(body.slice(0, -1)) : undefined;
}

/** An FTP server of ours speaks first (ftp-server.ts). */
function parseGreeting(text: string): ResponderAnswer | undefined {
  const taken = takeReply(text);
  return typeof taken === "object" && taken.reply.code === 220 ? parseAnswer(taken.reply.text) : undefined;
}

const ANSWER = /^service=(\S+) port=\d{1,5}\/(?:tcp|udp) from=([\d.]{7,15}):(\d{1,5}) to=([\d.]{7,15}):(\d{1,5})$/;

/** A responder's line. */
export function parseAnswer(line = ""): ResponderAnswer | undefined {
  const [, service, fromAddress, fromPort, toAddress, toPort] = ANSWER.exec(line) ?? [];
  const from = parseEnd(fromAddress, fromPort);
  const to = parseEnd(toAddress, toPort);
  return service !== undefined && from && to ? { service, from, to } : undefined;
}

export function parseEnd(address = "", digits = ""): { readonly address: Ipv4; readonly port: Port } | undefined {
  const port = Number(digits);
  return isIpv4(address) && isPort(port) ? { address, port } : undefined;
}
