import fc from "fast-check";
import { expect, test } from "vitest";
import { contains, isIpv4, overlaps, prefixLength, rangeOf, toNumber } from "../../../src/net/address.ts";
import { gatewayEndpoint, hasDefaultGateway, networkById, type State, sandboxOwner } from "../../../src/state/state.ts";
import { type Command, commandList, daemon, runCommand } from "../../support/commands.ts";
import { deepFreeze, errorOf } from "../../support/state.ts";

/** Runs any commands on any daemon and looks at every state on the way. Inputs are frozen: a transition that writes into them throws. */
function always(look: (after: State, before: State, done: Command) => void): void {
  fc.assert(
    fc.property(daemon, commandList(25), (start, commands) => {
      let state = deepFreeze(start);
      for (const c of commands) {
        const before = JSON.stringify(state);
        let next = state;
        const error = errorOf(() => {
          next = deepFreeze(runCommand(state, c));
        });
        if (error) {
          expect(error.message).not.toBe("");
          expect(next).toBe(state);
        }
        expect(JSON.stringify(state), "the input is as it was").toBe(before);
        look(next, state, c);
        state = next;
      }
    }),
    { numRuns: 150 },
  );
}

test("an address is never given twice, and is never the network, broadcast, gateway or an auxiliary address", () => {
  always((state) => {
    for (const network of state.networks) {
      const { first, last } = rangeOf(network.subnet);
      const given = state.containers.flatMap((c) =>
        c.endpoints.filter((e) => e.network === network.id).map((e) => e.address),
      );
      expect(new Set(given).size).toBe(given.length);
      for (const address of given) {
        expect(contains(network.subnet, address)).toBe(true);
        expect([network.gateway, ...network.auxAddresses]).not.toContain(address);
        if (prefixLength(network.subnet) <= 30) expect([first, last]).not.toContain(toNumber(address));
      }
    }
  });
});

test("networks never overlap, and never share a name, an id or a bridge", () => {
  always(({ networks }) => {
    for (const a of networks) for (const b of networks) if (a !== b) expect(overlaps(a.subnet, b.subnet)).toBe(false);
    for (const key of ["name", "id", "bridge"] as const)
      expect(new Set(networks.map((n) => n[key])).size).toBe(networks.length);
  });
});

test("host ports never collide: not with each other, not with what listens in host mode", () => {
  always((state) => {
    const held = state.containers.flatMap((c) => [
      ...c.bindings.flatMap((b) =>
        b.hostPort ? [{ by: c.name, ip: b.hostIp as string, port: b.hostPort, proto: b.proto }] : [],
      ),
      ...(sandboxOwner(state, c)
        ? []
        : c.serves.map((s) => ({ by: "the host", ip: "0.0.0.0", port: s.port, proto: s.proto }))),
    ]);
    for (const [i, a] of held.entries()) {
      for (const b of held.slice(i + 1)) {
        if (a.port !== b.port || a.proto !== b.proto || a.by === b.by) continue;
        const any = [a.ip, b.ip].some((ip) => ip === "0.0.0.0" || ip === "::");
        expect(
          isIpv4(a.ip) === isIpv4(b.ip) && (any || a.ip === b.ip),
          `${a.by} and ${b.by} at ${a.port}/${a.proto}`,
        ).toBe(false);
      }
    }
  });
});

test("a container's interfaces have different names, and its endpoints different networks that exist", () => {
  always((state) => {
    for (const { endpoints } of state.containers) {
      expect(new Set(endpoints.map((e) => e.ifName)).size).toBe(endpoints.length);
      expect(new Set(endpoints.map((e) => networkById(state, e.network).id)).size).toBe(endpoints.length);
    }
  });
});

test("bindings are carried by the gateway endpoint, or without a host port by a routed one; nothing is bound without a gateway", () => {
  always((state) => {
    for (const c of state.containers) {
      const gateway = gatewayEndpoint(state, c.endpoints);
      for (const b of c.bindings) {
        const endpoint = c.endpoints.find((e) => e.id === b.endpoint);
        const network = networkById(state, endpoint?.network ?? "");
        expect(hasDefaultGateway(network)).toBe(true);
        if (b.hostPort === undefined) expect(network.gatewayMode).toBe("routed");
        else expect(endpoint).toBe(gateway);
      }
    }
  });
});

test("what a container holds stays as it is while others come and go", () => {
  always((after, before, done) => {
    for (const c of before.containers) {
      if (c.name === done.name && done.kind !== "network create" && done.kind !== "network rm") continue;
      expect(after.containers).toContain(c);
    }
  });
});

test("the clock counts every step that is done, and only those", () => {
  always((after, before) => {
    if (after !== before) expect(after.clock).toBeGreaterThan(before.clock);
  });
});
