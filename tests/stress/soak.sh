#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs the stress programs in one sandbox again and again, and short-lived sandboxes beside it that are
# killed at any moment, and looks after each round at what the host gives for it: processes, threads,
# descriptors, mappings, memory, and, in a debug build, the kernel's objects. None may grow for ever.
# Usage: soak.sh [MINUTES=30]. Prints a line for each round; at the end what grew. The rounds that
# came before the last third are taken together, so a peak is no growth.
# Environment: O = build folder, PLATFORM = systrap, RUNSC_FLAGS = more flags for runsc,
# SOAK_PROGRAMS = programs of a round, SOAK_LOG = folder that keeps the figures and the kernel's log.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
minutes=${1:-30}
case $minutes in '' | *[!0-9]*) echo "usage: soak.sh [MINUTES]" >&2; exit 2 ;; esac
O=${O:-build} PLATFORM=${PLATFORM:-systrap}
case $O in /*) ;; *) O=$top/$O ;; esac
runsc=$O/runsc bin=${STRESS_BIN:-$O/tests/stress}
[ "$(id -u)" -eq 0 ] || RUNSC_FLAGS="--rootless ${RUNSC_FLAGS-}"
T=$(mktemp -d)
chmod 755 "$T"
log=${SOAK_LOG:-$T}
mkdir -p "$log"
failed=()
: >"$log/samples"
cli='' sentry='' gofer='' beside=''

# A metric and by how much it may have grown. Freed memory of guests keeps up to 64 MiB of its pages.
metrics="stubs:4 zombies:2 threads:6 stub_threads:12 fds:4 gofer_fds:4 cli_fds:2 maps:60 gofer_maps:20
stub_maps:60 pss_KiB:65536 gofer_pss_KiB:2048 memfile_KiB:65536"

children() { cat "/proc/$1/task/"*/children 2>/dev/null; }
count() { echo $#; }
entries() { find "$1/" -mindepth 1 -maxdepth 1 2>/dev/null | wc -l; }
lines() { wc -l 2>/dev/null <"$1" || echo 0; }

everything() { # the pids of a sandbox, its first one given
    local c
    echo "$1"
    for c in $(children "$1"); do everything "$c"; done
}

cleanup() {
    [ -n "$beside" ] && kill "$beside" 2>/dev/null
    # shellcheck disable=SC2046
    [ -n "$cli" ] && kill -KILL $(everything "$cli") 2>/dev/null
    wait 2>/dev/null
    rm -rf "$T"
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP

left_alive() { # those of the pids that are there and no zombies
    local p s
    for p in "$@"; do
        s=$(sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$p/status" 2>/dev/null)
        case $s in '' | Z | X) ;; *) echo "$p" ;; esac
    done
}

gone_within() { # SECONDS PID...
    local end=$((SECONDS + $1))
    shift
    while [ -n "$(left_alive "$@")" ]; do
        [ $SECONDS -gt $end ] && return 1
        sleep 0.1
    done
}

# Sandboxes that come and go; what is wrong is written to $T/beside. Every other one is killed.
run_beside() {
    local n=0 pid all seed=$((SRANDOM % 100000))
    trap 'kill -KILL $pid 2>/dev/null; exit' TERM
    while :; do
        n=$((n + 1))
        # shellcheck disable=SC2086
        "$runsc" --root "$T/beside-state" --platform="$PLATFORM" ${RUNSC_FLAGS-} \
            do "$bin/syscall_fuzz" $((seed + n)) 3 4 >"$T/beside.out" 2>&1 </dev/null &
        pid=$!
        if [ $((n % 2)) = 0 ]; then
            sleep "$((SRANDOM % 3)).$((SRANDOM % 1000 + 1000))"
            all=$(everything $pid)
            kill -KILL $pid
            wait $pid 2>/dev/null
            # shellcheck disable=SC2086
            gone_within 5 $all ||
                echo "killed sandbox $n: left are" $(ps -o pid=,stat=,comm= -p "$(left_alive $all | paste -sd,)") >>"$T/beside"
        else
            wait $pid || echo "sandbox $n (seed $((seed + n))): status $?: $(tail -n 3 "$T/beside.out" | tr '\n' ' ')" >>"$T/beside"
        fi
        echo $n >"$T/beside.count"
    done
}

# tell LINE: the guest's answer is in $T/answer; false when the sandbox is gone or hangs.
tell() {
    local line
    : >"$T/answer"
    echo "$1" >&"${to}"
    while IFS= read -r -t 300 line <&"${from}"; do
        case $line in done*) return 0 ;; esac
        echo "$line" >>"$T/answer"
    done
    return 1
}

