#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# All phases of `make check`, or those named on the command line:
#   format generated layering headers build unit syscalls syscalls-platforms e2e stress asan races
#   fuzz ubsan tsan lockdep
# All but the last three are part of `make check`; races is the part of tsan that finds most for its time.
# Phases run side by side, each once those that it needs have passed, and are reported in a fixed
# order. Each ends with a line "N passed, N failed, N skipped"; the last line here is their sum.
# Environment: O (build folder), PLATFORMS, MAKE, QUICK=1 (no sanitizer builds, no fuzzing),
# CHECK_JOBS (phases at a time), PHASE_TIMEOUT (seconds).

cd "$(dirname "$0")/../.." || exit 2

# What the guests of a phase run on: a name, the platform, and more flags for runsc. To test one more
# configuration add a line.
platform_variants="
ptrace   ptrace
systrap  systrap
systrap-notify systrap --systrap-rungs=notify
systrap-trap systrap --systrap-rungs=answer,spin,trap
"

o=${O:-build}
make=${MAKE:-make}
rootless=
[ "$(id -u)" -eq 0 ] || rootless=--rootless
logs=$o/check
case $o in /*) abs_o=$o ;; *) abs_o=$PWD/$o ;; esac
programs=$abs_o/tests/syscalls
# Most tests wait more than they compute.
limit=${CHECK_JOBS:-$(($(nproc) + 2))}
phase_timeout=${PHASE_TIMEOUT:-900}
# For tests that bound a time: how much slower a loaded machine may be.
export TIME_SLACK=${TIME_SLACK:-5}
mkdir -p "$logs"

# --- The scheduler -------------------------------------------------------------------------------

names=() needs=() commands=() state=() pids=() started=() took=()
total_p=0 total_f=0 total_s=0
broken=()

# phase NAME "NEEDED,..." COMMAND...: to be run; a needed phase that is not asked for counts as there.
phase()
{
    names+=("$1") needs+=("$2")
    shift 2
    commands+=("$(printf '%q ' "$@")")
    state+=(waiting)
}

log_of()
{
    echo "$logs/${1//[ \/]/-}.log"
}

descendants()
{
    local c
    for c in $(cat "/proc/$1/task/"*/children 2>/dev/null); do
        echo "$c"
        descendants "$c"
    done
}

kill_tree()
{
    # shellcheck disable=SC2046
    kill -KILL "$1" $(descendants "$1") 2>/dev/null
}

stop_all()
{
    local i
    trap - INT TERM HUP
    for i in "${!names[@]}"; do
        [ "${state[i]}" = running ] && kill_tree "${pids[i]}"
    done
    echo "check.sh: interrupted" >&2
    exit 130
}

# What a phase waits for: sets answer to ready, waiting or failed.
look_at_needs()
{
    local n i
    answer=ready
    IFS=, read -ra list <<<"${needs[$1]}"
    for n in "${list[@]}"; do
        for i in "${!names[@]}"; do
            [ "${names[i]}" = "$n" ] || continue
            case ${state[i]} in
            passed) ;;
            failed | unmet) answer=failed; return ;;
            *) answer=waiting ;;
            esac
        done
    done
}

start_phase()
{
    local log
    log=$(log_of "${names[$1]}")
    rm -f "$log.status"
    (
        eval "${commands[$1]}"
        echo $? >"$log.status"
    ) >"$log" 2>&1 </dev/null &
    pids[$1]=$! started[$1]=$SECONDS state[$1]=running
}

# Counts what the log of a phase says and sets its state.
end_phase()
{
    local i=$1 status=$2 log sum
    log=$(log_of "${names[i]}")
    took[i]=$((SECONDS - started[i]))
    sum=$(grep -aE '^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$' "$log" | tail -n 1)
    if [ -z "$sum" ]; then
        # Passes or fails as one.
        if [ "$status" -eq 0 ]; then sum="1 passed, 0 failed, 0 skipped"; else
            sum="0 passed, 1 failed, 0 skipped"
        fi
    elif [ "$status" -ne 0 ]; then
        sum=${sum/ 0 failed/ 1 failed}
    fi
    echo "$sum" >"$log.sum"
    case $sum in *" 0 failed"*) state[i]=passed ;; *) state[i]=failed ;; esac
}

