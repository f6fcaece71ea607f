/** docknet port. Source: docker/cli cli/command/container/port.go. */
import { print } from "../terminal.ts";
import type { CommandSpec } from "./command.ts";
import { containerPath } from "./container-path.ts";
import { quoteGo } from "./flags.ts";
import { compareNatural } from "./human.ts";
import { joinHostPort } from "./ports.ts";
import { StatusError } from "./status.ts";

interface Published {
  readonly HostIp: string;
  readonly HostPort: string;
}

export const port: CommandSpec = {
  usage: "CONTAINER [PRIVATE_PORT[/PROTO]]",
  min: 1,
  max: 2,
  flags: [],
  completes: ["containers", "none"],
  run: async ({ args, session }) => {
    const [name = "", wanted = ""] = args;
    const client = await session.client();
    const { NetworkSettings } = await client.get<{
      readonly NetworkSettings: { readonly Ports: Readonly<Record<string, readonly Published[] | null>> | null };
    }>(`${containerPath(name)}/json`);
    const ports = NetworkSettings.Ports ?? {};
    const lines =
      wanted === ""
        ? Object.entries(ports).flatMap(([key, hosts]) => (hosts ?? []).map((h) => `${key} -> ${render(h)}`))
        : publishedFor(ports, wanted, name).map(render);
    if (lines.length > 0) print(lines.sort(compareNatural).join("\n"));
    return 0;
  },
};

const render = ({ HostIp, HostPort }: Published): string => joinHostPort(HostIp, HostPort);

function publishedFor(
  ports: Readonly<Record<string, readonly Published[] | null>>,
  wanted: string,
  name: string,
): readonly Published[] {
  const at = wanted.indexOf("/");
  const number = at < 0 ? wanted : wanted.slice(0, at);
  const proto = (at < 0 ? "" : wanted.slice(at + 1)) || "tcp";
  const isNumber = /^\d+$/.test(number);
  if (!isNumber || Number(number) > 0xffff) {
    const why = isNumber ? "value out of range" : "invalid syntax";
    throw new StatusError(`Error: invalid port (${number}): strconv.ParseUint: parsing ${quoteGo(number)}: ${why}`);
  }
  const found = ports[`${number}/${proto}`] ?? [];
  if (found.length === 0) throw new StatusError(`Error: No public port '${wanted}' published for ${name}`);
  return found;
}
