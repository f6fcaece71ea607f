/**
 * The C library by FFI (koffi, prebuilt): only the calls that Node lacks. Every wrapper throws a SystemError with the errno;
 * nothing here knows what docknet is. Constants are those of the Linux uapi headers for all 64-bit architectures.
 */
import { readdirSync } from "node:fs";
import koffi from "koffi";

const libc = koffi.load("libc.so.6");

const nativeErrno: () => number = () => koffi.errno();

const native = {
  setns: libc.func("int setns(int fd, int nstype)"),
  unshare: libc.func("int unshare(int flags)"),
  mount: libc.func(
    "int mount(const char *source, const char *target, const char *type, unsigned long flags, const char *data)",
  ),
  umount2: libc.func("int umount2(const char *target, int flags)"),
  socket: libc.func("int socket(int domain, int type, int protocol)"),
  bind: libc.func("int bind(int fd, const void *addr, uint32_t length)"),
  connect: libc.func("int connect(int fd, const void *addr, uint32_t length)"),
  listen: libc.func("int listen(int fd, int backlog)"),
  accept4: libc.func("int accept4(int fd, void *addr, void *length, int flags)"),
  send: libc.func("long send(int fd, const void *data, size_t length, int flags)"),
  recv: libc.func("long recv(int fd, void *data, size_t length, int flags)"),
  getsockname: libc.func("int getsockname(int fd, void *addr, _Inout_ uint32_t *length)"),
  getsockopt: libc.func("int getsockopt(int fd, int level, int name, void *value, _Inout_ uint32_t *length)"),
  setsockopt: libc.func("int setsockopt(int fd, int level, int name, const void *value, uint32_t length)"),
  close: libc.func("int close(int fd)"),
  execve: libc.func("int execve(const char *path, const char **argv, const char **envp)"),
  recvmsg: libc.func("long recvmsg(int fd, void *message, int flags)"),
  sendmsg: libc.func("long sendmsg(int fd, const void *message, int flags)"),
  ioctl: libc.func("int ioctl(int fd, unsigned long request, void *argument)"),
  dup: libc.func("int dup(int fd)"),
  dup2: libc.func("int dup2(int from, int to)"),
  sethostname: libc.func("int sethostname(const char *name, size_t length)"),
  setdomainname: libc.func("int setdomainname(const char *name, size_t length)"),
  pipe2: libc.func("int pipe2(_Out_ int *ends, int flags)"),
  socketpair: libc.func("int socketpair(int domain, int type, int protocol, _Out_ int *ends)"),
  flock: libc.func("int flock(int fd, int operation)"),
  memfd_create: libc.func("int memfd_create(const char *name, unsigned int flags)"),
  syscall: libc.func("long syscall(long number, long first, long second)"),
  syscallAt: libc.func("long syscall(long number, long directory, const char *path, unsigned long flags)"),
};

export const CLONE_FS = 0x00000200;
export const CLONE_NEWNS = 0x00020000;
export const CLONE_NEWUTS = 0x04000000;
export const CLONE_NEWIPC = 0x08000000;
export const CLONE_NEWPID = 0x20000000;
export const CLONE_NEWNET = 0x40000000;
export const MS_RDONLY = 1;
export const MS_NOSUID = 2;
export const MS_NODEV = 4;
export const MS_NOEXEC = 8;
export const MS_BIND = 4096;
export const MS_REC = 16384;
export const MS_SLAVE = 1 << 19;
export const MS_SHARED = 1 << 20;
export const MNT_DETACH = 2;

export const AF_UNIX = 1;
export const AF_INET = 2;
export const AF_INET6 = 10;
export const AF_NETLINK = 16;
export const AF_PACKET = 17;
export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const SOCK_RAW = 3;
export const SOCK_SEQPACKET = 5;
export const SOCK_NONBLOCK = 0o4000;
export const SOCK_CLOEXEC = 0o2000000;
export const IPPROTO_IP = 0;
export const IPPROTO_ICMP = 1;
export const IPPROTO_TCP = 6;
export const IPPROTO_IPV6 = 41;
export const IPPROTO_SCTP = 132;

