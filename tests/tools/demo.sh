#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What `make demo` runs: programs of this machine in a sandbox, each checked. Usage: demo.sh O
# Exit status: 0 if everything came out as it should.
o=${1:-build}
case $o in /*) ;; *) o=$PWD/$o ;; esac
runsc=$o/runsc
tmp=$(mktemp -d)
trap 'kill $host_process $sandbox 2>/dev/null; rm -rf "$tmp"' EXIT
flags=(--root "$tmp/state")
shown=${runsc#"$PWD"/}
[ "$(id -u)" -eq 0 ] || flags+=(--rootless) shown="$shown --rootless"
host_process='' sandbox='' failed=0
start=$SECONDS

title() { printf '\n== %s\n' "$1"; }

fail()
{
    echo "!! $1"
    failed=$((failed + 1))
}

# show PATTERN ARGUMENTS-OF-runsc...: runs it; it must end with 0 and print the pattern. The last
# $lines lines are shown.
lines=20
show()
{
    local pattern=$1 status a
    shift
    printf '$ %s' "$shown"
    for a in "$@"; do
        case $a in *[!a-zA-Z0-9/._,=-]*) printf " '%s'" "$a" ;; *) printf ' %s' "$a" ;; esac
    done
    echo
    "$runsc" "${flags[@]}" "$@" >"$tmp/out" 2>&1 </dev/null
    status=$?
    tail -n "$lines" "$tmp/out" | cut -c 1-150 | sed 's/^/    /'
    [ $status -eq 0 ] || fail "exit status $status"
    grep -qE -- "$pattern" "$tmp/out" || fail "the output should contain: $pattern"
}

need()
{
    command -v "$1" >/dev/null && return 0
    echo "    (left out: $1 is not installed; tests/tools/deps.sh names its package)"
    return 1
}

echo "runsc runs unmodified Linux programs on a kernel of its own, an ordinary process of this host."

title "Another kernel: the program asks cvisor, not this host ($(uname -r))"
show 'Linux' do uname -a
show 'Linux version' do cat /proc/version

title "It sees its own processes only"
show '^1 ' do sh -c 'for p in /proc/[0-9]*; do echo "${p#/proc/} $(cat $p/comm)"; done'

title "Real programs: a shell pipeline, Python with threads and sqlite, gcc, git"
show '^3628800$' do bash -c 'seq 1 10 | sort -rn | { p=1; while read n; do p=$((p * n)); done; echo $p; }'
cat >"$tmp/demo.py" <<'EOF'
import sqlite3, subprocess, threading
db = sqlite3.connect("/tmp/demo.db", check_same_thread=False)
db.execute("create table squares (n, s)")
lock = threading.Lock()
def work(k):
    with lock:
        db.executemany("insert into squares values (?, ?)", [(n, n * n) for n in range(k, 1000, 4)])
threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
[t.start() for t in threads]; [t.join() for t in threads]
print("sum of squares:", db.execute("select sum(s) from squares").fetchone()[0])
print("a child says:", subprocess.run(["echo", "hello"], capture_output=True, text=True).stdout.strip())
EOF
need python3 && show '^sum of squares: 332833500$' do python3 "$tmp/demo.py"
printf '#include <stdio.h>\nint main(void) { puts("compiled and run in the sandbox"); }\n' >"$tmp/hello.c"
need gcc && show '^compiled and run' do sh -c "gcc -o /tmp/hello $tmp/hello.c && /tmp/hello"
need git && show 'first commit' do sh -c 'cd "$(mktemp -d)" && git -c init.defaultBranch=main init -q &&
    echo hi >f && git add f && git -c user.name=me -c user.email=me@here commit -qm "first commit" && git log --oneline'

title "Isolation: what it writes stays in memory, host processes are out of reach"
mkdir "$tmp/photos"
echo "the host's text" >"$tmp/photos/precious"
sleep 1000 &
host_process=$!
disown
show '^no such process' do sh -c "cd $tmp/photos; echo overwritten >precious; cat precious; rm -r ../photos; ls ..
    kill -9 $host_process 2>/dev/null || echo no such process"
echo "On the host: $(cd "$tmp/photos" && head ./*), and process $host_process is alive."
[ "$(cat "$tmp/photos/precious")" = "the host's text" ] || fail "a host file was changed"
kill -0 $host_process || fail "a host process was killed"

title "What the host sees of a sandbox: confined processes (seccomp 2 = filtered)"
"$runsc" "${flags[@]}" do sleep 1000 </dev/null &
sandbox=$!
disown
tree()
{
    local c
    for c in $(cat /proc/"$1"/task/*/children 2>/dev/null); do
        echo "$c"
        tree "$c"
    done
}
for _ in $(seq 100); do
    grep -q cvisor-stub /dev/null $(tree $sandbox | sed 's|.*|/proc/&/comm|') 2>/dev/null && break
    sleep 0.05
done
printf '    %-14s %7s %8s %17s\n' process uid seccomp capabilities
for p in $sandbox $(tree $sandbox); do
    printf '    %-14s %7s %8s %17s\n' "$(cat /proc/"$p"/comm)" \
        $(sed -n 's/^\(Uid\|Seccomp\|CapEff\):\t\([^\t]*\).*/\1 \2/p' /proc/"$p"/status |
            awk '{v[$1] = $2} END {print v["Uid"], v["Seccomp"], v["CapEff"]}')
    [ "$p" = $sandbox ] || grep -q '^Seccomp:.2' /proc/"$p"/status || fail "process $p is not confined"
done
kill $sandbox

title "An OCI bundle: a static busybox, nothing else"
if need busybox; then
    mkdir -p "$tmp/bundle/rootfs/bin"
    cp -L "$(command -v busybox)" "$tmp/bundle/rootfs/bin/sh"
    "$runsc" spec --bundle "$tmp/bundle" sh -c 'echo "I am process $$ of $(hostname), my files:"; find / -xdev; echo no >/file' ||
        fail "runsc spec failed"
    sed -i 's/; echo no >.file/; echo no >\/file || true/' "$tmp/bundle/config.json"
    show 'Read-only file system' run --bundle "$tmp/bundle" demo
fi

title "Every system call can be watched"
lines=9
show 'openat\(.*hostname' --strace --strace-syscalls=openat,read,write do env LC_ALL=C cat /etc/hostname

echo
if [ $failed -ne 0 ]; then
    echo "demo: $failed things went wrong (the lines with !!). See $shown --debug --strace do ..."
    exit 1
fi
echo "All as it should be, in $((SECONDS - start)) s. Next: $shown help, docs/architecture.md, make check."
