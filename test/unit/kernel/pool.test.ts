import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Pool, type Share } from "../../../src/kernel/pool.ts";

const takeAll = (share: Share): number => {
  while (share.tryTake());
  return share.held;
};

describe("of a pool of 100", () => {
  test("one owner gets half, the next half of what is left, and the last still one", () => {
    const pool = new Pool(100);
    const held = Array.from({ length: 7 }, () => takeAll(pool.open(100)));
    expect(held).toEqual([50, 25, 13, 6, 3, 2, 1]);
    expect(pool.free).toBe(0);
  });

  test("no owner gets more than its own most", () => {
    expect(takeAll(new Pool(100).open(20))).toBe(20);
  });

  test("what is given back goes to who was refused and has least", () => {
    const pool = new Pool(4);
    const order: string[] = [];
    const owner = (name: string): Share => {
      const share = pool.open(4, () => {
        if (share.tryTake()) order.push(name);
      });
      return share;
    };
    const [a, b, c] = [owner("a"), owner("b"), owner("c")];
    expect([takeAll(a), takeAll(b), takeAll(c)]).toEqual([2, 1, 1]);
    const d = owner("d");
    expect(d.tryTake()).toBe(false);
    a.giveBack();
    expect(order).toEqual(["d"]);
    expect([a.held, b.held, c.held, d.held]).toEqual([1, 1, 1, 1]);
  });

  test("an owner that closes gives back all it has, and is offered nothing any more", () => {
    const pool = new Pool(10);
    const gone = pool.open(10, () => expect.unreachable());
    takeAll(gone);
    gone.close();
    gone.close();
    expect(pool.free).toBe(10);
    expect(takeAll(pool.open(10))).toBe(5);
  });

  test("whoever takes and gives back, in any order: never more than there are, never more than fair, and all come back", () => {
    const step = fc.tuple(fc.nat(5), fc.boolean());
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20 }), fc.array(step, { maxLength: 200 }), (size, steps) => {
        const pool = new Pool(size);
        const shares = Array.from({ length: 6 }, () => pool.open(8));
        for (const [i, take] of steps) {
          const share = shares[i] as Share;
          if (!take && share.held > 0) share.giveBack();
          else if (take) {
            const fair = share.held < Math.min(8, pool.free);
            expect(share.tryTake()).toBe(fair);
          }
          expect(shares.reduce((sum, s) => sum + s.held, pool.free)).toBe(size);
          expect(pool.free).toBeGreaterThanOrEqual(0);
        }
        for (const share of shares) share.close();
        expect(pool.free).toBe(size);
      }),
    );
  });
});
