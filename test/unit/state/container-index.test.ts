/** The index is kept along from state to state; whatever was done before, it must say what one made for this state alone would say. */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Port } from "../../../src/net/port.ts";
import { removeContainer, renameContainer } from "../../../src/state/container.ts";
import { indexOf } from "../../../src/state/container-index.ts";
import { allocateAddress } from "../../../src/state/ipam.ts";
import { startContainer, stopContainer } from "../../../src/state/lifecycle.ts";
import type { State } from "../../../src/state/state.ts";
import { newDaemon, withContainer, withNetwork } from "../../support/state.ts";

const NAMES = ["a", "b", "c", "d"];
const TEXTS = [
  {},
  { publish: ["80"] },
  { publish: ["8080:80"] },
  { publish: ["8080-8083:80-83/udp"] },
  { mode: "host" as const, serves: ["80"] },
];

type Step = (state: State) => State;

const step: fc.Arbitrary<Step> = fc
  .record({
    kind: fc.constantFrom("run", "start", "stop", "rename", "remove"),
    name: fc.constantFrom(...NAMES),
    other: fc.constantFrom(...NAMES),
    text: fc.constantFrom(...TEXTS),
    network: fc.constantFrom("bridge", "net"),
  })
  .map(({ kind, name, other, text, network }): Step => {
    switch (kind) {
      case "run":
        return (s) => withContainer(s, name, "mode" in text ? text : { ...text, networks: [network] });
      case "start":
        return (s) => startContainer(s, name);
      case "stop":
        return (s) => stopContainer(s, name, { exitCode: 0 });
      case "rename":
        return (s) => renameContainer(s, name, other);
      default:
        return (s) => removeContainer(s, name, { force: true });
    }
  });

/** What can be asked, of everything that a lab of these steps may have. */
function answers(state: State): unknown {
  const index = indexOf(state);
  const ids = state.containers.map((c) => c.id);
  const ports = [80, 81, 8080, 8081, 8082, 8083, 32768, 32769, 32770] as Port[];
  const sorted = <T>(items: Iterable<T>): T[] =>
    [...items].sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
  return {
    ids: ids.map((id) => index.byId(id)),
    names: NAMES.map((name) => index.byName(name)?.id),
    nodes: NAMES.map((name) => index.hasNode(name)),
    links: state.containers.flatMap((c) => c.endpoints.map((e) => e.hostIfName && index.hasHostIfName(e.hostIfName))),
    addresses: state.networks.map((n) => allocateAddress(state, n)),
    bound: ports.flatMap((port) => (["tcp", "udp"] as const).map((proto) => sorted(index.bindingsAt(port, proto)))),
    served: ports.map((port) => sorted(index.serversAt(port, "tcp"))),
  };
}

/** The same state with a list of containers that no index has been made for. */
const unknown = (state: State): State => ({ ...state, containers: [...state.containers] });

test("it says of each state, of old ones too, what a new index of that state says", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(step, fc.nat()), { maxLength: 25 }), (steps) => {
      const states = [withNetwork(newDaemon(), "net")];
      for (const [take, from] of steps) {
        // most go on from the newest, some from an older one, as after a refusal
        const at = from % 3 === 0 ? states[from % states.length] : states.at(-1);
        try {
          if (at) states.push(take(at));
        } catch {
          // refused: the state is unchanged
        }
      }
      for (const state of [...states, ...states.toReversed()]) expect(answers(state)).toEqual(answers(unknown(state)));
    }),
    { numRuns: 200 },
  );
});
