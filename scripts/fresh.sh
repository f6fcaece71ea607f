#!/bin/bash
# Runs the two commands of the README (npm start, npm test) on a clean clone of HEAD in a bare Debian: does docknet's own setup bring
# all that it needs? For developers; run it before a release, and when a program is added that source or tests start.
#
#   scripts/fresh.sh [trixie] [bookworm]     which trees (both)
#     trixie       Debian 13 and its own Node: apt-get install nodejs npm
#     bookworm     Debian 12 and a copy of this machine's Node
#   --start-only   only npm start
#   --log DIR      keep the whole output there (otherwise it is kept when something fails)
#   --keep         leave the trees for --in
#   --renew        make the cached base trees anew (they are also made anew after 30 days)
#   --in DIR COMMAND   no run: COMMAND by sh in the clone of a tree that --keep has left
#
# A tree is made by debootstrap once and cached as a tarball below ~/.cache/docknet/fresh (DOCKNET_FRESH_CACHE). It takes over how
# this machine reaches the world (apt's mirror and Acquire settings, npm's registry, proxy and CA file, resolv.conf) and nothing else.
# Every command in a tree has mount, process, IPC and UTS namespaces of its own, so that no mount and no process can stay behind.
# scripts/setup.sh runs with this machine's network, since it installs packages; the README's commands then run in a network of
# their own that holds only `lo`: they neither need the internet nor can change the machine's network.
#
# Needs root and debootstrap. Exit codes: 0 all green, 1 something failed, 2 usage, 4 this machine lacks something.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export LC_ALL=C.UTF-8
unset CDPATH

usage() {
  sed -n '2,/^set -/{/^#/s/^# \{0,1\}//p}' scripts/fresh.sh
}
say() { printf 'fresh: %s\n' "$*"; }
stop() { # CODE MESSAGE
  printf 'fresh: %s\n' "$2" >&2
  exit "$1"
}

trees=() start_only=false logs='' keep=false renew=false inside=()
while [ $# -gt 0 ]; do
  case "$1" in
    trixie | bookworm) trees+=("$1") ;;
    --start-only) start_only=true ;;
    --keep) keep=true ;;
    --renew) renew=true ;;
    --log)
      [ $# -gt 1 ] || stop 2 "--log needs a directory"
      logs=$2 && shift
      ;;
    --in)
      [ $# -eq 3 ] || stop 2 "usage: scripts/fresh.sh --in DIR COMMAND"
      inside=("$2" "$3") && shift 2
      ;;
    -h | --help) usage && exit ;;
    *) stop 2 "unknown argument: $1; see scripts/fresh.sh --help" ;;
  esac
  shift
