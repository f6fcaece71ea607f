/**
 * A deadline for what the network has to say. A process that stands still (a stopped virtual machine, a machine with more to do than it
 * can) hears nothing, and libuv calls timers before it looks at sockets: time in which this thread could not listen does not count, and
 * what has come is read first.
 */

export interface Deadline {
  /** Begins anew. */
  refresh(): void;
  /** Idempotent. */
  cancel(): void;
}

/** A timer that comes later than this, ms, tells of a thread that stood still. */
const LATE_MS = 20;
/** All that is done here comes to an end. */
const MOST = 3;

/** @param ms at least; `passed` is called once, unless cancelled. @param most what may be given back, in multiples of `ms` */
export function startDeadline(ms: number, passed: () => void, most = MOST): Deadline {
  let timer: NodeJS.Timeout;
  let last: NodeJS.Immediate | undefined;
  let given = 0;
  const arm = (waitMs: number): void => {
    const due = performance.now() + waitMs;
    timer = setTimeout(() => {
      const late = performance.now() - due;
      const back = Math.min(late, most * ms - given);
      if (late < LATE_MS || back <= 0) {
        last = setImmediate(passed);
        return;
      }
      given += back;
      arm(back);
    }, waitMs);
  };
  const cancel = (): void => {
    clearTimeout(timer);
    if (last) clearImmediate(last);
  };
  arm(ms);
  return {
    cancel,
    refresh() {
      cancel();
      given = 0;
      arm(ms);
    },
  };
}
