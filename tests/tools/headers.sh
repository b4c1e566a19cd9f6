#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Compiles each header on its own. X-macro files (they say so, and have no include guard) are
# compiled with an empty macro. Environment: CC, CPPFLAGS, CFLAGS.
# Last line: N passed, N failed, N skipped.

cd "$(dirname "$0")/../.." || exit 2
CC=${CC:-gcc}
CPPFLAGS=${CPPFLAGS:--D_GNU_SOURCE= -Iinclude -I.}
CFLAGS=${CFLAGS:--std=gnu11 -Wall -Wextra -Wno-unused-parameter -Werror}
export CC CPPFLAGS CFLAGS

if [ "${1-}" = --one ]; then
    case $2 in
    */lock_order.h) text='#define LOCK_RANK(name, what) extern int rank_##name;' ;;
    *) text= ;;
    esac
    # Twice: the guard must work (X-macros may be included again).
    if printf '%s\n#include "%s"\n#include "%s"\n' "$text" "$2" "$2" |
        $CC $CPPFLAGS $CFLAGS -Wno-redundant-decls -fsyntax-only -x c - 2>"$3"; then
        exit 0
    fi
    echo "not ok header $2"
    head -n 5 "$3" | sed 's/^/    /'
    exit 0
fi

tmp=$(mktemp -d) || exit 2
trap 'rm -rf "$tmp"' EXIT
find include platform sentry runsc -name '*.h' 2>/dev/null | sort >"$tmp/list"
# Objects of ASan and friends add nothing here.
CFLAGS=$(printf '%s' "$CFLAGS" | sed 's/-fsanitize=[^ ]*//g')
jobs=$(nproc 2>/dev/null || echo 1)
n=0
while read -r h; do
    n=$((n + 1))
    echo "$h $tmp/err$n"
done <"$tmp/list" | xargs -P "$jobs" -n 2 "$0" --one >"$tmp/out"
cat "$tmp/out"
total=$(wc -l <"$tmp/list")
failed=$(grep -c '^not ok' "$tmp/out")
echo "$((total - failed)) passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ]
