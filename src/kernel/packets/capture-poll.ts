/**
 * Keeps the process alive when a captured interface goes down. cap's poll callback asserts that the poll has no error
 * (src/binding.cc cb_packets; addons are built without NDEBUG). But when an interface goes down or away the kernel puts ENETDOWN
 * on its packet sockets, libuv reports an error, and the process aborts: a container that leaves during a capture would take
 * the whole lab with it. Three moves, all by public interfaces but one:
 *
 * - SO_SELECT_ERR_QUEUE makes the kernel tell such an error with POLLPRI (socket(7)), and a libuv poll that waits for
 *   UV_PRIORITIZED as well takes POLLERR with POLLPRI for an event, not for an error (deps/uv src/unix/poll.c uv__poll_io).
 * - cap's callback sees "not readable" and returns. It must stay in place and be called by libuv: called through koffi it would
 *   run on koffi's stack, where V8 refuses to run. It is found in the handle: the word that uv_poll_start exchanges.
 * - A second poll, on a duplicate of the descriptor and for errors only, takes the error, so that the loop does not spin. The
 *   socket then works again when the interface comes up.
 *
 * This file can go when cap handles the status.
 */
import koffi from "koffi";
import { DocknetError } from "../../errors.ts";
import { setsockopt } from "../libc.ts";
import { watchReadiness } from "../readiness.ts";
import { takeSocketError } from "../socket/socket.ts";
import { SO_SELECT_ERR_QUEUE, SOL_SOCKET } from "../uapi/socket.ts";

export interface PollGuard {
  /** Times that the interface went down or away. */
  readonly downs: number;
  /** Idempotent; the descriptors stay the caller's. */
  close(): void;
}

koffi.proto("void docknet_uv_walk_cb(void *handle, void *argument)");

/** Node exports libuv for addons. Bound at first use: a Node that does not costs the guard, not the program. */
function bindLibuv() {
  const node = koffi.load(null);
  return {
    loop: node.func("void *uv_default_loop()"),
    walk: node.func("void uv_walk(void *loop, docknet_uv_walk_cb *callback, void *argument)"),
    typeOf: node.func("int uv_handle_get_type(void *handle)"),
    handleSize: node.func("size_t uv_handle_size(int type)"),
    fileno: node.func("int uv_fileno(void *handle, _Out_ int *fd)"),
    isActive: node.func("int uv_is_active(void *handle)"),
    pollStart: node.func("int uv_poll_start(void *handle, int events, void *callback)"),
  };
}

let bound: ReturnType<typeof bindLibuv> | undefined;

function libuv(): ReturnType<typeof bindLibuv> {
  bound ??= bindLibuv();
  return bound;
}

/** uv.h: uv_handle_type, uv_poll_event */
const UV_POLL = 8;
const UV_READABLE = 1;
const UV_PRIORITIZED = 8;

/** Guards the active poll on `fd`, of which `duplicate` is a dup(2). Where cap or libuv are not as described there is no guard. */
export function guardPoll(fd: number, duplicate: number): PollGuard {
  try {
    return guard(fd, duplicate);
  } catch {
    return { downs: 0, close: () => {} };
  }
}

function guard(fd: number, duplicate: number): PollGuard {
  const handle = findPoll(fd);
  if (handle === undefined) throw new DocknetError("INTERNAL", `Cannot find the poll of capture descriptor ${fd}`);
  setsockopt(fd, SOL_SOCKET, SO_SELECT_ERR_QUEUE, 1);
  libuv().pollStart(handle, UV_READABLE | UV_PRIORITIZED, callbackOf(handle));
  let downs = 0;
  const watch = watchReadiness(duplicate, "error", () => {
    if (takeSocketError(duplicate) !== undefined) downs += 1;
  });
  return {
    get downs() {
      return downs;
    },
    close: () => watch.close(),
  };
}

/** The handle is left with a callback that must not be called: the caller starts it again in the same turn. */
function callbackOf(handle: bigint): bigint {
  const words = new BigUint64Array(koffi.view(handle, Number(libuv().handleSize(UV_POLL))));
  const before = words.slice();
  // Odd, so no pointer that could stand there already.
  const sentinel = handle | 1n;
  libuv().pollStart(handle, UV_READABLE, sentinel);
  const callback = before[words.indexOf(sentinel)];
  if (callback === undefined)
    throw new DocknetError("INTERNAL", "Cannot find cap's callback in its poll: libuv has changed");
  return callback;
}

function findPoll(fd: number): bigint | undefined {
  let found: bigint | undefined;
  const uv = libuv();
  const visit = koffi.register((handle: bigint) => {
    if (uv.typeOf(handle) !== UV_POLL || uv.isActive(handle) === 0) return;
    const out = [-1];
    if (uv.fileno(handle, out) === 0 && out[0] === fd) found = handle;
  }, koffi.pointer("docknet_uv_walk_cb"));
  try {
    uv.walk(uv.loop(), visit, null);
  } finally {
    koffi.unregister(visit);
  }
  return found;
}
