#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# All phases of `make check`, or those named on the command line:
#   format generated layering headers build unit syscalls syscalls-platforms e2e stress asan lockdep
#   fuzz ubsan tsan
# Each phase ends with a line "N passed, N failed, N skipped"; the last line here is their sum.
# Environment: O (build folder), PLATFORMS, MAKE, QUICK=1 (no sanitizer builds, no fuzzing).

cd "$(dirname "$0")/../.." || exit 2
o=${O:-build}
make=${MAKE:-make}
platforms=${PLATFORMS:-ptrace}
rootless=
[ "$(id -u)" -eq 0 ] || rootless=--rootless
logs=$o/check
case $o in /*) programs=$o/tests/syscalls ;; *) programs=$PWD/$o/tests/syscalls ;; esac
mkdir -p "$logs"
total_p=0 total_f=0 total_s=0
broken=()

# phase NAME COMMAND...
phase()
{
    local name=$1 log=$logs/${1//[ \/]/-}.log start=$SECONDS status sum p f s _
    shift
    echo "== $name"
    "$@" >"$log" 2>&1
    status=$?
    sum=$(grep -aE '^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$' "$log" | tail -n 1)
    if [ -z "$sum" ]; then
        # Passes or fails as one.
        if [ $status -eq 0 ]; then sum="1 passed, 0 failed, 0 skipped"; else
            sum="0 passed, 1 failed, 0 skipped"
        fi
    fi
    read -r p _ f _ s _ <<<"$sum"
    [ $status -ne 0 ] && [ "$f" -eq 0 ] && f=1
    total_p=$((total_p + p)) total_f=$((total_f + f)) total_s=$((total_s + s))
    if [ "$f" -ne 0 ]; then
        broken+=("$name")
        tail -n 60 "$log" | sed 's/^/   /'
        echo "   (all of it: $log)"
    else
        grep -aE '^(skip|SKIP|#)' "$log" | head -n 20 | sed 's/^/   /'
    fi
    echo "   $name: $p passed, $f failed, $s skipped ($((SECONDS - start)) s)"
    [ "$f" -eq 0 ]
}

# variant NAME FLAGS...: a build folder of its own
variant()
{
    local name=$1
    shift
    mkdir -p "$o-$name"
    if [ ! -f "$o-$name/config.mk" ] || [ configure -nt "$o-$name/config.mk" ]; then
        O="$o-$name" ./configure --builddir="$o-$name" "$@" || return 1
    fi
    $make O="$o-$name" all units
}

build_all()
{
    $make O="$o" all units syscalls-build
}

# run_syscalls BUILD PLATFORM: the programs come from the main build.
run_syscalls()
{
    SYSCALLS_PROGRAM_TIMEOUT=${TIMEOUT:-300} tests/syscalls/run.sh --bin "$o/tests/syscalls" \
        --prefix "$1/runsc $rootless --platform=$2 do"
}

run_e2e()
{
    O=$1 PLATFORM=$2 SYSCALLS_BIN=$programs tests/e2e/run.sh "${@:3}"
}

run_stress()
{
    O=$1 PLATFORM=$2 tests/stress/run.sh --quick
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

# The tests of a sanitizer build. Leaks of kernel objects are found by the e2e test selftest, not by
# LSan: it cannot see into the arena.
run_variant()
{
    local name=$1 p
    shift
    export ASAN_OPTIONS=detect_leaks=0:abort_on_error=1:handle_abort=0
    export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
    export TSAN_OPTIONS=halt_on_error=0:second_deadlock_stack=1
    # The kernel's address space randomisation is wider than TSan's shadow allows.
    [ "$name" = tsan ] && export UNIT_WRAP="setarch -R"
    phase "build $name" variant "$name" "$@" || { unset UNIT_WRAP; return 1; }
    phase "unit $name" tests/tools/unit.sh "$o-$name"
    unset UNIT_WRAP
    [ "$name" = tsan ] && return 0
    for p in $platforms; do
        phase "syscalls $name $p" run_syscalls "$o-$name" "$p"
        if [ "$name" != ubsan ] && [ -x tests/e2e/run.sh ]; then
            phase "e2e $name $p" run_e2e "$o-$name" "$p"
            phase "stress $name $p" run_stress "$o-$name" "$p"
        fi
    done
    unset ASAN_OPTIONS UBSAN_OPTIONS TSAN_OPTIONS
}

run_phase()
{
    local p
    case $1 in
    format) phase format tests/tools/format.sh ;;
    generated) phase generated tests/tools/generated.sh ;;
    layering) phase layering tests/tools/layering.sh "$o" ;;
    headers) phase headers run_headers ;;
    build) phase build build_all ;;
    unit) phase unit tests/tools/unit.sh "$o" ;;
    syscalls) phase "syscalls native" tests/syscalls/run.sh --bin "$o/tests/syscalls" ;;
    syscalls-platforms)
        for p in $platforms; do
            phase "syscalls $p" run_syscalls "$o" "$p"
        done
        ;;
    e2e)
        [ -x tests/e2e/run.sh ] || return 0
        for p in $platforms; do
            phase "e2e $p" run_e2e "$o" "$p"
        done
        ;;
    stress)
        for p in $platforms; do
            phase "stress $p" run_stress "$o" "$p"
        done
        ;;
    asan) run_variant asan --enable-asan --enable-ubsan --enable-debug ;;
    ubsan) run_variant ubsan --enable-ubsan ;;
    tsan) run_variant tsan --enable-tsan ;;
    lockdep) run_variant lockdep --enable-lockdep --enable-debug ;;
    fuzz) phase fuzz run_fuzz ;;
    *) echo "check.sh: unknown phase $1" >&2; exit 2 ;;
    esac
}

start=$SECONDS
if [ $# -gt 0 ]; then
    # Whoever asks for a variant's syscall tests needs the programs too.
    $make O="$o" syscalls-build >"$logs/programs.log" 2>&1 || cat "$logs/programs.log"
    for name in "$@"; do run_phase "$name"; done
else
    phases="format generated headers build layering unit syscalls syscalls-platforms e2e stress"
    [ -n "${QUICK-}" ] || phases="$phases asan lockdep fuzz"
    for name in $phases; do
        run_phase "$name"
        if [ "$name" = build ] && [ $total_f -ne 0 ] && [ ! -x "$o/runsc" ]; then
            break
        fi
    done
fi
[ ${#broken[@]} -eq 0 ] || printf 'failed phases:%s\n' "$(printf ' [%s]' "${broken[@]}")"
echo "took $((SECONDS - start)) s"
echo "$total_p passed, $total_f failed, $total_s skipped"
[ $total_f -eq 0 ]
