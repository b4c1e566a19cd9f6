#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Are the generated files that live in the tree what syscalls.tbl says? With --write: makes them so.
# Last line: N passed, N failed, N skipped.

cd "$(dirname "$0")/../.." || exit 2
gen=sentry/syscalls/gen.sh
tmp=$(mktemp) || exit 2
trap 'rm -f "$tmp"' EXIT
passed=0 failed=0

# one MODE FILE
one()
{
    if [ "$write" = 1 ]; then
        $gen "$1" --output "$2" 2>/dev/null
    fi
    if $gen "$1" >"$tmp" 2>/dev/null && cmp -s "$tmp" "$2"; then
        passed=$((passed + 1))
    else
        echo "not ok $2 is not what $gen $1 makes: run make generate"
        failed=$((failed + 1))
    fi
}

write=0
[ "${1-}" = --write ] && write=1
if [ -x $gen ]; then
    one --handlers sentry/syscalls/handlers.h
    one --markdown docs/compatibility.md
fi
echo "$passed passed, $failed failed, 0 skipped"
[ $failed -eq 0 ]
