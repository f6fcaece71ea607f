/**
 * What the kernel has in a namespace, as the tools of the system print it, less what differs from run to run: indexes, timers,
 * counters; and less what follows from the other end of a link being up, which the kernel sees a moment later, up to a second
 * (net/core/link_watch.c): carrier, and that a port forwards. Two builds of one lab must dump the same.
 */

/** One shell command per section; run in a namespace. */
export const DUMP_SECTIONS: Readonly<Record<string, string>> = {
  links: "ip -j -d link show",
  addresses: "ip -j address show",
  routes: "ip -j route show table all",
  rules: "iptables-save",
  sysctls: "sysctl -a 2>/dev/null | grep -E '^net\\.(ipv4|ipv6|bridge)\\.' || true",
};

const VOLATILE_KEYS = new Set([
  "ifindex",
  "link_index",
  "link_netnsid",
  "link",
  "carrier_changes",
  "carrier_up_count",
  "carrier_down_count",
  "promiscuity",
  "allmulti",
  "bridge_id",
  "root_id",
  "designated_root",
  "designated_bridge",
  "hello_timer",
  "tcn_timer",
  "topology_change_timer",
  "gc_timer",
  "hold_timer",
  "message_age_timer",
  "forward_delay_timer",
  "port_id",
  "designated_port",
  "no",
  "id",
  "parentdev",
  "valid_life_time",
  "preferred_life_time",
  "stats64",
  "stats",
  "tso_max_size",
  "bridge_id_",
  "designated_cost",
  "ifid",
  "num_tx_queues",
  "num_rx_queues",
  "operstate",
]);
const CARRIER = new Set<unknown>(["NO-CARRIER", "LOWER_UP", "linkdown"]);
/** Sysctls that count, that are random, or that the kernel computes from memory. */
const VOLATILE_SYSCTLS =
  /stable_secret|nf_conntrack_count|_hash|tcp_fastopen_key|\.(mtu|base_reachable_time)\b|neigh\.|fib_|tcp_mem|udp_mem|icmp_msgs|route\.gc|ipv4\.route|inet_peer/;

export function normalizeDump(section: string, text: string): unknown {
  if (section === "rules")
    return text
      .split("\n")
      .filter((l) => !l.startsWith("#"))
      .map((l) => l.replace(/\[\d+:\d+\]$/, "[0:0]"));
  if (section === "sysctls")
    return text
      .split("\n")
      .filter((l) => l && !VOLATILE_SYSCTLS.test(l))
      .sort();
  const rows: unknown = JSON.parse(text.trim() || "[]");
  const clean = strip(rows);
  return Array.isArray(clean)
    ? clean
        .map((r) => JSON.stringify(r))
        .sort()
        .map((r) => JSON.parse(r) as unknown)
    : clean;
}

function strip(value: unknown): unknown {
  if (Array.isArray(value)) return value.filter((v) => !CARRIER.has(v)).map(strip);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([k, v]) => !VOLATILE_KEYS.has(k) && !isPortState(k, v))
      .map(([k, v]) => [k, strip(v)]),
  );
}

/** Of a bridge's port without STP: forwarding as soon as it has carrier, else disabled. */
const isPortState = (key: string, value: unknown): boolean =>
  key === "state" && (value === "forwarding" || value === "disabled");
