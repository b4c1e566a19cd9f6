# SPDX-License-Identifier: Apache-2.0
# Needs: sort
# Beyond its buffer: temporary files and merges.
set -e
d=$(mktemp -d); cd "$d"
seq 1 300000 | awk '{print ($1 * 7919) % 300007, $1}' >in
sort -S 1M -T . -n in | sha256sum
sort -S 1M -T . -k2 -rn --parallel=2 in | sha256sum
ls | wc -l
rm -rf "$d"
