# SPDX-License-Identifier: Apache-2.0
# A host where systrap does not work, as it may not do without notifications: ptrace is chosen by itself, with one line that says so.
. "$(dirname "$0")/../lib/lib.sh"

cc=$(command -v cc || command -v gcc || command -v clang) || { skip fallback "needs a C compiler"; exit 0; }
"$cc" -O1 -o "$T/listener" "$TOP/tests/e2e/guest/listener.c" || { not_ok fallback "listener.c does not compile"; exit 0; }
"$T/listener" true
if [ $? = 77 ]; then
    skip fallback "this host allows no seccomp listener"
    exit 0
fi
expect fallback_not_needed 0 hi "$RUNSC" --root "$T/state" do echo hi
if [ -s "$T/stderr" ]; then
    skip fallback "systrap does not work on this host at all: $(head -n 1 "$T/stderr")"
    exit 0
fi
below() { "$T/listener" "$RUNSC" --root "$T/state" --systrap-rungs=notify "$@"; }
expect fallback_works 0 hi below do echo hi
check fallback_one_line test "$(wc -l <"$T/stderr")" = 1
check fallback_names_both grep -q '^runsc: warning: using the ptrace platform.*systrap' "$T/stderr"
check fallback_says_why grep -q 'listen' "$T/stderr"
expect fallback_accepted 0 hi below --platform=ptrace do echo hi
check fallback_accepted_silent test ! -s "$T/stderr"
expect fallback_forced 125 '' below --platform=systrap do echo hi
check fallback_forced_says_why grep -q 'listen' "$T/stderr"
