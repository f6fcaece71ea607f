/** A client's side of DNS: one question, and what an answer to it says. RFC 1035 4. */
import { decode, encode, type Packet } from "dns-packet";
import { type Ipv4, parseIpv4 } from "../net/address.ts";
import { WHOAMI } from "./zone.ts";

const RECURSION_DESIRED = 0x0100;

export function encodeQuestion(id: number, name: string): Uint8Array {
  return encode({ type: "query", id, flags: RECURSION_DESIRED, questions: [{ type: "A", name }] });
}

export interface Answered {
  /** "NOERROR", "NXDOMAIN", "SERVFAIL" ... */
  readonly rcode: string;
  readonly addresses: readonly Ipv4[];
}

/** @returns undefined for what is no answer to the question of this id */
export function decodeAnswer(id: number, bytes: Uint8Array): Answered | undefined {
  const packet = decodeResponse(id, bytes);
  if (!packet) return undefined;
  const addresses = (packet.answers ?? []).flatMap((a) => (a.type === "A" ? [parseIpv4(a.data)] : []));
  return { rcode: packet.rcode ?? "NOERROR", addresses };
}

/** What one client may say that it takes over UDP (RFC 9715). */
const EDNS_UDP_BYTES = 1232;

/** The name by which a name server tells of itself, in class CH (RFC 4892). */
export const IDENTITY = "id.server";

/**
 * Asks a name server who is asking. @param of the lab's internet has a name for that; a server in a container is asked for its identity
 * @param paddingBytes that make its length another's (RFC 7830)
 */
export function encodeWhoami(id: number, paddingBytes: number, of: "internet" | "container" = "internet"): Uint8Array {
  const padding = { code: 12, length: paddingBytes } as const;
  return encode({
    type: "query",
    id,
    questions: [{ type: "TXT", ...WHO[of] }],
    additionals: [
      {
        type: "OPT",
        name: ".",
        udpPayloadSize: EDNS_UDP_BYTES,
        extendedRcode: 0,
        ednsVersion: 0,
        flags: 0,
        flag_do: false,
        options: [padding],
      },
    ],
  });
}

const WHO = {
  internet: { name: WHOAMI, class: "IN" },
  container: { name: IDENTITY, class: "CH" },
} as const;

/** @returns the line of a responder, as `whoamiZone` and `answerResolver` say it; undefined for any other message */
export function decodeWhoami(id: number, bytes: Uint8Array): string | undefined {
  const [answer] = decodeResponse(id, bytes)?.answers ?? [];
  if (answer?.type !== "TXT" || !Object.values(WHO).some(({ name }) => name === answer.name)) return undefined;
  return [answer.data].flat().map(String).join("");
}

function decodeResponse(id: number, bytes: Uint8Array): (Packet & { readonly rcode?: string }) | undefined {
  try {
    const packet = decode(Buffer.from(bytes));
    return packet.id === id && packet.type === "response" ? packet : undefined;
  } catch {
    return undefined;
  }
}
