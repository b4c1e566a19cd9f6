#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds the syscall conformance programs without the rest of the tree. Usage: build.sh [OUTDIR]
# The programs end up in OUTDIR/tests/syscalls.
out=${1:-build}
case $out in
/*) ;;
*) out=$PWD/$out ;;
esac
cd "$(dirname "$0")/../.." || exit 1
exec make --no-print-directory -j"${JOBS:-2}" -f tests/syscalls/tests.mk O="$out" syscalls-build
