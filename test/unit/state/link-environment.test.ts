/** Recorded from dockerd 28.5.2: `run --expose 100-103 --expose 80 --expose 53/udp --expose 80/udp -e A=1 -e HOME=/x -e X`, then `--link`. */
import { expect, test } from "vitest";
import type { Ipv4 } from "../../../src/net/address.ts";
import type { Port, Proto } from "../../../src/net/port.ts";
import { runContainer } from "../../../src/state/container.ts";
import { linkEnvironment } from "../../../src/state/link-environment.ts";
import { containerOf, containerRequest, newDaemon } from "../../support/state.ts";

const ADDRESS = "172.17.0.2" as Ipv4;

/** NAME, NAME_ADDR, NAME_PORT, NAME_PROTO of one port. */
function portLines(port: number, proto: Proto): string[] {
  const name = `MY_DB_PORT_${port}_${proto.toUpperCase()}`;
  return [
    `${name}=${proto}://${ADDRESS}:${port}`,
    `${name}_ADDR=${ADDRESS}`,
    `${name}_PORT=${port}`,
    `${name}_PROTO=${proto}`,
  ];
}

test("a link tells ports, ranges, the name and the variables of its target", () => {
  const exposed = [100, 101, 102, 103, 80].map((port) => ({ port: port as Port, proto: "tcp" as const }));
  const udp = [53, 80].map((port) => ({ port: port as Port, proto: "udp" as const }));
  const before = runContainer(newDaemon(), { ...containerRequest("store"), exposed: [...exposed, ...udp] });
  const links = [{ target: "store", alias: "my-db" }];
  const state = runContainer(before, { ...containerRequest("app"), links });
  expect(linkEnvironment(state, containerOf(state, "app"), () => ["A=1", "HOME=/x", "X"])).toEqual([
    `MY_DB_PORT=tcp://${ADDRESS}:80`,
    ...[80, 100, 101, 102, 103].flatMap((port) => portLines(port, "tcp")),
    ...portLines(53, "udp"),
    `MY_DB_PORT_100_TCP_START=tcp://${ADDRESS}:100`,
    "MY_DB_PORT_100_TCP_PORT_START=100",
    `MY_DB_PORT_100_TCP_END=tcp://${ADDRESS}:103`,
    "MY_DB_PORT_100_TCP_PORT_END=103",
    ...portLines(80, "udp"),
    "MY_DB_NAME=/app/my-db",
    "MY_DB_ENV_A=1",
  ]);
});
