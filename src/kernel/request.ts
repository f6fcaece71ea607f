/** Requests to one node whose refusals people read. */
import { DocknetError } from "../errors.ts";
import type { ForeignObject } from "../plan/observed.ts";
import { NETLINK_NETFILTER, NetlinkError, NetlinkSocket } from "./netlink/netlink.ts";
import { deleteForeign } from "./netlink/rtnetlink-read.ts";
import type { NodeState } from "./node-state.ts";

/** What another deletion took with it is gone already. */
const GONE = new Set(["ENODEV", "ENOENT", "ESRCH", "EADDRNOTAVAIL", "ENXIO"]);

/** @throws DocknetError when it is there and the kernel keeps it */
export function removeForeign(node: NodeState, foreign: ForeignObject): void {
  const request = deleteForeign(foreign);
  const netfilter = foreign.object === "table" ? new NetlinkSocket(node.ns, NETLINK_NETFILTER) : undefined;
  try {
    if (netfilter) netfilter.transact([request]);
    else node.route.request([request]);
  } catch (error) {
    if (!(error instanceof NetlinkError) || !GONE.has(error.code)) throw refusal(node.ns.label, error);
  } finally {
    netfilter?.close();
  }
}

/** The kernel's refusal in words; any other error as it is. */
export function refusal(node: string, error: unknown): unknown {
  if (!(error instanceof NetlinkError)) return error;
  const absent = absentKind(error);
  if (absent) return absent;
  const remedies: Readonly<Record<string, string>> = {
    EOPNOTSUPP: "This kernel lacks the link type: run `docknet doctor`",
    EPERM: "Run as root, or let docknet enter a user namespace (see `docknet doctor`)",
    ENOSPC: "A bridge holds at most 1023 ports: spread the containers over more networks",
  };
  const code = error.code === "EPERM" ? "PRIVILEGE" : error.code === "EOPNOTSUPP" ? "KERNEL_FEATURE" : "KERNEL_REFUSED";
  return new DocknetError(code, `Cannot ${error.message.replace(/: /, ` in ${node}: the kernel says `)}`, {
    cause: error,
    ...(remedies[error.code] ? { remedy: remedies[error.code] as string } : {}),
  });
}

const MODULES: Readonly<Record<string, string>> = { vlan: "8021q", dummy: "dummy", macvlan: "macvlan" };

/** A kernel without a link type that a network asks for: Docker's words, and its status. */
function absentKind(error: NetlinkError): DocknetError | undefined {
  const [, kind = "", name] = /^create (\w+) (\S+): /.exec(error.message) ?? [];
  const module = MODULES[kind];
  if (error.code !== "EOPNOTSUPP" || !module) return undefined;
  const what = kind === "vlan" ? `failed to create ${name} vlan link` : `failed to create the ${kind} port`;
  return new DocknetError(
    "KERNEL_FEATURE",
    kind === "dummy" ? "operation not supported" : `${what}: operation not supported`,
    {
      cause: error,
      remedy:
        `This kernel has no links of type ${kind}: load the module (modprobe ${module})` +
        (kind === "macvlan" ? "" : ", or give the network parent eth0"),
      details: { status: 500 },
    },
  );
}
