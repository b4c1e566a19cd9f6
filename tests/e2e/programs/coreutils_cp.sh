# SPDX-License-Identifier: Apache-2.0
# Needs: cp find
set -e
d=$(mktemp -d); cd "$d"
mkdir -p src/{a,b,c}/{1,2}; for f in src/*/*; do echo "$f" >"$f/file"; ln -s file "$f/sym"; done
ln src/a/1/file src/a/2/hard; mkfifo src/pipe; chmod 0700 src/b; touch -d '2019-01-01 UTC' src/c/1/file
cp -a src dst
diff -r --no-dereference src/a dst/a && diff -r src/b dst/b && diff -r src/c dst/c && echo same
(cd src && find . -printf '%p %y %m %n %l\n' | sort) >l1; (cd dst && find . -printf '%p %y %m %n %l\n' | sort) >l2
cmp l1 l2 && cat l1
TZ=UTC stat -c '%y' dst/c/1/file
cp -a /usr/share/misc copy 2>/dev/null; diff -r --no-dereference /usr/share/misc copy >/dev/null && echo "copied"
mv dst moved && rm -r src && ls
cd /; rm -rf "$d"
