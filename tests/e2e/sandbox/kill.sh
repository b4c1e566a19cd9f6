# SPDX-License-Identifier: Apache-2.0
# Killing any process of the sandbox ends the others within a second, with a message, and nothing stays.
. "$(dirname "$0")/../lib/lib.sh"

second=${TIME_SLACK:-1} # longer beside other tests
mounts_before=$(wc -l </proc/self/mountinfo)
for victim in CLI SENTRY GOFER STUB; do
    n="kill_$victim"
    if ! start_sandbox; then
        not_ok "$n" "the sandbox did not start: $(cat "$T/err")"
        continue
    fi
    case $victim in
    CLI) v=$CLI ;;
    SENTRY) v=$SENTRY ;;
    GOFER) v=$GOFER ;;
    STUB) v=$STUBS ;;
    esac
    all="$CLI $SENTRY $GOFER $STUBS"
    # shellcheck disable=SC2086
    kill -KILL $v
    # shellcheck disable=SC2086
    if all_gone "$second" $all; then ok "$n"; else not_ok "$n" "still alive after a second: $(ps -o pid,stat,comm -p "$(echo $all | tr ' ' ,)" | tr '\n' ';')"; fi
    if [ $victim != CLI ]; then
        wait "$CLI" 2>/dev/null
        status=$?
        check "${n}_status" test $status != 0
        check "${n}_message" test -s "$T/err"
    fi
    check "${n}_state" sh -c "! find '$T/state' -mindepth 1 2>/dev/null | grep -q . || '$RUNSC' --root '$T/state' do true"
    kill_all
    : >"$T/out"
done
check mounts_same test "$mounts_before" = "$(wc -l </proc/self/mountinfo)"

# At random moments of the start as well.
left=0
for i in $(seq 1 20); do
    "$RUNSC" --root "$T/state" --platform="$PLATFORM" do true >/dev/null 2>&1 &
    p=$!
    sleep "0.00$((i % 10))"
    c=$(children $p)
    kill -KILL $p 2>/dev/null
    wait $p 2>/dev/null
    # shellcheck disable=SC2086
    all_gone "$second" $c || left=$((left + 1))
done
check kill_while_starting test $left = 0
