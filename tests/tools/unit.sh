#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs the Criterion programs of a build folder. Usage: unit.sh O [PART-OF-NAME]
# Last line: N passed, N failed, N skipped.

o=${1:-build}
want=${2-}
tmp=$(mktemp) || exit 2
trap 'rm -f "$tmp"' EXIT
passed=0 failed=0 skipped=0

# -perm skips the .d files and folders of other things.
for bin in $(find "$o/tests/unit" -type f -perm -u+x 2>/dev/null | sort); do
    name=${bin#"$o/tests/unit/"}
    case $name in *"$want"*) ;; *) continue ;; esac
    src=tests/unit/$name.c
    [ -f "$src" ] || continue # a test that was removed
    timeout -k 5 "${UNIT_TIMEOUT:-120}" $UNIT_WRAP "$bin" -j"$(nproc)" >"$tmp" 2>&1 </dev/null
    status=$?
    # Criterion forks while a thread of nanomsg may be inside ASan's malloc, whose lock then stays held
    # in the child: nothing is printed, and nothing has been tested yet.
    if [ $status -eq 124 ] && [ ! -s "$tmp" ]; then
        timeout -k 5 "${UNIT_TIMEOUT:-120}" $UNIT_WRAP "$bin" -j"$(nproc)" >"$tmp" 2>&1 </dev/null
        status=$?
    fi
    # [====] Synthesis: Tested: 5 | Passing: 4 | Failing: 1 | Crashing: 0
    line=$(sed 's/\x1b\[[0-9;]*m//g' "$tmp" | grep -a 'Synthesis:' | tail -n 1)
    tested=$(echo "$line" | sed -n 's/.*Tested: *\([0-9]*\).*/\1/p')
    ok=$(echo "$line" | sed -n 's/.*Passing: *\([0-9]*\).*/\1/p')
    skips=$(sed 's/\x1b\[[0-9;]*m//g' "$tmp" | grep -ac '^\[SKIP\]')
    if [ -z "$tested" ]; then
        echo "not ok $src: no summary, exit status $status"
        tail -n 15 "$tmp" | sed 's/^/    /'
        failed=$((failed + 1))
        continue
    fi
    passed=$((passed + ok))
    failed=$((failed + tested - ok))
    skipped=$((skipped + skips))
    if [ "$tested" -ne "$ok" ] || [ $status -ne 0 ]; then
        [ "$tested" -eq "$ok" ] && failed=$((failed + 1))
        echo "not ok $src ($ok of $tested, exit status $status)"
        # What failed, though the last lines may be the log of something else.
        sed 's/\x1b\[[0-9;]*m//g' "$tmp" | grep -a '^\[FAIL\|^\[----' | head -n 20 | sed 's/^/    /'
        grep -av '^\[RUN\|^\[PASS' "$tmp" | tail -n 40 | sed 's/^/    /'
    fi
done
if [ $((passed + failed + skipped)) -eq 0 ]; then
    echo "no unit tests were built (is libcriterion-dev there? then run make)"
    skipped=1
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ]
