/** What does not fit is told with its number and a remedy before anything is made. */
import { describe, expect, test } from "vitest";
import { type Capacity, capacityProblems, type Listeners } from "../../../src/plan/capacity.ts";
import { resolverPorts } from "../../../src/plan/firewall/embedded-dns.ts";
import { layoutOf } from "../../../src/plan/layout-of.ts";
import { ORDINARY_MACHINE } from "../../../src/plan/machine.ts";
import type { State } from "../../../src/state/state.ts";
import { labOf } from "../../support/ranges.ts";

const AMPLE: Capacity = { descriptors: 1_000_000, memoryBytes: 2 ** 40 };
const LISTENERS: Listeners = { wanted: 1000, open: 0 };

const problems = (state: State, has: Partial<Capacity> = {}, listeners: Listeners = LISTENERS) =>
  capacityProblems(state, layoutOf(state, ORDINARY_MACHINE), listeners, { ...AMPLE, ...has });

const range = labOf(`a: { image: x, ports: ["1000-1999:1000-1999/udp"] }`).state;

/** The number that the refusal names. */
const needed = (state: State): number =>
  Number(/needs (\d+) open/.exec(problems(state, { descriptors: 0 })[0]?.message ?? "")?.[1]);

describe("descriptors", () => {
  test("as many as are needed are enough, and one less is not", () => {
    expect(problems(range, { descriptors: needed(range) })).toEqual([]);
    expect(problems(range, { descriptors: needed(range) - 1 })).toEqual([
      {
        message: expect.stringMatching(
          /^lab lab needs \d+ open descriptors, and this process may have \d+: 2000 for the userland proxy, 1000 for what listens in containers, \d+ for the rest$/,
        ),
        remedy: expect.stringMatching(
          /^Set x-docknet: \{ engine: \{ userland-proxy: false \} \}, publish fewer ports, .*: ulimit -n \d+$/,
        ),
        at: { file: "compose.yaml", line: 2, column: 26 },
      },
    ]);
  });

  test("the proxy is not blamed where the lab does not fit without it either", () => {
    expect(problems(range, { descriptors: 500 })[0]?.remedy).toMatch(/^Publish fewer ports, or raise the limit/);
  });
});

describe("memory", () => {
  test("is counted for what is not open yet", () => {
    const has = { memoryBytes: 16 * 2 ** 20 };
    expect(problems(range, has)).toMatchObject([
      { message: "lab lab needs some 47 MiB for 3000 more listeners, and this machine has 16 MiB left" },
    ]);
    expect(problems(range, has, { wanted: 1000, open: 2500 })).toEqual([]);
  });
});

describe("ports of a bridge", () => {
  const services = (n: number) => labOf(...Array.from({ length: n }, (_, i) => `s${i}: { image: x }`)).state;

  test("1023 containers fit on one, and not one more", () => {
    expect(problems(services(1023))).toEqual([]);
    expect(problems(services(1024))).toMatchObject([
      {
        message: expect.stringMatching(/would have 1024 running containers: a Linux bridge has at most 1023 ports$/),
        remedy: "Spread the containers over several networks",
      },
    ]);
  });
});

describe("the ports of a container's DNS server", () => {
  test("are others than those that the container serves", () => {
    const [plain] = range.containers;
    const drawn = (plain && resolverPorts(plain)) ?? expect.fail("no DNS server");
    const { state } = labOf(`a: { image: x, expose: ["${drawn.udp}/udp"] }`);
    const [container] = state.containers;
    const found = (container && resolverPorts(container)) ?? expect.fail("no DNS server");
    expect(found.udp).not.toBe(drawn.udp);
    expect(problems(state)).toEqual([]);
  });

  test("are refused where the container serves them all", () => {
    const { state } = labOf(`a: { image: x, expose: ["10000-31999/udp"] }`);
    expect(problems(state)).toMatchObject([
      { message: "a serves so many ports that none is left for its DNS server at 127.0.0.11" },
    ]);
  });
});
