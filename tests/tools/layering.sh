#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Proves the layers: include <- platform <- sentry <- runsc, and that only platform/host and the
# stubs' assembly talk to the host kernel. With an argument (a build folder), also looks at the
# symbols that the objects really use. Last line: N passed, N failed, N skipped.

cd "$(dirname "$0")/../.." || exit 2
tmp=$(mktemp -d) || exit 2
trap 'rm -rf "$tmp"' EXIT
: >"$tmp/results"

# check NAME: stdin lists the violations.
check()
{
    found=$(cat)
    if [ -n "$found" ]; then
        echo "not ok layering: $1"
        printf '%s\n' "$found" | sed 's/^/    /'
        echo failed >>"$tmp/results"
    else
        echo passed >>"$tmp/results"
    fi
}

# Every include as "file:line:<x.h>" or "file:line:"x.h"".
for d in include platform sentry runsc; do
    [ -d $d ] || continue
    grep -rnE '^[ 	]*#[ 	]*include[ 	]' --include='*.[chS]' --include='*.inc' $d
done | sed -E 's/^([^:]+:[0-9]+):[ \t]*#[ \t]*include[ \t]+([<"][^>"]*[>"]).*/\1:\2/' >"$tmp/all"

# within FOLDER: includes of that folder's files
within()
{
    grep -E "^$1" "$tmp/all"
}
# not_from PREFIXES: of the quoted includes those that are from elsewhere
not_from()
{
    grep -E '^[^:]+:[0-9]+:"' | grep -vE "^[^:]+:[0-9]+:\"($1)"
}

within include/ | not_from 'cvisor/|abi/' | check "include/ includes only include/"
within platform/ | not_from 'cvisor/|abi/|platform/' | check "platform/ includes only include/ and platform/"
for backend in platform/*/; do
    backend=$(basename "$backend")
    case $backend in
    base | host) own='base/|host/' ;;
    *) own="base/|host/|$backend/" ;;
    esac
    within "platform/$backend/" | grep -E ':"platform/[a-z0-9_]+/' |
        grep -vE ":\"platform/($own)" | check "platform/$backend includes no other backend"
done
within sentry/ | not_from 'cvisor/|abi/|sentry/|platform/base/' |
    check "sentry/ includes only include/, sentry/ and platform/base/"
within runsc/gofer/ | not_from 'cvisor/|abi/|platform/base/|platform/host/|runsc/' |
    check "runsc/gofer includes no sentry/ and no backend"
within '(runsc|sentry|platform|include)/' | grep -E ':"tests/' | check "nothing includes tests/"

# Host interfaces. types.h needs <sys/types.h> for ssize_t; libcap's header has an unlucky name.
# platform/base may use libc's threads and signal handlers (locks, threads, crash reports).
os='sys/|linux/|asm/|unistd\.h|fcntl\.h|sched\.h|poll\.h|pthread\.h|signal\.h|ucontext\.h|dirent\.h'
os="$os|net/|netinet/|arpa/|syscall\.h|termios\.h|grp\.h|pwd\.h|spawn\.h|mqueue\.h|ftw\.h|glob\.h"
# host_headers FOLDER ALLOWED
host_headers()
{
    within "$1" | grep -E ":<($os)" | grep -vE ":<($2)>"
}
host_headers include/ 'sys/types\.h|pthread\.h' | check "include/ has no host headers"
host_headers sentry/ 'none' | check "sentry/ has no host headers"
host_headers runsc/ 'sys/capability\.h' | check "runsc/ has no host headers"
host_headers platform/base/ 'pthread\.h|signal\.h|ucontext\.h' |
    check "platform/base has no host headers but threads and signals"
within platform/ | grep -vE '^platform/(base|host)/' | grep -vE '^platform/[a-z0-9_]+/stub[^/]*:' |
    grep -E ":<($os)" | check "platform backends have no host headers outside their stubs"

# Syscalls: syscall() and the instruction.
grep -rnE '(^|[^a-z0-9_"])syscall[ 	]*\(|SYS_[a-z0-9_]+|__NR_[a-z0-9_]+' --include='*.[chS]' \
    include platform sentry runsc 2>/dev/null | grep -vE '^platform/host/' |
    grep -vE '^platform/[a-z0-9_]+/(stub|sysmsg)[^/]*:' | grep -vE 'LINUX_SYS_|SCMP_SYS' |
    grep -vE ':[0-9]+:[ 	]*(/?\*|//)' | check "only platform/host and stubs make syscalls"
grep -rnE '"[^"]*\b(syscall|sysenter|int \$0x80)\b[^"]*"' --include='*.[ch]' platform sentry runsc \
    2>/dev/null | grep -E 'asm|\\n' | grep -vE '^platform/(host/|[a-z0-9_]+/(stub|sysmsg))' |
    grep -v '^sentry/arch/x86_64/vdso/vdso\.c:' | # runs in the guest
    check "only platform/host, stubs and the vDSO have syscall instructions"

# What the compiler made of it: libc functions that enter the kernel or use libc's heap.
if [ -n "${1-}" ] && [ -d "$1/obj/sentry" ]; then
    banned='open|openat|creat|read|write|pread|pwrite|pread64|pwrite64|readv|writev|close|ioctl|mmap'
    banned="$banned|munmap|mprotect|madvise|mremap|socket|bind|connect|sendmsg|recvmsg|send|recv"
    banned="$banned|fork|vfork|clone|execve|execv|kill|raise|sigaction|sigprocmask|syscall|poll"
    banned="$banned|select|epoll_wait|epoll_ctl|nanosleep|usleep|sleep|fopen|fopen64|fclose|printf"
    banned="$banned|fprintf|puts|putchar|fputs|getenv|malloc|calloc|realloc|free|strdup|asprintf"
    banned="$banned|time|gettimeofday|clock_gettime|getpid|gettid|prctl|stat|fstat|lstat|unlink"
    banned="$banned|pthread_create|pthread_mutex_lock|pthread_cond_wait|exit|_exit|abort|system"
    find "$1/obj/sentry" -name '*.o' -exec nm -A -u {} + |
        sed -E 's/(__(printf|fprintf|read|pread)_chk)$/\2/' |
        grep -E " U ($banned)(@.*)?$" | sed -E 's|.*/obj/(sentry/[^:]*)\.o: *U |\1 uses |' |
        check "sentry/ objects call no libc function that enters the kernel"
else
    echo skipped >>"$tmp/results"
fi

failed=$(grep -c failed "$tmp/results")
echo "$(grep -c passed "$tmp/results") passed, $failed failed, $(grep -c skipped "$tmp/results") skipped"
[ "$failed" -eq 0 ]
