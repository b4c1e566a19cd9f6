# SPDX-License-Identifier: Apache-2.0
# One measurement of one runtime, each a function that writes rows. Sourced by run.sh.
#
# Rows of $work/raw:    GROUP OPERATION RUNTIME ROUND VALUE
# Rows of $work/failed: GROUP OPERATION RUNTIME WHY

row() { printf '%s\t%s\t%s\t%s\t%s\n' "$@" >>"$work/raw"; }
failed() { printf '%s\t%s\t%s\t%s\n' "$@" >>"$work/failed"; }

# What did not end in time is not tried again in the next round.
declare -A given_up=()

why() { # the last line of a program's standard error, after its status
    local line
    line=$(grep -v '^[[:space:]]*$' "$work/stderr" | tail -n 1 | tr '\t' ' ' | cut -c 1-160)
    case $1 in
    124 | 137) echo "no end after $2 s" ;;
    *) echo "status $1${line:+: $line}" ;;
    esac
}

# bounded SECONDS RUNTIME PROGRAM ARG... : output in $work/stdout and $work/stderr.
bounded() {
    local limit=$1
    shift
    : >"$work/stdout"
    runtime_command "$@" 2>"$work/stderr" || return 125
    in_background timeout -k 5 "$limit" "${CMD[@]}"
}

in_background() { # waits, so that a signal to us is handled at once
    local status
    (cd / && exec "$@") >"$work/stdout" 2>"$work/stderr" </dev/null &
    running=$!
    wait "$running"
    status=$?
    running=
    return $status
}

timed_out() { [ "$1" = 124 ] || [ "$1" = 137 ]; }

measure_micro() { # GROUP RUNTIME ROUND OPERATION...
    local group=$1 runtime=$2 round=$3 op value status
    shift 3
    local key="$group $runtime $*"
    [ -z "${given_up[$key]-}" ] || return
    bounded "$limit" "$runtime" "$tools/micro" "$per_op" "$@"
    status=$?
    while read -r op value; do
        row "$group" "$op" "$runtime" "$round" "$value"
        [ "$op" = "$1" ] && shift
    done <"$work/stdout"
    timed_out $status && given_up[$key]=1
    # The first that is left is the one that it was at.
    [ $status = 0 ] || failed "$group" "$1" "$runtime" "$(why $status "$limit")"
}

measure_job() { # RUNTIME ROUND JOB
    local name value status key="$1 $3"
    [ -z "${given_up[$key]-}" ] || return
    bounded "$limit" "$1" bash "$tools/jobs.sh" "$3"
    status=$?
    if [ $status = 0 ] && read -r name value <"$work/stdout"; then
        row jobs "$3" "$1" "$2" "$value"
    else
        timed_out $status && given_up[$key]=1
        failed jobs "$3" "$1" "$(why $status "$limit")"
    fi
}

measure_start() { # RUNTIME ROUND: ms from start to end of true, several times
    local i start end status
    for ((i = 0; i < starts; i++)); do
        runtime_command "$1" true 2>"$work/stderr" || { failed start true "$1" "$(why 125)"; return; }
        start=${EPOCHREALTIME/[.,]/}
        "${CMD[@]}" >/dev/null 2>"$work/stderr" </dev/null
        status=$?
        end=${EPOCHREALTIME/[.,]/}
        [ $status = 0 ] || { failed start true "$1" "$(why $status)"; return; }
        row start true "$1" "$2" "$(((end - start) / 1000)).$(printf %03d $(((end - start) % 1000)))"
    done
}

measure_kernel() { # ROUND: needs no runtime
    local op value status
    in_background timeout -k 5 "$limit" "$O/bench/kernel" "$per_op"
    status=$?
    while read -r op value; do
        case $op in
        *_2t) row kernel "${op%_2t}" two_threads "$1" "$value" ;;
        *) row kernel "$op" one_thread "$1" "$value" ;;
        esac
    done <"$work/stdout"
    [ $status = 0 ] || failed kernel all sentry "$(why $status "$limit")"
}
