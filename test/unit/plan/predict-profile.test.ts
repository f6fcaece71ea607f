/**
 * Who reaches whom under the older profiles, where it is not as under docker-29: docker-reference section 8, 28.5.2 column, and what
 * dockerd 20.10.24 was seen to do. That the kernel does what is predicted is shown by test/kernel/topology.prop.test.ts.
 */
import { describe, expect, test } from "vitest";
import type { State } from "../../../src/state/state.ts";
import { addressNamed, predictTo, verdictOf } from "../../support/predict.ts";
import { newDaemon, withContainer, withNetwork } from "../../support/state.ts";

type Row = readonly [claim: string, from: string, to: string, port: string, verdict: string];
type Engine = Parameters<typeof newDaemon>[0];

function city(engine: Engine): State {
  let state = newDaemon(engine);
  const mode = (m: string) => ({ options: { "bridge.gateway_mode_ipv4": m } });
  for (const [name, text] of [
    ["n1", {}],
    ["n2", {}],
    ["plain", { options: { "bridge.enable_ip_masquerade": "false" } }],
    ["inner", { internal: true }],
    ["r", mode("routed")],
    ["u", mode("nat-unprotected")],
  ] as const)
    state = withNetwork(state, name, text);
  for (const [name, network, publish] of [
    ["a", "n1", ["8080:80", "127.0.0.1:8081:80"]],
    ["a2", "n1", []],
    ["b", "n2", ["8090:80"]],
    ["p", "plain", ["8095:80"]],
    ["i", "inner", []],
    ["r1", "r", ["8110:80"]],
    ["u1", "u", ["8120:80"]],
  ] as const)
    state = withContainer(state, name, { networks: [network], publish, serves: ["80", "9000"] });
  return state;
}

const check =
  (state: State) =>
  ([, from, to, port, want]: Row): void => {
    const verdict = verdictOf(predictTo(state, from, to, port));
    expect(verdict).toBe(want.replaceAll(/\((gw\(\w+\)|\w+)\)/g, (_, name: string) => addressNamed(state, name)));
  };
const title = "%s: %s to %s %s is %s";

describe("docker-28", () => {
  test.for<Row>([
    ["another network's container", "a", "b", "80", "drop: direct-access"],
    ["its published port, by the proxy", "a", "host", "8090", "reach as (gw(n2)) by b"],
    ["a neighbour's published port", "a2", "host", "8080", "reach as (gw(n1)) by a"],
    [
      "without masquerade there is no proxy, and isolation drops what DNAT leads on",
      "p",
      "host",
      "8080",
      "drop: isolation-drop",
    ],
    ["a routed network's published port", "a", "r1", "80", "reach as (gw(r)) by r1"],
    ["its other port", "a", "r1", "9000", "drop: default-drop"],
    ["its ping", "a", "r1", "ping", "reach as (gw(r)) by r1"],
    ["from a routed network", "r1", "a", "80", "drop: direct-access"],
    ["from a routed network by the host", "r1", "host", "8080", "reach as (gw(n1)) by a"],
    ["an unprotected network's container", "a", "u1", "80", "drop: isolation-drop"],
    ["its published port", "a", "host", "8120", "reach as (gw(u)) by u1"],
    ["from the LAN it is open", "@neighbour", "u1", "9000", "reach as (neighbour) by u1"],
    ["from the LAN a container is not", "@neighbour", "a", "80", "drop: direct-access"],
    ["from an internal network", "i", "gw(inner)", "8080", "drop: internal-out"],
  ])(title, check(city({ profile: "docker-28" })));

  test.for<Row>([
    ["another network's published port", "a", "host", "8090", "drop: isolation-drop"],
    ["a neighbour's published port", "a2", "host", "8080", "reach as (a2) by a"],
  ])(`proxy off: ${title}`, check(city({ profile: "docker-28", userlandProxy: false })));
});

describe("docker-20.10", () => {
  test.for<Row>([
    ["another network's container", "a", "b", "80", "drop: isolation-drop"],
    ["its published port, by the proxy", "a", "host", "8090", "reach as (gw(n2)) by b"],
    [
      "without masquerade there is no proxy, and isolation drops what DNAT leads on",
      "p",
      "host",
      "8080",
      "drop: isolation-drop",
    ],
    [
      "from the LAN, a published port at the container's own address",
      "@neighbour",
      "a",
      "80",
      "reach as (neighbour) by a",
    ],
    ["from the LAN, a port that is not published", "@neighbour", "a", "9000", "drop: policy"],
    ["from the LAN, ping", "@neighbour", "a", "ping", "drop: policy"],
    ["an answer to the LAN with the container's own address", "p", "neighbour", "ping", "reach as (p) by @neighbour"],
    ["a routed network is an ordinary one", "@neighbour", "host", "8110", "reach as (neighbour) by r1"],
    ["so is an unprotected one", "@neighbour", "u1", "9000", "drop: policy"],
    ["an internal network", "@neighbour", "i", "80", "drop: internal-in"],
  ])(title, check(city({ profile: "docker-20.10" })));

  test.for<Row>([
    ["from the LAN, any port", "@neighbour", "a", "9000", "reach as (neighbour) by a"],
    ["from the LAN, ping", "@neighbour", "a", "ping", "reach as (neighbour) by a"],
    ["bridges stay apart", "a", "b", "9000", "drop: isolation-drop"],
  ])(`where the host forwarded before: ${title}`, check(city({ profile: "docker-20.10", ipForward: true })));

  test.for<Row>([
    ["another network's published port", "a", "host", "8090", "drop: isolation-drop"],
    ["a neighbour's published port", "a2", "host", "8080", "reach as (a2) by a"],
    ["its own", "a", "host", "8080", "reach as (gw(n1)) by a"],
  ])(`proxy off: ${title}`, check(city({ profile: "docker-20.10", userlandProxy: false })));
});
