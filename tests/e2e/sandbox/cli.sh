# SPDX-License-Identifier: Apache-2.0
# The command line: exit statuses, signals, descriptors, environment, volumes, errors.
. "$(dirname "$0")/../lib/lib.sh"

expect do_output 0 hello runsc_do echo hello
expect do_status 37 '' runsc_do sh -c 'exit 37'
expect do_killed 143 '' runsc_do sh -c 'kill -TERM $$'
expect do_killed9 137 '' runsc_do sh -c 'kill -KILL $$'
expect do_not_found 127 '' runsc_do /no/such/program
check do_not_found_message grep -q '/no/such/program' "$T/stderr"
touch "$T/plain"
expect do_not_executable 126 '' runsc_do "$T/plain"
expect do_env 0 'v=1 2' runsc_do --env V=1\ 2 sh -c 'echo "v=$V"'
# Large reservations of ours then fill the top of the address space.
command -v setarch >/dev/null && expect do_fixed_addresses 0 hi setarch -R "$RUNSC" --root "$T/state" --platform=$PLATFORM do echo hi
expect do_cwd 0 /usr runsc_do --cwd /usr pwd
(cd /usr/lib && expect do_cwd_inherited 0 /usr/lib runsc_do pwd)
expect do_stdin 0 3 sh -c "printf 'a\nb\nc\n' | '$RUNSC' --root '$T/state' --platform=$PLATFORM do wc -l"
expect do_stderr 0 '' sh -c "'$RUNSC' --root '$T/state' --platform=$PLATFORM do sh -c 'echo err >&2' 2>'$T/e'"
check do_stderr_text grep -q '^err$' "$T/e"
expect do_closed_stdin 1 '' sh -c "'$RUNSC' --root '$T/state' --platform=$PLATFORM do cat <&-"
expect do_sigpipe 0 1 sh -c "'$RUNSC' --root '$T/state' --platform=$PLATFORM do seq 1 100000 | head -n 1"

# The host's files are there, but writes stay inside.
expect do_reads_host 0 "$(cat /etc/hostname 2>/dev/null)" runsc_do cat /etc/hostname
expect do_write_stays 0 inside runsc_do sh -c "echo inside >'$T/new' && cat '$T/new'"
check do_write_not_on_host test ! -e "$T/new"
mkdir "$T/vol" && echo host >"$T/vol/f"
expect do_volume 0 host runsc_do --volume "$T/vol:/mnt" sh -c 'cat /mnt/f; echo guest >/mnt/g'
check do_volume_written grep -q guest "$T/vol/g"
expect do_volume_ro 1 host runsc_do --volume "$T/vol:/mnt:ro" sh -c 'cat /mnt/f; echo no 2>/dev/null >/mnt/h || exit 1'
check do_volume_ro_kept test ! -e "$T/vol/h"

# Signals to runsc reach the program.
"$RUNSC" --root "$T/state" --platform="$PLATFORM" do sh -c 'trap "echo got; exit 5" TERM; echo ready; while :; do sleep 0.1; done' >"$T/sig" &
pid=$!
for _ in $(seq 100); do grep -q ready "$T/sig" && break; sleep 0.05; done
kill -TERM $pid
wait $pid
check do_signal_status test $? = 5
check do_signal_seen grep -q got "$T/sig"

# Errors say what failed and exit non-zero.
for args in "--no-such-flag do true" "no-such-command" "do" "do --no-such-flag true" "--platform=none do true" \
    "run" "run --bundle /no/such/bundle x" "do --volume relative:/x true" "do --volume /nonexistent:/x true"; do
    # shellcheck disable=SC2086
    "$RUNSC" --root "$T/state" $args >"$T/out" 2>"$T/err" </dev/null
    status=$?
    if [ $status != 0 ] && [ -s "$T/err" ] && [ $status -lt 129 ]; then
        ok "error: $args"
    else
        not_ok "error: $args" "status $status, message: $(cat "$T/err")"
    fi
done
expect version 0 "$("$RUNSC" --version)" "$RUNSC" version
check help sh -c "'$RUNSC' help | grep -q 'do'"
check help_syscalls sh -c "'$RUNSC' help syscalls | grep -q openat"
check strace sh -c "'$RUNSC' --root '$T/state' --platform=$PLATFORM --strace --debug-log '$T/log' do true && grep -q execve '$T/log'* || grep -q exit_group '$T/log'*"
check nothing_left sh -c "! find '$T/state' -mindepth 1 2>/dev/null | grep -q ."