memfile_kib() {
    local f n=0 b
    for f in /proc/"$sentry"/fd/*; do
        case $(readlink "$f") in
        /memfd:*)
            b=$(stat -L -c %b "$f" 2>/dev/null) || continue
            n=$((n + b / 2))
            ;;
        esac
    done
    echo $n
}

pss() { sed -n 's/^Pss: *\([0-9]*\) kB/\1/p' "/proc/$1/smaps_rollup" 2>/dev/null || echo 0; }

# sample ROUND: lines "ROUND METRIC VALUE"
sample() {
    local p stubs zombies=0 stub_threads=0 stub_maps=0 all
    stubs=$(children "$sentry")
    all=$(everything "$sentry")
    for p in $all; do
        [ "$p" = "$sentry" ] && continue
        grep -q '^State:[[:space:]]*Z' "/proc/$p/status" 2>/dev/null && zombies=$((zombies + 1))
        stub_threads=$((stub_threads + $(entries "/proc/$p/task")))
        stub_maps=$((stub_maps + $(lines "/proc/$p/maps")))
    done
    {
        # shellcheck disable=SC2086
        echo "stubs $(count $(everything "$sentry" | tail -n +2))"
        echo "zombies $zombies"
        echo "threads $(entries "/proc/$sentry/task")"
        echo "stub_threads $stub_threads"
        echo "fds $(entries "/proc/$sentry/fd")"
        echo "gofer_fds $(entries "/proc/$gofer/fd")"
        echo "cli_fds $(entries "/proc/$cli/fd")"
        echo "maps $(lines "/proc/$sentry/maps")"
        echo "gofer_maps $(lines "/proc/$gofer/maps")"
        echo "stub_maps $stub_maps"
        echo "pss_KiB $(pss "$sentry")"
        echo "gofer_pss_KiB $(pss "$gofer")"
        echo "memfile_KiB $(memfile_kib)"
        tell census && sed -n 's/^object /object:/p' "$T/answer"
    } | sed "s/^/$1 /" >>"$log/samples"
}

# What grew: the least of the last third against the most of the rounds before, the first not counted.
growth() {
    awk -v metrics="$metrics" '
    BEGIN {
        n = split(metrics, m, /[ \n]+/)
        for (i = 1; i <= n; i++) { split(m[i], a, ":"); limit[a[1]] = a[2] }
        # Negative dentries, free pieces of the memory file and stubs in store are kept up to a limit.
        limit["object:dentry"] = limit["object:mf_free"] = 3000
    }
    { v[$2, $1] = $3; seen[$2] = 1; if ($1 > last) last = $1 }
    END {
        third = int((last - 1) / 3)
        if (third < 1) { print "too few rounds to see growth: " last + 0; exit }
        for (k in seen) {
            most = -1; least = -1
            for (r = 2; r <= last; r++) {
                if (!((k, r) in v)) x = 0; else x = v[k, r]
                if (r <= last - third) { if (x > most) most = x }
                else if (least < 0 || x < least) least = x
            }
            max = k in limit ? limit[k] : 24
            if (least > most + max)
                printf "%s grew: at most %d in rounds 2 to %d, at least %d in the last %d (%d more are allowed)\n",
                    k, most, last - third, least, third, max
        }
    }' "$log/samples"
}

mkfifo "$T/in" "$T/out"
# shellcheck disable=SC2086
"$runsc" --root "$T/state" --platform="$PLATFORM" ${RUNSC_FLAGS-} --debug-log "$log/kernel.log" \
    do "$bin/soak_init" <"$T/in" >"$T/out" 2>"$T/err" &
cli=$!
exec {to}>"$T/in" {from}<"$T/out"
if ! IFS= read -r -t 30 line <&"${from}" || [ "$line" != ready ]; then
    echo "not ok soak - the sandbox did not start: $(tail -n 3 "$T/err")"
    exit 1
fi
for p in $(children "$cli"); do
    case $(cat "/proc/$p/comm") in
    runsc-sentry*) sentry=$p ;;
    runsc-gofer*) gofer=$p ;;
    esac
done
run_beside {to}>&- {from}<&- &
beside=$!

printf '%4s %5s' min round
for m in $metrics; do printf ' %s' "${m%%:*}"; done
echo
end=$((SECONDS + minutes * 60)) round=0
while [ $SECONDS -lt $end ] && [ ${#failed[@]} -eq 0 ]; do
    round=$((round + 1))
    for p in ${SOAK_PROGRAMS:-procs fds files memory}; do
        if ! tell "run $bin/$p --quick"; then
            failed+=("round $round: the sandbox ended or hangs in $p: $(tail -n 2 "$T/err" | tr '\n' ' ')")
            break
        fi
        grep -a '^not ok' "$T/answer" >>"$T/not_ok" && {
            failed+=("round $round, $p: $(grep -a -B 1 '^not ok' "$T/answer" | tr '\n' ' ')")
        }
    done
    # The end of a process is seen before its last objects have gone.
    sleep 2
    sample $round
    printf '%4d %5d' $((SECONDS / 60)) $round
    for m in $metrics; do
        m=${m%%:*}
        printf " %${#m}d" "$(sed -n "s/^$round $m //p" "$log/samples")"
    done
    echo
    if [ -s "$T/beside" ]; then failed+=("$(head -n 3 "$T/beside" | tr '\n' ';')"); fi
done
if grep -q ' object:' "$log/samples"; then
    echo "kernel objects: $(awk '$2 ~ /^object:/ {n[$1] += $3} END {for (i = 1; i in n; i++) printf "%d ", n[i]}' "$log/samples")"
else
    echo 'kernel objects: not counted, this is no debug build'
fi
while IFS= read -r line; do failed+=("$line"); done < <(growth)

# The end: all of it goes.
kill "$beside" 2>/dev/null
wait "$beside" 2>/dev/null
beside=''
all=$(everything "$cli")
exec {to}>&-
# shellcheck disable=SC2086
gone_within 10 $all || failed+=("left after the end: $(ps -o pid=,stat=,comm= -p "$(left_alive $all | paste -sd,)" | tr '\n' ';')")
[ -z "$(find "$T/state" "$T/beside-state" -mindepth 1 2>/dev/null | head -n 1)" ] || {
    # A sandbox that was killed leaves its folder until the next one.
    [ -z "$(find "$T/state" -mindepth 1 2>/dev/null)" ] || failed+=("files are left in the state folder")
}
cli=''
echo "$round rounds, $(cat "$T/beside.count" 2>/dev/null || echo 0) sandboxes beside"
for line in ${failed[@]+"${failed[@]}"}; do echo "not ok soak - $line"; done
if [ ${#failed[@]} -eq 0 ]; then echo 'ok soak'; fi
[ ${#failed[@]} -eq 0 ]
