/** What one endpoint is asked to be: EndpointSettings of create and connect. Source: moby api/types/network/endpoint.go, daemon/network.go. */
import { contains, type Ipv4, isIpv4, parseIpv4 } from "../../net/address.ts";
import { type Mac, parseMac } from "../../net/mac.ts";
import type { EndpointRequest } from "../../state/container.ts";
import { allNetworks, isUserDefined } from "../../state/find.ts";
import type { EndpointPart, State } from "../../state/state.ts";
import type { Fields } from "./fields.ts";
import { httpError, notEmulated } from "./refuse.ts";

const MAX_TEXTS = 1000;
const PARTS: readonly EndpointPart[] = ["IPAMConfig", "Links", "Aliases", "DriverOpts"];

/**
 * @param network as the client named it
 * @param prefix of refusals: "invalid config for network N: " at create. @throws DocknetError USAGE, in dockerd's words
 */
export function endpointRequest(state: State, network: string, fields: Fields, prefix: string): EndpointRequest {
  const mac = macOf(fields.text("MacAddress"), prefix);
  const ipam = fields.child("IPAMConfig");
  const address = ipam.text("IPv4Address");
  const linkLocal = ipam.texts("LinkLocalIPs") ?? [];
  const aliases = fields.texts("Aliases") ?? [];
  if (ipam.text("IPv6Address")) throw notEmulated("IPv6 addresses of containers");
  checkAddresses(state, network, address, linkLocal, prefix);
  if (aliases.length > MAX_TEXTS) throw httpError(400, `${prefix}too many aliases: ${aliases.length}`);
  const driverOpts = fields.textMap("DriverOpts");
  const gwPriority = fields.integer("GwPriority");
  const links = fields.texts("Links");
  return {
    network,
    ...(address ? { address: parseIpv4(address) } : {}),
    ...(mac ? { mac } : {}),
    aliases: aliases.filter((a) => a !== ""),
    linkLocal: linkLocal.map((text) => parseIpv4(text)),
    ...(driverOpts ? { driverOpts } : {}),
    ...(gwPriority === undefined ? {} : { gwPriority }),
    ...(links ? { links: links.map(parseLink) } : {}),
    given: PARTS.filter((part) => fields.value[part] !== undefined && fields.value[part] !== null),
  };
}

export function macOf(text: string, prefix: string): Mac | undefined {
  if (text === "") return undefined;
  try {
    return parseMac(text);
  } catch {
    throw httpError(400, `${prefix}invalid MAC address ${text}`);
  }
}

/** All faults of the addresses at once, as moby joins them: one alone stands on its line, several are a list. */
function checkAddresses(
  state: State,
  name: string,
  address: string,
  linkLocal: readonly string[],
  prefix: string,
): void {
  const faults: string[] = [];
  if (address !== "" && !isIpv4(address)) faults.push(`invalid IPv4 address: ${address}`);
  const bad = linkLocal.filter((text) => !isIpv4(text));
  faults.push(...bad.map((text) => `invalid link-local IP address: ${text || '""'}`));
  if (faults.length === 0) return;
  const network = allNetworks(state).find((n) => n.name === name || n.id === name);
  if (address !== "" && network && isUserDefined(network)) {
    if (!network.subnetGiven)
      faults.push(
        "user specified IP address is supported only when connecting to networks with user configured subnets",
      );
    else if (!isIpv4(address) || !contains(network.subnet, address as Ipv4))
      faults.push(`no configured subnet or ip-range contain the IP address ${address}`);
  }
  const lines = faults.length > 1 ? faults.map((fault) => `* ${fault}`) : faults;
  throw httpError(400, `${prefix}invalid endpoint settings:\n${lines.join("\n")}`);
}

/** "target:alias", or "target", which is its own alias. @throws DocknetError with status 500 */
export function parseLink(text: string): { readonly target: string; readonly alias: string } {
  const [target = "", alias, ...more] = text.split(":");
  if (target === "" && text === "") throw httpError(500, "empty string specified for links");
  if (more.length > 0) throw httpError(500, `bad format for links: ${text}`);
  return { target, alias: alias ?? target };
}
