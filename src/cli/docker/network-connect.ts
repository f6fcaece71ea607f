/** docknet network connect and disconnect. Source: docker/cli cli/command/network/{connect,disconnect}.go. */
import type { CommandSpec } from "./command.ts";
import { FlagValueError } from "./flags.ts";
import { networkPath } from "./network-path.ts";
import { StatusError } from "./status.ts";

export const connect: CommandSpec = {
  usage: "[OPTIONS] NETWORK CONTAINER",
  min: 2,
  max: 2,
  flags: [
    { name: "ip", kind: "string", usage: 'IPv4 address (e.g., "172.30.100.104")' },
    { name: "ip6", kind: "string", usage: 'IPv6 address (e.g., "2001:db8::33")' },
    { name: "link", kind: "list", usage: "Add link to another container", check: checkLink },
    { name: "alias", kind: "strings", usage: "Add network-scoped alias for the container" },
    { name: "link-local-ip", kind: "strings", usage: "Add a link-local address for the container" },
    { name: "driver-opt", kind: "strings", usage: "driver options for the network" },
    {
      name: "gw-priority",
      kind: "int",
      usage: "Highest gw-priority provides the default gateway. Accepts positive and negative values.",
    },
  ],
  completes: ["networks", "containers"],
  run: async ({ flags, args, session }) => {
    const [network = "", container = ""] = args;
    const driverOpts = Object.fromEntries(flags.list("driver-opt").map(splitDriverOpt));
    const client = await session.client();
    const localAddresses = flags.list("link-local-ip");
    await client.post(`${networkPath(network)}/connect`, {
      body: {
        Container: container,
        EndpointConfig: {
          IPAMConfig: {
            ...(flags.string("ip") ? { IPv4Address: flags.string("ip") } : {}),
            ...(flags.string("ip6") ? { IPv6Address: flags.string("ip6") } : {}),
            ...(localAddresses.length > 0 ? { LinkLocalIPs: localAddresses } : {}),
          },
          Links: flags.list("link").length > 0 ? flags.list("link") : null,
          Aliases: flags.list("alias"),
          DriverOpts: driverOpts,
          GwPriority: flags.int("gw-priority"),
        },
      },
    });
    return 0;
  },
};

export const disconnect: CommandSpec = {
  usage: "[OPTIONS] NETWORK CONTAINER",
  min: 2,
  max: 2,
  flags: [{ name: "force", short: "f", kind: "bool", usage: "Force the container to disconnect from a network" }],
  completes: ["networks", "containers"],
  run: async ({ flags, args, session }) => {
    const [network = "", container = ""] = args;
    const client = await session.client();
    await client.post(`${networkPath(network)}/disconnect`, {
      body: { Container: container, Force: flags.bool("force") },
    });
    return 0;
  },
};

/** Source: docker/cli opts/opts.go ValidateLink. */
function checkLink(value: string): string {
  if (value === "") throw new FlagValueError("empty string specified for links");
  if (value.split(":").length > 2) throw new FlagValueError(`bad format for links: ${value}`);
  return value;
}

function splitDriverOpt(text: string): readonly [string, string] {
  const at = text.indexOf("=");
  const key = text.slice(0, Math.max(at, 0)).trim();
  if (key === "") throw new StatusError("invalid key/value pair format in driver options");
  return [key, text.slice(at + 1).trim()];
}
