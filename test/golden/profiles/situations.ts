/**
 * What was done to a real dockerd before its rules were written down, as data: scripts/record-profiles.mjs does it to dockerd 28.5.2 and
 * 20.10.24, the tests to a State. Bridges bear names of the user's, so that nothing in the rules is random.
 */
import type { Command } from "../../support/commands.ts";
import type { NetworkText } from "../../support/state.ts";

export interface Situation {
  readonly name: string;
  readonly engine?: EngineText;
  readonly steps: readonly Command[];
}

/** What dockerd is told when it starts, and whether its host forwarded before. */
export interface EngineText {
  readonly userlandProxy?: boolean;
  readonly icc?: boolean;
  readonly ipForward?: boolean;
  /** dockerd 20.10 has no such flag. */
  readonly allowDirectRouting?: boolean;
}

const SUBNETS: Readonly<Record<string, string>> = {
  n1: "198.51.100.0/24",
  n2: "192.0.2.0/24",
  n3: "10.3.0.0/24",
  n4: "10.4.0.0/24",
};

function network(name: string, options: Readonly<Record<string, string>> = {}, internal = false): Command {
  const text: NetworkText = {
    subnet: SUBNETS[name] as string,
    internal,
    options: { "bridge.name": `br-${name}`, ...options },
  };
  return { kind: "network create", name, text };
}

function run(name: string, on: string, ...publish: readonly string[]): Command {
  return { kind: "run", name, text: { networks: [on], publish } };
}

const connect = (name: string, to: string): Command => ({ kind: "network connect", name, network: to, gwPriority: 0 });
const disconnect = (name: string, from: string): Command => ({ kind: "network disconnect", name, network: from });

const MODE = "bridge.gateway_mode_ipv4";

export const SITUATIONS: readonly Situation[] = [
  { name: "default-bridge-only", steps: [] },
  { name: "host-forwarded-before", engine: { ipForward: true }, steps: [] },
  { name: "default-bridge-published", steps: [run("c1", "bridge", "8080:80")] },
  { name: "user-network", steps: [network("n1"), run("c1", "n1")] },
  { name: "published", steps: [network("n1"), run("c1", "n1", "8080:80")] },
  { name: "published-on-loopback", steps: [network("n1"), run("c1", "n1", "127.0.0.1:8080:80")] },
  { name: "published-udp", steps: [network("n1"), run("c1", "n1", "5353:53/udp")] },
  { name: "one-port-twice", steps: [network("n1"), run("c1", "n1", "8080:80", "127.0.0.1:8081:80")] },
  {
    name: "two-networks",
    steps: [network("n1"), network("n2"), run("c1", "n1", "8080:80"), run("c2", "n2", "8081:80")],
  },
  {
    name: "two-containers-with-ports",
    steps: [network("n1"), run("c1", "n1", "8080:80", "8443:443"), run("c2", "n1", "9090:90", "9091:91/udp")],
  },
  {
    name: "internal",
    steps: [
      network("n1", {}, true),
      network("n2", { "bridge.enable_icc": "false" }, true),
      network("n3"),
      run("c1", "n1", "8080:80"),
      run("c2", "n3", "8081:80"),
    ],
  },
  { name: "icc-off", steps: [network("n1", { "bridge.enable_icc": "false" }), network("n2"), run("c1", "n1", "8080:80")] },
  { name: "icc-off-on-docker0", engine: { icc: false }, steps: [network("n1"), run("c1", "bridge", "8080:80")] },
  {
    name: "masquerade-off",
    steps: [network("n1", { "bridge.enable_ip_masquerade": "false" }), run("c1", "n1", "8080:80")],
  },
  {
    name: "proxy-off",
    engine: { userlandProxy: false },
    steps: [network("n1"), run("c1", "n1", "8080:80", "127.0.0.1:8081:81"), run("c2", "bridge", "8082:82/udp")],
  },
  {
    name: "proxy-off-masquerade-off",
    engine: { userlandProxy: false },
    steps: [network("n1", { "bridge.enable_ip_masquerade": "false" }), run("c1", "n1", "8080:80")],
  },
  { name: "host-binding", steps: [network("n1", { "bridge.host_binding_ipv4": "192.168.0.10" }), run("c1", "n1", "8080:80")] },
  { name: "host-ipv4", steps: [network("n1", { host_ipv4: "192.168.0.10" }), run("c1", "n1", "8080:80")] },
  {
    name: "host-ipv4-proxy-off",
    engine: { userlandProxy: false },
    steps: [network("n1", { host_ipv4: "192.168.0.10" }), run("c1", "n1", "8080:80")],
  },
  // the port goes with the default gateway, which is the first network by name
  { name: "connected", steps: [network("n1"), network("n2"), run("c1", "n2", "8080:80"), connect("c1", "n1")] },
  {
    name: "connected-and-disconnected",
    steps: [
      network("n1"),
      network("n2"),
      run("c1", "n2", "8080:80"),
      run("c2", "n2", "8081:80"),
      connect("c1", "n1"),
      disconnect("c1", "n1"),
    ],
  },
  {
    name: "stopped",
    steps: [
      network("n1"),
      run("c1", "n1", "8080:80"),
      run("c2", "n1", "8081:80"),
      { kind: "stop", name: "c1" },
    ],
  },
  {
    name: "stopped-and-started",
    steps: [
      network("n1"),
      run("c1", "n1", "8080:80"),
      run("c2", "n1", "8081:80"),
      { kind: "stop", name: "c1" },
      { kind: "start", name: "c1" },
    ],
  },
  {
    name: "network-made-anew",
    steps: [
      network("n1"),
      network("n2"),
      network("n3", {}, true),
      { kind: "network rm", name: "n1" },
      network("n1", { "bridge.enable_icc": "false" }),
      run("c1", "n1", "8080:80"),
    ],
  },
  { name: "routed", steps: [network("n1", { [MODE]: "routed" }), run("c1", "n1", "8080:80")] },
  {
    name: "routed-among-others",
    steps: [
      network("n1"),
      network("n2", {}, true),
      network("n3", { [MODE]: "routed" }),
      network("n4", { [MODE]: "routed", "bridge.enable_icc": "false" }),
      run("c1", "n3", "8080:80"),
      run("c2", "n1", "8081:80"),
    ],
  },
  { name: "nat-unprotected", steps: [network("n1", { [MODE]: "nat-unprotected" }), run("c1", "n1", "8080:80")] },
  { name: "isolated", steps: [network("n1", { [MODE]: "isolated" }, true), run("c1", "n1")] },
  {
    name: "trusted-interfaces",
    steps: [network("n1", { "bridge.trusted_host_interfaces": "eth1:eth2" }), run("c1", "n1", "8080:80")],
  },
  {
    name: "direct-routing-allowed",
    engine: { allowDirectRouting: true },
    steps: [network("n1"), run("c1", "n1", "8080:80")],
  },
];
