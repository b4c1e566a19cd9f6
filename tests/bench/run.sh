#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The benchmarks: native, then every runtime, in interleaved rounds; see docs/benchmarks.md.
# Environment (defaults in brackets):
#   O [build]             build folder; results go to $O/bench
#   PLATFORMS [ptrace systrap], GVISOR=path of a gVisor runsc, GVISOR_PLATFORMS [systrap]
#   RUNTIMES [all here]   native is always there
#   BENCH_GROUPS [micro start idle jobs kernel]
#   OPS, JOBS [all]       names, as in the table
#   ROUNDS [3]  SECONDS_PER_OP [0.1]  STARTS [7] per round  IDLE_SECONDS [4]  LIMIT [60] seconds for one program
#   BUSY=1                the operations once more while other work keeps every processor busy
#   SCRATCH [/dev/shm if it has room, else /tmp]   where native programs write: sandboxes write to memory
set -u

default_scratch() {
    local free
    free=$(df -k --output=avail /dev/shm 2>/dev/null | tail -n 1)
    [ "$(stat -f -c %T /dev/shm 2>/dev/null)" = tmpfs ] && [ "${free:-0}" -gt 1000000 ] && echo /dev/shm || echo /tmp
}

top=$(cd "$(dirname "$0")/../.." && pwd)
here=$top/tests/bench
O=${O:-build}
case $O in /*) ;; *) O=$top/$O ;; esac
runsc=$O/runsc
platforms=${PLATFORMS:-ptrace systrap}
if [ "${1-}" = --quick ]; then
    # To see that everything works; for figures that mean something the defaults.
    : "${ROUNDS:=1}" "${SECONDS_PER_OP:=0.01}" "${STARTS:=3}" "${IDLE_SECONDS:=1}"
    : "${JOBS:=fork_exec_100 python_imports gcc_hello git_700}"
fi
rounds=${ROUNDS:-3} per_op=${SECONDS_PER_OP:-0.1} starts=${STARTS:-7} idle_seconds=${IDLE_SECONDS:-4}
limit=${LIMIT:-60} scratch=${SCRATCH:-$(default_scratch)}
groups=${BENCH_GROUPS:-micro start idle jobs kernel}
ops=${OPS:-} jobs=${JOBS:-$("$here/jobs.sh" --list)}

if ! command -v python3 >/dev/null; then
    echo "bench: python3 is missing, it makes the report: apt-get install python3" >&2
    exit 1
fi
work=$(mktemp -d "${TMPDIR:-/tmp}/cvisor-bench.XXXXXX") || exit 1
chmod 755 "$work"
tools=$work/tools
mkdir "$tools"
pids=() running=
finish() {
    trap '' INT TERM HUP
    local p
    for p in $running ${pids[@]+"${pids[@]}"}; do kill "$p" 2>/dev/null; done
    [ -z "$running${pids[*]-}" ] || sleep 0.5
    for p in ${pids[@]+"${pids[@]}"}; do kill -KILL "$p" 2>/dev/null; done
    wait 2>/dev/null
    runtimes_cleanup
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

. "$here/runtimes.sh"
. "$here/measure.sh"
. "$here/idle.sh"
. "$here/busy.sh"

has() { # WORD LIST...
    local w=$1
    shift
    [[ " $* " == *" $w "* ]]
}

# take_turns N: sets turn to the runtimes, the Nth first. Who comes first may find a colder machine: all do at times.
take_turns() {
    local n=$(($1 % ${#runtimes[@]}))
    turn=("${runtimes[@]:n}" "${runtimes[@]:0:n}")
}

say() { [ -t 2 ] && printf '\r\033[K%s' "$*" >&2; }

mkdir -p "$O/bench" || exit 1
cp "$here/jobs.sh" "$tools/" || exit 1
cp "$O/bench/micro" "$tools/" || { echo "bench: not built; run make bench-build" >&2; exit 1; }
: >"$work/raw"
: >"$work/failed"
runtimes=(native)
for r in $(runtimes_known); do
    [ "$r" != native ] && { [ -z "${RUNTIMES:-}" ] || has "$r" $RUNTIMES; } || continue
    say "trying $r"
    if bounded 20 "$r" true; then
        runtimes+=("$r")
    else
        failed all everything "$r" "$(why $? 20)"
    fi
done
for r in ${RUNTIMES:-}; do
    has "$r" native $(runtimes_known) || failed all everything "$r" "not on this machine"
done
group=9 # operations measured by one start of micro
mapfile -t operations < <("$tools/micro" --list $ops)
began=$(date +%s)
loadavg=$(cut -d ' ' -f 1-3 /proc/loadavg)

for ((round = 1; round <= rounds; round++)); do
    if has micro $groups; then
        # Some operations natively and by each runtime, then the next ones: drift hits all alike.
        for ((i = 0; i < ${#operations[@]}; i += group)); do
            take_turns $((round + i))
            for r in "${turn[@]}"; do
                say "round $round: ${operations[i]}..., $r"
                measure_micro micro "$r" "$round" "${operations[@]:i:group}"
            done
        done
        if [ "${BUSY:-0}" = 1 ]; then
            busy_start
            for ((i = 0; i < ${#operations[@]}; i += group)); do
                take_turns $((round + i))
                for r in "${turn[@]}"; do
                    say "round $round: ${operations[i]}..., processors busy, $r"
                    measure_micro micro_busy "$r" "$round" "${operations[@]:i:group}"
                done
            done
            busy_stop
        fi
    fi
    if has start $groups; then
        take_turns "$round"
        for r in "${turn[@]}"; do
            say "round $round: start, $r"
            measure_start "$r" "$round"
        done
    fi
    if has jobs $groups; then
        n=0
        for j in $jobs; do
            # Once for nothing: it finds files and memory as the job before left them.
            bounded "$limit" native bash "$tools/jobs.sh" "$j"
            take_turns $((round * 2 + n++))
            for r in "${turn[@]}"; do
                say "round $round: $j, $r"
                measure_job "$r" "$round" "$j"
            done
        done
    fi
    if has kernel $groups && [ -x "$O/bench/kernel" ]; then
        say "round $round: kernel paths"
        measure_kernel "$round"
    fi
done
if has idle $groups; then
    for r in "${runtimes[@]:1}"; do
        say "idle, $r"
        measure_idle "$r"
    done
fi
say ''
cp "$work/raw" "$O/bench/raw.tsv"
python3 -B "$here/report.py" --raw "$work/raw" --failed "$work/failed" --out "$O/bench" \
    --runtimes "${runtimes[*]}" --note "rounds=$rounds" --note "seconds_per_op=$per_op" \
    --note "load_at_start=$loadavg" --note "took_s=$(($(date +%s) - began))" \
    --note "scratch=$scratch ($(stat -f -c %T "$scratch"))" --note "runsc_built=$(date -r "$runsc" -Is)" --note "tree=$(git -C "$top" describe --always --dirty 2>/dev/null)"
