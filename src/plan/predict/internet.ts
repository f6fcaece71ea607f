/** What answers on the lab's internet: the web server's responders at each of its addresses, the name server at its own only. */
import type { Ipv4 } from "../../net/address.ts";
import { FTP_PORT } from "../../net/ftp.ts";
import type { Port, ProtoPort } from "../../net/port.ts";
import type { State } from "../../state/state.ts";

/** What the internet's server answers on: HTTP, a UDP echo, FTP. */
export const INTERNET_PORTS: readonly (ProtoPort & { readonly proto: "tcp" | "udp" })[] = [
  { port: 80 as Port, proto: "tcp" },
  { port: 80 as Port, proto: "udp" },
  { port: FTP_PORT, proto: "tcp" },
];

const DNS_PORT = 53;

/** Who answers there speaks DNS (src/dns/authority.ts), over UDP and TCP. */
export function isNameServer({ internet }: State["world"], address: Ipv4, { port, proto }: ProtoPort): boolean {
  return address === internet.dns && port === DNS_PORT && proto !== "sctp";
}

/** @param address one that the internet's machine has: its own two, or its loopback's */
export function isServedOnInternet(world: State["world"], address: Ipv4, served: ProtoPort): boolean {
  const { port, proto } = served;
  return isNameServer(world, address, served) || INTERNET_PORTS.some((p) => p.port === port && p.proto === proto);
}
