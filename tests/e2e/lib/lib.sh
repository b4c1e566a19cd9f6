# SPDX-License-Identifier: Apache-2.0
# What the sandbox's tests share. Sourced by tests/e2e/sandbox/*.sh.
set -u
: "${RUNSC:?}" "${PLATFORM:=ptrace}" "${TOP:?}"
T=$(mktemp -d)
chmod 755 "$T"
trap 'kill_all; rm -rf "$T"' EXIT
STARTED=()

ok() { echo "ok $1"; }
not_ok() { echo "not ok $1 - $2"; }
skip() { echo "skip $1 - $2"; }

# check NAME CONDITION... : ok when the command succeeds.
check() {
    local n=$1
    shift
    if "$@"; then ok "$n"; else not_ok "$n" "failed: $*"; fi
}

# expect NAME STATUS OUTPUT CMD... : status and standard output must match.
expect() {
    local n=$1 want=$2 text=$3 out status
    shift 3
    out=$("$@" 2>"$T/stderr")
    status=$?
    if [ "$status" != "$want" ]; then
        not_ok "$n" "status $status, not $want: $(tail -n 2 "$T/stderr" | tr '\n' ' ')"
    elif [ "$out" != "$text" ]; then
        not_ok "$n" "output \"$out\", not \"$text\""
    else
        ok "$n"
    fi
}

runsc_do() { "$RUNSC" --root "$T/state" --platform="$PLATFORM" do "$@"; }

children() { cat "/proc/$1/task/"*/children 2>/dev/null; }

# Starts a sandbox in the background: sets CLI, SENTRY, GOFER, STUBS (pids).
start_sandbox() {
    "$RUNSC" --root "$T/state" --platform="$PLATFORM" do sh -c 'echo ready; sleep 1000; :' >"$T/out" 2>"$T/err" </dev/null &
    CLI=$!
    STARTED+=("$CLI")
    local i c
    for ((i = 0; i < 200; i++)); do
        grep -q ready "$T/out" && break
        sleep 0.05
    done
    grep -q ready "$T/out" || return 1
    SENTRY='' GOFER='' STUBS=''
    for c in $(children "$CLI"); do
        case $(cat "/proc/$c/comm" 2>/dev/null) in
        runsc-sentry*) SENTRY=$c ;;
        runsc-gofer*) GOFER=$c ;;
        esac
    done
    [ -n "$SENTRY" ] && [ -n "$GOFER" ] || return 1
    STUBS=$(children "$SENTRY")
    [ -n "$STUBS" ]
}

kill_all() {
    local p
    for p in ${STARTED[@]+"${STARTED[@]}"}; do kill -KILL "$p" 2>/dev/null; done
    STARTED=()
}

alive() { # some of the pids is there and no zombie
    local p s
    for p in "$@"; do
        s=$(sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$p/status" 2>/dev/null)
        [ -n "$s" ] && [ "$s" != Z ] && [ "$s" != X ] && return 0
    done
    return 1
}

# all_gone SECONDS PID... : true when none is alive any more within the time.
all_gone() {
    local end=$(($(date +%s%N) + $1 * 1000000000))
    shift
    while alive "$@"; do
        [ "$(date +%s%N)" -gt "$end" ] && return 1
        sleep 0.02
    done
    return 0
}
