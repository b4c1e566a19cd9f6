# SPDX-License-Identifier: Apache-2.0
# Needs: find xargs
set -e
d=$(mktemp -d); cd "$d"
for i in $(seq 1 60); do mkdir -p d$((i % 7)); echo "content $i" >d$((i % 7))/f$i; done
find . -type f -print0 | xargs -0 -P4 -n5 md5sum | sort
find . -type f -name 'f*3' -exec wc -c {} + | tail -n 1
find . -type d -empty -o -type f -size -2 | wc -l
find /usr/include -maxdepth 1 -name 'std*.h' 2>/dev/null | sort | xargs -P4 -n1 basename | sort
rm -rf "$d"
