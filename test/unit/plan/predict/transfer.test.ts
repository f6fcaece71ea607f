/** Where an FTP data connection goes, and what becomes of it: each direction, through each kind of translation. */
import { describe, expect, test } from "vitest";
import type { Transfer } from "../../../../src/net/ftp.ts";
import type { NodeName } from "../../../../src/net/name.ts";
import { checksOf } from "../../../../src/plan/check/checks.ts";
import { predict } from "../../../../src/plan/predict/predict.ts";
import type { Prediction } from "../../../../src/plan/predict/prediction.ts";
import type { State } from "../../../../src/state/state.ts";
import { addressNamed, rulesOf, verdictOf } from "../../../support/predict.ts";
import { newDaemon, protoPort, WORLD, withContainer, withNetwork } from "../../../support/state.ts";

const forwards = [
  {
    publicPort: protoPort("21").port,
    proto: "tcp",
    to: WORLD.host,
    toPort: protoPort("21").port,
    at: { file: "f", line: 1, column: 1 },
  },
] as const;

function ftpLab(engine: Parameters<typeof newDaemon>[0] = {}): State {
  let state = newDaemon(engine, { router: { ...WORLD.router, forwards } });
  state = withNetwork(withNetwork(state, "n"), "m");
  state = withContainer(state, "files", { networks: ["n"], serves: ["21"], publish: ["21:21"] });
  state = withContainer(state, "client", { networks: ["n"], serves: ["80"] });
  state = withContainer(state, "other", { networks: ["m"] });
  return withContainer(state, "agent", { mode: "host", serves: ["80"] });
}

function fetched(state: State, from: string, to: string, transfer: Transfer, port = "21"): Prediction {
  const probe = { from: from as NodeName, address: addressNamed(state, to), ...protoPort(port), transfer };
  return predict(state, probe, rulesOf(state));
}

describe("a file is fetched", () => {
  const state = ftpLab();

  test.for([
    // one network: whatever is announced is reached
    ["client", "files", "active", "reach as 172.18.0.3 by files"],
    ["client", "files", "passive", "reach as 172.18.0.3 by files"],
    ["client", "files", "extended-passive", "reach as 172.18.0.3 by files"],
    ["files", "files", "active", "reach as 172.18.0.2 by files"],
    ["files", "lo", "passive", "reach as 127.0.0.1 by files"],
    ["@host", "files", "active", "reach as 172.18.0.1 by files"],
    // through the published port: outwards it works, inwards it does not
    ["@neighbour", "host", "active", "reach as 192.168.0.20 by files"],
    ["@neighbour", "host", "passive", "drop: direct-access"],
    ["@neighbour", "host", "extended-passive", "refuse at @host"],
    ["@internet", "public", "active", "reach as 203.0.113.80 by files"],
    ["@internet", "public", "passive", "unreachable at @internet"],
    ["@internet", "public", "extended-passive", "refuse at @router"],
    ["other", "host", "active", "drop: direct-access"],
    ["other", "host", "passive", "drop: direct-access"],
    ["other", "host", "extended-passive", "refuse at @host"],
    ["agent", "host", "active", "reach as 192.168.0.10 by files"],
    ["@host", "lo", "active", "refuse at files"],
    ["@host", "lo", "passive", "reach as 172.18.0.1 by files"],
    // a client behind two NATs
    ["client", "www", "active", "unreachable at @internet"],
    ["client", "www", "passive", "reach as 203.0.113.91 by @internet"],
    ["client", "dns", "extended-passive", "reach as 203.0.113.91 by @internet"],
    ["@internet", "www", "active", "reach as 203.0.113.80 by @internet"],
    // the control connection decides where it does not stand
    ["@neighbour", "files", "active", "drop: direct-access"],
  ] as const)("by %s from %s, %s: %s", ([from, to, transfer, verdict]) => {
    expect(verdictOf(fetched(state, from, to, transfer))).toBe(verdict);
  });

  test("the data connection comes from the server's side, by its own NAT", () => {
    const { transfer, translations, legs, because } = fetched(state, "@neighbour", "host", "active");
    expect(transfer?.data).toEqual({
      from: "files",
      source: "172.18.0.2",
      address: WORLD.neighbour,
      proto: "tcp",
      listener: "@neighbour",
    });
    expect(transfer?.dataSeenAs).toBe(WORLD.host);
    expect(transfer?.control.translations.map((t) => t.kind)).toEqual(["DNAT"]);
    expect(translations.map((t) => t.kind)).toEqual(["MASQUERADE"]);
    expect(legs.map((l) => l.dport)).toEqual(legs.map(() => undefined));
    expect(because).toBe(
      "files opens the data connection to 192.168.0.20, the address that @neighbour announced: it is on the LAN",
    );
  });

  test("why it fails is said with who opens what to where", () => {
    expect(fetched(state, "client", "www", "active").because).toBe(
      "@internet opens the data connection to 172.18.0.3, the address that client announced: 172.18.0.3 is a private address: the internet has no route to it",
    );
    expect(fetched(state, "@internet", "public", "extended-passive").because).toContain(
      "the router does not forward the random port, and nothing listens there",
    );
  });

  test("a server in host mode answers by the host's address, which only the userland proxy leaves to the data connection", () => {
    const seenAs = (userlandProxy: boolean): unknown => {
      const lab = withContainer(withNetwork(newDaemon({ userlandProxy }), "n"), "client", { networks: ["n"] });
      const served = withContainer(lab, "files", { mode: "host", serves: ["21"] });
      return fetched(served, "client", "host", "active").transfer?.dataSeenAs;
    };
    expect([seenAs(true), seenAs(false)]).toEqual([WORLD.host, "172.18.0.1"]);
  });

  test("whoever serves another port speaks no FTP, and waits", () => {
    expect(fetched(state, "@host", "client", "passive", "80")).toMatchObject({
      outcome: "drop",
      because: expect.stringContaining("client speaks no FTP on 80/tcp"),
    });
  });

  test("by the userland proxy: the server announces its own address all the same", () => {
    const { transfer } = fetched(state, "@host", "lo", "passive");
    expect(transfer?.data.address).toBe("172.18.0.2");
    expect(transfer?.control.translations.map((t) => t.kind)).toEqual(["proxy"]);
  });
});

describe("checks", () => {
  test("are derived where an FTP server answers, and for no other service", () => {
    const state = ftpLab();
    const checks = checksOf(state, rulesOf(state), []);
    const transfers = checks.filter((c) => c.group === "transfer");
    expect(transfers.filter((c) => c.id.includes("/service/")).map((c) => c.claim)).toEqual([
      "client fetches a file from files:21/tcp by active FTP",
      "client fetches a file from files:21/tcp by passive FTP",
      "agent fetches a file from files:21/tcp by active FTP",
      "agent fetches a file from files:21/tcp by passive FTP",
    ]);
    expect(transfers.length).toBeGreaterThan(10);
    expect(transfers.every((c) => /files/.test(c.id))).toBe(true);
    const controls = new Set(checks.filter((c) => c.group === "control").map((c) => c.id));
    for (const c of transfers.filter((c) => c.expected.outcome !== "reach")) {
      expect(controls.has(c.control ?? ""), c.id).toBe(true);
      expect(checks.find((o) => o.id === c.control)?.probe.transfer, c.id).toBe(c.probe.transfer);
    }
  });
});
