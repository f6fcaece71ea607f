import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { NEIGHBOUR } from "../../../src/net/name.ts";
import type { Layout } from "../../../src/plan/layout.ts";
import { layoutOf } from "../../../src/plan/layout-of.ts";
import { ORDINARY_MACHINE } from "../../../src/plan/machine.ts";
import { invertOp, type Op } from "../../../src/plan/op.ts";
import { planLab } from "../../../src/plan/plan.ts";
import { connectContainer, disconnectContainer } from "../../../src/state/attachment.ts";
import { type EndpointRequest, removeContainer } from "../../../src/state/container.ts";
import type { State } from "../../../src/state/state.ts";
import { commandList, daemon, stateAfter, tryCommand } from "../../support/commands.ts";
import { FakeKernel } from "../../support/fake-kernel.ts";
import { newDaemon, withContainer, withNetwork } from "../../support/state.ts";

const facts = fc.record({
  maxGid: fc.constantFrom(0, 2147483647),
  bridgeNetfilter: fc.constant(true),
  ipv6: fc.boolean(),
});
const layout = (state: State): Layout => layoutOf(state, ORDINARY_MACHINE);
const up = (l: Layout): FakeKernel => new FakeKernel().apply(planLab(undefined, l));

describe("for any states", () => {
  test("up builds what a strict kernel takes, and down leaves nothing", () => {
    fc.assert(
      fc.property(stateAfter(20), facts, (state, machine) => {
        const l = layoutOf(state, machine);
        expect(up(l).apply(planLab(l, undefined)).isEmpty).toBe(true);
      }),
    );
  });

  test("up taken back step by step, last first, leaves nothing", () => {
    fc.assert(
      fc.property(stateAfter(20), (state) => {
        const ops = planLab(undefined, layout(state));
        const kernel = new FakeKernel().apply(ops);
        expect(kernel.apply([...ops].reverse().map(invertOp)).isEmpty).toBe(true);
      }),
    );
  });

  test("any prefix of up can be taken back: a failure on the way leaves nothing", () => {
    fc.assert(
      fc.property(stateAfter(12), fc.nat(), (state, cut) => {
        const ops = planLab(undefined, layout(state));
        const done = ops.slice(0, cut % (ops.length + 1));
        expect(new FakeKernel().apply(done).apply([...done].reverse().map(invertOp)).isEmpty).toBe(true);
      }),
    );
  });

  test("from a state to itself there is nothing to do", () => {
    fc.assert(
      fc.property(stateAfter(20), (state) => {
        expect(planLab(layout(state), layout(state))).toEqual([]);
      }),
    );
  });

  test("one command at a time, the kernel is what a fresh up would have built", { timeout: 60_000 }, () => {
    fc.assert(
      fc.property(daemon, commandList(15), (start, commands) => {
        let state = start;
        const kernel = up(layout(state));
        for (const c of commands) {
          const next = tryCommand(state, c);
          kernel.apply(planLab(layout(state), layout(next)));
          state = next;
        }
        expect(kernel.snapshot()).toEqual(up(layout(state)).snapshot());
      }),
    );
  });

  test("from any state to any other of the same daemon, too", () => {
    fc.assert(
      fc.property(daemon, commandList(15), commandList(15), (start, a, b) => {
        const [from, to] = [a, b].map((commands) => layout(commands.reduce(tryCommand, start))) as [Layout, Layout];
        expect(up(from).apply(planLab(from, to)).snapshot()).toEqual(up(to).snapshot());
      }),
      { numRuns: 150 },
    );
  });

  test("down closes the listeners and deletes the namespaces, nothing inside them", () => {
    fc.assert(
      fc.property(stateAfter(20), (state) => {
        const kinds = new Set(planLab(layout(state), undefined).map((op) => op.kind));
        kinds.delete("netns.delete");
        kinds.delete("proxy.close");
        expect([...kinds]).toEqual([]);
      }),
    );
  });

  test("inverting twice gives the step again, where it makes something", () => {
    fc.assert(
      fc.property(stateAfter(10), (state) => {
        for (const op of planLab(undefined, layout(state))) {
          if (op.kind !== "sysctl.set") expect(invertOp(invertOp(op))).toEqual(op);
        }
      }),
    );
  });
});

