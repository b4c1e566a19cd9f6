# SPDX-License-Identifier: Apache-2.0
# Needs: tar gzip xz
set -e
d=$(mktemp -d); cd "$d"; umask 022
mkdir -p t/{a,b}/c; for i in $(seq 1 40); do seq $i 500 >t/a/c/f$i; done; ln -s c/f1 t/a/l; ln t/a/c/f2 t/b/h; chmod 755 t/a/c/f3
find t -exec touch -h -d '2022-02-02 UTC' {} +
tar --sort=name --owner=0 --group=0 --numeric-owner -cf x.tar t; sha256sum <x.tar
gzip -nk9 x.tar; sha256sum <x.tar.gz; xz -k -T1 x.tar; sha256sum <x.tar.xz
for f in x.tar.gz x.tar.xz; do mkdir o; tar -xf $f -C o; diff -r t o/t && echo "$f same"; (cd o && find . ! -type d -printf '%p %m %s %l %n\n' | sort | sha256sum); rm -r o; done
zcat x.tar.gz | tar t | wc -l; xz -l x.tar.xz >/dev/null && echo ok
tar cf - t | (mkdir p && cd p && tar xf -) && diff -r t p/t && echo piped
gzip -t x.tar 2>/dev/null || echo "status $?"
cd /; rm -rf "$d"
