/** The `-o` keys of the bridge driver. Source: moby drivers/bridge/labels.go, netlabel/labels.go, bridge_linux.go networkConfiguration.fromLabels. */
import { ANY_IPV4, type Ipv4, isIpv4 } from "../net/address.ts";
import { type IfName, parseIfName } from "../net/name.ts";
import { refusal } from "./refusal.ts";
import type { BridgeNetwork, GatewayMode } from "./state.ts";

export const OPTION = "com.docker.network.";

/** The longest name a link can bear, bytes (IFNAMSIZ with its NUL is 16). */
const MAX_IFNAME_BYTES = 15;

export type NetworkOptions = Pick<
  BridgeNetwork,
  "icc" | "masquerade" | "gatewayMode" | "hostBinding" | "inhibitIpv4" | "trustedInterfaces" | "ifPrefix"
> &
  Partial<Pick<BridgeNetwork, "snatTo" | "mtuBytes">> & { readonly bridge?: IfName };

/** Keys that the driver does not know are ignored. @throws DocknetError in Docker's words */
export function parseNetworkOptions(options: Readonly<Record<string, string>>, internal: boolean): NetworkOptions {
  const parse = <T>(key: string, fallback: T, read: (text: string) => T): T => {
    const text = options[OPTION + key];
    if (text === undefined) return fallback;
    try {
      return read(text);
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error;
      throw refusal(400, `failed to parse ${OPTION}${key} value: ${text} (${error.message})`);
    }
  };
  const bridge = parse("bridge.name", undefined, readBridge);
  const snatTo = parse<Ipv4 | undefined>("host_ipv4", undefined, readIpv4);
  const parsed: NetworkOptions = {
    ...(bridge ? { bridge } : {}),
    icc: parse("bridge.enable_icc", true, readBool),
    masquerade: parse("bridge.enable_ip_masquerade", true, readBool),
    gatewayMode: parse("bridge.gateway_mode_ipv4", "nat", readGatewayMode),
    hostBinding: parse("bridge.host_binding_ipv4", ANY_IPV4, readIpv4),
    inhibitIpv4: parse("bridge.inhibit_ipv4", false, readBool),
    trustedInterfaces: parse("bridge.trusted_host_interfaces", [], (text) => text.split(":").map(parseIfName)),
    ifPrefix: parse("container_iface_prefix", "eth", readIfPrefix),
    ...(snatTo ? { snatTo } : {}),
    ...parse("driver.mtu", {}, readMtu),
  };
  if (parsed.gatewayMode === "isolated" && !internal)
    throw refusal(500, "gateway mode 'isolated' can only be used for an internal network");
  return parsed;
}

/** What Go's parser says of the text, without the key. */
class Unreadable extends Error {}

/** Go's strconv.ParseBool. */
function readBool(text: string): boolean {
  if (["1", "t", "T", "TRUE", "true", "True"].includes(text)) return true;
  if (["0", "f", "F", "FALSE", "false", "False"].includes(text)) return false;
  throw new Unreadable(`strconv.ParseBool: parsing "${text}": invalid syntax`);
}

function readIpv4(text: string): Ipv4 {
  if (!isIpv4(text)) throw new Unreadable("nil ip");
  return text;
}

function readGatewayMode(text: string): GatewayMode {
  if (text === "nat" || text === "nat-unprotected" || text === "routed" || text === "isolated") return text;
  throw new Unreadable(`unknown gateway mode ${text}`);
}

/** Bounds are the kernel's: a bridge takes 68 to 65535 (net/bridge/br_device.c). */
function readMtu(text: string): { readonly mtuBytes?: number } {
  if (!/^[+-]?\d{1,18}$/.test(text)) throw new Unreadable(`strconv.Atoi: parsing "${text}": invalid syntax`);
  const value = Number(text);
  if (value < 0) throw refusal(400, `invalid MTU number: ${value}`);
  if (value === 0) return {};
  if (value < 68 || value > 65535) throw refusal(500, "invalid argument", { remedy: "Choose an MTU of 68 to 65535" });
  return { mtuBytes: value };
}

function readBridge(text: string): IfName | undefined {
  if (text === "") return undefined;
  if (Buffer.byteLength(text) > MAX_IFNAME_BYTES)
    throw refusal(500, "numerical result out of range", {
      remedy: `Choose a bridge name of at most ${MAX_IFNAME_BYTES} bytes`,
    });
  return parseIfName(text);
}

/** An empty prefix is the default one. */
function readIfPrefix(text: string): string {
  if (text === "") return "eth";
  // two digits of number must still fit
  parseIfName(`${text}00`);
  return text;
}
