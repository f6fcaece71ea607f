/**
 * Readiness of descriptors that Node has no class for: UDP sockets whose control messages matter (IP_PKTINFO), connections
 * under way, ping sockets. koffi's poll handle is a uv_poll_t on Node's own loop, so everything stays on one thread.
 *
 * Two things koffi 3.3's uv.cc leaves to us: the callback runs outside Node's callback scope, so neither an exception nor
 * `process.nextTick` would be looked after until something else happens; and a handle that is garbage collected stops.
 */
import koffi from "koffi";

export interface Readiness {
  /** Waits for other events from now on. */
  change(interest: Interest): void;
  /** Stops; the descriptor may be closed right after. Idempotent. */
  close(): void;
}

/** "error" waits for nothing but what every watch gets anyway: errors and hangups. */
export type Interest = "readable" | "writable" | "error";

/** libuv gives up a handle with an error (POLLERR); `onReady` then reads the error from the socket, and the watch goes on. */
interface PollHandle {
  start(options: Record<string, boolean>, callback: (status: number) => void): void;
  close(): void;
}

const open = new Set<PollHandle>();

/** Calls `onReady` whenever `fd` is ready, or has an error to fetch, level-triggered, until closed. The descriptor stays the caller's. */
export function watchReadiness(fd: number, interest: Interest, onReady: () => void): Readiness {
  let wanted = interest;
  let closed = false;
  const callback = (status: unknown): void => {
    try {
      if (!closed) onReady();
      if (!closed && typeof status === "number" && status !== 0) handle.start(eventsOf(wanted), callback);
    } catch (error) {
      setImmediate(() => {
        throw error;
      });
    }
    nudgeTicks();
  };
  const handle = koffi.node.poll(fd, eventsOf(interest), callback) as unknown as PollHandle;
  open.add(handle);
  return {
    change(next) {
      if (closed) return;
      wanted = next;
      handle.start(eventsOf(next), callback);
    },
    close() {
      if (closed) return;
      closed = true;
      open.delete(handle);
      handle.close();
    },
  };
}

const eventsOf = (interest: Interest): Record<string, boolean> =>
  interest === "error" ? { disconnect: true } : { [interest]: true };

let nudged = false;

/** An immediate runs in this very turn of the loop, inside a callback scope, and so drains ticks and promises. */
function nudgeTicks(): void {
  if (nudged) return;
  nudged = true;
  setImmediate(() => {
    nudged = false;
  });
}
