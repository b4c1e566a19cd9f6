#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A few programs of this machine in a sandbox. Usage: demo.sh O
o=${1:-build}
flags=
[ "$(id -u)" -eq 0 ] || flags=--rootless

show()
{
    echo
    echo "\$ runsc do $*"
    "$o/runsc" $flags do "$@" || status=$?
}

status=0
echo "$o/runsc runs programs on a kernel of its own. Here: $(uname -sr). In the sandbox:"
show uname -a
show cat /proc/version
show sh -c 'echo "I am process $$ of:"; ps ax 2>/dev/null || ls -d /proc/[0-9]*'
show sh -c 'echo "the host keeps its files" >/etc/motd && cat /etc/motd'
echo "(/etc/motd of the host: $(head -c 60 /etc/motd 2>/dev/null | head -n 1))"
show python3 -c 'import platform, sqlite3; print(platform.platform(), sqlite3.sqlite_version)'
echo
if [ $status -ne 0 ]; then
    echo "demo: something failed (exit status $status); try $o/runsc --debug --strace do ..."
    exit 1
fi
echo "Next: $o/runsc help, docs/architecture.md, make check."
