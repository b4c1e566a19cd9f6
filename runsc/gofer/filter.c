/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gofer's seccomp filter: an allow-list. It can work on files below descriptors that it already
 * has and talk on the sockets that it already has; it can make no new socket, process, mapping of
 * code, device node or namespace.
 */
#include "runsc/filter/rules.h"

#include "abi/linux/fcntl.h"
#include "abi/linux/mman.h"
#include "abi/linux/prctl.h"
#include "abi/linux/sched.h"
#include "abi/linux/socket.h"
#include "abi/linux/stat.h"

#include "cvisor/compiler.h"

#include <stdio.h>
#include <string.h>

#define FILTER_ARGS_MAX 2

struct filter_rule {
    int nr;
    const char *why;
    unsigned int nargs;
    struct scmp_arg_cmp args[FILTER_ARGS_MAX];
};

#define ALLOW(name, reason)                                                                        \
    {                                                                                              \
        .nr = SCMP_SYS(name), .why = reason                                                        \
    }
#define ALLOW_IF(name, reason, ...)                                                                \
    {                                                                                              \
        .nr = SCMP_SYS(name), .why = reason,                                                       \
        .nargs = sizeof((struct scmp_arg_cmp[]){__VA_ARGS__}) / sizeof(struct scmp_arg_cmp),       \
        .args = {                                                                                  \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }
#define ARG_EQ(n, v)                                                                               \
    {                                                                                              \
        .arg = (n), .op = SCMP_CMP_EQ, .datum_a = (v)                                              \
    }
#define ARG_BITS(n, mask, v)                                                                       \
    {                                                                                              \
        .arg = (n), .op = SCMP_CMP_MASKED_EQ, .datum_a = (mask), .datum_b = (v)                    \
    }
/* A descriptor, not AT_FDCWD: paths start at a folder of an export. */
#define ARG_FD(n)                                                                                  \
    {                                                                                              \
        .arg = (n), .op = SCMP_CMP_LE, .datum_a = 0x7fffffff                                       \
    }

#define THREAD_FLAGS                                                                               \
    (LINUX_CLONE_VM | LINUX_CLONE_FS | LINUX_CLONE_FILES | LINUX_CLONE_SIGHAND | LINUX_CLONE_THREAD)
#define NAMESPACE_FLAGS                                                                            \
    (LINUX_CLONE_NEWNS | LINUX_CLONE_NEWCGROUP | LINUX_CLONE_NEWUTS | LINUX_CLONE_NEWIPC |         \
     LINUX_CLONE_NEWUSER | LINUX_CLONE_NEWPID | LINUX_CLONE_NEWNET)

static const struct filter_rule g_rules[] = {
    /* the connection */
    ALLOW(read, "receive requests"),
    ALLOW_IF(recvfrom, "look for requests", ARG_EQ(3, LINUX_MSG_DONTWAIT)),
    ALLOW(write, "log lines"),
    ALLOW(writev, "log lines"),
    ALLOW(sendmsg, "send answers, with donated descriptors"),
    ALLOW(shutdown, "end a broken connection"),
    /* lookups and attributes */
    ALLOW_IF(openat, "walk one component; reopen through /proc/self/fd", ARG_FD(0)),
    ALLOW(close, "clunk"),
    ALLOW(fstat, "attributes of a node"),
    ALLOW_IF(newfstatat, "attributes of a directory entry", ARG_FD(0)),
    ALLOW(fstatfs, "Tstatfs"),
    ALLOW_IF(readlinkat, "targets of symbolic links", ARG_FD(0)),
    ALLOW_IF(fchmodat, "Tsetattr mode", ARG_FD(0)),
    ALLOW_IF(fchownat, "Tsetattr owner; owner of new files", ARG_FD(0)),
    ALLOW_IF(utimensat, "Tsetattr times", ARG_FD(0)),
    /* directories */
    ALLOW(getdents64, "Treaddir"),
    ALLOW(lseek, "Treaddir at an offset"),
    ALLOW_IF(mkdirat, "Tmkdir", ARG_FD(0)),
    ALLOW_IF(mknodat, "regular files", ARG_FD(0), ARG_BITS(2, LINUX_S_IFMT, LINUX_S_IFREG)),
    ALLOW_IF(mknodat, "FIFOs", ARG_FD(0), ARG_BITS(2, LINUX_S_IFMT, LINUX_S_IFIFO)),
    ALLOW_IF(mknodat, "socket names", ARG_FD(0), ARG_BITS(2, LINUX_S_IFMT, LINUX_S_IFSOCK)),
    ALLOW_IF(symlinkat, "Tsymlink", ARG_FD(1)),
    ALLOW_IF(linkat, "Tlink", ARG_FD(0), ARG_FD(2)),
    ALLOW_IF(renameat2, "Trenameat", ARG_FD(0), ARG_FD(2)),
    ALLOW_IF(unlinkat, "Tunlinkat", ARG_FD(0)),
    /* file data */
    ALLOW(pread64, "Tread"),
    ALLOW(pwrite64, "Twrite"),
    ALLOW(ftruncate, "Tsetattr size"),
    ALLOW(fallocate, "Txallocate"),
    ALLOW(fsync, "Tfsync"),
    ALLOW(fdatasync, "Tfsync of data only"),
    ALLOW(fgetxattr, "extended attributes"),
    ALLOW(fsetxattr, "extended attributes"),
    ALLOW(flistxattr, "extended attributes"),
    ALLOW(fremovexattr, "extended attributes"),
    ALLOW_IF(fcntl, "Tlock", ARG_EQ(1, LINUX_F_OFD_SETLK)),
    ALLOW_IF(fcntl, "Tgetlock", ARG_EQ(1, LINUX_F_OFD_GETLK)),
    ALLOW_IF(fcntl, "attach, Txflushf: duplicates", ARG_EQ(1, LINUX_F_DUPFD_CLOEXEC)),
    /* threads and memory of our own */
    ALLOW(futex, "locks"),
    ALLOW_IF(clone, "more threads while one of them waits for a disk",
             ARG_BITS(0, THREAD_FLAGS | NAMESPACE_FLAGS, THREAD_FLAGS)),
    ALLOW(set_robust_list, "start of a thread"),
    ALLOW(rseq, "start and end of a thread"),
    ALLOW(set_tid_address, "start of a thread"),
    ALLOW(rt_sigprocmask, "start of a thread; abort"),
    ALLOW(sigaltstack, "stack of the crash handler"),
    ALLOW(rt_sigaction, "crash handler restores the default action"),
    ALLOW(rt_sigreturn, "return from a signal"),
    ALLOW_IF(prctl, "name of a thread", ARG_EQ(0, LINUX_PR_SET_NAME)),
    ALLOW_IF(mmap, "memory, never executable", ARG_BITS(2, LINUX_PROT_EXEC, 0)),
    ALLOW_IF(mprotect, "guard pages, never executable", ARG_BITS(2, LINUX_PROT_EXEC, 0)),
    ALLOW(munmap, "memory"),
    ALLOW(mremap, "memory"),
    ALLOW(madvise, "give memory back"),
    ALLOW(brk, "memory of libc"),
    ALLOW(sched_yield, "locks"),
    ALLOW(sched_getaffinity, "libc counts processors at the start of a thread"),
    ALLOW_IF(sched_setaffinity, "a thread goes where its client is", ARG_EQ(0, 0)),
    ALLOW(exit, "end of a thread"),
    ALLOW(exit_group, "end"),
    ALLOW(restart_syscall, "continuation after a stop signal"),
    ALLOW(nanosleep, "waits of locks"),
    ALLOW(clock_nanosleep, "waits of locks"),
    ALLOW(clock_gettime, "time of log lines where there is no vDSO"),
    ALLOW(gettimeofday, "time of log lines where there is no vDSO"),
    ALLOW(getrandom, "seeds of libc's allocator"),
    ALLOW(getpid, "abort, log"),
    ALLOW(gettid, "abort, locks"),
    ALLOW(tgkill, "abort"),
};

int gofer_filter_rules(scmp_filter_ctx ctx)
{
    for (size_t i = 0; i < ARRAY_SIZE(g_rules); i++) {
        const struct filter_rule *rule = &g_rules[i];
        int r = seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, rule->nr, rule->nargs, rule->args);

        if (r < 0) {
            fprintf(stderr, "gofer's seccomp filter: rule %zu (%s): %s\n", i, rule->why,
                    strerror(-r));
            return r;
        }
    }
    return 0;
}
