#!/bin/bash
# Brings this machine and this folder to where docknet runs: system packages, node modules, the build.
#
#   scripts/setup.sh          for `npm start`: what is needed to run; builds dist/bin only
#   scripts/setup.sh --dev    for `npm test`: also the tools of the kernel tests, and the library with its types
#
# Idempotent: one line for each thing it does, silence (and a fraction of a second) when there is nothing to do.
# Root installs Debian or Ubuntu packages; anyone else is told the one command that does. Nothing is downloaded but Debian packages
# and, by `npm ci`, what package-lock.json names. Exit codes: 0 ready, 2 usage, 4 this machine lacks something (the text says what).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin" LC_ALL=C.UTF-8
unset CDPATH GREP_OPTIONS

dev=false
case "${1-}" in
  "") ;;
  --dev) dev=true ;;
  *)
    echo "usage: scripts/setup.sh [--dev]" >&2
    exit 2
    ;;
esac

say() { printf 'setup: %s\n' "$*"; }
stop() { # MESSAGE [REMEDY...]: this machine cannot, and what its owner should do
  printf 'setup: %s\n' "$1" >&2
  shift
  [ $# -eq 0 ] || printf '       %s\n' "$@" >&2
  exit 4
}
has() { command -v "$1" >/dev/null 2>&1; }

# --- Node: the floor stands in package.json only ------------------------------------------------------------------------------
node_remedy=(
  "Debian 13 or newer: apt-get install nodejs npm. Elsewhere: a current release from https://nodejs.org"
  "or a version manager, for example: nvm install 22"
)
floor=$(sed -n 's/.*"node": *">=\([0-9.]*\)".*/\1/p' package.json)
has node || stop "Cannot find node; docknet needs Node >= $floor" "${node_remedy[@]}"
IFS=' ' read -r node_version abi node_path < <(node -p 'const { node, modules } = process.versions; [node, modules, process.execPath].join(" ")') ||
  stop "Cannot run $(command -v node); docknet needs Node >= $floor" "${node_remedy[@]}"
IFS=. read -r major minor _ <<<"$node_version"
IFS=. read -r floor_major floor_minor _ <<<"$floor"
if ((major < floor_major || (major == floor_major && minor < floor_minor))); then
  stop "Node $node_version is too old; docknet needs Node >= $floor (found $node_path)" "${node_remedy[@]}"
fi
has npm || stop "Cannot find npm beside $node_path" "Debian and Ubuntu: apt-get install npm"

# --- One at a time, and as the folder's owner ---------------------------------------------------------------------------------
exec 9<package.json
flock -n 9 || { say "waiting for another setup.sh in this folder" && flock 9; }

uid=$(id -u)
owner=$(stat -c %u .)
can_write() {
  [ -w . ] || stop "Cannot $1: $PWD is not writable for $(id -un) (it belongs to $(stat -c %U .))" \
    "Run it as $(stat -c %U .), or copy the folder to a place of your own."
}
# Root in another user's clone (sudo npm start) works as that user, so that what it makes stays theirs. Not where the owner has no name
# (a container's bind mount) or cannot reach this node (root's own version manager).
as_owner=()
owner_name=$(id -un "$owner" 2>/dev/null || true)
if [ "$uid" = 0 ] && [ "$owner" != 0 ] && [ -n "$owner_name" ] && runuser -u "$owner_name" -- test -x "$node_path" -a -w .; then
  as_owner=(runuser -u "$owner_name" -- env "HOME=$(getent passwd "$owner_name" | cut -d: -f6)")
  for made in dist node_modules; do
    if [ -e "$made" ] && [ "$(stat -c %u "$made")" != "$owner" ]; then
      say "giving $made back to $owner_name"
      chown -Rh "$owner_name:" "$made"
    fi
  done
fi

# --- System packages ----------------------------------------------------------------------------------------------------------
apt_lists_fresh=false
apt_install() { # PACKAGE...
  say "installing Debian packages: $*"
  export DEBIAN_FRONTEND=noninteractive
  if ! compgen -G '/var/lib/apt/lists/*_Packages*' >/dev/null; then
    apt-get update -qq </dev/null >/dev/null && apt_lists_fresh=true
  fi
  local command=(apt-get install -y -qq --no-install-recommends -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=120 "$@") log
  log=$(mktemp)
  if ! "${command[@]}" </dev/null >"$log" 2>&1 && { $apt_lists_fresh || {
    apt-get update -qq </dev/null >/dev/null
    ! "${command[@]}" </dev/null >"$log" 2>&1
  }; }; then
    cat "$log" >&2
    rm -f "$log"
    stop "apt-get could not install: $*" "Mend what apt-get says above, then run this again."
  fi
  rm -f "$log"
}
require() { # PACKAGE...: installs, or says how to
  [ $# -gt 0 ] || return 0
  has apt-get || stop "Missing on this machine, by their Debian names: $*" "Install them with this system's package manager."
  [ "$uid" = 0 ] || stop "Missing on this machine: $*" "Run: sudo apt-get update && sudo apt-get install -y --no-install-recommends $*"
  apt_install "$@"
}
missing=()
need() { has "$1" || missing+=("$2"); }

need ip iproute2
need iptables-restore iptables
if $dev; then # second opinions of the kernel tests, from tools that share no code with docknet
  need nft nftables
  need ping iputils-ping
  need dig bind9-dnsutils
  need conntrack conntrack
  need tcpdump tcpdump
  need tshark tshark
  need curl curl
  need unshare util-linux
  need sysctl procps
fi

# --- Node modules: a stamp inside node_modules names the lock file and the Node (cap is compiled for one ABI) -----------------
lock_id="$(sha256sum <package-lock.json | cut -c1-16) abi $abi $(uname -m)"
modules_stamp=node_modules/.docknet-setup
modules_ready() {
  [ -d node_modules ] || return 1
  if [ -e "$modules_stamp" ]; then [ "$(<"$modules_stamp")" = "$lock_id" ] && return 0 || return 1; fi
  # Installed by hand: good if npm says that it is no older than the lock file, and the compiled module loads.
  [ -e node_modules/.package-lock.json ] && [ ! package-lock.json -nt node_modules/.package-lock.json ] &&
    [ -e node_modules/esbuild ] && [ -e node_modules/typescript ] && node -e 'require("cap")' 2>/dev/null || return 1
  [ ! -w node_modules ] || echo "$lock_id" >"$modules_stamp"
}
headers_fit() { # DIR: holds the headers of this very major version of Node
  grep -qs "^#define NODE_MAJOR_VERSION $major\$" "$1/include/node/node_version.h"
}
find_headers() {
  local prefix
  for prefix in "$(dirname "$(dirname "$(readlink -f "$node_path")")")" /usr; do
    if headers_fit "$prefix"; then
      echo "$prefix"
      return
    fi
  done
}
modules_todo=false
if ! modules_ready; then
  modules_todo=true
  can_write "install node modules"
  need g++ g++ # what node-gyp builds the native module `cap` with
  need make make
  need python3 python3
  echo '#include <pcap.h>' | { g++ -E -x c++ - >/dev/null 2>&1 || [ -e /usr/include/pcap.h ]; } || missing+=(libpcap-dev)
  nodedir=$(find_headers)
  if [ -z "$nodedir" ] && [ "$(readlink -f "$node_path")" = /usr/bin/node ] && dpkg -S /usr/bin/node 2>/dev/null | grep -q '^nodejs'; then
    missing+=(libnode-dev) # Debian ships Node's headers apart
  fi
fi
require "${missing[@]}"
if $modules_todo; then
  [ -n "$nodedir" ] || nodedir=$(find_headers)
  [ -n "$nodedir" ] || stop "Cannot find the C++ headers of Node $node_version (include/node/node.h beside $node_path, or in /usr)" \
    "Use a Node that brings them: Debian's with libnode-dev, or any release from https://nodejs.org"
  say "installing node modules: npm ci (compiles cap with the headers in $nodedir/include/node)"
  log=$(mktemp)
  # loglevel: npm 11 warns of npm_config_nodedir, which node-gyp needs
  if ! "${as_owner[@]}" env "npm_config_nodedir=$nodedir" npm ci --no-audit --no-fund --loglevel=error </dev/null >"$log" 2>&1; then
    sed '/^npm error Clean install a project/,/^npm error Run "npm help/d' "$log" >&2 # npm's own usage text
    rm -f "$log"
    stop "npm ci failed" "Mend what npm says above, then run this again. Behind a proxy: npm config set registry, proxy, cafile."
  fi
  rm -f "$log"
  if ! node -e 'require("cap"); require("koffi")' >/dev/null 2>&1; then
    node -e 'require("cap"); require("koffi")' >&2 || true
    stop "npm ci ended well, but its native modules do not load" \
      "npm may be told not to run install scripts: npm config get ignore-scripts must say false."
  fi
  "${as_owner[@]}" tee "$modules_stamp" <<<"$lock_id" >/dev/null
fi

# --- Docker's client, for the tests that drive docknet with it: only the program, no engine, nothing installed --------------------
docker_client=node_modules/.cache/docknet/docker-client
if $dev && ! has docker && [ ! -x $docker_client/usr/bin/docker ]; then
  if ! has apt-get || ! has dpkg-deb; then
    stop "Missing on this machine: the docker command" "Install Docker's client; the tests need no engine."
  fi
  say "fetching Docker's client into $docker_client"
  "${as_owner[@]}" mkdir -p "$docker_client/deb"
  fetch_docker_client() { # docker-cli holds the client; up to bookworm it is in docker.io
    local package
    for package in docker-cli docker.io; do
      (cd "$docker_client/deb" && "${as_owner[@]}" apt-get download -qq "$package" >/dev/null 2>&1) && return 0
    done
    return 1
  }
  if ! fetch_docker_client; then
    [ "$uid" != 0 ] || apt-get update -qq </dev/null >/dev/null
    fetch_docker_client || stop "apt-get could not download docker-cli or docker.io" "Run: sudo apt-get update   Then run this again."
  fi
  "${as_owner[@]}" dpkg-deb -x "$docker_client"/deb/*.deb "$docker_client/whole"
  "${as_owner[@]}" mkdir -p "$docker_client/usr/bin"
  "${as_owner[@]}" mv "$docker_client/whole/usr/bin/docker" "$docker_client/usr/bin/docker"
  "${as_owner[@]}" rm -rf "$docker_client/deb" "$docker_client/whole"
fi

# --- The build: a stamp in dist names what it was made from; a full one serves `npm start` too --------------------------------
sources_id="$({
  cat package.json tsconfig.json package-lock.json scripts/build.mjs
  find src -type f -print0 | sort -z | xargs -0 -r sha256sum
} | sha256sum | cut -c1-16)"
build_stamp=$(cat dist/.stamp 2>/dev/null || true)
if [ "$build_stamp" != "full $sources_id" ] && { $dev || [ "$build_stamp" != "fast $sources_id" ]; }; then
  can_write "build dist"
  [ ! -e dist ] || [ -w dist ] || [ ${#as_owner[@]} -gt 0 ] ||
    stop "Cannot build: $PWD/dist is not writable for $(id -un) (it belongs to $(stat -c %U dist))" "Run: sudo rm -rf $PWD/dist"
  kind=fast option=--fast
  if $dev; then kind=full option=; fi
  say "building dist ($kind)"
  "${as_owner[@]}" rm -f dist/.stamp
  "${as_owner[@]}" node scripts/build.mjs $option || stop "The build failed" "Mend what it says above; the sources are in src/."
  "${as_owner[@]}" tee dist/.stamp <<<"$kind $sources_id" >/dev/null
fi
