#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds the fuzz targets into $O-fuzz and runs each for FUZZ_TIME seconds on its corpus. Crashes are
# kept in $O-fuzz/crashes. Last line: N passed, N failed, N skipped.

cd "$(dirname "$0")/../.." || exit 2
o=${O:-build}-fuzz
make=${MAKE:-make}
passed=0 failed=0
export ASAN_OPTIONS=detect_leaks=0:abort_on_error=0 UBSAN_OPTIONS=print_stacktrace=1
if [ ! -f "$o/config.mk" ]; then
    ./configure --builddir="$o" --enable-fuzz --enable-ubsan >/dev/null || exit 1
fi
$make O="$o" fuzz-build || exit 1
mkdir -p "$o/crashes"
for src in tests/fuzz/*.c; do
    [ -f "$src" ] || continue
    name=$(basename "$src" .c)
    mkdir -p "$o/corpus/$name"
    seeds=
    [ -d "tests/fuzz/corpus/$name" ] && seeds=tests/fuzz/corpus/$name
    if "$o/tests/fuzz/$name" -max_total_time="${FUZZ_TIME:-10}" -rss_limit_mb=4096 -timeout=10 \
        -artifact_prefix="$o/crashes/$name-" "$o/corpus/$name" $seeds >"$o/$name.log" 2>&1; then
        echo "ok fuzz $name: $(grep -a 'DONE' "$o/$name.log" | tail -n 1)"
        passed=$((passed + 1))
    else
        echo "not ok fuzz $name"
        tail -n 25 "$o/$name.log" | sed 's/^/    /'
        failed=$((failed + 1))
    fi
done
echo "$passed passed, $failed failed, 0 skipped"
[ $failed -eq 0 ]
