#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The sandboxed sentry has no symbolizer: puts functions and lines into the reports that a sanitizer
# printed there. Usage: symbolize.sh RUNSC <LOG
runsc=${1:?"usage: symbolize.sh RUNSC <LOG"}
log=$(mktemp) || exit 2
trap 'rm -f "$log"' EXIT
cat >"$log"
grep -aoE '\(runsc\+0x[0-9a-f]+\)' "$log" | sort -u | sed 's/(runsc+\(.*\))/\1/' >"$log.addr"
trap 'rm -f "$log" "$log.addr"' EXIT
# A return address is that of the next instruction.
while read -r a; do printf '0x%x\n' $((a - 1)); done <"$log.addr" |
    addr2line -f -s -e "$runsc" | paste - - | paste "$log.addr" - |
    awk -F '\t' 'NR == FNR { name[$1] = $2 " " $3; next }
        match($0, /\(runsc\+0x[0-9a-f]+\)/) {
            a = substr($0, RSTART + 7, RLENGTH - 8)
            if (a in name) sub(/<null> <null> \(runsc\+0x[0-9a-f]+\)/, name[a])
        }
        { print }' - "$log"
