/** A deadline that is over while this thread was held up has not been waited for. */
import { expect, test } from "vitest";
import { type Deadline, startDeadline } from "../../../src/kernel/deadline.ts";

const holdUp = (ms: number): void => {
  for (const end = performance.now() + ms; performance.now() < end; );
};

/** @returns when it was over, in ms from now; never unless it is */
const over = (ms: number, onStart: (deadline: Deadline) => void = () => {}): Promise<number> => {
  const startedAt = performance.now();
  return new Promise((resolve) => onStart(startDeadline(ms, () => resolve(performance.now() - startedAt))));
};

test("comes when its time is over, and not before", async () => {
  expect(await over(50)).toBeGreaterThan(48);
});

test("gives the time once more for which the thread was held up, as much as its own at most", async () => {
  const late = over(100);
  holdUp(300);
  expect(await late).toBeGreaterThan(395);
});

test("looks at the sockets once more before it comes", async () => {
  const order: string[] = [];
  const late = over(50).then(() => order.push("over"));
  holdUp(60);
  setImmediate(() => order.push("sockets were looked at"));
  await late;
  expect(order).toEqual(["sockets were looked at", "over"]);
});

test("does not come when it was cleared, also at the last moment; begins again when it was refreshed", async () => {
  let came = 0;
  const cleared = startDeadline(1, () => came++);
  setTimeout(() => cleared.clear(), 1);
  holdUp(5); // both are due, in this order
  const refreshed = await over(50, (deadline) => {
    holdUp(40);
    deadline.refresh();
  });
  expect(refreshed).toBeGreaterThan(85);
  expect(came).toBe(0);
});
