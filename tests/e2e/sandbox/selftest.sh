# SPDX-License-Identifier: Apache-2.0
# Do the sanitizers and lockdep see a mistake inside the sandboxed sentry, and do kernel objects leak?
. "$(dirname "$0")/../lib/lib.sh"

mkdir "$T/bin"
if ! ${CC:-gcc} -O1 -static -o "$T/bin/selftest" "$TOP/tests/e2e/guest/selftest.c"; then
    skip selftest "no C compiler for the guest program"
    exit 0
fi
guest() { runsc_do "$T/bin/selftest" "$@"; }
has() { grep -q "^$1 :=.*$2" "$O/config.mk"; }

if ! has CFG_CPPFLAGS CV_DEBUG=1; then
    expect selftest_product 0 "answered: -22" guest make 0
    exit 0
fi
expect selftest_probe 0 "answered: 0" guest make 0

# mistake NAME NUMBER TEXT: the sentry must end with a report that contains TEXT.
mistake() {
    guest make "$2" >"$T/mistake.out" 2>&1
    local status=$?
    if [ $status = 0 ]; then
        not_ok "$1" "went unseen: $(tail -n 1 "$T/mistake.out")"
    elif ! grep -q "$3" "$T/mistake.out"; then
        not_ok "$1" "status $status, but no \"$3\": $(tail -n 3 "$T/mistake.out" | tr '\n' ' ')"
    else
        ok "$1"
    fi
}
has CFG_SAN address && mistake selftest_asan 1 use-after-poison
has CFG_SAN undefined && mistake selftest_ubsan 2 'signed integer overflow'
if has CFG_SAN thread; then
    guest race 7 >"$T/race.out" 2>&1
    check selftest_tsan grep -q 'ThreadSanitizer: data race' "$T/race.out"
fi
if has CFG_LOCKDEP 1; then
    mistake selftest_lock_order 3 'lockdep: order: taking FDTABLE'
    mistake selftest_lock_held 4 'lockdep: locks held at return to guest'
fi

# leaks NAME CMD...
leaks() {
    local n=$1 out
    shift
    out=$(guest grow 5 "$@" 2>&1 >"$T/grow.out" | tail -n 3)
    if [ -s "$T/grow.out" ] && grep -q ' more$' "$T/grow.out"; then
        not_ok "leaks_$n" "$(grep ' more$' "$T/grow.out" | tr '\n' ';') $out"
    else
        ok "leaks_$n"
    fi
}
leaks exec /bin/true
leaks script bash "$TOP/tests/e2e/programs/bash_script.sh"
has CFG_LOCKDEP 1 || exit 0 # once is enough for these
for p in unix_pass unix_sock epoll futex file_dir proc_fork proc_exec mem_map pipe sig_info; do
    if [ -x "${SYSCALLS_BIN-}/$p" ]; then leaks "$p" "$SYSCALLS_BIN/$p"; fi
done
