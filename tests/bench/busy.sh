# SPDX-License-Identifier: Apache-2.0
# Other work on every processor while something is measured: loops that end by themselves after $limit seconds
# for each runtime, should nobody stop them. Sourced by run.sh.

busy_start() {
    local i end=$((SECONDS + limit * ${#runtimes[@]}))
    for ((i = 0; i < $(nproc); i++)); do
        (trap - EXIT; while [ $SECONDS -lt $end ] && kill -0 $$ 2>/dev/null; do for ((k = 0; k < 100000; k++)); do :; done; done) &
        pids+=("$!")
    done
}

busy_stop() {
    kill "${pids[@]}" 2>/dev/null
    wait "${pids[@]}" 2>/dev/null
    pids=()
}
