/**
 * What dockerd 20.10 does not know yet. An engine ignores what it does not know; a lab file that asks for it gets a warning.
 * Source: libnetwork drivers/bridge/labels.go at moby v20.10.24, and that daemon itself.
 */
import type { Problem } from "../errors.ts";
import type { FirewallProfile, Spec } from "../spec/spec.ts";
import type { Attachment } from "./state.ts";

const PREFIX = "com.docker.network.";
export const GATEWAY_MODE = `${PREFIX}bridge.gateway_mode_ipv4`;
/** `-o` keys of a network. */
const LATER_OPTIONS: readonly string[] = [
  GATEWAY_MODE,
  `${PREFIX}bridge.gateway_mode_ipv6`,
  `${PREFIX}bridge.trusted_host_interfaces`,
];
/** Keys of an endpoint's driver options. */
const LATER_ENDPOINT_OPTIONS: readonly string[] = [`${PREFIX}endpoint.ifname`, `${PREFIX}endpoint.sysctls`];

type Options = Readonly<Record<string, string>>;

const isOld = (profile: FirewallProfile): boolean => profile === "docker-20.10";

/** The `-o` options of a network that this engine acts on. */
export function knownOptions(profile: FirewallProfile, options: Options): Options {
  return isOld(profile) ? without(options, LATER_OPTIONS) : options;
}

/** Of what an attachment asks for, what this engine acts on. */
export function knownAttachment(profile: FirewallProfile, attachment: Attachment): Attachment {
  if (!isOld(profile)) return attachment;
  const { ifName: _, ...rest } = attachment;
  return { ...rest, gwPriority: 0, driverOpts: without(attachment.driverOpts, LATER_ENDPOINT_OPTIONS) };
}

/** One warning for each setting of the file that the engine ignores. */
export function ignoredSettings({ engine, networks, services }: Spec): Problem[] {
  const { profile } = engine;
  if (!isOld(profile)) return [];
  const ignored = (what: string, at: Problem["at"]): Problem => ({
    message: `${what} is ignored: the engine of profile ${profile} does not know it`,
    ...(at ? { at } : {}),
  });
  const known = (options: Options, later: readonly string[]): string[] => later.filter((key) => key in options);
  return [
    ...(engine.allowDirectRouting ? [ignored("allow-direct-routing", engine.at)] : []),
    ...networks.flatMap((n) =>
      known(n.driverOpts, LATER_OPTIONS).map((key) => ignored(`network ${n.key}: option ${key}`, n.at)),
    ),
    ...services.flatMap((s) =>
      s.attachments.flatMap((a) => [
        ...(a.interfaceName ? [ignored(`service ${s.key}: interface_name`, a.at)] : []),
        ...(a.gwPriority === 0 ? [] : [ignored(`service ${s.key}: gw_priority`, a.at)]),
        ...known(a.driverOpts, LATER_ENDPOINT_OPTIONS).map((key) => ignored(`service ${s.key}: option ${key}`, a.at)),
      ]),
    ),
  ];
}

function without(options: Options, keys: readonly string[]): Options {
  return Object.fromEntries(Object.entries(options).filter(([key]) => !keys.includes(key)));
}
