# SPDX-License-Identifier: Apache-2.0
# Systrap's ways of calling: each that is asked for, and the one that is left under somebody else's
# seccomp listener.
. "$(dirname "$0")/../lib/lib.sh"

if [ "$PLATFORM" != systrap ]; then
    skip rungs "they are systrap's"
    exit 0
fi

# Two processes, threads of one are patched and ask often.
work='i=0; while [ $i -lt 300 ]; do umask >/dev/null; i=$((i + 1)); done; echo $(echo in | cat)'
for list in trap spin,trap answer,trap answer,spin,trap notify answer,notify spin,notify; do
    name=rungs_$(echo "$list" | tr , _)
    expect "$name" 0 in "$RUNSC" --root "$T/state" --platform=systrap --systrap-rungs="$list" do sh -c "$work"
done
"$RUNSC" --root "$T/state" --platform=systrap --systrap-rungs=spin,tarp do true 2>"$T/stderr"
check rungs_unknown grep -q 'no rung "tarp"' "$T/stderr"

cc=$(command -v cc || command -v gcc || command -v clang) || { skip rungs_under_listener "needs a C compiler"; exit 0; }
"$cc" -O1 -o "$T/listener" "$TOP/tests/e2e/guest/listener.c" || { not_ok rungs_under_listener "listener.c does not compile"; exit 0; }
"$T/listener" true
if [ $? = 77 ]; then
    skip rungs_under_listener "this host allows no seccomp listener"
    exit 0
fi
# Under somebody else's listener there can be no other: calls come by SIGSYS then.
below() { "$T/listener" "$RUNSC" --root "$T/state" --debug --systrap-rungs="$1" do sh -c "$work"; }
expect rungs_under_listener 0 in below answer,spin,notify,trap
check rungs_under_listener_why grep -q 'rungs: answer, spin, trap (a seccomp listener above' "$T/stderr"
expect rungs_under_listener_alone 0 in below trap
check rungs_under_listener_systrap grep -q 'platform: systrap' "$T/stderr"
