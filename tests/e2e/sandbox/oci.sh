# SPDX-License-Identifier: Apache-2.0
# OCI bundles: a static busybox with `runsc run`, and what config.json can say about it.
. "$(dirname "$0")/../lib/lib.sh"

bb=$(command -v busybox)
if [ -z "$bb" ] || head -c 4096 "$bb" | grep -q ld-linux; then
    skip oci 'needs a static busybox (Debian: busybox-static)'
    exit 0
fi
B=$T/bundle
mkdir -p "$B/rootfs/bin" "$B/rootfs/tmp" "$B/rootfs/srv"
cp -L "$bb" "$B/rootfs/bin/busybox"
for applet in sh awk cat cut dd env false find grep gzip gunzip head hostname id ls md5sum mkdir mv \
    printf pwd rm sed seq sha256sum sleep sort stat tail tar touch tr true uniq wc xargs; do
    ln -s busybox "$B/rootfs/bin/$applet"
done

# config NAME=VALUE... SCRIPT: writes config.json. Values are JSON: ARGS (list without brackets, in place
# of SCRIPT), ENV, CWD, PROCESS (more properties of it), ROOT, MOUNTS, TOP (more properties).
config() {
    local ENV='"PATH=/bin"' CWD='"/"' ARGS='' PROCESS='' ROOT='"readonly": false' MOUNTS='' TOP=''
    while [ $# -gt 0 ] && [[ $1 =~ ^(ENV|CWD|ARGS|PROCESS|ROOT|MOUNTS|TOP)= ]]; do
        printf -v "${1%%=*}" %s "${1#*=}"
        shift
    done
    if [ -z "$ARGS" ]; then
        local s=${1//\\/\\\\}
        s=${s//\"/\\\"}
        ARGS="\"sh\", \"-c\", \"${s//$'\n'/\\n}\""
    fi
    cat >"$B/config.json" <<EOF
{"ociVersion": "1.0.2",
 "process": {"args": [$ARGS], "env": [$ENV], "cwd": $CWD${PROCESS:+, $PROCESS}},
 "root": {"path": "rootfs", $ROOT}, "mounts": [$MOUNTS]${TOP:+, $TOP}}
EOF
}
run() { "$RUNSC" --root "$T/state" --platform="$PLATFORM" run --bundle "$B" "t-$$"; }
nothing_left() { ! find "$T/state" -mindepth 1 2>/dev/null | grep -q .; }

# spec
check spec "$RUNSC" spec --bundle "$B"
expect spec_shell 0 hello sh -c "echo 'echo hello' | '$RUNSC' --root '$T/state' --platform=$PLATFORM run --bundle '$B' spec-$$"
expect spec_again 1 '' "$RUNSC" spec --bundle "$B"
check spec_again_message grep -q 'there already' "$T/stderr"
rm "$B/config.json"
(cd "$B" && "$RUNSC" spec /bin/printf '%s|' 'a b' '"' 'é\n')
expect spec_args 0 'a b|"|é\n|' run

# process
config ARGS='"/bin/busybox", "printf", "[%s]", "one", "", "two words", "$HOME"'
expect args 0 '[one][][two words][$HOME]' run
config ARGS='"/bin/busybox", "env"' ENV='"PATH=/bin", "A=1", "B=with = and space", "C="'
expect env 0 $'PATH=/bin\nA=1\nB=with = and space\nC=' run
config ARGS='"sh", "-c", "echo found"' ENV='"PATH=/nowhere:/bin"'
expect path_search 0 found run
config CWD='"/srv"' 'pwd; ls -d /srv'
expect cwd 0 $'/srv\n/srv' run
config PROCESS='"user": {"uid": 1000, "gid": 1001, "additionalGids": [5, 70000], "umask": 63}' \
    'id -u; id -g; id -G; umask; touch /tmp/f 2>/dev/null || echo refused; kill -0 1 && echo self'
expect user 0 $'1000\n1001\n1001 5 70000\n0077\nrefused\nself' run
config PROCESS='"capabilities": {"bounding": ["CAP_KILL"], "permitted": ["CAP_KILL"], "effective": ["CAP_KILL"]}' \
    'grep -E "Cap(Eff|Bnd)" /proc/self/status | tr "\t" " "'
expect capabilities 0 $'CapEff: 0000000000000020\nCapBnd: 0000000000000020' run
config PROCESS='"noNewPrivileges": true' 'grep NoNewPrivs /proc/self/status | cut -f 2'
expect no_new_privs 0 1 run
config PROCESS='"rlimits": [{"type": "RLIMIT_NOFILE", "soft": 77, "hard": 99}, {"type": "RLIMIT_FSIZE", "soft": 8192, "hard": 8192}]' \
    'ulimit -S -n; ulimit -H -n; trap "" XFSZ; dd if=/dev/zero of=/tmp/big bs=4096 count=4 2>/dev/null; stat -c %s /tmp/big; rm /tmp/big'
expect rlimits 0 $'77\n99\n8192' run
config TOP='"hostname": "box.example"' 'hostname; cat /proc/sys/kernel/hostname'
expect hostname 0 $'box.example\nbox.example' run
config hostname
expect hostname_default 0 "t-$$" run
expect hostname_host_kept 0 "$(hostname)" hostname

# the end
config 'exit 41'
expect exit_status 41 '' run
config 'kill -SEGV $$'
expect exit_signal 139 '' run
config ARGS='"/bin/nothing"'
expect missing_program 127 '' run
check missing_program_message grep -q '/bin/nothing' "$T/stderr"
config ARGS='"nothing"'
expect missing_in_path 127 '' run
echo x >"$B/rootfs/srv/plain"
config ARGS='"/srv/plain"'
expect not_executable 126 '' run
config CWD='"/nowhere"' true
expect missing_cwd 125 '' run
check missing_cwd_message grep -q '/nowhere' "$T/stderr"
config 'echo $$; readlink /proc/self/exe; for p in /proc/[0-9]*; do echo "${p#/proc/}"; done | sort -n | head -n 1; cat'
expect first_process 0 $'1\n/bin/busybox\n1' run

# root
config ROOT='"readonly": true' \
    'echo x >/srv/new; mkdir /d; rm /srv/plain; touch /srv/plain; cat /srv/plain; echo y >/dev/null && echo device'
expect root_readonly 0 $'x\ndevice' run
check root_readonly_errno test "$(grep -c 'Read-only file system' "$T/stderr")" = 4
check root_readonly_kept test -z "$(find "$B/rootfs" -name new -o -name d)"
config 'echo guest >/srv/new && mkdir -p /a/b && mv /srv/new /a/b/moved && ln -s moved /a/b/link && chmod 640 /a/b/moved'
expect root_writable 0 '' run
check root_writable_host test "$(cat "$B/rootfs/a/b/link")$(stat -c %a "$B/rootfs/a/b/moved")" = guest640
config 'cat /a/b/moved; rm -r /a; echo kept >/kept'
expect root_overlay 0 guest "$RUNSC" --root "$T/state" --platform="$PLATFORM" --overlay2=root:memory run --bundle "$B" "o-$$"
check root_overlay_host test -e "$B/rootfs/a/b/moved" -a ! -e "$B/rootfs/kept"
rm -r "$B/rootfs/a"

# mounts
mkdir "$T/src" && echo host >"$T/src/f" && echo one >"$T/single"
m='{"destination": "/mnt", "type": "bind", "source": "'$T'/src", "options": ["rbind", "rw"]}'
config MOUNTS="$m" 'cat /mnt/f; echo guest >/mnt/g; mv /mnt/f /mnt/h'
expect bind_rw 0 host run
check bind_rw_host test "$(cat "$T/src/g" "$T/src/h")" = $'guest\nhost'
config MOUNTS="${m/rw/ro}" 'cat /mnt/h; echo guest >/mnt/i || rm /mnt/g || exit 3'
expect bind_ro 3 host run
check bind_ro_errno test "$(grep -c 'Read-only file system' "$T/stderr")" = 2
check bind_ro_host test -e "$T/src/g" -a ! -e "$T/src/i"
m='{"destination": "/etc/single", "source": "'$T'/single", "options": ["bind"]}'
config MOUNTS="$m" 'cat /etc/single; echo two >>/etc/single; rm /etc/single 2>/dev/null || echo busy'
expect bind_file 0 $'one\nbusy' run
check bind_file_host test "$(cat "$T/single")" = $'one\ntwo'
config MOUNTS="${m/bind/bind\", \"ro}" 'cat /etc/single; echo three >>/etc/single || exit 4'
expect bind_file_ro 4 $'one\ntwo' run
check bind_file_ro_host test "$(wc -l <"$T/single")" = 2
rm -r "$B/rootfs/etc"
mkdir "$B/beside"
config MOUNTS='{"destination": "/a/new/place", "type": "bind", "source": "beside"}' 'touch /a/new/place/x'
expect bind_relative 0 '' run
check bind_relative_host test -e "$B/beside/x"
rm -r "$B/rootfs/a"
config MOUNTS='{"destination": "/mnt", "type": "bind", "source": "/no/such/source"}' true
expect bind_missing 125 '' run
check bind_missing_message grep -q '/no/such/source' "$T/stderr"
config MOUNTS='{"destination": "/scratch", "type": "tmpfs", "options": ["size=64k", "mode=1757", "uid=7", "gid=8", "noexec"]}' \
    'stat -c "%a %u %g" /scratch; dd if=/dev/zero of=/scratch/f bs=4096 count=17 2>&1 | grep -o "No space.*"; stat -c %s /scratch/f
    rm /scratch/f; dd if=/dev/zero of=/scratch/f bs=4096 count=16 2>/dev/null && echo again
    rm /scratch/f; cp /bin/busybox /scratch/x 2>/dev/null; echo "#!/bin/sh" >/scratch/x; chmod 755 /scratch/x; /scratch/x 2>/dev/null || echo noexec'
expect tmpfs 0 $'1757 7 8\nNo space left on device\n65536\nagain\nnoexec' run
check tmpfs_host test -z "$(ls -A "$B/rootfs/scratch" 2>/dev/null)"
config MOUNTS='{"destination": "/proc", "type": "proc"}, {"destination": "/dev", "type": "tmpfs"}, {"destination": "/sys", "type": "sysfs", "options": ["ro"]}, {"destination": "/sys/fs/cgroup", "type": "cgroup"}' \
    'for p in proc dev sys; do grep -c " /$p " /proc/mounts; done; ls /dev/null /dev/zero; test -e /proc/1/status && echo proc'
expect kernel_mounts 0 $'1\n1\n1\n/dev/null\n/dev/zero\nproc' run

# A container while it runs: list, state, kill; its name is taken.
config 'trap "echo got; exit 9" TERM; echo ready; while :; do sleep 0.1; done'
run >"$T/out" 2>"$T/err" &
pid=$!
STARTED+=($pid)
for _ in $(seq 200); do grep -q ready "$T/out" && break; sleep 0.05; done
check list sh -c "'$RUNSC' --root '$T/state' list | grep -q '^t-$$ .*running'"
check state sh -c "'$RUNSC' --root '$T/state' state t-$$ | grep -q '\"status\": *\"running\"'"
run >/dev/null 2>"$T/stderr"
check name_taken test $? = 125 -a -s "$T/stderr"
check kill "$RUNSC" --root "$T/state" kill "t-$$" TERM
wait $pid
check kill_status test $? = 9
check kill_seen grep -q got "$T/out"

# Bad bundles: a message that names the property, 125, nothing left. Then a run still works.
"$RUNSC" --root "$T/state" run --bundle "$T/src" "t-$$" >/dev/null 2>"$T/stderr"
check no_config test $? = 125 -a -n "$(grep 'config.json' "$T/stderr")"
for bad in "$TOP"/tests/oci/bad/*.json; do
    n=$(basename "$bad" .json)
    cp "$bad" "$B/config.json"
    run >"$T/out" 2>"$T/stderr"
    status=$?
    if [ $status = 125 ] && grep -qF -- "$(cat "${bad%.json}.expect")" "$T/stderr" && [ ! -s "$T/out" ]; then
        ok "bad_$n"
    else
        not_ok "bad_$n" "status $status, message: $(cat "$T/stderr")"
    fi
done
mv "$B/rootfs" "$B/elsewhere"
config true
expect no_root 125 '' run
mv "$B/elsewhere" "$B/rootfs"
check errors_leave_nothing nothing_left
# The samples that are good, with folders that exist here.
mkdir -p "$B/data"
for good in "$TOP"/tests/oci/good/*.json; do
    sed "s|/srv/root|rootfs|; s|\"/etc/hosts\", \"options\"|\"$T/single\", \"options\"|" "$good" >"$B/config.json"
    if grep -q HOME "$good"; then text=/home/ü; else text=; fi
    expect "good_$(basename "$good" .json)" 0 "$text" run
done

# The same script natively: in the root's folder, then in the sandbox.
cat >"$B/rootfs/srv/script" <<'EOF'
set -e
mkdir -p t/a/b && cd t
seq 1 20000 | sed 's/$/ line/' >lines
sha256sum lines
sort -rn lines | head -n 3
sort lines | uniq | wc -l
awk '{ s += $1; n[length($1)]++ } END { printf "%d %d %d %.3f\n", s, n[1], n[5], s / NR }' lines
cut -c 1-2 lines | sort | uniq -c | sort -k 1,1nr -k 2 | head -n 4
tr 0-9 a-j <lines | md5sum
for i in 1 2 3; do echo "file $i" >a/b/$i; ln -s $i a/b/link$i; done
find a | sort
find a -type f | sort | xargs -n 1 cat
tar cf - a | gzip | gunzip | tar tf - | sort
tar cf x.tar a && mkdir copy && tar xf x.tar -C copy && cat copy/a/b/link2
(echo in a subshell; exit 7) || echo "status $?"
cat <<EOT | grep -n here
a here document
is here: $((6 * 7))
EOT
x=$(printf '%05d|%x|%s' 42 255 end); echo "$x ${#x} ${x%|*}"
trap 'echo trapped' USR1; kill -USR1 $$; trap 'cd ..; rm -r t; echo bye' EXIT
dd if=lines bs=1000 skip=3 count=2 2>/dev/null | wc -c
sleep 0.01 & wait $! && echo waited
EOF
(cd "$B/rootfs/srv" && env -i PATH="$B/rootfs/bin" "$B/rootfs/bin/sh" ./script) >"$T/native" 2>"$T/native.err"
native=$?
check native_ran test $native = 0
config CWD='"/srv"' ARGS='"/bin/sh", "./script"'
expect as_native $native "$(cat "$T/native")" run
check as_native_stderr cmp -s "$T/native.err" "$T/stderr"
check nothing_left nothing_left
