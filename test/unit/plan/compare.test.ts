/** One lab under two profiles: which cells change, why, and which rules. The text that people see is a golden file. */
import { describe, expect, test } from "vitest";
import { compareLab, labFile, loadSpec } from "../../../src/index.ts";
import type { Cell, Comparison } from "../../../src/plan/compare.ts";
import { type FirewallProfile, PROFILES } from "../../../src/plan/firewall/profile.ts";
import { renderComparisonJson, renderComparisonMarkdown, renderComparisonText } from "../../../src/report/compare.ts";
import { expectGolden } from "../../support/golden.ts";
import { labText } from "../../support/lab-text.ts";

/** Two networks, an internal one, ports on every address and on loopback, and a port that is served but not published. */
const SHOP = `services:
  web: { image: nginx, networks: [front], ports: ["8080:80", "127.0.0.1:8081:80"] }
  api: { image: busybox, networks: [back], ports: ["9000:9000"], x-docknet: { serve: ["9100"] } }
  db: { image: busybox, networks: [store], expose: ["5432"] }
networks:
  front: { driver_opts: { com.docker.network.bridge.name: br-front } }
  back: { driver_opts: { com.docker.network.bridge.name: br-back } }
  store: { internal: true, driver_opts: { com.docker.network.bridge.name: br-store } }
`;
const FORWARDED = `${SHOP}x-docknet: { engine: { ip-forward: true } }\n`;

function compared(yaml: string, before: FirewallProfile, after: FirewallProfile): Comparison {
  return compareLab(loadSpec(labText(yaml)), [before, after]).comparison;
}

function cell({ cells }: Comparison, from: string, to: string): Cell | undefined {
  return cells.find((c) => c.from === from && c.to === to);
}

const outcomes = (c: Cell | undefined): string[] | undefined =>
  c?.sides.map((s) => (s.seenAs ? `${s.outcome} as ${s.seenAs}` : s.outcome));

describe("from docker-20.10 to docker-29", () => {
  test("a published port is no longer reached at the container's own address: raw drops it", () => {
    const direct = cell(compared(SHOP, "docker-20.10", "docker-29"), "@neighbour", "172.18.0.2:80/tcp");
    expect(outcomes(direct)).toEqual(["reach as 192.168.0.20", "drop"]);
    expect(direct?.change).toBe("outcome");
    expect(direct?.why).toMatch(/^since docker-28 a rule in raw drops/);
    expect(direct?.sides[1].rule?.text).toBe("-A PREROUTING -d 172.18.0.2/32 ! -i br-front -j DROP");
    expect(direct?.sides[1].rule?.at?.line).toBe(2);
  });

  test("a port that is not published was dropped before as well, by the policy", () => {
    const direct = cell(compared(SHOP, "docker-20.10", "docker-29"), "@neighbour", "172.19.0.2:9100/tcp");
    expect(outcomes(direct)).toEqual(["drop", "drop"]);
    expect(direct?.change).toBe("way");
  });

  test("and was reached where the host forwarded before dockerd started", () => {
    const direct = cell(compared(FORWARDED, "docker-20.10", "docker-29"), "@neighbour", "172.19.0.2:9100/tcp");
    expect(outcomes(direct)).toEqual(["reach as 192.168.0.20", "drop"]);
  });

  test("from one network to another nothing was let either: by isolation there, by raw here", () => {
    const cross = cell(compared(SHOP, "docker-20.10", "docker-29"), "web", "api:9000/tcp");
    expect(cross?.change).toBe("way");
    expect(cross?.sides.map((s) => s.rule?.chain)).toEqual(["DOCKER-ISOLATION-STAGE-2", "PREROUTING"]);
  });

  test("the source that a published port sees stays, though the proxy made it before and a rule makes it now", () => {
    const port = cell(compared(SHOP, "docker-20.10", "docker-29"), "web", "192.168.0.10:9000/tcp");
    expect(outcomes(port)).toEqual(["reach as 172.19.0.1", "reach as 172.19.0.1"]);
    expect(port?.why).toMatch(/userland proxy answers/);
  });

  test("rules come, go and move, each with what it is for and who asked for it", () => {
    const { rules } = compared(SHOP, "docker-20.10", "docker-29");
    const replies = rules.filter((r) => r.words.startsWith("replies to containers") && r.text.includes("br-front"));
    expect(replies).toMatchObject([{ change: "moved", from: "FORWARD", chain: "DOCKER-CT" }]);
    const isolation = rules.filter((r) => r.chain.startsWith("DOCKER-ISOLATION"));
    expect(isolation.map((r) => r.change)).toEqual(isolation.map(() => "removed"));
    expect(rules.filter((r) => r.table === "raw").map((r) => r.change)).toEqual(["added", "added", "added"]);
    for (const r of rules.filter((x) => x.words.includes("port 8080:80/tcp of web"))) expect(r.at?.line).toBe(2);
  });
});

test("what docker-20.10 does not know is the reason where it makes the difference", () => {
  const yaml = SHOP.replace(
    "bridge.name: br-back",
    'bridge.name: br-back, "com.docker.network.bridge.gateway_mode_ipv4": routed',
  );
  const changed = compared(yaml, "docker-20.10", "docker-28").cells.filter((c) => c.change === "outcome");
  const ofBack = changed.filter((c) => c.to.includes("9000"));
  expect(ofBack.length).toBeGreaterThan(0);
  for (const c of ofBack) expect(c.why).toBe("docker-20.10 does not know the gateway mode of network test_back");
});

