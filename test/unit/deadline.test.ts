import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { startDeadline } from "../../src/deadline.ts";

/** How long the thread stands still. */
function standStill(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

const passes = (start: (passed: () => void) => void): Promise<number> => {
  const startedAt = performance.now();
  return new Promise((resolve) => start(() => resolve(performance.now() - startedAt)));
};

/** Two ends of a stream whose events have all been told. */
async function connected(): Promise<{ near: Socket; far: Socket; close: () => void }> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const near = connect((server.address() as AddressInfo).port, "127.0.0.1");
  const [[far]] = (await Promise.all([once(server, "connection"), once(near, "connect")])) as [[Socket], unknown];
  const close = (): void => {
    for (const socket of [near, far]) socket.destroy();
    server.close();
  };
  return { near, far, close };
}

describe("a deadline", () => {
  test("passes after its time", async () => {
    expect(await passes((passed) => startDeadline(30, passed))).toBeGreaterThanOrEqual(29);
  });

  test("does not count the time in which the thread stood still, three times its own at most", async () => {
    const once = passes((passed) => startDeadline(100, passed));
    standStill(250);
    expect(await once).toBeGreaterThanOrEqual(399); // 100, and 150 late, given back
    const long = passes((passed) => startDeadline(60, passed));
    standStill(1000);
    expect(await long).toBeLessThan(1000 + 4 * 60 + 5000);
  });

  test("lets what has come be read before it passes", async () => {
    const { near, far, close } = await connected();
    const order: string[] = [];
    far.once("data", () => order.push("data"));
    const passed = passes((end) =>
      startDeadline(10, () => {
        order.push("deadline");
        end();
      }),
    );
    near.write("come"); // in the kernel at once; read in the loop's poll phase, which follows that of the timers
    standStill(30);
    await passed;
    close();
    expect(order).toEqual(["data", "deadline"]);
  });
});

describe("of a deadline that has not passed", () => {
  beforeEach(
    () =>
      void vi.useFakeTimers({
        toFake: ["setTimeout", "clearTimeout", "setImmediate", "clearImmediate", "performance"],
      }),
  );
  afterEach(() => void vi.useRealTimers());

  test("refresh begins it anew, and cancel ends it", () => {
    const passed = vi.fn();
    const deadline = startDeadline(100, passed);
    vi.advanceTimersByTime(90);
    deadline.refresh();
    vi.advanceTimersByTime(90);
    expect(passed).not.toHaveBeenCalled();
    vi.advanceTimersByTime(20);
    expect(passed).toHaveBeenCalledTimes(1);
    const other = vi.fn();
    const cancelled = startDeadline(10, other);
    cancelled.cancel();
    cancelled.cancel();
    vi.advanceTimersByTime(1000);
    expect(other).not.toHaveBeenCalled();
  });
});
