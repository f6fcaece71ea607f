/**
 * What this machine can do of what a lab needs: each finding says what was found, what a lack means, and how to mend it. Features
 * of the kernel are tried in a scratch namespace of our own, not looked up.
 */
import { existsSync, readFileSync } from "node:fs";
import { release } from "node:os";
import { execa } from "execa";
import { messageOf } from "../errors.ts";
import type { IfName } from "../net/name.ts";
import { NETLINK_ROUTE, NetlinkSocket } from "./netlink/netlink.ts";
import {
  createBridge,
  createDummy,
  createMacvlan,
  createVeth,
  createVlan,
  dumpLinks,
  numberNetns,
} from "./netlink/rtnetlink.ts";
import { decodeNsid, nsidOf } from "./netlink/rtnetlink-read.ts";
import { Netns } from "./netns.ts";

export interface Finding {
  readonly name: string;
  /** ok: there. limited: labs work, something does not. missing: labs do not work. */
  readonly status: "ok" | "limited" | "missing";
  readonly found: string;
  /** What a lack means; set when not ok. */
  readonly means?: string;
  readonly remedy?: string;
}

export interface Diagnosis {
  readonly schema: 1;
  readonly kernel: string;
  readonly node: string;
  readonly findings: readonly Finding[];
}

const NO_PROGRAMS = "no programs run in containers; built-in responders do";

/** Needs the privilege to make namespaces for all but the first findings. Leaves nothing. */
export async function diagnoseMachine(): Promise<Diagnosis> {
  const base = { schema: 1 as const, kernel: release(), node: process.version };
  const privilege = checkPrivilege();
  const tools = await Promise.all([
    checkTool("iptables-restore", ["--version"], "iptables", "missing"),
    checkTool("ip", ["-V"], "iproute2", "missing"),
    checkTool("tcpdump", ["--version"], "tcpdump", "limited", "packets cannot be recorded to a file"),
    checkTool("unshare", ["--version"], "util-linux", "limited", NO_PROGRAMS),
    checkTool("setpriv", ["--version"], "util-linux", "limited", NO_PROGRAMS),
    checkTool("setsid", ["--version"], "util-linux", "limited", NO_PROGRAMS),
  ]);
  const files = [checkDescriptors(), checkIpv6(), checkBridgeNetfilter()];
  if (privilege.status === "missing") return { ...base, findings: [privilege, ...tools, ...files] };
  const scratch = Netns.create("doctor");
  try {
    return {
      ...base,
      findings: [privilege, ...tools, ...checkLinks(scratch), ...(await checkRules(scratch)), checkCapture(), ...files],
    };
  } finally {
    scratch.close();
  }
}

function checkPrivilege(): Finding {
  try {
    Netns.create("doctor").close();
    const inside = process.env.DOCKNET_USER_NAMESPACE === "1";
    return {
      name: "privilege",
      status: "ok",
      found: inside ? "network namespaces inside a user namespace" : "network namespaces as root",
    };
  } catch (error) {
    return {
      name: "privilege",
      status: "missing",
      found: messageOf(error),
      means: "no lab can be built",
      remedy: "Run as root, or allow user namespaces",
    };
  }
}

async function checkTool(
  file: string,
  args: readonly string[],
  debian: string,
  lack: "missing" | "limited",
  means = "no lab can be built",
): Promise<Finding> {
  const result = await execa(file, args, {
    reject: false,
    timeout: 5000,
    env: { PATH: "/usr/sbin:/sbin:/usr/bin:/bin" },
  });
  const line = `${result.stdout}\n${result.stderr}`.trim().split("\n")[0] ?? "";
  if (result.exitCode === 0) return { name: file, status: "ok", found: line };
  return { name: file, status: lack, found: "not installed", means, remedy: `Install the Debian package ${debian}` };
}

function checkLinks(ns: Netns): Finding[] {
  const route = new NetlinkSocket(ns, NETLINK_ROUTE);
  const means = "no lab can be built";
  const wanted: readonly Try[] = [
    {
      name: "bridge",
      means,
      attempt: () => route.request([createBridge({ name: "try0" as IfName, index: 1000 })]),
    },
    {
      name: "veth",
      means,
      attempt: () =>
        route.request([
          createVeth({ name: "try1" as IfName, index: 1001 }, { name: "try2" as IfName, index: 1002, netnsFd: ns.fd }),
        ]),
    },
    { name: "rtnetlink dump", means, attempt: () => void route.query(dumpLinks) },
  ];
  try {
    return [...wanted.map((t) => tried(t, "missing")), ...macvlanTries(ns, route).map((t) => tried(t, "limited"))];
  } finally {
    route.close();
  }
}

