import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Check } from "../../../../src/plan/check/check.ts";
import { checksOf } from "../../../../src/plan/check/checks.ts";
import { predict } from "../../../../src/plan/predict/predict.ts";
import type { CheckSpec } from "../../../../src/spec/spec.ts";
import { resolveState } from "../../../../src/state/resolve.ts";
import { type State, sandboxOwner } from "../../../../src/state/state.ts";
import { stateAfter } from "../../../support/commands.ts";
import { addressNamed, rulesOf } from "../../../support/predict.ts";
import { propertyRuns } from "../../../support/property.ts";
import { addressOn, newDaemon, protoPort, WORLD, withContainer, withNetwork } from "../../../support/state.ts";
import { loadText } from "../../spec/lab.ts";

const derived = (state: State): Check[] => checksOf(state, rulesOf(state), []);
const explicit = (text: string): Check[] => {
  const spec = loadText(text);
  const { state } = resolveState(spec);
  return checksOf(state, rulesOf(state), spec.checks);
};
const isNegative = (c: Check): boolean => c.expected.outcome !== "reach";

/** What a sentence gives as the reason that there is nothing to show alive: nobody listens, or nobody is there. */
const REASONS =
  /to itself: what is for|nothing listens|nobody has|has no route|no route|do not exist on the internet|no such/;

describe("for any state", () => {
  const always = (look: (checks: readonly Check[], state: State) => void): void => {
    fc.assert(
      fc.property(stateAfter(15), (state) => {
        look(derived(state), state);
      }),
      propertyRuns(40),
    );
  };

  test("ids are unique, and the same from run to run", () => {
    always((checks, state) => {
      const ids = checks.map((c) => c.id);
      expect(ids.filter((id, i) => ids.indexOf(id) !== i)).toEqual([]);
      expect(derived(state).map((c) => c.id)).toEqual(ids);
    });
  });

  test("every negative has a control that is expected to reach, or says why there is nothing to show alive", () => {
    always((checks) => {
      const byId = new Map(checks.map((c) => [c.id, c]));
      for (const check of checks.filter(isNegative)) {
        if (check.control === undefined) {
          expect(check.predicted.because, check.id).toMatch(REASONS);
          expect(check.predicted.stop?.rule, `${check.id} is stopped by a rule`).toBeUndefined();
        } else expect(byId.get(check.control)?.expected.outcome, check.id).toBe("reach");
      }
    });
  });

  test("a control asks for the very listener that the negative must not reach", () => {
    always((checks, state) => {
      const byId = new Map(checks.map((c) => [c.id, c]));
      for (const check of checks.filter((c) => c.control !== undefined)) {
        const server = byId.get(check.control ?? "")?.predicted.server;
        const container = state.containers.find(
          (c) => check.group === "publish" && check.id.startsWith(`publish/${c.node}:`),
        );
        const served = state.containers.find((c) => c.node === server);
        if (container && served) expect(sandboxOwner(state, served), check.id).toBe(sandboxOwner(state, container));
        else if (check.group === "direct" || check.group === "isolation")
          expect(check.probe.port).toBe(byId.get(check.control ?? "")?.probe.port);
      }
    });
  });

  test("what is derived expects what is predicted, and a claim of reaching a container is about who answers", () => {
    always((checks, state) => {
      for (const check of checks) {
        // a port that another program has: whatever answers there, it is not the one that is asked for
        if (check.group === "listen") {
          expect(check.fault).toBeDefined();
          continue;
        }
        expect(check.expected.outcome).toBe(check.predicted.outcome);
        if (check.group !== "publish" || check.predicted.outcome !== "reach") continue;
        const named = state.containers.find((c) => check.id.startsWith(`publish/${c.node}:`));
        const server = state.containers.find((c) => c.node === check.predicted.server);
        expect(named && server && sandboxOwner(state, named) === sandboxOwner(state, server), check.id).toBe(true);
      }
    });
  });

  test("each check carries the prediction of its own probe", () => {
    always((checks, state) => {
      for (const { probe, predicted } of checks) expect(predict(state, probe, rulesOf(state))).toEqual(predicted);
    });
  });
});

