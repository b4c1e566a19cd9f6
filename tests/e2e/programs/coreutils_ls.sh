# SPDX-License-Identifier: Apache-2.0
# Needs: ls
set -e
d=$(mktemp -d); cd "$d"; umask 022
mkdir -p x/y/z x/w; for i in 1 2 3; do printf '%0*d' $((i * 100)) 0 >x/f$i; done
ln -s ../x/f1 x/y/link; ln x/f2 x/w/hard; mkfifo x/y/z/fifo; chmod 4750 x/f3; touch -d '2020-02-02 02:02:02 UTC' x/f1 x/f2 x/f3
find x -exec touch -h -d '2021-03-04 05:06:07 UTC' {} +
TZ=UTC LC_ALL=C ls -lR --time-style=full-iso x | sed 's/^total.*/total/' | awk -v u="$(id -un 2>/dev/null)" -v g="$(id -gn 2>/dev/null)" '
    /^d/ {$5 = "-"} $3 == u {$3 = "me"} $4 == g {$4 = "mine"} {$1 = $1; print}'
# (Sizes of directories are the file system's; with --rootless, who am I is another.)
ls -lR /usr/share/misc /etc/apt 2>/dev/null | grep -v '^total' | awk '{print $1, $NF}'
ls /nonexistent 2>/dev/null || echo "status $?"
stat -c '%A %h %s %F %N' x/f3 x/y/link x/w/hard x/y/z/fifo