done
[ ${#trees[@]} -gt 0 ] || trees=(trixie bookworm)

[ "$(id -u)" = 0 ] || stop 4 "debootstrap and pivot_root need root"
for program in debootstrap git unshare tar apt-get apt-config flock timeout; do
  command -v "$program" >/dev/null || stop 4 "Cannot find $program (Debian: apt-get install debootstrap git util-linux tar apt coreutils)"
done

cache=${DOCKNET_FRESH_CACHE:-${HOME:-/root}/.cache/docknet/fresh}
mkdir -p "$cache"
made=()
finish() {
  local code=$? tree
  trap - EXIT
  for tree in "${made[@]}"; do
    if $keep; then say "kept $tree   (scripts/fresh.sh --in $tree COMMAND)"; else rm -rf --one-file-system "$tree"; fi
  done
  exit $code
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# --- A command in a tree ------------------------------------------------------------------------------------------------------
# Process 1 of the tree: mounts, then the tree becomes the root, and the command runs as a child, so that bash collects orphans.
# shellcheck disable=SC2016
enter='
set -euo pipefail
tree=$1 network=$2 command=$3
mount --bind "$tree" "$tree"
cd "$tree"
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t tmpfs -o mode=755 tmpfs dev
for device in null zero full random urandom tty; do
  : >"dev/$device"
  mount --bind "/dev/$device" "dev/$device"
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
for stream in 0:stdin 1:stdout 2:stderr; do ln -s "/proc/self/fd/${stream%:*}" "dev/${stream#*:}"; done
mount -t tmpfs -o mode=1777 tmpfs dev/shm
mount -t tmpfs -o mode=755 tmpfs run
mkdir run/lock
mkdir -p .machine
pivot_root . .machine
cd /
umount -l /.machine
rmdir /.machine
[ "$network" = machine ] || ip link set lo up
[ ! -d /root/docknet ] || cd /root/docknet
code=0
bash -c "$command" || code=$?
exit $code
'
in_tree() { # TREE machine|own SECONDS COMMAND
  local tree=$1 network=$2 seconds=$3 command=$4 namespaces=(--mount --pid --ipc --uts --propagation private)
  [ "$network" = machine ] || namespaces+=(--net)
  local environment=(HOME=/root TERM=dumb LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin)
  environment+=(NODE_EXTRA_CA_CERTS=$ca_in_tree DEBIAN_FRONTEND=noninteractive)
  [ -e "$tree$ca_in_tree" ] || environment+=(NODE_EXTRA_CA_CERTS=)
  local name
  for name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY; do
    [ -z "${!name-}" ] || environment+=("$name=${!name}")
  done
  timeout --kill-after=30 "$seconds" unshare "${namespaces[@]}" --fork --kill-child \
    env -i "${environment[@]}" bash -c "$enter" fresh "$tree" "$network" "$command" </dev/null
}

# --- How this machine reaches the world, for the tree -------------------------------------------------------------------------
ca_in_tree=/etc/docknet-fresh-ca.crt
mirror() { # the first archive of this machine's sources that is Debian's
  local uri release
  # shellcheck disable=SC2016 # the dollars are apt's
  while IFS='|' read -r uri release; do
    case "$release" in *-* | */*) continue ;; esac # updates, security, backports
    echo "${uri%/}" && return
  done < <(apt-get indextargets --format '$(REPO_URI)|$(RELEASE)' 'Created-By: Packages' 2>/dev/null | grep '/debian/|' | sort -u)
  stop 4 "Cannot find an archive of Debian in this machine's apt sources"
}
reach_the_world() { # TREE SUITE: runs after debootstrap, before apt
  local tree=$1 suite=$2 key value ca
  cp -L /etc/resolv.conf /etc/hosts "$tree/etc/"
  echo "deb $(mirror) $suite main" >"$tree/etc/apt/sources.list"
  apt-config dump | grep -E '^Acquire::(Check-Valid-Until|Check-Date|Retries|https?::(Proxy|Timeout)[^ ]*) ' >"$tree/etc/apt/apt.conf.d/90machine" || true
  echo 'Acquire::Languages "none";' >>"$tree/etc/apt/apt.conf.d/90machine"
  : >"$tree/root/.npmrc"
  for key in registry proxy https-proxy noproxy strict-ssl; do
    value=$(npm config get "$key" 2>/dev/null || true)
    case "$value" in '' | null | undefined) ;; *) echo "$key=$value" >>"$tree/root/.npmrc" ;; esac
  done
  ca=$(npm config get cafile 2>/dev/null || true)
  [ -f "$ca" ] || ca=${NODE_EXTRA_CA_CERTS-}
  if [ -f "$ca" ]; then
    cp -L "$ca" "$tree$ca_in_tree"
    echo "cafile=$ca_in_tree" >>"$tree/root/.npmrc"
  fi
}
copy_node() { # TREE: this machine's node, npm and the headers, to /usr/local as a release of nodejs.org has them
  local tree=$1 prefix
  command -v node >/dev/null || stop 4 "Cannot find node on this machine; the bookworm tree gets a copy of it"
  prefix=$(dirname "$(dirname "$(readlink -f "$(command -v node)")")")
  [ -d "$prefix/lib/node_modules/npm" ] && [ -d "$prefix/include/node" ] ||
    stop 4 "This machine's Node has no npm or no headers beside it ($prefix); take a release from https://nodejs.org"
  mkdir -p "$tree/usr/local/bin" "$tree/usr/local/include" "$tree/usr/local/lib/node_modules"
  cp "$prefix/bin/node" "$tree/usr/local/bin/node"
  cp -a "$prefix/include/node" "$tree/usr/local/include/node"
  cp -a "$prefix/lib/node_modules/npm" "$tree/usr/local/lib/node_modules/npm"
  ln -s ../lib/node_modules/npm/bin/npm-cli.js "$tree/usr/local/bin/npm"
  ln -s ../lib/node_modules/npm/bin/npx-cli.js "$tree/usr/local/bin/npx"
}

# --- The base trees, once -----------------------------------------------------------------------------------------------------
base() { # SUITE: makes $cache/SUITE.tar
  local suite=$1 tar=$cache/$1.tar log=$cache/$1.log tree source
  exec 8>"$cache/$suite.lock"
  flock 8
  if ! $renew && [ -n "$(find "$tar" -mtime -30 2>/dev/null)" ]; then return; fi
  say "$suite: debootstrap (once; $tar)"
  tree=$(mktemp -d "$cache/$suite.base.XXXXXX")
  made+=("$tree")
  chmod 755 "$tree" # apt downloads as a user of its own
  source=$(mirror)
  # debootstrap mounts the tree's /proc and leaves it: in a mount namespace of its own it goes with it
  timeout 1800 unshare --mount --pid --fork --kill-child --mount-proc --propagation private \
    debootstrap --variant=minbase "$suite" "$tree" "$source" >"$log" 2>&1 </dev/null || {
    tail -5 "$log" >&2
    stop 1 "debootstrap of $suite failed; the log is $log"
  }
  reach_the_world "$tree" "$suite"
  local install='apt-get update -qq'
  [ "$suite" != trixie ] || install+=' && apt-get install -y -qq --no-install-recommends nodejs npm'
  in_tree "$tree" machine 1800 "$install && apt-get clean" >>"$log" 2>&1 || {
    tail -5 "$log" >&2
    stop 1 "apt-get in $suite failed; the log is $log"
  }
  rm -f "$tree$ca_in_tree" "$tree/root/.npmrc" # laid anew for each run
  tar -C "$tree" -cf "$tar.new" .
  mv "$tar.new" "$tar"
  rm -rf --one-file-system "$tree"
}

# --- The README's commands in a tree ------------------------------------------------------------------------------------------
failed=0
phase() { # TREE NAME NETWORK SECONDS TITLE COMMAND: output to a log, its last lines here
  local tree=$1 name=$2 network=$3 seconds=$4 title=$5 command=$6 log code=0 start=$SECONDS
  log="$logs/$name-${title// /-}.log"
  say "$name: $title"
  in_tree "$tree" "$network" "$seconds" "$command" >"$log" 2>&1 || code=$?
  tail -n "${lines:-3}" "$log" | sed 's/^/    /'
  if [ $code = 0 ]; then say "$name: $title: well, after $((SECONDS - start)) s" && return; fi
  [ $code != 124 ] && [ $code != 137 ] || say "$name: $title: no end after $seconds s"
  say "$name: $title: FAILED with exit code $code after $((SECONDS - start)) s; whole output: $log"
  failed=1
  return 1
}
try_tree() { # SUITE
  local suite=$1 tree
  base "$suite"
  flock -u 8
  tree=$(mktemp -d "$cache/$suite.XXXXXX")
  chmod 755 "$tree"
  made+=("$tree")
  tar -C "$tree" -xf "$cache/$suite.tar"
  chmod 755 "$tree" # the root of the tree, for users other than root
  reach_the_world "$tree" "$suite"
  [ "$suite" != bookworm ] || copy_node "$tree"
  git clone -q --no-checkout --no-hardlinks "$(git rev-parse --path-format=absolute --git-common-dir)" "$tree/root/docknet"
  git -C "$tree/root/docknet" checkout -q --detach "$commit"
  chown -R 0:0 "$tree/root/docknet"
  say "$suite: $(in_tree "$tree" machine 60 '. /etc/os-release; echo "$PRETTY_NAME, Node $(node --version), npm $(npm --version)"')"
  phase "$tree" "$suite" machine 1800 "setup" "bash scripts/setup.sh" || return 0
  lines=4 phase "$tree" "$suite" own 600 "npm start" "npm start" || return 0
  if $start_only; then return; fi
  phase "$tree" "$suite" machine 1800 "setup --dev" "bash scripts/setup.sh --dev" || return 0
  lines=16 phase "$tree" "$suite" own 5400 "npm test" "npm test" || return 0
}

if [ ${#inside[@]} -gt 0 ]; then
  [ -d "${inside[0]}/root/docknet" ] || stop 2 "${inside[0]} is no tree of this script"
  in_tree "$(readlink -f "${inside[0]}")" own 5400 "${inside[1]}"
  exit
fi
commit=$(git rev-parse HEAD)
[ -z "$(git status --porcelain)" ] || say "the changes that are not committed are not tried"
own_logs=false
if [ -z "$logs" ]; then
  own_logs=true
  logs=$(mktemp -d "${TMPDIR:-/tmp}/docknet-fresh.XXXXXX")
fi
mkdir -p "$logs"
logs=$(readlink -f "$logs")
for suite in "${trees[@]}"; do try_tree "$suite"; done
if [ $failed = 0 ]; then say "all green at $(git rev-parse --short "$commit")"; else say "something failed; the whole output is in $logs"; fi
if $own_logs && [ $failed = 0 ]; then rm -rf "$logs"; fi
exit $failed
