import { describe, expect, test } from "vitest";
import { createContainer } from "../../../src/state/container.ts";
import { findContainer, findNetwork, predefinedNetworks } from "../../../src/state/find.ts";
import { createNetwork } from "../../../src/state/network.ts";
import { containerRequest, errorOf, newDaemon, withNetwork } from "../../support/state.ts";

const id = (start: string): string => start.padEnd(64, "0");
const networks = [
  ["one", id("4aa1")],
  ["two", id("4aa2")],
  ["4aa2", id("4bb1")],
] as const;
const state = [
  ["web", id("ab1")],
  ["app", id("ab2")],
  ["ab2", id("cd3")],
].reduce(
  (s, [name, containerId]) => createContainer(s, { ...containerRequest(name ?? ""), id: containerId ?? "" }),
  networks.reduce((s, [name, networkId]) => createNetwork(s, { name, id: networkId }), newDaemon()),
);

describe("a network", () => {
  test.for([
    ["its full id", id("4aa1"), "one"],
    ["its name", "two", "two"],
    ["a prefix that only it has", "4aa1", "one"],
    ["its name though that begins another's id", "4aa2", "4aa2"],
    ["host", "host", "host"],
  ] as const)("is found by %s", ([, ref, name]) => {
    expect(findNetwork(state, ref).name).toBe(name);
  });

  test.for([
    ["on", "NOT_FOUND", "network on not found"],
    ["4aa", "LAB_FILE", "network 4aa is ambiguous (2 matches found based on ID prefix)"],
    ["4", "LAB_FILE", /^network 4 is ambiguous \([345] matches found based on ID prefix\)$/],
  ] as const)("is not found by %s", ([ref, code, message]) => {
    const error = errorOf(() => findNetwork(state, ref));
    expect(error?.code).toBe(code);
    expect(error?.message).toMatch(message);
  });

  test("of every daemon: host and none have ids of their own, which stay", () => {
    const { host, none } = predefinedNetworks(state);
    expect([host.driver, none.driver]).toEqual(["host", "null"]);
    expect(host.id).toMatch(/^[0-9a-f]{64}$/);
    expect(none.id).not.toBe(host.id);
    expect(predefinedNetworks(withNetwork(state, "more")).host).toEqual(host);
    expect(findNetwork(state, host.id)).toEqual(host);
  });
});

describe("a container", () => {
  test.for([
    ["its full id", id("ab1"), "web"],
    ["its name", "app", "app"],
    ["its name with Docker's slash", "/app", "app"],
    ["a prefix that only it has", "ab1", "web"],
    ["its name though that begins another's id", "ab2", "ab2"],
  ] as const)("is found by %s", ([, ref, name]) => {
    expect(findContainer(state, ref).name).toBe(name);
  });

  test.for([
    ["we", "NOT_FOUND", "No such container: we"],
    ["ab", "LAB_FILE", "multiple IDs found with provided prefix: ab"],
    ["", "LAB_FILE", 'invalid name or ID supplied: ""'],
  ] as const)("is not found by %j", ([ref, code, message]) => {
    expect(errorOf(() => findContainer(state, ref))).toEqual({ code, message });
  });
});