/** errno values (asm-generic/errno.h); a caller switches on the name. */
export const ERRNO: Readonly<Record<number, string>> = {
  1: "EPERM",
  2: "ENOENT",
  3: "ESRCH",
  4: "EINTR",
  9: "EBADF",
  11: "EAGAIN",
  12: "ENOMEM",
  13: "EACCES",
  16: "EBUSY",
  17: "EEXIST",
  19: "ENODEV",
  22: "EINVAL",
  24: "EMFILE",
  28: "ENOSPC",
  34: "ERANGE",
  38: "ENOSYS",
  92: "ENOPROTOOPT",
  93: "EPROTONOSUPPORT",
  94: "ESOCKTNOSUPPORT",
  95: "EOPNOTSUPP",
  97: "EAFNOSUPPORT",
  98: "EADDRINUSE",
  99: "EADDRNOTAVAIL",
  100: "ENETDOWN",
  101: "ENETUNREACH",
  104: "ECONNRESET",
  105: "ENOBUFS",
  107: "ENOTCONN",
  110: "ETIMEDOUT",
  111: "ECONNREFUSED",
  113: "EHOSTUNREACH",
  115: "EINPROGRESS",
};

/** A call of the C library that failed; `code` is the errno's name, as in Node's own system errors. */
export class SystemError extends Error {
  override readonly name = "SystemError";
  readonly syscall: string;
  readonly errno: number;
  readonly code: string;

  constructor(syscall: string, errno: number) {
    const code = ERRNO[errno] ?? `errno ${errno}`;
    super(`${syscall}: ${code}`);
    this.syscall = syscall;
    this.errno = errno;
    this.code = code;
  }
}

function check(syscall: string, result: number): number {
  if (result < 0) throw new SystemError(syscall, nativeErrno());
  return result;
}

export const setns = (fd: number, type: number): void => void check("setns", native.setns(fd, type));
export const unshare = (flags: number): void => void check("unshare", native.unshare(flags));
export const mount = (source: string, target: string, type: string, flags: number, data: string | null = null): void =>
  void check("mount", native.mount(source, target, type, flags, data));
export const umount = (target: string, flags: number): void => void check("umount2", native.umount2(target, flags));
export const socket = (domain: number, type: number, protocol: number): number =>
  check("socket", native.socket(domain, type | SOCK_CLOEXEC, protocol));
export const bind = (fd: number, address: Uint8Array): void =>
  void check("bind", native.bind(fd, address, address.length));
export const listen = (fd: number, backlog: number): void => void check("listen", native.listen(fd, backlog));
/** The next connection that waits, non-blocking. @throws SystemError EAGAIN when none does */
export const accept = (fd: number): number =>
  check("accept", native.accept4(fd, null, null, SOCK_NONBLOCK | SOCK_CLOEXEC));
export const closeFd = (fd: number): void => void check("close", native.close(fd));
export const send = (fd: number, data: Uint8Array, flags = 0): number =>
  check("send", native.send(fd, data, data.length, flags));
export const recv = (fd: number, buffer: Uint8Array, flags = 0): number =>
  check("recv", native.recv(fd, buffer, buffer.length, flags));

/** @returns false when the connection is under way (a non-blocking socket). @throws SystemError at once when there is no route */
export function connect(fd: number, address: Uint8Array): boolean {
  if (native.connect(fd, address, address.length) === 0) return true;
  const errno = nativeErrno();
  if (ERRNO[errno] === "EINPROGRESS") return false;
  throw new SystemError("connect", errno);
}

/** The local address as sockaddr bytes. */
export function getsockname(fd: number): Buffer {
  const address = Buffer.alloc(128);
  const length = [address.length];
  check("getsockname", native.getsockname(fd, address, length));
  return address.subarray(0, length[0]);
}

export function getsockopt(fd: number, level: number, name: number, size: number): Buffer {
  const value = Buffer.alloc(size);
  const length = [size];
  check("getsockopt", native.getsockopt(fd, level, name, value, length));
  return value.subarray(0, length[0]);
}

