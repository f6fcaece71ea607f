/** What one endpoint is asked to be: EndpointSettings of create and connect. Source: moby api/types/network/endpoint.go, daemon/network.go. */
import { isIpv6 } from "../../net/address.ts";
import { type Mac, parseHardwareAddress } from "../../net/mac.ts";
import type { EndpointRequest } from "../../state/container.ts";
import type { EndpointPart } from "../../state/state.ts";
import type { Fields } from "./fields.ts";
import { httpError, notEmulated } from "./refuse.ts";

const MAX_TEXTS = 1000;
const PARTS: readonly EndpointPart[] = ["IPAMConfig", "Links", "Aliases", "DriverOpts"];

/**
 * Addresses stay texts: they are checked with the network, when it is known (state/endpoint-settings.ts).
 * @param network as the client named it
 * @param prefix of refusals: "invalid config for network N: " at create. @throws DocknetError USAGE, in dockerd's words
 */
export function endpointRequest(network: string, fields: Fields, prefix: string): EndpointRequest {
  const mac = macOf(fields.text("MacAddress"), prefix);
  const ipam = fields.child("IPAMConfig");
  const [address, address6] = [ipam.text("IPv4Address"), ipam.text("IPv6Address")];
  const linkLocal = ipam.texts("LinkLocalIPs") ?? [];
  const aliases = fields.texts("Aliases") ?? [];
  if (linkLocal.some((text) => isIpv6(text))) throw notEmulated("IPv6 link-local addresses of containers");
  if (aliases.length > MAX_TEXTS) throw httpError(400, `${prefix}too many aliases: ${aliases.length}`);
  const driverOpts = fields.textMap("DriverOpts");
  const gwPriority = fields.integer("GwPriority");
  const links = fields.texts("Links");
  return {
    network,
    ...(address ? { address } : {}),
    ...(address6 ? { address6 } : {}),
    ...(mac ? { mac } : {}),
    aliases: aliases.filter((a) => a !== ""),
    linkLocal,
    ...(driverOpts ? { driverOpts } : {}),
    ...(gwPriority === undefined ? {} : { gwPriority }),
    ...(links ? { links: links.map(parseLink) } : {}),
    given: PARTS.filter((part) => fields.value[part] !== undefined && fields.value[part] !== null),
  };
}

export function macOf(text: string, prefix: string): Mac | undefined {
  if (text === "") return undefined;
  try {
    return parseHardwareAddress(text);
  } catch {
    throw httpError(400, `${prefix}invalid MAC address ${text}`);
  }
}

/** "target:alias", or "target", which is its own alias. @throws DocknetError with status 500 */
export function parseLink(text: string): { readonly target: string; readonly alias: string } {
  const [target = "", alias, ...more] = text.split(":");
  if (target === "" && text === "") throw httpError(500, "empty string specified for links");
  if (more.length > 0) throw httpError(500, `bad format for links: ${text}`);
  return { target, alias: alias ?? target };
}
