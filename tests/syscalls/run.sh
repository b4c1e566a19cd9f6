#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs the syscall conformance programs, natively or behind a prefix, and sums up the results.
# Usage: run.sh [--prefix "build/runsc --platform=ptrace do"] [--bin DIR] [--verbose] [name...]

prefix=
bin=build/tests/syscalls
verbose=0
limit=${SYSCALLS_PROGRAM_TIMEOUT:-300}

while [ $# -gt 0 ]; do
    case $1 in
    --prefix) prefix=$2; shift 2 ;;
    --bin) bin=$2; shift 2 ;;
    --verbose | -v) verbose=1; shift ;;
    -h | --help) sed -n '3,4p' "$0"; exit 0 ;;
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
    if [ -n "$sum" ]; then
        set_p=${sum%% passed*} rest=${sum#* passed, }
        set_f=${rest%% failed*} rest=${rest#* failed, }
        set_s=${rest%% skipped*}
        passed=$((passed + set_p)) failed=$((failed + set_f)) skipped=$((skipped + set_s))
        [ "$set_f" -eq 0 ] && [ $status -ne 0 ] && broken="$broken $name"
    else
        # No summary: the program or the sandbox broke. What it reported so far counts, and one more
        # failure for the case that it was in.
        passed=$((passed + $(grep -ac '^ok ' "$out")))
        skipped=$((skipped + $(grep -ac '^skip ' "$out")))
        failed=$((failed + $(grep -ac '^not ok ' "$out") + 1))
        broken="$broken $name"
        echo "$name: no summary, exit status $status; last lines:"
        tail -n 5 "$out" | sed "s/^/$name:   /"
    fi
done

[ -n "$broken" ] && echo "broken programs:$broken"
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ] && [ -z "$broken" ]
