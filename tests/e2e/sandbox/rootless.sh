# SPDX-License-Identifier: Apache-2.0
# An ordinary user with --rootless.
. "$(dirname "$0")/../lib/lib.sh"

if [ "$(id -u)" = 0 ]; then
    user=31337
    become=(setpriv --reuid="$user" --regid="$user" --clear-groups --inh-caps=-all)
else
    user=$(id -u)
    become=(env)
fi
as_user() { "${become[@]}" "$@"; }
if ! as_user true 2>"$T/err"; then
    skip rootless "cannot become an ordinary user: $(head -n 1 "$T/err")"
    exit 0
fi
if ! as_user unshare --user --map-root-user true 2>"$T/err"; then
    skip rootless "this host gives ordinary users no user namespaces: $(head -n 1 "$T/err")"
    exit 0
fi

# The program and the home are where that user can reach them.
export HOME=$T/home
unset XDG_RUNTIME_DIR
mkdir "$HOME"
install -m 755 "${PROGRAM:-$RUNSC}" "$T/runsc"
[ "$(id -u)" != 0 ] || chown "$user" "$HOME"
cd "$HOME" || exit 1
rootless() { as_user "$T/runsc" --root "$HOME/state" --platform="$PLATFORM" ${RUNSC_FLAGS-} --rootless "$@"; }

expect do_output 0 hello rootless do echo hello
expect do_identity 0 '0 0 0' rootless do sh -c 'echo "$(id -u) $(id -g) $(id -G)"'
expect do_status 23 '' rootless do sh -c 'exit 23'
expect do_killed 137 '' rootless do sh -c 'kill -KILL $$'
expect do_not_found 127 '' rootless do /no/such/program
expect do_cwd 0 "$HOME" rootless do pwd
expect do_pipes 0 5000 rootless do bash -c 'seq 1 5000 | tee >(wc -c >/dev/null) | sort -n | tail -n 1'
expect do_write_stays 0 inside rootless do sh -c "echo inside >'$HOME/new' && cat '$HOME/new'; rm -rf /usr/share/doc"
check do_write_not_on_host test ! -e "$HOME/new" -a -e /usr/share
expect do_chown 0 1234 rootless do sh -c 'echo x >/tmp/f && chown 1234 /tmp/f && stat -c %u /tmp/f'

# A volume: the files belong to the user, outside and, as root, inside.
as_user mkdir "$HOME/vol"
as_user sh -c "echo host >'$HOME/vol/f'"
expect volume 0 'host 0' rootless do --volume "$HOME/vol:/mnt" sh -c \
    'echo "$(cat /mnt/f) $(stat -c %u /mnt/f)"; echo guest >/mnt/g; mkdir /mnt/d; mv /mnt/f /mnt/d/f; chmod 640 /mnt/g'
check volume_content test "$(cat "$HOME/vol/g" "$HOME/vol/d/f")" = $'guest\nhost'
check volume_owner test "$(stat -c '%u %a' "$HOME/vol/g")" = "$user 640"
expect volume_ro 1 '' rootless do --volume "$HOME/vol:/mnt:ro" sh -c 'echo x 2>/dev/null >/mnt/h || exit 1'
check volume_ro_kept test ! -e "$HOME/vol/h"
# What the user may not do on the host fails inside, too.
expect volume_chown 1 '' rootless do --volume "$HOME/vol:/mnt" chown 1234 /mnt/g
if [ "$(id -u)" = 0 ]; then
    mkdir -m 700 "$T/private" "$T/readable"
    chmod 755 "$T/readable"
    echo secret >"$T/private/f"
    expect others_private 1 '' rootless do cat "$T/private/f"
    expect others_folder 1 '' rootless do --volume "$T/readable:/mnt" sh -c 'echo x 2>/dev/null >/mnt/f || exit 1'
    check others_folder_kept test ! -e "$T/readable/f"
else
    skip others_private 'needs root, to make a file of another user'
fi

# A bundle.
if bb=$(command -v busybox) && ! head -c 4096 "$bb" | grep -q ld-linux; then
    as_user mkdir -p "$HOME/bundle/rootfs/bin"
    as_user cp "$bb" "$HOME/bundle/rootfs/bin/busybox"
    as_user "$T/runsc" spec --bundle "$HOME/bundle" /bin/busybox sh -c \
        'echo "$1 $$ $(busybox hostname)"; busybox touch /x 2>/dev/null || exit 44' sh word
    expect run 44 'word 1 runsc' rootless run --bundle "$HOME/bundle" r1
    as_user sed -i 's/"readonly": true/"readonly": false/' "$HOME/bundle/config.json"
    as_user sed -i 's/busybox touch/echo made >/; s|2>/dev/null||' "$HOME/bundle/config.json"
    expect run_writable 0 'word 1 runsc' rootless run --bundle "$HOME/bundle" r1
    check run_writable_host test "$(stat -c %u "$HOME/bundle/rootfs/x")" = "$user"
else
    skip run 'needs a static busybox (Debian: busybox-static)'
fi

# Nothing of the sandbox has more rights than the user.
"${become[@]}" "$T/runsc" --root "$HOME/state" --platform="$PLATFORM" --rootless \
    do sh -c 'echo ready; sleep 1000; :' >"$T/out" 2>"$T/err" </dev/null &
CLI=$!
STARTED+=("$CLI")
for _ in $(seq 200); do grep -q ready "$T/out" && break; sleep 0.05; done
tree() {
    local c
    for c in $(children "$1"); do
        echo "$c"
        tree "$c"
    done
}
pids=$(tree "$CLI")
check processes test "$(echo "$pids" | wc -l)" -ge 3
field() { sed -n "s/^$2:[[:space:]]*//p" "/proc/$1/status"; }
for p in $CLI $pids; do
    n=$(cat "/proc/$p/comm")
    check "${n}_uid" test "$(field "$p" Uid | tr '\t' ' ')" = "$user $user $user $user"
    [ "$p" = "$CLI" ] || check "${n}_confined" test "$(field "$p" Seccomp)$(field "$p" NoNewPrivs)" = 21
done
kill -TERM "$CLI"
wait "$CLI"
check signal_status test $? = 143
# shellcheck disable=SC2086
if all_gone 1 $pids; then ok ends; else not_ok ends 'still alive after a second'; fi

# Without --rootless.
for c in "do true" "run --bundle $HOME/bundle r1"; do
    # shellcheck disable=SC2086
    as_user "$T/runsc" --root "$HOME/state" $c >"$T/out" 2>"$T/err" </dev/null
    status=$?
    check "needs_rootless_${c%% *}" test $status = 125 -a ! -s "$T/out"
    check "needs_rootless_${c%% *}_message" grep -q -- '--rootless' "$T/err"
done
check nothing_left sh -c "! find '$HOME/state' -mindepth 1 2>/dev/null | grep -q ."
