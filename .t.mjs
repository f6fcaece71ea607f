var __knownSymbol = (name, symbol) => (symbol = Symbol[name]) ? symbol : /* @__PURE__ */ Symbol.for("Symbol." + name);
var __typeError = (msg) => {
  throw TypeError(msg);
};
var __using = (stack, value, async) => {
  if (value != null) {
    if (typeof value !== "object" && typeof value !== "function") __typeError("Object expected");
    var dispose, inner;
    if (async) dispose = value[__knownSymbol("asyncDispose")];
    if (dispose === void 0) {
      dispose = value[__knownSymbol("dispose")];
      if (async) inner = dispose;
    }
    if (typeof dispose !== "function") __typeError("Object not disposable");
    if (inner) dispose = function() {
      try {
        inner.call(this);
      } catch (e) {
        return Promise.reject(e);
      }
    };
    stack.push([async, dispose, value]);
  } else if (async) {
    stack.push([async]);
  }
  return value;
};
var __callDispose = (stack, error, hasError) => {
  var E = typeof SuppressedError === "function" ? SuppressedError : function(e, s, m, _) {
    return _ = Error(m), _.name = "SuppressedError", _.error = e, _.suppressed = s, _;
  };
  var fail = (e) => error = hasError ? new E(e, error, "An error was suppressed during disposal") : (hasError = true, e);
  var next = (it) => {
    while (it = stack.pop()) {
      try {
        var result = it[1] && it[1].call(it[2]);
        if (it[0]) return Promise.resolve(result).then(next, (e) => (fail(e), next()));
      } catch (e) {
        fail(e);
      }
    }
    if (hasError) throw error;
  };
  return next();
};

// src/lab-tmp.ts
import { execa as execa3 } from "execa";

// src/errors.ts
var DocknetError = class extends Error {
  name = "DocknetError";
  code;
  remedy;
  at;
  details;
  constructor(code, message, options = {}) {
    super(message, options.cause === void 0 ? void 0 : { cause: options.cause });
    this.code = code;
    this.remedy = options.remedy;
    this.at = options.at;
    this.details = options.details ?? {};
  }
  /** This error as one problem, for lists that report all at once. */
  toProblem(fallback) {
    const at = this.at ?? fallback;
    return {
      message: this.message,
      ...at ? { at } : {},
      ...this.remedy ? { remedy: this.remedy } : {}
    };
  }
};
var ProblemsError = class extends DocknetError {
  problems;
  constructor(code, problems) {
    super(code, problems.map(renderProblem).join("\n"), problems[0]?.at ? { at: problems[0].at } : {});
    this.problems = problems;
  }
};
function renderProblem(problem) {
  return problem.at ? `${renderOrigin(problem.at)}: ${problem.message}` : problem.message;
}
function renderOrigin(at) {
  return `${at.file}:${at.line}:${at.column}`;
}

// src/dispose.ts
var DisposerStack = class _DisposerStack {
  steps = [];
  /** Remembers how to remove `what`; runs when the stack closes, last in first out. */
  defer(what, run) {
    this.steps.push({ what, run });
  }
  /** Takes ownership of a resource and gives it back. */
  use(what, resource) {
    this.defer(what, () => resource.close());
    return resource;
  }
  /** Hands all steps to a new owner; this stack then closes nothing. */
  move() {
    const owner = new _DisposerStack();
    owner.steps = this.steps;
    this.steps = [];
    return owner;
  }
  get size() {
    return this.steps.length;
  }
  /** Runs every step, even after failures. Idempotent. @throws DocknetError INTERNAL naming each thing that is still there. */
  async close() {
    const failures = [];
    for (let step = this.steps.pop(); step; step = this.steps.pop()) {
      try {
        await step.run();
      } catch (error) {
        failures.push({ what: step.what, error });
      }
    }
    if (failures.length === 0) return;
    const list = failures.map((f) => `${f.what} (${f.error instanceof Error ? f.error.message : String(f.error)})`);
    throw new DocknetError("INTERNAL", `Cannot remove ${failures.length} of what was created: ${list.join("; ")}`, {
      cause: new AggregateError(failures.map((f) => f.error)),
      remedy: "Run `docknet clean`"
    });
  }
  async [Symbol.asyncDispose]() {
    await this.close();
  }
};

// src/kernel/capture.ts
import { closeSync, openSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";

// src/net/address.ts
import ipaddr from "ipaddr.js";
var STRICT_OCTETS = /^(0|[1-9]\d{0,2})(\.(0|[1-9]\d{0,2})){3}$/;
function isIpv4(text) {
  return STRICT_OCTETS.test(text) && ipaddr.IPv4.isValidFourPartDecimal(text);
}
function parseIpv4(text) {
  if (!isIpv4(text)) throw new DocknetError("LAB_FILE", `invalid IPv4 address: ${text}`);
  return text;
}
function isIpv6(text) {
  return text.includes(":") && !text.includes("%") && !text.includes("/") && ipaddr.IPv6.isValid(text);
}
function parseIpv6(text) {
  if (!isIpv6(text)) throw new DocknetError("LAB_FILE", `invalid IPv6 address: ${text}`);
  return ipaddr.IPv6.parse(text).toRFC5952String();
}
function toNumber(address2) {
  const [a, b, c, d] = address2.split(".").map(Number);
  return (a << 24 | b << 16 | c << 8 | d) >>> 0;
}
function fromNumber(value) {
  return `${value >>> 24}.${value >>> 16 & 255}.${value >>> 8 & 255}.${value & 255}`;
}
function toBytes(address2) {
  return Uint8Array.from(address2.split(".").map(Number));
}
function splitCidr(text, what) {
  const slash = text.indexOf("/");
  const address2 = text.slice(0, slash < 0 ? void 0 : slash);
  const length = slash < 0 ? "" : text.slice(slash + 1);
  if (!isIpv4(address2) || !/^(0|[1-9]\d?)$/.test(length) || Number(length) > 32) {
    throw new DocknetError("LAB_FILE", `invalid ${what} ${text}: invalid CIDR block notation`);
  }
  return { address: address2, length: Number(length) };
}
var maskOf = (length) => length === 0 ? 0 : 4294967295 << 32 - length >>> 0;
function parseSubnet(text, what = "subnet") {
  const { address: address2, length } = splitCidr(text, what);
  const masked = `${fromNumber((toNumber(address2) & maskOf(length)) >>> 0)}/${length}`;
  if (masked !== text) throw new DocknetError("LAB_FILE", `invalid ${what} ${text}: it should be ${masked}`);
  return masked;
}
function parseIfAddr(text) {
  const { address: address2, length } = splitCidr(text, "address");
  return `${address2}/${length}`;
}
function prefixLength(cidr) {
  return Number(cidr.slice(cidr.indexOf("/") + 1));
}
function addressOf(cidr) {
  return cidr.slice(0, cidr.indexOf("/"));
}
function rangeOf(subnet2) {
  const first = toNumber(addressOf(subnet2));
  return { first, last: (first | ~maskOf(prefixLength(subnet2))) >>> 0 };
}
function contains(subnet2, address2) {
  const { first, last } = rangeOf(subnet2);
  const value = toNumber(address2);
  return value >= first && value <= last;
}
function containsSubnet(outer, inner) {
  const [o, i] = [rangeOf(outer), rangeOf(inner)];
  return i.first >= o.first && i.last <= o.last;
}
function overlaps(a, b) {
  const [x, y] = [rangeOf(a), rangeOf(b)];
  return x.first <= y.last && y.first <= x.last;
}
function onLink(address2, subnet2) {
  return `${address2}/${prefixLength(subnet2)}`;
}
function subnetOf(ifAddr) {
  const length = prefixLength(ifAddr);
  return `${fromNumber((toNumber(addressOf(ifAddr)) & maskOf(length)) >>> 0)}/${length}`;
}
function broadcastOf(subnet2) {
  return fromNumber(rangeOf(subnet2).last);
}
function isLoopback(address2) {
  return address2.startsWith("127.");
}
var ANY_IPV4 = "0.0.0.0";
var LOCALHOST = "127.0.0.1";
var DEFAULT_ROUTE = "0.0.0.0/0";

// src/net/mac.ts
function parseMac(text) {
  const normal = text.toLowerCase().replaceAll("-", ":");
  const mixed = text.includes("-") && text.includes(":");
  if (mixed || !/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/.test(normal)) {
    throw new DocknetError("LAB_FILE", `${text} is not a valid mac address`);
  }
  if (normal !== "00:00:00:00:00:00" && (Number.parseInt(normal.slice(0, 2), 16) & 1) === 0) return normal;
  throw new DocknetError("LAB_FILE", `${text} is not a valid mac address: it is not the address of one interface`);
}
function macFromBytes(bytes) {
  const six = Array.from({ length: 6 }, (_, i) => bytes[i] ?? 0);
  six[0] = (six[0] ?? 0) & 254 | 2;
  return six.map((b) => b.toString(16).padStart(2, "0")).join(":");
}
function macToBytes(mac) {
  return Uint8Array.from(mac.split(":").map((part) => Number.parseInt(part, 16)));
}

// src/net/frame.ts
var ETHERTYPE_IPV4 = 2048;
var ETHERTYPE_ARP = 2054;
var ETHERTYPE_VLAN = 33024;
var ETHERTYPE_QINQ = 34984;
var PROTO_ICMP = 1;
var PROTO_TCP = 6;
var PROTO_UDP = 17;
var NO_MAC = "00:00:00:00:00:00";
var ECHO_TYPES = [0, 8];
var ERROR_TYPES = [3, 4, 5, 11, 12];
function decodeFrame(bytes) {
  const r = readerOf(bytes);
  if (bytes.length < 14) {
    return {
      srcMac: NO_MAC,
      dstMac: NO_MAC,
      etherType: 0,
      length: bytes.length,
      problem: `Ethernet header has ${bytes.length} of 14 bytes`
    };
  }
  const addresses = { dstMac: macAt(r, 0), srcMac: macAt(r, 6), length: bytes.length };
  let etherType = r.u16(12);
  let at = 14;
  let vlan;
  while (etherType === ETHERTYPE_VLAN || etherType === ETHERTYPE_QINQ) {
    if (bytes.length < at + 4)
      return { ...addresses, etherType, ...vlan === void 0 ? {} : { vlan }, problem: "802.1Q tag is cut off" };
    vlan ??= r.u16(at) & 4095;
    etherType = r.u16(at + 2);
    at += 4;
  }
  const payload = bytes.subarray(at);
  const head = { ...addresses, etherType, ...vlan === void 0 ? {} : { vlan } };
  if (etherType === ETHERTYPE_IPV4) return { ...head, ip: decodeIpv4(payload) };
  if (etherType === ETHERTYPE_ARP) return { ...head, ...decodeArp(payload) };
  return head;
}
function decodeIpv4(bytes) {
  return decodePacket(bytes, false);
}
function decodePacket(bytes, quoted) {
  const r = readerOf(bytes);
  if (bytes.length < 20) return noPacket(`IPv4 header has ${bytes.length} of 20 bytes`);
  const version = r.u8(0) >>> 4;
  if (version !== 4) return noPacket(`IP version is ${version}, not 4`);
  const flagsAndOffset = r.u16(6);
  const fragment = { offsetBytes: (flagsAndOffset & 8191) * 8, more: (flagsAndOffset & 8192) !== 0 };
  const headerBytes = (r.u8(0) & 15) * 4;
  const total = r.u16(2);
  const head = {
    src: fromNumber(r.u32(12)),
    dst: fromNumber(r.u32(16)),
    ttl: r.u8(8),
    id: r.u16(4),
    proto: r.u8(9),
    length: total,
    ...fragment.more || fragment.offsetBytes > 0 ? { fragment } : {}
  };
  if (headerBytes < 20) return { ...head, problem: `IPv4 header length ${headerBytes} is less than 20` };
  if (bytes.length < headerBytes)
    return { ...head, problem: `IPv4 options are cut off: ${bytes.length} of ${headerBytes} bytes` };
  if (total < headerBytes)
    return { ...head, problem: `IPv4 total length ${total} is less than its header's ${headerBytes}` };
  const cut = total > bytes.length && !quoted ? { problem: `IPv4 packet is cut off: ${bytes.length} of ${total} bytes` } : {};
  const payload = bytes.subarray(headerBytes, Math.min(total, bytes.length));
  if (fragment.offsetBytes > 0) return { ...head, ...cut };
  return { ...head, ...cut, ...decodeTransport(head.proto, payload, total - headerBytes, quoted) };
}
function decodeTransport(proto, bytes, claimed, quoted) {
  if (proto === PROTO_TCP) return decodeTcp(bytes, claimed, quoted);
  if (proto === PROTO_UDP) return decodeUdp(bytes);
  if (proto === PROTO_ICMP) return decodeIcmp(bytes);
  return {};
}
function decodeTcp(bytes, claimed, quoted) {
  const r = readerOf(bytes);
  const enough = quoted ? 8 : 20;
  if (bytes.length < enough) return { problem: `TCP header has ${bytes.length} of ${enough} bytes` };
  const ports = { srcPort: r.u16(0), dstPort: r.u16(2), seq: r.u32(4) };
  if (bytes.length < 20) return { tcp: { ...ports, ack: 0, flags: flagsOf(0), length: 0 } };
  const headerBytes = (r.u8(12) >>> 4) * 4;
  const tcp2 = { ...ports, ack: r.u32(8), flags: flagsOf(r.u8(13)), length: Math.max(0, claimed - headerBytes) };
  if (headerBytes < 20 || headerBytes > claimed)
    return { tcp: tcp2, problem: `TCP header length ${headerBytes} is not in 20..${claimed}` };
  return { tcp: tcp2 };
}
function flagsOf(byte) {
  return {
    syn: (byte & 2) !== 0,
    ack: (byte & 16) !== 0,
    fin: (byte & 1) !== 0,
    rst: (byte & 4) !== 0,
    psh: (byte & 8) !== 0
  };
}
function decodeUdp(bytes) {
  const r = readerOf(bytes);
  if (bytes.length < 8) return { problem: `UDP header has ${bytes.length} of 8 bytes` };
  const length = r.u16(4);
  const udp2 = { srcPort: r.u16(0), dstPort: r.u16(2), length: Math.max(0, length - 8) };
  return length < 8 ? { udp: udp2, problem: `UDP length ${length} is less than 8` } : { udp: udp2 };
}
function decodeIcmp(bytes) {
  const r = readerOf(bytes);
  if (bytes.length < 8) return { problem: `ICMP header has ${bytes.length} of 8 bytes` };
  const head = { type: r.u8(0), code: r.u8(1) };
  if (ECHO_TYPES.includes(head.type)) return { icmp: { ...head, id: r.u16(4), seq: r.u16(6) } };
  if (ERROR_TYPES.includes(head.type)) return { icmp: { ...head, quoted: decodeQuoted(bytes.subarray(8)) } };
  return { icmp: head };
}
function decodeQuoted(bytes) {
  const isIcmpError = bytes.length > 20 && bytes[9] === PROTO_ICMP && ERROR_TYPES.includes(bytes[((bytes[0] ?? 0) & 15) * 4] ?? 0);
  return decodePacket(isIcmpError ? bytes.subarray(0, ((bytes[0] ?? 0) & 15) * 4) : bytes, true);
}
function decodeArp(bytes) {
  const r = readerOf(bytes);
  if (bytes.length < 28) return { problem: `ARP has ${bytes.length} of 28 bytes` };
  if (r.u16(0) !== 1 || r.u16(2) !== ETHERTYPE_IPV4 || r.u8(4) !== 6 || r.u8(5) !== 4) {
    return { problem: "ARP is not for IPv4 over Ethernet" };
  }
  return {
    arp: {
      operation: r.u16(6),
      senderMac: macAt(r, 8),
      senderIp: fromNumber(r.u32(14)),
      targetMac: macAt(r, 18),
      targetIp: fromNumber(r.u32(24))
    }
  };
}
function renderIpv4(ip) {
  const ports = ip.tcp ?? ip.udp;
  const [from, to] = ports ? [`${ip.src}:${ports.srcPort}`, `${ip.dst}:${ports.dstPort}`] : [ip.src, ip.dst];
  const part = ip.fragment ? ` fragment ${ip.fragment.offsetBytes}${ip.fragment.more ? "+" : ""}` : "";
  return `${from} > ${to} ${renderTransport(ip)}${part} ttl ${ip.ttl}${ip.problem === void 0 ? "" : ` [${ip.problem}]`}`;
}
function renderTransport(ip) {
  if (ip.tcp) {
    const names = ["syn", "fin", "rst", "psh", "ack"].filter((name) => ip.tcp?.flags[name]);
    const flags = names.length === 0 ? "no flags" : names.join(",").toUpperCase();
    return `tcp ${flags}${ip.tcp.length > 0 ? ` length ${ip.tcp.length}` : ""}`;
  }
  if (ip.udp) return `udp length ${ip.udp.length}`;
  if (ip.icmp) return renderIcmp(ip.icmp);
  return `proto ${ip.proto}`;
}
var UNREACHABLE = ["net", "host", "protocol", "port"];
function renderIcmp(icmp) {
  if (icmp.type === 8) return `icmp echo request id ${icmp.id ?? 0} seq ${icmp.seq ?? 0}`;
  if (icmp.type === 0) return `icmp echo reply id ${icmp.id ?? 0} seq ${icmp.seq ?? 0}`;
  const quoted = icmp.quoted ? ` (${renderIpv4(icmp.quoted)})` : "";
  if (icmp.type === 3 && [9, 10, 13].includes(icmp.code)) return `icmp administratively prohibited${quoted}`;
  if (icmp.type === 3) return `icmp ${UNREACHABLE[icmp.code] ?? `code ${icmp.code}`} unreachable${quoted}`;
  if (icmp.type === 11) return `icmp time exceeded${quoted}`;
  return `icmp type ${icmp.type} code ${icmp.code}${quoted}`;
}
function readerOf(bytes) {
  const u8 = (at) => bytes[at] ?? 0;
  const u16 = (at) => u8(at) << 8 | u8(at + 1);
  return { u8, u16, u32: (at) => (u16(at) << 16 | u16(at + 2)) >>> 0 };
}
var HEX = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, "0"));
function macAt(r, at) {
  return Array.from({ length: 6 }, (_, i) => HEX[r.u8(at + i)]).join(":");
}
function noPacket(problem) {
  const none = fromNumber(0);
  return { src: none, dst: none, ttl: 0, id: 0, proto: 0, length: 0, problem };
}

// src/kernel/capture-poll.ts
import koffi4 from "koffi";

// src/kernel/libc.ts
import koffi2 from "koffi";
var libc = koffi2.load("libc.so.6");
var nativeErrno = () => koffi2.errno();
var native = {
  setns: libc.func("int setns(int fd, int nstype)"),
  unshare: libc.func("int unshare(int flags)"),
  mount: libc.func("int mount(const char *source, const char *target, const char *type, unsigned long flags, const char *data)"),
  umount2: libc.func("int umount2(const char *target, int flags)"),
  socket: libc.func("int socket(int domain, int type, int protocol)"),
  bind: libc.func("int bind(int fd, const void *addr, uint32_t length)"),
  connect: libc.func("int connect(int fd, const void *addr, uint32_t length)"),
  listen: libc.func("int listen(int fd, int backlog)"),
  send: libc.func("long send(int fd, const void *data, size_t length, int flags)"),
  recv: libc.func("long recv(int fd, void *data, size_t length, int flags)"),
  getsockname: libc.func("int getsockname(int fd, void *addr, _Inout_ uint32_t *length)"),
  getsockopt: libc.func("int getsockopt(int fd, int level, int name, void *value, _Inout_ uint32_t *length)"),
  setsockopt: libc.func("int setsockopt(int fd, int level, int name, const void *value, uint32_t length)"),
  close: libc.func("int close(int fd)"),
  recvmsg: libc.func("long recvmsg(int fd, void *message, int flags)"),
  sendmsg: libc.func("long sendmsg(int fd, const void *message, int flags)"),
  ioctl: libc.func("int ioctl(int fd, unsigned long request, void *argument)"),
  dup: libc.func("int dup(int fd)"),
  dup2: libc.func("int dup2(int from, int to)")
};
var CLONE_NEWNET = 1073741824;
var MS_BIND = 4096;
var MNT_DETACH = 2;
var AF_INET = 2;
var AF_INET6 = 10;
var AF_NETLINK = 16;
var AF_PACKET = 17;
var SOCK_STREAM = 1;
var SOCK_DGRAM = 2;
var SOCK_RAW = 3;
var SOCK_NONBLOCK = 2048;
var SOCK_CLOEXEC = 524288;
var IPPROTO_IP = 0;
var IPPROTO_ICMP = 1;
var IPPROTO_TCP = 6;
var IPPROTO_IPV6 = 41;
var IPPROTO_SCTP = 132;
var ERRNO = {
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
  115: "EINPROGRESS"
};
var SystemError = class extends Error {
  name = "SystemError";
  syscall;
  errno;
  code;
  constructor(syscall, errno) {
    const code = ERRNO[errno] ?? `errno ${errno}`;
    super(`${syscall}: ${code}`);
    this.syscall = syscall;
    this.errno = errno;
    this.code = code;
  }
};
function check(syscall, result) {
  if (result < 0) throw new SystemError(syscall, nativeErrno());
  return result;
}
var setns = (fd, type) => void check("setns", native.setns(fd, type));
var unshare = (flags) => void check("unshare", native.unshare(flags));
var mount = (source, target, type, flags) => void check("mount", native.mount(source, target, type, flags, null));
var umount = (target, flags) => void check("umount2", native.umount2(target, flags));
var socket = (domain, type, protocol) => check("socket", native.socket(domain, type | SOCK_CLOEXEC, protocol));
var bind = (fd, address2) => void check("bind", native.bind(fd, address2, address2.length));
var listen = (fd, backlog) => void check("listen", native.listen(fd, backlog));
var closeFd = (fd) => void check("close", native.close(fd));
var send = (fd, data, flags = 0) => check("send", native.send(fd, data, data.length, flags));
var recv = (fd, buffer, flags = 0) => check("recv", native.recv(fd, buffer, buffer.length, flags));
function connect(fd, address2) {
  if (native.connect(fd, address2, address2.length) === 0) return true;
  const errno = nativeErrno();
  if (ERRNO[errno] === "EINPROGRESS") return false;
  throw new SystemError("connect", errno);
}
function getsockname(fd) {
  const address2 = Buffer.alloc(128);
  const length = [address2.length];
  check("getsockname", native.getsockname(fd, address2, length));
  return address2.subarray(0, length[0]);
}
function getsockopt(fd, level, name, size) {
  const value = Buffer.alloc(size);
  const length = [size];
  check("getsockopt", native.getsockopt(fd, level, name, value, length));
  return value.subarray(0, length[0]);
}
function setsockopt(fd, level, name, value) {
  const bytes = typeof value === "number" ? int32(value) : value;
  check("setsockopt", native.setsockopt(fd, level, name, bytes, bytes.length));
}
function int32(value) {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return bytes;
}
var dup = (fd) => check("dup", native.dup(fd));
var dup2 = (from, to) => void check("dup2", native.dup2(from, to));
var ioctl = (fd, request, argument) => void check("ioctl", native.ioctl(fd, request, argument));
function closeFdLater(fd) {
  return new Promise((resolve3, reject) => {
    native.close.async(fd, (error, result) => {
      if (error || result < 0) reject(error ?? new SystemError("close", 0));
      else resolve3();
    });
  });
}
var NAME_BYTES = 128;
var CONTROL_BYTES = 256;
var DATA_BYTES = 65536;
var area = messageArea();
function recvmsg(fd, flags = 0) {
  area.header(NAME_BYTES, DATA_BYTES, CONTROL_BYTES);
  const length = Number(native.recvmsg(fd, area.address, flags));
  if (length < 0) {
    const errno = nativeErrno();
    if (ERRNO[errno] === "EAGAIN") return void 0;
    throw new SystemError("recvmsg", errno);
  }
  return {
    data: Buffer.from(area.data.subarray(0, length)),
    from: Buffer.from(area.name.subarray(0, area.nameLength())),
    control: Buffer.from(area.control.subarray(0, area.controlLength()))
  };
}
function sendmsg(fd, data, to, control) {
  area.data.set(data);
  area.name.set(to);
  area.control.set(control);
  area.header(to.length, data.length, control.length);
  return check("sendmsg", Number(native.sendmsg(fd, area.address, 0)));
}
function messageArea() {
  const HEADER = 56;
  const IOVEC = 16;
  const total = HEADER + IOVEC + NAME_BYTES + CONTROL_BYTES + DATA_BYTES;
  const memory = koffi2.alloc("uint8_t", total);
  const bytes = Buffer.from(koffi2.view(memory, total));
  const nameAt = HEADER + IOVEC;
  const controlAt = nameAt + NAME_BYTES;
  const dataAt = controlAt + CONTROL_BYTES;
  return {
    address: memory,
    name: bytes.subarray(nameAt, controlAt),
    control: bytes.subarray(controlAt, dataAt),
    data: bytes.subarray(dataAt),
    header(nameLength, dataLength, controlLength) {
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
    nameLength: () => bytes.readUInt32LE(8),
    controlLength: () => Number(bytes.readBigUInt64LE(40))
  };
}

// src/kernel/readiness.ts
import koffi3 from "koffi";
var open = /* @__PURE__ */ new Set();
function watchReadiness(fd, interest, onReady) {
  let wanted = interest;
  let closed = false;
  const callback = (status) => {
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
  const handle = koffi3.node.poll(fd, eventsOf(interest), callback);
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
    }
  };
}
var eventsOf = (interest) => interest === "error" ? { disconnect: true } : { [interest]: true };
var nudged = false;
function nudgeTicks() {
  if (nudged) return;
  nudged = true;
  setImmediate(() => {
    nudged = false;
  });
}

// src/kernel/socket.ts
import { readFileSync } from "node:fs";
import { Socket } from "node:net";
var SOL_SOCKET = 1;
var SO_REUSEADDR = 2;
var SO_ERROR = 4;
var SO_LINGER = 13;
var IP_PKTINFO = 8;
var IP_RECVERR = 11;
var IP_BIND_ADDRESS_NO_PORT = 24;
var IPV6_V6ONLY = 26;
var IPV6_RECVPKTINFO = 49;
var IPV6_PKTINFO = 50;
var TCP_SYNCNT = 7;
var BACKLOG = 511;
var SYN_RETRIES = 100;
function openTcpListener(ns, address2, port, options = {}) {
  return openBound(ns, address2, port, SOCK_STREAM, IPPROTO_TCP, options, (fd) => {
    listen(fd, BACKLOG);
  });
}
function openUdpSocket(ns, address2, port, options = {}) {
  return openBound(ns, address2, port, SOCK_DGRAM, 0, options, () => {
  });
}
function openTcpConnection(ns, address2, port, options = {}) {
  return openSocket(ns, AF_INET, SOCK_STREAM, IPPROTO_TCP, (fd) => {
    setsockopt(fd, IPPROTO_TCP, TCP_SYNCNT, SYN_RETRIES);
    bindSource(fd, options.source);
    connect(fd, encodeSockaddr(address2, port));
  });
}
function openUdpConnection(ns, address2, port, options = {}) {
  return openSocket(ns, AF_INET, SOCK_DGRAM, 0, (fd) => {
    if (options.allErrors) setsockopt(fd, IPPROTO_IP, IP_RECVERR, 1);
    bindSource(fd, options.source);
    connect(fd, encodeSockaddr(address2, port));
  });
}
function openPingSocket(ns, address2, options = {}) {
  const open2 = () => openSocket(ns, AF_INET, SOCK_DGRAM, IPPROTO_ICMP, (fd) => {
    setsockopt(fd, IPPROTO_IP, IP_RECVERR, 1);
    bindSource(fd, { address: options.source, port: options.id });
    connect(fd, encodeSockaddr(address2, 0));
  });
  try {
    return open2();
  } catch (error) {
    if (!(error instanceof SystemError) || error.syscall !== "socket" || error.code !== "EACCES") throw error;
    const gid = process.getegid?.() ?? 0;
    ns.writeSysctl("net.ipv4.ping_group_range", `${gid} ${gid}`);
    return open2();
  }
}
function openSctpConnection(ns, address2, port, options = {}) {
  return openSocket(ns, AF_INET, SOCK_STREAM, IPPROTO_SCTP, (fd) => {
    bindSource(fd, options.source);
    connect(fd, encodeSockaddr(address2, port));
  });
}
function openSctpListener(ns, address2, port, options = {}) {
  return openBound(ns, address2, port, SOCK_STREAM, IPPROTO_SCTP, options, (fd) => {
    listen(fd, BACKLOG);
  });
}
function adoptListener(server, fd) {
  server.listen({ fd, exclusive: true });
}
function adoptConnection(fd) {
  return new Socket({ fd, readable: true, writable: true, allowHalfOpen: true });
}
function localAddressOf(fd) {
  return decodeSockaddr(getsockname(fd));
}
function takeSocketError(fd) {
  const errno = getsockopt(fd, SOL_SOCKET, SO_ERROR, 4).readInt32LE();
  return errno === 0 ? void 0 : ERRNO[errno] ?? `errno ${errno}`;
}
function resetOnClose(fd) {
  const linger = Buffer.alloc(8);
  linger.writeInt32LE(1, 0);
  setsockopt(fd, SOL_SOCKET, SO_LINGER, linger);
}
function encodeSockaddr(address2, port) {
  const v6 = isV6(address2);
  const bytes = Buffer.alloc(v6 ? 28 : 16);
  bytes.writeUInt16LE(v6 ? AF_INET6 : AF_INET, 0);
  bytes.writeUInt16BE(port, 2);
  if (v6) bytes.set(ipv6ToBytes(address2), 8);
  else bytes.set(toBytes(address2), 4);
  return bytes;
}
function decodeSockaddr(bytes) {
  const view = Buffer.from(bytes);
  const family = view.length >= 2 ? view.readUInt16LE(0) : 0;
  if (family === AF_INET && view.length >= 8) {
    return { address: view.subarray(4, 8).join("."), port: view.readUInt16BE(2) };
  }
  if (family === AF_INET6 && view.length >= 24) {
    const groups = Array.from({ length: 8 }, (_, i) => view.readUInt16BE(8 + 2 * i).toString(16));
    return { address: parseIpv6(groups.join(":")), port: view.readUInt16BE(2) };
  }
  throw new DocknetError("INTERNAL", `Cannot decode a socket address of family ${family} and ${view.length} bytes`);
}
function isV6(address2) {
  return address2.includes(":");
}
function ipv6ToBytes(address2) {
  const [head = "", tail = ""] = address2.split("::");
  const before = head === "" ? [] : head.split(":");
  const after = tail === "" ? [] : tail.split(":");
  const groups = [...before, ...Array(8 - before.length - after.length).fill("0"), ...after];
  return Uint8Array.from(
    groups.flatMap((group) => [Number.parseInt(group, 16) >>> 8, Number.parseInt(group, 16) & 255])
  );
}
function openBound(ns, address2, port, type, protocol, options, after) {
  const v6 = isV6(address2);
  try {
    return openSocket(ns, v6 ? AF_INET6 : AF_INET, type, protocol, (fd) => {
      if (v6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
      if (type === SOCK_STREAM) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, 1);
      if (type === SOCK_DGRAM) setsockopt(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_RECVPKTINFO : IP_PKTINFO, 1);
      bind(fd, encodeSockaddr(address2, port));
      after(fd);
    });
  } catch (error) {
    if (error instanceof SystemError && error.code === "EADDRINUSE" && options.inUse !== void 0) {
      throw new DocknetError("CONFLICT", options.inUse, {
        cause: error,
        remedy: `Choose another host port, or stop what listens on ${port}`
      });
    }
    throw error;
  }
}
function openSocket(ns, family, type, protocol, setUp) {
  return ns.enter(() => {
    const fd = newSocket(family, type, protocol);
    try {
      setUp(fd);
      return fd;
    } catch (error) {
      closeFd(fd);
      throw featureError(family, error);
    }
  });
}
function newSocket(family, type, protocol) {
  try {
    return socket(family, type | SOCK_NONBLOCK, protocol);
  } catch (error) {
    if (error instanceof SystemError && error.code === "EMFILE") throw descriptorsError(error);
    if (error instanceof SystemError && ["EPROTONOSUPPORT", "ESOCKTNOSUPPORT"].includes(error.code)) {
      if (protocol === IPPROTO_SCTP) {
        throw new DocknetError("KERNEL_FEATURE", "Cannot open an SCTP socket: this kernel has no SCTP", {
          cause: error,
          remedy: "Run `modprobe sctp`"
        });
      }
    }
    throw featureError(family, error);
  }
}
function featureError(family, error) {
  if (family !== AF_INET6 || !(error instanceof SystemError)) return error;
  const off = error.code === "EADDRNOTAVAIL" && readFileSync("/proc/sys/net/ipv6/conf/all/disable_ipv6", "utf8").trim() === "1";
  if (error.code !== "EAFNOSUPPORT" && !off) return error;
  return new DocknetError("KERNEL_FEATURE", `Cannot open an IPv6 socket: ${error.message}`, {
    cause: error,
    remedy: "Enable IPv6 in the host's namespace (net.ipv6.conf.all.disable_ipv6=0), or publish on IPv4 addresses only"
  });
}
function descriptorsError(cause) {
  const limit = /^Max open files\s+\d+\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1] ?? "its limit of";
  return new DocknetError(
    "KERNEL_REFUSED",
    `Cannot open another socket: all ${limit} file descriptors of this process are in use`,
    {
      cause,
      remedy: "Raise the hard limit (`ulimit -Hn 65536` as root, LimitNOFILE= of a systemd unit), or probe fewer at once"
    }
  );
}
function bindSource(fd, source = {}) {
  if (source.address === void 0 && source.port === void 0) return;
  if (source.port !== void 0) {
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  } else {
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
  }
  bind(fd, encodeSockaddr(source.address ?? ANY_IPV4, source.port ?? 0));
}

// src/kernel/capture-poll.ts
var node = koffi4.load(null);
koffi4.proto("void docknet_uv_walk_cb(void *handle, void *argument)");
var uv = {
  loop: node.func("void *uv_default_loop()"),
  walk: node.func("void uv_walk(void *loop, docknet_uv_walk_cb *callback, void *argument)"),
  typeOf: node.func("int uv_handle_get_type(void *handle)"),
  handleSize: node.func("size_t uv_handle_size(int type)"),
  fileno: node.func("int uv_fileno(void *handle, _Out_ int *fd)"),
  isActive: node.func("int uv_is_active(void *handle)"),
  pollStart: node.func("int uv_poll_start(void *handle, int events, void *callback)")
};
var UV_POLL = 8;
var UV_READABLE = 1;
var UV_PRIORITIZED = 8;
var SO_SELECT_ERR_QUEUE = 45;
function guardPoll(fd, duplicate) {
  const handle = findPoll(fd);
  if (handle === void 0) throw new DocknetError("INTERNAL", `Cannot find the poll of capture descriptor ${fd}`);
  setsockopt(fd, SOL_SOCKET, SO_SELECT_ERR_QUEUE, 1);
  uv.pollStart(handle, UV_READABLE | UV_PRIORITIZED, callbackOf(handle));
  let downs = 0;
  const watch = watchReadiness(duplicate, "error", () => {
    if (takeSocketError(duplicate) !== void 0) downs += 1;
  });
  return {
    get downs() {
      return downs;
    },
    close: () => watch.close()
  };
}
function callbackOf(handle) {
  const words = new BigUint64Array(koffi4.view(handle, Number(uv.handleSize(UV_POLL))));
  const before = words.slice();
  const sentinel = handle | 1n;
  uv.pollStart(handle, UV_READABLE, sentinel);
  const callback = before[words.indexOf(sentinel)];
  if (callback === void 0)
    throw new DocknetError("INTERNAL", "Cannot find cap's callback in its poll: libuv has changed");
  return callback;
}
function findPoll(fd) {
  let found;
  const visit = koffi4.register((handle) => {
    if (uv.typeOf(handle) !== UV_POLL || uv.isActive(handle) === 0) return;
    const out = [-1];
    if (uv.fileno(handle, out) === 0 && out[0] === fd) found = handle;
  }, koffi4.pointer("docknet_uv_walk_cb"));
  try {
    uv.walk(uv.loop(), visit, null);
  } finally {
    koffi4.unregister(visit);
  }
  return found;
}

// src/kernel/capture.ts
var BUFFER_BYTES = 256 * 1024;
var SOL_PACKET = 263;
var PACKET_STATISTICS = 6;
var SO_DOMAIN = 39;
var SIOCGIFHWADDR = 35111;
var IFREQ_BYTES = 40;
var { Cap: NativeCap } = createRequire(import.meta.url)("cap");
var shared = Buffer.alloc(65536);
var kept = [];
var arrivals = 0;
function openCapture(ns, ifName, options) {
  checkFilter(ns, ifName, options);
  const cap = new NativeCap();
  kept.push(cap);
  const { fd, linkType, mac } = ns.enter(() => {
    const mac2 = readMac(ns, ifName);
    const before = new Set(openFds());
    const linkType2 = openQuietly(cap, ns, ifName, options);
    const fd2 = openFds().find((n) => !before.has(n) && domainOf(n) === AF_PACKET);
    return { fd: fd2, linkType: linkType2, mac: options.mac ?? mac2 };
  });
  const toFrame = frameDecoder(linkType);
  if (fd === void 0 || toFrame === void 0) {
    cap.close();
    throw new DocknetError(
      "KERNEL_FEATURE",
      `Cannot capture on ${ifName} in ${ns.label}: link type ${linkType} is not known`
    );
  }
  const last = dup(fd);
  const guard = guardPoll(fd, last);
  const isOut = (frame) => options.peerMac === void 0 ? frame.srcMac === mac : frame.srcMac !== options.peerMac;
  const total = { received: 0, dropped: 0, delivered: 0 };
  let closing;
  cap.on("packet", (length) => {
    if (closing) return;
    total.delivered += 1;
    const frame = toFrame(shared.subarray(0, length));
    options.onFrame({ seq: arrivals++, frame, direction: isOut(frame) ? "out" : "in" });
  });
  const count2 = () => {
    const bytes = getsockopt(last, SOL_PACKET, PACKET_STATISTICS, 8);
    total.received += bytes.readUInt32LE(0);
    total.dropped += bytes.readUInt32LE(4);
  };
  return {
    ifName,
    stats() {
      if (!closing) count2();
      return { ...total, downs: guard.downs };
    },
    close() {
      closing ??= closeCapture();
      return closing;
    }
  };
  function closeCapture() {
    count2();
    guard.close();
    cap.close();
    return closeFdLater(last);
  }
}
function openQuietly(cap, ns, ifName, options) {
  const restore = silenceStderr();
  try {
    return cap.open(ifName, options.filter ?? "", options.bufferBytes ?? BUFFER_BYTES, shared);
  } catch (error) {
    throw openError(ns, ifName, error);
  } finally {
    restore();
  }
}
function openError(ns, ifName, error) {
  const message = error instanceof Error ? error.message : String(error);
  const what = `Cannot capture on ${ifName} in ${ns.label}: ${message || "libpcap gave no reason"}`;
  if (!/permi/i.test(message)) return new DocknetError("KERNEL_REFUSED", what, { cause: error });
  return new DocknetError("PRIVILEGE", what, { cause: error, remedy: "Run as root, or in a user namespace" });
}
var pcap = loadPcap();
function loadPcap() {
  for (const name of ["libpcap.so.0.8", "libpcap.so.1"]) {
    try {
      const library = koffi.load(name);
      return {
        openDead: library.func("void *pcap_open_dead(int link_type, int snapshot_bytes)"),
        compile: library.func(
          "int pcap_compile(void *pcap, void *program, const char *filter, int optimize, uint32_t mask)"
        ),
        freeCode: library.func("void pcap_freecode(void *program)"),
        error: library.func("const char *pcap_geterr(void *pcap)"),
        close: library.func("void pcap_close(void *pcap)")
      };
    } catch {
    }
  }
  return void 0;
}
var LINK_ETHERNET = 1;
var PROGRAM_BYTES = 16;
function checkFilter(ns, ifName, { filter }) {
  if (filter === void 0 || pcap === void 0) return;
  const dead = pcap.openDead(LINK_ETHERNET, shared.length);
  const program = Buffer.alloc(PROGRAM_BYTES);
  try {
    if (pcap.compile(dead, program, filter, 1, 0) === 0) {
      pcap.freeCode(program);
      return;
    }
    throw new DocknetError(
      "KERNEL_REFUSED",
      `Cannot capture on ${ifName} in ${ns.label}: filter "${filter}": ${pcap.error(dead)}`,
      {
        remedy: "Write the filter as pcap-filter(7) says"
      }
    );
  } finally {
    pcap.close(dead);
  }
}
function silenceStderr() {
  const saved = dup(2);
  const sink = openSync("/dev/null", "w");
  dup2(sink, 2);
  closeSync(sink);
  return () => {
    dup2(saved, 2);
    closeFd(saved);
  };
}
function openFds() {
  return readdirSync("/proc/self/fd").map(Number);
}
function domainOf(fd) {
  try {
    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, 4).readInt32LE();
  } catch (error) {
    if (error instanceof SystemError) return void 0;
    throw error;
  }
}
function readMac(ns, ifName) {
  const request = Buffer.alloc(IFREQ_BYTES);
  request.write(ifName, 0, 15);
  const fd = socket(AF_INET, SOCK_DGRAM, 0);
  try {
    ioctl(fd, SIOCGIFHWADDR, request);
  } catch (error) {
    throw new DocknetError("KERNEL_REFUSED", `Cannot capture on ${ifName} in ${ns.label}: ${describe(error)}`, {
      cause: error
    });
  } finally {
    closeFd(fd);
  }
  return [...request.subarray(18, 24)].map((b) => b.toString(16).padStart(2, "0")).join(":");
}
function describe(error) {
  if (error instanceof SystemError && error.code === "ENODEV") return "there is no such interface";
  return error instanceof Error ? error.message : String(error);
}
var NO_MAC2 = "00:00:00:00:00:00";
function frameDecoder(linkType) {
  if (linkType === "ETHERNET") return decodeFrame;
  if (linkType !== "RAW") return void 0;
  return (bytes) => ({
    srcMac: NO_MAC2,
    dstMac: NO_MAC2,
    etherType: ETHERTYPE_IPV4,
    length: bytes.length,
    ip: decodeIpv4(bytes)
  });
}

// src/kernel/netlink.ts
var NETLINK_ROUTE = 0;
var NETLINK_NETFILTER = 12;
var NLM_F_REQUEST = 1;
var NLM_F_ACK = 4;
var NLM_F_EXCL = 512;
var NLM_F_CREATE = 1024;
var NLM_F_DUMP = 768;
var NLMSG_ERROR = 2;
var NLMSG_DONE = 3;
var NLA_F_NESTED = 32768;
var NLA_TYPE_MASK = 16383;
var SOL_NETLINK = 270;
var NETLINK_EXT_ACK = 11;
var NETLINK_CAP_ACK = 10;
var NLMSGERR_ATTR_MSG = 1;
var NLM_F_ACK_TLVS = 512;
var HEADER_BYTES = 16;
var RECEIVE_BYTES = 256 * 1024;
var BATCH_MESSAGES = 64;
var SOL_SOCKET2 = 1;
var SO_RCVBUF = 8;
var NetlinkError = class extends Error {
  name = "NetlinkError";
  code;
  what;
  constructor(what, errno, detail) {
    const code = ERRNO[errno] ?? `errno ${errno}`;
    super(`${what}: ${code}${detail ? ` (${detail})` : ""}`);
    this.code = code;
    this.what = what;
  }
};
var receiveBuffer = Buffer.alloc(RECEIVE_BYTES);
var NetlinkSocket = class {
  fd;
  sequence = 1;
  closed = false;
  constructor(ns, protocol) {
    this.fd = ns.enter(() => socket(AF_NETLINK, SOCK_RAW, protocol));
    const address2 = Buffer.alloc(12);
    address2.writeUInt16LE(AF_NETLINK, 0);
    bind(this.fd, address2);
    setsockopt(this.fd, SOL_NETLINK, NETLINK_EXT_ACK, 1);
    setsockopt(this.fd, SOL_NETLINK, NETLINK_CAP_ACK, 1);
    setsockopt(this.fd, SOL_SOCKET2, SO_RCVBUF, RECEIVE_BYTES);
  }
  /** Sends all, waits for every acknowledgement. @throws NetlinkError for the first that the kernel refused; later ones were tried too */
  request(requests) {
    for (let at = 0; at < requests.length; at += BATCH_MESSAGES) this.requestBatch(requests.slice(at, at + BATCH_MESSAGES));
  }
  requestBatch(requests) {
    const first = this.sequence;
    this.sequence += requests.length;
    send(this.fd, Buffer.concat(requests.map((r, i) => encode(r, r.flags | NLM_F_REQUEST | NLM_F_ACK, first + i))));
    let failure;
    for (let acked = 0; acked < requests.length; ) {
      for (const { type, flags, sequence: sequence2, body } of this.receive()) {
        if (type !== NLMSG_ERROR || sequence2 < first) continue;
        acked++;
        const errno = -body.readInt32LE(0);
        const request = requests[sequence2 - first];
        if (errno !== 0 && request) failure ??= new NetlinkError(request.what, errno, flags & NLM_F_ACK_TLVS ? extendedAck(body) : "");
      }
    }
    if (failure) throw failure;
  }
  /** All answers of one dump or get request. @throws NetlinkError */
  query(request) {
    const sequence2 = this.sequence++;
    const isDump = (request.flags & NLM_F_DUMP) === NLM_F_DUMP;
    send(this.fd, encode(request, request.flags | NLM_F_REQUEST, sequence2));
    const answers2 = [];
    for (; ; ) {
      for (const message of this.receive()) {
        if (message.sequence !== sequence2) continue;
        if (message.type === NLMSG_DONE) return answers2;
        if (message.type === NLMSG_ERROR) {
          const errno = -message.body.readInt32LE(0);
          if (errno !== 0) throw new NetlinkError(request.what, errno, "");
          return answers2;
        }
        answers2.push({ type: message.type, body: Buffer.from(message.body) });
        if (!isDump) return answers2;
      }
    }
  }
  *receive() {
    const length = recv(this.fd, receiveBuffer);
    for (let at = 0; at + HEADER_BYTES <= length; ) {
      const size = receiveBuffer.readUInt32LE(at);
      if (size < HEADER_BYTES || at + size > length) return;
      yield {
        type: receiveBuffer.readUInt16LE(at + 4),
        flags: receiveBuffer.readUInt16LE(at + 6),
        sequence: receiveBuffer.readUInt32LE(at + 8),
        body: receiveBuffer.subarray(at + HEADER_BYTES, at + size)
      };
      at += align(size);
    }
  }
  close() {
    if (this.closed) return;
    this.closed = true;
    closeFd(this.fd);
  }
};
var align = (n) => n + 3 & ~3;
function encode(request, flags, sequence2) {
  const message = Buffer.alloc(align(HEADER_BYTES + request.body.length));
  message.writeUInt32LE(HEADER_BYTES + request.body.length, 0);
  message.writeUInt16LE(request.type, 4);
  message.writeUInt16LE(flags, 6);
  message.writeUInt32LE(sequence2, 8);
  message.set(request.body, HEADER_BYTES);
  return message;
}
function extendedAck(body) {
  const text = decodeAttributes(body.subarray(4 + HEADER_BYTES)).get(NLMSGERR_ATTR_MSG);
  return text ? text.toString("utf8").replace(/\0+$/, "") : "";
}
function attribute(type, value) {
  const bytes = Buffer.alloc(align(4 + value.length));
  bytes.writeUInt16LE(4 + value.length, 0);
  bytes.writeUInt16LE(type, 2);
  bytes.set(value, 4);
  return bytes;
}
var nested = (type, ...attributes) => attribute(type | NLA_F_NESTED, Buffer.concat(attributes));
var textAttribute = (type, text) => attribute(type, Buffer.from(`${text}\0`));
function uint32(value) {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value >>> 0);
  return bytes;
}
function decodeAttributes(bytes) {
  const found = /* @__PURE__ */ new Map();
  for (let at = 0; at + 4 <= bytes.length; ) {
    const size = bytes.readUInt16LE(at);
    if (size < 4 || at + size > bytes.length) break;
    found.set(bytes.readUInt16LE(at + 2) & NLA_TYPE_MASK, bytes.subarray(at + 4, at + size));
    at += align(size);
  }
  return found;
}

// src/kernel/conntrack.ts
var NFNL_SUBSYS_CTNETLINK = 1;
var IPCTNL_MSG_CT_GET = 1;
var CTA_TUPLE_ORIG = 1;
var CTA_TUPLE_REPLY = 2;
var CTA_STATUS = 3;
var CTA_PROTOINFO = 4;
var CTA_TIMEOUT = 7;
var CTA_TUPLE_IP = 1;
var CTA_TUPLE_PROTO = 2;
var CTA_IP_V4_SRC = 1;
var CTA_IP_V4_DST = 2;
var CTA_PROTO_NUM = 1;
var CTA_PROTO_SRC_PORT = 2;
var CTA_PROTO_DST_PORT = 3;
var CTA_PROTO_ICMP_ID = 4;
var CTA_PROTOINFO_TCP = 1;
var CTA_PROTOINFO_TCP_STATE = 1;
var IPS_SEEN_REPLY = 2;
var IPS_ASSURED = 4;
var IPS_SRC_NAT = 16;
var IPS_DST_NAT = 32;
var TCP_STATES = ["NONE", "SYN_SENT", "SYN_RECV", "ESTABLISHED", "FIN_WAIT", "CLOSE_WAIT", "LAST_ACK", "TIME_WAIT", "CLOSE", "SYN_SENT2"];
var PROTOCOLS = { 1: "icmp", 6: "tcp", 17: "udp", 132: "sctp" };
function readConntrack(ns) {
  const socket2 = new NetlinkSocket(ns, NETLINK_NETFILTER);
  try {
    return socket2.query(dumpRequest()).flatMap(decodeEntry);
  } finally {
    socket2.close();
  }
}
function dumpRequest() {
  return { what: "list conntrack entries", type: NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET, flags: NLM_F_DUMP, body: Buffer.from([AF_INET, 0, 0, 0]) };
}
function decodeEntry({ body }) {
  const attributes = decodeAttributes(body.subarray(4));
  const original = decodeTuple(attributes.get(CTA_TUPLE_ORIG));
  const reply2 = decodeTuple(attributes.get(CTA_TUPLE_REPLY));
  if (!original || !reply2) return [];
  const status = attributes.get(CTA_STATUS)?.readUInt32BE(0) ?? 0;
  const state = decodeTcpState(attributes.get(CTA_PROTOINFO));
  return [
    {
      proto: PROTOCOLS[original.proto] ?? String(original.proto),
      original: original.tuple,
      reply: reply2.tuple,
      ...state ? { state } : {},
      replied: (status & IPS_SEEN_REPLY) !== 0,
      assured: (status & IPS_ASSURED) !== 0,
      srcNat: (status & IPS_SRC_NAT) !== 0,
      dstNat: (status & IPS_DST_NAT) !== 0,
      timeoutSeconds: attributes.get(CTA_TIMEOUT)?.readUInt32BE(0) ?? 0
    }
  ];
}
function decodeTuple(bytes) {
  if (!bytes) return void 0;
  const parts = decodeAttributes(bytes);
  const ip = decodeAttributes(parts.get(CTA_TUPLE_IP) ?? Buffer.alloc(0));
  const proto = decodeAttributes(parts.get(CTA_TUPLE_PROTO) ?? Buffer.alloc(0));
  const [src, dst] = [ip.get(CTA_IP_V4_SRC), ip.get(CTA_IP_V4_DST)];
  if (!src || !dst) return void 0;
  const id = proto.get(CTA_PROTO_ICMP_ID)?.readUInt16BE(0) ?? 0;
  return {
    proto: proto.get(CTA_PROTO_NUM)?.readUInt8(0) ?? 0,
    tuple: {
      src: fromNumber(src.readUInt32BE(0)),
      dst: fromNumber(dst.readUInt32BE(0)),
      srcPort: proto.get(CTA_PROTO_SRC_PORT)?.readUInt16BE(0) ?? id,
      dstPort: proto.get(CTA_PROTO_DST_PORT)?.readUInt16BE(0) ?? id
    }
  };
}
function decodeTcpState(bytes) {
  const tcp2 = bytes && decodeAttributes(bytes).get(CTA_PROTOINFO_TCP);
  const state = tcp2 && decodeAttributes(tcp2).get(CTA_PROTOINFO_TCP_STATE);
  return state ? TCP_STATES[state.readUInt8(0)] : void 0;
}

// src/kernel/executor.ts
import { writeFileSync as writeFileSync2 } from "node:fs";

// src/net/name.ts
var MAX_IFNAME_BYTES = 15;
function parseIfName(text) {
  const bytes = Buffer.byteLength(text);
  if (bytes === 0 || text === "." || text === "..") {
    throw new DocknetError("LAB_FILE", `invalid interface name "${text}": no interface can bear it`);
  }
  if (bytes > MAX_IFNAME_BYTES) {
    throw new DocknetError("LAB_FILE", `invalid interface name "${text}": numerical result out of range`, {
      remedy: `Choose a name of at most ${MAX_IFNAME_BYTES} bytes; this one has ${bytes}`
    });
  }
  if (!/^[A-Za-z0-9_][A-Za-z0-9_.@=%,-]*$/.test(text)) {
    throw new DocknetError("LAB_FILE", `invalid interface name ${JSON.stringify(text)}: wanted letters, digits and . _ - @ = % , with a letter or digit first`);
  }
  return text;
}
function parseContainerName(text) {
  if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/.test(text)) {
    throw new DocknetError("LAB_FILE", `Invalid container name (${text}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`);
  }
  return text;
}
function parseLabName(text) {
  if (!/^[a-z0-9][a-z0-9_-]*$/.test(text)) {
    throw new DocknetError(
      "LAB_FILE",
      `invalid project name "${text}": must consist only of lowercase alphanumeric characters, hyphens, and underscores as well as start with a letter or number`
    );
  }
  return text;
}
var HOST = "@host";
var ROUTER = "@router";
var NEIGHBOUR = "@neighbour";
var INTERNET = "@internet";
var LAN = "@lan";
var containerNode = (name) => name;
function netnsName(lab2, node2) {
  return `${lab2}.${node2.startsWith("@") ? node2.slice(1) : node2}`;
}
function parseSysctlKey(text) {
  const segments = text.split(".");
  const ok = segments.length >= 3 && segments[0] === "net" && segments.every((s) => /^[A-Za-z0-9_-][A-Za-z0-9_/@=%,-]*$/.test(s) && !s.includes("//"));
  if (!ok) throw new DocknetError("LAB_FILE", `invalid sysctl ${JSON.stringify(text)}: wanted net.<group>.<name>`);
  return text;
}

// src/plan/op.ts
function invertOp(op) {
  switch (op.kind) {
    case "netns.create":
      return { ...op, kind: "netns.delete" };
    case "netns.delete":
      return { ...op, kind: "netns.create" };
    case "sysctl.set":
      return { ...op, value: op.before ?? op.value, before: op.value };
    case "bridge.create":
      return { kind: "link.delete", node: op.node, name: op.name, create: op };
    case "veth.create":
      return { kind: "link.delete", node: op.node, name: op.end.name, create: op };
    case "link.delete":
      return op.create;
    case "port.join":
      return { ...op, kind: "port.leave" };
    case "port.leave":
      return { ...op, kind: "port.join" };
    case "link.up":
      return { ...op, kind: "link.down" };
    case "link.down":
      return { ...op, kind: "link.up" };
    case "address.add":
      return { ...op, kind: "address.delete" };
    case "address.delete":
      return { ...op, kind: "address.add" };
    case "route.add":
      return { ...op, kind: "route.delete" };
    case "route.delete":
      return { ...op, kind: "route.add" };
    case "rules.commit":
      return { ...op, edits: [...op.edits].reverse().map(invertEdit) };
    case "proxy.open":
      return { ...op, kind: "proxy.close" };
    case "proxy.close":
      return { ...op, kind: "proxy.open" };
  }
}
function invertEdit(edit) {
  switch (edit.kind) {
    case "chain.create":
      return { ...edit, kind: "chain.delete" };
    case "chain.delete":
      return { ...edit, kind: "chain.create" };
    case "chain.policy":
      return { ...edit, chain: { ...edit.chain, policy: edit.before }, before: edit.chain.policy ?? "ACCEPT" };
    case "rule.insert":
      return { ...edit, kind: "rule.delete" };
    case "rule.delete":
      return { ...edit, kind: "rule.insert" };
  }
}

// src/kernel/netns.ts
import { closeSync as closeSync2, mkdirSync, openSync as openSync2, unlinkSync, writeFileSync } from "node:fs";
var SELF = "/proc/thread-self/ns/net";
var NETNS_DIR = "/run/netns";
var home;
function homeFd() {
  home ??= openSync2(SELF, "r");
  return home;
}
var Netns = class _Netns {
  /** For messages: the node's name. */
  label;
  /** Where it is bind-mounted, when it has a name. */
  path;
  fdOrClosed;
  constructor(label, fd, path) {
    this.label = label;
    this.fdOrClosed = fd;
    this.path = path;
  }
  /**
   * Makes a namespace: unnamed, or with `name` bind-mounted so that `ip netns exec <name>` works. The caller owns it.
   * @throws DocknetError PRIVILEGE without CAP_SYS_ADMIN; CONFLICT when the name is taken
   */
  static create(label, name) {
    const back = homeFd();
    const path = name === void 0 ? void 0 : claimName(name);
    try {
      unshare(CLONE_NEWNET);
    } catch (error) {
      if (path !== void 0) unlinkSync(path);
      throw privilegeError(label, error);
    }
    try {
      const fd = openSync2(SELF, "r");
      if (path !== void 0) mount(SELF, path, "none", MS_BIND);
      return new _Netns(label, fd, path);
    } finally {
      leave(back);
    }
  }
  /** Opens an existing named namespace; closing it removes nothing. */
  static open(label, path) {
    return new _Netns(label, openSync2(path, "r"));
  }
  /** The namespace this process lives in. Closing it is a no-op for the system. */
  static current(label) {
    return new _Netns(label, openSync2(SELF, "r"));
  }
  get fd() {
    if (this.fdOrClosed === void 0) throw new DocknetError("INTERNAL", `Namespace ${this.label} is used after it was closed`);
    return this.fdOrClosed;
  }
  /** Runs `work` inside and comes back; `work` must not be async. If the way back fails the process ends: it would act on the wrong network. */
  enter(work) {
    const back = homeFd();
    setns(this.fd, CLONE_NEWNET);
    try {
      return work();
    } finally {
      leave(back);
    }
  }
  /** Writes `/proc/sys/<key with slashes>`; the kernel resolves it in the namespace of the thread that opens it. */
  writeSysctl(key, value) {
    this.enter(() => writeFileSync(sysctlPath(key), value));
  }
  /** Idempotent. Unmounts and unlinks the name, if it has one. */
  close() {
    if (this.fdOrClosed === void 0) return;
    const fd = this.fdOrClosed;
    this.fdOrClosed = void 0;
    closeSync2(fd);
    if (this.path === void 0) return;
    umount(this.path, MNT_DETACH);
    unlinkSync(this.path);
  }
};
function sysctlPath(key) {
  const segments = key.split(".");
  if (segments.some((s) => s === "" || s === "/" || s === "//")) throw new DocknetError("INTERNAL", `Sysctl ${JSON.stringify(key)} would leave /proc/sys`);
  return `/proc/sys/${key.replaceAll(/[./]/g, (c) => c === "." ? "/" : ".")}`;
}
function leave(back) {
  try {
    setns(back, CLONE_NEWNET);
  } catch (error) {
    process.stderr.write(`docknet: cannot leave a network namespace, stopping: ${String(error)}
`);
    process.abort();
  }
}
function claimName(name) {
  mkdirSync(NETNS_DIR, { recursive: true, mode: 493 });
  const path = `${NETNS_DIR}/${name}`;
  try {
    closeSync2(openSync2(path, "wx", 256));
  } catch (error) {
    if (error.code !== "EEXIST") throw error;
    throw new DocknetError("CONFLICT", `Cannot create network namespace ${name}: ${path} already exists`, {
      cause: error,
      remedy: `Choose another project name, or run \`docknet clean\` if an earlier run left it`
    });
  }
  return path;
}
function privilegeError(label, error) {
  if (!(error instanceof SystemError) || error.code !== "EPERM") return error;
  return new DocknetError("PRIVILEGE", `Cannot create a network namespace for ${label}: the kernel says EPERM, CAP_SYS_ADMIN is needed`, {
    cause: error,
    remedy: "Run as root, or let docknet enter a user namespace (see `docknet doctor`)"
  });
}

// src/kernel/proxy.ts
import { createServer } from "node:net";

// src/kernel/udp.ts
var BATCH = 64;
function readDatagrams(fd, onDatagram) {
  const local = localAddressOf(fd);
  let closed = false;
  const watch = watchReadiness(fd, "readable", () => {
    for (let i = 0; i < BATCH && !closed; i++) {
      const message = receive(fd);
      if (message === void 0) return;
      if (message === "error") continue;
      const { destination, source } = destinationOf(message.control) ?? {
        destination: local.address,
        source: void 0
      };
      const from = decodeSockaddr(message.from);
      onDatagram({
        data: message.data,
        from,
        to: { address: destination, port: local.port },
        reply: (data) => reply(fd, data, from, source)
      });
    }
  });
  return {
    close() {
      closed = true;
      watch.close();
    }
  };
}
function receive(fd) {
  try {
    return recvmsg(fd);
  } catch (error) {
    if (error instanceof SystemError) return "error";
    throw error;
  }
}
function reply(fd, data, to, source) {
  try {
    sendmsg(fd, data, encodeSockaddr(to.address, to.port), source === void 0 ? Buffer.alloc(0) : pktinfo(source));
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
  }
}
var CMSG_HEADER = 16;
function destinationOf(control) {
  for (let at = 0; at + CMSG_HEADER <= control.length; ) {
    const length = Number(control.readBigUInt64LE(at));
    if (length < CMSG_HEADER || at + length > control.length) return void 0;
    const level = control.readInt32LE(at + 8);
    const type = control.readInt32LE(at + 12);
    const data = control.subarray(at + CMSG_HEADER, at + length);
    if (level === IPPROTO_IP && type === IP_PKTINFO && data.length >= 12) {
      return { source: data.subarray(4, 8).join("."), destination: data.subarray(8, 12).join(".") };
    }
    if (level === IPPROTO_IPV6 && type === IPV6_PKTINFO && data.length >= 20) {
      const sockaddr = Buffer.concat([
        encodeSockaddr("::", 0).subarray(0, 8),
        data.subarray(0, 16),
        Buffer.alloc(4)
      ]);
      const { address: address2 } = decodeSockaddr(sockaddr);
      return { source: address2, destination: address2 };
    }
    at += length + 7 & ~7;
  }
  return void 0;
}
function pktinfo(source) {
  const v6 = isV6(source);
  const size = v6 ? 20 : 12;
  const control = Buffer.alloc(CMSG_HEADER + (size + 7 & ~7));
  control.writeBigUInt64LE(BigInt(CMSG_HEADER + size), 0);
  control.writeInt32LE(v6 ? IPPROTO_IPV6 : IPPROTO_IP, 8);
  control.writeInt32LE(v6 ? IPV6_PKTINFO : IP_PKTINFO, 12);
  const address2 = encodeSockaddr(source, 0);
  if (v6) control.set(address2.subarray(8, 24), CMSG_HEADER);
  else control.set(address2.subarray(4, 8), CMSG_HEADER + 4);
  return control;
}

// src/kernel/proxy.ts
var UDP_IDLE_MS = 9e4;
var UDP_CLIENTS = 1024;
var UDP_BATCH = 64;
function openProxy(ns, binding, options = {}) {
  const what = `failed to bind host port ${renderHostPort(binding)}`;
  const inUse = options.inUse ?? `${what}: address already in use`;
  try {
    switch (binding.proto) {
      case "tcp":
        return openTcpProxy(ns, openTcpListener(ns, binding.hostIp, binding.hostPort, { inUse }), binding);
      case "udp":
        return openUdpProxy(ns, openUdpSocket(ns, binding.hostIp, binding.hostPort, { inUse }), binding);
      case "sctp":
        closeFd(openSctpListener(ns, binding.hostIp, binding.hostPort, { inUse }));
        throw new DocknetError("KERNEL_FEATURE", `${what}: docknet's userland proxy carries no SCTP`);
    }
  } catch (error) {
    if (!(error instanceof SystemError) || error.code !== "EADDRNOTAVAIL") throw error;
    throw new DocknetError("CONFLICT", `${what}: cannot assign requested address`, {
      cause: error,
      remedy: `Publish on an address that the host has`
    });
  }
}
function renderHostPort({ hostIp, hostPort, proto }) {
  return `${isV6(hostIp) ? `[${hostIp}]` : hostIp}:${hostPort}/${proto}`;
}
function openTcpProxy(ns, fd, binding) {
  const counters = { connections: 0, datagrams: 0 };
  const clients = /* @__PURE__ */ new Map();
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (client) => {
    counters.connections += 1;
    const disconnect = connectUpstream(ns, binding, client);
    clients.set(client, disconnect);
    client.on("close", () => {
      clients.delete(client);
      disconnect();
    });
  });
  server.on("error", () => {
  });
  adoptListener(server, fd);
  let closing;
  return {
    counters,
    get clients() {
      return clients.size;
    },
    close() {
      closing ??= new Promise((resolve3) => {
        server.close(() => resolve3());
        for (const [client, disconnect] of clients) {
          disconnect();
          client.destroy();
        }
      });
      return closing;
    }
  };
}
function connectUpstream(ns, binding, client) {
  client.on("error", () => client.destroy());
  let fd;
  try {
    fd = openTcpConnection(ns, binding.containerIp, binding.containerPort);
  } catch {
    client.destroy();
    return () => {
    };
  }
  let upstream;
  let watch;
  const abandon = () => {
    watch?.close();
    watch = void 0;
    closeFd(fd);
  };
  watch = watchReadiness(fd, "writable", () => {
    if (takeSocketError(fd) !== void 0) {
      client.destroy();
      return;
    }
    watch?.close();
    watch = void 0;
    upstream = adoptConnection(fd);
    join(client, upstream);
  });
  return () => {
    if (upstream) upstream.destroy();
    else if (watch) abandon();
  };
}
function join(client, upstream) {
  upstream.on("error", () => client.destroySoon());
  upstream.on("close", () => client.destroySoon());
  client.pipe(upstream);
  upstream.pipe(client);
}
function openUdpProxy(ns, fd, binding) {
  const counters = { connections: 0, datagrams: 0 };
  const clients = /* @__PURE__ */ new Map();
  const drop = (key) => {
    const client = clients.get(key);
    if (!client) return;
    clients.delete(key);
    clearTimeout(client.idle);
    client.watch.close();
    closeFd(client.fd);
  };
  const touch = (key, client) => {
    client.idle.refresh();
    clients.delete(key);
    clients.set(key, client);
  };
  const admit = (key, datagram) => {
    for (const oldest of clients.keys()) {
      if (clients.size < UDP_CLIENTS) break;
      drop(oldest);
    }
    const upstream = openUdpConnection(ns, binding.containerIp, binding.containerPort);
    const client = {
      fd: upstream,
      idle: setTimeout(() => drop(key), UDP_IDLE_MS),
      watch: watchReadiness(upstream, "readable", () => {
        for (let i = 0; i < UDP_BATCH && clients.get(key) === client; i++) {
          const data = receiveAnswer(upstream);
          if (data === void 0) return;
          touch(key, client);
          datagram.reply(data);
        }
      })
    };
    clients.set(key, client);
    return client;
  };
  const reader = readDatagrams(fd, (datagram) => {
    counters.datagrams += 1;
    const key = `${datagram.from.address} ${datagram.from.port} ${datagram.to.address}`;
    try {
      const client = clients.get(key) ?? admit(key, datagram);
      touch(key, client);
      send(client.fd, datagram.data);
    } catch (error) {
      if (!(error instanceof SystemError) && !(error instanceof DocknetError)) throw error;
    }
  });
  let closed = false;
  return {
    counters,
    get clients() {
      return clients.size;
    },
    async close() {
      if (closed) return;
      closed = true;
      reader.close();
      closeFd(fd);
      for (const key of [...clients.keys()]) drop(key);
    }
  };
}
function receiveAnswer(fd) {
  try {
    return recvmsg(fd)?.data;
  } catch (error) {
    if (error instanceof SystemError) return void 0;
    throw error;
  }
}

// src/kernel/rules.ts
import { execa } from "execa";

// src/plan/rule.ts
var TABLES = ["raw", "nat", "filter"];
var EMPTY_RULESET = { chains: [], rules: [] };
function renderRule(rule2) {
  return `-A ${rule2.chain} ${renderSpec(rule2)}`;
}
function renderSpec({ match, target }) {
  return [...renderMatch(match), ...renderTarget(target)].join(" ");
}
function renderMatch(match) {
  const ports = [...match.sport ? ["--sport", String(match.sport)] : [], ...match.dport ? ["--dport", String(match.dport)] : []];
  const types = [...match.srcType ? ["--src-type", match.srcType] : [], ...match.dstType ? ["--dst-type", match.dstType] : []];
  return [
    ...renderMaybe("-s", match.source, withLength),
    ...renderMaybe("-d", match.destination, withLength),
    ...renderMaybe("-i", match.in, String),
    ...renderMaybe("-o", match.out, String),
    ...match.proto ? ["-p", match.proto] : [],
    ...match.proto && ports.length > 0 ? ["-m", match.proto, ...ports] : [],
    ...match.ctstate ? ["-m", "conntrack", "--ctstate", match.ctstate.join(",")] : [],
    ...types.length > 0 ? ["-m", "addrtype", ...types] : []
  ];
}
function renderMaybe(option, value, text) {
  if (value === void 0) return [];
  return typeof value === "string" ? [option, text(value)] : ["!", option, text(value.not)];
}
var withLength = (address2) => address2.includes("/") ? address2 : `${address2}/32`;
function renderTarget(target) {
  switch (target.kind) {
    case "JUMP":
      return ["-j", target.chain];
    case "DNAT":
      return ["-j", "DNAT", "--to-destination", `${target.to}:${target.port}`];
    case "SNAT":
      return ["-j", "SNAT", "--to-source", target.to];
    default:
      return ["-j", target.kind];
  }
}
var WORDS = {
  jump: "go through the rules of another chain",
  masquerade: "what leaves the network takes the host's address",
  "masquerade-local": "what the host itself sends in takes the gateway's address",
  "masquerade-hairpin": "a container that calls its own published port sees the gateway",
  dnat: "the host's port leads to the container's port",
  "open-port": "the published port is open",
  "default-drop": "nothing else comes in from outside the network",
  "default-accept": "everything comes in: the network is unprotected",
  "routed-icmp": "a routed network answers ping",
  outgoing: "containers may send out",
  "icc-accept": "containers of an internal network reach each other",
  "icc-drop": "containers of this network do not reach each other",
  replies: "replies to containers are let in",
  "direct-access": "a container's own address is not reachable from outside its bridge",
  "direct-access-trusted": "a trusted interface may reach the container's own address",
  "loopback-access": "a port published on loopback is not reachable from another machine",
  "internal-in": "nothing outside reaches an internal network",
  "internal-out": "an internal network reaches nothing outside",
  "forward-policy": "what no rule accepts is not forwarded",
  "router-forward": "the router lets forwarded ports in",
  "router-out": "the router lets the LAN out"
};
function explainRule(rule2) {
  return `${WORDS[rule2.purpose]} (${rule2.owner.label})`;
}

// src/plan/restore.ts
function renderRestore(edits) {
  return TABLES.map((table) => {
    const own = edits.filter((e) => tableOf(e) === table);
    if (own.length === 0) return "";
    const chains = own.filter((e) => e.kind === "chain.create" || e.kind === "chain.policy");
    const rest = own.filter((e) => e.kind !== "chain.create" && e.kind !== "chain.policy");
    return `*${table}
${[...chains, ...rest].map(renderEdit).join("\n")}
COMMIT
`;
  }).join("");
}
var tableOf = (edit) => edit.kind === "rule.insert" || edit.kind === "rule.delete" ? edit.rule.table : edit.chain.table;
function renderEdit(edit) {
  switch (edit.kind) {
    case "chain.create":
    case "chain.policy":
      return `:${edit.chain.name} ${edit.chain.policy ?? "-"} [0:0]`;
    case "chain.delete":
      return edit.chain.policy ? `-P ${edit.chain.name} ACCEPT` : `-X ${edit.chain.name}`;
    case "rule.insert":
      return edit.atEnd ? `-A ${edit.rule.chain} ${renderSpec(edit.rule)}` : `-I ${edit.rule.chain} ${edit.position} ${renderSpec(edit.rule)}`;
    case "rule.delete":
      return `-D ${edit.rule.chain} ${renderSpec(edit.rule)}`;
  }
}

// src/kernel/rules.ts
var TIMEOUT_MS = 2e4;
async function commitRules(ns, edits) {
  const input = renderRestore(edits);
  const child = ns.enter(() => ({ run: runTool("iptables-restore", ["--noflush", "--wait", "5"], input) }));
  const result = await child.run;
  if (result.exitCode === 0) return;
  const line = Number(/line:? (\d+)/i.exec(result.stderr)?.[1] ?? 0);
  const text = input.split("\n")[line - 1];
  throw new DocknetError("KERNEL_REFUSED", `Cannot commit rules in ${ns.label}: iptables-restore says ${result.stderr.trim()}${text ? `, at: ${text}` : ""}`, {
    details: { input, exitCode: result.exitCode },
    remedy: "Run `docknet doctor` to see which netfilter feature this kernel lacks"
  });
}
async function readRules(ns) {
  const child = ns.enter(() => ({ run: runTool("iptables-save", ["-c"], "") }));
  const result = await child.run;
  if (result.exitCode !== 0) throw new DocknetError("KERNEL_REFUSED", `Cannot read rules of ${ns.label}: iptables-save says ${result.stderr.trim()}`);
  return parseSave(result.stdout);
}
function parseSave(text) {
  const rules = [];
  const lengths = /* @__PURE__ */ new Map();
  let table = "";
  for (const line of text.split("\n")) {
    if (line.startsWith("*")) table = line.slice(1).trim();
    const policy = /^:(\S+) (ACCEPT|DROP) \[(\d+):(\d+)\]/.exec(line);
    if (policy) rules.push({ table, chain: policy[1] ?? "", spec: `policy ${policy[2]}`, packets: Number(policy[3]), bytes: Number(policy[4]), position: 0 });
    const rule2 = /^(?:\[(\d+):(\d+)\] )?-A (\S+) ?(.*)$/.exec(line);
    if (!rule2) continue;
    const chain = rule2[3] ?? "";
    const position = (lengths.get(`${table} ${chain}`) ?? 0) + 1;
    lengths.set(`${table} ${chain}`, position);
    rules.push({ table, chain, spec: rule2[4] ?? "", packets: Number(rule2[1] ?? 0), bytes: Number(rule2[2] ?? 0), position });
  }
  return rules;
}
function runTool(file, args, input) {
  return execa(file, args, { input, reject: false, timeout: TIMEOUT_MS, stripFinalNewline: false, env: { PATH: "/usr/sbin:/sbin:/usr/bin:/bin" }, extendEnv: true }).then((r) => {
    if (r.code === "ENOENT") {
      throw new DocknetError("KERNEL_FEATURE", `Cannot run ${file}: it is not installed`, { remedy: "Install the Debian package iptables" });
    }
    return { exitCode: r.exitCode ?? 1, stdout: r.stdout, stderr: r.stderr || (r.timedOut ? `no end after ${TIMEOUT_MS} ms` : r.shortMessage ?? "") };
  });
}

// src/kernel/rtnetlink.ts
var RTM_NEWLINK = 16;
var RTM_DELLINK = 17;
var RTM_GETLINK = 18;
var RTM_SETLINK = 19;
var RTM_NEWADDR = 20;
var RTM_DELADDR = 21;
var RTM_NEWROUTE = 24;
var RTM_DELROUTE = 25;
var IFF_UP = 1;
var AF_BRIDGE = 7;
var IFLA_ADDRESS = 1;
var IFLA_IFNAME = 3;
var IFLA_MTU = 4;
var IFLA_MASTER = 10;
var IFLA_PROTINFO = 12;
var IFLA_LINKINFO = 18;
var IFLA_NET_NS_FD = 28;
var IFLA_INFO_KIND = 1;
var IFLA_INFO_DATA = 2;
var VETH_INFO_PEER = 1;
var IFLA_BRPORT_MODE = 4;
var IFA_ADDRESS = 1;
var IFA_LOCAL = 2;
var IFA_BROADCAST = 4;
var RTA_DST = 1;
var RTA_OIF = 4;
var RTA_GATEWAY = 5;
var RT_TABLE_MAIN = 254;
var RTPROT_BOOT = 3;
var RT_SCOPE_UNIVERSE = 0;
var RTN_UNICAST = 1;
function createBridge(link) {
  const body = Buffer.concat([linkHeader(link.index), ...linkAttributes(link), nested(IFLA_LINKINFO, textAttribute(IFLA_INFO_KIND, "bridge"))]);
  return { what: `create bridge ${link.name}`, type: RTM_NEWLINK, flags: NLM_F_CREATE | NLM_F_EXCL, body };
}
function createVeth(link, peer) {
  const far = Buffer.concat([linkHeader(peer.index), ...linkAttributes(peer), attribute(IFLA_NET_NS_FD, uint32(peer.netnsFd))]);
  const info = nested(IFLA_LINKINFO, textAttribute(IFLA_INFO_KIND, "veth"), nested(IFLA_INFO_DATA, attribute(VETH_INFO_PEER, far)));
  const body = Buffer.concat([linkHeader(link.index), ...linkAttributes(link), info]);
  return { what: `create veth ${link.name} with peer ${peer.name}`, type: RTM_NEWLINK, flags: NLM_F_CREATE | NLM_F_EXCL, body };
}
function deleteLink(name, index) {
  return { what: `delete link ${name}`, type: RTM_DELLINK, flags: 0, body: linkHeader(index) };
}
function setLinkUp(name, index, up) {
  return { what: `set link ${name} ${up ? "up" : "down"}`, type: RTM_NEWLINK, flags: 0, body: linkHeader(index, up ? IFF_UP : 0, IFF_UP) };
}
function setLinkMaster(name, index, bridgeIndex) {
  return { what: `make ${name} a bridge port`, type: RTM_NEWLINK, flags: 0, body: Buffer.concat([linkHeader(index), attribute(IFLA_MASTER, uint32(bridgeIndex))]) };
}
function setHairpin(name, index, on) {
  const header = linkHeader(index);
  header.writeUInt8(AF_BRIDGE, 0);
  const body = Buffer.concat([header, nested(IFLA_PROTINFO, attribute(IFLA_BRPORT_MODE, Uint8Array.of(on ? 1 : 0)))]);
  return { what: `set hairpin of ${name}`, type: RTM_SETLINK, flags: 0, body };
}
function addAddress(link, index, address2) {
  return { what: `add address ${address2} to ${link}`, type: RTM_NEWADDR, flags: NLM_F_CREATE | NLM_F_EXCL, body: addressBody(index, address2) };
}
function deleteAddress(link, index, address2) {
  return { what: `delete address ${address2} of ${link}`, type: RTM_DELADDR, flags: 0, body: addressBody(index, address2) };
}
function addRoute(to, via, index) {
  return { what: `add route ${to} via ${via}`, type: RTM_NEWROUTE, flags: NLM_F_CREATE | NLM_F_EXCL, body: routeBody(to, via, index) };
}
function deleteRoute(to, via, index) {
  return { what: `delete route ${to} via ${via}`, type: RTM_DELROUTE, flags: 0, body: routeBody(to, via, index) };
}
function linkHeader(index, flags = 0, change = 0) {
  const header = Buffer.alloc(16);
  header.writeInt32LE(index, 4);
  header.writeUInt32LE(flags, 8);
  header.writeUInt32LE(change, 12);
  return header;
}
function linkAttributes(link) {
  return [
    textAttribute(IFLA_IFNAME, link.name),
    ...link.mac ? [attribute(IFLA_ADDRESS, macToBytes(link.mac))] : [],
    ...link.mtuBytes ? [attribute(IFLA_MTU, uint32(link.mtuBytes))] : []
  ];
}
function addressBody(index, address2) {
  const length = prefixLength(address2);
  const header = Buffer.alloc(8);
  header.writeUInt8(AF_INET, 0);
  header.writeUInt8(length, 1);
  header.writeUInt32LE(index, 4);
  const own = toBytes(addressOf(address2));
  const broadcast = length <= 30 ? [attribute(IFA_BROADCAST, toBytes(broadcastOf(subnetOf(address2))))] : [];
  return Buffer.concat([header, attribute(IFA_LOCAL, own), attribute(IFA_ADDRESS, own), ...broadcast]);
}
function routeBody(to, via, index) {
  const length = prefixLength(to);
  const header = Buffer.from([AF_INET, length, 0, 0, RT_TABLE_MAIN, RTPROT_BOOT, RT_SCOPE_UNIVERSE, RTN_UNICAST, 0, 0, 0, 0]);
  return Buffer.concat([
    header,
    ...length > 0 ? [attribute(RTA_DST, toBytes(addressOf(to)))] : [],
    attribute(RTA_GATEWAY, toBytes(via)),
    ...index === void 0 ? [] : [attribute(RTA_OIF, uint32(index))]
  ]);
}
var dumpLinks = { what: "list links", type: RTM_GETLINK, flags: NLM_F_DUMP, body: linkHeader(0) };
function decodeLink({ body }) {
  const name = decodeAttributes(body.subarray(16)).get(IFLA_IFNAME);
  return { index: body.readInt32LE(4), name: name ? name.toString("utf8").replace(/\0.*$/, "") : "" };
}

// src/kernel/executor.ts
var LO = "lo";
var Executor = class {
  options;
  nodes = /* @__PURE__ */ new Map();
  proxies = /* @__PURE__ */ new Map();
  queued = [];
  commits = [];
  constructor(options) {
    this.options = options;
  }
  /** @throws DocknetError when the node does not exist */
  netns(node2) {
    return this.stateOf(node2).ns;
  }
  /** Does all steps in order. When one fails, those before it are taken back in reverse. @throws DocknetError */
  async apply(ops) {
    const done = [];
    try {
      for (const op of ops) {
        if (this.options.signal?.aborted) throw new DocknetError("ABORTED", "Interrupted while building the lab");
        done.push(op);
        await this.start(op);
      }
      await this.settle();
    } catch (error) {
      await this.takeBack(done);
      throw error;
    }
  }
  /** Removes everything that is left, without a plan: listeners, then namespaces with all that is in them. Idempotent. */
  async close() {
    this.queued = [];
    await Promise.allSettled(this.commits);
    this.commits = [];
    for (const proxy of this.proxies.values()) await proxy.close();
    this.proxies.clear();
    for (const name of [...this.nodes.keys()].reverse()) this.deleteNode(name);
  }
  async start(op) {
    this.options.onOp?.(op);
    switch (op.kind) {
      case "netns.create":
        this.flush();
        return this.createNode(op.node);
      case "netns.delete":
        await this.settle();
        return this.deleteNode(op.node);
      case "sysctl.set":
        this.flush();
        return this.setSysctl(op.node, op.key, op.value);
      case "rules.commit":
        this.flush();
        this.commits.push(commitRules(this.netns(op.node), op.edits));
        this.commits.at(-1)?.catch(() => {
        });
        return;
      case "proxy.open":
        await this.settle();
        this.proxies.set(proxyKey(op.node, op.proxy), await openProxy(this.netns(op.node), op.proxy));
        return;
      case "proxy.close":
        await this.proxies.get(proxyKey(op.node, op.proxy))?.close();
        this.proxies.delete(proxyKey(op.node, op.proxy));
        return;
      default:
        this.queue(this.stateOf(op.node), ...this.requestsOf(op));
    }
  }
  requestsOf(op) {
    const node2 = this.stateOf(op.node);
    switch (op.kind) {
      case "bridge.create":
        return [createBridge({ ...op, index: this.claimIndex(node2, op.name) })];
      case "veth.create": {
        const far = this.stateOf(op.peerNode);
        this.flush();
        const peer = { ...op.peer, index: this.claimIndex(far, op.peer.name), netnsFd: far.ns.fd };
        return [createVeth({ ...op.end, index: this.claimIndex(node2, op.end.name) }, peer)];
      }
      case "link.delete":
        return [deleteLink(op.name, this.forgetIndex(node2, op.name))];
      case "link.up":
      case "link.down":
        return [setLinkUp(op.name, this.indexOf(node2, op.name), op.kind === "link.up")];
      case "port.join": {
        const index = this.indexOf(node2, op.name);
        const join3 = setLinkMaster(op.name, index, this.indexOf(node2, op.bridge));
        return op.hairpin ? [join3, setHairpin(op.name, index, true)] : [join3];
      }
      case "port.leave":
        return [setLinkMaster(op.name, this.indexOf(node2, op.name), 0)];
      case "address.add":
        return [addAddress(op.link, this.indexOf(node2, op.link), op.address)];
      case "address.delete":
        return [deleteAddress(op.link, this.indexOf(node2, op.link), op.address)];
      case "route.add":
        return [addRoute(op.route.to, op.route.via, this.routeLink(node2, op.route.link))];
      case "route.delete":
        return [deleteRoute(op.route.to, op.route.via, this.routeLink(node2, op.route.link))];
    }
  }
  queue(node2, ...requests) {
    if (this.queued.length > 0 && this.queued[0]?.node !== node2) this.flush();
    for (const request of requests) this.queued.push({ node: node2, request });
  }
  flush() {
    const [first] = this.queued;
    if (!first) return;
    const requests = this.queued.map((q) => q.request);
    this.queued = [];
    try {
      first.node.route.request(requests);
    } catch (error) {
      throw refusal(first.node.ns.label, error);
    }
  }
  async settle() {
    this.flush();
    const commits = this.commits;
    this.commits = [];
    const results = await Promise.allSettled(commits);
    const failure = results.find((r) => r.status === "rejected");
    if (failure) throw failure.reason;
  }
  createNode(node2) {
    const ns = Netns.create(node2, this.options.named ? netnsName(this.options.lab, node2) : void 0);
    const route = new NetlinkSocket(ns, NETLINK_ROUTE);
    const links = route.query(dumpLinks).map(decodeLink);
    const state = {
      ns,
      route,
      indexes: new Map(links.map((l) => [l.name, l.index])),
      nextIndex: Math.max(1, ...links.map((l) => l.index)) + 1
    };
    this.nodes.set(node2, state);
    route.request([setLinkUp(LO, 1, true)]);
  }
  deleteNode(node2) {
    const state = this.nodes.get(node2);
    if (!state) return;
    this.nodes.delete(node2);
    state.route.close();
    state.ns.close();
  }
  setSysctl(node2, key, value) {
    try {
      this.netns(node2).enter(() => writeFileSync2(sysctlPath(key), value));
    } catch (error) {
      const code = error.code;
      if (code === "ENOENT" && key.startsWith("net.bridge.")) {
        throw new DocknetError("KERNEL_FEATURE", `cannot restrict inter-container communication or run without the userland proxy: ${sysctlPath(key)} does not exist`, {
          cause: error,
          remedy: "Load the module once: modprobe br_netfilter"
        });
      }
      const known = code === "EINVAL" || code === "ENOENT" || code === "EPERM" || code === "EACCES";
      throw new DocknetError(known ? "KERNEL_REFUSED" : "INTERNAL", `Cannot set sysctl ${key}=${value} in ${node2}: ${code ?? String(error)}`, { cause: error });
    }
  }
  async takeBack(done) {
    this.queued = [];
    await Promise.allSettled(this.commits);
    this.commits = [];
    for (const op of [...done].reverse()) {
      try {
        await this.start(invertOp(op));
        await this.settle();
      } catch {
      }
    }
  }
  claimIndex(node2, name) {
    const index = node2.nextIndex++;
    node2.indexes.set(name, index);
    return index;
  }
  forgetIndex(node2, name) {
    const index = this.indexOf(node2, name);
    node2.indexes.delete(name);
    return index;
  }
  indexOf(node2, name) {
    const index = node2.indexes.get(name);
    if (index === void 0) throw new DocknetError("INTERNAL", `No link ${name} in ${node2.ns.label}`);
    return index;
  }
  routeLink(node2, name) {
    return name === void 0 ? void 0 : this.indexOf(node2, name);
  }
  stateOf(node2) {
    const state = this.nodes.get(node2);
    if (!state) throw new DocknetError("NOT_FOUND", `No node ${node2} in lab ${this.options.lab}`);
    return state;
  }
};
var proxyKey = (node2, p) => [node2, p.proto, p.hostIp, p.hostPort].join(" ");
function refusal(node2, error) {
  if (!(error instanceof NetlinkError)) return error;
  const remedies = {
    EOPNOTSUPP: "This kernel lacks the link type: run `docknet doctor`",
    EPERM: "Run as root, or let docknet enter a user namespace (see `docknet doctor`)",
    ENOSPC: "A bridge holds at most 1023 ports: spread the containers over more networks"
  };
  const code = error.code === "EPERM" ? "PRIVILEGE" : error.code === "EOPNOTSUPP" ? "KERNEL_FEATURE" : "KERNEL_REFUSED";
  return new DocknetError(code, `Cannot ${error.message.replace(/: /, ` in ${node2}: the kernel says `)}`, {
    cause: error,
    ...remedies[error.code] ? { remedy: remedies[error.code] } : {}
  });
}

// src/kernel/machine.ts
import { existsSync, readFileSync as readFileSync2 } from "node:fs";
import { release } from "node:os";
var MAX_GID = 2147483647;
function readMachine() {
  return { maxGid: readMaxGid(), bridgeNetfilter: existsSync("/proc/sys/net/bridge"), ipv6: existsSync("/proc/sys/net/ipv6") };
}
var kernelRelease = () => release();
function readMaxGid() {
  const rows = readFileSync2("/proc/self/gid_map", "utf8").trim().split("\n");
  const ends = rows.map((row) => {
    const [inside = 0, , length = 0] = row.trim().split(/\s+/).map(Number);
    return inside + length - 1;
  });
  return Math.min(MAX_GID, Math.max(0, ...ends));
}

// src/net/port.ts
function isPort(value) {
  return Number.isInteger(value) && value >= 1 && value <= 65535;
}
function parsePort(text, what = "port") {
  const value = /^[1-9]\d{0,4}$/.test(text) ? Number(text) : Number.NaN;
  if (!isPort(value)) throw new DocknetError("LAB_FILE", `invalid ${what}: ${text}`);
  return value;
}
function parsePortRange(text, what = "port") {
  const dash = text.indexOf("-");
  const [low, high] = dash < 0 ? [text, text] : [text.slice(0, dash), text.slice(dash + 1)];
  const range = { first: parsePort(low, what), last: parsePort(high, what) };
  if (range.last < range.first) throw new DocknetError("LAB_FILE", `invalid ${what}: ${text}`);
  return range;
}
function parseProto(text) {
  const proto = text.toLowerCase();
  if (proto === "tcp" || proto === "udp" || proto === "sctp") return proto;
  throw new DocknetError("LAB_FILE", `invalid proto: ${text}`);
}
function renderProtoPort({ port, proto }) {
  return `${port}/${proto}`;
}
function renderPortRange({ first, last }) {
  return first === last ? String(first) : `${first}-${last}`;
}
function portsOf({ first, last }) {
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}

// src/kernel/probe.ts
var ANSWER_BYTES = 4096;
function startProbe(request) {
  const startedAt = performance.now();
  const timed = (decision) => ({ ...decision, afterMs: performance.now() - startedAt });
  let fd;
  try {
    const opened = openExchange(request);
    fd = opened.fd;
    const source = localAddressOf(fd);
    const failed = opened.exchange.atStart(fd);
    if (failed === void 0) return runExchange(fd, opened.exchange, source, request.deadlineMs, timed);
    opened.exchange.beforeClose(fd);
    closeFd(fd);
    return { source, result: Promise.resolve(timed(failed)), abort: () => {
    } };
  } catch (error) {
    if (fd !== void 0) closeFd(fd);
    return { result: decideError(error, replyToErrno).then(timed), abort: () => {
    } };
  }
}
function runExchange(fd, exchange, source, deadlineMs, timed) {
  let end = () => {
  };
  const result = new Promise((resolve3) => {
    end = resolve3;
  }).then(timed);
  let done = false;
  const finish = (decision) => {
    if (done) return;
    done = true;
    clearTimeout(timer);
    watch.close();
    exchange.beforeClose(fd);
    closeFd(fd);
    end(decision);
  };
  const timer = setTimeout(() => finish(exchange.atDeadline()), deadlineMs);
  const watch = watchReadiness(fd, exchange.first, () => {
    try {
      const next = exchange.onReady(fd);
      if (next === "readable") watch.change("readable");
      else if (next !== void 0) finish(next);
    } catch (error) {
      finish(decideError(error, exchange.onErrno));
    }
  });
  return { source, result, abort: () => finish({ ...exchange.atDeadline(), error: "aborted" }) };
}
async function decideError(error, decide) {
  if (error instanceof SystemError) return decide(error.code);
  throw error;
}
function openExchange(request) {
  const { ns, address: address2, proto } = request;
  const source = { address: request.sourceAddress, port: request.sourcePort };
  const token = request.token ?? "docknet";
  if (proto === "icmp") {
    const options = {
      ...source.address === void 0 ? {} : { source: source.address },
      ...source.port === void 0 ? {} : { id: source.port }
    };
    return { fd: openPingSocket(ns, address2, options), exchange: echoExchange(token) };
  }
  const port = request.port;
  if (port === void 0) throw new DocknetError("INTERNAL", `Cannot probe ${address2} by ${proto}: no port was given`);
  if (proto === "udp")
    return { fd: openUdpConnection(ns, address2, port, { source, allErrors: true }), exchange: datagramExchange(token) };
  if (proto === "tcp")
    return { fd: openTcpConnection(ns, address2, port, { source }), exchange: httpExchange(address2, token) };
  return { fd: openSctpConnection(ns, address2, port, { source }), exchange: connectOnlyExchange() };
}
function httpExchange(address2, token) {
  let connected = false;
  let text = "";
  const decided = () => {
    const answer = parseHttpAnswer(text);
    return { outcome: "reach", ...answer ? { answer } : {} };
  };
  const closedEarly = (errno) => ({
    outcome: "refuse",
    ...errno === void 0 ? {} : { errno },
    error: "closed without an answer"
  });
  return {
    first: "writable",
    atStart(fd) {
      const errno = takeSocketError(fd);
      return errno === void 0 ? void 0 : replyToErrno(errno);
    },
    onReady(fd) {
      if (!connected) {
        const errno = takeSocketError(fd);
        if (errno !== void 0) return replyToErrno(errno);
        connected = true;
        send(fd, Buffer.from(`GET /${encodeURIComponent(token)} HTTP/1.0\r
Host: ${address2}\r
\r
`), MSG_NOSIGNAL);
        return "readable";
      }
      const buffer = Buffer.allocUnsafe(ANSWER_BYTES);
      for (; ; ) {
        const got = receive2(fd, buffer);
        if (got === void 0) return isComplete(text) ? decided() : void 0;
        if (got === 0) return text === "" ? closedEarly() : decided();
        text += buffer.toString("latin1", 0, got);
        if (text.length > ANSWER_BYTES) return decided();
      }
    },
    onErrno(code) {
      if (text !== "") return decided();
      if (connected && ["ECONNRESET", "EPIPE", "ENOTCONN"].includes(code)) return closedEarly(code);
      return replyToErrno(code);
    },
    atDeadline() {
      if (text !== "") return decided();
      return connected ? { outcome: "silent", error: "connected, but no answer came before the deadline" } : { outcome: "silent" };
    },
    // The server has ended, or is of no more interest: a reset leaves TIME_WAIT on neither side, and the source port is free.
    beforeClose: resetOnClose
  };
}
function isComplete(text) {
  return text !== "" && !text.startsWith("HTTP/".slice(0, text.length));
}
function datagramExchange(token) {
  return {
    first: "readable",
    atStart: (fd) => sendOnce(fd, Buffer.from(token)),
    onReady(fd) {
      const buffer = Buffer.allocUnsafe(ANSWER_BYTES);
      const got = receive2(fd, buffer);
      if (got === void 0) return void 0;
      const answer = parseAnswer(buffer.toString("latin1", 0, got).replace(/ data=[0-9a-f]*\n$/, ""));
      return { outcome: "reach", ...answer ? { answer } : {} };
    },
    onErrno: replyToErrno,
    atDeadline: () => ({ outcome: "silent" }),
    beforeClose: () => {
    }
  };
}
var ECHO_REQUEST = [8, 0, 0, 0, 0, 0, 0, 1];
function echoExchange(token) {
  const payload = Buffer.from(token);
  return {
    first: "readable",
    atStart: (fd) => sendOnce(fd, Buffer.concat([Buffer.from(ECHO_REQUEST), payload])),
    onReady(fd) {
      const buffer = Buffer.allocUnsafe(65536);
      const got = receive2(fd, buffer);
      if (got === void 0) return void 0;
      const isOurs = buffer[0] === 0 && buffer.subarray(8, got).equals(payload);
      return isOurs ? { outcome: "reach" } : void 0;
    },
    onErrno: replyToErrno,
    atDeadline: () => ({ outcome: "silent" }),
    beforeClose: () => {
    }
  };
}
function connectOnlyExchange() {
  return {
    first: "writable",
    atStart: () => void 0,
    onReady(fd) {
      const errno = takeSocketError(fd);
      return errno === void 0 ? { outcome: "reach" } : replyToErrno(errno);
    },
    onErrno: replyToErrno,
    atDeadline: () => ({ outcome: "silent" }),
    beforeClose: resetOnClose
  };
}
var MSG_NOSIGNAL = 16384;
function sendOnce(fd, data) {
  try {
    send(fd, data, MSG_NOSIGNAL);
    return void 0;
  } catch (error) {
    if (error instanceof SystemError) return replyToErrno(error.code);
    throw error;
  }
}
function receive2(fd, buffer) {
  try {
    return recv(fd, buffer);
  } catch (error) {
    if (error instanceof SystemError && error.code === "EAGAIN") return void 0;
    throw error;
  }
}
var OUTCOMES = {
  ECONNREFUSED: "refuse",
  ECONNRESET: "refuse",
  EHOSTUNREACH: "unreachable",
  ENETUNREACH: "unreachable",
  EHOSTDOWN: "unreachable",
  ENONET: "unreachable",
  EACCES: "unreachable",
  ENOPROTOOPT: "refuse",
  ETIMEDOUT: "silent",
  EPERM: "silent"
};
function replyToErrno(errno) {
  const outcome = OUTCOMES[errno];
  if (outcome !== void 0) return { outcome, errno };
  throw new DocknetError("KERNEL_REFUSED", `Cannot send the probe: ${errno}`, {
    ...errno === "EADDRINUSE" || errno === "EADDRNOTAVAIL" ? { remedy: "Choose a source address that the node has, and a source port that is free" } : {}
  });
}
function parseHttpAnswer(text) {
  const split = text.indexOf("\r\n\r\n");
  if (split < 0 || !/^HTTP\/1\.[01] 200 /.test(text)) return void 0;
  const body = text.slice(split + 4);
  return body.endsWith("\n") ? parseAnswer(body.slice(0, -1)) : void 0;
}
var ANSWER = /^service=(\S+) port=\d{1,5}\/(?:tcp|udp) from=([\d.]{7,15}):(\d{1,5}) to=([\d.]{7,15}):(\d{1,5})$/;
function parseAnswer(line) {
  const [, service, fromAddress, fromPort, toAddress, toPort] = ANSWER.exec(line) ?? [];
  const from = parseEnd(fromAddress, fromPort);
  const to = parseEnd(toAddress, toPort);
  return service !== void 0 && from && to ? { service, from, to } : void 0;
}
function parseEnd(address2 = "", port = "") {
  return isIpv4(address2) && isPort(Number(port)) ? { address: address2, port: Number(port) } : void 0;
}

// src/kernel/reading.ts
import { readFileSync as readFileSync3 } from "node:fs";
import { execa as execa2 } from "execa";
async function readNode(ns, sysctls) {
  const started = ns.enter(() => ({
    links: ipJson(ns, ["-4", "address", "show"]),
    all: ipJson(ns, ["link", "show"]),
    routes: ipJson(ns, ["-4", "route", "show"]),
    sysctls: new Map(sysctls.map((key) => [key, readSysctl(key)]))
  }));
  const [addresses, links, routes, rules] = await Promise.all([started.links, started.all, started.routes, readRules(ns)]);
  const addressesOf = new Map(addresses.map((l) => [String(l.ifname), l.addr_info ?? []]));
  return {
    links: links.map((l) => decodeLink2(l, addressesOf.get(String(l.ifname)) ?? [])),
    routes: routes.filter((r) => r.gateway !== void 0).map(decodeRoute),
    sysctls: started.sysctls,
    rules
  };
}
async function ipJson(ns, args) {
  const result = await execa2("ip", ["-j", ...args], { reject: false, timeout: 2e4, env: { PATH: "/usr/sbin:/sbin:/usr/bin:/bin" } });
  if (result.exitCode !== 0) throw new DocknetError("KERNEL_REFUSED", `Cannot read ${ns.label}: ip says ${result.stderr || result.shortMessage}`, { remedy: "Install the Debian package iproute2" });
  const rows = JSON.parse(result.stdout || "[]");
  return Array.isArray(rows) ? rows.filter((r) => typeof r === "object" && r !== null && Object.keys(r).length > 0) : [];
}
function decodeLink2(row, addresses) {
  const flags = Array.isArray(row.flags) ? row.flags : [];
  return {
    name: String(row.ifname),
    mac: String(row.address ?? ""),
    mtuBytes: Number(row.mtu ?? 0),
    up: flags.includes("UP"),
    ...row.master ? { master: String(row.master) } : {},
    addresses: addresses.filter((a) => a.family === "inet").map((a) => `${a.local}/${a.prefixlen}`)
  };
}
function decodeRoute(row) {
  const to = String(row.dst);
  return { to: to === "default" ? "0.0.0.0/0" : to.includes("/") ? to : `${to}/32`, via: String(row.gateway), link: String(row.dev) };
}
function readSysctl(key) {
  try {
    return readFileSync3(sysctlPath(key), "utf8").trim().replaceAll(/\s+/g, " ");
  } catch (error) {
    if (error.code === "ENOENT") return void 0;
    throw error;
  }
}

// src/kernel/responder.ts
import { createServer as createServer2 } from "node:net";
var REQUEST_BYTES = 8192;
var REQUEST_MS = 5e3;
var ECHO_BYTES = 64;
function openResponder(ns, request) {
  if (/\s/.test(request.service))
    throw new DocknetError("INTERNAL", `Cannot open a responder: "${request.service}" has white space`);
  const inUse = `Cannot open a responder for ${request.service} on ${renderProtoPort(request.port)} in ${ns.label}: address already in use`;
  switch (request.port.proto) {
    case "tcp":
      return openTcpResponder(openTcpListener(ns, request.address ?? ANY_IPV4, request.port.port, { inUse }), request);
    case "udp":
      return openUdpResponder(openUdpSocket(ns, request.address ?? ANY_IPV4, request.port.port, { inUse }), request);
    case "sctp":
      closeFd(openSctpListener(ns, request.address ?? ANY_IPV4, request.port.port, { inUse }));
      throw new DocknetError(
        "KERNEL_FEATURE",
        `Cannot open a responder on ${renderProtoPort(request.port)}: docknet answers no SCTP`
      );
  }
}
function openTcpResponder(fd, { service, port }) {
  const counters = { connections: 0, datagrams: 0 };
  const sockets = /* @__PURE__ */ new Set();
  const server = createServer2({ allowHalfOpen: true }, (socket2) => {
    counters.connections += 1;
    sockets.add(socket2);
    socket2.on("close", () => sockets.delete(socket2));
    answerHttp(socket2, { service, port });
  });
  server.on("error", () => {
  });
  adoptListener(server, fd);
  let closing;
  return {
    service,
    port,
    counters,
    close() {
      closing ??= new Promise((resolve3) => {
        server.close(() => resolve3());
        for (const socket2 of sockets) socket2.destroy();
      });
      return closing;
    }
  };
}
function answerHttp(socket2, { service, port }) {
  let received = 0;
  let answered = false;
  const timer = setTimeout(() => socket2.destroy(), REQUEST_MS);
  socket2.on("close", () => clearTimeout(timer));
  socket2.on("error", () => socket2.destroy());
  socket2.on("end", () => {
    if (!answered) socket2.destroy();
  });
  socket2.on("data", (chunk) => {
    received += chunk.length;
    if (received > REQUEST_BYTES) {
      socket2.destroy();
      return;
    }
    if (answered || !chunk.includes(10)) return;
    answered = true;
    const from = { address: socket2.remoteAddress ?? ANY_IPV4, port: socket2.remotePort ?? 0 };
    const to = { address: socket2.localAddress ?? ANY_IPV4, port: socket2.localPort ?? 0 };
    const body = `${renderAnswer(service, port, from, to)}
`;
    socket2.end(
      `HTTP/1.1 200 OK\r
Content-Type: text/plain\r
Content-Length: ${body.length}\r
Connection: close\r
\r
${body}`
    );
  });
}
function openUdpResponder(fd, { service, port }) {
  const counters = { connections: 0, datagrams: 0 };
  const reader = readDatagrams(fd, ({ data, from, to, reply: reply2 }) => {
    counters.datagrams += 1;
    const echo = data.subarray(0, ECHO_BYTES).toString("hex");
    reply2(Buffer.from(`${renderAnswer(service, port, from, to)} data=${echo}
`));
  });
  let closed = false;
  return {
    service,
    port,
    counters,
    async close() {
      if (closed) return;
      closed = true;
      reader.close();
      closeFd(fd);
    }
  };
}
function renderAnswer(service, port, from, to) {
  return `service=${service} port=${renderProtoPort(port)} from=${from.address}:${from.port} to=${to.address}:${to.port}`;
}

// src/state/state.ts
function networkById(state, id) {
  const network = state.networks.find((n) => n.id === id);
  if (!network) throw new Error(`state holds an endpoint of network ${id} but not the network`);
  return network;
}
function sandboxOwner(state, container) {
  let owner = container;
  for (let hops = 0; owner.sandbox.kind === "container" && hops <= state.containers.length; hops++) {
    const { name } = owner.sandbox;
    const next = state.containers.find((c) => c.name === name);
    if (!next) throw new Error(`container ${owner.name} joins ${name}, which the state does not hold`);
    owner = next;
  }
  return owner.sandbox.kind === "host" ? void 0 : owner;
}
function gatewayEndpoint(state, endpoints) {
  return [...endpoints].filter((e) => hasDefaultGateway(networkById(state, e.network))).sort((a, b) => {
    const [x, y] = [networkById(state, a.network), networkById(state, b.network)];
    return b.gwPriority - a.gwPriority || Number(x.internal) - Number(y.internal) || (x.name < y.name ? -1 : 1);
  })[0];
}
function hasDefaultGateway(network) {
  return network.gateway !== void 0 && !network.internal && network.gatewayMode !== "isolated";
}

// src/observe/topology.ts
function describeTopology(state) {
  const { world } = state;
  const machine = (name, kind, attachments, published = []) => ({ name, kind, attachments, published, serves: [] });
  const forwards = world.router.forwards.map((f) => `${world.router.public}:${f.publicPort}->${f.to}:${f.toPort}/${f.proto}`);
  return {
    networks: state.networks.map((n) => ({
      name: n.name,
      bridge: n.bridge,
      subnet: n.subnet,
      ...n.gateway ? { gateway: n.gateway } : {},
      internal: n.internal,
      mode: n.gatewayMode
    })),
    nodes: [
      machine(INTERNET, "internet", [`${world.internet.www} on eth0 (www)`, `${world.internet.dns} on eth0 (dns)`]),
      machine(ROUTER, "router", [`${world.router.public} on wan0`, `${world.router.lan} on lan0`], forwards),
      machine(NEIGHBOUR, "neighbour", [`${world.neighbour} on eth0`]),
      machine(HOST, "host", [`${world.host} on eth0`]),
      ...state.containers.map((c) => describeContainer(state, c))
    ]
  };
}
function describeContainer(state, container) {
  return {
    name: container.node,
    kind: "container",
    attachments: attachmentsOf(state, container),
    published: container.bindings.map(renderBinding),
    serves: container.serves.map(renderProtoPort),
    ...container.at ? { at: container.at } : {}
  };
}
function attachmentsOf(state, container) {
  const { sandbox } = container;
  if (sandbox.kind === "host") return ["host network"];
  if (sandbox.kind === "none") return ["no network"];
  if (sandbox.kind === "container") return [`network of ${state.containers.find((c) => c.name === sandbox.name)?.node ?? sandbox.name}`];
  return container.endpoints.map((e) => `${e.address} on ${networkById(state, e.network).name} (${e.ifName})`);
}
function renderBinding(b) {
  const host = b.hostIp.includes(":") ? `[${b.hostIp}]` : b.hostIp;
  return `${host}:${b.hostPort ?? ""}->${b.target}/${b.proto}`;
}

// src/observe/counters.ts
function movedRules(node2, before, after) {
  const key = (r) => `${r.table} ${r.chain} ${r.spec} ${occurrence(r)}`;
  const seen = /* @__PURE__ */ new Map();
  const occurrence = (r) => {
    const id = `${r.table} ${r.chain} ${r.spec}`;
    const n = (seen.get(id) ?? 0) + 1;
    seen.set(id, n);
    return n;
  };
  const old = new Map(before.map((r) => [key(r), r.packets]));
  seen.clear();
  return after.flatMap((rule2) => {
    const was = old.get(key(rule2));
    return was !== void 0 && rule2.packets > was ? [{ node: node2, rule: rule2, packets: rule2.packets - was }] : [];
  });
}
var isDrop = (rule2) => /(^|-j )(DROP|REJECT)\b/.test(rule2.spec) || rule2.spec === "policy DROP";
function isRule(found, wanted) {
  return found.table === wanted.table && found.chain === wanted.chain && found.spec === renderSpec(wanted);
}
function describeRule(moved, planned) {
  const { rule: rule2 } = moved;
  const known = planned.rules.find((r) => isRule(rule2, r));
  return {
    node: moved.node,
    table: rule2.table,
    chain: rule2.chain,
    rule: rule2.position === 0 ? rule2.spec : `-A ${rule2.chain} ${rule2.spec}`,
    packets: moved.packets,
    ...known ? { owner: known.owner.label, words: explainRule(known), ...known.owner.at ? { at: known.owner.at } : {} } : {},
    ...rule2.position === 0 ? { words: "what no rule accepts is not forwarded" } : {}
  };
}
function describePlanned(node2, rule2) {
  return {
    node: node2,
    table: rule2.table,
    chain: rule2.chain,
    rule: `-A ${rule2.chain} ${renderSpec(rule2)}`,
    owner: rule2.owner.label,
    words: explainRule(rule2),
    ...rule2.owner.at ? { at: rule2.owner.at } : {}
  };
}

// src/observe/drift.ts
async function findDrift(instruments, layout) {
  const all = await Promise.all(layout.nodes.map(async (node2) => compareNode(node2, await instruments.readNode(node2.name, wantedSysctls(node2).map((s) => s.key)))));
  return all.flat();
}
function wantedSysctls(node2) {
  const all = [...node2.sysctls, ...node2.links.flatMap((l) => l.sysctls)];
  return [...new Map(all.map((s) => [s.key, s])).values()];
}
function compareNode(node2, reading) {
  return [...compareRules(node2, reading.rules), ...compareLinks(node2, reading), ...compareRoutes(node2, reading), ...compareSysctls(node2, reading)];
}
function compareRules(node2, found) {
  const chains = /* @__PURE__ */ new Set([...node2.rules.rules.map((r) => `${r.table} ${r.chain}`), ...found.filter((r) => r.position > 0).map((r) => `${r.table} ${r.chain}`)]);
  const rules = [...chains].flatMap(
    (chain) => compareChain(
      node2,
      chain,
      node2.rules.rules.filter((r) => `${r.table} ${r.chain}` === chain),
      found.filter((r) => r.position > 0 && `${r.table} ${r.chain}` === chain)
    )
  );
  const policies = node2.rules.chains.flatMap((c) => {
    const has = found.find((r) => r.position === 0 && r.table === c.table && r.chain === c.name)?.spec.replace("policy ", "");
    if (!c.policy || has === void 0 || has === c.policy) return [];
    return [{ node: node2.name, kind: "policy", problem: "changed", what: `${c.table} ${c.name} policy`, wanted: c.policy, found: has }];
  });
  return [...rules, ...policies];
}
function compareChain(node2, chain, wanted, found) {
  const [want, have] = [wanted.map((r) => renderSpec(r)), found.map((r) => r.spec)];
  const name = chain.split(" ")[1] ?? "";
  const rule2 = (spec) => `${chain}: -A ${name} ${spec}`;
  const missing = wanted.filter((r) => count(have, renderSpec(r)) < count(want, renderSpec(r)));
  const unexpected = have.filter((spec, i) => count(want, spec) < count(have, spec) && have.indexOf(spec) === i);
  const drift = [
    ...missing.map((r) => ({ node: node2.name, kind: "rule", problem: "missing", what: rule2(renderSpec(r)), owner: r.owner.label, ...r.owner.at ? { at: r.owner.at } : {} })),
    ...unexpected.map((spec) => ({ node: node2.name, kind: "rule", problem: "unexpected", what: rule2(spec) }))
  ];
  if (drift.length > 0 || want.every((spec, i) => spec === have[i])) return drift;
  const first = want.findIndex((spec, i) => spec !== have[i]);
  return [{ node: node2.name, kind: "rule", problem: "moved", what: chain, wanted: `rule ${first + 1}: ${want[first]}`, found: `rule ${first + 1}: ${have[first]}` }];
}
var count = (list, item) => list.filter((i) => i === item).length;
function compareLinks(node2, reading) {
  const drift = [];
  for (const link of node2.links) {
    const has = reading.links.find((l) => l.name === link.name);
    const owner = { owner: link.owner.label, ...link.owner.at ? { at: link.owner.at } : {} };
    const report = (problem, kind, what, wanted, found) => {
      drift.push({ node: node2.name, kind, problem, what, ...wanted === void 0 ? {} : { wanted }, ...found === void 0 ? {} : { found }, ...owner });
    };
    if (!has) {
      report("missing", "link", link.name);
      continue;
    }
    if (!has.up) report("changed", "link", `${link.name} state`, "up", "down");
    if ((has.master ?? "") !== (link.master ?? "")) report("changed", "link", `${link.name} bridge`, link.master ?? "none", has.master ?? "none");
    if (link.mac && has.mac !== link.mac) report("changed", "link", `${link.name} MAC`, link.mac, has.mac);
    if (link.mtuBytes && has.mtuBytes !== link.mtuBytes) report("changed", "link", `${link.name} MTU`, String(link.mtuBytes), String(has.mtuBytes));
    for (const a of link.addresses) if (!has.addresses.includes(a)) report("missing", "address", `${a} on ${link.name}`);
    for (const a of has.addresses) if (!link.addresses.includes(a)) report("unexpected", "address", `${a} on ${link.name}`);
  }
  const known = /* @__PURE__ */ new Set(["lo", ...node2.links.map((l) => l.name)]);
  for (const l of reading.links) if (!known.has(l.name) && l.up) drift.push({ node: node2.name, kind: "link", problem: "unexpected", what: l.name });
  return drift;
}
function compareRoutes(node2, reading) {
  const same = (r, f) => r.to === f.to && r.via === f.via;
  const show = (to, via) => `${to === "0.0.0.0/0" ? "default" : to} via ${via}`;
  const missing = node2.routes.filter((r) => !reading.routes.some((f) => same(r, f)));
  const unexpected = reading.routes.filter((f) => !node2.routes.some((r) => same(r, f)));
  return [
    ...missing.map((r) => {
      const rival = unexpected.find((f) => f.to === r.to);
      return { node: node2.name, kind: "route", problem: rival ? "changed" : "missing", what: show(r.to, r.via), ...rival ? { wanted: show(r.to, r.via), found: show(rival.to, rival.via) } : {} };
    }),
    ...unexpected.filter((f) => !missing.some((r) => r.to === f.to)).map((f) => ({ node: node2.name, kind: "route", problem: "unexpected", what: show(f.to, f.via) }))
  ];
}
function compareSysctls(node2, reading) {
  return wantedSysctls(node2).flatMap(({ key, value }) => {
    const found = reading.sysctls.get(key);
    const wanted = value.trim().replaceAll(/\s+/g, " ");
    if (found === wanted) return [];
    return [{ node: node2.name, kind: "sysctl", problem: found === void 0 ? "missing" : "changed", what: key, wanted, ...found === void 0 ? {} : { found } }];
  });
}
function relatedDrift(drift, nodes) {
  return drift.filter((d) => nodes.includes(d.node));
}
function renderDrift(d) {
  const change = d.wanted !== void 0 ? `: wanted ${d.wanted}, found ${d.found ?? "nothing"}` : "";
  return `${d.node}: ${d.kind} ${d.problem}: ${d.what}${change}${d.owner ? ` (${d.owner})` : ""}`;
}

// src/observe/recorder.ts
function linksToCapture(layout) {
  return layout.nodes.flatMap(
    (node2) => node2.links.filter((l) => l.kind === "peer" || l.kind === "bridge" && node2.name === HOST || l.kind === "veth" && node2.name === ROUTER).map((l) => ({ node: node2.name, link: l.name, bridge: l.kind === "bridge", ...l.mac ? { mac: l.mac } : {} }))
  );
}
var BROADCAST = "ff:ff:ff:ff:ff:ff";
var Recorder = class {
  sightings = [];
  captures = [];
  byFlow = /* @__PURE__ */ new Map();
  byLink = /* @__PURE__ */ new Map();
  delivered = 0;
  captured = /* @__PURE__ */ new Set();
  constructor(instruments, links) {
    for (const link of links) {
      this.captures.push(instruments.capture(link, (frame, direction) => this.see(link, frame, direction)));
      this.captured.add(`${link.node} ${link.link}`);
    }
  }
  get links() {
    return this.captures.length;
  }
  isCaptured(node2, link) {
    return this.captured.has(`${node2} ${link}`);
  }
  /** Waits until every frame that the kernel accepted has been read; false when the deadline came first. */
  async drain(deadlineMs) {
    const end = performance.now() + deadlineMs;
    while (this.delivered < this.totals().received) {
      if (performance.now() > end) return false;
      await new Promise((resolve3) => setImmediate(resolve3));
    }
    return true;
  }
  totals() {
    const all = this.captures.map((c) => c.stats());
    return { received: all.reduce((n, s) => n + s.received - s.dropped, 0), dropped: all.reduce((n, s) => n + s.dropped, 0) };
  }
  /** The same packet on other links: its transport identity outlives translation. */
  sameFlow(sighting) {
    return this.byFlow.get(flowKey(sighting.ip)) ?? [];
  }
  on(node2, link) {
    return this.byLink.get(`${node2} ${link}`) ?? [];
  }
  async close() {
    for (const capture of this.captures.splice(0)) await capture.close();
  }
  see(link, frame, direction) {
    this.delivered++;
    const switched = link.bridge && direction === "in" && frame.dstMac !== link.mac && frame.dstMac !== BROADCAST;
    if (!frame.ip || switched) return;
    const sighting = { order: this.delivered, node: link.node, link: link.link, direction, ip: frame.ip, frame };
    this.sightings.push(sighting);
    push(this.byFlow, flowKey(frame.ip), sighting);
    push(this.byLink, `${link.node} ${link.link}`, sighting);
  }
};
function push(map, key, value) {
  const list = map.get(key);
  if (list) list.push(value);
  else map.set(key, [value]);
}
function flowKey(ip) {
  if (ip.proto === PROTO_TCP && ip.tcp) return `tcp ${ip.tcp.seq} ${ip.tcp.flags.syn} ${ip.tcp.flags.ack} ${ip.tcp.flags.rst}`;
  if (ip.proto === PROTO_UDP && ip.udp) return `udp ${ip.id} ${ip.udp.length}`;
  if (ip.proto === PROTO_ICMP && ip.icmp) return `icmp ${ip.id} ${ip.icmp.type} ${ip.icmp.seq ?? ""}`;
  return `${ip.proto} ${ip.id} ${ip.length}`;
}
var sourcePortOf = (ip) => ip.tcp?.srcPort ?? ip.udp?.srcPort ?? ip.icmp?.id;
var targetPortOf = (ip) => ip.tcp?.dstPort ?? ip.udp?.dstPort;
function isRequest(ip) {
  if (ip.tcp) return ip.tcp.flags.syn && !ip.tcp.flags.ack;
  if (ip.icmp) return ip.icmp.type === 8;
  return true;
}

// src/observe/trail.ts
function followTrail(recorder, check2, source) {
  const own = source ? firstTransmission(recorder, check2, source) : [];
  const claimed = /* @__PURE__ */ new Set();
  const missing = [];
  const ordered = [];
  for (const leg of check2.predicted.legs) {
    if (!recorder.isCaptured(leg.node, leg.link)) continue;
    const found = (leg.newFlow ? laterFlow(recorder, leg, ordered.at(-1)) : own).find((s) => !claimed.has(s) && matchesLeg(s, leg, check2.probe.proto));
    if (found) {
      claimed.add(found);
      ordered.push(found);
    } else missing.push(leg);
  }
  const extra = own.filter((s) => !claimed.has(s) && !check2.predicted.legs.some((leg) => matchesLeg(s, leg, check2.probe.proto)));
  const request = [...ordered, ...extra].sort((a, b) => claimed.has(a) && claimed.has(b) ? 0 : b.ip.ttl - a.ip.ttl || a.order - b.order);
  const last = request.at(-1);
  return { request, reply: last ? repliesTo(recorder, last) : [], missing, extra };
}
function firstTransmission(recorder, check2, source) {
  const { probe } = check2;
  const start = recorder.sightings.find(
    (s) => isRequest(s.ip) && protoOf(s) === probe.proto && sourcePortOf(s.ip) === source.port && (s.ip.src === source.address && s.ip.dst === probe.address && (targetPortOf(s.ip) === probe.port || probe.proto === "icmp") || isOwnTranslation(s, check2))
  );
  return start ? recorder.sameFlow(start).filter((s) => isRequest(s.ip)) : [];
}
function isOwnTranslation(s, check2) {
  return s.node === HOST && s.direction === "out" && check2.probe.from === HOST && check2.predicted.legs.some((leg) => matchesLeg(s, leg, check2.probe.proto));
}
function protoOf(s) {
  return s.ip.tcp ? "tcp" : s.ip.udp ? "udp" : s.ip.icmp ? "icmp" : String(s.ip.proto);
}
function matchesLeg(s, leg, proto) {
  return s.node === leg.node && s.link === leg.link && s.direction === leg.direction && s.ip.src === leg.src && s.ip.dst === leg.dst && protoOf(s) === proto && (leg.dport === void 0 || targetPortOf(s.ip) === leg.dport);
}
function laterFlow(recorder, leg, previous) {
  if (previous && previous.node === HOST && previous.direction === "out") return recorder.sameFlow(previous).filter((s) => isRequest(s.ip));
  return recorder.on(leg.node, leg.link).filter((s) => isRequest(s.ip) && s.order > (previous?.order ?? 0));
}
function repliesTo(recorder, last) {
  const first = recorder.on(last.node, last.link).find((s) => s.order > last.order && s.direction !== last.direction && answers(s, last));
  return first ? [...recorder.sameFlow(first)] : [];
}
function answers(s, request) {
  if (s.ip.src !== request.ip.dst || s.ip.dst !== request.ip.src) return false;
  if (request.ip.tcp) return s.ip.tcp?.ack === request.ip.tcp.seq + 1 >>> 0;
  if (request.ip.icmp) return s.ip.icmp?.type === 0 && s.ip.icmp.seq === request.ip.icmp.seq;
  return s.ip.udp?.dstPort === request.ip.udp?.srcPort;
}
function hopOf(s) {
  const [sport, dport] = [sourcePortOf(s.ip), targetPortOf(s.ip)];
  return {
    node: s.node,
    link: s.link,
    direction: s.direction,
    frame: renderIpv4(s.ip),
    src: s.ip.src,
    dst: s.ip.dst,
    ...sport === void 0 ? {} : { sport },
    ...dport === void 0 ? {} : { dport },
    ttl: s.ip.ttl
  };
}
function rewritesOf(request) {
  return request.flatMap((after, i) => {
    const before = request[i - 1];
    return before && before.node === after.node && renderPair(before) !== renderPair(after) ? [{ node: after.node, before: renderPair(before), after: renderPair(after) }] : [];
  });
}
function renderPair(s) {
  return `${renderEnd(s.ip.src, sourcePortOf(s.ip))} -> ${renderEnd(s.ip.dst, targetPortOf(s.ip))}`;
}
var renderEnd = (address2, port) => port === void 0 ? address2 : `${address2}:${port}`;
function framesInto(recorder, node2, check2, source) {
  const entry = check2.predicted.legs.findLast((leg) => leg.node === node2 && leg.direction === "in") ?? check2.predicted.legs.at(-1);
  if (!entry) return 0;
  return recorder.on(entry.node, entry.link).filter((s) => matchesLeg(s, entry, check2.probe.proto) && sourcePortOf(s.ip) === source.port).length;
}

// src/observe/judge.ts
function judge(check2, testimony) {
  const observed = observedOf(testimony.run);
  const wrong = [...wrongOutcome(check2, observed, testimony), ...wrongAnswer(check2, observed, testimony)];
  const unseen = wrong.length === 0 ? wrongWay(check2, observed, testimony) : [];
  const inconclusive = testimony.run.failure !== void 0 || wrong.length === 0 && unseen.length > 0 && testimony.framesLost > 0;
  const verdict = inconclusive ? "INCONCLUSIVE" : wrong.length + unseen.length > 0 ? "FAIL" : "PASS";
  const reasons = testimony.run.failure !== void 0 ? [`the probe could not be made: ${messageOf(testimony.run.failure)}`] : [...wrong, ...unseen];
  const { from, address: address2, port, proto } = check2.probe;
  const { outcome, seenAs, because } = check2.predicted;
  return {
    id: check2.id,
    group: check2.group,
    claim: check2.claim,
    from,
    to: check2.to,
    address: address2,
    ...port ? { port } : {},
    proto,
    verdict,
    expected: check2.expected,
    predicted: { outcome, ...seenAs ? { seenAs } : {}, because },
    observed,
    reasons,
    evidence: evidenceOf(check2, observed, testimony),
    ...check2.control ? { control: check2.control } : {},
    ...check2.at ? { at: check2.at } : {}
  };
}
function observedOf({ reply: reply2 }) {
  const outcome = reply2.outcome === "silent" ? "drop" : reply2.outcome;
  return {
    outcome,
    ...reply2.answer ? { seenAs: `${reply2.answer.from.address}:${reply2.answer.from.port}`, server: reply2.answer.service } : {},
    afterMs: reply2.afterMs,
    ...reply2.errno ? { errno: reply2.errno } : {}
  };
}
var VERB = { reach: "it was answered", refuse: "it was refused", drop: "there was no answer", unreachable: "there was no way" };
function wrongOutcome(check2, observed, { trail, dropper }) {
  if (observed.outcome === check2.expected.outcome) return [];
  const reasons = [`expected ${check2.expected.outcome}, but ${VERB[observed.outcome]}${observed.errno ? ` (${observed.errno})` : ""}`];
  if (check2.expected.outcome !== check2.predicted.outcome && observed.outcome === check2.predicted.outcome) {
    const rule2 = check2.predicted.stop?.rule ?? check2.predicted.translations[0]?.rule;
    const by = rule2 ? `, by ${renderSpec(rule2)} of ${rule2.chain} (${rule2.owner.label})` : "";
    return [...reasons, `the lab is built as the file says: ${check2.predicted.because}${by}`];
  }
  if (dropper) reasons.push(`dropped at ${dropper.node} by ${dropper.table} ${dropper.chain}: ${dropper.rule}, ${dropper.packets} packets counted${dropper.owner ? ` (${dropper.owner})` : ""}`);
  return [...reasons, ...wayReasons(trail)];
}
function wrongAnswer(check2, observed, { run }) {
  if (observed.outcome !== "reach" || check2.expected.outcome !== "reach") return [];
  const { answer } = run.reply;
  if (!answer) return check2.probe.proto === "icmp" ? [] : ["something answered, but not the lab's responder"];
  const reasons = [];
  if (check2.expected.seenAs && answer.from.address !== check2.expected.seenAs) {
    reasons.push(`the server saw ${answer.from.address} as the sender, not ${check2.expected.seenAs}: ${check2.predicted.because}`);
  }
  const server = check2.predicted.server;
  if (server && server !== answer.service) reasons.push(`${answer.service} answered, not ${server}`);
  return reasons;
}
function wrongWay(check2, observed, testimony) {
  if (check2.predicted.outcome !== observed.outcome) return [];
  const reasons = wayReasons(testimony.trail);
  const rule2 = check2.predicted.stop?.rule;
  if (testimony.dropCounted !== false || !rule2) return reasons;
  const other = testimony.dropper ? `; ${testimony.dropper.table} ${testimony.dropper.chain} did: ${testimony.dropper.rule}` : "";
  return [`it was dropped, but not by ${rule2.table} ${rule2.chain}: -A ${rule2.chain} ${renderSpec(rule2)} (${rule2.owner.label})${other}`, ...reasons];
}
function wayReasons({ missing, extra, request }) {
  const last = request.at(-1);
  const reasons = [];
  const [leg] = missing;
  if (leg) {
    const pair = `${leg.src} -> ${leg.dst}${leg.dport ? `:${leg.dport}` : ""}`;
    const where = last ? `; last seen ${last.direction} on ${last.node}/${last.link} as ${hopOf(last).frame}` : "; it was seen on no link";
    reasons.push(`${pair} was not seen ${leg.direction} on ${leg.node}/${leg.link}${where}`);
  }
  const [stray] = extra;
  if (stray) reasons.push(`seen where it should not be: ${stray.direction} on ${stray.node}/${stray.link} as ${hopOf(stray).frame}`);
  return reasons;
}
function evidenceOf(check2, observed, testimony) {
  const { trail } = testimony;
  const lost = observed.outcome === "drop" ? lostOf(check2, testimony) : void 0;
  return {
    hops: trail.request.map(hopOf),
    translations: translationsOf(check2, trail),
    conntrack: conntrackOf(check2, testimony),
    ...lost ? { lost } : {}
  };
}
function translationsOf(check2, trail) {
  const pending = [...check2.predicted.translations];
  return rewritesOf(trail.request).map((rewrite) => {
    const at = pending.findIndex((t2) => t2.node === rewrite.node);
    const [planned] = at < 0 ? [] : pending.splice(at, 1);
    const rule2 = planned?.rule ? describePlanned(planned.node, planned.rule) : void 0;
    return { ...rewrite, kind: planned?.kind ?? (sameTarget(rewrite) ? "SNAT" : "DNAT"), ...rule2 ? { rule: rule2 } : {} };
  });
}
var sameTarget = (r) => r.before.split(" -> ")[1] === r.after.split(" -> ")[1];
function lostOf(check2, { trail, dropper, dropCounted }) {
  const way = trail.reply.length > 0 ? trail.reply : trail.request;
  const last = way.at(-1);
  const answered = trail.reply.length > 0;
  const planned = check2.predicted.stop?.rule && dropCounted ? describePlanned(check2.predicted.stop.node, check2.predicted.stop.rule) : void 0;
  const rule2 = dropper ?? planned;
  return {
    ...last ? { lastSeen: { node: last.node, link: last.link, frame: hopOf(last).frame } } : {},
    ...rule2 ? { rule: rule2 } : {},
    reason: rule2 ? `${answered ? "the answer" : "it"} was dropped by ${rule2.table} ${rule2.chain} of ${rule2.node}` : last ? `${answered ? "the answer" : "it"} was seen last ${last.direction} on ${last.node}/${last.link}` : "it was seen on no link"
  };
}
function conntrackOf(check2, { run, trail, conntrack }) {
  const found = [];
  for (const [node2, entries] of conntrack) {
    const entered = trail.request.find((s) => s.node === node2);
    const port = run.source?.port;
    const entry = entries.find((e) => {
      if (e.proto !== check2.probe.proto) return false;
      const hop = entered && hopOf(entered);
      const byHop = hop && e.original.src === hop.src && e.original.dst === hop.dst && (hop.sport === void 0 || e.original.srcPort === hop.sport);
      const own = e.original.dst === check2.probe.address && e.original.srcPort === port && e.original.src === run.source?.address;
      return byHop || own;
    });
    if (entry) found.push({ node: node2, entry: renderConntrack(entry) });
  }
  return found;
}
function renderConntrack(e) {
  const side = (t2) => `${t2.src}:${t2.srcPort} -> ${t2.dst}:${t2.dstPort}`;
  return `${e.proto}${e.state ? ` ${e.state}` : ""} ${side(e.original)}, ${e.replied ? "replies" : "awaits replies"} ${side(e.reply)}`;
}
var messageOf = (error) => error instanceof Error ? error.message : String(error);

// src/observe/run.ts
var ARP_FAILURE_MS = 3500;
async function runProbes(instruments, checks, options) {
  const silent = checks.filter((c) => c.expected.outcome === "drop" && c.predicted.outcome === "drop");
  const spoken = checks.filter((c) => !silent.includes(c));
  const runs = /* @__PURE__ */ new Map();
  const abort = [];
  const startedAt = performance.now();
  let done = 0;
  const launch = (check2, deadlineMs) => {
    const started = startCheck(instruments, check2, deadlineMs);
    abort.push(started.abort);
    const run = started.run.then((r) => {
      options.onProgress?.(++done, checks.length);
      return r;
    });
    runs.set(check2, run);
    return run;
  };
  const onAbort = () => abort.forEach((a) => a());
  options.signal?.addEventListener("abort", onAbort, { once: true });
  try {
    const stopSilent = [];
    for (const check2 of silent) {
      launch(check2, options.answerDeadlineMs);
      stopSilent.push(abort.at(-1));
    }
    await inPool(spoken, options.concurrency, (check2) => launch(check2, deadlineOf(check2, options)));
    const rest = options.silenceMs - (performance.now() - startedAt);
    if (silent.length > 0 && rest > 0) await settled([...silent].map((c) => runs.get(c)), rest);
    for (const stop of stopSilent) stop();
    return await Promise.all(checks.map((c) => runs.get(c)));
  } finally {
    options.signal?.removeEventListener("abort", onAbort);
  }
}
function deadlineOf(check2, options) {
  const arp = check2.predicted.outcome === "unreachable" && check2.predicted.legs.length > 0;
  return arp || check2.expected.outcome === "unreachable" ? Math.max(options.answerDeadlineMs, ARP_FAILURE_MS) : options.answerDeadlineMs;
}
function startCheck(instruments, check2, deadlineMs) {
  const { from, address: address2, port, proto, sourcePort } = check2.probe;
  const silent = { outcome: "silent", afterMs: 0 };
  try {
    const probe = instruments.probe({ node: from, proto, address: address2, deadlineMs, ...port ? { port } : {}, ...sourcePort ? { sourcePort } : {} });
    const source = probe.source ? { source: probe.source } : {};
    const run = probe.result.then(
      (reply2) => ({ check: check2, ...source, reply: reply2 }),
      (failure) => ({ check: check2, ...source, reply: silent, failure })
    );
    return { run, abort: () => probe.abort() };
  } catch (failure) {
    return { run: Promise.resolve({ check: check2, reply: silent, failure }), abort: () => {
    } };
  }
}
async function inPool(items, size, work) {
  let next = 0;
  const worker = async () => {
    for (let i = next++; i < items.length; i = next++) await work(items[i]);
  };
  await Promise.all(Array.from({ length: Math.min(size, items.length) }, worker));
}
async function settled(promises, limitMs) {
  let timer;
  const limit = new Promise((resolve3) => {
    timer = setTimeout(resolve3, limitMs);
  });
  await Promise.race([Promise.allSettled(promises), limit]);
  clearTimeout(timer);
}

// src/observe/verify.ts
var FIREWALLS = [HOST, ROUTER];
var CONCURRENCY = 512;
var DRAIN_MS = 1e3;
var MAX_ALONE = 24;
async function verifyLayout(instruments, layout, checks, options) {
  const recorder = new Recorder(instruments, linksToCapture(layout));
  try {
    const session = new Session(instruments, layout, recorder, options);
    return await session.verify(checks);
  } finally {
    await recorder.close();
  }
}
var Session = class {
  instruments;
  layout;
  recorder;
  options;
  constructor(instruments, layout, recorder, options) {
    this.instruments = instruments;
    this.layout = layout;
    this.recorder = recorder;
    this.options = options;
  }
  async verify(checks) {
    const { runs, moved } = await this.measure(checks);
    const conntrack = this.readConntrack();
    const counted = this.countDrops(runs, moved);
    if (process.env.DBG) {
      for (const [c, v] of counted) if (!v.exact) console.log("INEXACT", c.claim);
    }
    const alone = /* @__PURE__ */ new Map();
    let left = MAX_ALONE;
    for (const run of runs) {
      if (this.options.signal?.aborted || left === 0 || !needsOwnMeasurement(run, counted)) continue;
      left--;
      alone.set(run.check, await this.findDropper(run.check));
    }
    const { dropped } = this.recorder.totals();
    const results = runs.map((run) => {
      const { check: check2 } = run;
      const isAlone = alone.has(check2);
      const dropper = alone.get(check2) ?? counted.get(check2)?.rule;
      const dropCounted = isAlone ? sameRule(alone.get(check2), check2) : counted.get(check2)?.exact;
      return judge(check2, {
        run,
        trail: followTrail(this.recorder, check2, run.source),
        ...dropCounted === void 0 ? {} : { dropCounted },
        ...dropper ? { dropper } : {},
        conntrack,
        framesLost: dropped
      });
    });
    const judged = compareNapt(withControls(results));
    const drift = judged.some((r) => r.verdict === "FAIL") ? await findDrift(this.instruments, this.layout) : [];
    const { received } = this.recorder.totals();
    return { results: judged.map((r) => withDrift(r, drift)), drift, captures: { links: this.recorder.links, frames: received, dropped } };
  }
  async measure(checks) {
    const before = await this.readRules();
    const runs = await runProbes(this.instruments, checks, { ...this.options, concurrency: CONCURRENCY });
    await this.recorder.drain(DRAIN_MS);
    const after = await this.readRules();
    return { runs, moved: FIREWALLS.flatMap((node2) => movedRules(node2, before.get(node2) ?? [], after.get(node2) ?? [])) };
  }
  async readRules() {
    return new Map(await Promise.all(FIREWALLS.map(async (node2) => [node2, await this.instruments.readRules(node2)])));
  }
  readConntrack() {
    return new Map(FIREWALLS.map((node2) => [node2, this.instruments.readConntrack(node2)]));
  }
  /** A rule is proven the dropper when it counted exactly the frames of the probes that it should have dropped. */
  countDrops(runs, moved) {
    const byRule = /* @__PURE__ */ new Map();
    for (const run of runs) {
      const { stop, outcome } = run.check.predicted;
      if (outcome !== "drop" || !stop?.rule || stop.onReply) continue;
      byRule.set(stop.rule, [...byRule.get(stop.rule) ?? [], run]);
    }
    const result = /* @__PURE__ */ new Map();
    for (const [rule2, its] of byRule) {
      const node2 = its[0]?.check.predicted.stop?.node ?? HOST;
      const frames = its.reduce((n, run) => n + (run.source ? framesInto(this.recorder, node2, run.check, run.source) : 0), 0);
      const counter = moved.find((m) => m.node === node2 && isRule(m.rule, rule2));
      for (const run of its) {
        const exact = counter !== void 0 && counter.packets === frames;
        result.set(run.check, { exact, ...counter && exact ? { rule: describeRule(counter, this.rulesOf(node2)) } : {} });
      }
    }
    return result;
  }
  /** Sends one probe alone and names the rule or policy that counted it away. */
  async findDropper(check2) {
    const { probe } = check2;
    const { sourcePort: _, ...free } = probe;
    const { runs, moved } = await this.measure([{ ...check2, probe: free }]);
    if (runs[0]?.reply.outcome !== "silent") return void 0;
    const drop = moved.filter((m) => isDrop(m.rule)).sort((a, b) => b.packets - a.packets)[0];
    return drop && describeRule(drop, this.rulesOf(drop.node));
  }
  rulesOf(node2) {
    return this.layout.nodes.find((n) => n.name === node2)?.rules ?? { chains: [], rules: [] };
  }
};
function needsOwnMeasurement(run, counted) {
  if (run.failure !== void 0 || run.reply.outcome !== "silent") return false;
  if (run.check.expected.outcome !== "drop") return true;
  return counted.get(run.check)?.exact === false;
}
function sameRule(seen, check2) {
  const { stop } = check2.predicted;
  if (!stop?.rule || stop.onReply) return void 0;
  return seen?.table === stop.rule.table && seen.chain === stop.rule.chain && seen.owner === stop.rule.owner.label;
}
function withControls(results) {
  const byId = new Map(results.map((r) => [r.id, r]));
  return results.map((r) => {
    const control = r.control === void 0 ? void 0 : byId.get(r.control);
    if (r.verdict !== "PASS" || !control || control.verdict === "PASS") return r;
    return { ...r, verdict: "INCONCLUSIVE", reasons: [`its control did not pass: ${control.claim} (${control.verdict})`] };
  });
}
function compareNapt(results) {
  const pair = results.filter((r) => r.group === "napt");
  const seen = pair.map((r) => r.observed.seenAs);
  const same = pair.length === 2 && seen[0] !== void 0 && seen[0] === seen[1];
  if (!same) return [...results];
  return results.map((r) => r.group === "napt" ? { ...r, verdict: "FAIL", reasons: [...r.reasons, `both senders were seen as ${seen[0]}: the port was not rewritten`] } : r);
}
function withDrift(result, drift) {
  if (result.verdict !== "FAIL") return result;
  const nodes = [.../* @__PURE__ */ new Set([result.from, ...result.evidence.hops.map((h) => h.node), HOST, ROUTER, result.to.split(":")[0] ?? ""])];
  const related = relatedDrift(drift, nodes).slice(0, 5);
  return { ...result, reasons: [...result.reasons, ...related.map((d) => `the kernel differs from the lab: ${renderDrift(d)}`)] };
}

// src/plan/predict.ts
var eth0 = "eth0";
var lan0 = "lan0";
var wan0 = "wan0";
var INTERNET_PORTS = [
  { port: 80, proto: "tcp" },
  { port: 80, proto: "udp" }
];
function predict(state, probe, rules) {
  return new Walk(state, probe, rules).start(probe.from);
}
var Walk = class {
  state;
  rules;
  proto;
  src;
  dst;
  dport;
  newFlow = false;
  legs = [];
  translations = [];
  constructor(state, probe, rules) {
    this.state = state;
    this.rules = rules;
    this.proto = probe.proto;
    this.src = probe.address;
    this.dst = probe.address;
    this.dport = probe.port;
  }
  start(from) {
    const { world } = this.state;
    if (from === HOST) return this.fromHost();
    if (from === NEIGHBOUR) return this.fromNeighbour();
    if (from === INTERNET) return this.fromInternet();
    if (from === ROUTER) return this.send(ROUTER, lan0, world.router.lan, () => this.lanDeliver());
    const container = this.state.containers.find((c) => c.node === from);
    if (!container) throw new Error(`no node ${from} in lab ${this.state.lab}`);
    const owner = sandboxOwner(this.state, container);
    return owner ? this.fromContainer(owner) : this.fromHost();
  }
  // --- senders -------------------------------------------------------------------------------------------------------
  fromContainer(sender) {
    const own = sender.endpoints.find((e) => e.address === this.dst);
    if (own || isLoopback(this.dst)) {
      this.src = own ? own.address : LOCALHOST;
      return this.answer(sender.node, listener(this.state, sender, this.proto, this.dport), "it is the container itself");
    }
    const onLink2 = longestMatch(sender.endpoints, (e) => this.networkOf(e).subnet, this.dst);
    const way = onLink2 ?? gatewayEndpoint(this.state, sender.endpoints);
    if (!way) return this.end("unreachable", { node: sender.node }, `${sender.node} has no route to ${this.dst}: ${noRouteReason(this.state, sender)}`);
    const network = this.networkOf(way);
    return this.send(sender.node, way.ifName, way.address, () => {
      if (onLink2 && network.gateway !== this.dst) return this.bridged(network);
      return bearsAddress(network) ? this.hostIngress(network.bridge) : this.nobody(sender.node);
    });
  }
  fromHost() {
    const network = longestMatch(this.state.networks.filter(bearsAddress), (n) => n.subnet, this.dst);
    if (this.isHostAddress(this.dst)) {
      this.src = isLoopback(this.dst) ? LOCALHOST : this.dst;
      const hit = !isLoopback(this.dst) || !this.state.engine.userlandProxy ? this.matchBinding(void 0) : void 0;
      return hit ? this.hostDnat(hit) : this.hostInput();
    }
    if (network?.gateway) {
      this.src = network.gateway;
      return this.outOnBridge(network);
    }
    return this.send(HOST, eth0, this.state.world.host, () => this.lanDeliver());
  }
  fromNeighbour() {
    const { world } = this.state;
    const viaHost = this.dst === world.host || this.state.networks.some((n) => prefixLength(n.subnet) <= 31 && contains(n.subnet, this.dst));
    return this.send(NEIGHBOUR, eth0, world.neighbour, () => viaHost ? this.hostIngress(eth0) : this.lanDeliver());
  }
  fromInternet() {
    const { world } = this.state;
    if (!contains(world.internet.subnet, this.dst)) {
      return this.end("unreachable", { node: INTERNET }, `${this.dst} is a private address: the internet has no route to it`);
    }
    return this.send(INTERNET, eth0, world.internet.www, () => this.routerFromWan());
  }
  send(node2, link, src, next) {
    this.src = src;
    this.leg(node2, link, "out");
    return next();
  }
  // --- on a bridge ---------------------------------------------------------------------------------------------------
  /** From one port of a bridge to another: iptables sees it only where icc is off, or the proxy. */
  bridged(network) {
    const target = this.endpointAt(network, this.dst);
    if (!target) return this.nobody(HOST);
    if (!network.icc) return this.drop(HOST, "icc-drop", (r) => r.match.in === network.bridge, `network ${network.name} has inter-container communication off`);
    return this.arrive(target.container, target.endpoint, `both are on network ${network.name}`);
  }
  /** The host puts it on a bridge. */
  outOnBridge(network) {
    this.leg(HOST, network.bridge, "out");
    const target = this.endpointAt(network, this.dst);
    return target ? this.arrive(target.container, target.endpoint, "the host reaches its own containers") : this.nobody(HOST);
  }
  arrive(container, endpoint, because) {
    this.leg(container.node, endpoint.ifName, "in");
    const back = container.endpoints.some((e) => contains(this.networkOf(e).subnet, this.src)) || gatewayEndpoint(this.state, container.endpoints);
    if (!back) return this.end("drop", { node: container.node, onReply: true }, `${container.node} has no route back to ${this.src}`);
    return this.answer(container.node, listener(this.state, container, this.proto, this.dport), because);
  }
  /** @param server who answers; undefined: nobody listens there */
  answer(node2, server, because) {
    if (!server) return this.end("refuse", { node: node2 }, `nothing listens on ${this.dport}/${this.proto} of ${node2}`);
    return { outcome: "reach", seenAs: this.src, server, legs: this.legs, translations: this.translations, because };
  }
  // --- the Docker host -----------------------------------------------------------------------------------------------
  hostIngress(from) {
    this.leg(HOST, from, "in");
    const direct = this.directAccess(from);
    if (direct) return direct;
    if (!this.isHostAddress(this.dst)) return this.forward(from);
    const hit = this.matchBinding(from);
    if (!hit) return this.hostInput();
    this.translateTo(hit);
    return this.forward(from, true);
  }
  /** raw PREROUTING: a container's own address is for its bridge alone. */
  directAccess(from) {
    if (this.state.engine.allowDirectRouting) return void 0;
    for (const network of this.state.networks) {
      if (network.internal || network.gatewayMode !== "nat" || network.bridge === from || network.trustedInterfaces.includes(from)) continue;
      if (!this.endpointAt(network, this.dst)) continue;
      return this.drop(HOST, "direct-access", (r) => r.match.destination === this.dst, `${this.dst} may be addressed only from its own network ${network.name}`);
    }
    return void 0;
  }
  /** The first binding whose DNAT rule matches. @param from undefined: the host's own packet */
  matchBinding(from) {
    if (this.proto === "icmp") return void 0;
    const containers = [...this.state.containers].sort((a, b) => a.programmedAt - b.programmedAt);
    for (const container of containers) {
      for (const binding of container.bindings) {
        const endpoint = container.endpoints.find((e) => e.id === binding.endpoint);
        if (!endpoint || binding.hostPort !== this.dport || binding.proto !== this.proto || !isIpv4(binding.hostIp)) continue;
        if (binding.hostIp !== "0.0.0.0" && binding.hostIp !== this.dst) continue;
        const network = this.networkOf(endpoint);
        if (this.state.engine.userlandProxy && from === network.bridge) continue;
        return { container, endpoint, network, binding };
      }
    }
    return void 0;
  }
  translateTo({ endpoint, binding }) {
    this.dst = endpoint.address;
    this.dport = binding.target;
    const rule2 = this.find("dnat", (r) => r.match.dport === binding.hostPort && r.target.kind === "DNAT" && r.target.to === endpoint.address && r.match.proto === binding.proto);
    this.translations.push({ node: HOST, kind: "DNAT", ...rule2 ? { rule: rule2 } : {} });
  }
  /** The host's own packet to a published port of one of its own addresses: nat OUTPUT. */
  hostDnat(hit) {
    this.translateTo(hit);
    if (!this.state.engine.userlandProxy) this.masquerade(hit.network, "masquerade-local", (r) => r.match.out === hit.network.bridge);
    this.leg(HOST, hit.network.bridge, "out");
    return this.arrive(hit.container, hit.endpoint, `port ${hit.binding.hostPort} is published`);
  }
  /** Delivered to the host itself: a service in host mode, or the userland proxy, or nobody. */
  hostInput() {
    if (this.proto === "icmp") return this.answer(HOST, HOST, "the host answers ping");
    const service = this.state.containers.find((c) => c.sandbox.kind === "host" && c.serves.some((s) => s.port === this.dport && s.proto === this.proto));
    if (service) return this.answer(HOST, service.node, `${service.node} listens on the host's own port`);
    const hit = this.state.engine.userlandProxy ? this.matchBinding(void 0) : void 0;
    if (!hit) return this.end("refuse", { node: HOST }, `nothing listens on ${this.dst}:${this.dport}/${this.proto} of the host`);
    this.translations.push({ node: HOST, kind: "proxy" });
    this.src = hit.network.gateway ?? this.src;
    this.dst = hit.endpoint.address;
    this.dport = hit.binding.target;
    this.newFlow = true;
    this.leg(HOST, hit.network.bridge, "out");
    return this.arrive(hit.container, hit.endpoint, `the userland proxy of port ${hit.binding.hostPort} opens a connection of its own`);
  }
  forward(from, dnat = false) {
    const network = longestMatch(this.state.networks.filter(bearsAddress), (n) => n.subnet, this.dst);
    const out = network?.bridge ?? eth0;
    const refusal2 = this.filterForward(from, out, network);
    if (refusal2) return refusal2;
    const lostReply = this.masqueradeForward(from, out, network);
    this.leg(HOST, out, "out");
    if (!network) return this.lanDeliver(lostReply);
    const target = this.endpointAt(network, this.dst);
    if (!target) return this.nobody(HOST);
    return this.arrive(target.container, target.endpoint, dnat ? "the port is published" : `network ${network.name} is in gateway mode ${network.gatewayMode}`);
  }
  /** filter FORWARD for a new flow: internal networks, what comes into a network, what leaves one, the policy. */
  filterForward(from, out, network) {
    const source = this.state.networks.find((n) => n.bridge === from);
    if (network?.internal && !contains(network.subnet, this.src)) {
      return this.drop(HOST, "internal-in", (r) => r.match.out === network.bridge, `network ${network.name} is internal`);
    }
    if (source?.internal && !contains(source.subnet, this.dst)) {
      return this.drop(HOST, "internal-out", (r) => r.match.in === source.bridge, `network ${source.name} is internal`);
    }
    if (network && !network.internal && from !== out) return this.intoNetwork(network);
    if (source && from === out) {
      return source.icc ? void 0 : this.drop(HOST, "icc-drop", (r) => r.match.in === source.bridge, `network ${source.name} has inter-container communication off`);
    }
    if (source || this.state.engine.ipForward) return void 0;
    const stop = { node: HOST, policy: { table: "filter", chain: "FORWARD" } };
    return this.end("drop", stop, "no rule accepts it, and the policy of FORWARD is DROP");
  }
  intoNetwork(network) {
    if (network.gatewayMode === "nat-unprotected") return void 0;
    const target = this.endpointAt(network, this.dst);
    const open2 = target?.container.bindings.some((b) => b.endpoint === target.endpoint.id && isIpv4(b.hostIp) && b.target === this.dport && b.proto === this.proto);
    if (open2 || network.gatewayMode === "routed" && this.proto === "icmp") return void 0;
    const rule2 = (r) => r.match.out === network.bridge;
    return this.drop(HOST, "default-drop", rule2, `${this.proto === "icmp" ? "ping" : `${this.dport}/${this.proto}`} of ${this.dst} is not published`);
  }
  /** nat POSTROUTING. @returns why answers would be lost, when they would */
  masqueradeForward(_from, out, network) {
    const source = this.state.networks.find((n) => contains(n.subnet, this.src) && !n.internal);
    if (!this.state.engine.userlandProxy && network && this.src === this.dst) {
      this.masquerade(network, "masquerade-hairpin", (r) => r.match.source === this.dst);
      return void 0;
    }
    if (!source || source.bridge === out) return void 0;
    if (source.masquerade && source.gatewayMode !== "routed") {
      const address2 = network ? network.gateway : this.state.world.host;
      this.masquerade(source, "masquerade", (r) => r.match.source === source.subnet, address2);
      return void 0;
    }
    const guarded = source.gatewayMode === "nat" && !this.state.engine.allowDirectRouting;
    const rule2 = guarded ? this.find("direct-access", (r) => r.match.destination === this.src) : void 0;
    return rule2 ? { node: HOST, rule: rule2, onReply: true } : void 0;
  }
  masquerade(network, purpose, where, address2 = network.gateway) {
    const rule2 = this.find(purpose, where);
    this.src = network.snatTo ?? address2 ?? this.src;
    this.translations.push({ node: HOST, kind: network.snatTo ? "SNAT" : "MASQUERADE", ...rule2 ? { rule: rule2 } : {} });
  }
  // --- LAN, router, internet -----------------------------------------------------------------------------------------
  /** @param lostReply set when answers to this packet will be dropped on their way back */
  lanDeliver(lostReply) {
    const { world } = this.state;
    if (this.dst === world.host) return this.hostIngress(eth0);
    if (this.dst === world.neighbour) {
      this.leg(NEIGHBOUR, eth0, "in");
      if (lostReply) return this.end("drop", lostReply, `the answer to ${this.src} is dropped: it is a container's own address`);
      return this.proto === "icmp" ? this.answer(NEIGHBOUR, NEIGHBOUR, "it is on the LAN") : this.end("refuse", { node: NEIGHBOUR }, "nothing listens on the neighbour");
    }
    const ownRouter = this.dst === world.router.lan || this.dst === world.router.public;
    if (contains(world.lan, this.dst) && !ownRouter) return this.nobody(HOST);
    this.leg(ROUTER, lan0, "in");
    if (ownRouter) return this.routerInput();
    if (!contains(world.internet.subnet, this.dst)) {
      return this.end("unreachable", { node: ROUTER }, `the router has no route to ${this.dst}`);
    }
    const stranger = !contains(world.lan, this.src);
    const rule2 = this.rules.router.rules.find((r) => r.purpose === "masquerade");
    const inside = this.src;
    this.src = world.router.public;
    this.translations.push({ node: ROUTER, kind: "MASQUERADE", ...rule2 ? { rule: rule2 } : {} });
    this.leg(ROUTER, wan0, "out");
    if (this.dst !== world.internet.www && this.dst !== world.internet.dns) return this.nobody(ROUTER);
    this.leg(INTERNET, eth0, "in");
    if (stranger) return this.end("drop", { node: ROUTER, onReply: true }, `the router has no route back to ${inside}: it is not an address of the LAN`);
    const served = this.proto === "icmp" || INTERNET_PORTS.some((p) => p.port === this.dport && p.proto === this.proto);
    return this.answer(INTERNET, served ? INTERNET : void 0, "both NATs let it out");
  }
  routerFromWan() {
    const { world } = this.state;
    if (this.dst !== world.router.public) return this.nobody(INTERNET);
    this.leg(ROUTER, wan0, "in");
    const forward = world.router.forwards.find((f) => f.publicPort === this.dport && f.proto === this.proto);
    if (!forward) return this.routerInput();
    const rule2 = this.rules.router.rules.find((r) => r.purpose === "dnat" && r.match.dport === forward.publicPort && r.match.proto === forward.proto);
    this.dst = forward.to;
    this.dport = forward.toPort;
    this.translations.push({ node: ROUTER, kind: "DNAT", ...rule2 ? { rule: rule2 } : {} });
    this.leg(ROUTER, lan0, "out");
    return this.lanDeliver();
  }
  routerInput() {
    if (this.proto === "icmp") return this.answer(ROUTER, ROUTER, "the router answers ping");
    return this.end("refuse", { node: ROUTER }, `the router forwards no ${this.dport}/${this.proto}, and nothing listens there`);
  }
  // --- ends ----------------------------------------------------------------------------------------------------------
  nobody(at) {
    return this.end("unreachable", { node: at }, `nobody has the address ${this.dst}: ARP is not answered`);
  }
  drop(node2, purpose, where, because) {
    const rule2 = this.find(purpose, where);
    return this.end("drop", { node: node2, ...rule2 ? { rule: rule2 } : {} }, because);
  }
  end(outcome, stop, because) {
    return { outcome, legs: this.legs, translations: this.translations, stop, because };
  }
  leg(node2, link, direction) {
    const port = this.dport === void 0 ? {} : { dport: this.dport };
    this.legs.push({ node: node2, link, direction, src: this.src, dst: this.dst, ...port, ...this.newFlow ? { newFlow: true } : {} });
  }
  find(purpose, where) {
    return this.rules.host.rules.find((r) => r.purpose === purpose && where(r));
  }
  networkOf(endpoint) {
    return networkById(this.state, endpoint.network);
  }
  endpointAt(network, address2) {
    for (const container of this.state.containers) {
      const endpoint = container.endpoints.find((e) => e.network === network.id && e.address === address2);
      if (endpoint) return { container, endpoint };
    }
    return void 0;
  }
  isHostAddress(address2) {
    return isLoopback(address2) || address2 === this.state.world.host || this.state.networks.some((n) => bearsAddress(n) && n.gateway === address2);
  }
};
function bearsAddress(network) {
  return network.gateway !== void 0 && !network.inhibitIpv4;
}
function listener(state, owner, proto, port) {
  if (proto === "icmp") return owner.node;
  const users = [owner, ...state.containers.filter((c) => c !== owner && sandboxOwner(state, c) === owner)];
  return users.find((c) => c.serves.some((s) => s.port === port && s.proto === proto))?.node;
}
function longestMatch(items, subnet2, address2) {
  return [...items].filter((i) => contains(subnet2(i), address2)).sort((a, b) => prefixLength(subnet2(b)) - prefixLength(subnet2(a)))[0];
}
function noRouteReason(state, container) {
  if (container.endpoints.length === 0) return "it has only lo";
  const names = container.endpoints.map((e) => networkById(state, e.network).name).join(", ");
  return `its networks (${names}) are internal and have no default gateway`;
}

// src/plan/check.ts
function checksOf(state, rules, explicit) {
  const build = new CheckBuilder(state, rules);
  if (explicit.length > 0) for (const spec of explicit) build.explicit(spec);
  else build.derive();
  return build.finish();
}
var NAPT_PORT = 4e4;
var CheckBuilder = class {
  state;
  rules;
  checks = [];
  constructor(state, rules) {
    this.state = state;
    this.rules = rules;
  }
  derive() {
    const senders = this.state.containers.filter((c) => c.running);
    for (const from of senders) for (const to of senders) if (from !== to) this.serviceToService(from, to);
    for (const container of senders) for (const binding of container.bindings) this.published(container, binding);
    for (const container of senders) this.direct(container);
    for (const from of senders) this.outbound(from);
    this.napt(senders);
  }
  /** Adds the controls that the negative checks point at, each once. */
  finish() {
    const controls = /* @__PURE__ */ new Map();
    const withControls2 = this.checks.map((check2) => {
      const control = isNegative(check2) ? this.controlFor(check2) : void 0;
      if (!control) return check2;
      const known = this.checks.find((c) => c.id === control.id) ?? controls.get(control.id) ?? control;
      if (!this.checks.includes(known)) controls.set(known.id, known);
      return { ...check2, control: known.id };
    });
    return [...withControls2, ...controls.values()];
  }
  serviceToService(from, to) {
    const target = this.addressFor(from, to);
    if (!target) return;
    for (const port of to.serves) {
      const probe = { from: from.node, address: target, port: port.port, proto: port.proto };
      const predicted = predict(this.state, probe, this.rules);
      const reach = predicted.outcome === "reach";
      const label = `${to.node}:${renderProtoPort(port)}`;
      this.add({
        id: `${reach ? "service" : "isolation"}/${from.node}/${label}`,
        group: reach ? "service" : "isolation",
        claim: reach ? `${from.node} reaches ${label} at ${target}` : `${from.node} does not reach ${label} at ${target}`,
        probe,
        to: label,
        predicted,
        ...originOf(port.at ?? to.at)
      });
    }
  }
  published(container, binding) {
    if (!isIpv4(binding.hostIp)) return;
    const { world } = this.state;
    if (binding.hostPort === void 0) {
      const endpoint = container.endpoints.find((e) => e.id === binding.endpoint);
      if (endpoint) this.publishedAt(container, binding, NEIGHBOUR, endpoint.address, binding.target);
      return;
    }
    const port = binding.hostPort;
    const loopback = isLoopback(binding.hostIp) ? binding.hostIp : LOCALHOST;
    this.publishedAt(container, binding, HOST, loopback, port);
    this.publishedAt(container, binding, HOST, world.host, port);
    this.publishedAt(container, binding, NEIGHBOUR, world.host, port);
    const forward = world.router.forwards.find((f) => f.to === world.host && f.toPort === port && f.proto === binding.proto);
    if (forward) this.publishedAt(container, binding, INTERNET, world.router.public, forward.publicPort);
  }
  publishedAt(container, binding, from, address2, port) {
    const probe = { from, address: address2, port, proto: binding.proto };
    const predicted = predict(this.state, probe, this.rules);
    const shown = `${address2}:${port}/${binding.proto}`;
    const reach = predicted.outcome === "reach";
    this.add({
      id: `publish/${container.node}:${binding.target}/${from}/${shown}`,
      group: "publish",
      claim: reach ? `${from} reaches ${container.node} through ${shown}` : `${from} does not reach ${container.node} through ${shown}`,
      probe,
      to: shown,
      predicted,
      ...originOf(binding.at ?? container.at)
    });
  }
  /** The neighbour addresses the container itself, routed through the host: the attack that the raw table answers. */
  direct(container) {
    if (container.sandbox.kind !== "own") return;
    for (const endpoint of container.endpoints) {
      for (const port of container.serves) {
        const probe = { from: NEIGHBOUR, address: endpoint.address, port: port.port, proto: port.proto };
        const predicted = predict(this.state, probe, this.rules);
        const label = `${endpoint.address}:${renderProtoPort(port)}`;
        const verb = predicted.outcome === "reach" ? "reaches" : "cannot reach";
        this.add({
          id: `direct/${container.node}/${label}`,
          group: "direct",
          claim: `${NEIGHBOUR} ${verb} ${container.node} directly at ${label}`,
          probe,
          to: label,
          predicted,
          ...originOf(port.at ?? container.at)
        });
      }
    }
  }
  outbound(from, sourcePort) {
    const { www } = this.state.world.internet;
    const probe = { from: from.node, address: www, port: 80, proto: "tcp" };
    const predicted = predict(this.state, probe, this.rules);
    const reach = predicted.outcome === "reach";
    const seen = reach && predicted.seenAs ? `, which sees ${predicted.seenAs}` : "";
    this.add({
      id: sourcePort ? `napt/${from.node}/${sourcePort}` : `outbound/${from.node}`,
      group: sourcePort ? "napt" : "outbound",
      claim: sourcePort ? `${from.node} reaches www from source port ${sourcePort}, used by two containers at once${seen}` : `${from.node} ${reach ? "reaches" : "does not reach"} www on the internet${seen}`,
      probe: { ...probe, ...sourcePort ? { sourcePort } : {} },
      to: `www ${www}:80/tcp`,
      predicted,
      ...originOf(from.at)
    });
  }
  /** Two containers with sandboxes of their own that leave through the host's one address. */
  napt(senders) {
    const { www } = this.state.world.internet;
    const masked = senders.filter((c) => {
      if (c.sandbox.kind !== "own" || c.endpoints.length === 0) return false;
      const p = predict(this.state, { from: c.node, address: www, port: 80, proto: "tcp" }, this.rules);
      return p.outcome === "reach" && p.translations.some((t2) => t2.node === HOST && t2.kind === "MASQUERADE");
    });
    if (masked.length >= 2) for (const c of masked.slice(0, 2)) this.outbound(c, NAPT_PORT);
  }
  explicit(spec) {
    for (const from of this.nodesOf(spec.from)) {
      for (const { address: address2, label } of this.targetsOf(spec, from)) {
        const port = spec.proto === "icmp" || spec.port === void 0 ? {} : { port: spec.port };
        const probe = { from, address: address2, proto: spec.proto, ...port };
        const predicted = predict(this.state, probe, this.rules);
        const to = spec.port === void 0 ? label : `${label}:${spec.port}/${spec.proto}`;
        const seen = spec.seenAs ? ` as ${spec.seenAs}` : "";
        const words = {
          reach: `${from} reaches ${to}${seen}`,
          refuse: `${from} is refused by ${to}`,
          drop: `${from} gets no answer from ${to}`,
          unreachable: `${from} has no way to ${to}`
        };
        this.checks.push({
          id: `explicit/${this.checks.length + 1}/${from}/${to}`,
          group: "explicit",
          claim: spec.name ?? words[spec.expect],
          probe: { ...probe, ...spec.sourcePort ? { sourcePort: spec.sourcePort } : {} },
          to,
          predicted,
          expected: { outcome: spec.expect, ...spec.seenAs ? { seenAs: spec.seenAs } : {} },
          at: spec.at
        });
      }
    }
  }
  nodesOf(ref) {
    if (ref.kind === "node") return [ref.node];
    if (ref.kind === "address") return [];
    return this.state.containers.filter((c) => c.service === ref.service).map((c) => c.node);
  }
  targetsOf(spec, from) {
    const { to } = spec;
    const { world } = this.state;
    if (to.kind === "address") return [{ address: to.address, label: to.address }];
    if (to.kind === "node") {
      const router = from === INTERNET ? world.router.public : world.router.lan;
      const address2 = { "@host": world.host, "@neighbour": world.neighbour, "@internet": world.internet.www, "@router": router }[to.node];
      return [{ address: address2, label: to.node }];
    }
    const sender = this.state.containers.find((c) => c.node === from);
    return this.state.containers.filter((c) => c.service === to.service).flatMap((c) => {
      const named = spec.network && c.endpoints.find((e) => this.isOn(e, spec.network));
      const address2 = named ? named.address : sender ? this.addressFor(sender, c) : this.ownAddress(c);
      return address2 ? [{ address: address2, label: c.node }] : [];
    });
  }
  /** By the network's Docker name, or its key in the file (`<project>_<key>`). */
  isOn(endpoint, network) {
    const { name } = networkById(this.state, endpoint.network);
    return name === network || name === `${this.state.lab}_${network}`;
  }
  /** The address by which `from` would know `to`: on a network that both share, else its own first one; the host's for host mode. */
  addressFor(from, to) {
    const [sender, target] = [sandboxOwner(this.state, from), sandboxOwner(this.state, to)];
    if (sender && sender === target) return LOCALHOST;
    if (!sender && !target) return LOCALHOST;
    const shared2 = target?.endpoints.find((e) => sender?.endpoints.some((s) => s.network === e.network));
    return shared2?.address ?? this.ownAddress(to);
  }
  ownAddress(container) {
    const owner = sandboxOwner(this.state, container);
    if (!owner) return this.state.world.host;
    return (gatewayEndpoint(this.state, owner.endpoints) ?? owner.endpoints[0])?.address;
  }
  add(check2) {
    const { outcome, seenAs } = check2.predicted;
    this.checks.push({ ...check2, expected: { outcome, ...outcome === "reach" && seenAs ? { seenAs } : {} } });
  }
  /** The host reaches the very listener that the negative check must not: it is alive, and its address is right. */
  controlFor(check2) {
    const target = this.listenerBehind(check2);
    if (!target) return void 0;
    const { container, endpoint, port } = target;
    const probe = { from: HOST, address: endpoint.address, port: port.port, proto: port.proto };
    const fromHost = predict(this.state, probe, this.rules);
    const own = fromHost.outcome === "reach" ? void 0 : { ...probe, from: container.node };
    const predicted = own ? predict(this.state, own, this.rules) : fromHost;
    if (predicted.outcome !== "reach") return void 0;
    const label = `${container.node}:${renderProtoPort(port)}`;
    const from = own ? container.node : HOST;
    return {
      id: `control/${from}/${endpoint.address}:${renderProtoPort(port)}`,
      group: "control",
      claim: `${from} reaches ${label} at ${endpoint.address}: the listener is alive`,
      probe: own ?? probe,
      to: label,
      predicted,
      expected: { outcome: "reach", ...predicted.seenAs ? { seenAs: predicted.seenAs } : {} },
      ...originOf(container.at)
    };
  }
  listenerBehind(check2) {
    for (const container of this.state.containers) {
      for (const endpoint of container.endpoints) {
        const bound = container.bindings.find((b) => b.endpoint === endpoint.id && b.hostPort === check2.probe.port && b.proto === check2.probe.proto);
        const wanted = endpoint.address === check2.probe.address ? check2.probe.port : check2.group === "publish" || check2.group === "explicit" ? bound?.target : void 0;
        const users = this.state.containers.filter((c) => sandboxOwner(this.state, c) === container);
        const port = wanted && users.flatMap((c) => c.serves).find((s) => s.port === wanted && s.proto === check2.probe.proto);
        if (port) return { container, endpoint, port };
      }
    }
    return void 0;
  }
};
function isNegative(check2) {
  return check2.expected.outcome !== "reach";
}
var originOf = (at) => at ? { at } : {};

// src/state/id.ts
import { createHash } from "node:crypto";
function deriveId(...parts) {
  return createHash("sha256").update(parts.join("\0")).digest("hex");
}
function deriveMac(id) {
  return macFromBytes(Buffer.from(deriveId("mac", id), "hex"));
}
function bridgeName(networkId) {
  return parseIfName(`br-${networkId.slice(0, 12)}`);
}
function vethName(endpointId) {
  return parseIfName(`veth${endpointId.slice(0, 7)}`);
}

// src/state/ipam.ts
var DEFAULT_POOLS = [
  ...["172.17.0.0/16", "172.18.0.0/16", "172.19.0.0/16"].map((base) => ({ base, size: 16 })),
  ...["172.20.0.0/14", "172.24.0.0/14", "172.28.0.0/14"].map((base) => ({ base, size: 16 })),
  { base: "192.168.0.0/16", size: 20 }
];
function allocateSubnet(state) {
  const pools = state.engine.addressPools.length > 0 ? state.engine.addressPools : DEFAULT_POOLS;
  const taken = [...state.networks.map((n) => n.subnet), ...reservedSubnets(state)];
  for (const { base, size } of pools) {
    const { first, last } = rangeOf(base);
    const step = 2 ** (32 - size);
    for (let at = first; at <= last; at += step) {
      const candidate = `${fromNumber(at)}/${size}`;
      if (!taken.some((t2) => overlaps(t2, candidate))) return candidate;
    }
  }
  throw new DocknetError("CONFLICT", "all predefined address pools have been fully subnetted", {
    remedy: "Give the network a subnet of its own, or set x-docknet engine default-address-pools"
  });
}
function reservedSubnets(state) {
  return [state.world.lan, `${state.world.internet.dns}/32`];
}
function requestSubnet(state, subnet2) {
  if (state.networks.some((n) => overlaps(n.subnet, subnet2))) {
    throw new DocknetError("CONFLICT", "invalid pool request: Pool overlaps with other one on this address space", {
      remedy: `Choose a subnet other than ${subnet2}; in use: ${state.networks.map((n) => `${n.subnet} (${n.name})`).join(", ")}`
    });
  }
}
function edgesOf(subnet2) {
  const { first, last } = rangeOf(subnet2);
  return prefixLength(subnet2) <= 30 ? [first, last] : [];
}
function allocateGateway(subnet2, ipRange, aux) {
  const gateway = lowestFree(subnet2, ipRange, /* @__PURE__ */ new Set([...edgesOf(subnet2), ...aux.map(toNumber)]));
  if (gateway === void 0) throw new DocknetError("CONFLICT", `no available IPv4 addresses on this network's address pools: ${subnet2}`);
  return gateway;
}
function allocateAddress(state, network) {
  const address2 = lowestFree(network.subnet, network.ipRange, takenIn(state, network));
  if (address2 !== void 0) return address2;
  throw new DocknetError("CONFLICT", `no available IPv4 addresses on this network's address pools: ${network.name} (${network.id})`, {
    remedy: `Give network ${network.name} a bigger subnet than ${network.ipRange ?? network.subnet}`
  });
}
function requestAddress(state, network, address2) {
  if (!contains(network.subnet, address2)) {
    throw new DocknetError("CONFLICT", `invalid endpoint settings: no configured subnet contains IP address ${address2}`, {
      remedy: `Choose an address in ${network.subnet}`
    });
  }
  if (takenIn(state, network).has(toNumber(address2))) {
    throw new DocknetError("CONFLICT", "Address already in use", {
      remedy: `${address2} of network ${network.name} is taken; give the containers that start earlier fixed addresses too, or keep dynamic ones away with ip_range`
    });
  }
  return address2;
}
function takenIn(state, network) {
  const endpoints = state.containers.flatMap((c) => c.endpoints).filter((e) => e.network === network.id);
  return /* @__PURE__ */ new Set([
    ...edgesOf(network.subnet),
    ...network.gateway ? [toNumber(network.gateway)] : [],
    ...network.auxAddresses.map(toNumber),
    ...endpoints.map((e) => toNumber(e.address))
  ]);
}
function lowestFree(subnet2, ipRange, taken) {
  const { first, last } = rangeOf(ipRange ?? subnet2);
  for (let at = first; at <= last; at++) if (!taken.has(at)) return fromNumber(at);
  return void 0;
}

// src/state/network.ts
var PREDEFINED = ["bridge", "host", "none"];
var OPTION = "com.docker.network.";
function emptyState(lab2, engine, world) {
  const base = { lab: lab2, engine, world, networks: [], containers: [], clock: 0 };
  const bip = engine.bip === void 0 ? void 0 : parseIfAddr(engine.bip);
  return addNetwork(base, {
    name: "bridge",
    ...bip ? { subnet: subnetOf(bip), gateway: addressOf(bip) } : {},
    options: {
      [`${OPTION}bridge.default_bridge`]: "true",
      [`${OPTION}bridge.enable_icc`]: String(engine.icc),
      [`${OPTION}bridge.enable_ip_masquerade`]: "true",
      [`${OPTION}bridge.host_binding_ipv4`]: ANY_IPV4,
      [`${OPTION}bridge.name`]: "docker0",
      ...engine.mtu ? { [`${OPTION}driver.mtu`]: String(engine.mtu) } : {}
    }
  });
}
function createNetwork(state, request) {
  if (PREDEFINED.includes(request.name)) {
    throw new DocknetError("CONFLICT", `operation is not permitted on predefined ${request.name} network `);
  }
  if (request.name === "") throw new DocknetError("LAB_FILE", "invalid name: name is empty");
  const driver = request.driver ?? "bridge";
  if (driver === "host" || driver === "null") {
    throw new DocknetError("CONFLICT", `only one instance of "${driver}" network is allowed`);
  }
  if (driver !== "bridge") throw new DocknetError("LAB_FILE", `plugin "${driver}" not found`, { remedy: "Use the bridge driver: docknet emulates no other yet" });
  if (state.networks.some((n) => n.name === request.name)) {
    throw new DocknetError("CONFLICT", `network with name ${request.name} already exists`);
  }
  return addNetwork(state, request);
}
function addNetwork(state, request) {
  const id = deriveId("network", state.lab, request.name);
  const options = parseOptions(request.options ?? {});
  const internal = request.internal ?? false;
  if (options.gatewayMode === "isolated" && !internal) {
    throw new DocknetError("LAB_FILE", "gateway mode 'isolated' can only be used for an internal network");
  }
  if (request.subnet) requestSubnet(state, request.subnet);
  const subnet2 = request.subnet ?? allocateSubnet(state);
  const aux = request.auxAddresses ?? [];
  const gatewayless = options.gatewayMode === "isolated" || options.inhibitIpv4 && internal;
  const gateway = gatewayless ? void 0 : request.gateway ?? allocateGateway(subnet2, request.ipRange, aux);
  const bridge = options.bridge ?? bridgeName(id);
  const rival = state.networks.find((n) => n.bridge === bridge);
  if (rival) {
    throw new DocknetError("CONFLICT", `cannot create network ${id} (${bridge}): conflicts with network ${rival.id} (${rival.bridge}): networks have same bridge name`);
  }
  const { bridge: _, ...rest } = options;
  const network = {
    id,
    name: request.name,
    bridge,
    isDefault: request.name === "bridge",
    subnet: subnet2,
    ...gateway ? { gateway } : {},
    ...request.ipRange ? { ipRange: request.ipRange } : {},
    auxAddresses: aux,
    internal,
    ...rest,
    options: request.options ?? {},
    labels: request.labels ?? {},
    createdAt: state.clock,
    ...request.at ? { at: request.at } : {}
  };
  return { ...state, networks: [...state.networks, network], clock: state.clock + 1 };
}
function parseOptions(options) {
  const get = (key) => options[`${OPTION}${key}`];
  const bool = (key, fallback) => {
    const text = get(key);
    return text === void 0 ? fallback : parseGoBool(text, `${OPTION}${key}`);
  };
  const bridge = get("bridge.name");
  const snatTo = get("host_ipv4");
  const mtu = get("driver.mtu");
  const trusted = get("bridge.trusted_host_interfaces");
  return {
    ...bridge ? { bridge: parseIfName(bridge) } : {},
    icc: bool("bridge.enable_icc", true),
    masquerade: bool("bridge.enable_ip_masquerade", true),
    gatewayMode: parseGatewayMode(get("bridge.gateway_mode_ipv4") ?? ""),
    hostBinding: parseIpv4(get("bridge.host_binding_ipv4") ?? ANY_IPV4),
    inhibitIpv4: bool("bridge.inhibit_ipv4", false),
    trustedInterfaces: trusted ? trusted.split(":").map(parseIfName) : [],
    ifPrefix: parseIfPrefix(get("container_iface_prefix") ?? "eth"),
    ...snatTo ? { snatTo: parseIpv4(snatTo) } : {},
    ...parseMtu(mtu)
  };
}
function parseMtu(text) {
  if (text === void 0 || text === "0") return {};
  const value = /^-?\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= 68 && value <= 65535)) throw new DocknetError("LAB_FILE", `invalid MTU number: ${text}`);
  return { mtuBytes: value };
}
function parseIfPrefix(text) {
  parseIfName(`${text}00`);
  return text;
}
function parseGatewayMode(text) {
  if (text === "") return "nat";
  if (text === "nat" || text === "nat-unprotected" || text === "routed" || text === "isolated") return text;
  throw new DocknetError("LAB_FILE", `unknown gateway mode ${text}`, { remedy: "Choose nat, nat-unprotected, routed or isolated" });
}
function parseGoBool(text, label) {
  if (["1", "t", "T", "TRUE", "true", "True"].includes(text)) return true;
  if (["0", "f", "F", "FALSE", "false", "False"].includes(text)) return false;
  throw new DocknetError("LAB_FILE", `failed to parse ${label} value: ${text} (strconv.ParseBool: parsing "${text}": invalid syntax)`);
}
function needsBridgeNetfilter(state) {
  return !state.engine.userlandProxy || state.networks.some((n) => !n.icc);
}

// src/plan/docker-29.ts
var LOOPBACK = "127.0.0.0/8";
var ENGINE = { kind: "engine", label: "Docker engine" };
var ACCEPT = { kind: "ACCEPT" };
var DROP = { kind: "DROP" };
var MASQUERADE = { kind: "MASQUERADE" };
var jumpTo = (chain) => ({ kind: "JUMP", chain });
function docker29Ruleset(state) {
  return { chains: chainsOf(state), rules: [...rawRules(state), ...natRules(state), ...filterRules(state)] };
}
function chainsOf(state) {
  const builtIn = (table, names) => names.map((name) => ({ table, name, policy: "ACCEPT" }));
  return [
    ...builtIn("raw", ["PREROUTING", "OUTPUT"]),
    ...builtIn("nat", ["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"]),
    { table: "nat", name: "DOCKER" },
    ...builtIn("filter", ["INPUT"]),
    { table: "filter", name: "FORWARD", policy: state.engine.ipForward ? "ACCEPT" : "DROP" },
    ...builtIn("filter", ["OUTPUT"]),
    ...["DOCKER", "DOCKER-BRIDGE", "DOCKER-CT", "DOCKER-FORWARD", "DOCKER-INTERNAL", "DOCKER-USER"].map((name) => ({ table: "filter", name }))
  ];
}
function rule(table, chain, purpose, owner, match, target) {
  return { table, chain, match, target, purpose, owner };
}
function rawRules(state) {
  const entries = [
    ...state.containers.flatMap((c) => c.endpoints.map((e) => ({ at: e.joinedAt, rules: directAccessRules(state, c, e) }))),
    ...state.containers.map((c) => ({ at: c.programmedAt, rules: loopbackRules(state, c) }))
  ];
  return entries.sort((a, b) => a.at - b.at).flatMap((e) => e.rules);
}
function directAccessRules(state, container, endpoint) {
  const network = networkById(state, endpoint.network);
  if (network.internal || network.gatewayMode !== "nat" || state.engine.allowDirectRouting) return [];
  const owner = ownerOfEndpoint(container, network, endpoint);
  const destination = endpoint.address;
  return [
    ...network.trustedInterfaces.map((trusted) => rule("raw", "PREROUTING", "direct-access-trusted", owner, { destination, in: trusted }, ACCEPT)),
    rule("raw", "PREROUTING", "direct-access", owner, { destination, in: { not: network.bridge } }, DROP)
  ];
}
function loopbackRules(state, container) {
  return natBindings(state, container).filter(({ binding }) => isIpv4(binding.hostIp) && isLoopback(binding.hostIp)).map(({ binding, hostPort }) => {
    const match = { destination: binding.hostIp, in: { not: "lo" }, proto: binding.proto, dport: hostPort };
    return rule("raw", "PREROUTING", "loopback-access", ownerOfBinding(container, binding), match, DROP);
  });
}
function natRules(state) {
  const local = { dstType: "LOCAL" };
  const notLoopback = state.engine.userlandProxy ? { destination: { not: LOOPBACK } } : {};
  return [
    rule("nat", "PREROUTING", "jump", ENGINE, local, jumpTo("DOCKER")),
    rule("nat", "OUTPUT", "jump", ENGINE, { ...notLoopback, ...local }, jumpTo("DOCKER")),
    ...newestFirst(state.networks).flatMap((n) => masqueradeRules(state, n)),
    ...byProgramming(state).flatMap((c) => hairpinRules(state, c)),
    ...byProgramming(state).flatMap((c) => dnatRules(state, c))
  ];
}
function masqueradeRules(state, network) {
  if (network.internal) return [];
  const target = network.snatTo ? { kind: "SNAT", to: network.snatTo } : MASQUERADE;
  const owner = ownerOfNetwork(network);
  return [
    ...state.engine.userlandProxy ? [] : [rule("nat", "POSTROUTING", "masquerade-local", owner, { out: network.bridge, srcType: "LOCAL" }, target)],
    ...network.masquerade && network.gatewayMode !== "routed" ? [rule("nat", "POSTROUTING", "masquerade", owner, { source: network.subnet, out: { not: network.bridge } }, target)] : []
  ];
}
function hairpinRules(state, container) {
  if (state.engine.userlandProxy) return [];
  return unique(
    natBindings(state, container).filter(({ binding }) => isIpv4(binding.hostIp)).map(({ binding, endpoint }) => {
      const match = { source: endpoint.address, destination: endpoint.address, proto: binding.proto, dport: binding.target };
      return rule("nat", "POSTROUTING", "masquerade-hairpin", ownerOfBinding(container, binding), match, MASQUERADE);
    })
  );
}
function dnatRules(state, container) {
  return natBindings(state, container).filter(({ binding }) => isIpv4(binding.hostIp)).map(({ binding, endpoint, network, hostPort }) => {
    const hostIp = binding.hostIp;
    const match = {
      ...hostIp === "0.0.0.0" ? {} : { destination: hostIp },
      ...state.engine.userlandProxy ? { in: { not: network.bridge } } : {},
      proto: binding.proto,
      dport: hostPort
    };
    return rule("nat", "DOCKER", "dnat", ownerOfBinding(container, binding), match, { kind: "DNAT", to: endpoint.address, port: binding.target });
  });
}
function filterRules(state) {
  const outside = state.networks.filter((n) => !n.internal);
  const filter = (chain, purpose, owner, match, target) => rule("filter", chain, purpose, owner, match, target);
  const engineJump = (chain, to) => filter(chain, "jump", ENGINE, {}, jumpTo(to));
  return [
    engineJump("FORWARD", "DOCKER-USER"),
    engineJump("FORWARD", "DOCKER-FORWARD"),
    // ports are inserted at the head, networks appended: the newest port stands first, the oldest network's default last but in order
    ...newestFirst(unique(byProgramming(state).flatMap((c) => openPortRules(state, c)))),
    ...outside.flatMap(defaultRules),
    ...outside.map((n) => filter("DOCKER-BRIDGE", "jump", ownerOfNetwork(n), { out: n.bridge }, jumpTo("DOCKER"))),
    ...outside.map((n) => filter("DOCKER-CT", "replies", ownerOfNetwork(n), { out: n.bridge, ctstate: ["RELATED", "ESTABLISHED"] }, ACCEPT)),
    engineJump("DOCKER-FORWARD", "DOCKER-CT"),
    engineJump("DOCKER-FORWARD", "DOCKER-INTERNAL"),
    engineJump("DOCKER-FORWARD", "DOCKER-BRIDGE"),
    ...state.networks.flatMap(forwardRules),
    ...newestFirst(state.networks.filter((n) => n.internal)).flatMap((n) => [
      filter("DOCKER-INTERNAL", "internal-in", ownerOfNetwork(n), { source: { not: n.subnet }, out: n.bridge }, DROP),
      filter("DOCKER-INTERNAL", "internal-out", ownerOfNetwork(n), { destination: { not: n.subnet }, in: n.bridge }, DROP)
    ])
  ];
}
function defaultRules(network) {
  const owner = ownerOfNetwork(network);
  const unprotected = network.gatewayMode === "nat-unprotected";
  const match = { in: { not: network.bridge }, out: network.bridge };
  return [
    ...network.gatewayMode === "routed" ? [rule("filter", "DOCKER", "routed-icmp", owner, { out: network.bridge, proto: "icmp" }, ACCEPT)] : [],
    rule("filter", "DOCKER", unprotected ? "default-accept" : "default-drop", owner, match, unprotected ? ACCEPT : DROP)
  ];
}
function forwardRules(network) {
  const owner = ownerOfNetwork(network);
  const within = { in: network.bridge, out: network.bridge };
  const forward = (purpose, match, target) => rule("filter", "DOCKER-FORWARD", purpose, owner, match, target);
  if (network.internal) return [network.icc ? forward("icc-accept", within, ACCEPT) : forward("icc-drop", within, DROP)];
  if (network.icc) return [forward("outgoing", { in: network.bridge }, ACCEPT)];
  return [forward("icc-drop", within, DROP), forward("outgoing", { in: network.bridge, out: { not: network.bridge } }, ACCEPT)];
}
function openPortRules(state, container) {
  return container.bindings.flatMap((binding) => {
    const { endpoint, network } = placeOf(state, container, binding);
    if (network.gatewayMode === "nat-unprotected" || !isIpv4(binding.hostIp)) return [];
    const match = { destination: endpoint.address, in: { not: network.bridge }, out: network.bridge, proto: binding.proto, dport: binding.target };
    return [rule("filter", "DOCKER", "open-port", ownerOfBinding(container, binding), match, ACCEPT)];
  });
}
function placeOf(state, container, binding) {
  const endpoint = container.endpoints.find((e) => e.id === binding.endpoint);
  if (!endpoint) throw new Error(`binding of ${container.name} is carried by endpoint ${binding.endpoint}, which it does not have`);
  return { endpoint, network: networkById(state, endpoint.network) };
}
function natBindings(state, container) {
  return container.bindings.flatMap(
    (binding) => binding.hostPort === void 0 ? [] : [{ binding, hostPort: binding.hostPort, ...placeOf(state, container, binding) }]
  );
}
function byProgramming(state) {
  return [...state.containers].sort((a, b) => a.programmedAt - b.programmedAt);
}
var newestFirst = (list) => [...list].reverse();
function unique(rules) {
  const key = (r) => JSON.stringify([r.match, r.target]);
  return rules.filter((r, i) => rules.findIndex((other) => key(other) === key(r)) === i);
}
var placed = (at) => at ? { at } : {};
function ownerOfNetwork(network) {
  return { kind: "network", label: `network ${network.name}`, ...placed(network.at) };
}
function ownerOfEndpoint(container, network, endpoint) {
  return { kind: "endpoint", label: `${container.node} on network ${network.name}`, ...placed(endpoint.at ?? container.at) };
}
function ownerOfBinding(container, binding) {
  const shown = binding.hostPort === void 0 ? `${binding.target}/${binding.proto}` : `${binding.hostPort}:${binding.target}/${binding.proto}`;
  return { kind: "port", label: `port ${shown} of ${container.node}`, ...placed(binding.at) };
}

// src/plan/layout.ts
function nodeOf(layout, name) {
  return layout.nodes.find((n) => n.name === name);
}

// src/plan/world.ts
var WORLD = { kind: "router", label: "the lab's world" };
var ROUTER_OWNER = { kind: "router", label: "home router" };
var eth02 = "eth0";
var lan02 = "lan0";
var wan02 = "wan0";
var sw0 = "sw0";
function worldNodes(state, facts) {
  const { world } = state;
  return [
    worldNode(LAN, facts, { links: [switchLink(state), ...[HOST, ROUTER, NEIGHBOUR].map((to) => switchPort(state, to))] }),
    worldNode(ROUTER, facts, {
      forward: true,
      links: [
        peerLink(state, ROUTER, lan02, [onLink(world.router.lan, world.lan)]),
        wanLink(state)
      ],
      rules: routerRules(state)
    }),
    worldNode(NEIGHBOUR, facts, {
      links: [peerLink(state, NEIGHBOUR, eth02, [onLink(world.neighbour, world.lan)])],
      routes: [defaultRoute(world.router.lan), ...routesToContainers(state)]
    }),
    worldNode(INTERNET, facts, { links: [peerLink(state, INTERNET, eth02, internetAddresses(state))] })
  ];
}
function hostUplink(state) {
  const { world } = state;
  return { link: peerLink(state, HOST, eth02, [onLink(world.host, world.lan)]), route: defaultRoute(world.router.lan) };
}
function baseSysctls(facts, forward) {
  return [
    { key: "net.ipv4.ip_forward", value: forward ? "1" : "0" },
    { key: "net.ipv4.conf.all.rp_filter", value: "0" },
    { key: "net.ipv4.conf.default.rp_filter", value: "0" },
    { key: "net.ipv4.conf.all.route_localnet", value: "0" },
    { key: "net.ipv4.ip_unprivileged_port_start", value: "0" },
    { key: "net.ipv4.ping_group_range", value: `0 ${facts.maxGid}` }
  ];
}
function withoutIpv6(facts) {
  return facts.ipv6 ? [{ key: "net.ipv6.conf.default.disable_ipv6", value: "1" }] : [];
}
function bridgeNetfilter(facts, on) {
  return on || facts.bridgeNetfilter ? [{ key: "net.bridge.bridge-nf-call-iptables", value: on ? "1" : "0" }] : [];
}
function worldNode(name, facts, parts) {
  return {
    name,
    sysctls: [...baseSysctls(facts, parts.forward ?? false), ...withoutIpv6(facts), ...name === LAN ? bridgeNetfilter(facts, false) : []],
    links: parts.links,
    routes: parts.routes ?? [],
    rules: parts.rules ?? EMPTY_RULESET,
    proxies: []
  };
}
function switchLink(state) {
  return { kind: "bridge", name: sw0, mac: deriveMac(`${state.lab}/lan/sw0`), addresses: [], sysctls: [], owner: WORLD };
}
function switchPort(state, to) {
  const name = to.slice(1);
  return {
    kind: "veth",
    name,
    mac: deriveMac(`${state.lab}/lan/${name}`),
    addresses: [],
    sysctls: [],
    master: sw0,
    peer: { node: to, name: to === ROUTER ? lan02 : eth02 },
    owner: WORLD
  };
}
function wanLink(state) {
  const { world } = state;
  return {
    kind: "veth",
    name: wan02,
    mac: deriveMac(`${state.lab}/router/wan0`),
    addresses: [onLink(world.router.public, world.internet.subnet)],
    sysctls: [],
    peer: { node: INTERNET, name: eth02 },
    owner: WORLD
  };
}
function peerLink(state, node2, name, addresses) {
  return { kind: "peer", name, mac: deriveMac(`${state.lab}/${node2}/${name}`), addresses, sysctls: [], owner: WORLD };
}
function internetAddresses(state) {
  const { subnet: subnet2, www, dns } = state.world.internet;
  return [onLink(www, subnet2), onLink(dns, subnet2)];
}
var defaultRoute = (via) => ({ to: DEFAULT_ROUTE, via });
function routesToContainers(state) {
  const subnets = state.networks.filter((n) => prefixLength(n.subnet) <= 31).map((n) => n.subnet);
  return subnets.map((to) => ({ to, via: state.world.host }));
}
function routerRules(state) {
  const { router } = state.world;
  const forwards = router.forwards.map((f) => ({
    table: "nat",
    chain: "PREROUTING",
    match: { destination: router.public, in: wan02, proto: f.proto, dport: f.publicPort },
    target: { kind: "DNAT", to: f.to, port: f.toPort },
    purpose: "dnat",
    owner: { kind: "router", label: `router forward ${f.publicPort}/${f.proto} to ${f.to}:${f.toPort}`, at: f.at }
  }));
  const forward = (purpose, match) => ({
    table: "filter",
    chain: "FORWARD",
    match,
    target: { kind: "ACCEPT" },
    purpose,
    owner: ROUTER_OWNER
  });
  return {
    chains: [
      ...["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"].map((name) => ({ table: "nat", name, policy: "ACCEPT" })),
      { table: "filter", name: "INPUT", policy: "ACCEPT" },
      { table: "filter", name: "FORWARD", policy: "DROP" },
      { table: "filter", name: "OUTPUT", policy: "ACCEPT" }
    ],
    rules: [
      ...forwards,
      { table: "nat", chain: "POSTROUTING", match: { out: wan02 }, target: { kind: "MASQUERADE" }, purpose: "masquerade", owner: ROUTER_OWNER },
      forward("replies", { ctstate: ["RELATED", "ESTABLISHED"] }),
      forward("router-forward", { in: wan02, ctstate: ["DNAT"] }),
      forward("router-out", { in: lan02 })
    ]
  };
}

// src/plan/lab.ts
function layoutOf(state, facts) {
  const containers = state.containers.filter((c) => c.sandbox.kind === "own" || c.sandbox.kind === "none");
  return { lab: state.lab, nodes: [...worldNodes(state, facts), hostNode(state, facts), ...containers.map((c) => containerNodeOf(state, c, facts))] };
}
function hostNode(state, facts) {
  const uplink = hostUplink(state);
  return {
    name: HOST,
    sysctls: [...baseSysctls(facts, true), ...withoutIpv6(facts), ...bridgeNetfilter(facts, needsBridgeNetfilter(state))],
    links: [uplink.link, ...state.networks.map((n) => bridgeLink(state, n, facts)), ...state.containers.flatMap((c) => c.endpoints.map((e) => bridgePort(state, c, e)))],
    routes: [uplink.route],
    rules: docker29Ruleset(state),
    proxies: proxiesOf(state, facts)
  };
}
function bridgeLink(state, network, facts) {
  const bears = network.gateway !== void 0 && !network.inhibitIpv4;
  const sysctls = [
    ...network.isDefault && facts.ipv6 ? [{ key: `net.ipv6.conf.${sysctlName(network.bridge)}.accept_ra`, value: "0" }] : [],
    ...state.engine.userlandProxy ? [] : [{ key: `net.ipv4.conf.${sysctlName(network.bridge)}.route_localnet`, value: "1" }]
  ];
  return {
    kind: "bridge",
    name: network.bridge,
    mac: deriveMac(network.id),
    ...mtuOf(network),
    addresses: bears && network.gateway ? [onLink(network.gateway, network.subnet)] : [],
    sysctls,
    owner: networkOwner(network)
  };
}
function bridgePort(state, container, endpoint) {
  const network = networkById(state, endpoint.network);
  return {
    kind: "veth",
    name: endpoint.hostIfName,
    mac: deriveMac(`port/${endpoint.id}`),
    ...mtuOf(network),
    addresses: [],
    sysctls: [],
    master: network.bridge,
    hairpin: !state.engine.userlandProxy,
    peer: { node: container.node, name: endpoint.ifName },
    owner: endpointOwner(container, network, endpoint)
  };
}
function containerNodeOf(state, container, facts) {
  const gateway = gatewayEndpoint(state, container.endpoints);
  const via = gateway && networkById(state, gateway.network).gateway;
  return {
    name: container.node,
    // a container's namespace starts with the forwarding of a host that forwards
    sysctls: [...baseSysctls(facts, true), ...Object.entries(container.sysctls).map(([key, value]) => ({ key, value }))],
    links: container.endpoints.map((e) => endpointLink(state, container, e, facts)),
    routes: gateway && via ? [{ to: DEFAULT_ROUTE, via, link: gateway.ifName }] : [],
    rules: EMPTY_RULESET,
    proxies: []
  };
}
function endpointLink(state, container, endpoint, facts) {
  const network = networkById(state, endpoint.network);
  return {
    kind: "peer",
    name: endpoint.ifName,
    mac: endpoint.mac,
    ...mtuOf(network),
    addresses: [onLink(endpoint.address, network.subnet), ...endpoint.linkLocal.map((a) => `${a}/16`)],
    sysctls: [
      ...facts.ipv6 ? [{ key: `net.ipv6.conf.${sysctlName(endpoint.ifName)}.disable_ipv6`, value: "1" }] : [],
      ...Object.entries(endpoint.sysctls).map(([key, value]) => ({ key, value }))
    ],
    owner: endpointOwner(container, network, endpoint)
  };
}
function proxiesOf(state, facts) {
  if (!state.engine.userlandProxy) return [];
  return state.containers.flatMap(
    (container) => container.bindings.flatMap((binding) => {
      const endpoint = container.endpoints.find((e) => e.id === binding.endpoint);
      if (!endpoint || binding.hostPort === void 0 || binding.hostIp.includes(":") && !facts.ipv6) return [];
      const owner = {
        kind: "port",
        label: `port ${binding.hostPort}:${binding.target}/${binding.proto} of ${container.node}`,
        ...binding.at ? { at: binding.at } : {}
      };
      return [{ proto: binding.proto, hostIp: binding.hostIp, hostPort: binding.hostPort, containerIp: endpoint.address, containerPort: binding.target, owner }];
    })
  );
}
var sysctlName = (name) => name.replaceAll(".", "/");
var mtuOf = (network) => network.mtuBytes === void 0 ? {} : { mtuBytes: network.mtuBytes };
function networkOwner(network) {
  return { kind: "network", label: `network ${network.name}`, ...network.at ? { at: network.at } : {} };
}
function endpointOwner(container, network, endpoint) {
  const at = endpoint.at ?? container.at;
  return { kind: "endpoint", label: `${container.node} on network ${network.name}`, ...at ? { at } : {} };
}

// src/plan/rule-diff.ts
function diffRulesets(before, after) {
  const key = (c) => `${c.table} ${c.name}`;
  const [had, wanted] = [new Map(before.chains.map((c) => [key(c), c])), new Map(after.chains.map((c) => [key(c), c]))];
  const created = after.chains.filter((c) => !had.has(key(c)));
  const deleted = before.chains.filter((c) => !wanted.has(key(c)));
  const policies = after.chains.flatMap((chain) => {
    const old = had.get(key(chain));
    return old?.policy && chain.policy && old.policy !== chain.policy ? [{ kind: "chain.policy", chain, before: old.policy }] : [];
  });
  return [
    ...created.map((chain) => ({ kind: "chain.create", chain })),
    ...policies,
    ...[.../* @__PURE__ */ new Set([...had.keys(), ...wanted.keys()])].flatMap((k) => diffChain(rulesOf(before, k), rulesOf(after, k))),
    ...deleted.map((chain) => ({ kind: "chain.delete", chain }))
  ];
}
var rulesOf = (set2, key) => set2.rules.filter((r) => `${r.table} ${r.chain}` === key);
function diffChain(before, after) {
  const kept2 = longestCommon(before.map(renderRule), after.map(renderRule));
  const stays = new Set(kept2.map(([i]) => i));
  const had = new Set(kept2.map(([, j]) => j));
  const deletes = before.flatMap((rule2, i) => stays.has(i) ? [] : [{ kind: "rule.delete", rule: rule2, position: i + 1, atEnd: i === before.length - 1 }]);
  const inserts = [];
  let length = kept2.length;
  after.forEach((rule2, j) => {
    if (had.has(j)) return;
    inserts.push({ kind: "rule.insert", rule: rule2, position: j + 1, atEnd: j === length });
    length++;
  });
  return [...deletes.reverse(), ...inserts];
}
function longestCommon(a, b) {
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head++;
  let tail = 0;
  while (tail < a.length - head && tail < b.length - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail++;
  const [n, m] = [a.length - head - tail, b.length - head - tail];
  const length = Array.from({ length: n + 1 }, () => new Uint32Array(m + 1));
  const at = (i, j) => length[i]?.[j] ?? 0;
  for (let i = n - 1; i >= 0; i--) {
    const row = length[i];
    for (let j = m - 1; j >= 0 && row; j--) {
      row[j] = a[head + i] === b[head + j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  const pairs = Array.from({ length: head }, (_, i) => [i, i]);
  for (let i = 0, j = 0; i < n && j < m; ) {
    if (a[head + i] === b[head + j]) pairs.push([head + i++, head + j++]);
    else if (at(i + 1, j) >= at(i, j + 1)) i++;
    else j++;
  }
  for (let k = tail; k > 0; k--) pairs.push([a.length - k, b.length - k]);
  return pairs;
}

// src/plan/plan.ts
function planLab(before, after) {
  const [old, next] = [before?.nodes ?? [], after?.nodes ?? []];
  const isNew = (n) => !old.some((o) => o.name === n.name);
  const isGone = (o) => !next.some((n) => n.name === o.name);
  const change = { before, after };
  return [
    ...old.flatMap((node2) => closeProxies(node2, after)),
    ...old.filter((n) => !isGone(n)).flatMap((node2) => deleteRoutes(node2, after)),
    ...old.flatMap((node2) => deleteLinks(node2, change)),
    ...old.filter(isGone).reverse().map((node2) => ({ kind: "netns.delete", node: node2.name })),
    ...next.filter(isNew).flatMap(createNode),
    ...next.filter((n) => !isNew(n)).flatMap((node2) => changeSysctls(node2, before)),
    ...next.flatMap((node2) => changeLinks(node2, change)),
    ...next.flatMap((node2) => openProxies(node2, before))
  ];
}
function createNode(node2) {
  return [{ kind: "netns.create", node: node2.name }, ...node2.sysctls.map(({ key, value }) => ({ kind: "sysctl.set", node: node2.name, key, value }))];
}
function changeSysctls(node2, before) {
  const old = (before && nodeOf(before, node2.name)?.sysctls) ?? [];
  return node2.sysctls.flatMap(({ key, value }) => {
    const was = old.find((s) => s.key === key)?.value;
    return was === value ? [] : [{ kind: "sysctl.set", node: node2.name, key, value, ...was === void 0 ? {} : { before: was } }];
  });
}
function deleteLinks(node2, change) {
  const leaving = node2.links.filter((link) => link.kind !== "peer" && mustGo(node2.name, link, change) && !goesWithNamespaces(node2.name, link, change));
  const ports = leaving.filter((l) => l.kind === "veth");
  const bridges = leaving.filter((l) => l.kind === "bridge");
  const stays = change.after && nodeOf(change.after, node2.name);
  const gone = (l) => ({ kind: "link.delete", node: node2.name, name: l.name, create: createLink(node2.name, l, change.before) });
  return [...ports.map(gone), ...stays ? commitRules2(node2.name, node2.rules, withoutNew(node2.rules, stays.rules)) : [], ...stays ? bridges.map(gone) : []];
}
function goesWithNamespaces(node2, link, { after }) {
  const stays = (name) => after !== void 0 && nodeOf(after, name) !== void 0;
  return !stays(node2) && (link.kind !== "veth" || !stays(link.peer.node));
}
function withoutNew(old, next) {
  const wanted = new Set(next.rules.map((r) => `${r.table} ${r.chain} ${renderSpec(r)}`));
  return { chains: old.chains, rules: old.rules.filter((r) => wanted.has(`${r.table} ${r.chain} ${renderSpec(r)}`)) };
}
function mustGo(node2, link, { after }) {
  const next = linkIn(after, node2, link.name);
  if (!next || !sameDevice(link, next)) return true;
  if (link.kind !== "veth") return false;
  const peer = linkIn(after, link.peer.node, link.peer.name);
  return !peer || next.kind !== "veth" || next.peer.node !== link.peer.node || next.peer.name !== link.peer.name;
}
var sameDevice = (a, b) => a.kind === b.kind && a.mac === b.mac && a.mtuBytes === b.mtuBytes;
function linkIn(layout, node2, name) {
  return layout && nodeOf(layout, node2)?.links.find((l) => l.name === name);
}
function deleteRoutes(node2, after) {
  const next = (after && nodeOf(after, node2.name)?.routes) ?? [];
  return node2.routes.filter((r) => !next.some((n) => sameRoute(n, r))).map((route) => ({ kind: "route.delete", node: node2.name, route }));
}
var sameRoute = (a, b) => a.to === b.to && a.via === b.via && a.link === b.link;
function changeLinks(node2, change) {
  const old = change.before && nodeOf(change.before, node2.name);
  const own = node2.links.filter((l) => l.kind !== "peer");
  const rules = commitRules2(node2.name, old ? withoutNew(old.rules, node2.rules) : EMPTY_RULESET, node2.rules);
  const fresh = (l) => mustCome(node2.name, l, change);
  const make = (l) => fresh(l) ? makeLink(node2.name, l, change) : alterLink(node2.name, l, change);
  const peers = node2.links.filter((l) => l.kind === "peer" && !isFreshPeer(node2, l, change));
  return [
    ...own.filter((l) => l.kind === "bridge").flatMap(make),
    ...rules,
    ...own.filter((l) => l.kind === "veth").flatMap(make),
    ...peers.flatMap((l) => alterLink(node2.name, l, change)),
    ...hasFreshPeer(node2, change) ? [] : addRoutes(node2, change.before)
  ];
}
function commitRules2(node2, before, after) {
  const edits = diffRulesets(before, after);
  return edits.length > 0 ? [{ kind: "rules.commit", node: node2, edits }] : [];
}
function mustCome(node2, link, change) {
  const old = linkIn(change.before, node2, link.name);
  return !old || mustGo(node2, old, change);
}
function pairOf(layout, node2, name) {
  for (const other of layout?.nodes ?? []) {
    for (const link of other.links) {
      if (link.kind === "veth" && link.peer.node === node2 && link.peer.name === name) return { node: other.name, link };
    }
  }
  return void 0;
}
function isFreshPeer(node2, link, change) {
  const pair = pairOf(change.after, node2.name, link.name);
  return pair !== void 0 && mustCome(pair.node, pair.link, change);
}
var hasFreshPeer = (node2, change) => node2.links.some((l) => l.kind === "peer" && isFreshPeer(node2, l, change));
function createLink(node2, link, layout) {
  if (link.kind !== "veth") return { kind: "bridge.create", node: node2, ...endOf(link) };
  const peer = linkIn(layout, link.peer.node, link.peer.name);
  return { kind: "veth.create", node: node2, end: endOf(link), peerNode: link.peer.node, peer: peer ? endOf(peer) : { name: link.peer.name } };
}
function endOf(link) {
  return { name: link.name, ...link.mac ? { mac: link.mac } : {}, ...link.mtuBytes ? { mtuBytes: link.mtuBytes } : {} };
}
function makeLink(node2, link, change) {
  const create = createLink(node2, link, change.after);
  if (link.kind !== "veth") return [create, ...configure(node2, link)];
  const peerNode = change.after && nodeOf(change.after, link.peer.node);
  const peer = peerNode?.links.find((l) => l.name === link.peer.name);
  if (!peerNode || !peer) return [create, ...configure(node2, link)];
  const last = peerNode.links.filter((l) => l.kind === "peer" && isFreshPeer(peerNode, l, change)).at(-1);
  return [create, ...configure(node2, link), ...configure(peerNode.name, peer), ...last === peer ? addRoutes(peerNode, change.before) : []];
}
function configure(node2, link) {
  return [
    ...link.master ? [{ kind: "port.join", node: node2, name: link.name, bridge: link.master, hairpin: link.hairpin ?? false }] : [],
    ...link.sysctls.map(({ key, value }) => ({ kind: "sysctl.set", node: node2, key, value })),
    ...link.addresses.map((address2) => ({ kind: "address.add", node: node2, link: link.name, address: address2 })),
    { kind: "link.up", node: node2, name: link.name }
  ];
}
function alterLink(node2, link, change) {
  const old = linkIn(change.before, node2, link.name);
  if (!old) return [];
  const port = (l, kind) => l.master ? [{ kind, node: node2, name: link.name, bridge: l.master, hairpin: l.hairpin ?? false }] : [];
  const moved = old.master !== link.master || (old.hairpin ?? false) !== (link.hairpin ?? false);
  return [
    ...moved ? [...port(old, "port.leave"), ...port(link, "port.join")] : [],
    ...link.sysctls.filter((s) => !old.sysctls.some((o) => o.key === s.key && o.value === s.value)).map(({ key, value }) => ({ kind: "sysctl.set", node: node2, key, value })),
    ...old.addresses.filter((a) => !link.addresses.includes(a)).map((address2) => ({ kind: "address.delete", node: node2, link: link.name, address: address2 })),
    ...link.addresses.filter((a) => !old.addresses.includes(a)).map((address2) => ({ kind: "address.add", node: node2, link: link.name, address: address2 }))
  ];
}
function addRoutes(node2, before) {
  const old = (before && nodeOf(before, node2.name)?.routes) ?? [];
  return node2.routes.filter((r) => !old.some((o) => sameRoute(o, r))).map((route) => ({ kind: "route.add", node: node2.name, route }));
}
var proxyKey2 = (p) => [p.proto, p.hostIp, p.hostPort, p.containerIp, p.containerPort].join(" ");
function closeProxies(node2, after) {
  const next = new Set(((after && nodeOf(after, node2.name)?.proxies) ?? []).map(proxyKey2));
  return node2.proxies.filter((p) => !next.has(proxyKey2(p))).map((proxy) => ({ kind: "proxy.close", node: node2.name, proxy }));
}
function openProxies(node2, before) {
  const old = new Set(((before && nodeOf(before, node2.name)?.proxies) ?? []).map(proxyKey2));
  return node2.proxies.filter((p) => !old.has(proxyKey2(p))).map((proxy) => ({ kind: "proxy.open", node: node2.name, proxy }));
}

// src/spec/tree.ts
function entryOf(tree, key) {
  return tree?.kind === "mapping" ? tree.entries.get(key) : void 0;
}
function childOf(tree, key) {
  return entryOf(tree, key)?.value;
}
function isNull(tree) {
  return tree.kind === "scalar" && tree.value === null;
}
function scalar(value, at) {
  return { kind: "scalar", value, at };
}
function mapping(entries, at) {
  return { kind: "mapping", entries, at };
}
function sequence(items, at) {
  return { kind: "sequence", items, at };
}
function equalTrees(a, b) {
  if (a === b) return true;
  if (a.kind === "scalar" && b.kind === "scalar") return a.value === b.value;
  if (a.kind === "sequence" && b.kind === "sequence") {
    return a.items.length === b.items.length && a.items.every((item, i) => {
      const other = b.items[i];
      return other !== void 0 && equalTrees(item, other);
    });
  }
  if (a.kind === "mapping" && b.kind === "mapping") {
    return a.entries.size === b.entries.size && [...a.entries].every(([key, entry]) => {
      const other = b.entries.get(key);
      return other !== void 0 && equalTrees(entry.value, other.value);
    });
  }
  return false;
}
function toPlain(tree) {
  if (tree.kind === "scalar") return tree.value;
  if (tree.kind === "sequence") return tree.items.map(toPlain);
  const plain = /* @__PURE__ */ Object.create(null);
  for (const [key, entry] of tree.entries) plain[key] = toPlain(entry.value);
  return plain;
}
function originAt(tree, path) {
  let at = tree.at;
  let here = tree;
  for (const step of path) {
    if (here?.kind === "mapping") {
      const entry = here.entries.get(String(step));
      if (!entry) return at;
      at = entry.at;
      here = entry.value;
    } else if (here?.kind === "sequence") {
      const item = here.items[Number(step)];
      if (!item) return at;
      at = item.at;
      here = item;
    } else {
      return at;
    }
  }
  return at;
}

// src/spec/check.ts
var NODES = ["@host", "@router", "@neighbour", "@internet"];
var PROTOS = ["tcp", "udp", "icmp", "sctp"];
function readChecks(inputs, entry, subjects, problems) {
  return (inputs ?? []).flatMap((input, i) => {
    const at = (...path) => entry ? originAt(entry.value, [i, ...path]) : void 0;
    const place = at() ?? { file: "", line: 1, column: 1 };
    const check2 = readCheck(input, place, at, subjects, problems);
    if (!check2) return [];
    const asleep = [check2.from, check2.to].find((ref) => ref.kind === "service" && subjects.inactive.has(ref.service));
    if (asleep?.kind !== "service") return [check2];
    problems.warn(place, `check left out: service "${asleep.service}" is in no active profile`);
    return [];
  });
}
function readCheck(input, place, at, subjects, problems) {
  const from = problems.attempt(at("from"), () => parseRef(input.from, subjects, false));
  const target = problems.attempt(at("to"), () => parseTarget(input, subjects));
  const seenAs = input["seen-as"];
  const seen = seenAs === void 0 ? void 0 : problems.attempt(at("seen-as"), () => parseIpv4(seenAs));
  const sourcePort = input["source-port"];
  const source = sourcePort === void 0 ? void 0 : problems.attempt(at("source-port"), () => parsePort(String(sourcePort), "source-port"));
  if (input.network !== void 0 && !subjects.networks.has(input.network)) {
    problems.error(at("network"), `check refers to undefined network ${input.network}`);
  }
  if (!from || !target) return void 0;
  return {
    ...input.name === void 0 ? {} : { name: input.name },
    from,
    ...target,
    ...input.network === void 0 ? {} : { network: input.network },
    expect: input.expect ?? "reach",
    ...seen === void 0 ? {} : { seenAs: seen },
    ...source === void 0 ? {} : { sourcePort: source },
    at: place
  };
}
function parseTarget(input, subjects) {
  const slash = input.to.indexOf("/");
  const own = slash < 0 ? void 0 : input.to.slice(slash + 1).toLowerCase();
  if (own !== void 0 && !PROTOS.includes(own)) throw new DocknetError("LAB_FILE", `invalid proto: ${own}`);
  if (own !== void 0 && input.proto !== void 0 && own !== input.proto) {
    throw new DocknetError("LAB_FILE", `check "to: ${input.to}" contradicts "proto: ${input.proto}"`);
  }
  const proto = own ?? input.proto ?? "tcp";
  const text = slash < 0 ? input.to : input.to.slice(0, slash);
  const colon = text.lastIndexOf(":");
  const to = parseRef(colon < 0 ? text : text.slice(0, colon), subjects, true);
  if (colon < 0) {
    if (proto === "icmp") return { to, proto };
    throw new DocknetError("LAB_FILE", `check to "${input.to}" needs a port`, {
      remedy: `Write ${text}:PORT, or proto: icmp`
    });
  }
  const port = parsePort(text.slice(colon + 1));
  if (proto === "icmp") throw new DocknetError("LAB_FILE", `check to "${input.to}": icmp has no ports`);
  return { to, port, proto };
}
function parseRef(text, subjects, isTarget) {
  const node2 = NODES.find((name) => name === text);
  if (node2) return { kind: "node", node: node2 };
  if (subjects.active.has(text) || subjects.inactive.has(text)) return { kind: "service", service: text };
  if (isTarget && isIpv4(text)) return { kind: "address", address: text };
  const wanted = `a service, ${NODES.join(", ")}${isTarget ? " or an IPv4 address" : ""}`;
  throw new DocknetError("LAB_FILE", `check refers to undefined service "${text}": it must be ${wanted}`);
}

// src/spec/compose-keys.ts
var set = (text) => new Set(text.trim().split(/\s+/));
var TOP_KEYS = set("version name include services models networks volumes secrets configs");
var SERVICE_KEYS = set(`
  annotations attach blkio_config build cap_add cap_drop cgroup cgroup_parent command configs container_name cpu_count
  cpu_percent cpu_period cpu_quota cpu_rt_period cpu_rt_runtime cpu_shares cpus cpuset credential_spec depends_on deploy
  develop device_cgroup_rules devices dns dns_opt dns_search domainname entrypoint env_file environment expose extends
  external_links extra_hosts gpus group_add healthcheck hostname image init ipc isolation label_file labels links logging
  mac_address mem_limit mem_reservation mem_swappiness memswap_limit models network_mode networks oom_kill_disable
  oom_score_adj pid pids_limit platform ports post_start pre_stop privileged profiles provider pull_policy
  pull_refresh_after read_only restart runtime scale secrets security_opt shm_size stdin_open stop_grace_period
  stop_signal storage_opt sysctls tmpfs tty ulimits use_api_socket user userns_mode uts volumes volumes_from working_dir`);
var ATTACHMENT_KEYS = set(
  "aliases interface_name ipv4_address ipv6_address link_local_ips mac_address driver_opts priority gw_priority"
);
var PORT_KEYS = set("name mode host_ip target published protocol app_protocol");
var DEPENDENCY_KEYS = set("restart required condition");
var NETWORK_KEYS = set(
  "name driver driver_opts ipam external internal enable_ipv4 enable_ipv6 attachable labels"
);
var IPAM_KEYS = set("driver config options");
var POOL_KEYS = set("subnet ip_range gateway aux_addresses");
var RESOURCE_NAME = /^[a-zA-Z0-9._-]+$/;

// src/spec/document.ts
import {
  Composer,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  Parser,
  Scalar as YamlScalar
} from "yaml";
var MAX_FILE_BYTES = 5 * 1024 * 1024;
var MAX_ITEMS = 12e4;
var MAX_NODES = 25e4;
var MAX_DEPTH = 100;
function parseDocument(text, file, problems) {
  if (!checkText(text, file, problems)) return void 0;
  const lines = new LineCounter();
  const locate = (offset) => {
    const { line, col } = lines.linePos(Math.max(0, offset));
    return { file, line: Math.max(1, line), column: Math.max(1, col) };
  };
  const before = problems.errors.length;
  const document = composeOne(text, lines, locate, problems);
  if (!document || problems.errors.length > before) return void 0;
  const root = document.contents;
  if (root === null || isScalar(root) && root.value === null) {
    problems.error(locate(0), "empty compose file");
    return void 0;
  }
  const tree = problems.attempt(locate(0), () => new Converter(locate, problems).convert(root, "", 0).tree);
  if (!tree) return void 0;
  if (tree.kind === "mapping") return tree;
  problems.error(tree.at, "top-level object must be a mapping");
  return void 0;
}
function checkText(text, file, problems) {
  const start = { file, line: 1, column: 1 };
  if (Buffer.byteLength(text) > MAX_FILE_BYTES) {
    problems.error(start, `the file is too large: more than ${MAX_FILE_BYTES / 1024 / 1024} MiB`);
    return false;
  }
  const control = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/.exec(text);
  if (control) {
    const above = text.slice(0, control.index).split("\n");
    const at = { file, line: above.length, column: (above.at(-1)?.length ?? 0) + 1 };
    problems.error(at, "yaml: control characters are not allowed", "Save the file as UTF-8 text");
    return false;
  }
  const fault = findExcess(text);
  if (fault) problems.error(start, fault);
  return fault === void 0;
}
function findExcess(text) {
  let items = 0;
  let depth = 0;
  let indicators = 0;
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    const next = text[i + 1];
    const ends = next === " " || next === "\n" || next === void 0;
    if (char === "\n") indicators = 0;
    if (char === "[" || char === "{") depth++;
    if ((char === "]" || char === "}") && depth > 0) depth--;
    if ((char === "-" || char === "?") && ends) indicators++;
    const counts = char === "\n" || char === "," || char === "[" || char === "{";
    if (counts || (char === ":" || char === "-" || char === "?") && ends) items++;
    if (items > MAX_ITEMS) return `the file is too large: more than ${MAX_ITEMS} lines and items`;
    if (depth > 10 * MAX_DEPTH || indicators > 2 * MAX_DEPTH) return `nested deeper than ${MAX_DEPTH} levels`;
  }
  return void 0;
}
function composeOne(text, lines, locate, problems) {
  const options = { version: "1.2", schema: "core", uniqueKeys: false, logLevel: "silent" };
  let first;
  try {
    for (const document of new Composer(options).compose(new Parser(lines.addNewLine).parse(text), true, text.length)) {
      if (first) {
        problems.error(
          locate(document.range[0]),
          "several documents in one file",
          "Keep one document; name the others with -f"
        );
        return void 0;
      }
      first = document;
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    problems.error(locate(0), `nested deeper than ${MAX_DEPTH} levels`);
    return void 0;
  }
  for (const error of (first?.errors ?? []).slice(0, 20)) {
    const tooDeep = error.message.includes("call stack");
    problems.error(
      locate(error.pos[0]),
      tooDeep ? `nested deeper than ${MAX_DEPTH} levels` : `yaml: ${oneLine(error.message)}`
    );
  }
  return first;
}
var oneLine = (text) => text.split("\n")[0] ?? text;
var Converter = class {
  anchors = /* @__PURE__ */ new Map();
  locate;
  problems;
  constructor(locate, problems) {
    this.locate = locate;
    this.problems = problems;
  }
  convert(node2, path, depth) {
    const at = this.locateNode(node2);
    if (depth > MAX_DEPTH) throw new DocknetError("LAB_FILE", `nested deeper than ${MAX_DEPTH} levels`, { at });
    if (isAlias(node2)) return this.followAlias(node2.source, at);
    const anchor = isScalar(node2) || isMap(node2) || isSeq(node2) ? node2.anchor : void 0;
    if (anchor) this.anchors.set(anchor, "open");
    const bare = this.convertBare(node2, path, depth, at);
    const tag = this.readTag(node2, at);
    const sized = tag ? { tree: { ...bare.tree, tag }, size: bare.size } : bare;
    if (sized.size > MAX_NODES) {
      throw new DocknetError("LAB_FILE", "document contains excessive aliasing", {
        at,
        remedy: `Copy less with anchors and aliases: the file stands for more than ${MAX_NODES} values`
      });
    }
    if (anchor) this.anchors.set(anchor, sized);
    return sized;
  }
  convertBare(node2, path, depth, at) {
    if (isMap(node2)) return this.convertMap(node2.items, path, depth, at);
    if (isSeq(node2)) {
      const items = node2.items.map((item, i) => this.convert(item, `${path}[${i}]`, depth + 1));
      return {
        tree: sequence(
          items.map((item) => item.tree),
          at
        ),
        size: sum(items)
      };
    }
    const value = isScalar(node2) ? node2.value : null;
    if (value === null || typeof value === "string" || typeof value === "boolean")
      return { tree: scalar(value, at), size: 1 };
    if (typeof value === "number") return { tree: scalar(value, at), size: 1 };
    return { tree: scalar(String(value), at), size: 1 };
  }
  convertMap(pairs, path, depth, at) {
    const own = /* @__PURE__ */ new Map();
    const inherited = [];
    let size = 1;
    for (const pair of pairs) {
      const keyAt = this.locateNode(pair.key);
      const isMerge = isMergeKey(pair.key);
      const key = isMerge ? "<<" : this.readKey(pair.key, path, keyAt);
      const value = this.convert(pair.value, path === "" ? key ?? "" : `${path}.${key}`, depth + 1);
      size += value.size + 1;
      if (isMerge) inherited.push({ before: own.size, from: this.readMergeSources(value.tree) });
      else if (key === void 0) continue;
      else if (own.has(key))
        this.problems.error(keyAt, `mapping key "${key}" already defined at line ${own.get(key)?.at.line}`);
      else own.set(key, { at: keyAt, value: value.tree });
    }
    return { tree: mapping(inherited.length === 0 ? own : inheritKeys(own, inherited), at), size };
  }
  readKey(node2, path, at) {
    const target = isAlias(node2) ? this.followAlias(node2.source, at).tree : void 0;
    const value = target ? target.kind === "scalar" ? target.value : target.kind : isScalar(node2) ? node2.value : "a collection";
    const isText = target ? target.kind === "scalar" : isScalar(node2);
    if (isScalar(node2) && node2.anchor && typeof node2.value === "string") {
      this.anchors.set(node2.anchor, { tree: scalar(node2.value, at), size: 1 });
    }
    if (isText && typeof value === "string") return value;
    this.problems.error(
      at,
      `non-string key ${path === "" ? "at top level" : `in ${path}`}: ${String(value)}`,
      "Quote the key"
    );
    return void 0;
  }
  /** `<<: *a` and `<<: [*a, *b]` (https://yaml.org/type/merge.html). */
  readMergeSources(tree) {
    const sources = tree.kind === "sequence" ? tree.items : [tree];
    return sources.flatMap((source) => {
      if (source.kind === "mapping") return [source];
      this.problems.error(source.at, "yaml: map merge requires map or sequence of maps as the value");
      return [];
    });
  }
  followAlias(name, at) {
    const target = this.anchors.get(name);
    if (target && target !== "open") return target;
    const message = target ? `yaml: anchor '${name}' value contains itself` : `yaml: unknown anchor '${name}' referenced`;
    throw new DocknetError("LAB_FILE", message, { at });
  }
  readTag(node2, at) {
    const tag = isScalar(node2) || isMap(node2) || isSeq(node2) ? node2.tag : void 0;
    if (tag === void 0 || /^(tag:yaml\.org,2002:(str|int|float|bool|null|map|seq)|!)$/.test(tag)) return void 0;
    if (tag === "!reset" || tag === "!override") return tag === "!reset" ? "reset" : "override";
    this.problems.error(at, `yaml: unknown tag ${tag}`, "Use !reset or !override, or no tag");
    return void 0;
  }
  locateNode(node2) {
    const range = isAlias(node2) || isScalar(node2) || isMap(node2) || isSeq(node2) ? node2.range : void 0;
    return this.locate(range?.[0] ?? 0);
  }
};
var sum = (items) => items.reduce((total, item) => total + item.size, 1);
function isMergeKey(node2) {
  return isScalar(node2) && node2.value === "<<" && node2.type === YamlScalar.PLAIN;
}
function inheritKeys(own, inherited) {
  const all = /* @__PURE__ */ new Map();
  const ownEntries = [...own];
  let next = 0;
  for (const { before, from } of inherited) {
    for (; next < before; next++) {
      const entry = ownEntries[next];
      if (entry) all.set(entry[0], entry[1]);
    }
    for (const source of from) {
      for (const [key, entry] of source.entries) if (!own.has(key) && !all.has(key)) all.set(key, entry);
    }
  }
  for (const [key, entry] of ownEntries.slice(next)) all.set(key, entry);
  return all;
}

// src/spec/extends.ts
import { dirname } from "node:path";

// src/spec/merge.ts
var SERVICE_RULES = /* @__PURE__ */ new Map([
  ["deploy", "tree"],
  ["expose", "tree"],
  ["external_links", "tree"],
  ["links", "tree"],
  ["ports", "tree"],
  ["profiles", "tree"],
  ["dns", "list"],
  ["dns_opt", "list"],
  ["dns_search", "list"],
  ["extra_hosts", "list"],
  ["labels", "list"],
  ["sysctls", "list"],
  ["depends_on", "names"],
  ["networks", "names"]
]);
function ruleOf(path) {
  const [section, , key, inner] = path;
  if (section === "services" && path.length === 3 && key)
    return SERVICE_RULES.get(key) ?? (key.startsWith("x-") ? "tree" : "replace");
  if (section === "networks" && path.length === 3 && key === "labels") return "list";
  if (section === "networks" && path.length === 4 && key === "ipam" && inner === "config") return "pools";
  return "tree";
}
function mergeTrees(base, over, problems, path = []) {
  const merged = new Map(base.entries);
  for (const [key, entry] of over.entries) {
    if (entry.value.tag === "reset") {
      merged.delete(key);
      continue;
    }
    const before = merged.get(key);
    if (!before || entry.value.tag === "override") merged.set(key, { at: entry.at, value: stripTags(entry.value) });
    else merged.set(key, { at: before.at, value: mergeValues(before.value, entry.value, problems, [...path, key]) });
  }
  return mapping(merged, base.at);
}
function mergeValues(base, over, problems, path) {
  const rule2 = ruleOf(path);
  if (rule2 === "replace") return stripTags(over);
  if (isNull(over)) return base;
  if (isNull(base)) return stripTags(over);
  if (rule2 === "list") return appendUnique(toList(base), toList(stripTags(over)));
  if (rule2 === "names") return mergeTrees(toNames(base, problems, path), toNames(over, problems, path), problems, path);
  if (base.kind !== over.kind) {
    problems.error(
      over.at,
      `cannot override ${path.join(".")}`,
      "Write the same kind of value as the file before, or tag it !override"
    );
    return base;
  }
  if (base.kind === "mapping" && over.kind === "mapping") return mergeTrees(base, over, problems, path);
  if (base.kind === "sequence" && over.kind === "sequence") {
    const items = over.items.filter((item) => item.tag !== "reset").map(stripTags);
    return rule2 === "pools" ? mergePools(base, items, problems, path) : sequence([...base.items, ...items], base.at);
  }
  return stripTags(over);
}
function stripTags(tree) {
  return strip(tree);
}
function strip(tree) {
  if (tree.kind === "scalar") return scalar(tree.value, tree.at);
  if (tree.kind === "sequence") return sequence(tree.items.filter((item) => item.tag !== "reset").map(strip), tree.at);
  const entries = /* @__PURE__ */ new Map();
  for (const [key, entry] of tree.entries) {
    if (entry.value.tag !== "reset") entries.set(key, { at: entry.at, value: strip(entry.value) });
  }
  return mapping(entries, tree.at);
}
function toList(tree) {
  if (tree.kind === "sequence") return tree;
  if (tree.kind === "scalar") return sequence([tree], tree.at);
  const items = [...tree.entries].flatMap(([key, { at, value }]) => {
    if (value.kind === "sequence") return value.items.map((item) => scalar(`${key}=${plainText(item)}`, item.at));
    return [scalar(isNull(value) ? key : `${key}=${plainText(value)}`, at)];
  });
  return sequence(items, tree.at);
}
var plainText = (tree) => tree.kind === "scalar" ? String(tree.value ?? "") : "";
function appendUnique(base, over) {
  const texts = new Set(base.items.map(plainText));
  const added = over.items.filter((item) => item.kind !== "scalar" || !texts.has(plainText(item)));
  return sequence([...base.items, ...added], base.at);
}
function toNames(tree, problems, path) {
  if (tree.kind === "mapping") return tree;
  const entries = /* @__PURE__ */ new Map();
  for (const item of tree.kind === "sequence" ? tree.items : [tree]) {
    if (item.kind === "scalar" && typeof item.value === "string")
      entries.set(item.value, { at: item.at, value: scalar(null, item.at) });
    else problems.error(item.at, `${path.join(".")} must be a list of strings or a mapping`);
  }
  return mapping(entries, tree.at);
}
function mergePools(base, over, problems, path) {
  const pools = [...base.items];
  for (const pool of over) {
    const subnet2 = childOf(pool, "subnet");
    const index = pools.findIndex((known2) => sameSubnet(childOf(known2, "subnet"), subnet2));
    const known = pools[index];
    if (known?.kind === "mapping" && pool.kind === "mapping") pools[index] = mergeTrees(known, pool, problems, path);
    else pools.push(pool);
  }
  return sequence(pools, base.at);
}
function sameSubnet(a, b) {
  return a === void 0 || b === void 0 ? a === b : equalTrees(a, b);
}

// src/spec/extends.ts
var MAX_CHAIN = 50;
function resolveExtends(scope, reader) {
  const services = entryOf(scope.tree, "services");
  if (services?.value.kind !== "mapping") return scope.tree;
  const resolver = new Resolver(reader);
  const resolved = /* @__PURE__ */ new Map();
  for (const [name, entry] of services.value.entries) {
    resolved.set(name, { at: entry.at, value: resolver.resolve(scope, name, entry.value, []) });
  }
  const value = { ...services.value, entries: resolved };
  return mapping(new Map(scope.tree.entries).set("services", { at: services.at, value }), scope.tree.at);
}
var Resolver = class {
  done = /* @__PURE__ */ new Map();
  reader;
  constructor(reader) {
    this.reader = reader;
  }
  resolve(scope, name, service, chain) {
    const reference = entryOf(service, "extends");
    if (service.kind !== "mapping" || !reference) return service;
    const known = this.done.get(service);
    if (known) return known;
    const resolved = this.extend(scope, name, service, reference, chain);
    this.done.set(service, resolved);
    return resolved;
  }
  extend(scope, name, service, reference, chain) {
    const own = mapping(new Map([...service.entries].filter(([key]) => key !== "extends")), service.at);
    const target = this.readTarget(name, reference);
    if (!target) return own;
    const links = [...chain, { file: scope.name, service: name }];
    const base = target.file === void 0 ? scope : this.reader.open(target.file, scope.directory, reference.at);
    if (!base) return own;
    const from = childOf(childOf(base.tree, "services"), target.service);
    if (!from) {
      const where = base === scope ? "" : ` in ${base.name}`;
      this.reader.problems.error(
        reference.at,
        `cannot extend service "${name}" in ${scope.name}: service "${target.service}" not found${where}`
      );
      return own;
    }
    if (this.isCircular(links, { file: base.name, service: target.service }, reference)) return own;
    const resolved = isNull(from) ? mapping(/* @__PURE__ */ new Map(), from.at) : this.resolve(base, target.service, from, links);
    if (resolved.kind !== "mapping") return own;
    return { ...mergeTrees(resolved, own, this.reader.problems, ["services", name]), at: service.at };
  }
  isCircular(links, next, reference) {
    const all = [...links, next];
    const isLoop = links.some((link) => link.file === next.file && link.service === next.service);
    if (!isLoop && links.length < MAX_CHAIN) return false;
    const [first, ...rest] = all.map((link) => `${link.service} in ${link.file}`);
    const text = `${first} extends ${rest.join(" extends ")}`;
    this.reader.problems.error(
      reference.at,
      isLoop ? `Circular reference: ${text}` : `extends: more than ${MAX_CHAIN} services in a row`
    );
    return true;
  }
  readTarget(name, reference) {
    const { value } = reference;
    if (value.kind === "scalar" && typeof value.value === "string") return { service: value.value };
    const service = childOf(value, "service");
    const file = childOf(value, "file");
    if (service?.kind !== "scalar" || typeof service.value !== "string") {
      this.reader.problems.error(reference.at, `extends.${name}.service is required`);
      return void 0;
    }
    if (file === void 0) return { service: service.value };
    if (file.kind === "scalar" && typeof file.value === "string") return { service: service.value, file: file.value };
    this.reader.problems.error(file.at, `services.${name}.extends.file must be a string`);
    return void 0;
  }
};
function scopeOf(path, name, tree) {
  return { file: path, name, directory: dirname(path), tree };
}

// src/spec/include.ts
import { dirname as dirname2 } from "node:path";

// src/spec/interpolate.ts
function interpolateTree(tree, lookup, problems, warned = /* @__PURE__ */ new Set()) {
  const visit = (node2, path) => {
    if (node2.tag === "reset") return node2;
    if (node2.kind === "sequence") {
      return { ...node2, items: node2.items.flatMap((item, i) => visit(item, `${path}[${i}]`) ?? []) };
    }
    if (node2.kind === "mapping") return visitMapping(node2, path);
    if (typeof node2.value !== "string" || !node2.value.includes("$")) return node2;
    const value = interpolateScalar(node2.value, path, node2.at);
    return value === void 0 ? void 0 : { ...node2, value };
  };
  const visitMapping = (node2, path) => {
    const entries = /* @__PURE__ */ new Map();
    for (const [key, { at, value }] of node2.entries) {
      const replaced = visit(value, path === "" ? key : `${path}.${key}`);
      if (replaced) entries.set(key, { at, value: replaced });
    }
    return { ...node2, entries };
  };
  const interpolateScalar = (text, path, at) => {
    try {
      return interpolateText(text, lookup, (name) => {
        if (!warned.has(name)) problems.warn(at, `The "${name}" variable is not set. Defaulting to a blank string.`);
        warned.add(name);
      });
    } catch (error) {
      if (!(error instanceof DocknetError)) throw error;
      problems.error(at, describeFault(error, path, text));
      return void 0;
    }
  };
  return visitMapping(tree, "");
}
function describeFault(error, path, text) {
  if (error.details.missing === true) return `error while interpolating ${path}: ${error.message}`;
  return `invalid interpolation format for ${path}: ${JSON.stringify(text)}; you may need to escape any $ with another $`;
}
function interpolateText(text, lookup, onUnset = () => {
}) {
  let out = "";
  let rest = text;
  for (let dollar = rest.indexOf("$"); dollar >= 0; dollar = rest.indexOf("$")) {
    out += rest.slice(0, dollar);
    rest = rest.slice(dollar + 1);
    const name = /^[_a-zA-Z][_a-zA-Z0-9]*/.exec(rest)?.[0];
    if (rest.startsWith("$")) {
      out += "$";
      rest = rest.slice(1);
    } else if (rest.startsWith("{")) {
      const end = findClosingBrace(rest);
      if (end < 0) throw malformed(text);
      out += expandBraces(rest.slice(1, end), lookup, onUnset);
      rest = rest.slice(end + 1);
    } else if (name !== void 0) {
      out += expandName(name, lookup, onUnset);
      rest = rest.slice(name.length);
    } else {
      throw malformed(text);
    }
  }
  return out + rest;
}
function findClosingBrace(text) {
  let depth = 1;
  for (let i = 1; i < text.length; i++) {
    if (text[i] === "}") depth--;
    if (depth === 0) return i;
    if (text[i] === "$" && text[i + 1] === "{") {
      depth++;
      i++;
    }
  }
  return -1;
}
function expandBraces(inner, lookup, onUnset) {
  const match = /^([_a-zA-Z][_a-zA-Z0-9]*)(?:(:?)([-?+])([\s\S]*))?$/.exec(inner);
  if (!match) throw malformed(`\${${inner}}`);
  const [, name = "", colon, operator, operand = ""] = match;
  if (operator === void 0) return expandName(name, lookup, onUnset);
  const value = lookup(name);
  const isSet = value !== void 0 && !(colon === ":" && value === "");
  if (operator === "+") return isSet ? interpolateText(operand, lookup, onUnset) : "";
  if (isSet) return value ?? "";
  if (operator === "-") return interpolateText(operand, lookup, onUnset);
  const reason = interpolateText(operand, lookup, onUnset);
  throw new DocknetError("LAB_FILE", `required variable ${name} is missing a value${reason ? `: ${reason}` : ""}`, {
    details: { missing: true }
  });
}
function expandName(name, lookup, onUnset) {
  const value = lookup(name);
  if (value === void 0) onUnset(name);
  return value ?? "";
}
function malformed(template) {
  return new DocknetError("LAB_FILE", `invalid template: ${JSON.stringify(template)}`);
}

// src/spec/dotenv.ts
function parseDotenv(text, file, outer, problems) {
  const found = /* @__PURE__ */ new Map();
  const lookup = (name) => outer(name) ?? found.get(name);
  for (const statement of splitStatements(text.replaceAll("\r\n", "\n"), file, problems)) {
    const { key, at } = statement;
    if (statement.value === void 0) {
      const inherited = outer(key);
      if (inherited !== void 0) found.set(key, inherited);
      continue;
    }
    const { value: raw, literal } = statement;
    const value = problems.attempt(at, () => literal ? raw : expand(raw, lookup));
    if (value !== void 0) found.set(key, value);
  }
  return found;
}
function expand(text, lookup) {
  try {
    return interpolateText(text, lookup);
  } catch (error) {
    if (!(error instanceof DocknetError) || error.details.missing === true) throw error;
    throw new DocknetError("LAB_FILE", `${error.message}; you may need to escape any $ with another $`);
  }
}
function splitStatements(text, file, problems) {
  const statements = [];
  let offset = 0;
  let line = 1;
  while (offset < text.length) {
    const end = lineEnd(text, offset);
    const content = text.slice(offset, end);
    const at = { file, line, column: content.length - content.trimStart().length + 1 };
    if (content.trim() === "" || content.trimStart().startsWith("#")) {
      offset = end + 1;
      line++;
      continue;
    }
    const read = readStatement(text, offset, end, at, problems);
    if (read.statement) statements.push(read.statement);
    line += text.slice(offset, read.next).split("\n").length - 1;
    offset = read.next;
  }
  return statements;
}
function lineEnd(text, from) {
  const end = text.indexOf("\n", from);
  return end < 0 ? text.length : end;
}
function readStatement(text, offset, end, at, problems) {
  const content = text.slice(offset, end);
  const match = /^\s*(?:export\s+)?([^=:\s]+)[ \t]*(?:([=:])[ \t]*|$)/.exec(content);
  const key = match?.[1] ?? "";
  if (!match || !/^[\p{L}\p{N}_.[\]-]+$/u.test(key)) {
    const bad = /[^\p{L}\p{N}_.[\]\s-]/u.exec(content.split(/[=:]/)[0] ?? "")?.[0];
    problems.error(at, bad ? `unexpected character "${bad}" in variable name` : "key cannot contain a space");
    return { next: end + 1 };
  }
  if (match[2] === void 0) return { statement: { key, at, value: void 0, literal: true }, next: end + 1 };
  const start = offset + match[0].length;
  const quote = text[start];
  if (quote !== "'" && quote !== '"') {
    const value2 = content.slice(match[0].length).replace(/(^|\s)#.*$/, "").trimEnd();
    return { statement: { key, at, value: value2, literal: false }, next: end + 1 };
  }
  const close = findQuote(text, start + 1, quote);
  if (close < 0) {
    problems.error(at, `unterminated quoted value ${text.slice(start, end)}`);
    return { next: text.length };
  }
  const inner = text.slice(start + 1, close);
  const value = quote === '"' ? unescapeDouble(inner) : inner.replaceAll("\\'", "'");
  return { statement: { key, at, value, literal: quote === "'" }, next: lineEnd(text, close) + 1 };
}
function findQuote(text, from, quote) {
  for (let i = from; i < text.length; i++) {
    if (text[i] === "\\") i++;
    else if (text[i] === quote) return i;
  }
  return -1;
}
var ESCAPES = { n: "\n", r: "\r", t: "	", '"': '"', "\\": "\\", $: "$$" };
function unescapeDouble(text) {
  return text.replace(/\\(.)/gs, (whole2, char) => ESCAPES[char] ?? whole2);
}

// src/spec/include.ts
var IMPORTED = ["services", "networks"];
function resolveIncludes(tree, scope, reader) {
  const include = entryOf(tree, "include");
  if (!include) return tree;
  let result = mapping(new Map([...tree.entries].filter(([key]) => key !== "include")), tree.at);
  if (include.value.kind !== "sequence") {
    reader.problems.error(include.at, "include must be a array");
    return result;
  }
  for (const [i, item] of include.value.items.entries()) {
    const imported = importOne(item, `include[${i}]`, scope, reader);
    if (imported) result = importResources(result, imported, reader.problems);
  }
  return result;
}
function importOne(item, path, scope, reader) {
  const { files, problems } = reader;
  const names = readTexts(item.kind === "mapping" ? childOf(item, "path") : item, `${path}.path`, item.at, problems);
  const unknown = item.kind === "mapping" ? [...item.entries].find(([key]) => !["path", "env_file", "project_directory"].includes(key)) : void 0;
  if (unknown) problems.error(unknown[1].at, `${path} additional properties '${unknown[0]}' not allowed`);
  if (!names || names.length === 0) return void 0;
  const remote = names.find((name) => /^[a-z][a-z0-9+.-]*:\/\/|^git@/.test(name));
  if (remote !== void 0) {
    problems.error(item.at, `cannot include ${remote}: only files of this machine can be included`);
    return void 0;
  }
  const paths = names.map((name) => files.resolve(scope.directory, name));
  const [first = ""] = paths;
  const chain = [...scope.chain, first];
  if (scope.chain.includes(first)) {
    problems.error(
      item.at,
      `include cycle detected: ${chain.map((file) => files.displayName(file)).join(" include ")}`
    );
    return void 0;
  }
  if (paths.some((file) => problems.attempt(item.at, () => files.read(file)) === void 0)) return void 0;
  const own = readTexts(childOf(item, "project_directory"), `${path}.project_directory`, item.at, problems)?.[0];
  const directory = own === void 0 ? dirname2(first) : files.resolve(scope.directory, own);
  const lookup = readEnvironment(item, path, directory, scope, reader);
  return problems.attempt(item.at, () => reader.load(paths, { directory, lookup, chain }));
}
function readEnvironment(item, path, directory, scope, reader) {
  const { files, problems } = reader;
  const named = readTexts(childOf(item, "env_file"), `${path}.env_file`, item.at, problems);
  const implicit = files.resolve(directory, ".env");
  const envFiles = named ? named.filter((name) => name !== "/dev/null").map((name) => files.resolve(scope.directory, name)) : [implicit].filter((file) => files.exists(file));
  const found = /* @__PURE__ */ new Map();
  const known = (name) => scope.lookup(name) ?? found.get(name);
  for (const file of envFiles) {
    const text = problems.attempt(item.at, () => files.read(file));
    if (text === void 0) continue;
    for (const [key, value] of parseDotenv(text, files.displayName(file), scope.lookup, problems))
      found.set(key, value);
  }
  return known;
}
function readTexts(tree, path, at, problems) {
  if (tree === void 0) return void 0;
  const items = tree.kind === "sequence" ? tree.items : [tree];
  return items.flatMap((item) => {
    if (item.kind === "scalar" && typeof item.value === "string" && item.value !== "") return [item.value];
    problems.error(item.at ?? at, `${path} must be a string or a list of strings`);
    return [];
  });
}
function importResources(target, source, problems) {
  const merged = new Map(target.entries);
  const extension = source.entries.get("x-docknet");
  if (extension)
    problems.warn(extension.at, "x-docknet of an included file is ignored", "Write it into the file that includes");
  for (const section of IMPORTED) {
    const from = source.entries.get(section);
    if (from?.value.kind !== "mapping") continue;
    const into = merged.get(section);
    const entries = new Map(into?.value.kind === "mapping" ? into.value.entries : []);
    for (const [name, entry] of from.value.entries) {
      const twin = entries.get(name);
      if (!twin) entries.set(name, entry);
      else if (!equalTrees(twin.value, entry.value))
        problems.error(twin.at, `${section}.${name} conflicts with imported resource`);
    }
    merged.set(section, { at: into?.at ?? from.at, value: mapping(entries, into?.value.at ?? from.value.at) });
  }
  return mapping(merged, target.at);
}

// src/spec/compose-tree.ts
var MAX_FILES = 200;
var ComposeTreeLoader = class {
  files;
  problems;
  warned = /* @__PURE__ */ new Set();
  parsed = /* @__PURE__ */ new Map();
  opened = 0;
  constructor(files, problems) {
    this.files = files;
    this.problems = problems;
  }
  /** The merged tree, or undefined when a file could not be understood; problems are in the list. */
  load(paths, scope) {
    let merged;
    let isComplete2 = true;
    for (const path of paths) {
      const own = this.openInterpolated(path, scope.lookup);
      if (!own) {
        isComplete2 = false;
        continue;
      }
      const name = this.files.displayName(path);
      const extended = resolveExtends(
        { file: path, name, directory: scope.directory, tree: own },
        this.extendsReader(scope)
      );
      const chain = scope.chain.includes(path) ? scope.chain : [...scope.chain, path];
      const whole2 = resolveIncludes(
        extended,
        { ...scope, chain },
        { files: this.files, problems: this.problems, load: (p, s) => this.load(p, s) }
      );
      merged = merged ? mergeTrees(merged, whole2, this.problems) : stripTags(whole2);
    }
    return isComplete2 ? merged : void 0;
  }
  /** The file as written, for what must be known before variables are replaced. */
  parse(path) {
    if (this.parsed.has(path)) return this.parsed.get(path);
    const text = this.problems.attempt(void 0, () => this.files.read(path));
    const name = this.files.displayName(path);
    if (text !== void 0) this.files.composeFiles.push(name);
    const tree = text === void 0 ? void 0 : parseDocument(text, name, this.problems);
    this.parsed.set(path, tree);
    return tree;
  }
  openInterpolated(path, lookup, from) {
    if (++this.opened > MAX_FILES) {
      if (this.opened === MAX_FILES + 1)
        this.problems.error(from, `more than ${MAX_FILES} files are included or extended`);
      return void 0;
    }
    const tree = this.parse(path);
    return tree && interpolateTree(tree, lookup, this.problems, this.warned);
  }
  extendsReader(scope) {
    const scopes = /* @__PURE__ */ new Map();
    const open2 = (path, directory, at) => {
      const file = this.files.resolve(directory, path);
      if (scopes.has(file)) return scopes.get(file);
      if (!this.files.exists(file))
        this.problems.error(at, `cannot extend from ${path}: open ${file}: no such file or directory`);
      const tree = this.files.exists(file) ? this.openInterpolated(file, scope.lookup, at) : void 0;
      const opened = tree && scopeOf(file, this.files.displayName(file), tree);
      scopes.set(file, opened);
      return opened;
    };
    return { problems: this.problems, open: open2 };
  }
};

// src/spec/consistency.ts
function checkConsistency(services, networks, problems) {
  const byKey = new Map(networks.map((network) => [network.key, network]));
  const keys = new Set(services.map(({ spec }) => spec.key));
  const taken = /* @__PURE__ */ new Map();
  const names = /* @__PURE__ */ new Map();
  for (const { spec, body } of services) {
    checkContainerName(spec, body, names, problems);
    checkMode(spec, body, keys, problems);
    for (const attachment of spec.attachments) checkAttachment(spec, attachment, body, byKey, taken, problems);
    checkMac(spec, problems);
  }
}
function placeOf2(body, key, fallback) {
  return entryOf(body, key)?.at ?? fallback;
}
function checkContainerName(spec, body, names, problems) {
  if (spec.containerName === void 0) return;
  const owner = names.get(spec.containerName);
  if (owner === void 0) {
    names.set(spec.containerName, spec.key);
    return;
  }
  const at = placeOf2(body, "container_name", spec.at);
  problems.error(
    at,
    `services.${spec.key}: container name "${spec.containerName}" is already in use by service ${owner}`
  );
}
function checkMode(spec, body, keys, problems) {
  const { mode } = spec;
  const refuse = (key, message) => {
    if (isGiven(body, key)) problems.error(placeOf2(body, key, spec.at), message);
  };
  if (mode.kind === "service" && !keys.has(mode.service)) {
    problems.error(
      placeOf2(body, "network_mode", spec.at),
      `service "${mode.service}" not found for network_mode 'service:${mode.service}'`
    );
  }
  if (mode.kind === "host") {
    refuse(
      "links",
      "conflicting options: host type networking can't be used with links. This would result in undefined behavior"
    );
    if (spec.ports.length > 0) {
      problems.warn(placeOf2(body, "ports", spec.at), "Published ports are discarded when using host network mode");
    }
  }
  if (mode.kind !== "service" && mode.kind !== "container") return;
  refuse("ports", "conflicting options: port publishing and the container type network mode");
  refuse("expose", "conflicting options: port exposing and the container type network mode");
  refuse("hostname", "conflicting options: hostname and the network mode");
  refuse("dns", "conflicting options: dns and the network mode");
  refuse("extra_hosts", "conflicting options: custom host-to-IP mapping and the network mode");
  refuse(
    "links",
    "conflicting options: container type network can't be used with links. This would result in undefined behavior"
  );
}
function isGiven(body, key) {
  const value = childOf(body, key);
  if (value === void 0) return false;
  if (value.kind === "sequence") return value.items.length > 0;
  if (value.kind === "mapping") return value.entries.size > 0;
  return value.value !== null && value.value !== "";
}
function checkAttachment(spec, attachment, body, networks, taken, problems) {
  const network = networks.get(attachment.network);
  if (!network) {
    const message = `service "${spec.key}" refers to undefined network ${attachment.network}: invalid compose project`;
    problems.error(attachment.at, message, `Declare it under the top-level \`networks:\``);
    return;
  }
  const { ipv4 } = attachment;
  if (ipv4 === void 0) return;
  const at = placeOfAddress(body, attachment);
  const used = taken.get(network.key) ?? /* @__PURE__ */ new Set();
  taken.set(network.key, used);
  const pool = network.ipam.find(({ subnet: subnet2 }) => subnet2 !== void 0 && contains(subnet2, ipv4));
  const hasSubnet = network.ipam.some(({ subnet: subnet2 }) => subnet2 !== void 0);
  if (hasSubnet && !pool)
    problems.error(at, `invalid endpoint settings: no configured subnet contains IP address ${ipv4}`);
  else if (used.has(ipv4) || spec.replicas > 1 || pool && isReserved(pool, ipv4))
    problems.error(at, "Address already in use");
  used.add(ipv4);
}
function placeOfAddress(body, attachment) {
  return entryOf(childOf(childOf(body, "networks"), attachment.network), "ipv4_address")?.at ?? attachment.at;
}
function isReserved(pool, address2) {
  if (pool.gateway === address2 || Object.values(pool.auxAddresses).includes(address2)) return true;
  if (!pool.subnet || prefixLength(pool.subnet) > 30) return false;
  return address2 === addressOf(pool.subnet) || address2 === broadcastOf(pool.subnet);
}
function checkMac(spec, problems) {
  const [main] = [...spec.attachments].sort((a, b) => b.priority - a.priority || (a.network < b.network ? -1 : 1));
  if (!main || spec.mac === void 0 || main.mac === void 0 || main.mac === spec.mac) return;
  problems.error(main.at, `the service-level mac_address should have the same value as network ${main.network}`);
}

// src/spec/engine.ts
var [MIN_MTU, MAX_MTU] = [68, 65535];
function readEngine(input, entry, problems) {
  const given = input ?? {};
  const flag2 = (value, fallback) => value === void 0 ? fallback : String(value) === "true";
  const at = (...path) => entry ? originAt(entry.value, path) : void 0;
  const { bip, mtu } = given;
  if (bip !== void 0) problems.attempt(at("bip"), () => parseIfAddr(bip));
  if (mtu !== void 0 && (Number(mtu) < MIN_MTU || Number(mtu) > MAX_MTU)) {
    problems.error(at("mtu"), `x-docknet.engine.mtu: ${mtu} is not between ${MIN_MTU} and ${MAX_MTU}`);
  }
  const addressPools = (given["default-address-pools"] ?? []).flatMap(({ base, size }, i) => {
    const pool = problems.attempt(at("default-address-pools", i), () => parsePool(base, Number(size)));
    return pool ? [pool] : [];
  });
  return {
    profile: given.profile ?? "docker-29",
    userlandProxy: flag2(given["userland-proxy"], true),
    ipForward: flag2(given["ip-forward"], false),
    allowDirectRouting: flag2(given["allow-direct-routing"], false),
    icc: flag2(given.icc, true),
    ...bip === void 0 ? {} : { bip },
    ...mtu === void 0 ? {} : { mtu: Number(mtu) },
    addressPools,
    ...entry ? { at: entry.at } : {}
  };
}
function parsePool(text, size) {
  const base = parseSubnet(text, "base pool");
  if (size >= prefixLength(base) && size <= 32) return { base, size };
  throw new DocknetError("LAB_FILE", `invalid base pool ${text}: subnets of /${size} cannot be cut from it`);
}

// src/spec/reader.ts
function checkKeys(tree, known, path, problems) {
  if (tree.kind !== "mapping") return;
  for (const [key, entry] of tree.entries) {
    if (known.has(key) || key.startsWith("x-")) continue;
    problems.error(entry.at, `${path === "" ? "" : `${path} `}additional properties '${key}' not allowed`);
  }
}
function readMapping(entry, path, problems, nullable = false) {
  if (!entry || nullable && isNull(entry.value)) return void 0;
  if (entry.value.kind === "mapping") return entry.value;
  problems.error(entry.at, `${path} must be a mapping`);
  return void 0;
}
function readString(entry, path, problems) {
  if (!entry) return void 0;
  if (entry.value.kind === "scalar" && typeof entry.value.value === "string") return entry.value.value;
  problems.error(entry.at, `${path} must be a string`);
  return void 0;
}
function readBoolean(entry, path, problems) {
  if (!entry) return void 0;
  const value = entry.value.kind === "scalar" ? entry.value.value : void 0;
  if (typeof value === "boolean") return value;
  if (typeof value === "string" && /^(true|y|yes|on|1)$/i.test(value)) return true;
  if (typeof value === "string" && /^(false|n|no|off|0)$/i.test(value)) return false;
  problems.error(entry.at, `${path} must be a boolean or string`);
  return void 0;
}
function readInteger(entry, path, problems, minimum = Number.MIN_SAFE_INTEGER) {
  if (!entry) return void 0;
  const value = entry.value.kind === "scalar" ? entry.value.value : void 0;
  const number = typeof value === "string" && /^[+-]?\d+$/.test(value.trim()) ? Number(value) : value;
  if (typeof number !== "number" || !Number.isSafeInteger(number)) {
    problems.error(entry.at, `${path} must be a integer or string`);
    return void 0;
  }
  if (number >= minimum) return number;
  problems.error(entry.at, `${path} must be greater than or equal to ${minimum}`);
  return void 0;
}
function readTexts2(entry, path, problems, numbers = false) {
  if (!entry) return [];
  if (entry.value.kind !== "sequence") {
    problems.error(entry.at, `${path} must be a array`);
    return [];
  }
  const texts = /* @__PURE__ */ new Map();
  for (const [i, item] of entry.value.items.entries()) {
    const value = item.kind === "scalar" ? item.value : void 0;
    if (typeof value === "string" || numbers && typeof value === "number")
      texts.set(String(value), { value: String(value), at: item.at });
    else problems.error(item.at, `${path}.${i} must be a string`);
  }
  return [...texts.values()];
}
function readTextOrTexts(entry, path, problems) {
  if (entry?.value.kind === "scalar" && typeof entry.value.value === "string") {
    return [{ value: entry.value.value, at: entry.value.at }];
  }
  return readTexts2(entry, path, problems);
}
function readPairs(entry, path, problems) {
  const pairs = /* @__PURE__ */ new Map();
  if (!entry) return pairs;
  if (entry.value.kind === "mapping") {
    for (const [key, item] of entry.value.entries) {
      if (item.value.kind === "scalar") pairs.set(key, { value: String(item.value.value ?? ""), at: item.at });
      else problems.error(item.at, `${path}.${key} must be a boolean, null, number or string`);
    }
    return pairs;
  }
  if (entry.value.kind === "scalar") {
    problems.error(entry.at, `${path} must be a mapping`);
    return pairs;
  }
  for (const { value, at } of readTexts2(entry, path, problems)) {
    const cut = value.indexOf("=");
    pairs.set(cut < 0 ? value : value.slice(0, cut), { value: cut < 0 ? "" : value.slice(cut + 1), at });
  }
  return pairs;
}
function toRecord(pairs) {
  return Object.fromEntries([...pairs].map(([key, { value }]) => [key, value]));
}

// src/spec/ipam.ts
function readIpam(entry, path, driver, problems) {
  const ipam = readMapping(entry, path, problems, true);
  if (!ipam) return [];
  checkKeys(ipam, IPAM_KEYS, path, problems);
  const ipamDriver = entryOf(ipam, "driver");
  const name = readString(ipamDriver, `${path}.driver`, problems);
  if (name !== void 0 && name !== "default")
    problems.warn(ipamDriver?.at, `IPAM driver "${name}" is not emulated: addresses are chosen by the default one`);
  const config = entryOf(ipam, "config");
  if (!config) return [];
  if (config.value.kind !== "sequence") {
    problems.error(config.at, `${path}.config must be a array`);
    return [];
  }
  const pools = config.value.items.flatMap((item, i) => {
    const pool = readMapping({ at: item.at, value: item }, `${path}.config.${i}`, problems);
    return pool ? readPool(pool, `${path}.config.${i}`, problems) : [];
  });
  const second = pools.filter((pool) => pool.subnet !== void 0)[1];
  if (second && driver === "bridge") problems.error(second.at, "bridge driver doesn't support multiple subnets");
  return pools;
}
function readPool(pool, path, problems) {
  checkKeys(pool, POOL_KEYS, path, problems);
  const text = (key) => readString(entryOf(pool, key), `${path}.${key}`, problems) || void 0;
  const at = (key) => entryOf(pool, key)?.at ?? pool.at;
  const [subnetText, rangeText, gatewayText] = [text("subnet"), text("ip_range"), text("gateway")];
  const aux = readPairs(entryOf(pool, "aux_addresses"), `${path}.aux_addresses`, problems);
  if (isIpv6Cidr(subnetText) || subnetText === void 0 && (isIpv6Cidr(rangeText) || isIpv6(gatewayText ?? ""))) {
    problems.warn(at("subnet"), `IPv6 is not emulated: pool ${subnetText ?? rangeText ?? gatewayText} is ignored`);
    return [];
  }
  if (subnetText === void 0) {
    const orphan = rangeText !== void 0 ? "ip_range" : gatewayText !== void 0 ? "gateway" : void 0;
    if (orphan) problems.error(at(orphan), "every ip-range or gateway must have a corresponding subnet");
    for (const [name, { value, at: place }] of aux)
      if (!orphan) problems.error(place, `no matching subnet for aux-address ${name}=${value}`);
    return [];
  }
  const subnet2 = problems.attempt(at("subnet"), () => parseSubnet(subnetText));
  if (!subnet2) return [];
  const ipRange = rangeText === void 0 ? void 0 : problems.attempt(at("ip_range"), () => parseIpRange(rangeText, subnet2));
  const gateway = gatewayText === void 0 ? void 0 : problems.attempt(at("gateway"), () => parseInside(gatewayText, `gateway ${gatewayText}`, subnet2));
  const auxAddresses = [...aux].flatMap(([name, { value, at: place }]) => {
    const address2 = problems.attempt(place, () => parseInside(value, `auxiliary address ${name}`, subnet2));
    return address2 === void 0 ? [] : [[name, address2]];
  });
  return [
    {
      subnet: subnet2,
      ...ipRange === void 0 ? {} : { ipRange },
      ...gateway === void 0 ? {} : { gateway },
      auxAddresses: Object.fromEntries(auxAddresses),
      at: pool.at
    }
  ];
}
var isIpv6Cidr = (text) => text !== void 0 && isIpv6(text.split("/")[0] ?? "");
function parseIpRange(text, subnet2) {
  if (isIpv6Cidr(text)) throw new DocknetError("LAB_FILE", `invalid ip-range ${text}: parent subnet is an IPv4 block`);
  const range = parseSubnet(text, "ip-range");
  if (prefixLength(range) < prefixLength(subnet2)) {
    throw new DocknetError(
      "LAB_FILE",
      `invalid ip-range ${text}: CIDR block is bigger than its parent subnet ${subnet2}`
    );
  }
  if (!containsSubnet(subnet2, range)) {
    throw new DocknetError("LAB_FILE", `invalid ip-range ${text}: parent subnet ${subnet2} doesn't contain ip-range`);
  }
  return range;
}
function parseInside(text, what, subnet2) {
  if (isIpv6(text)) throw new DocknetError("LAB_FILE", `invalid ${what}: parent subnet is an IPv4 block`);
  if (!isIpv4(text)) throw new DocknetError("LAB_FILE", `invalid ${what}: invalid address`);
  if (!contains(subnet2, text))
    throw new DocknetError("LAB_FILE", `invalid ${what}: parent subnet ${subnet2} doesn't contain this address`);
  return text;
}

// src/spec/network.ts
var DEFAULT_NETWORK = "default";
function readNetworks(tree, project, problems) {
  const section = readMapping(entryOf(tree, "networks"), "networks", problems);
  if (!section) return [];
  const networks = [...section.entries].flatMap(([key, entry]) => {
    const path = `networks.${key}`;
    if (!RESOURCE_NAME.test(key)) {
      if (!key.startsWith("x-")) problems.error(entry.at, `networks additional properties '${key}' not allowed`);
      return [];
    }
    if (!isNull(entry.value) && !readMapping(entry, path, problems)) return [];
    const body = entry.value.kind === "mapping" ? entry.value : mapping(/* @__PURE__ */ new Map(), entry.at);
    return [readNetwork(key, body, entry.at, project, problems)];
  });
  checkOverlaps(networks, problems);
  return networks;
}
function implicitNetwork(project, at) {
  return {
    key: DEFAULT_NETWORK,
    name: `${project}_${DEFAULT_NETWORK}`,
    external: false,
    driver: "bridge",
    driverOpts: {},
    internal: false,
    attachable: false,
    enableIpv4: true,
    enableIpv6: false,
    labels: {},
    ipam: [],
    at
  };
}
function readNetwork(key, body, at, project, problems) {
  const path = `networks.${key}`;
  const entry = (name2) => entryOf(body, name2);
  const flag2 = (name2) => readBoolean(entry(name2), `${path}.${name2}`, problems);
  checkKeys(body, NETWORK_KEYS, path, problems);
  const driverEntry = entry("driver");
  const driver = driverEntry && !isNull(driverEntry.value) && readString(driverEntry, `${path}.driver`, problems) || "bridge";
  const { external, name: externalName } = readExternal(body, path, problems);
  const name = readString(entry("name"), `${path}.name`, problems);
  if (name === "") problems.error(entry("name")?.at, "invalid name: name is empty");
  if (name && externalName)
    problems.error(entry("external")?.at, `${path}: can't use both 'external.name' (deprecated) and 'name'`);
  if (!external && driver !== "bridge") {
    problems.warn(
      entry("driver")?.at,
      `network driver "${driver}" is not emulated yet`,
      "Use the bridge driver to test this network"
    );
  }
  const enableIpv6 = flag2("enable_ipv6") ?? false;
  if (enableIpv6) problems.warn(entry("enable_ipv6")?.at, "IPv6 is not emulated: enable_ipv6 has no effect");
  return {
    key,
    name: name || externalName || (external ? key : `${project}_${key}`),
    external,
    driver,
    driverOpts: toRecord(
      readPairs(mappingOnly(entry("driver_opts"), `${path}.driver_opts`, problems), `${path}.driver_opts`, problems)
    ),
    internal: flag2("internal") ?? false,
    attachable: flag2("attachable") ?? false,
    enableIpv4: flag2("enable_ipv4") ?? true,
    enableIpv6,
    labels: toRecord(readPairs(entry("labels"), `${path}.labels`, problems)),
    ipam: readIpam(entry("ipam"), `${path}.ipam`, driver, problems),
    at
  };
}
function mappingOnly(entry, path, problems) {
  return readMapping(entry, path, problems, true) ? entry : void 0;
}
function readExternal(body, path, problems) {
  const entry = entryOf(body, "external");
  if (!entry) return { external: false };
  const isObject = entry.value.kind === "mapping";
  const external = isObject ? true : readBoolean(entry, `${path}.external`, problems) ?? false;
  const name = isObject ? readString(entryOf(entry.value, "name"), `${path}.external.name`, problems) : void 0;
  if (isObject) checkKeys(entry.value, /* @__PURE__ */ new Set(["name"]), `${path}.external`, problems);
  if (external) {
    for (const [key, { at }] of body.entries) {
      if (key === "name" || key === "external" || key.startsWith("x-") || !NETWORK_KEYS.has(key)) continue;
      problems.error(at, `${path}: conflicting parameters "external" and "${key}" specified`);
    }
  }
  return { external, ...name ? { name } : {} };
}
function checkOverlaps(networks, problems) {
  const pools = networks.filter((network) => !network.external && network.driver === "bridge").flatMap((network) => network.ipam.flatMap(({ subnet: subnet2, at }) => subnet2 ? [{ key: network.key, subnet: subnet2, at }] : [])).map((pool, order) => ({ ...pool, order, ...rangeOf(pool.subnet) }));
  const sorted = [...pools].sort((a, b) => a.first - b.first || a.order - b.order);
  let widest = sorted[0];
  for (const pool of sorted.slice(1)) {
    if (widest && pool.first <= widest.last && pool.key !== widest.key) {
      const [earlier, later] = pool.order > widest.order ? [widest, pool] : [pool, widest];
      problems.error(
        later.at,
        "invalid pool request: Pool overlaps with other one on this address space",
        `Choose a subnet that does not overlap ${earlier.subnet} of network "${earlier.key}"`
      );
    }
    if (!widest || pool.last > widest.last) widest = pool;
  }
}

// src/spec/problem-list.ts
var MAX_PORTS = 2e5;
var MAX_SHOWN = 200;
var ProblemList = class {
  errors = [];
  warnings = [];
  portsLeft = MAX_PORTS;
  error(at, message, remedy) {
    this.errors.push(toProblem(at, message, remedy));
  }
  warn(at, message, remedy) {
    this.warnings.push(toProblem(at, message, remedy));
  }
  /** Runs a parser; its DocknetError becomes a problem at this place. Anything else is our own mistake and is thrown on. */
  attempt(at, parse) {
    try {
      return parse();
    } catch (error) {
      if (!(error instanceof DocknetError)) throw error;
      if (error instanceof ProblemsError) this.errors.push(...error.problems);
      else this.errors.push(error.toProblem(at));
      return void 0;
    }
  }
  /** False, with one problem, once the lab asks for more ports than anyone can mean. */
  takePorts(count2, at) {
    const before = this.portsLeft;
    this.portsLeft -= count2;
    if (this.portsLeft >= 0) return true;
    if (before >= 0) this.error(at, `too many ports: the lab names more than ${MAX_PORTS}`, "Name fewer ports");
    return false;
  }
  /** @throws ProblemsError LAB_FILE when there is any error */
  throwIfAny() {
    if (this.errors.length === 0) return;
    const hidden = this.errors.length - MAX_SHOWN;
    const rest = hidden > 0 ? [{ message: `and ${hidden} more problems` }] : [];
    throw new ProblemsError("LAB_FILE", [...this.errors.slice(0, MAX_SHOWN), ...rest]);
  }
};
function toProblem(at, message, remedy) {
  return { message, ...at ? { at } : {}, ...remedy ? { remedy } : {} };
}

// src/spec/profile.ts
function selectActive(services, profiles) {
  const active = new Set(profiles);
  return services.filter(
    (service) => active.has("*") || service.profiles.length === 0 || service.profiles.some((profile) => active.has(profile))
  );
}
function checkDependencies(active, declared, problems) {
  const activeKeys = new Set(active.map(({ spec }) => spec.key));
  const declaredKeys = new Set(declared.map(({ spec }) => spec.key));
  const specs = active.map(({ spec, dependencies }) => {
    const kept2 = dependencies.filter((dependency) => {
      const isThere = activeKeys.has(dependency.service);
      const isOptional = !dependency.required && declaredKeys.has(dependency.service);
      if (!isThere && !isOptional) reportUndefined(spec.key, dependency, declaredKeys, problems);
      return isThere;
    });
    return withSharedNamespace({ ...spec, dependsOn: kept2.map(({ service }) => service) }, activeKeys);
  });
  checkCycles(specs, active, problems);
  return specs;
}
function reportUndefined(key, { service, at }, declared, problems) {
  problems.error(
    at,
    `service "${key}" depends on undefined service "${service}": invalid compose project`,
    declared.has(service) ? `Activate a profile of service "${service}"` : void 0
  );
}
function checkCycles(specs, active, problems) {
  const edges = new Map(specs.map((spec) => [spec.key, spec.dependsOn]));
  const state = /* @__PURE__ */ new Map();
  for (const root of edges.keys()) {
    if (state.has(root)) continue;
    const stack = [{ key: root, next: 0 }];
    state.set(root, "open");
    for (let top = stack.at(-1); top; top = stack.at(-1)) {
      const target = edges.get(top.key)?.[top.next++];
      if (target === void 0) {
        state.set(top.key, "done");
        stack.pop();
      } else if (state.get(target) === "open") {
        const loop = [...stack.map(({ key }) => key).slice(stack.findIndex(({ key }) => key === target)), target];
        const from = active.find(({ spec }) => spec.key === top.key);
        const at = from?.dependencies.find(({ service }) => service === target)?.at ?? from?.spec.at;
        problems.error(at, `dependency cycle detected: ${loop.join(" -> ")}`);
      } else if (!state.has(target) && edges.has(target)) {
        state.set(target, "open");
        stack.push({ key: target, next: 0 });
      }
    }
  }
}
function withSharedNamespace(spec, active) {
  const { dependsOn, mode } = spec;
  if (mode.kind !== "service" || dependsOn.includes(mode.service) || !active.has(mode.service)) return spec;
  return { ...spec, dependsOn: [...dependsOn, mode.service] };
}

// src/spec/project.ts
import { basename, dirname as dirname3, join as join2, resolve as resolve2 } from "node:path";

// src/spec/source.ts
import { closeSync as closeSync3, openSync as openSync3, readSync } from "node:fs";
import { isAbsolute, relative, resolve, sep } from "node:path";
var STDIN = "-";
var SourceFiles = class {
  /** Compose files read, in order, as messages name them. */
  composeFiles = [];
  texts = /* @__PURE__ */ new Map();
  cwd;
  readFile;
  constructor(cwd, readFile = readUtf8) {
    this.cwd = cwd;
    this.readFile = readFile;
  }
  /** @throws DocknetError LAB_FILE with the operating system's reason */
  read(path) {
    const text = this.lookUp(path);
    if (typeof text === "string") return text;
    if (text instanceof DocknetError) throw text;
    throw new DocknetError("LAB_FILE", `open ${path}: ${describeReason(text)}`, { cause: text });
  }
  exists(path) {
    const found = this.lookUp(path);
    return typeof found === "string" || reasonOf(found) === "EACCES" || found instanceof DocknetError;
  }
  /** The path as messages show it: relative to the working directory when inside it. */
  displayName(path) {
    if (path === STDIN) return path;
    const name = relative(this.cwd, path);
    return name === "" || name === ".." || name.startsWith(`..${sep}`) || isAbsolute(name) ? path : name;
  }
  resolve(directory, path) {
    return path === STDIN ? path : resolve(this.cwd, directory, path);
  }
  lookUp(path) {
    const known = this.texts.get(path);
    if (known !== void 0) return known;
    let text;
    try {
      text = this.readFile(path);
    } catch (error) {
      text = error instanceof Error ? error : new Error(String(error));
    }
    this.texts.set(path, text);
    return text;
  }
};
function reasonOf(error) {
  return "code" in error ? String(error.code) : void 0;
}
function describeReason(error) {
  const reasons = {
    ENOENT: "no such file or directory",
    ENOTDIR: "not a directory",
    EISDIR: "is a directory",
    EACCES: "permission denied"
  };
  const code = reasonOf(error);
  return (code === void 0 ? void 0 : reasons[code]) ?? (error.message.split("\n")[0] || "cannot be read");
}
function readUtf8(path) {
  const fd = path === STDIN ? 0 : openSync3(path, "r");
  try {
    const chunks = [];
    let total = 0;
    for (; ; ) {
      const chunk = Buffer.alloc(64 * 1024);
      const count2 = readSync(fd, chunk, 0, chunk.length, null);
      if (count2 === 0) break;
      chunks.push(chunk.subarray(0, count2));
      total += count2;
      if (total > MAX_FILE_BYTES)
        throw new DocknetError(
          "LAB_FILE",
          `${path}: the file is too large: more than ${MAX_FILE_BYTES / 1024 / 1024} MiB`
        );
    }
    return decodeUtf8(Buffer.concat(chunks), path);
  } finally {
    if (path !== STDIN) closeSync3(fd);
  }
}
function decodeUtf8(bytes, path) {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new DocknetError("LAB_FILE", `${path}: yaml: invalid UTF-8`, {
      cause,
      remedy: "Save the file as UTF-8 text"
    });
  }
}

// src/spec/project.ts
var FILE_NAMES = ["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"];
var OVERRIDE_NAMES = FILE_NAMES.map((name) => name.replace(/\.(ya?ml)$/, ".override.$1"));
function findProject(options, sources, problems) {
  const fromProcess = (name) => Object.hasOwn(options.env, name) ? options.env[name] : void 0;
  const named = options.files ?? [];
  const here = resolve2(options.cwd);
  const early = readEnvFiles(
    listEnvFiles(options, fromProcess, directoryOf(named, here), sources),
    fromProcess,
    sources,
    problems
  );
  const files = named.length > 0 ? named : splitFileVariable(early) ?? discoverFiles(here, sources);
  if (files.length === 0) {
    throw new DocknetError("LAB_FILE", "no configuration file provided: not found", {
      remedy: "Name a file with -f, or go to a directory with a compose.yaml"
    });
  }
  const absolute = files.map((file) => sources.resolve(here, file));
  const directory = directoryOf(absolute, here);
  const lookup = directory === directoryOf(named, here) ? early : readEnvFiles(listEnvFiles(options, fromProcess, directory, sources), fromProcess, sources, problems);
  return { files: absolute, directory, lookup };
}
function directoryOf(files, cwd) {
  const first = files.find((file) => file !== STDIN);
  return first === void 0 ? cwd : dirname3(resolve2(cwd, first));
}
function splitFileVariable(lookup) {
  const text = lookup("COMPOSE_FILE");
  if (text === void 0 || text === "") return void 0;
  return text.split(lookup("COMPOSE_PATH_SEPARATOR") || ":").filter((file) => file !== "");
}
function discoverFiles(cwd, sources) {
  for (let directory = cwd; ; directory = dirname3(directory)) {
    const main = FILE_NAMES.map((name) => join2(directory, name)).find((file) => sources.exists(file));
    if (main) {
      const override = OVERRIDE_NAMES.map((name) => join2(directory, name)).find((file) => sources.exists(file));
      return override ? [main, override] : [main];
    }
    if (dirname3(directory) === directory) return [];
  }
}
function listEnvFiles(options, env, directory, sources) {
  const named = options.envFiles?.length ? options.envFiles : (env("COMPOSE_ENV_FILES") ?? "").split(",").filter((file) => file !== "");
  if (named.length > 0) return named.map((file) => sources.resolve(options.cwd, file));
  if (/^(1|t|true)$/i.test(env("COMPOSE_DISABLE_ENV_FILE") ?? "")) return [];
  return [join2(directory, ".env")].filter((file) => sources.exists(file));
}
function readEnvFiles(files, outer, sources, problems) {
  const found = /* @__PURE__ */ new Map();
  const lookup = (name) => outer(name) ?? found.get(name);
  for (const file of files) {
    const text = problems.attempt(void 0, () => sources.read(file));
    if (text === void 0) continue;
    for (const [key, value] of parseDotenv(text, sources.displayName(file), outer, problems)) found.set(key, value);
  }
  return lookup;
}
function chooseProjectName(named, project, fromFile) {
  const name = named || project.lookup("COMPOSE_PROJECT_NAME") || fromFile || normalizeName(basename(project.directory));
  if (name === "") {
    throw new DocknetError("LAB_FILE", "project name must not be empty", { remedy: "Choose one with -p" });
  }
  return parseLabName(name);
}
function normalizeName(text) {
  return text.toLowerCase().replace(/[^a-z0-9_-]/g, "").replace(/^[_-]+/, "");
}

// src/spec/attachment.ts
var IFNAME_OPTION = "com.docker.network.endpoint.ifname";
function readAttachments(service, key, at, problems) {
  const path = `services.${key}`;
  const modeEntry = entryOf(service, "network_mode");
  const mode = parseMode(readString(modeEntry, `${path}.network_mode`, problems), modeEntry, problems);
  const attachments = readNetworkList(entryOf(service, "networks"), `${path}.networks`, problems);
  if (modeEntry && mode.kind !== "networks" && attachments.length > 0) {
    problems.error(
      modeEntry.at,
      `service ${key} declares mutually exclusive \`network_mode\` and \`networks\`: invalid compose project`,
      "Remove one of the two"
    );
  }
  if (mode.kind !== "networks") return { mode, attachments: [] };
  return {
    mode,
    attachments: attachments.length > 0 ? attachments : [readEndpoint(DEFAULT_NETWORK, mapping(/* @__PURE__ */ new Map(), at), at, path, problems)]
  };
}
function parseMode(text, entry, problems) {
  if (text === void 0 || text === "") return { kind: "networks" };
  if (text === "none" || text === "host" || text === "bridge") return { kind: text };
  if (text === "default") return { kind: "bridge" };
  const [, kind, name] = /^(service|container):(.+)$/s.exec(text) ?? [];
  if (kind === "service" && name) return { kind, service: name };
  if (kind === "container" && name) return { kind, container: name };
  problems.error(
    entry?.at,
    `unsupported network_mode "${text}": it must be none, host, bridge, default, service:NAME or container:NAME`,
    "Use `networks:` to join a network of this file"
  );
  return { kind: "networks" };
}
function readNetworkList(entry, path, problems) {
  if (!entry || isNull(entry.value)) return [];
  if (entry.value.kind !== "mapping") {
    return readTexts2(entry, path, problems).map(
      ({ value, at }) => readEndpoint(value, mapping(/* @__PURE__ */ new Map(), at), at, path, problems)
    );
  }
  return [...entry.value.entries].flatMap(([network, endpoint]) => {
    const body = isNull(endpoint.value) ? mapping(/* @__PURE__ */ new Map(), endpoint.at) : readMapping(endpoint, `${path}.${network}`, problems);
    return body ? [readEndpoint(network, body, endpoint.at, `${path}.${network}`, problems)] : [];
  });
}
function readEndpoint(network, body, at, path, problems) {
  checkKeys(body, ATTACHMENT_KEYS, path, problems);
  const entry = (name) => entryOf(body, name);
  const parsed = (name, parse) => {
    const text = readString(entry(name), `${path}.${name}`, problems);
    return text ? problems.attempt(entry(name)?.at, () => parse(text)) : void 0;
  };
  const options = toRecord(
    readPairs(mappingOnly(entry("driver_opts"), `${path}.driver_opts`, problems), `${path}.driver_opts`, problems)
  );
  const optionName = Object.hasOwn(options, IFNAME_OPTION) ? options[IFNAME_OPTION] : void 0;
  const interfaceName = parsed("interface_name", parseIfName) ?? (optionName ? problems.attempt(entry("driver_opts")?.at, () => parseIfName(optionName)) : void 0);
  const ipv4 = parsed("ipv4_address", parseIpv4);
  const mac = parsed("mac_address", parseMac);
  if (entry("ipv6_address")) problems.warn(entry("ipv6_address")?.at, "IPv6 is not emulated: ipv6_address is ignored");
  return {
    network,
    aliases: readTexts2(entry("aliases"), `${path}.aliases`, problems).map(({ value }) => value),
    ...ipv4 === void 0 ? {} : { ipv4 },
    ...mac === void 0 ? {} : { mac },
    ...interfaceName === void 0 ? {} : { interfaceName },
    driverOpts: options,
    linkLocalIps: readLinkLocal(entry("link_local_ips"), `${path}.link_local_ips`, problems),
    priority: readInteger(entry("priority"), `${path}.priority`, problems) ?? 0,
    gwPriority: readInteger(entry("gw_priority"), `${path}.gw_priority`, problems) ?? 0,
    at
  };
}
function readLinkLocal(entry, path, problems) {
  return readTexts2(entry, path, problems).flatMap(({ value, at }) => {
    if (isIpv6(value)) {
      problems.warn(at, `IPv6 is not emulated: link-local address ${value} is ignored`);
      return [];
    }
    const address2 = problems.attempt(at, () => parseIpv4(value));
    return address2 === void 0 ? [] : [address2];
  });
}

// src/spec/command.ts
function splitCommand(text) {
  const words = [];
  let word = "";
  let inWord = false;
  let quote = "";
  for (let i = 0; i < text.length; i++) {
    const char = text[i] ?? "";
    if (char === "\\" && quote !== "'" && i + 1 < text.length) {
      word += text[++i] ?? "";
      inWord = true;
    } else if (quote !== "") {
      if (char === quote) quote = "";
      else word += char;
    } else if (char === "'" || char === '"') {
      quote = char;
      inWord = true;
    } else if (/\s/.test(char)) {
      if (inWord) words.push(word);
      word = "";
      inWord = false;
    } else {
      word += char;
      inWord = true;
    }
  }
  if (quote !== "") throw new DocknetError("LAB_FILE", "invalid command line string");
  if (inWord) words.push(word);
  return words;
}

// src/spec/port.ts
function readPorts(entry, path, problems) {
  if (!entry) return [];
  if (entry.value.kind !== "sequence") {
    problems.error(entry.at, `${path} must be a array`);
    return [];
  }
  const ports = /* @__PURE__ */ new Map();
  for (const [i, item] of entry.value.items.entries()) {
    const text = problems.attempt(item.at, () => readPort(item, `${path}[${i}]`, problems));
    if (!text) continue;
    if (!problems.takePorts(text.target.last - text.target.first + 1, item.at)) break;
    for (const port of expandPort(text, item.at)) ports.set(indexPort(port), port);
  }
  return [...ports.values()];
}
function indexPort({ hostIp, published, target, proto }) {
  return `${hostIp ?? "0.0.0.0"}|${published ? renderPortRange(published) : ""}|${target}/${proto}`;
}
function readPort(item, path, problems) {
  if (item.kind === "mapping") return readLongPort(item, path, problems);
  if (item.kind === "scalar" && (typeof item.value === "string" || typeof item.value === "number")) {
    return parsePortText(String(item.value));
  }
  throw new DocknetError("LAB_FILE", `${path} must be a number, string or mapping`);
}
function parsePortText(text) {
  const parts = text.split(":");
  const container = parts.at(-1) ?? "";
  const host = parts.at(-2) ?? "";
  const address2 = parts.slice(0, -2).join(":");
  const slash = container.indexOf("/");
  const containerPort = slash < 0 ? container : container.slice(0, slash);
  const protoText = slash < 0 ? "" : container.slice(slash + 1);
  if (containerPort === "") throw new DocknetError("LAB_FILE", `no port specified: ${text}<empty>`);
  const proto = parseProto(protoText === "" ? "tcp" : protoText);
  return { ...joinPorts(containerPort, host), proto, ...parseHostIp(address2) };
}
function readLongPort(port, path, problems) {
  checkKeys(port, PORT_KEYS, path, problems);
  const text = (key) => {
    const child = childOf(port, key);
    if (child === void 0) return "";
    if (child.kind === "scalar" && (typeof child.value === "string" || typeof child.value === "number"))
      return String(child.value);
    throw new DocknetError("LAB_FILE", `${path}.${key} must be a string`, { at: entryOf(port, key)?.at ?? child.at });
  };
  const target = text("target");
  if (target === "") throw new DocknetError("LAB_FILE", `service ports ${path} is missing a target port`);
  if (target.includes("-")) throw new DocknetError("LAB_FILE", `invalid containerPort: ${target}`);
  for (const key of ["mode", "name", "app_protocol"]) text(key);
  const proto = parseProto(text("protocol") || "tcp");
  return { ...joinPorts(target, text("published")), proto, ...parseHostIp(text("host_ip")) };
}
function joinPorts(container, host) {
  const target = parseRange(container, "containerPort");
  if (/^0*$/.test(host)) return { target };
  const published = parseRange(host, "hostPort");
  const length = target.last - target.first;
  if (length !== 0 && length !== published.last - published.first) {
    throw new DocknetError(
      "LAB_FILE",
      `invalid ranges specified for container and host Ports: ${container} and ${host}`
    );
  }
  return { target, published };
}
function parseRange(text, what) {
  try {
    return parsePortRange(text.replace(/(^|-)0+(?=\d)/g, "$1"), what);
  } catch {
    throw new DocknetError("LAB_FILE", `invalid ${what}: ${text}`);
  }
}
function parseHostIp(text) {
  if (text === "") return {};
  const bare = /^\[(.*)\]$/.exec(text)?.[1] ?? text;
  if (isIpv4(bare)) return { hostIp: bare };
  if (isIpv6(bare)) return { hostIp: parseIpv6(bare) };
  throw new DocknetError("LAB_FILE", `invalid IP address: ${bare}`);
}
function expandPort({ target, published, proto, hostIp }, at) {
  const isSingle = target.first === target.last;
  return portsOf(target).map((port, i) => {
    const own = published && !isSingle ? published.first + i : void 0;
    const range = own === void 0 ? published : { first: own, last: own };
    return {
      target: port,
      proto,
      ...range ? { published: range } : {},
      ...hostIp === void 0 ? {} : { hostIp },
      at
    };
  });
}
function readExposed(entry, path, problems) {
  const exposed = /* @__PURE__ */ new Map();
  for (const text of readTexts2(entry, path, problems, true)) {
    for (const port of parseExposed(text, problems)) exposed.set(`${port.port}/${port.proto}`, port);
  }
  return [...exposed.values()];
}
function parseExposed({ value, at }, problems) {
  const parsed = problems.attempt(at, () => {
    const slash = value.indexOf("/");
    const proto = parseProto(slash < 0 ? "tcp" : value.slice(slash + 1));
    try {
      return { proto, range: parseRange(slash < 0 ? value : value.slice(0, slash), "port") };
    } catch {
      throw new DocknetError("LAB_FILE", `invalid range format for --expose: ${value}`);
    }
  });
  if (!parsed || !problems.takePorts(parsed.range.last - parsed.range.first + 1, at)) return [];
  return portsOf(parsed.range).map((port) => ({ port, proto: parsed.proto, at }));
}

// src/spec/resolution.ts
function readResolution(service, path, problems) {
  const texts = (key) => readTextOrTexts(entryOf(service, key), `${path}.${key}`, problems).map(({ value }) => value);
  return {
    dns: readTextOrTexts(entryOf(service, "dns"), `${path}.dns`, problems).flatMap(
      (server) => parseDnsServer(server, problems)
    ),
    dnsSearch: texts("dns_search"),
    dnsOpt: readTexts2(entryOf(service, "dns_opt"), `${path}.dns_opt`, problems).map(({ value }) => value),
    extraHosts: readExtraHosts(entryOf(service, "extra_hosts"), `${path}.extra_hosts`, problems),
    links: [
      ...readLinks(entryOf(service, "links"), `${path}.links`, false, problems),
      ...readLinks(entryOf(service, "external_links"), `${path}.external_links`, true, problems)
    ]
  };
}
function parseDnsServer({ value, at }, problems) {
  if (isIpv4(value)) return [value];
  if (isIpv6(value)) problems.warn(at, `IPv6 is not emulated: dns server ${value} is ignored`);
  else problems.error(at, `invalid IP address: ${value}`);
  return [];
}
function readExtraHosts(entry, path, problems) {
  if (!entry) return [];
  const placed2 = [];
  if (entry.value.kind === "mapping") {
    for (const [host, { at, value }] of entry.value.entries) {
      const lists = value.kind === "sequence" ? readTexts2({ at, value }, `${path}.${host}`, problems) : [];
      placed2.push(...lists.map((item) => ({ host, text: item.value, at: item.at })));
      if (value.kind === "sequence") continue;
      const text = readPairs(
        { at, value: { kind: "mapping", entries: /* @__PURE__ */ new Map([[host, { at, value }]]), at } },
        path,
        problems
      ).get(host);
      if (text) placed2.push({ host, text: text.value, at });
    }
  } else {
    for (const { value, at } of readTexts2(entry, path, problems)) {
      const cut = value.includes("=") ? value.indexOf("=") : value.indexOf(":");
      if (cut <= 0 || cut === value.length - 1) problems.error(at, `bad format for add-host: "${value}"`);
      else placed2.push({ host: value.slice(0, cut), text: value.slice(cut + 1), at });
    }
  }
  return placed2.flatMap(({ host, text, at }) => {
    const address2 = problems.attempt(at, () => parseHostAddress(text));
    return address2 === void 0 ? [] : [{ host, address: address2 }];
  });
}
function parseHostAddress(text) {
  if (text === "host-gateway") return text;
  const bare = /^\[(.*)\]$/.exec(text)?.[1] ?? text;
  if (isIpv4(bare)) return bare;
  if (isIpv6(bare)) return parseIpv6(bare);
  throw new DocknetError("LAB_FILE", `invalid IP address in add-host: "${text}"`);
}
function readLinks(entry, path, external, problems) {
  return readTexts2(entry, path, problems).flatMap(({ value, at }) => {
    const cut = value.indexOf(":");
    const [service, alias] = cut < 0 ? [value, value] : [value.slice(0, cut), value.slice(cut + 1)];
    if (service === "" || alias === "") {
      problems.error(at, `bad format for links: ${value}`, "Write SERVICE or SERVICE:ALIAS");
      return [];
    }
    if (external)
      problems.warn(at, `external link "${value}" is not emulated: only containers of this lab can be linked`);
    return [{ service, alias, external, at }];
  });
}

// src/spec/x-docknet.ts
import { z } from "zod";
var flag = z.union([z.boolean(), z.enum(["true", "false"])]);
var whole = z.union([z.int(), z.string().regex(/^\d+$/, "expected a whole number")]);
var address = (what) => z.string().describe(`${what}: an IPv4 address`);
var subnet = (what) => z.string().describe(`${what}: an IPv4 subnet, address/length`);
var engineSchema = z.strictObject({
  profile: z.enum(["docker-29", "docker-28", "docker-20.10"]).optional().describe("Whose iptables layout to build. Default docker-29"),
  "userland-proxy": flag.optional().describe("dockerd --userland-proxy: published ports also reach through a proxy process. Default true"),
  "ip-forward": flag.optional().describe(
    "Was net.ipv4.ip_forward 1 before dockerd started? Then it leaves the FORWARD policy alone. Default false"
  ),
  "allow-direct-routing": flag.optional().describe("dockerd --allow-direct-routing: other machines may route to container addresses. Default false"),
  icc: flag.optional().describe("dockerd --icc: containers of docker0 may reach each other. Default true"),
  bip: z.string().optional().describe("dockerd --bip: docker0's address with its prefix length. Default 172.17.0.1/16"),
  mtu: whole.optional().describe("dockerd --mtu: MTU of docker0 in bytes. Default 1500"),
  "default-address-pools": z.array(
    z.strictObject({
      base: subnet("The range to cut subnets from"),
      size: whole.describe("Prefix length of each subnet cut from it")
    }).describe("One pool")
  ).optional().describe(
    "dockerd --default-address-pool: where networks without a subnet get theirs. Default: Docker's own list"
  )
}).describe("The emulated Docker engine: what dockerd's own flags would say");
var forwardSchema = z.union([
  whole.describe("P: public port P to port P of the host"),
  z.string().describe("P, P:H or P:H/proto: public port P to port H of the host"),
  z.strictObject({
    public: whole.describe("Port of the router's public address"),
    to: z.string().describe("ADDRESS:PORT of a machine of the LAN"),
    protocol: z.enum(["tcp", "udp", "sctp"]).optional().describe("Default tcp")
  }).describe("A forward to any machine of the LAN")
]);
var worldSchema = z.strictObject({
  lan: subnet("The LAN of the Docker host. Default 192.168.0.0/24").optional(),
  host: address("The Docker host on its LAN. Default 192.168.0.10").optional(),
  neighbour: address("Another machine of the LAN. Default 192.168.0.20").optional(),
  router: z.strictObject({
    lan: address("The router on the LAN. Default 192.168.0.1").optional(),
    public: address("The router on the internet. Default 203.0.113.91").optional(),
    forwards: z.array(forwardSchema).optional().describe("Port forwards, as a home router has them")
  }).optional().describe("The home router between LAN and internet"),
  internet: z.strictObject({
    subnet: subnet("The emulated internet. Default 203.0.113.0/24").optional(),
    www: address("A web server that answers with the source address it saw. Default 203.0.113.80").optional(),
    dns: address("A name server, authoritative for example.test. Default 203.0.113.53").optional()
  }).optional().describe("What lies beyond the router")
}).describe("The surroundings of the Docker host");
var checkSchema = z.strictObject({
  name: z.string().optional().describe("The claim, as the report shows it"),
  from: z.string().describe("Who tries: a service, or @host, @router, @neighbour, @internet"),
  to: z.string().describe("Whom: SERVICE:PORT, @NODE:PORT or ADDRESS:PORT, with /udp or /sctp if need be; without port for icmp"),
  proto: z.enum(["tcp", "udp", "icmp", "sctp"]).optional().describe("Default tcp"),
  expect: z.enum(["reach", "refuse", "drop", "unreachable"]).optional().describe(
    "What must happen: an answer, a refusal (RST or port unreachable), silence, or an ICMP unreachable. Default reach"
  ),
  "seen-as": address("The source that the server must see").optional(),
  network: z.string().optional().describe("Key of the network on which the target's address is meant"),
  "source-port": whole.optional().describe("The client's source port")
}).describe("One claim about reachability");
var topSchema = z.strictObject({
  engine: engineSchema.optional(),
  world: worldSchema.optional(),
  checks: z.array(checkSchema).optional().describe("Claims to prove. Default: derived from the file")
}).describe("Settings of docknet for the whole lab");
var serviceSchema = z.strictObject({
  serve: z.array(z.union([z.string(), z.int()]).describe("PORT, PORT/proto or a range")).optional().describe("Ports that a built-in responder serves though neither ports nor expose names them")
}).describe("Settings of docknet for one service");
var fileSchema = z.looseObject({
  "x-docknet": topSchema.optional(),
  services: z.record(z.string(), z.looseObject({ "x-docknet": serviceSchema.optional() }).describe("A compose service")).optional().describe("The services of the compose file")
});
function readTopExtension(entry, problems) {
  if (!entry || isNull(entry.value)) return void 0;
  return checkShape(topSchema, entry, "x-docknet", problems);
}
function readServiceExtension(entry, path, problems) {
  if (!entry || isNull(entry.value)) return [];
  if (!checkShape(serviceSchema, entry, path, problems)) return [];
  return readExposed(entryOf(entry.value, "serve"), `${path}.serve`, problems);
}
function checkShape(schema, entry, path, problems) {
  const result = schema.safeParse(toPlain(entry.value));
  if (result.success) return result.data;
  for (const issue of result.error.issues) reportIssue(issue, entry, path, problems);
  return void 0;
}
function reportIssue(issue, entry, path, problems) {
  const where = [path, ...issue.path.map(String)].join(".");
  if (issue.code === "unrecognized_keys") {
    for (const key2 of issue.keys) {
      problems.error(
        originAt(entry.value, [...issue.path, key2]),
        `${where} additional properties '${key2}' not allowed`
      );
    }
    return;
  }
  const at = issue.path.length === 0 ? entry.at : originAt(entry.value, issue.path);
  const isMissing = issue.code === "invalid_type" && valueAt(entry.value, issue.path) === void 0;
  const key = String(issue.path.at(-1) ?? "");
  if (isMissing)
    problems.error(at, `${[path, ...issue.path.slice(0, -1).map(String)].join(".")} missing property '${key}'`);
  else problems.error(at, `${where}: ${describeIssue(issue)}`);
}
function describeIssue(issue) {
  const text = issue.message.replace(/^Invalid (input|option): /, "");
  if (issue.code !== "invalid_union") return text;
  const branches = issue.errors.flatMap(
    (errors) => errors.filter(({ path }) => path.length === 0).map(({ message }) => message.replace(/^Invalid (input|option): /, ""))
  );
  return branches.length > 0 ? [...new Set(branches)].join(", or ") : text;
}
function valueAt(tree, path) {
  let here = tree;
  for (const step of path) {
    if (here?.kind === "mapping") here = here.entries.get(String(step))?.value;
    else if (here?.kind === "sequence") here = here.items[Number(step)];
    else return void 0;
  }
  return here;
}

// src/spec/service.ts
var MAX_REPLICAS = 1e4;
function readServices(tree, problems) {
  const section = readMapping(entryOf(tree, "services"), "services", problems);
  if (!section) return [];
  return [...section.entries].flatMap(([key, entry]) => {
    if (!RESOURCE_NAME.test(key)) {
      problems.error(
        entry.at,
        `services additional properties '${key}' not allowed`,
        "Use letters, digits, dots, dashes and underscores"
      );
      return [];
    }
    const body = readMapping(entry, `services.${key}`, problems);
    return body ? [readService(key, body, entry.at, problems)] : [];
  });
}
function readService(key, body, at, problems) {
  const path = `services.${key}`;
  checkKeys(body, SERVICE_KEYS, path, problems);
  const entry = (name) => entryOf(body, name);
  const network = readAttachments(body, key, at, problems);
  const resolution = readResolution(body, path, problems);
  const declared = readDependencies(entry("depends_on"), `${path}.depends_on`, problems);
  const dependencies = addImplied(declared, resolution.links);
  const containerName2 = parseText(entry("container_name"), `${path}.container_name`, parseContainerName, problems);
  const mac = parseText(entry("mac_address"), `${path}.mac_address`, parseMac, problems);
  const command = readCommand(entry("command"), `${path}.command`, problems);
  const spec = {
    key,
    ...containerName2 === void 0 ? {} : { containerName: containerName2 },
    replicas: readReplicas(body, key, problems),
    ...optionalTexts(body, path, problems),
    ...network,
    ports: readPorts(entry("ports"), `${path}.ports`, problems),
    expose: readExposed(entry("expose"), `${path}.expose`, problems),
    serve: readServiceExtension(entry("x-docknet"), `${path}.x-docknet`, problems),
    ...resolution,
    sysctls: readNetworkSysctls(entry("sysctls"), `${path}.sysctls`, problems),
    ...mac === void 0 ? {} : { mac },
    dependsOn: dependencies.map(({ service }) => service),
    labels: toRecord(readPairs(entry("labels"), `${path}.labels`, problems)),
    ...command === void 0 ? {} : { command },
    at
  };
  return {
    spec,
    profiles: readTexts2(entry("profiles"), `${path}.profiles`, problems).map(({ value }) => value),
    dependencies,
    body
  };
}
function addImplied(declared, links) {
  const known = new Map(declared.map((dependency) => [dependency.service, dependency]));
  for (const { service, external, at } of links) {
    if (!external && !known.has(service)) known.set(service, { service, required: true, at });
  }
  return [...known.values()];
}
function parseText(entry, path, parse, problems) {
  const text = readString(entry, path, problems);
  return text ? problems.attempt(entry?.at, () => parse(text)) : void 0;
}
function optionalTexts(body, path, problems) {
  const image = readString(entryOf(body, "image"), `${path}.image`, problems);
  const domainname = readString(entryOf(body, "domainname"), `${path}.domainname`, problems);
  const hostname = readString(entryOf(body, "hostname"), `${path}.hostname`, problems);
  if (hostname && !isHostname(hostname)) {
    problems.error(
      entryOf(body, "hostname")?.at,
      `invalid hostname format: ${hostname}`,
      "Use letters, digits, dashes and dots, at most 63 (RFC 1123)"
    );
  }
  return { ...image ? { image } : {}, ...hostname ? { hostname } : {}, ...domainname ? { domainname } : {} };
}
function isHostname(text) {
  return text.length <= 63 && text.split(".").every((label) => /^[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?$/.test(label));
}
function readReplicas(body, key, problems) {
  const path = `services.${key}`;
  const scaleEntry = entryOf(body, "scale");
  const deploy = readMapping(entryOf(body, "deploy"), `${path}.deploy`, problems, true);
  const replicasEntry = entryOf(deploy, "replicas");
  const scale = readInteger(scaleEntry, `${path}.scale`, problems, 0);
  const replicas = readInteger(replicasEntry, `${path}.deploy.replicas`, problems, 0);
  const count2 = scale ?? replicas ?? 1;
  const at = (scaleEntry ?? replicasEntry)?.at;
  if (scale !== void 0 && replicas !== void 0 && scale !== replicas) {
    problems.error(
      at,
      `services.${key}: can't set distinct values on 'scale' and 'deploy.replicas': invalid compose project`
    );
  }
  const name = childOf(body, "container_name");
  if (count2 > 1 && name?.kind === "scalar" && name.value) {
    const attribute2 = scale === void 0 ? "deploy.replicas" : "scale";
    problems.error(
      at,
      `services.${attribute2}: can't set container_name and ${key} as container name must be unique: invalid compose project`
    );
  }
  if (count2 <= MAX_REPLICAS) return count2;
  problems.error(at, `${path}: ${count2} replicas are more than ${MAX_REPLICAS}`);
  return 1;
}
function readDependencies(entry, path, problems) {
  if (entry?.value.kind !== "mapping") {
    return readTexts2(entry, path, problems).map(({ value, at }) => ({ service: value, required: true, at }));
  }
  return [...entry.value.entries].map(([service, { at, value }]) => {
    checkKeys(value, DEPENDENCY_KEYS, `${path}.${service}`, problems);
    const required = readBoolean(entryOf(value, "required"), `${path}.${service}.required`, problems) ?? true;
    return { service, required, at };
  });
}
function readCommand(entry, path, problems) {
  const value = entry?.value;
  if (!entry || !value || value.kind === "scalar" && value.value === null) return void 0;
  if (value.kind === "scalar" && typeof value.value === "string") {
    const text = value.value;
    return problems.attempt(entry.at, () => splitCommand(text));
  }
  if (value.kind !== "sequence") {
    problems.error(entry.at, `${path} must be a string or array`);
    return void 0;
  }
  return value.items.flatMap((item, i) => {
    if (item.kind === "scalar" && typeof item.value === "string") return [item.value];
    problems.error(item.at, `${path}.${i} must be a string`);
    return [];
  });
}
function readNetworkSysctls(entry, path, problems) {
  const pairs = readPairs(entry, path, problems);
  return toRecord(new Map([...pairs].filter(([key]) => key.startsWith("net."))));
}

// src/spec/world.ts
var TAKEN = "192.0.2.0/24";
function readWorld(input, entry, fallback, problems) {
  const given = input ?? {};
  const at = (...path) => entry ? originAt(entry.value, path) : fallback;
  const subnet2 = (text, standard, ...path) => problems.attempt(at(...path), () => parseSubnet(text ?? standard)) ?? parseSubnet(standard);
  const address2 = (text, standard, ...path) => problems.attempt(at(...path), () => parseIpv4(text ?? standard)) ?? parseIpv4(standard);
  const host = address2(given.host, "192.168.0.10", "host");
  const world = {
    lan: subnet2(given.lan, "192.168.0.0/24", "lan"),
    host,
    neighbour: address2(given.neighbour, "192.168.0.20", "neighbour"),
    router: {
      lan: address2(given.router?.lan, "192.168.0.1", "router", "lan"),
      public: address2(given.router?.public, "203.0.113.91", "router", "public"),
      forwards: readForwards(given.router?.forwards ?? [], host, (i) => at("router", "forwards", i), problems)
    },
    internet: {
      subnet: subnet2(given.internet?.subnet, "203.0.113.0/24", "internet", "subnet"),
      www: address2(given.internet?.www, "203.0.113.80", "internet", "www"),
      dns: address2(given.internet?.dns, "203.0.113.53", "internet", "dns")
    },
    ...entry ? { at: entry.at } : {}
  };
  checkAddresses(world, at, problems);
  for (const forward of world.router.forwards) {
    if (!contains(world.lan, forward.to))
      problems.error(forward.at, `forward to ${forward.to}: the LAN ${world.lan} doesn't contain this address`);
  }
  return world;
}
function checkAddresses(world, at, problems) {
  const { lan, router, internet } = world;
  const places = [
    [["host"], world.host, lan],
    [["neighbour"], world.neighbour, lan],
    [["router", "lan"], router.lan, lan],
    [["router", "public"], router.public, internet.subnet],
    [["internet", "www"], internet.www, internet.subnet],
    [["internet", "dns"], internet.dns, internet.subnet]
  ];
  for (const [path, subnet2] of [
    [["lan"], lan],
    [["internet", "subnet"], internet.subnet]
  ]) {
    if (overlaps(subnet2, TAKEN)) {
      problems.error(
        at(...path),
        `x-docknet.world.${path.join(".")}: ${subnet2} overlaps ${TAKEN}, which is in use on some machines`,
        "Choose another subnet"
      );
    }
  }
  if (overlaps(lan, internet.subnet)) {
    problems.error(at("lan"), `x-docknet.world: lan ${lan} overlaps internet ${internet.subnet}`);
    return;
  }
  const owners = /* @__PURE__ */ new Map();
  for (const [path, address2, subnet2] of places) {
    const name = path.join(".");
    const owner = owners.get(address2);
    if (!contains(subnet2, address2)) {
      problems.error(at(...path), `x-docknet.world.${name}: subnet ${subnet2} doesn't contain ${address2}`);
    } else if (isEdge(subnet2, address2)) {
      problems.error(
        at(...path),
        `x-docknet.world.${name}: ${address2} is the network or broadcast address of ${subnet2}`
      );
    } else if (owner) {
      problems.error(at(...path), `x-docknet.world.${name}: ${address2} is already the address of ${owner}`);
    }
    owners.set(address2, owner ?? name);
  }
}
function isEdge(subnet2, address2) {
  return prefixLength(subnet2) < 31 && (address2 === addressOf(subnet2) || address2 === broadcastOf(subnet2));
}
function readForwards(inputs, host, at, problems) {
  const owners = /* @__PURE__ */ new Map();
  for (const [i, input] of inputs.entries()) {
    const forward = problems.attempt(at(i), () => ({ ...parseForward(input, host), at: at(i) }));
    if (!forward) continue;
    const key = `${forward.publicPort}/${forward.proto}`;
    const twin = owners.get(key);
    if (twin)
      problems.error(forward.at, `duplicate forward: public port ${key} already goes to ${twin.to}:${twin.toPort}`);
    else owners.set(key, forward);
  }
  return [...owners.values()];
}
function parseForward(input, host) {
  if (typeof input === "object") {
    const colon = input.to.lastIndexOf(":");
    if (colon < 0) throw new DocknetError("LAB_FILE", `invalid forward: "${input.to}" must be ADDRESS:PORT`);
    return {
      publicPort: parsePort(String(input.public), "public port"),
      proto: parseProto(input.protocol ?? "tcp"),
      to: parseIpv4(input.to.slice(0, colon)),
      toPort: parsePort(input.to.slice(colon + 1), "port")
    };
  }
  const [, outer = "", inner = outer, proto = "tcp"] = /^(\d+)(?::(\d+))?(?:\/(\w+))?$/.exec(String(input)) ?? [];
  if (outer === "")
    throw new DocknetError("LAB_FILE", `invalid forward: "${input}" must be PORT, PUBLIC:PORT or PUBLIC:PORT/proto`);
  return {
    publicPort: parsePort(outer, "public port"),
    proto: parseProto(proto),
    to: host,
    toPort: parsePort(inner, "port")
  };
}

// src/spec/load.ts
function loadSpec(options) {
  const problems = new ProblemList();
  const sources = new SourceFiles(options.cwd, options.readFile);
  try {
    const project = findProject(options, sources, problems);
    const spec = readSpec(options, project, sources, problems);
    problems.throwIfAny();
    if (spec) return spec;
  } catch (error) {
    if (error instanceof ProblemsError) throw error;
    if (!(error instanceof DocknetError)) throw error;
    throw new ProblemsError("LAB_FILE", [...problems.errors, error.toProblem()]);
  }
  throw new ProblemsError("INTERNAL", [{ message: "the lab could not be read, and no reason was given" }]);
}
function readSpec(options, project, sources, problems) {
  const loader = new ComposeTreeLoader(sources, problems);
  const named = readName(loader, project, problems);
  const name = chooseLabName(options, project, named, problems);
  const lookup = (variable) => variable === "COMPOSE_PROJECT_NAME" ? name : project.lookup(variable);
  const tree = loader.load(project.files, { directory: project.directory, lookup, chain: [] });
  if (!tree || !name) return void 0;
  checkKeys(tree, TOP_KEYS, "", problems);
  const profiles = options.profiles?.length ? options.profiles : (project.lookup("COMPOSE_PROFILES") ?? "").split(",").map((text) => text.trim());
  return assemble(tree, name, profiles, sources, problems);
}
function assemble(tree, name, profiles, sources, problems) {
  const declared = readServices(tree, problems);
  const active = selectActive(declared, profiles);
  const services = checkDependencies(active, declared, problems);
  const networks = addDefault(readNetworks(tree, name, problems), services, name);
  checkConsistency(active, networks, problems);
  const entry = entryOf(tree, "x-docknet");
  const input = readTopExtension(entry, problems);
  const inside = (key) => entryOf(entry?.value, key);
  const fallback = entry?.at ?? tree.at;
  return {
    name,
    files: [...sources.composeFiles],
    networks,
    services,
    engine: readEngine(input?.engine, inside("engine"), problems),
    world: readWorld(input?.world, inside("world"), fallback, problems),
    checks: readChecks(input?.checks, inside("checks"), listSubjects(active, declared, networks), problems),
    warnings: problems.warnings
  };
}
function listSubjects(active, declared, networks) {
  const keys = new Set(active.map(({ spec }) => spec.key));
  const inactive = declared.map(({ spec }) => spec.key).filter((key) => !keys.has(key));
  return { active: keys, inactive: new Set(inactive), networks: new Set(networks.map(({ key }) => key)) };
}
function addDefault(networks, services, name) {
  if (networks.some(({ key }) => key === DEFAULT_NETWORK)) return networks;
  const first = services.find(({ attachments }) => attachments.some(({ network }) => network === DEFAULT_NETWORK));
  return first ? [...networks, implicitNetwork(name, first.at)] : networks;
}
function readName(loader, project, problems) {
  let found;
  for (const file of project.files) {
    const entry = entryOf(loader.parse(file), "name");
    const text = readString(entry, "name", problems);
    if (!entry || !text) continue;
    const value = new ProblemList().attempt(void 0, () => interpolateText(text, project.lookup));
    if (value) found = { text: value, at: entry.value.at };
  }
  return found;
}
function chooseLabName(options, project, named, problems) {
  const isFromFile = !options.projectName && !project.lookup("COMPOSE_PROJECT_NAME") && named !== void 0;
  return problems.attempt(
    isFromFile ? named.at : void 0,
    () => chooseProjectName(options.projectName, project, named?.text)
  );
}

// src/state/port-binding.ts
var EPHEMERAL = { first: 32768, last: 60999 };
var ANY_IPV6 = "::";
function bindPorts(state, container) {
  const gateway = gatewayEndpoint(state, container.endpoints);
  const routed = container.endpoints.filter((e) => isRouted(state, e));
  const requests = [...container.publish].sort(compareRequests);
  const bound = [];
  for (const endpoint of container.endpoints) {
    const network = networkById(state, endpoint.network);
    if (routed.includes(endpoint)) {
      bound.push(...requests.map((r) => bindingOf(r, endpoint, network.hostBinding, void 0)));
    }
    if (endpoint !== gateway || isRouted(state, endpoint)) continue;
    for (const request of requests) bound.push(...bindRequest(state, container, endpoint, request, bound));
  }
  return bound;
}
function isRouted(state, endpoint) {
  const network = networkById(state, endpoint.network);
  return network.gatewayMode === "routed" && !network.internal;
}
function compareRequests(a, b) {
  const order = ["tcp", "udp", "sctp"];
  return Number(isRange(a)) - Number(isRange(b)) || a.target - b.target || order.indexOf(a.proto) - order.indexOf(b.proto) || (a.published?.first ?? 0) - (b.published?.first ?? 0) || (a.hostIp ?? "").localeCompare(b.hostIp ?? "");
}
var isRange = (r) => r.published === void 0 || r.published.first !== r.published.last;
function bindRequest(state, container, endpoint, request, own) {
  const network = networkById(state, endpoint.network);
  const hostIp = request.hostIp ?? network.hostBinding;
  const addresses = request.hostIp === void 0 && hostIp === ANY_IPV4 && state.engine.userlandProxy ? [hostIp, ANY_IPV6] : [hostIp];
  const taken = [...heldPorts(state, container), ...own];
  const candidates = request.published ? portsOf(request.published) : ephemeralCandidates(taken, request.proto);
  const free = candidates.find((port) => addresses.every((ip) => !taken.some((t2) => collides(t2, ip, port, request.proto))));
  if (free === void 0) throw portConflict(state, container, endpoint, request, addresses[0] ?? hostIp, own);
  return addresses.map((ip) => bindingOf(request, endpoint, ip, free));
}
function bindingOf(request, endpoint, hostIp, hostPort) {
  return {
    hostIp,
    ...hostPort ? { hostPort } : {},
    target: request.target,
    proto: request.proto,
    endpoint: endpoint.id,
    ...request.at ? { at: request.at } : {}
  };
}
function heldPorts(state, except) {
  return state.containers.filter((c) => c.running && c !== except && c.name !== except.name).flatMap((c) => [...c.bindings, ...c.sandbox.kind === "host" ? c.serves.map((s) => ({ hostIp: ANY_IPV4, hostPort: s.port, proto: s.proto })) : []]);
}
function collides(held, hostIp, port, proto) {
  if (held.hostPort !== port || held.proto !== proto || isIpv4(held.hostIp) !== isIpv4(hostIp)) return false;
  const unspecified = (ip) => ip === ANY_IPV4 || ip === ANY_IPV6;
  return held.hostIp === hostIp || unspecified(held.hostIp) || unspecified(hostIp);
}
function ephemeralCandidates(taken, proto) {
  const inRange = taken.filter((t2) => t2.proto === proto && t2.hostPort !== void 0 && t2.hostPort >= EPHEMERAL.first && t2.hostPort <= EPHEMERAL.last);
  const last = Math.max(EPHEMERAL.first - 1, ...inRange.map((t2) => t2.hostPort ?? 0));
  const all = portsOf(EPHEMERAL);
  const next = last >= EPHEMERAL.last ? 0 : last + 1 - EPHEMERAL.first;
  return [...all.slice(next), ...all.slice(0, next)];
}
function portConflict(state, container, endpoint, request, hostIp, own) {
  const prefix = `failed to set up container networking: driver failed programming external connectivity on endpoint ${container.name} (${endpoint.id}): `;
  const at = request.at ? { at: request.at } : {};
  if (!request.published || isRange(request)) {
    return new DocknetError("CONFLICT", `${prefix}all ports are allocated`, { ...at, remedy: "Publish a wider range of host ports" });
  }
  const port = request.published.first;
  const holder = state.containers.find((c) => c.running && c.name !== container.name && c.bindings.some((b) => collides(b, hostIp, port, request.proto)));
  if (holder || own.some((b) => collides(b, hostIp, port, request.proto))) {
    return new DocknetError("CONFLICT", `${prefix}Bind for ${hostIp}:${port} failed: port is already allocated`, {
      ...at,
      remedy: `Publish another host port: ${port}/${request.proto} belongs to ${holder?.name ?? "an earlier line of this container"}`
    });
  }
  return new DocknetError("CONFLICT", `${prefix}failed to bind host port ${hostIp}:${port}/${request.proto}: address already in use`, {
    ...at,
    remedy: `Publish another host port: a container in host network mode listens on ${port}/${request.proto}`
  });
}

// src/state/container.ts
function runContainer(state, request) {
  const rival = state.containers.find((c) => c.name === request.name);
  if (rival) {
    throw new DocknetError(
      "CONFLICT",
      `Conflict. The container name "/${request.name}" is already in use by container "${rival.id}". You have to remove (or rename) that container to be able to reuse that name.`
    );
  }
  checkSandbox(state, request);
  const id = deriveId("container", state.lab, request.name);
  const bare = {
    id,
    name: request.name,
    node: request.node ?? containerNode(request.name),
    ...request.service ? { service: request.service } : {},
    ...request.image ? { image: request.image } : {},
    hostname: request.hostname ?? id.slice(0, 12),
    sandbox: request.sandbox,
    running: true,
    endpoints: [],
    publish: request.publish ?? [],
    bindings: [],
    exposed: request.exposed ?? [],
    serves: request.serves ?? [],
    sysctls: request.sysctls ?? {},
    labels: request.labels ?? {},
    programmedAt: 0,
    ...request.at ? { at: request.at } : {}
  };
  let next = { ...state, containers: [...state.containers, bare] };
  for (const endpoint of request.endpoints) next = addEndpoint(next, request.name, endpoint);
  return programPorts(next, request.name);
}
function findContainer(state, name) {
  const container = state.containers.find((c) => c.name === name);
  if (!container) throw new DocknetError("NOT_FOUND", `No such container: ${name}`);
  return container;
}
function findNetwork(state, name) {
  const network = state.networks.find((n) => n.name === name);
  if (!network) throw new DocknetError("NOT_FOUND", `network ${name} not found`);
  return network;
}
function replace(state, container) {
  return { ...state, containers: state.containers.map((c) => c.name === container.name ? container : c) };
}
function checkSandbox(state, request) {
  const { sandbox } = request;
  if (sandbox.kind === "container") {
    if (!state.containers.some((c) => c.name === sandbox.name)) {
      throw new DocknetError("NOT_FOUND", `joining network namespace of container: No such container: ${sandbox.name}`);
    }
    if (request.publish?.length) throw new DocknetError("LAB_FILE", "conflicting options: port publishing and the container type network mode");
    if (request.exposed?.length) throw new DocknetError("LAB_FILE", "conflicting options: port exposing and the container type network mode");
  }
  if (sandbox.kind === "host") {
    const key = Object.keys(request.sysctls ?? {}).find((k) => k.startsWith("net."));
    if (key) throw new DocknetError("LAB_FILE", `sysctl "${key}" not allowed in host network namespace`);
  }
  for (const key of Object.keys(request.sysctls ?? {})) parseSysctlKey(key);
  const perInterface = Object.entries(request.sysctls ?? {}).find(([k]) => /^net\.(ipv4|ipv6|mpls)\.(conf|neigh)\.(?!all\.|default\.)/.test(k));
  if (perInterface) {
    throw new DocknetError(
      "LAB_FILE",
      `interface specific sysctl setting "${perInterface.join("=")}" must be supplied using driver option 'com.docker.network.endpoint.sysctls'`
    );
  }
}
function addEndpoint(state, name, request) {
  const container = findContainer(state, name);
  const network = findNetwork(state, request.network);
  if (container.endpoints.some((e) => e.network === network.id)) {
    throw new DocknetError("CONFLICT", `endpoint with name ${name} already exists in network ${network.name}`);
  }
  if (network.isDefault && request.address) {
    throw new DocknetError("CONFLICT", "user-specified IP address is supported on user-defined networks only", request.at ? { at: request.at } : {});
  }
  if (network.isDefault && request.aliases?.length) {
    throw new DocknetError("CONFLICT", "network-scoped aliases are only supported for user-defined networks", request.at ? { at: request.at } : {});
  }
  const id = deriveId("endpoint", state.lab, name, network.name);
  const ifName = chooseIfName(container, network, request);
  const endpoint = {
    id,
    network: network.id,
    address: request.address ? requestAddress(state, network, request.address) : allocateAddress(state, network),
    mac: request.mac ?? deriveMac(id),
    ifName,
    hostIfName: vethName(id),
    aliases: request.aliases ?? [],
    linkLocal: request.linkLocal ?? [],
    sysctls: parseEndpointSysctls(request.driverOpts?.["com.docker.network.endpoint.sysctls"], ifName),
    gwPriority: request.gwPriority ?? 0,
    joinedAt: state.clock,
    ...request.at ? { at: request.at } : {}
  };
  return { ...replace(state, { ...container, endpoints: [...container.endpoints, endpoint] }), clock: state.clock + 1 };
}
function chooseIfName(container, network, request) {
  const used = new Set(container.endpoints.map((e) => e.ifName));
  const exact = request.ifName ?? request.driverOpts?.["com.docker.network.endpoint.ifname"];
  if (exact !== void 0) {
    const name = parseIfName(exact);
    if (used.has(name) || name === "lo") {
      throw new DocknetError("CONFLICT", `failed to set up container networking: interface ${name} already exists in the container`, request.at ? { at: request.at } : {});
    }
    return name;
  }
  for (let n = 0; ; n++) {
    const name = parseIfName(`${network.ifPrefix}${n}`);
    if (!used.has(name)) return name;
  }
}
function parseEndpointSysctls(text, ifName) {
  if (!text) return {};
  const entries = text.split(",").map((item) => {
    const equals = item.indexOf("=");
    const key = item.slice(0, Math.max(equals, 0));
    if (equals <= 0 || !/^net\.(ipv4|ipv6|mpls)\.\w+\.IFNAME\.\w+$/.test(key)) {
      throw new DocknetError("LAB_FILE", `invalid endpoint sysctl "${item}": wanted net.X.Y.IFNAME.Z=V with X of ipv4, ipv6, mpls`);
    }
    return [parseSysctlKey(key.replace("IFNAME", ifName.replaceAll(".", "/"))), item.slice(equals + 1)];
  });
  return Object.fromEntries(entries);
}
function programPorts(state, name) {
  const container = findContainer(state, name);
  const bindings = container.running ? bindPorts(state, container) : [];
  return { ...replace(state, { ...container, bindings, programmedAt: state.clock }), clock: state.clock + 1 };
}

// src/state/image.ts
var tcp = (...ports) => ports.map((p) => ({ port: p, proto: "tcp" }));
var udp = (...ports) => ports.map((p) => ({ port: p, proto: "udp" }));
var EXPOSED = new Map(
  Object.entries({
    adminer: tcp(8080),
    caddy: [...tcp(80, 443, 2019), ...udp(443)],
    cassandra: tcp(7e3, 7001, 7199, 9042, 9160),
    "coredns/coredns": [...tcp(53), ...udp(53)],
    elasticsearch: tcp(9200, 9300),
    ghost: tcp(2368),
    "grafana/grafana": tcp(3e3),
    haproxy: [],
    httpd: tcp(80),
    influxdb: tcp(8086),
    "linuxserver/wireguard": udp(51820),
    mariadb: tcp(3306),
    memcached: tcp(11211),
    mongo: tcp(27017),
    mysql: tcp(3306, 33060),
    nats: tcp(4222, 6222, 8222),
    nextcloud: tcp(80),
    nginx: tcp(80),
    phpmyadmin: tcp(80),
    postgres: tcp(5432),
    "prom/alertmanager": tcp(9093),
    "prom/node-exporter": tcp(9100),
    "prom/prometheus": tcp(9090),
    rabbitmq: tcp(4369, 5671, 5672, 15691, 15692, 25672),
    redis: tcp(6379),
    registry: tcp(5e3),
    tomcat: tcp(8080),
    traefik: tcp(80),
    "traefik/whoami": tcp(80),
    valkey: tcp(6379),
    varnish: tcp(80, 8443),
    vault: tcp(8200),
    wordpress: tcp(80)
  })
);
function exposedPorts(reference) {
  if (!reference) return [];
  const bare = reference.replace(/@.*$/, "").replace(/:[^/:]*$/, "");
  const name = bare.replace(/^(docker\.io|index\.docker\.io)\//, "").replace(/^library\//, "");
  return EXPOSED.get(name) ?? [];
}

// src/state/resolve.ts
function resolveState(spec) {
  const problems = [];
  const attempt = (state2, at, step) => {
    try {
      return step(state2);
    } catch (error) {
      if (!(error instanceof DocknetError)) throw error;
      problems.push(...error instanceof ProblemsError ? error.problems : [error.toProblem(at)]);
      return state2;
    }
  };
  if (spec.engine.profile !== "docker-29") {
    problems.push({ message: `firewall profile ${spec.engine.profile} is not built yet`, remedy: "Use docker-29", ...spec.engine.at ? { at: spec.engine.at } : {} });
  }
  let state = emptyState(spec.name, spec.engine, spec.world);
  const used = new Set(spec.services.filter((s) => s.mode.kind === "networks").flatMap((s) => s.attachments.map((a) => a.network)));
  for (const network of spec.networks.filter((n) => used.has(n.key))) {
    if (network.external && state.networks.some((n) => n.name === network.name)) continue;
    state = attempt(state, network.at, (s) => createNetwork(s, networkRequest(network)));
  }
  problems.push(...worldConflicts(state));
  if (problems.length > 0) throw new ProblemsError("CONFLICT", problems);
  const plan = startOrder(spec).flatMap((service) => containersOf(spec, service));
  for (const { request, at } of plan) state = attempt(state, at, (s) => runContainer(s, request));
  if (problems.length > 0) throw new ProblemsError("CONFLICT", problems);
  return { state, warnings: [...spec.warnings, ...discardedPorts(state)] };
}
function networkRequest(network) {
  const [pool, second] = network.ipam;
  if (second) throw new DocknetError("LAB_FILE", "bridge driver doesn't support multiple subnets", { at: second.at });
  return {
    name: network.name,
    driver: network.driver,
    ...pool?.subnet ? { subnet: pool.subnet } : {},
    ...pool?.ipRange ? { ipRange: pool.ipRange } : {},
    ...pool?.gateway ? { gateway: pool.gateway } : {},
    auxAddresses: Object.values(pool?.auxAddresses ?? {}),
    internal: network.internal,
    options: network.driverOpts,
    labels: network.labels,
    at: network.at
  };
}
function startOrder(spec) {
  const byKey = new Map(spec.services.map((s) => [s.key, s]));
  const order = [];
  const visiting = /* @__PURE__ */ new Set();
  const visit = (service, from) => {
    if (order.includes(service)) return;
    if (visiting.has(service.key)) {
      throw new DocknetError("LAB_FILE", `dependency cycle detected: ${[...from, service.key].join(" -> ")}`, { at: service.at });
    }
    visiting.add(service.key);
    const shared2 = service.mode.kind === "service" ? [service.mode.service] : [];
    for (const key of [...service.dependsOn, ...service.links.filter((l) => !l.external).map((l) => l.service), ...shared2]) {
      const next = byKey.get(key);
      if (next) visit(next, [...from, service.key]);
    }
    order.push(service);
  };
  for (const service of spec.services) visit(service, []);
  return order;
}
function containersOf(spec, service) {
  return Array.from({ length: service.replicas }, (_, i) => ({ request: containerRequest(spec, service, i + 1), at: service.at }));
}
function containerRequest(spec, service, index) {
  const exposed = service.expose.map(({ port, proto }) => ({ port, proto }));
  return {
    name: containerName(spec, service, index),
    node: nodeName(spec, service, index),
    service: service.key,
    ...service.image ? { image: service.image } : {},
    ...service.hostname ? { hostname: service.hostname } : {},
    sandbox: sandboxOf(spec, service),
    endpoints: endpointsOf(spec, service),
    publish: service.ports,
    exposed,
    serves: servedPorts(service),
    sysctls: service.sysctls,
    labels: service.labels,
    at: service.at
  };
}
function containerName(spec, service, index) {
  return service.containerName ?? parseContainerName(`${spec.name}-${service.key}-${index}`);
}
function nodeName(spec, service, index) {
  const short = service.replicas === 1 ? service.key : `${service.key}-${index}`;
  const clash = spec.services.some((s) => s !== service && (s.key === short || s.containerName === short));
  return clash ? containerName(spec, service, index) : short;
}
function sandboxOf(spec, service) {
  const { mode } = service;
  if (mode.kind === "none" || mode.kind === "host") return { kind: mode.kind };
  if (mode.kind === "container") return { kind: "container", name: parseContainerName(mode.container) };
  if (mode.kind !== "service") return { kind: "own" };
  const target = spec.services.find((s) => s.key === mode.service);
  if (!target) throw new DocknetError("LAB_FILE", `service "${service.key}" shares the network of undefined service "${mode.service}"`, { at: service.at });
  return { kind: "container", name: containerName(spec, target, 1) };
}
function endpointsOf(spec, service) {
  if (service.mode.kind === "bridge") return [{ network: "bridge", ...service.mac ? { mac: service.mac } : {}, at: service.at }];
  if (service.mode.kind !== "networks") return [];
  const ordered = [...service.attachments].sort((a, b) => b.priority - a.priority);
  return ordered.map((attachment, i) => endpointRequest(spec, service, attachment, i === 0));
}
function endpointRequest(spec, service, attachment, first) {
  const network = spec.networks.find((n) => n.key === attachment.network);
  if (!network) throw new DocknetError("LAB_FILE", `service "${service.key}" refers to undefined network ${attachment.network}`, { at: attachment.at });
  const mac = attachment.mac ?? (first ? service.mac : void 0);
  return {
    network: network.name,
    ...attachment.ipv4 ? { address: attachment.ipv4 } : {},
    ...mac ? { mac } : {},
    ...attachment.interfaceName ? { ifName: attachment.interfaceName } : {},
    // compose adds the service's name as an alias; the default bridge takes none
    aliases: network.name === "bridge" ? attachment.aliases : [.../* @__PURE__ */ new Set([service.key, ...attachment.aliases])],
    linkLocal: attachment.linkLocalIps,
    driverOpts: attachment.driverOpts,
    gwPriority: attachment.gwPriority,
    at: attachment.at
  };
}
function servedPorts(service) {
  const all = [
    ...service.ports.map(({ target, proto, at }) => ({ port: target, proto, at })),
    ...service.expose,
    ...service.serve,
    ...exposedPorts(service.image)
  ];
  return all.filter((p, i) => all.findIndex((q) => q.port === p.port && q.proto === p.proto) === i);
}
function worldConflicts(state) {
  const places = [
    ["the lab's LAN", state.world.lan],
    ["the lab's internet", state.world.internet.subnet]
  ];
  return state.networks.flatMap(
    (network) => places.filter(([, subnet2]) => overlaps(subnet2, network.subnet)).map(([name, subnet2]) => ({
      message: `network ${network.name}: subnet ${network.subnet} overlaps ${subnet2}, ${name}`,
      remedy: "Choose another subnet, or move the world by x-docknet world",
      ...network.at ? { at: network.at } : {}
    }))
  );
}
function discardedPorts(state) {
  return state.containers.flatMap((c) => {
    const lost = c.publish.find((p) => !c.bindings.some((b) => b.target === p.target && b.proto === p.proto));
    if (!lost || c.sandbox.kind === "container") return [];
    const internal = c.endpoints.length > 0 && c.endpoints.every((e) => !hasDefaultGateway(networkById(state, e.network)));
    const reason = c.sandbox.kind === "own" ? internal ? "it has only internal networks" : "it has no network" : `its network mode is ${c.sandbox.kind}`;
    return [{ message: `published ports of ${c.node} are discarded: ${reason}`, ...lost.at ? { at: lost.at } : {} }];
  });
}

// src/lab-tmp.ts
async function createLab(file, options = {}) {
  const load = typeof file === "string" ? { files: [file], cwd: process.cwd(), env: process.env } : file;
  return buildLab(loadSpec(load), options);
}
async function buildLab(spec, options = {}) {
  var _stack = [];
  try {
    const resolved = resolveState(spec);
    const layout = layoutOf(resolved.state, readMachine());
    const undo = __using(_stack, new DisposerStack(), true);
    const startedAt = performance.now();
    const executor = undo.use("the lab's namespaces", new Executor({ lab: spec.name, named: false, ...options }));
    await executor.apply(planLab(void 0, layout));
    for (const { node: node2, service, port } of respondersOf(resolved.state)) {
      undo.use(`responder ${service}:${port.port}/${port.proto}`, openResponder(executor.netns(node2), { service, port }));
    }
    return new Lab({ spec, resolved, layout, executor, buildMs: performance.now() - startedAt, signal: options.signal }, undo.move());
  } catch (_) {
    var _error = _, _hasError = true;
  } finally {
    var _promise = __callDispose(_stack, _error, _hasError);
    _promise && await _promise;
  }
}
var Lab = class {
  spec;
  state;
  /** What the kernel should look like. */
  layout;
  /** Milliseconds that building took, responders included. */
  buildMs;
  parts;
  undo;
  constructor(parts, undo) {
    this.parts = parts;
    this.undo = undo;
    this.spec = parts.spec;
    this.state = parts.resolved.state;
    this.layout = parts.layout;
    this.buildMs = parts.buildMs;
  }
  /** The checks that `verify` will make: the file's own, or those derived from it. */
  checks() {
    const rules = (node2) => nodeOf(this.layout, node2)?.rules ?? EMPTY_RULESET;
    return checksOf(this.state, { host: rules(HOST), router: rules(ROUTER) }, this.spec.checks);
  }
  /** Sends and captures packets for every check and compares. Changes nothing in the lab. @throws DocknetError ABORTED */
  async verify(options = {}) {
    const startedAt = performance.now();
    const { signal } = this.parts;
    const verified = await verifyLayout(this.instruments(), this.layout, this.checks(), {
      answerDeadlineMs: options.answerDeadlineMs ?? 3e3,
      silenceMs: options.silenceMs ?? 250,
      ...signal ? { signal } : {},
      ...options.onProgress ? { onProgress: options.onProgress } : {}
    });
    if (signal?.aborted) throw new DocknetError("ABORTED", "Interrupted while verifying the lab");
    return {
      schema: 1,
      docknet: VERSION,
      lab: this.spec.name,
      files: this.spec.files,
      profile: this.spec.engine.profile,
      kernel: kernelRelease(),
      ...summarise(verified.results),
      topology: describeTopology(this.state),
      checks: verified.results,
      drift: verified.drift,
      warnings: this.parts.resolved.warnings,
      captures: verified.captures,
      durations: { buildMs: this.buildMs, verifyMs: performance.now() - startedAt }
    };
  }
  /** Runs a program of this machine inside a node's network. No shell. A non-zero exit is a result, not an error. */
  async exec(node2, argv, options = {}) {
    const [file, ...args] = argv;
    const ns = this.parts.executor.netns(this.sandboxOf(node2));
    const started = ns.enter(() => ({ run: execa3(file, args, { reject: false, input: options.input ?? "", timeout: options.timeoutMs ?? 3e4, stripFinalNewline: false }) }));
    const result = await started.run;
    if (result.exitCode === void 0) throw new DocknetError("NOT_FOUND", `Cannot run ${file} in ${node2}: ${result.originalMessage ?? result.shortMessage}`);
    return { stdout: result.stdout, stderr: result.stderr, exitCode: result.exitCode };
  }
  /** Idempotent. @throws DocknetError naming what could not be removed */
  close() {
    return this.undo.close();
  }
  async [Symbol.asyncDispose]() {
    await this.close();
  }
  /** The node whose network a container uses: its own, the one it joins, or the host's. */
  sandboxOf(node2) {
    const container = this.state.containers.find((c) => c.node === node2);
    if (!container) return node2;
    return sandboxOwner(this.state, container)?.node ?? HOST;
  }
  instruments() {
    const { executor } = this.parts;
    const netns = (node2) => executor.netns(this.sandboxOf(node2));
    return {
      probe: ({ node: node2, ...request }) => startProbe({ ns: netns(node2), ...request }),
      capture: ({ node: node2, link, mac }, onFrame) => openCapture(netns(node2), link, { ...mac ? { mac } : {}, filter: STORY_FILTER, bufferBytes: 32 * 1024 * 1024, onFrame: ({ frame, direction }) => onFrame(frame, direction) }),
      readRules: (node2) => readRules(netns(node2)),
      readConntrack: (node2) => readConntrack(netns(node2)),
      readNode: (node2, sysctls) => readNode(netns(node2), sysctls)
    };
  }
};
var VERSION = typeof __DOCKNET_VERSION__ === "string" ? __DOCKNET_VERSION__ : "0.0.0-source";
var STORY_FILTER = "(tcp[tcpflags] & (tcp-syn|tcp-rst) != 0) or udp or icmp";
function respondersOf(state) {
  const places = state.containers.flatMap(
    (c) => c.serves.map(({ port, proto }) => ({ node: sandboxOwner(state, c)?.node ?? HOST, service: c.node, port: { port, proto } }))
  );
  const internet = INTERNET_PORTS.map((port) => ({ node: INTERNET, service: INTERNET, port }));
  const key = (p) => `${p.node} ${p.port.port}/${p.port.proto}`;
  return [...new Map([...places, ...internet].reverse().map((p) => [key(p), p])).values()].reverse();
}
function summarise(results) {
  const count2 = (verdict) => results.filter((r) => r.verdict === verdict).length;
  const counts = { pass: count2("PASS"), fail: count2("FAIL"), inconclusive: count2("INCONCLUSIVE"), controls: results.filter((r) => r.group === "control").length };
  return { counts, verdict: counts.fail > 0 ? "FAIL" : counts.inconclusive > 0 ? "INCONCLUSIVE" : "PASS" };
}

// ../../tmp/t6.ts
var lab = await createLab(process.argv[2] ?? "/work/main/src/labs/seed.yaml");
for (const mb of [0.25, 1, 4, 32]) {
  const t2 = performance.now();
  const c = [];
  for (let i = 0; i < 10; i++) c.push(openCapture(lab.parts.executor.netns("a"), "eth0", { bufferBytes: mb * 1024 * 1024, onFrame() {
  } }));
  const t22 = performance.now();
  for (const x of c) await x.close();
  console.log(mb, "MB open", (t22 - t2) / 10, "close", (performance.now() - t22) / 10);
}
var t = performance.now();
await Promise.all([1, 2].map(() => lab.instruments().readRules("@host")));
console.log("readRules x2", performance.now() - t);
var t3 = performance.now();
lab.instruments().readConntrack("@host");
console.log("ct", performance.now() - t3);
await lab.close();
