/** Random `docker` commands and the states they lead to, for property tests. */
import fc from "fast-check";
import { DocknetError } from "../../src/errors.ts";
import type { Ipv4 } from "../../src/net/address.ts";
import { connectContainer, disconnectContainer } from "../../src/state/attachment.ts";
import { createContainer, removeContainer, renameContainer } from "../../src/state/container.ts";
import { startContainer, stopContainer } from "../../src/state/lifecycle.ts";
import { removeNetwork } from "../../src/state/network.ts";
import type { State } from "../../src/state/state.ts";
import {
  type ContainerText,
  containerRequest,
  deepFreeze,
  type NetworkText,
  newDaemon,
  withContainer,
  withNetwork,
} from "./state.ts";

export type Command =
  | { readonly kind: "network create"; readonly name: string; readonly text: NetworkText }
  | { readonly kind: "network rm"; readonly name: string }
  | { readonly kind: "run"; readonly name: string; readonly text: ContainerText }
  | { readonly kind: "create"; readonly name: string; readonly text: ContainerText }
  | { readonly kind: "start" | "stop" | "rm"; readonly name: string }
  | { readonly kind: "rename"; readonly name: string; readonly to: string }
  | {
      readonly kind: "network connect";
      readonly name: string;
      readonly network: string;
      readonly address?: string;
      readonly gwPriority: number;
    }
  | { readonly kind: "network disconnect"; readonly name: string; readonly network: string };

/** Mostly undefined. */
function rarely<T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> {
  return fc.oneof({ arbitrary: fc.constant(undefined), weight: 9 }, { arbitrary: value, weight: 1 });
}

const networkName = fc.constantFrom("n1", "n2", "n3", "n4");
const anyNetwork = fc.oneof(
  { arbitrary: networkName, weight: 12 },
  { arbitrary: fc.constantFrom("bridge", "bridge", "nosuch"), weight: 3 },
);
/** No hexadecimal digits: none is the beginning of an id. */
const containerName = fc.constantFrom("va", "vb", "vc", "vd", "ve");

/** Small, so that pools run full; some overlap each other. */
const subnet = fc.constantFrom<NetworkText>(
  {},
  { subnet: "10.1.0.0/29" },
  { subnet: "10.1.0.0/24", ipRange: "10.1.0.128/30" },
  { subnet: "10.2.0.0/30" },
  { subnet: "10.3.0.0/31" },
  { subnet: "10.4.0.0/24", gateway: "10.4.0.9", aux: ["10.4.0.1", "10.4.0.3"] },
  { subnet: "10.4.0.0/24", aux: ["10.4.0.1"] },
  { subnet: "10.5.0.0/24", gateway: "10.5.0.255" },
);
const options = fc.constantFrom<Partial<NetworkText>>(
  {},
  {},
  { options: { "bridge.enable_icc": "false" } },
  { options: { "bridge.gateway_mode_ipv4": "routed" } },
  { options: { "bridge.gateway_mode_ipv4": "nat-unprotected" } },
  { options: { "bridge.enable_ip_masquerade": "false" } },
  { options: { "bridge.trusted_host_interfaces": "eth0" } },
  { options: { host_ipv4: "192.168.0.10", "driver.mtu": "1400" } },
  { options: { "bridge.inhibit_ipv4": "true" } },
  { internal: true },
  { internal: true, options: { "bridge.enable_icc": "false" } },
  { internal: true, options: { "bridge.gateway_mode_ipv4": "isolated" } },
);
const address = rarely(fc.constantFrom("10.1.0.2", "10.1.0.130", "10.4.0.9", "10.4.0.3", "10.4.0.50", "172.18.0.5"));
const port = fc.constantFrom(
  "80",
  "8080:80",
  "8080:81/udp",
  "127.0.0.1:8080:80",
  "127.0.0.2:8080:80",
  "192.168.0.10:8080:82",
  "8000-8002:80",
  "127.0.0.1::80",
  "[::1]:8080:80",
  "53:53/udp",
);
const serves = fc.subarray(["80", "81/udp", "8080", "9000"]);

const containerText: fc.Arbitrary<ContainerText> = fc.oneof(
  {
    arbitrary: fc.record({
      networks: fc.uniqueArray(
        fc.tuple(anyNetwork, address, fc.integer({ min: -1, max: 1 })).map(([network, fixed, gwPriority]) => ({
          network,
          gwPriority,
          ...(fixed ? { address: fixed as Ipv4 } : {}),
        })),
        { minLength: 1, maxLength: 3, selector: (r) => r.network },
      ),
      publish: fc.uniqueArray(port, { maxLength: 3 }),
      serves,
    }),
    weight: 9,
  },
  {
    arbitrary: fc.record({
      mode: fc.oneof(
        fc.constantFrom("none" as const, "host" as const),
        containerName.map((n) => `container:${n}` as const),
      ),
      serves,
    }),
    weight: 1,
  },
);

