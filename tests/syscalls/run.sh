#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs the syscall conformance programs, natively or behind a prefix, and sums up the results.
# Usage: run.sh [--prefix "build/runsc --platform=ptrace do"] [--bin DIR] [--verbose] [name...]
# Environment: RUNSC_FLAGS = more flags, put after the first word of the prefix;
# SYSCALLS_PROGRAM_TIMEOUT = seconds for each program.

prefix=
bin=build/tests/syscalls
tools=$(dirname "$0")/../tools
verbose=0
limit=${SYSCALLS_PROGRAM_TIMEOUT:-300}

while [ $# -gt 0 ]; do
    case $1 in
    --prefix) prefix=$2; shift 2 ;;
    --bin) bin=$2; shift 2 ;;
    --verbose | -v) verbose=1; shift ;;
    -h | --help) sed -n '3,6p' "$0"; exit 0 ;;
    --) shift; break ;;
    -*) echo "run.sh: unknown option $1" >&2; exit 2 ;;
    *) break ;;
    esac
done

if [ $# -eq 0 ]; then
    for src in "$(dirname "$0")"/*.c; do
        name=${src##*/}
        set -- "$@" "${name%.c}"
    done
fi
[ -n "$prefix" ] && prefix="${prefix%% *} ${RUNSC_FLAGS-} ${prefix#* }"
bin=$(cd "$bin" && pwd) || exit 2
out=$(mktemp) || exit 2
trap 'rm -f "$out"' EXIT

passed=0 failed=0 skipped=0 broken=
for name in "$@"; do
    # The prefix is split into words on purpose.
    timeout -k 5 "$limit" $prefix "$bin/$name" >"$out" 2>&1 </dev/null
    status=$?
    sum=$(grep -aE '^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$' "$out" | tail -n 1)
    if [ $verbose = 1 ]; then
        cat "$out"
    else
        grep -aE '^(not ok|#|skip) ' "$out" | sed "s/^/$name: /"
    fi
    if grep -aq 'WARNING: ThreadSanitizer' "$out"; then
        failed=$((failed + 1))
        echo "not ok $name: the kernel has data races"
        "$tools/symbolize.sh" "${prefix%% *}" <"$out" | sed -n '/WARNING: Thr/,/^SUMMARY/p' | head -n 200
    fi
    if [ -n "$sum" ]; then
        set_p=${sum%% passed*} rest=${sum#* passed, }
        set_f=${rest%% failed*} rest=${rest#* failed, }
        set_s=${rest%% skipped*}
        passed=$((passed + set_p)) failed=$((failed + set_f)) skipped=$((skipped + set_s))
        if [ "$set_f" -eq 0 ] && [ $status -ne 0 ]; then
            broken="$broken $name"
            echo "not ok $name: exit status $status after all its cases had passed"
        fi
    else
        # No summary: the program or the sandbox broke. What it reported so far counts, and one more
        # failure for the case that it was in.
        passed=$((passed + $(grep -ac '^ok ' "$out")))
        skipped=$((skipped + $(grep -ac '^skip ' "$out")))
        failed=$((failed + $(grep -ac '^not ok ' "$out") + 1))
        broken="$broken $name"
        case $status in
        124 | 137) echo "not ok $name: killed, as it was not ready after $limit s; last lines:" ;;
        *) echo "not ok $name: no summary, exit status $status; last lines:" ;;
        esac
        tail -n 5 "$out" | sed "s/^/$name:   /"
    fi
done

[ -n "$broken" ] && echo "broken programs:$broken"
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ] && [ -z "$broken" ]