describe("what is derived", () => {
  const forwards = [
    {
      publicPort: protoPort("80").port,
      proto: "tcp",
      to: WORLD.host,
      toPort: protoPort("8080").port,
      at: { file: "f", line: 1, column: 1 },
    },
    {
      publicPort: protoPort("81").port,
      proto: "tcp",
      to: WORLD.host,
      toPort: protoPort("8081").port,
      at: { file: "f", line: 1, column: 1 },
    },
  ] as const;
  let state = newDaemon({}, { router: { ...WORLD.router, forwards } });
  state = withNetwork(withNetwork(state, "n"), "inner", { internal: true });
  state = withContainer(state, "web", { publish: ["8080:80", "127.0.0.1:8081:80"] });
  state = withContainer(state, "app", { networks: ["n"], serves: ["3000"] });
  state = withContainer(state, "db", { networks: ["inner"], serves: ["5432"] });
  state = withContainer(state, "agent", { mode: "host", serves: ["9100"] });
  const checks = derived(state);
  const find = (id: string): Check => {
    const check = checks.find((c) => c.id === id);
    if (!check) throw new Error(`no check ${id} among ${checks.map((c) => c.id).join(", ")}`);
    return check;
  };

  test("isolation: neither way between networks, with the host as control", () => {
    const check = find("isolation/web/app:3000/tcp");
    expect(check).toMatchObject({
      claim: `web does not reach app:3000/tcp at ${addressOn(state, "app")}`,
      expected: { outcome: "drop" },
    });
    expect(find(check.control ?? "")).toMatchObject({
      probe: { from: "@host", address: addressOn(state, "app"), port: 3000 },
    });
  });

  test("publishing: from the host, the LAN, and through the router where it forwards", () => {
    for (const id of [
      "@host/127.0.0.1:8080/tcp",
      "@host/192.168.0.10:8080/tcp",
      "@neighbour/192.168.0.10:8080/tcp",
      "@internet/203.0.113.91:80/tcp",
    ])
      expect(find(`publish/web:80/${id}`).expected.outcome).toBe("reach");
  });

  test("publishing on loopback: the host alone, and each refusal has web itself as control", () => {
    expect(find("publish/web:80/@host/127.0.0.1:8081/tcp").expected.outcome).toBe("reach");
    for (const id of [
      "@host/192.168.0.10:8081/tcp",
      "@neighbour/192.168.0.10:8081/tcp",
      "@internet/203.0.113.91:81/tcp",
    ]) {
      const check = find(`publish/web:80/${id}`);
      expect(check.expected.outcome).toBe("refuse");
      expect(find(check.control ?? "").probe).toMatchObject({ address: addressOn(state, "web"), port: 80 });
    }
  });

  test("outbound: who has no way out is shown beside www alive", () => {
    expect(find("outbound/web").expected).toEqual({ outcome: "reach", seenAs: "203.0.113.91" });
    const check = find("outbound/db");
    expect(check.expected.outcome).toBe("unreachable");
    expect(find(check.control ?? "")).toMatchObject({
      probe: { from: "@host", address: "203.0.113.80", port: 80 },
      expected: { outcome: "reach" },
    });
  });

  test("host mode: who cannot reach the host's service is shown beside it alive", () => {
    const check = find("isolation/db/agent:9100/tcp");
    expect(check.expected.outcome).toBe("unreachable");
    expect(find(check.control ?? "").predicted.server).toBe("agent");
  });

  test("napt: two containers that are masqueraded share one source port", () => {
    const pair = checks.filter((c) => c.group === "napt");
    expect(pair.map((c) => [c.probe.from, c.probe.sourcePort])).toEqual([
      ["web", 40000],
      ["app", 40000],
    ]);
  });
});

describe("a port number that two containers have on different addresses", () => {
  let state = withContainer(newDaemon(), "one", { publish: ["127.0.0.1:8080:80"] });
  state = withContainer(state, "two", { publish: ["192.168.0.10:8080:80"] });
  const publish = derived(state).filter((c) => c.group === "publish");

  test("is claimed at each address for the one who has it there", () => {
    const reached = publish
      .filter((c) => !isNegative(c))
      .map((c) => [c.probe.from, c.probe.address, c.predicted.server]);
    expect(reached).toContainEqual(["@host", "127.0.0.1", "one"]);
    expect(reached).toContainEqual(["@host", "192.168.0.10", "two"]);
    for (const check of publish.filter((c) => !isNegative(c)))
      expect(check.claim).toContain(`reaches ${check.predicted.server} `);
  });

  test("has the right container as control", () => {
    const two = publish.find((c) => c.claim.startsWith("@host does not reach two through 127.0.0.1"));
    if (two) expect(two.control).toContain(addressOn(state, "two"));
  });
});

test("a port of the host's own is not mistaken for one that is published on IPv6 under the same number", () => {
  let state = withContainer(newDaemon(), "agent", { mode: "host", serves: ["8080"] });
  state = withContainer(state, "web", { publish: ["[::1]:8080:80"] });
  state = withContainer(withNetwork(state, "inner", { internal: true }), "db", { networks: ["inner"] });
  const checks = derived(state);
  const negative = checks.find((c) => c.id === "isolation/db/agent:8080/tcp");
  expect(checks.find((c) => c.id === negative?.control)?.predicted.server).toBe("agent");
});