export function setsockopt(fd: number, level: number, name: number, value: number | Uint8Array): void {
  const bytes = typeof value === "number" ? int32(value) : value;
  check("setsockopt", native.setsockopt(fd, level, name, bytes, bytes.length));
}

function int32(value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value | 0);
  return bytes;
}

/** A duplicate with FD_CLOEXEC off, as dup(2) makes it. */
export const dup = (fd: number): number => check("dup", native.dup(fd));
export const dup2 = (from: number, to: number): void => void check("dup2", native.dup2(from, to));
/** `argument` is read and written in place. */
export const ioctl = (fd: number, request: number, argument: Uint8Array): void =>
  void check("ioctl", native.ioctl(fd, request, argument));

/** Closes on a thread of libuv's pool: for descriptors whose release waits inside the kernel (packet sockets: an RCU grace period). */
export function closeFdLater(fd: number): Promise<void> {
  return new Promise((resolve, reject) => {
    native.close.async(fd, (error: unknown, result: number) => {
      if (error || result < 0) reject(error ?? new SystemError("close", 0));
      else resolve();
    });
  });
}

/** What recvmsg(2) gave, copied: nothing here is shared with the next call. */
export interface Message {
  readonly data: Buffer;
  /** sockaddr bytes of the sender; empty on a connected socket that gives none */
  readonly from: Buffer;
  readonly control: Buffer;
}

/** sockaddr_storage; a few cmsg records; the biggest UDP datagram (65535 less headers, rounded up). */
const NAME_BYTES = 128;
const CONTROL_BYTES = 256;
const DATA_BYTES = 65536;

/** One message area for all calls: they are synchronous, and results are copied out. */
const area = messageArea();

/** @returns undefined when nothing waits (EAGAIN). @throws SystemError, also for an error that waits on the socket (ECONNREFUSED) */
export function recvmsg(fd: number, flags = 0): Message | undefined {
  area.header(NAME_BYTES, DATA_BYTES, CONTROL_BYTES);
  const length = Number(native.recvmsg(fd, area.address, flags));
  if (length < 0) {
    const errno = nativeErrno();
    if (ERRNO[errno] === "EAGAIN") return undefined;
    throw new SystemError("recvmsg", errno);
  }
  return {
    data: Buffer.from(area.data.subarray(0, length)),
    from: Buffer.from(area.name.subarray(0, area.nameLength())),
    control: Buffer.from(area.control.subarray(0, area.controlLength())),
  };
}

/** @param to sockaddr bytes, empty on a connected socket; @param control whole cmsg records, may be empty. @throws SystemError */
export function sendmsg(fd: number, data: Uint8Array, to: Uint8Array, control: Uint8Array, flags = 0): number {
  area.data.set(data);
  area.name.set(to);
  area.control.set(control);
  area.header(to.length, data.length, control.length);
  return check("sendmsg", Number(native.sendmsg(fd, area.address, flags)));
}

/** struct msghdr and struct iovec of 64-bit Linux (recvmsg(2)), with the buffers they point at, in memory that never moves. */
function messageArea() {
  const HEADER = 56;
  const IOVEC = 16;
  const total = HEADER + IOVEC + NAME_BYTES + CONTROL_BYTES + DATA_BYTES;
  const memory: bigint = koffi.alloc("uint8_t", total);
  const bytes = Buffer.from(koffi.view(memory, total));
  const nameAt = HEADER + IOVEC;
  const controlAt = nameAt + NAME_BYTES;
  const dataAt = controlAt + CONTROL_BYTES;
  return {
    address: memory,
    name: bytes.subarray(nameAt, controlAt),
    control: bytes.subarray(controlAt, dataAt),
    data: bytes.subarray(dataAt),
    header(nameLength: number, dataLength: number, controlLength: number): void {
      bytes.writeBigUInt64LE(nameLength === 0 ? 0n : memory + BigInt(nameAt), 0);
      bytes.writeBigUInt64LE(BigInt(nameLength), 8);
      bytes.writeBigUInt64LE(memory + BigInt(HEADER), 16);
      bytes.writeBigUInt64LE(1n, 24);
      bytes.writeBigUInt64LE(controlLength === 0 ? 0n : memory + BigInt(controlAt), 32);
      bytes.writeBigUInt64LE(BigInt(controlLength), 40);
      bytes.writeBigUInt64LE(0n, 48);
      bytes.writeBigUInt64LE(memory + BigInt(dataAt), HEADER);
      bytes.writeBigUInt64LE(BigInt(dataLength), HEADER + 8);
    },
    nameLength: (): number => bytes.readUInt32LE(8),
    controlLength: (): number => Number(bytes.readBigUInt64LE(40)),
  };
}

