#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# End-to-end tests of runsc: programs compared with the host, then the sandbox's own tests.
# Environment: O = build folder, PLATFORM = ptrace, RUNSC_FLAGS = more flags for each call of runsc,
# E2E_NATIVE = folder where what the programs do natively is kept. Arguments: --quick, names of tests.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
export O=${O:-build} PLATFORM=${PLATFORM:-ptrace}
case $O in /*) ;; *) O=$top/$O ;; esac
export RUNSC=${RUNSC:-$O/runsc} TOP=$top
quick=0
names=()
for a in "$@"; do
    case $a in
    --quick) quick=1 ;;
    *) names+=("$a") ;;
    esac
done
# The slowest, left out of sanitizer runs.
slow=" sha256_200m make_j2 cxx_threads python_multiprocessing coreutils_sort sqlite3 "
limit=${E2E_TIMEOUT:-240}
pass=0 fail=0 skip=0
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
flags=${RUNSC_FLAGS-}
# Every test as this user can do it.
[ "$(id -u)" = 0 ] || flags="--rootless $flags"
if [ -n "$flags" ]; then
    printf '#!/bin/sh\nexec "%s" %s "$@"\n' "$RUNSC" "$flags" >"$tmp/runsc"
    chmod 755 "$tmp" "$tmp/runsc"
    PROGRAM=$RUNSC RUNSC=$tmp/runsc
    export PROGRAM
fi

wanted() {
    [ ${#names[@]} -eq 0 ] && return 0
    local n
    for n in "${names[@]}"; do [ "$n" = "$1" ] && return 0; done
    return 1
}

missing() { # names a program that the script needs and this host lacks
    local p
    for p in $(sed -n 's/^# Needs: //p' "$1"); do
        command -v "$p" >/dev/null || { echo "$p"; return 0; }
    done
    return 1
}

# native NAME SCRIPT: its output in $tmp/native, its status in $want
native() {
    local kept=${E2E_NATIVE:-$tmp}/$1
    if [ ! -f "$kept.status" ]; then
        mkdir -p "${kept%/*}"
        (cd /tmp && timeout -k 5 "$limit" bash "$2" </dev/null) >"$kept.$$" 2>"$tmp/native.err"
        echo $? >"$kept.$$.status"
        # Others may do the same at the same time.
        mv "$kept.$$" "$kept.out" && mv "$kept.$$.status" "$kept.status"
    fi
    cp "$kept.out" "$tmp/native"
    want=$(cat "$kept.status")
}

for s in "$top"/tests/e2e/programs/*.sh; do
    n=$(basename "$s" .sh)
    wanted "$n" || continue
    if [ $quick = 1 ] && [[ $slow == *" $n "* ]]; then
        skip=$((skip + 1)); echo "skip $n - too slow for a sanitizer build"; continue
    fi
    if p=$(missing "$s"); then
        skip=$((skip + 1)); echo "skip $n - needs $p, which is not installed"; continue
    fi
    native "$n" "$s"
    start=$(date +%s%N)
    (cd /tmp && timeout -k 5 "$limit" "$RUNSC" --platform="$PLATFORM" do bash "$s" </dev/null) >"$tmp/guest" 2>"$tmp/guest.err"; got=$?
    took=$((($(date +%s%N) - start) / 1000000))
    grep -aq 'WARNING: ThreadSanitizer' "$tmp/guest.err" && got="$got with data races"
    if [ "$want" = "$got" ] && cmp -s "$tmp/native" "$tmp/guest"; then
        pass=$((pass + 1)); echo "ok $n ($took ms)"
    else
        fail=$((fail + 1)); echo "not ok $n - exit status $got, natively $want ($took ms)"
        diff "$tmp/native" "$tmp/guest" | head -n 10 | sed 's/^/    /'
        tail -n 8 "$tmp/guest.err" | sed 's/^/    stderr: /'
    fi
done

# Each prints "ok NAME", "not ok NAME - why", "skip NAME - why".
for s in "$top"/tests/e2e/sandbox/*.sh; do
    n=$(basename "$s" .sh)
    wanted "$n" || continue
    QUICK=$quick timeout -k 5 "$limit" bash "$s" >"$tmp/out" 2>"$tmp/err" </dev/null
    status=$?
    cat "$tmp/out"
    pass=$((pass + $(grep -c '^ok ' "$tmp/out")))
    fail=$((fail + $(grep -c '^not ok ' "$tmp/out")))
    skip=$((skip + $(grep -c '^skip ' "$tmp/out")))
    if [ $status != 0 ] || ! grep -q '^\(ok\|not ok\|skip\) ' "$tmp/out"; then
        fail=$((fail + 1)); echo "not ok $n - the script ended with status $status"
    fi
    grep -q '^not ok' "$tmp/out" && tail -n 8 "$tmp/err" | sed 's/^/    stderr: /'
done
echo "$pass passed, $fail failed, $skip skipped"
[ $fail = 0 ]
