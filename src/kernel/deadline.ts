/**
 * A deadline for what the network does, not for how busy this thread is. Timers come before sockets in a turn of the event loop: after a
 * turn that took long a deadline would be over while the answer waits to be read, and whoever answers may live on this thread, too.
 * So the time for which the thread was held up is given once more, and sockets are looked at last.
 */

export interface Deadline {
  /** The whole time again, from now on. */
  refresh(): void;
  /** Idempotent. */
  clear(): void;
}

/** A timer that is later than this tells of a thread that was held up. */
const HELD_UP_MS = 20;

/** @param onOver called once, unless cleared before; at most twice `ms` from now */
export function startDeadline(ms: number, onOver: () => void): Deadline {
  let stop: () => void = () => {};
  /** @param spareMs that may be given once more */
  const wait = (restMs: number, spareMs: number): void => {
    const due = performance.now() + restMs;
    const timer = setTimeout(() => {
      const late = Math.min(performance.now() - due, spareMs);
      if (late > HELD_UP_MS) {
        wait(late, spareMs - late);
        return;
      }
      const last = setImmediate(onOver);
      stop = () => clearImmediate(last);
    }, restMs);
    stop = () => clearTimeout(timer);
  };
  wait(ms, ms);
  return {
    refresh() {
      stop();
      wait(ms, ms);
    },
    clear: () => stop(),
  };
}