test("two host addresses of one port ask each place once", () => {
  const state = withContainer(newDaemon(), "web", { publish: ["127.0.0.1:8080:80", "127.0.0.2:8080:80"] });
  const ids = derived(state).map((c) => c.id);
  expect(ids.filter((id) => id === "publish/web:80/@neighbour/192.168.0.10:8080/tcp")).toHaveLength(1);
  expect(new Set(ids).size).toBe(ids.length);
});

describe("the file's own checks", () => {
  const text = `
services:
  web: { image: nginx, networks: [front, back], ports: ["8080:80"], deploy: { replicas: 1 } }
  db: { image: postgres, networks: [back] }
  api: { image: x, networks: [front], expose: ["3000"], deploy: { replicas: 2 } }
networks:
  front:
  back: { internal: true }
x-docknet:
  checks:
    - { name: the shop is open, from: "@neighbour", to: "@host:8080", seen-as: 192.168.0.20 }
    - { from: web, to: "db:5432" }
    - { from: api, to: "db:5432", expect: drop }
    - { from: web, to: "api:3000" }
    - { from: db, to: "@internet:80", expect: unreachable }
    - { from: "@internet", to: "@router:8080", expect: refuse }
    - { from: web, to: db, proto: icmp }
    - { from: "@neighbour", to: "web:80", network: front, expect: drop }
`;

  test("are the report, in order, one for each replica on either side", () => {
    expect(
      explicit(text)
        .filter((c) => c.group === "explicit")
        .map((c) => c.claim),
    ).toEqual([
      "the shop is open",
      "web reaches db:5432/tcp",
      "api-1 gets no answer from db:5432/tcp",
      "api-2 gets no answer from db:5432/tcp",
      "web reaches api-1:3000/tcp",
      "web reaches api-2:3000/tcp",
      "db has no way to @internet:80/tcp",
      "@internet is refused by @router:8080/tcp",
      "web reaches db",
      "@neighbour gets no answer from web:80/tcp",
    ]);
  });

  test("expect what the file says, whatever is predicted", () => {
    const [check] = explicit(`
services: { web: { image: nginx } }
x-docknet: { checks: [{ from: "@neighbour", to: "web:80" }] }
`);
    expect([check?.expected.outcome, check?.predicted.outcome]).toEqual(["reach", "drop"]);
  });

  test("mean the internet's name server by @internet and port 53, and its web server by any other", () => {
    const checks = explicit(`
services: { web: { image: nginx }, job: { image: busybox, networks: [inner] } }
networks: { inner: { internal: true } }
x-docknet:
  checks:
    - { from: web, to: "@internet:53/udp" }
    - { from: web, to: "@internet:53" }
    - { from: web, to: "@internet:80" }
    - { from: job, to: "203.0.113.53:53/udp", expect: unreachable }
`);
    const own = checks.filter((c) => c.group === "explicit");
    expect(own.map((c) => `${c.claim}, ${c.probe.address}: ${c.predicted.outcome}`)).toEqual([
      "web reaches @internet:53/udp, 203.0.113.53: reach",
      "web reaches @internet:53/tcp, 203.0.113.53: reach",
      "web reaches @internet:80/tcp, 203.0.113.80: reach",
      "job has no way to 203.0.113.53:53/udp, 203.0.113.53: unreachable",
    ]);
    expect(own.at(-1)?.control).toBe("control/@host/203.0.113.53:53/udp");
  });

  test("have unique ids and controls where a listener is meant", () => {
    const checks = explicit(text);
    expect(new Set(checks.map((c) => c.id)).size).toBe(checks.length);
    const control = (claim: string): string | undefined => checks.find((c) => c.claim === claim)?.control;
    expect(control("api-1 gets no answer from db:5432/tcp")).toMatch(/^control\/@host\//);
    expect(control("db has no way to @internet:80/tcp")).toBe("control/@host/203.0.113.80:80/tcp");
    expect(control("@internet is refused by @router:8080/tcp")).toBeUndefined();
  });

  test("ask a service of several networks by the one that both share, or the one that is named", () => {
    const spec = loadText(text);
    const { state } = resolveState(spec);
    const named: CheckSpec[] = spec.checks.filter((c) => c.from.kind === "service" && c.from.service === "db");
    expect(named).toHaveLength(1);
    const checks = checksOf(state, rulesOf(state), spec.checks);
    expect(checks.find((c) => c.claim === "web reaches db:5432/tcp")?.probe.address).toBe(addressOn(state, "lab-db-1"));
    expect(checks.find((c) => c.claim.startsWith("@neighbour gets"))?.probe.address).toBe(
      addressNamed(state, "lab-web-1@lab_front"),
    );
  });
});
