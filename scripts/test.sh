#!/bin/bash
# Everything that `npm test` promises, in order; stops at the first step that fails. Run scripts/setup.sh --dev first.
#
# The kernel and cli suites need root. Anyone else gets a root of their own: a user namespace with its own network and an empty /run,
# so that nothing of the machine is touched. Where the machine forbids that, this stops with exit code 4 and says how to allow it;
# no suite is ever skipped in silence. Afterwards the machine's own network must be what it was (scripts/machine-fingerprint.sh).
# The last line, alone: "N passed, N failed" (", N skipped"), summed over the suites; a failed step without tests counts as one.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PATH="$PWD/node_modules/.bin:$PATH:/usr/sbin:/sbin"
unset CDPATH XDG_RUNTIME_DIR DOCKNET_PROJECT DOCKNET_RUN_DIR DOCKNET_HOST DOCKNET_IDLE_S

work=$(mktemp -d "${TMPDIR:-/tmp}/docknet-test.XXXXXX")
passed=0 failed=0 skipped=0
finish() {
  local code=$?
  trap - EXIT
  rm -rf "$work"
  [ $code = 0 ] || [ $failed != 0 ] || failed=1
  echo
  if [ $skipped = 0 ]; then echo "$passed passed, $failed failed"; else echo "$passed passed, $failed failed, $skipped skipped"; fi
  exit $code
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

bold='' red='' plain='' colors=off
if [ -t 1 ] && [ -z "${NO_COLOR-}" ]; then
  bold=$'\e[1m' red=$'\e[31m' plain=$'\e[0m' colors=force
else
  export NO_COLOR=1
  unset FORCE_COLOR
fi
step() { # TITLE COMMAND...
  local title=$1 start=$EPOCHREALTIME code=0 ms
  shift
  printf '%s== %s%s\n' "$bold" "$title" "$plain"
  "$@" || code=$?
  ms=$(((${EPOCHREALTIME//[!0-9]/} - ${start//[!0-9]/}) / 1000))
  if [ $code != 0 ]; then
    printf '%s== %s: failed (exit code %d) after %d.%03d s%s\n' "$red" "$title" $code $((ms / 1000)) $((ms % 1000)) "$plain" >&2
    exit $code
  fi
  printf '   %d.%03d s\n' $((ms / 1000)) $((ms % 1000))
}

# --- A root for the kernel suites ---------------------------------------------------------------------------------------------
inside=()
sandbox=(unshare --user --map-root-user --net --mount)
userns_remedy() { # the first switch that forbids it, and the command that turns it
  local key value
  for key in user.max_user_namespaces:0 user.max_net_namespaces:0 kernel.unprivileged_userns_clone:0 kernel.apparmor_restrict_unprivileged_userns:1; do
    value=$(cat "/proc/sys/$(tr . / <<<"${key%:*}")" 2>/dev/null || true)
    [ "$value" = "${key#*:}" ] || continue
    case "${key%:*}" in
      *.max_*) value=10000 ;;
      *) value=$((1 - ${key#*:})) ;;
    esac
    echo "${key%:*} is ${key#*:} on this machine. Allow it: sudo sysctl -w ${key%:*}=$value   Or run the tests as root: sudo npm test"
    return
  done
  echo "The kernel or a container's seccomp profile forbids it. Run the tests as root, or the container with --privileged."
}
need_root() {
  if [ "$(id -u)" = 0 ]; then
    inside=()
    if ! unshare --net true 2>"$work/why"; then
      echo "test: root here may not make network namespaces ($(<"$work/why")): a container needs --privileged, or CAP_SYS_ADMIN and CAP_NET_ADMIN" >&2
      return 4
    fi
    return
  fi
  if ! "${sandbox[@]}" true 2>"$work/why"; then
    echo "test: the kernel suites need root or a user namespace, and $(id -un) gets none: $(<"$work/why")" >&2
    echo "      $(userns_remedy)" >&2
    return 4
  fi
  # A tmpfs on /run for named namespaces and the iptables lock; a sysfs that shows this network's devices, where the machine allows it.
  # shellcheck disable=SC2016
  inside=("${sandbox[@]}" sh -euc 'mount -t tmpfs -o mode=755 tmpfs /run; mkdir /run/lock /run/netns
    mount -t sysfs sysfs /sys 2>/dev/null || true; ip link set lo up; exec "$@"' sh)
}

# --- The suites ---------------------------------------------------------------------------------------------------------------
count() { # SUITE: adds its numbers, and names what was skipped
  local p f s
  [ -s "$work/$1.json" ] || return 0
  # shellcheck disable=SC2016 # the dollar is JavaScript's
  read -r p f s < <(node -e '
    const r = JSON.parse(require("fs").readFileSync(process.argv[1], "utf8"));
    console.log(r.numPassedTests, r.numFailedTests, r.numPendingTests + r.numTodoTests);
    for (const file of r.testResults) for (const t of file.assertionResults)
      if (t.status !== "passed" && t.status !== "failed") console.error(`   ${t.status}: ${t.fullName}`);
  ' "$work/$1.json") || return 0
  passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
  ran=$((p + f))
}
suite() { # NAME [PREFIX...]
  local name=$1 code=0 ran=0
  shift
  "$@" vitest run --project "$name" --reporter=default --reporter=json --outputFile.json="$work/$name.json" || code=$?
  count "$name"
  if [ $code = 0 ] && [ $ran = 0 ]; then
    echo "test: the $name suite ran no test: all were skipped" >&2
    code=1
  fi
  return $code
}

run=$$-$RANDOM
machine() { scripts/machine-fingerprint.sh --run "$run" "$@"; }
untouched() {
  local tries
  for tries in 1 2 3 4 5; do # the kernel takes a namespace apart in the background, after its last process
    machine --compare "$work/machine" >"$work/diff" && return
    [ "$tries" = 5 ] || sleep 0.2
  done
  echo "test: the tests changed the machine's own network, or left something running:" >&2
  cat "$work/diff" >&2
  return 1
}

step "format and lint" biome ci --colors=$colors .
step "types" tsc -p tsconfig.json --noEmit
step "import borders" depcruise --config .dependency-cruiser.cjs --output-type err-long src
step "unit tests" suite unit
step "a root for the kernel tests" need_root
machine >"$work/machine"
step "kernel tests" suite kernel env "DOCKNET_TEST_RUN=$run" "${inside[@]}"
step "cli tests" suite cli env "DOCKNET_TEST_RUN=$run" "${inside[@]}"
step "the machine is as it was" untouched
