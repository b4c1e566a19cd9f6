# SPDX-License-Identifier: Apache-2.0
# Needs: git
set -e
d=$(mktemp -d); cd "$d"; export HOME=$d GIT_CONFIG_NOSYSTEM=1 LC_ALL=C TZ=UTC
export GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=A GIT_COMMITTER_EMAIL=a@example.org
export GIT_AUTHOR_DATE='2024-01-01T00:00:00Z' GIT_COMMITTER_DATE='2024-01-01T00:00:00Z'
git init -q -b main r; cd r
mkdir -p a/b; for i in $(seq 1 80); do echo "file $i" >a/b/f$i; done; echo top >top
git add .; git commit -q -m first; git log --format='%H %s'
sed -i s/top/changed/ top; git diff --stat | cat; git commit -qam second
git checkout -q -b side HEAD~1; echo side >side; git add side; git commit -qm side; git merge -q main -m merged
git log --oneline --graph | cat; git status --short; git branch
git gc -q; git count-objects -v | grep -E 'in-pack|packs'; git fsck --no-progress; echo "fsck $?"
git clone -q . ../c; cd ../c; git log -1 --format=%T; git tag v1; git describe --tags; git archive HEAD | tar t | wc -l
git stash list; git rev-parse --verify nothing 2>/dev/null || echo "status $?"
cd /; rm -rf "$d"
