# SPDX-License-Identifier: Apache-2.0
# Needs: sha256sum dd
# 200 MB in a file, written and read back.
set -e
f=$(mktemp)
yes 'all work and no play makes a dull sandbox' | head -c 200000000 >"$f"
wc -c <"$f"
sha256sum <"$f"
dd if="$f" bs=1M skip=100 count=50 2>/dev/null | sha256sum
truncate -s 1000 "$f"; wc -c <"$f"
rm "$f"
