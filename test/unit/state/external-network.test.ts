/** Fixed addresses on a network that somebody else made: a subnet that holds them all, told in one warning. */
import { expect, test } from "vitest";
import { resolveState } from "../../../src/state/resolve.ts";
import { specOf } from "../../support/ranges.ts";

function labOf(...addresses: string[]) {
  const services = addresses.map((a, i) => `  s${i}: { image: nginx, networks: { lan: { ipv4_address: ${a} } } }`);
  const { state, warnings } = resolveState(
    specOf(
      ...services.map((s) => s.trim()),
      "other: { image: nginx, networks: [lan] }\nnetworks: { lan: { external: true } }",
    ),
  );
  const lan = state.networks.find((n) => n.name === "lan");
  return {
    subnet: lan?.subnet,
    gateway: lan?.gateway,
    addresses: state.containers.map((c) => c.endpoints[0]?.address),
    warnings,
  };
}

test.each([
  [["10.44.0.9"], "10.44.0.0/24", "10.44.0.1"],
  [["10.44.0.9", "10.44.0.200"], "10.44.0.0/24", "10.44.0.1"],
  [["10.44.0.1", "10.44.0.2"], "10.44.0.0/24", "10.44.0.3"],
  [["10.44.1.9", "10.44.2.9"], "10.44.0.0/22", "10.44.0.1"],
])("%j are on %s", (addresses, subnet, gateway) => {
  const lab = labOf(...addresses);
  expect(lab).toMatchObject({ subnet, gateway });
  expect(lab.addresses).toEqual(expect.arrayContaining(addresses));
  expect(lab.warnings.map((w) => w.message)).toEqual([
    `network lan is external, and its subnet is not known: ${subnet} is taken, which holds the addresses of its services`,
  ]);
});

test("without a fixed address nothing is inferred, and nothing said", () => {
  expect(labOf()).toMatchObject({ subnet: "172.18.0.0/16", warnings: [] });
});

test("a subnet that another network has is refused, as by Docker", () => {
  expect(() => labOf("172.17.0.9")).toThrow("Pool overlaps with other one on this address space");
});