poll_phase()
{
    local i=$1 log
    log=$(log_of "${names[i]}")
    if [ -s "$log.status" ]; then
        wait "${pids[i]}" 2>/dev/null
        end_phase "$i" "$(cat "$log.status")"
    elif ! kill -0 "${pids[i]}" 2>/dev/null && [ ! -s "$log.status" ]; then
        echo "not ok: the phase was killed" >>"$log"
        end_phase "$i" 137
    elif [ $((SECONDS - started[i])) -ge "$phase_timeout" ]; then
        kill_tree "${pids[i]}"
        wait "${pids[i]}" 2>/dev/null
        echo "not ok: still running after $phase_timeout s, killed" >>"$log"
        end_phase "$i" 124
    fi
}

# The builds first, as others wait for them; else in order.
start_ready()
{
    local i pass running=0 left=0
    for i in "${!names[@]}"; do
        case ${state[i]} in
        running) running=$((running + 1)) ;;
        waiting) left=$((left + 1)) ;;
        esac
    done
    for pass in build other; do
        [ $left -gt 0 ] || return
        for i in "${!names[@]}"; do
            [ $running -lt "$limit" ] || return
            [ "${state[i]}" = waiting ] || continue
            [ $pass = other ] || [[ ${names[i]} == build* ]] || continue
            look_at_needs "$i"
            case $answer in
            ready) start_phase "$i"; running=$((running + 1)) ;;
            failed) state[i]=unmet ;;
            esac
        done
    done
}

report_phase()
{
    local i=$1 log p f s _
    echo "== ${names[i]}"
    if [ "${state[i]}" = unmet ]; then
        echo "   not run: it needs ${needs[i]}"
        return
    fi
    log=$(log_of "${names[i]}")
    read -r p _ f _ s _ <"$log.sum"
    total_p=$((total_p + p)) total_f=$((total_f + f)) total_s=$((total_s + s))
    if [ "$f" -ne 0 ]; then
        broken+=("${names[i]}")
        # The failures may be far above the end.
        grep -aE '^not ok' "$log" | head -n 20 | sed 's/^/   /'
        tail -n 60 "$log" | sed 's/^/   | /'
        echo "   (all of it: $log)"
    else
        grep -aE '^(skip|SKIP|#)' "$log" | head -n 20 | sed 's/^/   /'
    fi
    echo "   ${names[i]}: $p passed, $f failed, $s skipped (${took[i]} s)"
}