/** Three networks with gateway modes, and one with none. */
const MODES = `services:
  plain: { image: nginx, networks: [plain] }
  open: { image: nginx, networks: [open], ports: ["8081:80"] }
  direct: { image: nginx, networks: [direct], ports: ["8082:80"] }
  one: { image: nginx, networks: [apart] }
  two: { image: nginx, networks: [apart] }
  agent: { image: nginx, network_mode: host }
networks:
  plain: {}
  open: { driver_opts: { com.docker.network.bridge.gateway_mode_ipv4: nat-unprotected } }
  direct: { driver_opts: { com.docker.network.bridge.gateway_mode_ipv4: routed } }
  apart: { internal: true, driver_opts: { com.docker.network.bridge.gateway_mode_ipv4: isolated } }
`;

describe("gateway modes, which docker-20.10 does not know", () => {
  const old = compared(MODES, "docker-20.10", "docker-29");
  const unknown = (network: string): string => `docker-20.10 does not know the gateway mode of network test_${network}`;

  test("the network that makes the difference is named, not another one that the packet also crosses", () => {
    expect(cell(old, "open", "direct:80/tcp")?.why).toBe(unknown("direct"));
    expect(cell(old, "open", "192.168.0.10:8082/tcp")?.why).toBe(unknown("direct"));
    // the routed sender is not masqueraded
    expect(cell(old, "direct", "192.168.0.10:8081/tcp")?.why).toBe(unknown("direct"));
    expect(cell(old, "plain", "open:80/tcp")?.why).toBe(unknown("open"));
    expect(cell(old, "open", "one:80/tcp")?.why).toBe(unknown("apart"));
  });

  test("an isolated network has no gateway, so its first address is a container's: each side is asked at its own", () => {
    const host = cell(old, "@host", "one:80/tcp");
    expect(host).toMatchObject({ address: "172.21.0.1", sides: [{ address: "172.21.0.2" }, {}] });
    expect(outcomes(host)).toEqual(["reach as 172.21.0.1", "unreachable"]);
    // what the host serves at the gateway's address is not what the container serves
    const named = old.cells.filter((c) => c.from === "plain" && c.to === "one:80/tcp");
    expect(named.map(outcomes)).toEqual([["drop", "unreachable"]]);
  });

  test("who has another number is still the same sender", () => {
    const between = cell(old, "one", "two:80/tcp");
    expect(outcomes(between)).toEqual(["reach as 172.21.0.2", "reach as 172.21.0.1"]);
    expect(between?.change).toBe("none");
  });

  test("both addresses are told, and where a rule is not the host's, whose it is", () => {
    const text = renderComparisonText(old, { colour: false, width: 200 });
    expect(text).toContain("@host -> one:80/tcp (172.21.0.2, now 172.21.0.1)");
    expect(text).toMatch(
      /now, in the first: -t filter -A FORWARD -d 172\.16\.0\.0\/12 -o wan0 -j REJECT --reject-with icmp-net-unreachable on\s+@router/,
    );
  });
});

test.for(PROFILES.flatMap((a) => PROFILES.filter((b) => b !== a).map((b) => [a, b] as const)))(
  "what changes from %s to %s changes back",
  ([a, b]) => {
    const [there, back] = [compared(SHOP, a, b), compared(SHOP, b, a)];
    const names = (c: Comparison, kind: Cell["change"]): string[] =>
      c.cells.filter((x) => x.change === kind).map((x) => `${x.from} ${x.to}`);
    for (const kind of ["outcome", "source", "way"] as const)
      expect(names(back, kind).sort()).toEqual(names(there, kind).sort());
    const count = (c: Comparison, kind: string): number => c.rules.filter((r) => r.change === kind).length;
    expect(count(back, "added")).toBe(count(there, "removed"));
    expect(count(back, "moved")).toBe(count(there, "moved"));
  },
);

test("the file's own checks are cells too", () => {
  const yaml = `${SHOP}x-docknet: { checks: [ { from: db, to: "api:9100", expect: unreachable } ] }\n`;
  expect(outcomes(cell(compared(yaml, "docker-28", "docker-29"), "db", "api:9100/tcp"))).toEqual([
    "unreachable",
    "unreachable",
  ]);
});

describe("as people read it:", () => {
  const old = compared(SHOP, "docker-20.10", "docker-29");
  test("text", () => expectGolden("compare/shop.80.txt", renderComparisonText(old, { colour: false, width: 80 })));
  test("markdown", () => expectGolden("compare/shop.md", renderComparisonMarkdown(old)));
  test("json holds all of it", () => expect(JSON.parse(renderComparisonJson(old))).toEqual(old));

  test("a measurement that disagrees is told, and marked", () => {
    const cells = old.cells.map((c, i): Cell => {
      const measured = { outcome: "refuse", agrees: i !== 0 } as const;
      return { ...c, sides: [{ ...c.sides[0], measured }, c.sides[1]] };
    });
    const text = renderComparisonText({ ...old, cells }, { colour: false, width: 120 });
    expect(text).toMatch(/^docker-20\.10: web to .* was predicted .*, but measured refused$/m);
    expect(text).toContain("both measured");
  });
});

test("what goes by macvlans is the same under every profile that takes them", () => {
  const lab = loadSpec({ files: [labFile("macvlan")], cwd: "/", env: {} });
  const { cells } = compareLab(lab, ["docker-28", "docker-29"]).comparison;
  expect(cells.filter((c) => c.change !== "none")).toEqual([]);
  expect(cells.some((c) => c.from === "@neighbour" && c.address === "192.168.0.100")).toBe(true);
  expect(() => compareLab(lab, ["docker-20.10", "docker-29"])).toThrow(
    expect.objectContaining({
      message: expect.stringMatching(/is already using parent interface eth0$/),
      problems: [expect.objectContaining({ remedy: expect.stringContaining("docker-20.10") })],
    }),
  );
});
