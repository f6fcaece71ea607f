/** Each forward of the router and each of its static addresses is asked from the internet, whether anybody is behind it or not. */
import { expect, test } from "vitest";
import { loadSpec, resolveState } from "../../../../src/index.ts";
import type { Ipv4 } from "../../../../src/net/address.ts";
import { INTERNET } from "../../../../src/net/name.ts";
import { checksOf } from "../../../../src/plan/check/checks.ts";
import { firewallsOf } from "../../../../src/plan/layout.ts";
import { layoutOf } from "../../../../src/plan/layout-of.ts";
import { ORDINARY_MACHINE } from "../../../../src/plan/machine.ts";
import { labText } from "../../../support/lab-text.ts";
import { rulesOf } from "../../../support/predict.ts";
import { newDaemon, WORLD, withContainer, withNetwork } from "../../../support/state.ts";

function fromInternet(router: string): string[] {
  const { state } = resolveState(
    loadSpec(
      labText(`
services:
  web: { image: nginx, ports: ["8080:80", "5353:53/udp"] }
  own: { image: httpd, network_mode: host }
x-docknet: { world: { router: ${router} } }
`),
    ),
  );
  const checks = checksOf(state, firewallsOf(layoutOf(state, ORDINARY_MACHINE)), []);
  return checks
    .filter((c) => c.probe.from === INTERNET && c.group !== "transfer")
    .map((c) => `${c.claim}: ${c.expected.outcome}`);
}

test("two forwards to one port are two checks", () => {
  expect(fromInternet('{ forwards: ["8080:8080", "9090:8080"] }')).toEqual(
    expect.arrayContaining([
      "@internet reaches web through 203.0.113.91:8080/tcp: reach",
      "@internet reaches web through 203.0.113.91:9090/tcp: reach",
    ]),
  );
});

test("a forward to a port that nobody published, and to one of a host-mode service", () => {
  expect(fromInternet('{ forwards: ["7000", "80"] }')).toEqual(
    expect.arrayContaining([
      "@internet reaches nobody through 203.0.113.91:7000/tcp, forwarded to 192.168.0.10:7000: refuse",
      "@internet reaches own through 203.0.113.91:80/tcp, forwarded to 192.168.0.10:80: reach",
    ]),
  );
});

test("every static address of the host leads to every published port, and one of nobody to nobody", () => {
  const claims = fromInternet('{ static: ["203.0.113.95:host", "203.0.113.97:192.168.0.77"] }');
  expect(claims).toEqual(
    expect.arrayContaining([
      "@internet reaches web through 203.0.113.95:8080/tcp: reach",
      "@internet pings @host at 203.0.113.95: reach",
      "@internet finds nobody at 203.0.113.97, which is 192.168.0.77 in the LAN: unreachable",
    ]),
  );
});

test("each is asked once", () => {
  const claims = fromInternet('{ forwards: ["8080:8080", "9090:8080", "7000"] }');
  expect(new Set(claims).size).toBe(claims.length);
});

test("a macvlan's public address is asked port by port, a port on one gateway alone from the host", () => {
  const at = { file: "f", line: 1, column: 1 };
  const station = "192.168.0.50" as Ipv4;
  const mapping = { public: "203.0.113.94" as Ipv4, to: station, at };
  let state = newDaemon({}, { router: { ...WORLD.router, static: [mapping] } });
  state = withNetwork(state, "lan", { subnet: "192.168.0.0/24", gateway: "192.168.0.1", macvlan: { parent: "eth0" } });
  state = withContainer(state, "web", { publish: ["172.17.0.1:8082:80"] });
  state = withContainer(state, "station", { networks: [{ network: "lan", address: station }], serves: ["80"] });
  const outcomes = new Map(checksOf(state, rulesOf(state), []).map((c) => [c.id, c.expected.outcome]));
  expect(outcomes.get("publish/station:80/@internet/203.0.113.94:80/tcp")).toBe("reach");
  expect(outcomes.get("publish/web:80/@host/172.17.0.1:8082/tcp")).toBe("reach");
});
