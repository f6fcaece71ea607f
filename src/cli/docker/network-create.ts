/** docknet network create. Source: docker/cli cli/command/network/create.go. */
import { BlockList, isIP } from "node:net";
import { print } from "../terminal.ts";
import type { CommandSpec } from "./command.ts";
import { type Flags, FlagValueError } from "./flags.ts";
import { StatusError } from "./status.ts";

export const create: CommandSpec = {
  usage: "[OPTIONS] NETWORK",
  min: 1,
  max: 1,
  flags: [
    { name: "driver", short: "d", kind: "string", usage: "Driver to manage the Network", default: "bridge" },
    { name: "opt", short: "o", kind: "map", usage: "Set driver specific options", shown: "map[]" },
    { name: "label", kind: "list", usage: "Set metadata on a network", check: checkLabel },
    { name: "internal", kind: "bool", usage: "Restrict external access to the network" },
    { name: "ipv4", kind: "bool", usage: "Enable or disable IPv4 address assignment", default: "true" },
    { name: "ipv6", kind: "bool", usage: "Enable or disable IPv6 address assignment" },
    { name: "attachable", kind: "bool", usage: "Enable manual container attachment" },
    { name: "ingress", kind: "bool", usage: "Create swarm routing-mesh network" },
    { name: "scope", kind: "string", usage: "Control the network's scope" },
    { name: "config-only", kind: "bool", usage: "Create a configuration only network" },
    { name: "config-from", kind: "string", usage: "The network from which to copy the configuration" },
    { name: "ipam-driver", kind: "string", usage: "IP Address Management Driver", default: "default" },
    { name: "subnet", kind: "strings", usage: "Subnet in CIDR format that represents a network segment" },
    { name: "ip-range", kind: "strings", usage: "Allocate container ip from a sub-range" },
    { name: "gateway", kind: "strings", usage: "IPv4 or IPv6 Gateway for the master subnet" },
    {
      name: "aux-address",
      kind: "map",
      usage: "Auxiliary IPv4 or IPv6 addresses used by Network driver",
      shown: "map[]",
    },
    { name: "ipam-opt", kind: "map", usage: "Set IPAM driver specific options", shown: "map[]" },
  ],
  completes: ["none"],
  run: async ({ flags, args, session }) => {
    const body = networkConfig(args[0] ?? "", flags);
    const client = await session.client();
    const { Id, Warning } = await client.post<{ readonly Id: string; readonly Warning?: string }>("/networks/create", {
      body,
    });
    if (Warning) process.stderr.write(`WARNING: ${Warning}\n`);
    print(Id);
    return 0;
  },
};

/** Source: docker/cli opts/opts.go ValidateLabel. */
function checkLabel(value: string): string {
  if (value.split("=")[0] === "") throw new FlagValueError(`invalid label '${value}': empty name`);
  return value;
}

/** The body of POST /networks/create. Throws StatusError for addresses that do not belong together. */
function networkConfig(name: string, flags: Flags): Readonly<Record<string, unknown>> {
  const from = flags.string("config-from");
  return {
    Name: name,
    Driver: flags.string("driver"),
    Scope: flags.string("scope"),
    ...(flags.changed("ipv4") ? { EnableIPv4: flags.bool("ipv4") } : {}),
    ...(flags.changed("ipv6") ? { EnableIPv6: flags.bool("ipv6") } : {}),
    IPAM: { Driver: flags.string("ipam-driver"), Options: flags.map("ipam-opt"), Config: ipamConfig(flags) },
    Internal: flags.bool("internal"),
    Attachable: flags.bool("attachable"),
    Ingress: flags.bool("ingress"),
    ConfigOnly: flags.bool("config-only"),
    ConfigFrom: from === "" ? null : { Network: from },
    Options: flags.map("opt"),
    Labels: flags.map("label"),
  };
}

interface SubnetConfig {
  readonly Subnet: string;
  IPRange?: string;
  Gateway?: string;
  AuxiliaryAddresses?: Record<string, string>;
}

/** Each subnet with the range, the gateway and the auxiliary addresses that lie in it. */
function ipamConfig(flags: Flags): readonly SubnetConfig[] {
  const [subnets, ranges, gateways] = ["subnet", "ip-range", "gateway"].map((name) => flags.list(name));
  if (!subnets || !ranges || !gateways) return [];
  if (subnets.length < ranges.length || subnets.length < gateways.length)
    throw new StatusError("every ip-range or gateway must have a corresponding subnet");
  const configs = new Map<string, SubnetConfig>();
  for (const subnet of subnets) {
    for (const other of configs.keys())
      if (subnetContains(subnet, other) || subnetContains(other, subnet))
        throw new StatusError("multiple overlapping subnet configuration is not supported");
    configs.set(subnet, { Subnet: subnet });
  }
  const all = [...configs.values()];
  for (const range of ranges)
    for (const config of matching(all, range, "range")) {
      if (config.IPRange)
        throw new StatusError(
          `cannot configure multiple ranges (${range}, ${config.IPRange}) on the same subnet (${config.Subnet})`,
        );
      config.IPRange = range;
    }
  for (const gateway of gateways)
    for (const config of matching(all, gateway, "gateway")) {
      if (config.Gateway)
        throw new StatusError(
          `cannot configure multiple gateways (${gateway}, ${config.Gateway}) for the same subnet (${config.Subnet})`,
        );
      config.Gateway = gateway;
    }
  for (const [key, address] of Object.entries(flags.map("aux-address")))
    for (const config of matching(all, address, "aux-address"))
      config.AuxiliaryAddresses = { ...config.AuxiliaryAddresses, [key]: address };
  return all;
}

function matching(configs: readonly SubnetConfig[], data: string, what: string): readonly SubnetConfig[] {
  const found = configs.filter((config) => subnetContains(config.Subnet, data, what === "range"));
  if (found.length === 0) throw new StatusError(`no matching subnet for ${what} ${data}`);
  return found;
}

/** Whether the subnet holds the address, or the first address of the CIDR; what is no address is in none. */
function subnetContains(subnet: string, data: string, isCidr = false): boolean {
  const [base, prefix] = parseCidr(subnet, "invalid subnet: ");
  const address = isCidr || data.includes("/") ? parseCidr(data)[0] : data;
  const family = isIP(address);
  if (family === 0 || family !== isIP(base)) return false;
  const list = new BlockList();
  list.addSubnet(base, prefix, family === 4 ? "ipv4" : "ipv6");
  return list.check(address, family === 4 ? "ipv4" : "ipv6");
}

function parseCidr(text: string, context = ""): readonly [string, number] {
  const [base = "", prefix, ...rest] = text.split("/");
  const bits = { 0: 0, 4: 32, 6: 128 }[isIP(base)] ?? 0;
  if (bits === 0 || prefix === undefined || rest.length > 0 || !/^\d{1,3}$/.test(prefix) || Number(prefix) > bits)
    throw new StatusError(`${context}invalid CIDR address: ${text}`);
  return [base, Number(prefix)];
}
