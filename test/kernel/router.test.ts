/** The router answers who it knows the way to: the LAN, and what NAT brings there; not a container that leaves with its own address. */
import { expect, test } from "vitest";
import { createLab } from "../../src/index.ts";
import { labText } from "../support/lab-text.ts";

const LAB = `
services:
  masked: { image: busybox, networks: [plain] }
  bare: { image: busybox, networks: [open] }
networks:
  plain: {}
  open: { driver_opts: { com.docker.network.bridge.enable_ip_masquerade: "false" } }
x-docknet:
  checks:
    - { from: "@neighbour", to: "@router", proto: icmp }
    - { from: masked, to: "@router", proto: icmp, seen-as: 192.168.0.10 }
    - { from: masked, to: "@router:80", expect: refuse }
    - { from: bare, to: "@router", proto: icmp, expect: drop }
    - { from: bare, to: "@router:80", expect: drop }
    - { from: bare, to: "203.0.113.91", proto: icmp, expect: drop }
    - { from: bare, to: "@internet:80", expect: drop }
`;

test("predicted and observed alike, with who does not hear the answer", async () => {
  await using lab = await createLab(labText(LAB));
  const { checks } = await lab.verify();
  expect(checks.map((c) => `${c.verdict} ${c.claim} ${c.reasons}`.trim())).toEqual(
    checks.map((c) => `PASS ${c.claim}`),
  );
  expect(checks.find((c) => c.id.includes("/bare/@router"))?.predicted.because).toBe(
    "the router has no route back to 172.19.0.2: it is not an address of the LAN",
  );
});
