/** The two ends of a walk, as a person writes them. */
import { expect, test } from "vitest";
import { HOST, INTERNET, NEIGHBOUR, type NodeName } from "../../../../src/net/name.ts";
import { parseWalkTarget, walkAddress, walkSender } from "../../../../src/plan/predict/walk-target.ts";
import { addressOn, errorOf, newDaemon, withContainer, withNetwork } from "../../../support/state.ts";

const node = (name: string): NodeName => name as NodeName;

test.each([
  ["web", { name: "web", proto: "icmp" }],
  ["web/icmp", { name: "web", proto: "icmp" }],
  ["web:80", { name: "web", port: 80, proto: "tcp" }],
  ["@internet:53/udp", { name: "@internet", port: 53, proto: "udp" }],
  ["www.example.test:80", { name: "www.example.test", port: 80, proto: "tcp" }],
  ["172.17.0.2:8080/tcp", { name: "172.17.0.2", port: 8080, proto: "tcp" }],
])("%s is understood", (text, target) => {
  expect(parseWalkTarget(text)).toEqual(target);
});

test.each([
  "",
  ":80",
  "web:",
  "web:0",
  "web:65536",
  "web:80/icmp",
  "web/tcp",
  "web:80/sctp",
  "a b:80",
  "::1",
  "web:80:80",
  "224.0.0.1",
])("%j is refused", (text) => {
  expect(errorOf(() => parseWalkTarget(text))?.code).toBe("USAGE");
});

test.each([
  ["web:0", "port 0 is none: wanted 1 to 65535"],
  ["web:65536", "port 65536 is none: wanted 1 to 65535"],
  ["web:80/icmp", "icmp has no ports: leave the port out"],
  ["web/udp", "udp goes to a port: wanted DST:PORT/udp"],
  ["::1", "labs are IPv4, and this is an IPv6 address"],
  ["[fd00::2]:80/tcp", "labs are IPv4, and this is an IPv6 address"],
  ["224.0.0.1:5353/udp", "it is the address of many machines, and a walk follows one packet to one"],
  ["255.255.255.255", "it is the address of many machines, and a walk follows one packet to one"],
  ["web:80/sctp", "wanted DST, DST:PORT or DST:PORT/proto, proto tcp or udp"],
])("of %s is said what is wrong with it", (text, wrong) => {
  expect(errorOf(() => parseWalkTarget(text))?.message).toBe(`Cannot walk to "${text}": ${wrong}`);
});

test("a container is known by the id that docknet ps shows, and by no less of it", () => {
  const state = withContainer(newDaemon(), "web");
  const id = state.containers[0]?.id ?? "";
  expect(walkSender(state, id).node).toBe("web");
  expect(walkSender(state, id.slice(0, 12)).node).toBe("web");
  expect(errorOf(() => walkSender(state, id.slice(0, 11)))?.code).toBe("NOT_FOUND");
});

test("a service is walked to on the network that both have", () => {
  const state = ["web", "db"].reduce(
    (s, name) => withContainer(s, name, { networks: ["front", "back"].slice(name === "db" ? 1 : 0) }),
    withNetwork(withNetwork(newDaemon(), "front"), "back"),
  );
  expect(walkAddress(state, node("db"), "web")).toBe(addressOn(state, "web", "back"));
  expect(walkAddress(state, NEIGHBOUR, "db")).toBe(addressOn(state, "db", "back"));
});

test("a container that shares the sender's network is its loopback, one of host mode the host", () => {
  const state = withContainer(
    withContainer(withContainer(newDaemon(), "web"), "side", { mode: "container:web" }),
    "agent",
    { mode: "host" },
  );
  expect(walkAddress(state, node("side"), "web")).toBe("127.0.0.1");
  expect(walkAddress(state, NEIGHBOUR, "agent")).toBe(state.world.host);
  expect(walkAddress(state, node("agent"), "agent")).toBe("127.0.0.1");
});

test("machines of the world have the addresses by which the sender knows them", () => {
  const { world, ...state } = newDaemon();
  expect(walkAddress({ ...state, world }, INTERNET, "@router")).toBe(world.router.public);
  expect(walkAddress({ ...state, world }, HOST, "@router")).toBe(world.router.lan);
  expect(walkAddress({ ...state, world }, HOST, "@internet")).toBe(world.internet.www);
});

test("a name that is nobody's is left to DNS, a node that is not there is refused", () => {
  const state = withContainer(newDaemon(), "lonely", { mode: "none" });
  expect(walkAddress(state, HOST, "www.example.test")).toBeUndefined();
  expect(errorOf(() => walkAddress(state, HOST, "@moon"))?.code).toBe("NOT_FOUND");
  expect(errorOf(() => walkAddress(state, HOST, "lonely"))?.code).toBe("CONFLICT");
  expect(errorOf(() => walkSender(state, "nobody"))?.message).toBe('No service, container or node "nobody" in lab lab');
  expect(walkSender(state, "lonely").node).toBe("lonely");
});
