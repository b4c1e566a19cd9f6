# SPDX-License-Identifier: Apache-2.0
# The three kinds of process as the host sees them, and what a guest can't reach.
. "$(dirname "$0")/../lib/lib.sh"

if ! start_sandbox; then
    not_ok start "the sandbox did not start: $(cat "$T/err")"
    exit 0
fi
field() { sed -n "s/^$2:[[:space:]]*//p" "/proc/$1/status"; }
for kind in SENTRY GOFER STUB; do
    case $kind in
    SENTRY) pids=$SENTRY ;;
    GOFER) pids=$GOFER ;;
    STUB) pids=$STUBS ;;
    esac
    for p in $pids; do
        check "${kind}_seccomp" test "$(field "$p" Seccomp)" = 2
        check "${kind}_no_new_privs" test "$(field "$p" NoNewPrivs)" = 1
        if [ $kind = GOFER ]; then
            # CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID MKNOD are all that it may keep.
            check GOFER_caps test $((0x$(field "$p" CapEff) & ~0x800001f)) = 0
        else
            check "${kind}_caps" test "$(field "$p" CapEff)$(field "$p" CapPrm)" = 00000000000000000000000000000000
            check "${kind}_bounding" test "$(field "$p" CapBnd)" = 0000000000000000
        fi
        for ns in mnt pid net ipc uts; do
            check "${kind}_ns_$ns" test "$(readlink "/proc/$p/ns/$ns")" != "$(readlink /proc/self/ns/$ns)"
        done
        [ $kind = GOFER ] || check "${kind}_ns_user" test "$(readlink "/proc/$p/ns/user")" != "$(readlink /proc/self/ns/user)"
    done
done
# Descriptors of the sentry: nothing that leads into the host's file tree.
bad=
for f in /proc/"$SENTRY"/fd/*; do
    l=$(readlink "$f")
    case $l in
    socket:* | pipe:* | anon_inode:* | /memfd:* | /dev/null | "$T"/* | '') ;;
    /dev/pts/* | /dev/tty*) ;;
    *)
        # Donated files are open as files, never as directories.
        [ -d "$f" ] && bad="$bad $l"
        ;;
    esac
done
check sentry_fds test -z "$bad"
check sentry_root_empty test -z "$(ls -A "/proc/$SENTRY/root/" 2>/dev/null)"
check sentry_mounts test "$(wc -l <"/proc/$SENTRY/mountinfo")" -le 2
stub=${STUBS%% *}
check stub_root_empty test -z "$(ls -A "/proc/$stub/root/" 2>/dev/null)"
kill_all

# From inside: a host process, a host socket, a file outside a bundle's root.
sleep 300 &
host_pid=$!
STARTED+=($host_pid)
expect no_host_process 1 '' runsc_do sh -c "kill -0 $host_pid 2>/dev/null || exit 1"
check host_process_alive kill -0 $host_pid
expect no_host_proc 0 none runsc_do sh -c "test -e /proc/$host_pid || echo none"
if command -v python3 >/dev/null; then
    python3 -c "
import socket, time
a = socket.socket(socket.AF_UNIX); a.bind('$T/sock'); a.listen()
b = socket.socket(socket.AF_UNIX); b.bind('\0cvisor-e2e-$$'); b.listen()
c = socket.socket(); c.bind(('127.0.0.1', 0)); c.listen(); open('$T/port', 'w').write(str(c.getsockname()[1]))
time.sleep(300)" &
    STARTED+=($!)
    for _ in $(seq 100); do [ -s "$T/port" ] && break; sleep 0.05; done
    port=$(cat "$T/port")
    expect no_host_sockets 0 'refused refused refused' runsc_do python3 -c "
import socket
def t(*a):
    try: s = socket.socket(a[0]); s.connect(a[1]); return 'CONNECTED'
    except OSError as e: return 'refused'
print(t(socket.AF_UNIX, '$T/sock'), t(socket.AF_UNIX, '\0cvisor-e2e-$$'), t(socket.AF_INET, ('127.0.0.1', $port)))"
else
    skip no_host_sockets 'needs python3'
fi
if [ -n "$(command -v gcc)" ]; then
    gcc -O1 -static -o "$T/escape" "$TOP/tests/e2e/guest/escape.c" || not_ok escape 'cannot build'
    mkdir -p "$T/bundle/rootfs/tmp" && echo secret >"$T/secret" && cp "$T/escape" "$T/bundle/rootfs/escape"
    ln -s "$T/secret" "$T/bundle/rootfs/abs"
    ln -s ../../../../../../../../..$T/secret "$T/bundle/rootfs/rel"
    ln -s / "$T/bundle/rootfs/root"
    (cd "$T/bundle" && "$RUNSC" spec && sed -i 's|"sh"|"/escape", "'"$T/secret"'"|; s|"terminal": true|"terminal": false|' config.json)
    out=$("$RUNSC" --root "$T/state" --platform="$PLATFORM" run --bundle "$T/bundle" escape-$$ 2>"$T/err")
    status=$?
    echo "$out" | grep -E '^(ok|not ok) '
    check escape_ran test $status = 0 -a "$(echo "$out" | tail -n 1)" = done
    check secret_untouched grep -q '^secret$' "$T/secret"
else
    skip escape 'needs gcc'
fi