const create: fc.Arbitrary<Command> = fc
  .tuple(networkName, subnet, options)
  .map(([name, a, b]): Command => ({ kind: "network create", name, text: { ...a, ...b } }));

const macvlanCreate = fc
  .record({
    name: networkName,
    pool: fc.constantFrom<NetworkText>({}, { subnet: "192.168.0.0/24", gateway: "192.168.0.1" }, { internal: true }),
    parent: fc.constantFrom("eth0", "eth0", "eth0.10", ""),
    macvlan_mode: fc.constantFrom("bridge", "private", "vepa", "passthru"),
  })
  .map(({ name, pool, ...macvlan }): Command => ({ kind: "network create", name, text: { ...pool, macvlan } }));

export const command: fc.Arbitrary<Command> = fc.oneof(
  { arbitrary: create, weight: 2 },
  { arbitrary: macvlanCreate, weight: 1 },
  { arbitrary: anyNetwork.map((name): Command => ({ kind: "network rm", name })), weight: 1 },
  {
    arbitrary: fc.tuple(containerName, containerText).map(([name, text]): Command => ({ kind: "run", name, text })),
    weight: 14,
  },
  { arbitrary: containerName.map((name): Command => ({ kind: "rm", name })), weight: 2 },
  {
    arbitrary: fc
      .tuple(fc.constantFrom("start" as const, "stop" as const), containerName)
      .map(([kind, name]): Command => ({ kind, name })),
    weight: 4,
  },
  {
    arbitrary: fc.tuple(containerName, containerText).map(([name, text]): Command => ({ kind: "create", name, text })),
    weight: 2,
  },
  {
    arbitrary: fc.tuple(containerName, containerName).map(([name, to]): Command => ({ kind: "rename", name, to })),
    weight: 1,
  },
  {
    arbitrary: fc.tuple(containerName, anyNetwork, address, fc.integer({ min: -1, max: 1 })).map(
      ([name, network, fixed, gwPriority]): Command => ({
        kind: "network connect",
        name,
        network,
        gwPriority,
        ...(fixed ? { address: fixed } : {}),
      }),
    ),
    weight: 2,
  },
  {
    arbitrary: fc
      .tuple(containerName, anyNetwork)
      .map(([name, network]): Command => ({ kind: "network disconnect", name, network })),
    weight: 2,
  },
);

/** @throws DocknetError */
export function runCommand(state: State, c: Command): State {
  switch (c.kind) {
    case "network create":
      return withNetwork(state, c.name, c.text);
    case "network rm":
      return removeNetwork(state, c.name);
    case "run":
      return withContainer(state, c.name, c.text);
    case "rm":
      return removeContainer(state, c.name, { force: true });
    case "create":
      return createContainer(state, containerRequest(c.name, c.text));
    case "start":
      return startContainer(state, c.name);
    case "stop":
      return stopContainer(state, c.name, { exitCode: 137 });
    case "rename":
      return renameContainer(state, c.name, c.to);
    case "network connect":
      return connectContainer(state, c.name, {
        network: c.network,
        gwPriority: c.gwPriority,
        ...(c.address ? { address: c.address as Ipv4 } : {}),
      });
    case "network disconnect":
      return disconnectContainer(state, c.name, c.network);
  }
}

/** The state after a command; the same one when it is refused. Anything but a DocknetError is a bug. */
export function tryCommand(state: State, c: Command): State {
  try {
    return runCommand(state, c);
  } catch (error) {
    if (error instanceof DocknetError) return state;
    throw error;
  }
}

/** A daemon with some networks already, so that there is something to run containers on. */
export const daemon: fc.Arbitrary<State> = fc
  .tuple(
    fc.record({
      userlandProxy: fc.boolean(),
      ipForward: fc.boolean(),
      allowDirectRouting: fc.boolean(),
      icc: fc.boolean(),
    }),
    fc.array(fc.oneof({ arbitrary: create, weight: 5 }, { arbitrary: macvlanCreate, weight: 1 }), {
      minLength: 3,
      maxLength: 6,
      size: "max",
    }),
  )
  .map(([engine, networks]) => networks.reduce(tryCommand, newDaemon(engine)));

/** Between half of `max` and `max` commands: some of them are refused. */
export function commandList(max: number): fc.Arbitrary<Command[]> {
  return fc.array(command, { minLength: Math.floor(max / 2), maxLength: max, size: "max" });
}

/** A state that some commands lead to. */
export function stateAfter(maxCommands: number): fc.Arbitrary<State> {
  return fc
    .tuple(daemon, commandList(maxCommands))
    .map(([start, commands]) => deepFreeze(commands.reduce(tryCommand, start)));
}