/** A link type that is made on trial, in a namespace of its own. */
interface Try {
  readonly name: string;
  /** The kernel's module; the same as the name unless said. */
  readonly module?: string;
  /** What its lack means. */
  readonly means: string;
  readonly attempt: () => void;
}

function tried({ name, module = name, means, attempt }: Try, lack: "missing" | "limited"): Finding {
  try {
    attempt();
    return { name, status: "ok", found: "works" };
  } catch (error) {
    const remedy = `Load the kernel module: modprobe ${module}`;
    return { name, status: lack, found: messageOf(error), means, remedy };
  }
}

/** What macvlan networks need, each on the veth that `checkLinks` made. */
function macvlanTries(ns: Netns, route: NetlinkSocket): Try[] {
  const parent = 1001;
  return [
    {
      name: "macvlan",
      means: "networks with driver macvlan are refused",
      attempt: () => {
        route.request([numberNetns(ns.fd)]);
        const nsid = route.query(nsidOf(ns.fd)).map(decodeNsid)[0] ?? -1;
        route.request([createMacvlan({ name: "try3" as IfName, index: 1003 }, { index: parent, nsid }, "bridge")]);
      },
    },
    {
      name: "802.1Q VLAN",
      module: "8021q",
      means: "macvlan networks with a parent such as eth0.10 are refused",
      attempt: () => route.request([createVlan({ name: "try4" as IfName, index: 1004 }, parent, 10)]),
    },
    {
      name: "dummy",
      means: "macvlan networks without a parent are refused",
      attempt: () => route.request([createDummy({ name: "try5" as IfName, index: 1005 })]),
    },
  ];
}

const RULES: readonly (readonly [string, string])[] = [
  ["nat MASQUERADE", "*nat\n-A POSTROUTING -o try0 -j MASQUERADE\nCOMMIT\n"],
  ["nat DNAT", "*nat\n-A PREROUTING -p tcp -m tcp --dport 1 -j DNAT --to-destination 192.0.2.1:1\nCOMMIT\n"],
  ["match addrtype", "*nat\n-A PREROUTING -m addrtype --dst-type LOCAL -j ACCEPT\nCOMMIT\n"],
  ["match conntrack", "*filter\n-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\nCOMMIT\n"],
  ["table raw", "*raw\n-A PREROUTING -i try0 -j DROP\nCOMMIT\n"],
];

async function checkRules(ns: Netns): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const [name, input] of RULES) {
    const started = ns.enter(() => ({
      run: execa("iptables-restore", ["--noflush"], {
        input,
        reject: false,
        timeout: 10_000,
        env: { PATH: "/usr/sbin:/sbin:/usr/bin:/bin" },
      }),
    }));
    const { exitCode, stderr, shortMessage } = await started.run;
    findings.push(
      exitCode === 0
        ? { name, status: "ok", found: "works" }
        : {
            name,
            status: "missing",
            found: (stderr || shortMessage || "").split("\n")[0] ?? "",
            means: "Docker's rules cannot be written",
            remedy: "Use a kernel with netfilter and nf_tables, or load the module",
          },
    );
  }
  return findings;
}

/** cap is an addon that is compiled at installation: it may be absent where libpcap's headers were. */
function checkCapture(): Finding {
  const built = ["../../node_modules/cap", "../../../node_modules/cap", "../../cap"].some((path) =>
    existsSync(new URL(`${path}/build/Release/cap.node`, import.meta.url)),
  );
  if (built) return { name: "live capture", status: "ok", found: "cap is built" };
  return {
    name: "live capture",
    status: "missing",
    found: "cap is not built",
    means: "packets cannot be captured",
    remedy: "Install libpcap-dev and g++, then npm rebuild cap",
  };
}

function checkDescriptors(): Finding {
  const soft = Number(/Max open files\s+(\d+)/.exec(readFileSync("/proc/self/limits", "utf8"))?.[1] ?? 0);
  if (soft >= 4096) return { name: "open files", status: "ok", found: String(soft) };
  return {
    name: "open files",
    status: "limited",
    found: String(soft),
    means: "large labs run out of descriptors",
    remedy: "Raise it: ulimit -n 65536",
  };
}

function checkIpv6(): Finding {
  if (existsSync("/proc/sys/net/ipv6")) return { name: "IPv6", status: "ok", found: "on" };
  return { name: "IPv6", status: "limited", found: "off", means: "published ports are not served on [::]" };
}

function checkBridgeNetfilter(): Finding {
  if (existsSync("/proc/sys/net/bridge")) return { name: "br_netfilter", status: "ok", found: "loaded" };
  return {
    name: "br_netfilter",
    status: "limited",
    found: "not loaded",
    means: "icc=false and userland-proxy: false are refused",
    remedy: "Load it: modprobe br_netfilter",
  };
}
