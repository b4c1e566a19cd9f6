# SPDX-License-Identifier: Apache-2.0
# An idle sandbox: proportional memory, number and processor time of all its processes. Sourced by run.sh.

process_tree() { # every descendant of a process, and itself
    local c
    echo "$1"
    for c in $(cat "/proc/$1/task/"*/children 2>/dev/null); do process_tree "$c"; done
}

cpu_ticks() { # utime + stime of the processes given
    local pid stat sum=0
    for pid; do
        { stat=$(<"/proc/$pid/stat"); } 2>/dev/null || continue
        set -- ${stat##*) }
        sum=$((sum + ${12} + ${13}))
    done
    echo $sum
}

pss_kib() {
    local pid
    for pid; do cat "/proc/$pid/smaps_rollup" 2>/dev/null; done | awk '/^Pss:/ { s += $2 } END { print s + 0 }'
}

measure_idle() { # RUNTIME
    local name=$1 cli tree before after hz i
    hz=$(getconf CLK_TCK)
    runtime_command "$name" sh -c 'echo ready; sleep 1000; :' 2>"$work/stderr" || { failed idle start "$name" "$(why 125)"; return; }
    : >"$work/stdout"
    "${CMD[@]}" >"$work/stdout" 2>"$work/stderr" </dev/null &
    cli=$!
    pids+=("$cli")
    for ((i = 0; i < 100; i++)); do
        grep -q ready "$work/stdout" && break
        sleep 0.1
    done
    if grep -q ready "$work/stdout"; then
        sleep 1
        tree=$(idle_processes "$name" "$cli")
        before=$(cpu_ticks $tree)
        sleep "$idle_seconds"
        after=$(cpu_ticks $tree)
        row idle memory_kib "$name" 1 "$(pss_kib $tree)"
        row idle processes "$name" 1 "$(echo $tree | wc -w)"
        row idle cpu_ms_per_s "$name" 1 \
            "$(awk -v t=$((after - before)) -v hz="$hz" -v s="$idle_seconds" 'BEGIN { print t * 1000 / hz / s }')"
    else
        failed idle start "$name" "did not start: $(tail -n 1 "$work/stderr")"
    fi
    tree=$(idle_processes "$name" "$cli")
    kill -TERM "$cli" 2>/dev/null
    for ((i = 0; i < 30; i++)); do
        kill -0 "$cli" 2>/dev/null || break
        sleep 0.1
    done
    kill -KILL $tree 2>/dev/null
    wait "$cli" 2>/dev/null
    pids=()
}

idle_processes() { # RUNTIME PID
    local p
    case $1 in
    gvisor-*) for p in "$2" $(gvisor_processes); do process_tree "$p"; done | sort -un ;;
    *) process_tree "$2" ;;
    esac
}
