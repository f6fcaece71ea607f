import fc from "fast-check";
import { expect, test } from "vitest";
import { contains, isIpv4, overlaps, prefixLength, rangeOf, toNumber } from "../../../src/net/address.ts";
import { startContainer, stopContainer } from "../../../src/state/lifecycle.ts";
import { dnsNames, lookupName, reverseName } from "../../../src/state/names.ts";
import {
  bridgesOf,
  gatewayEndpoint,
  hasDefaultGateway,
  isMacvlan,
  networkById,
  type State,
  sandboxOwner,
} from "../../../src/state/state.ts";
import { type Command, commandList, daemon, runCommand, stateAfter } from "../../support/commands.ts";
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
        expect([network.gateway, ...Object.values(network.auxAddresses)]).not.toContain(address);
        if (prefixLength(network.subnet) <= 30) expect([first, last]).not.toContain(toNumber(address));
      }
    }
  });
});

test("networks never overlap, and never share a name, an id or a bridge", () => {
  always((state) => {
    const { networks } = state;
    for (const a of networks) for (const b of networks) if (a !== b) expect(overlaps(a.subnet, b.subnet)).toBe(false);
    for (const key of ["name", "id"] as const) expect(new Set(networks.map((n) => n[key])).size).toBe(networks.length);
    expect(new Set(bridgesOf(state).map((n) => n.bridge)).size).toBe(bridgesOf(state).length);
  });
});

test("host ports never collide: not with each other, not with what listens in host mode", () => {
  always((state) => {
    const held = state.containers.flatMap((c) => [
      ...c.bindings.flatMap((b) =>
        b.hostPort ? [{ by: c.name, ip: b.hostIp as string, port: b.hostPort, proto: b.proto }] : [],
      ),
      ...(sandboxOwner(state, c) !== "host"
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
        if (b.hostPort === undefined) expect(network).toMatchObject({ gatewayMode: "routed" });
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

test("only what runs holds an endpoint, a binding or a sandbox, and each of its endpoints is one of its attachments", () => {
  always(({ containers }) => {
    for (const c of containers) {
      expect(c.sandboxId !== "").toBe(c.status === "running");
      if (c.status !== "running") expect([c.endpoints, c.bindings, c.resolver]).toEqual([[], [], false]);
      const attached = c.attachments.map((a) => a.networkId);
      for (const e of c.endpoints) expect(attached).toContain(e.network);
    }
  });
});

test("ids, MACs, bridge ports, names and nodes are one container's alone", () => {
  always(({ containers, networks }) => {
    for (const key of ["id", "name", "node"] as const)
      expect(new Set(containers.map((c) => c[key])).size).toBe(containers.length);
    const endpoints = containers.flatMap((c) => c.endpoints);
    // who has a macvlan parent to itself has its MAC too
    const modeOf = (id: string): unknown => networks.filter(isMacvlan).find((n) => n.id === id)?.mode;
    const own = endpoints.filter((e) => modeOf(e.network) !== "passthru").map((e) => e.mac);
    const ports = endpoints.flatMap((e) => e.hostIfName ?? []);
    for (const names of [endpoints.map((e) => e.id), own, ports]) expect(new Set(names).size).toBe(names.length);
  });
});

test("an address or a port belongs to one endpoint or container, never to one that does not run", () => {
  always((state) => {
    for (const c of state.containers) {
      const owner = sandboxOwner(state, c);
      if (c.status !== "running") expect(owner).toBe("gone");
      if (typeof owner === "object") expect(owner.status).toBe("running");
    }
  });
});

test("every name that a container has on a network leads to it, and its address leads back to it", () => {
  always((state) => {
    for (const asker of state.containers) {
      for (const endpoint of asker.endpoints) {
        const network = networkById(state, endpoint.network);
        if (network.isDefault) continue;
        for (const name of dnsNames(asker, endpoint))
          expect(lookupName(state, asker, `${name}.${network.name}`)).toContain(endpoint.address);
        expect(reverseName(state, asker, endpoint.address)).toBeDefined();
      }
    }
  });
});

/** All but what is drawn anew at each start, and the clock. */
function enduring(state: State): unknown {
  const ids = new Map(state.containers.flatMap((c) => c.endpoints.map((e, i) => [e.id, `${c.name} ${i}`] as const)));
  return state.containers.map(({ sandboxId, programmedAt, resolver, ...c }) => ({
    ...c,
    bindings: c.bindings.map((b) => ({
      ...b,
      endpoint: ids.get(b.endpoint),
      hostPort: isEphemeral(b.hostPort) || b.hostPort,
    })),
    endpoints: c.endpoints.map(({ id, mac, hostIfName, joinedAt, ...e }) => e),
  }));
}

const isEphemeral = (port: number | undefined): boolean => port !== undefined && port >= 32768;

test("stop, then start, changes nothing but ids, MACs and ephemeral ports when nobody else moved in", () => {
  fc.assert(
    fc.property(stateAfter(25), (state) => {
      for (const c of state.containers) {
        const ranges = c.publish.some((p) => p.published && p.published.first !== p.published.last);
        // a range goes on after the last port given; a sharer whose owner has gone has nothing to come back to
        if (c.status !== "running" || ranges || sandboxOwner(state, c) === "gone") continue;
        const restart = (s: State): State =>
          startContainer(stopContainer(s, c.name, { exitCode: 0 }), c.name, { now: c.startedAt });
        // what was disconnected may have left a hole below its address or its interface: the first start fills it
        const packed = restart(state);
        const again = restart(packed);
        expect(enduring(again)).toEqual(enduring(packed));
        expect(again.networks).toEqual(packed.networks);
      }
    }),
    { numRuns: 60 },
  );
});
