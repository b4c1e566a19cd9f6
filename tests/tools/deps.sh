#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs the Debian packages that building and testing need, if some are missing and we are root.
# Otherwise prints the command. Usage: deps.sh [--list|--optional]

build="gcc make libc6-dev pkg-config libseccomp-dev libcap-dev libunwind-dev liblzma-dev
libjansson-dev liburcu-dev"
tests="libcriterion-dev clang-format clang libclang-rt-dev busybox-static sqlite3 g++ git python3
perl xz-utils procps"
# Never installed from here: `make bench` compares with those that are there.
optional="bubblewrap proot runc"

if [ "${1-}" = --list ]; then
    echo $build $tests
    exit 0
elif [ "${1-}" = --optional ]; then
    echo $optional
    exit 0
fi
if ! command -v dpkg-query >/dev/null 2>&1; then
    echo "deps.sh: not a Debian system; you need the equivalents of:" $build $tests
    exit 0
fi

missing=
# One query for all; packages that are not known at all are reported by their absence.
installed=" $(dpkg-query -W -f '${db:Status-Status} ${Package}\n' $build $tests 2>/dev/null |
    sed -n 's/^installed //p' | tr '\n' ' ') "
for p in $build $tests; do
    case $installed in
    *" $p "*) ;;
    *) missing="$missing $p" ;;
    esac
done
[ -z "$missing" ] && exit 0

if [ "$(id -u)" -ne 0 ]; then
    echo "deps.sh: missing packages; run: sudo apt-get install -y$missing"
    exit 1
fi
echo "deps.sh: installing$missing"
export DEBIAN_FRONTEND=noninteractive
if ! apt-get install -y --no-install-recommends $missing >/dev/null 2>&1; then
    apt-get update >/dev/null 2>&1
    apt-get install -y --no-install-recommends $missing >/dev/null || {
        echo "deps.sh: apt-get install failed; by hand: apt-get install -y$missing"
        exit 1
    }
fi