describe("the order of steps", () => {
  const base = withNetwork(newDaemon(), "n", { options: { "bridge.name": "br0" } });
  const web = withContainer(base, "web", { networks: ["n"], publish: ["8080:80"] });
  /** Without the neighbour's routes and what every new namespace is told. */
  const change = (a: State, b: State): string[] =>
    planLab(layout(a), layout(b))
      .filter((op) => op.node !== NEIGHBOUR && !(op.kind === "sysctl.set" && op.key.startsWith("net.ipv4.")))
      .map(brief);

  test("of docker run: namespace, rules, the pair with its ends, the default route, listeners last", () => {
    const mac = expect.stringMatching(/^veth\.create @host veth\w{7} web eth0$/);
    expect(change(base, web)).toEqual([
      "netns.create web",
      "rules.commit @host",
      mac,
      expect.stringMatching(/^port\.join @host veth\w{7} br0$/),
      expect.stringMatching(/^link\.up @host veth\w{7}$/),
      "sysctl.set web net.ipv6.conf.eth0.disable_ipv6",
      "address.add web eth0 172.18.0.2/16",
      "link.up web eth0",
      "route.add web 0.0.0.0/0 172.18.0.1",
      "rules.commit web",
      "proxy.open @host 0.0.0.0:8080",
      "proxy.open @host :::8080",
    ]);
  });

  test("of docker rm: listeners, the pair, rules, then the namespace with all that is in it", () => {
    const gone = removeContainer(web, "web", { force: true });
    expect(change(web, gone)).toEqual([
      "proxy.close @host 0.0.0.0:8080",
      "proxy.close @host :::8080",
      expect.stringMatching(/^link\.delete @host veth\w{7}$/),
      "rules.commit @host",
      "netns.delete web",
    ]);
  });

  test("of docker network create: bridge with address, up, then its rules", () => {
    expect(change(newDaemon(), base)).toEqual([
      "bridge.create @host br0",
      "address.add @host br0 172.18.0.1/16",
      "link.up @host br0",
      "rules.commit @host",
    ]);
  });

  test("of docker network rm: rules before the bridge", () => {
    expect(change(base, newDaemon())).toEqual(["rules.commit @host", "link.delete @host br0"]);
  });

  test("of docker network disconnect: the route, the pair, the rules", () => {
    const off = disconnectContainer(web, "web", "n");
    expect(change(web, off)).toEqual([
      "proxy.close @host 0.0.0.0:8080",
      "proxy.close @host :::8080",
      "route.delete web 0.0.0.0/0 172.18.0.1",
      expect.stringMatching(/^link\.delete @host veth\w{7}$/),
      "rules.commit @host",
    ]);
  });

  test("of docker network connect that moves the gateway: one default route at any moment", () => {
    const two = withNetwork(base, "a", { options: { "bridge.name": "br1" } });
    const before = withContainer(two, "web", { networks: ["n"] });
    const after = connectContainer(before, "web", { network: "a" });
    const routes = change(before, after).filter((s) => s.startsWith("route"));
    expect(routes).toEqual(["route.delete web 0.0.0.0/0 172.18.0.1", "route.add web 0.0.0.0/0 172.19.0.1"]);
  });
});

describe("a container that is made anew under its name, in one step", () => {
  const mac = (text: string) => text as NonNullable<EndpointRequest["mac"]>;
  const first = withContainer(newDaemon(), "web", { networks: ["bridge"] });
  const later = withContainer(newDaemon(), "before");
  test.for<[string, State]>([
    [
      "another MAC",
      withContainer(newDaemon(), "web", { networks: [{ network: "bridge", mac: mac("02:00:00:00:00:01") }] }),
    ],
    ["another address", withContainer(later, "web")],
    [
      "another address and one more network",
      withContainer(withNetwork(later, "zz"), "web", { networks: ["bridge", "zz"] }),
    ],
    [
      "another network under the same interface name",
      withContainer(withNetwork(newDaemon(), "zz"), "web", { networks: ["zz"] }),
    ],
    ["another MTU", withContainer(newDaemon({ mtu: 1400 }), "web")],
    ["no network", withContainer(newDaemon(), "web", { mode: "none" })],
    ["the host's network", withContainer(newDaemon(), "web", { mode: "host" })],
  ])("has what a fresh up gives it, default route included: %s", ([, state]) => {
    for (const [a, b] of [
      [layout(first), layout(state)],
      [layout(state), layout(first)],
    ] as const)
      expect(up(a).apply(planLab(a, b)).snapshot()).toEqual(up(b).snapshot());
  });
});

/** A step in few words. */
function brief(op: Op): string {
  switch (op.kind) {
    case "veth.create":
      return `${op.kind} ${op.node} ${op.end.name} ${op.peerNode} ${op.peer.name}`;
    case "sysctl.set":
      return `${op.kind} ${op.node} ${op.key}`;
    case "address.add":
    case "address.delete":
      return `${op.kind} ${op.node} ${op.link} ${op.address}`;
    case "route.add":
    case "route.delete":
      return `${op.kind} ${op.node} ${op.route.to} ${op.route.via}`;
    case "port.join":
    case "port.leave":
      return `${op.kind} ${op.node} ${op.name} ${op.bridge}`;
    case "proxy.open":
    case "proxy.close":
      return `${op.kind} ${op.node} ${op.proxy.hostIp}:${op.proxy.hostPort}`;
    case "bridge.create":
    case "link.delete":
    case "link.up":
    case "link.down":
      return `${op.kind} ${op.node} ${op.name}`;
    default:
      return `${op.kind} ${op.node}`;
  }
}
