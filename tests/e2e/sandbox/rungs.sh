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

if ! command -v python3 >/dev/null; then
    skip rungs_under_listener "needs python3, which is not installed"
    exit 0
fi
# A filter with a listener that allows everything: a second one above it can't have its own.
cat >"$T/listen.py" <<'EOF'
import ctypes, subprocess, sys
libc = ctypes.CDLL(None, use_errno=True)
class Insn(ctypes.Structure):
    _fields_ = [("code", ctypes.c_uint16), ("jt", ctypes.c_uint8), ("jf", ctypes.c_uint8), ("k", ctypes.c_uint32)]
class Prog(ctypes.Structure):
    _fields_ = [("len", ctypes.c_uint16), ("insns", ctypes.POINTER(Insn))]
allow = Insn(0x06, 0, 0, 0x7fff0000)
prog = Prog(1, ctypes.pointer(allow))
if libc.prctl(38, 1, 0, 0, 0) or libc.syscall(317, 1, 8, ctypes.byref(prog)) < 0:
    sys.exit(77)
sys.exit(subprocess.call(sys.argv[1:]))
EOF
out=$(python3 "$T/listen.py" "$RUNSC" --root "$T/state" --debug --platform=systrap do sh -c "$work" 2>"$T/stderr")
status=$?
if [ $status = 77 ]; then
    skip rungs_under_listener "no seccomp listeners here"
else
    check rungs_under_listener test "$status $out" = "0 in"
    check rungs_says_why grep -q 'rungs: .*trap (a seccomp listener above' "$T/stderr"
    python3 "$T/listen.py" "$RUNSC" --root "$T/state" --platform=systrap --systrap-rungs=notify do true 2>"$T/stderr"
    check rungs_only_notify test $? = 125
fi
