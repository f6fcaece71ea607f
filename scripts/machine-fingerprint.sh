#!/bin/bash
# The machine's own network as sorted text: what docknet must never change. Stable from one moment to the next on an idle machine.
#
#   scripts/machine-fingerprint.sh > before            print it
#   scripts/machine-fingerprint.sh --compare before    exit 1 with a diff when it is different now
#   --run ID: also the processes whose environment holds DOCKNET_TEST_RUN=ID (test.sh sets it; any that is left has leaked)
#
# Reads only; makes no table by asking (iptables-save lists those that exist). As an unprivileged user the firewall cannot be read: the
# text says so instead, and such a user could not have changed it either. Left out: counters, life times, keys, what traffic moves.
set -euo pipefail
export PATH="$PATH:/usr/sbin:/sbin" LC_ALL=C

before='' run=''
while [ $# -gt 0 ]; do
  case "$1" in
    --compare) before=${2:?--compare FILE} && shift 2 ;;
    --run) run=${2:?--run ID} && shift 2 ;;
    *)
      echo "usage: scripts/machine-fingerprint.sh [--run ID] [--compare FILE]" >&2
      exit 2
      ;;
  esac
done

section() { # NAME COMMAND...: its lines, each under the name
  local name=$1
  shift
  { "$@" 2>/dev/null || true; } | sed "s/^/$name  /"
}
firewall() { # NAME COMMAND...
  local name=$1
  shift
  if ! command -v "$1" >/dev/null; then return; fi
  if [ "$(id -u)" != 0 ]; then echo "$name  (only root can read it)" && return; fi
  section "$name" "$@" | sed -E -e '/^[^ ]+  #/d' -e 's/\[[0-9]+:[0-9]+\]//; s/counter packets [0-9]+ bytes [0-9]+/counter/'
}
legacy_firewall() { # NAME COMMAND TABLES: legacy tables are made by asking for one, so only those that exist are asked for
  if [ -s "$3" ]; then firewall "$1" "$2"; fi
}
sysctls() {
  # Keys and counts change by themselves; neigh and conf of one interface follow from the links; available_* grow with kernel modules.
  sysctl -a 2>/dev/null | grep '^net\.' |
    grep -vE '^net\.(netfilter\.nf_conntrack_count|.*stable_secret|.*fastopen_key|core\.netdev_rss_key|ipv[46]\.neigh\.|.*available_|.*(dir|inode)_nr)' || true
}
named_namespaces() { find /run/netns -mindepth 1 -maxdepth 1 -printf '%f\n' | sort; }
processes() {
  local file pid
  { grep -lzsxF "DOCKNET_TEST_RUN=$run" /proc/[0-9]*/environ || true; } | while read -r file; do
    pid=${file//[!0-9]/}
    tr '\0' ' ' <"/proc/$pid/cmdline" && echo
  done 2>/dev/null | sort | uniq -c
}
fingerprint() {
  section link ip -o link show
  section addr ip -o addr show | sed -E 's/(valid|preferred)_lft [0-9]+sec//g'
  section rule4 ip -4 rule show
  section rule6 ip -6 rule show
  section route4 ip -o -4 route show table all
  section route6 ip -o -6 route show table all | sed -E 's/expires [0-9]+sec//g'
  firewall iptables iptables-save
  firewall ip6tables ip6tables-save
  legacy_firewall iptables-legacy iptables-legacy-save /proc/net/ip_tables_names
  legacy_firewall ip6tables-legacy ip6tables-legacy-save /proc/net/ip6_tables_names
  firewall nft nft -s list ruleset
  section netns named_namespaces
  section sysctl sysctls
  [ -z "$run" ] || section process processes
}

if [ -z "$before" ]; then
  fingerprint
  exit
fi
# A kernel module that the tests had loaded brings its own settings (net.netfilter, net.bridge): new ones are no change of the network.
now=$(mktemp)
trap 'rm -f "$now"' EXIT
fingerprint >"$now"
known=$(grep -oE '^sysctl  net\.(netfilter|bridge|nf_conntrack_max|nf_flowtable)' "$before" | sort -u || true)
for family in netfilter bridge nf_conntrack_max nf_flowtable; do
  grep -qxF "sysctl  net.$family" <<<"$known" || sed -i "/^sysctl  net\.$family/d" "$now"
done
diff -U 1 --label "before" --label "now" "$before" "$now"