run_phases()
{
    local i next=0
    trap stop_all INT TERM HUP
    while [ $next -lt ${#names[@]} ]; do
        for i in "${!names[@]}"; do
            [ "${state[i]}" = running ] && poll_phase "$i"
        done
        start_ready
        while [ $next -lt ${#names[@]} ] && [[ ${state[next]} != waiting && ${state[next]} != running ]]; do
            report_phase $next
            next=$((next + 1))
        done
        [ $next -lt ${#names[@]} ] && sleep 0.2
    done
    trap - INT TERM HUP
}

# --- What the phases do --------------------------------------------------------------------------

build_all()
{
    $make O="$o" all units syscalls-build stress-build
}

# build_variant NAME FLAGS...: a build folder of its own
build_variant()
{
    local name=$1
    shift
    mkdir -p "$o-$name"
    if [ ! -f "$o-$name/config.mk" ] || [ configure -nt "$o-$name/config.mk" ] ||
        ! grep -qE "^CONFIG_ARGS := --builddir=[^ ]* $*\$" "$o-$name/config.mk"; then
        O="$o-$name" ./configure --builddir="$o-$name" "$@" || return 1
    fi
    $make O="$o-$name" all units
}

# What programs of a build are run behind: the kernel's address space randomisation is wider than
# TSan's shadow allows.
wrap_of()
{
    case $1 in *-tsan) echo setarch -R ;; esac
}

# These: BUILD PLATFORM RUNSC-FLAGS. The guest programs come from the main build.
run_syscalls()
{
    # shellcheck disable=SC2046
    RUNSC_FLAGS=$3 SYSCALLS_PROGRAM_TIMEOUT=${TIMEOUT:-300} $(wrap_of "$1") tests/syscalls/run.sh \
        --bin "$programs" --prefix "$1/runsc $rootless --platform=$2 do"
}

run_e2e()
{
    # shellcheck disable=SC2046
    O=$1 PLATFORM=$2 RUNSC_FLAGS=$3 SYSCALLS_BIN=$programs E2E_NATIVE=$logs/native \
        $(wrap_of "$1") tests/e2e/run.sh
}

# The seeds of the random system calls differ from phase to phase, not from run to run.
run_stress() # ... and names of programs
{
    local seed slow
    seed=$(echo "${1##*-} $2 $3" | cksum)
    slow=$(wrap_of "$1")
    O=$1 PLATFORM=$2 RUNSC_FLAGS=$3 STRESS_BIN=$abs_o/tests/stress \
        STRESS_TIMEOUT=${STRESS_TIMEOUT:-${slow:+400}} STRESS_SEED=$((${seed%% *} % 100000 * 100)) \
        $slow tests/stress/run.sh --quick "${@:4}"
}

run_headers()
{
    $make O="$o" headers
}

# Each target for a few seconds: does it build, and does what the corpus holds still pass?
run_fuzz()
{
    O=$o FUZZ_TIME=${FUZZ_TIME:-4} tests/tools/fuzz.sh
}

# --- Which phases there are ----------------------------------------------------------------------

# for_platforms FUNCTION: calls FUNCTION NAME PLATFORM FLAGS for the variants of PLATFORMS.
for_platforms()
{
    local name platform flags
    while read -r name platform flags; do
        [ -n "$platform" ] || continue
        case " ${PLATFORMS:-ptrace systrap} " in
        *" $platform "* | *" $name "*) "$@" "$name" "$platform" "$flags" ;;
        esac
    done <<<"$platform_variants"
}

add_guests() # KIND BUILD NEEDS LABEL, then what for_platforms gives
{
    phase "$1${4:+ $4} $5" "$3" "run_$1" "$2" "$6" "$7"
}

# Leaks of kernel objects are found by the e2e test selftest, not by LSan: it cannot see into the arena.
add_variant()
{
    local name=$1
    shift
    phase "build $name" build build_variant "$name" "$@"
    # shellcheck disable=SC2046
    phase "unit $name" "build $name" $(wrap_of "$o-$name") tests/tools/unit.sh "$o-$name"
    for_platforms add_guests syscalls "$o-$name" "build $name" "$name"
    [ "$name" = ubsan ] && return
    for_platforms add_guests e2e "$o-$name" "build $name" "$name"
    for_platforms add_guests stress "$o-$name" "build $name" "$name"
}

add_phase()
{
    case $1 in
    format) phase format "" tests/tools/format.sh ;;
    generated) phase generated "" tests/tools/generated.sh ;;
    layering) phase layering build tests/tools/layering.sh "$o" ;;
    headers) phase headers build run_headers ;;
    build) phase build "" build_all ;;
    unit) phase unit build tests/tools/unit.sh "$o" ;;
    syscalls) phase "syscalls native" build tests/syscalls/run.sh --bin "$programs" ;;
    syscalls-platforms) for_platforms add_guests syscalls "$o" build "" ;;
    e2e) for_platforms add_guests e2e "$o" build "" ;;
    stress) for_platforms add_guests stress "$o" build "" ;;
    # All checkers that go together, in one build.
    asan) add_variant asan --enable-asan --enable-ubsan --enable-lockdep --enable-debug ;;
    races)
        phase "build tsan" build build_variant tsan --enable-tsan --enable-debug
        phase "syscalls tsan systrap" "build tsan" run_syscalls "$o-tsan" systrap ""
        phase "stress tsan systrap" "build tsan" run_stress "$o-tsan" systrap "" procs fds fuzz
        ;;
    ubsan) add_variant ubsan --enable-ubsan ;;
    tsan) add_variant tsan --enable-tsan --enable-debug ;;
    lockdep) add_variant lockdep --enable-lockdep --enable-debug ;;
    fuzz) phase fuzz build run_fuzz ;;
    *) echo "check.sh: unknown phase $1" >&2; exit 2 ;;
    esac
}

export ASAN_OPTIONS=detect_leaks=0:abort_on_error=1:handle_abort=0
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
export TSAN_OPTIONS=halt_on_error=0:second_deadlock_stack=1
rm -rf "$logs/native"
if [ -z "$(for_platforms echo)" ]; then
    echo "check.sh: no platform is called $PLATFORMS" >&2
    exit 2
fi
if [ $# -gt 0 ]; then
    # Whoever asks for guests needs their programs too.
    $make O="$o" syscalls-build stress-build >"$logs/programs.log" 2>&1 || cat "$logs/programs.log"
    for name in "$@"; do add_phase "$name"; done
else
    phases="format generated build headers layering unit syscalls syscalls-platforms e2e stress"
    [ -n "${QUICK-}" ] || phases="$phases asan races fuzz"
    for name in $phases; do add_phase "$name"; done
fi
run_phases
[ ${#broken[@]} -eq 0 ] || printf 'failed phases:%s\n' "$(printf ' [%s]' "${broken[@]}")"
echo "took $SECONDS s"
echo "$total_p passed, $total_f failed, $total_s skipped"
[ $total_f -eq 0 ]
