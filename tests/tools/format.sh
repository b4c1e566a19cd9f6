#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Is everything as clang-format 14 would write it, with an SPDX line on top?
# Last line: N passed, N failed, N skipped.

cd "$(dirname "$0")/../.." || exit 2
files=$(find include platform sentry runsc tests -name '*.[ch]' 2>/dev/null | sort)
total=$(echo "$files" | wc -l)
bad=$(for f in $files; do
    head -n 1 "$f" | grep -q 'SPDX-License-Identifier: Apache-2.0' || echo "$f: no SPDX line"
done)
if command -v clang-format >/dev/null 2>&1; then
    bad="$bad
$(echo "$files" | xargs -P "$(nproc)" -n 20 clang-format --dry-run 2>&1 |
        sed -n 's/^\([^:]*\):\([0-9]*\):.*code should be clang-formatted.*/\1:\2: run make fmt/p' |
        sort -t: -u -k1,1)"
    skipped=0
else
    skipped=$total
fi
bad=$(echo "$bad" | sed '/^$/d')
failed=0
if [ -n "$bad" ]; then
    echo "$bad" | sed 's/^/not ok format /'
    failed=$(echo "$bad" | cut -d: -f1 | sort -u | wc -l)
fi
[ "$skipped" -ne 0 ] && total=$failed
echo "$((total - failed)) passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
