/** Which of many descriptors are readable: epoll(7), whose own descriptor is watched by Node's loop. */
import koffi from "koffi";
import { closeFd, SystemError } from "./libc.ts";
import { watchReadiness } from "./readiness.ts";

const libc = koffi.load("libc.so.6");
const native = {
  create: libc.func("int epoll_create1(int flags)"),
  control: libc.func("int epoll_ctl(int set, int operation, int fd, void *event)"),
  wait: libc.func("int epoll_wait(int set, void *events, int count, int timeout_ms)"),
};

// sys/epoll.h
const EPOLL_CLOEXEC = 0o2000000;
const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EPOLLIN = 1;
/** struct epoll_event is packed on x86-64, and only there. */
const [EVENT_BYTES, DATA_AT] = process.arch === "x64" ? [12, 4] : [16, 8];

export class ReadySet implements Disposable {
  private readonly fd: number;
  private events = Buffer.alloc(0);
  private count = 0;
  private readonly watch: ReturnType<typeof watchReadiness>;
  private wake: () => void = () => {};

  /** @throws SystemError */
  constructor() {
    this.fd = check("epoll_create1", native.create(EPOLL_CLOEXEC));
    try {
      this.watch = watchReadiness(this.fd, "error", () => this.wake());
    } catch (error) {
      closeFd(this.fd);
      throw error;
    }
  }

  /** The descriptor stays the caller's. @param position by which `readable` names it. @throws SystemError */
  add(fd: number, position: number): void {
    const event = Buffer.alloc(EVENT_BYTES);
    event.writeUInt32LE(EPOLLIN, 0);
    event.writeUInt32LE(position, DATA_AT);
    check("epoll_ctl", native.control(this.fd, EPOLL_CTL_ADD, fd, event));
    this.count += 1;
    this.events = Buffer.alloc(this.count * EVENT_BYTES);
  }

  /** Before it is closed. @throws SystemError */
  remove(fd: number): void {
    check("epoll_ctl", native.control(this.fd, EPOLL_CTL_DEL, fd, Buffer.alloc(EVENT_BYTES)));
    this.count -= 1;
  }

  /** Ends a wait: something else is to be looked at. */
  nudge(): void {
    this.wake();
  }

  /** Positions of those that can be read now. */
  readable(): number[] {
    if (this.count === 0) return [];
    const count = check("epoll_wait", native.wait(this.fd, this.events, this.events.length / EVENT_BYTES, 0));
    return Array.from({ length: count }, (_, i) => this.events.readUInt32LE(i * EVENT_BYTES + DATA_AT));
  }

  /** Until one can be read, or `signal` aborts. One wait at a time. */
  async wait(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    await new Promise<void>((resolve) => {
      this.wake = resolve;
      signal.addEventListener("abort", this.wake, { once: true });
      this.watch.change("readable");
    });
    signal.removeEventListener("abort", this.wake);
    this.watch.change("error");
    this.wake = () => {};
  }

  [Symbol.dispose](): void {
    this.watch.close();
    closeFd(this.fd);
  }
}

function check(syscall: string, result: number): number {
  if (result < 0) throw new SystemError(syscall, koffi.errno());
  return result;
}
