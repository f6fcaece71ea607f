/**
 * A plan as a POSIX shell script that a person could have typed: run by sh as root it builds the same kernel state, with named
 * namespaces. Each step shows the object that wants it. Values were parsed strictly; what could still mean something to a shell is quoted.
 */
import { prefixLength } from "../net/address.ts";
import { type LabName, type NodeName, netnsName } from "../net/name.ts";
import type { RepairOp } from "./firewall/repair-edit.ts";
import { renderRepair, renderRestore } from "./firewall/restore.ts";
import type { Op, VethEnd } from "./op.ts";

export function renderScript(lab: LabName, ops: readonly Op[]): string {
  const head = [
    "#!/bin/sh",
    `# docknet plan of lab ${lab}: run as root; docknet plan --down prints the way back`,
    "set -e",
  ];
  return `${[...head, ...ops.flatMap((op) => renderOp(lab, op))].join("\n")}\n`;
}

/** One step as the commands for it; a comment where no command exists. */
export function renderOp(lab: LabName, op: Op): string[] {
  const ns = quote(netnsName(lab, op.node));
  const ip = (...args: string[]): string => ["ip", "-n", ns, ...args.map(quote)].join(" ");
  const inside = (...args: string[]): string => ["ip", "netns", "exec", ns, ...args.map(quote)].join(" ");
  switch (op.kind) {
    case "netns.create":
      return ["", `# --- ${op.node}`, `ip netns add ${ns}`, ip("link", "set", "lo", "up")];
    case "netns.delete":
      return [`ip netns delete ${ns}`];
    case "sysctl.set":
      return [inside("sysctl", "-qw", `${op.key}=${op.value}`)];
    case "bridge.create":
      return [ip("link", "add", ...endArgs("name", op), "type", "bridge")];
    case "veth.create":
      return [
        ip(
          "link",
          "add",
          ...endArgs("name", op.end),
          "type",
          "veth",
          "peer",
          ...endArgs("name", op.peer),
          "netns",
          netnsName(lab, op.peerNode),
        ),
      ];
    case "macvlan.create": {
      // as docker: made under another name, for its own may be taken where the parent is
      const words = ["link", op.parent, "name", NEW_STATION, "netns", netnsName(lab, op.node)];
      return [
        `ip -n ${quote(netnsName(lab, op.parentNode))} link add ${words.map(quote).join(" ")} type macvlan mode ${op.mode}`,
        ip("link", "set", NEW_STATION, ...endArgs("name", op.end)),
      ];
    }
    case "vlan.create":
      return [
        ip("link", "add", "link", op.parent, ...endArgs("name", op.end), "type", "vlan", "id", String(op.vlanId)),
      ];
    case "dummy.create":
      return [ip("link", "add", ...endArgs("name", op.end), "type", "dummy")];
    case "link.delete":
      return [ip("link", "delete", op.name)];
    case "port.join":
      return [
        ip("link", "set", op.name, "master", op.bridge),
        ...(op.hairpin ? [inside("bridge", "link", "set", "dev", op.name, "hairpin", "on")] : []),
      ];
    case "port.leave":
      return [ip("link", "set", op.name, "nomaster")];
    case "link.up":
      return [ip("link", "set", op.name, "up")];
    case "link.down":
      return [ip("link", "set", op.name, "down")];
    case "address.add":
      return [
        ip("address", "add", op.address, ...(prefixLength(op.address) <= 30 ? ["broadcast", "+"] : []), "dev", op.link),
      ];
    case "address.delete":
      return [ip("address", "delete", op.address, "dev", op.link)];
    case "route.add":
    case "route.delete": {
      const to = op.route.to === "0.0.0.0/0" ? "default" : op.route.to;
      return [
        ip(
          "route",
          op.kind === "route.add" ? "add" : "delete",
          to,
          "via",
          op.route.via,
          ...(op.route.link ? ["dev", op.route.link] : []),
        ),
      ];
    }
    case "rules.commit":
      return [`${inside("iptables-restore", "--noflush")} <<'RULES'`, `${renderRestore(op.edits)}RULES`];
    case "proxy.open":
    case "proxy.close": {
      const p = op.proxy;
      const verb =
        op.kind === "proxy.open"
          ? "docknet listens here itself, where Docker runs"
          : "docknet stops listening, where Docker stops";
      return [
        `# ${verb}: docker-proxy -proto ${p.proto} -host-ip ${p.hostIp} -host-port ${p.hostPort} -container-ip ${p.containerIp} -container-port ${p.containerPort}`,
      ];
    }
  }
}

/** A step that puts something back, as the commands for it. What is foreign is named in words: it is removed by the message that showed it. */
export function renderRepairOp(lab: LabName, op: RepairOp | Op): string[] {
  const ns = quote(netnsName(lab, op.node));
  switch (op.kind) {
    case "netns.name":
      return [`# the namespace is alive, and gets its name again: ip netns attach ${ns} PID`];
    case "foreign.delete":
      return [`# in ${ns}: delete ${op.object} ${oneLine(op.what)}`];
    case "link.change":
      return [["ip", "-n", ns, "link", "set", ...endArgs("dev", op).map(quote)].join(" ")];
    case "rules.repair":
      return [`ip netns exec ${ns} iptables-restore --noflush <<'RULES'`, `${renderRepair(op.edits)}RULES`];
    default:
      return renderOp(lab, op);
  }
}

/** What a macvlan is called until it is in its own namespace. */
const NEW_STATION = "macvlan-new";

/** Others named it: nothing of it may end the comment. */
const oneLine = (text: string): string => text.replaceAll(/\p{Cc}/gu, "?");

function endArgs(word: string, end: VethEnd): string[] {
  return [
    word,
    end.name,
    ...(end.mac ? ["address", end.mac] : []),
    ...(end.mtuBytes ? ["mtu", String(end.mtuBytes)] : []),
  ];
}

/** As is when no shell could read anything into it, else in single quotes. */
function quote(text: string): string {
  return /^[A-Za-z0-9@%+=:,./_-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** The namespaces that a plan creates, by the names that `ip netns` shows. */
export function namespacesOf(lab: LabName, ops: readonly Op[]): string[] {
  return ops
    .filter((op): op is Extract<Op, { kind: "netns.create" }> => op.kind === "netns.create")
    .map((op: { node: NodeName }) => netnsName(lab, op.node));
}
