#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Guests that try to bring the sandbox's kernel down: too much of everything, races, random syscalls.
# Passed means that the kernel lives, refused what it must refuse and works as before afterwards.
# Usage: run.sh [--quick] [program or "fuzz"...]. --quick takes less than a minute.
# Environment: O = build folder, PLATFORM = ptrace, STRESS_SEED = first seed of the random syscalls,
# STRESS_SEEDS = how many, STRESS_LOG = folder that keeps the kernel's logs, STRESS_BIN = folder of the
# programs, RUNSC_FLAGS = more flags for runsc.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
O=${O:-build} PLATFORM=${PLATFORM:-ptrace}
case $O in /*) ;; *) O=$top/$O ;; esac
runsc=$O/runsc bin=${STRESS_BIN:-$O/tests/stress}
quick=
names=()
for a in "$@"; do
    case $a in
    --quick) quick=--quick ;;
    -*) echo "run.sh: unknown option $a" >&2; exit 2 ;;
    *) names+=("$a") ;;
    esac
done
rootless=
[ "$(id -u)" -eq 0 ] || rootless=--rootless
pass=0 fail=0 skip=0
tmp=$(mktemp -d)
chmod 755 "$tmp"
trap 'rm -rf "$tmp"' EXIT
log=${STRESS_LOG:-$tmp}
mkdir -p "$log"
# Sanitizers slow everything down.
limit=${STRESS_TIMEOUT:-1200}
[ -n "$quick" ] && limit=${STRESS_TIMEOUT:-120}

wanted() {
    [ ${#names[@]} -eq 0 ] && return 0
    local n
    for n in "${names[@]}"; do [ "$n" = "$1" ] && return 0; done
    return 1
}

not_ok() { fail=$((fail + 1)); echo "not ok $1 - $2"; }

build() {
    if [ ! -x "$bin/$1" ] ||
        [ -n "$(find "$top/tests/stress/$1.c" "$top"/tests/stress/*.h -newer "$bin/$1")" ]; then
        make -C "$top" O="${bin%/tests/stress}" "$bin/$1"
    fi
}

# run NAME COMMAND...: a program's own "ok" lines count; its end and the kernel's count as one more.
run() {
    local name=$1 status what
    shift
    timeout -k 5 "$limit" "$@" >"$tmp/out" 2>"$tmp/err" </dev/null
    status=$?
    grep -aE '^(ok|not ok|skip|    )' "$tmp/out"
    pass=$((pass + $(grep -ac '^ok ' "$tmp/out")))
    skip=$((skip + $(grep -ac '^skip ' "$tmp/out")))
    fail=$((fail + $(grep -ac '^not ok ' "$tmp/out")))
    what=$(grep -ahE 'panic|BUG|runtime error|AddressSanitizer|ThreadSanitizer|kernel crashed|lockdep' "$tmp/err" "$log/$name"*.log* | head -n 1)
    if [ -n "$what" ]; then
        not_ok "$name" "the kernel complains: $what"
        "$top/tests/tools/symbolize.sh" "$runsc" <"$tmp/err" |
            sed -n '/WARNING: Thr/,/^SUMMARY/p' | head -n 200
    elif [ $status -ne 0 ] && ! grep -aq '^not ok ' "$tmp/out"; then
        not_ok "$name" "exit status $status: $(tail -n 1 "$tmp/err")"
    elif ! grep -aqE '^([0-9]+ passed, |done seed )' "$tmp/out"; then
        not_ok "$name" 'the program did not get to its end'
    else
        return 0
    fi
    tail -n 30 "$log/$name"*.log* 2>/dev/null | sed 's/^/    log: /'
    return 1
}

in_sandbox() {
    local name=$1
    shift
    run "$name" "$runsc" --root "$tmp/state" $rootless --platform="$PLATFORM" ${RUNSC_FLAGS-} --debug-log "$log/$name.log" \
        do "$@"
}

# The same under a limit on memory: a bundle with nothing but the program.
with_memory_limit() {
    local bundle=$tmp/bundle
    mkdir -p "$bundle/rootfs/tmp" "$bundle/rootfs/dev" "$bundle/rootfs/proc"
    cp "$bin/memory" "$bundle/rootfs/memory"
    (cd "$bundle" && "$runsc" spec >/dev/null) || return 1
    python3 - "$bundle/config.json" $quick <<'END' || return 1
import json, sys
path = sys.argv[1]
c = json.load(open(path))
oom = 'touch touch_by_many one_big by_read tmpfs fork_copy mlock_populate'.split()
c['process'].update(terminal=False, cwd='/tmp', args=['/memory'] + sys.argv[2:] + ['oom_' + n for n in oom])
c['root'] = {'path': 'rootfs', 'readonly': False}
c.setdefault('linux', {}).setdefault('resources', {})['memory'] = {'limit': 256 << 20}
json.dump(c, open(path, 'w'))
END
    run memory-limit "$runsc" --root "$tmp/state" $rootless --platform="$PLATFORM" ${RUNSC_FLAGS-} --overlay2=root:memory \
        --debug-log "$log/memory-limit.log" run --bundle "$bundle" "stress-$$"
}

for p in procs fds files memory; do
    wanted $p || continue
    build $p || { not_ok $p 'does not build'; continue; }
    in_sandbox $p "$bin/$p" $quick
done
if wanted memory-limit && build memory; then
    if [ -n "$rootless" ]; then
        skip=$((skip + 1)); echo 'skip memory-limit - runsc run needs root'
    elif ! command -v python3 >/dev/null; then
        skip=$((skip + 1)); echo 'skip memory-limit - needs python3'
    else
        with_memory_limit
    fi
fi
if wanted fuzz && build syscall_fuzz; then
    seconds=20 seeds=${STRESS_SEEDS:-10}
    [ -n "$quick" ] && seconds=6 seeds=${STRESS_SEEDS:-2}
    first=${STRESS_SEED:-$((($(date +%s) % 100000) * 100))}
    for ((seed = first; seed < first + seeds; seed++)); do
        if in_sandbox "fuzz-$seed" "$bin/syscall_fuzz" $seed $seconds 6; then
            pass=$((pass + 1)); echo "ok fuzz-$seed"
        fi
    done
fi
echo "$pass passed, $fail failed, $skip skipped"
[ $fail = 0 ]