/** Replaces this process; the descriptors that Node opened are all close-on-exec. Returns only by throwing. */
export function execve(
  path: string,
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): never {
  const pairs = Object.entries(env).flatMap(([key, value]) => (value === undefined ? [] : [`${key}=${value}`]));
  native.execve(path, [...argv, null], [...pairs, null]);
  throw new SystemError("execve", nativeErrno());
}

// --- locks -----------------------------------------------------------------------------------------------------------

/** Of the UTS namespace that this thread is in. */
export const sethostname = (name: string): void =>
  void check("sethostname", native.sethostname(name, byteLength(name)));
export const setdomainname = (name: string): void =>
  void check("setdomainname", native.setdomainname(name, byteLength(name)));

const byteLength = (text: string): number => Buffer.byteLength(text);

/** A pipe(2), close-on-exec: the end to read and the end to write. */
/** A file without a name; closed with its last descriptor (memfd_create(2)). */
export function memoryFile(label: string): number {
  const MFD_CLOEXEC = 1;
  return check("memfd_create", native.memfd_create(label, MFD_CLOEXEC));
}

export function pipe(): { readonly reader: number; readonly writer: number } {
  const ends: number[] = [-1, -1];
  check("pipe2", native.pipe2(ends, SOCK_CLOEXEC)); // O_CLOEXEC has the same value
  const [reader = -1, writer = -1] = ends;
  return { reader, writer };
}

/** Two ends that are connected (socketpair(2)), close-on-exec. */
export function socketpair(domain: number, type: number): readonly [number, number] {
  const ends: number[] = [-1, -1];
  check("socketpair", native.socketpair(domain, type | SOCK_CLOEXEC, 0, ends));
  const [one = -1, other = -1] = ends;
  return [one, other];
}

const LOCK_EX_NB = 2 | 4;

/** Takes the whole file; the lock ends with the last descriptor of its holder (flock(2)). @returns false when another process holds it */
export function tryLock(fd: number): boolean {
  if (native.flock(fd, LOCK_EX_NB) === 0) return true;
  const errno = nativeErrno();
  if (ERRNO[errno] === "EAGAIN") return false;
  throw new SystemError("flock", errno);
}

/** pidfd_open(2), close-on-exec; by number, because glibc has it since 2.36 only. */
export function pidfdOpen(pid: number): number {
  const SYS_PIDFD_OPEN = 434; // the same on every architecture
  return check("pidfd_open", Number(native.syscall(SYS_PIDFD_OPEN, pid, 0)));
}

/** A copy of the mount at `path` alone, without what is mounted in it (open_tree(2), Linux 5.2), close-on-exec; by number: glibc has it since 2.36. */
export function openTree(path: string): number {
  const [SYS_OPEN_TREE, AT_FDCWD, OPEN_TREE_CLONE, O_CLOEXEC] = [428, -100, 1, 0o2000000];
  return check("open_tree", Number(native.syscallAt(SYS_OPEN_TREE, AT_FDCWD, path, OPEN_TREE_CLONE | O_CLOEXEC)));
}

/** No child gets a descriptor that this process was started with, beside the three of stdio; Node's own are close-on-exec already. */
export function closeInheritedOnExec(): void {
  const FIOCLEX = 0x5451; // asm-generic/ioctls.h
  for (const fd of readdirSync("/proc/self/fd").map(Number)) if (fd > 2) native.ioctl(fd, FIOCLEX, null); // EBADF: the descriptor of the list itself
}
