#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Benchmarks: the operations of micro.c, start to end of `true`, idle memory; natively and under every
# platform, in one run. Environment: O = build folder, PLATFORMS, GVISOR = a gVisor runsc to compare,
# SECONDS_PER_OP.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
O=${O:-build}
case $O in /*) ;; *) O=$top/$O ;; esac
runsc=$O/runsc
platforms=${PLATFORMS:-ptrace}
per_op=${SECONDS_PER_OP:-0.2}
tmp=$(mktemp -d)
chmod 755 "$tmp"
trap 'rm -rf "$tmp"' EXIT

${CC:-gcc} -O2 -static -pthread -o "$tmp/micro" "$top/tests/bench/micro.c" 2>/dev/null || { echo "cannot build micro.c"; exit 1; }
names=(native)
"$tmp/micro" "$per_op" >"$tmp/native"
for p in $platforms; do
    names+=("$p")
    "$runsc" --platform="$p" do "$tmp/micro" "$per_op" >"$tmp/$p" || echo "micro failed on $p"
done
if [ -n "${GVISOR:-}" ]; then
    names+=(gvisor)
    "$GVISOR" --network=none --ignore-cgroups do "$tmp/micro" "$per_op" >"$tmp/gvisor" || echo "micro failed under gVisor"
fi
if command -v bwrap >/dev/null; then
    names+=(bwrap)
    bwrap --unshare-all --bind / / --dev /dev --proc /proc "$tmp/micro" "$per_op" >"$tmp/bwrap" || echo "micro failed under bwrap"
fi

printf '%-22s' 'ns an operation'
for n in "${names[@]}"; do printf '%12s' "$n"; done
for n in "${names[@]:1}"; do printf '%15s' "$n/native"; done
echo
while read -r op native; do
    printf '%-22s%12s' "$op" "$native"
    for n in "${names[@]:1}"; do printf '%12s' "$(awk -v o="$op" '$1 == o {print $2}' "$tmp/$n")"; done
    for n in "${names[@]:1}"; do awk -v o="$op" -v b="$native" '$1 == o {printf "%15.1f", $2 / b}' "$tmp/$n"; done
    echo
done <"$tmp/native"

# Start to end of `true`: median of 21 runs, ms.
median_ms() {
    local i t
    for i in $(seq 21); do
        t=$(date +%s%N)
        "$@" >/dev/null 2>&1 </dev/null
        echo $(($(date +%s%N) - t))
    done | sort -n | awk '{a[NR] = $1} END {printf "%.1f", a[int((NR + 1) / 2)] / 1e6}'
}
echo
echo "start to end of true, ms (median of 21)"
printf '%-22s%12s\n' native "$(median_ms true)"
for p in $platforms; do printf '%-22s%12s\n' "$p" "$(median_ms "$runsc" --platform="$p" do true)"; done
[ -n "${GVISOR:-}" ] && printf '%-22s%12s\n' gvisor "$(median_ms "$GVISOR" --network=none --ignore-cgroups do true)"
command -v bwrap >/dev/null && printf '%-22s%12s\n' bwrap "$(median_ms bwrap --unshare-all --ro-bind / / true)"

# Proportional memory of every process of an idle sandbox, KiB.
echo
echo "idle sandbox (sleep), proportional KiB over all processes"
tree() {
    local c
    echo "$1"
    for c in $(cat /proc/"$1"/task/*/children 2>/dev/null); do tree "$c"; done
}
for p in $platforms; do
    "$runsc" --platform="$p" do sleep 30 &
    cli=$!
    sleep 1
    total=0 parts=
    for pid in $(tree $cli); do
        k=$(awk '/^Pss:/ {print $2}' "/proc/$pid/smaps_rollup" 2>/dev/null)
        total=$((total + ${k:-0}))
        parts="$parts $(cat "/proc/$pid/comm" 2>/dev/null)=${k:-0}"
    done
    printf '%-22s%12s  (%s )\n' "$p" "$total" "$parts"
    kill $cli
    wait $cli 2>/dev/null
done
