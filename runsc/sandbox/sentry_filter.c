/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the sentry may ask of the host kernel. It works on descriptors that it was given, on memory
 * of its own that is never executable, on its own threads, and on its stubs. It can open nothing,
 * connect to nothing, start no program, mount nothing and change no identity.
 */
#include "runsc/filter/rules.h"

#include "abi/linux/fcntl.h"
#include "abi/linux/ioctl.h"
#include "abi/linux/mman.h"
#include "abi/linux/prctl.h"
#include "abi/linux/ptrace.h"
#include "abi/linux/sched.h"
#include "abi/linux/seccomp.h"

#include <stdio.h>
#include <string.h>

#define RULE_ARGS_MAX 3

/* Bits of sentry_rule.platforms. */
#define ON_ALL 0xffu
#define ON_PTRACE 0x01u
#define ON_SYSTRAP 0x02u

struct sentry_rule {
    int nr;
    u32 platforms;
    const char *why;
    unsigned int nargs;
    struct scmp_arg_cmp args[RULE_ARGS_MAX];
};

#define ALLOW_ON(on, name, reason, ...)                                                            \
    {                                                                                              \
        .nr = SCMP_SYS(name), .platforms = (on), .why = (reason),                                  \
        .nargs = sizeof((struct scmp_arg_cmp[]){__VA_ARGS__}) / sizeof(struct scmp_arg_cmp),       \
        .args = {                                                                                  \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }
#define ALLOW(name, reason)                                                                        \
    {                                                                                              \
        .nr = SCMP_SYS(name), .platforms = ON_ALL, .why = (reason)                                 \
    }
#define ALLOW_IF(name, reason, ...) ALLOW_ON(ON_ALL, name, reason, __VA_ARGS__)

/* 32-bit arguments are compared in their low half: the kernel ignores the other. */
#define LOW32 0xffffffffull
#define EQ(n, v)                                                                                   \
    {                                                                                              \
        .arg = (n), .op = SCMP_CMP_MASKED_EQ, .datum_a = LOW32, .datum_b = (u32)(v)                \
    }
#define BITS(n, mask, v)                                                                           \
    {                                                                                              \
        .arg = (n), .op = SCMP_CMP_MASKED_EQ, .datum_a = (mask), .datum_b = (v)                    \
    }
#define EQ64(n, v)                                                                                 \
    {                                                                                              \
        .arg = (n), .op = SCMP_CMP_EQ, .datum_a = (u64)(v)                                         \
    }

#define THREAD_FLAGS                                                                               \
    (LINUX_CLONE_VM | LINUX_CLONE_FS | LINUX_CLONE_FILES | LINUX_CLONE_SIGHAND | LINUX_CLONE_THREAD)
#define NAMESPACE_FLAGS                                                                            \
    (LINUX_CLONE_NEWNS | LINUX_CLONE_NEWCGROUP | LINUX_CLONE_NEWUTS | LINUX_CLONE_NEWIPC |         \
     LINUX_CLONE_NEWUSER | LINUX_CLONE_NEWPID | LINUX_CLONE_NEWNET)

static const struct sentry_rule g_rules[] = {
    /* --- descriptors that the sentry has --- */
    ALLOW(read, "stdio of the guest, gofer connections, eventfds"),
    ALLOW(write, "stdio of the guest, gofer connections, log lines"),
    ALLOW(readv, "guest buffers"),
    ALLOW(writev, "guest buffers; libc's last words"),
    ALLOW(pread64, "donated host files"),
    ALLOW(pwrite64, "donated host files"),
    ALLOW(preadv, "donated host files"),
    ALLOW(pwritev, "donated host files"),
    ALLOW(preadv2, "donated host files"),
    ALLOW(pwritev2, "donated host files"),
    ALLOW(lseek, "donated host files, SEEK_DATA and SEEK_HOLE"),
    ALLOW(fstat, "type and attributes of donated files and of stdio"),
    ALLOW_IF(newfstatat, "fstat as libc spells it",
             BITS(3, LINUX_AT_EMPTY_PATH, LINUX_AT_EMPTY_PATH)),
    ALLOW_IF(statx, "attributes of donated files",
             BITS(2, LINUX_AT_EMPTY_PATH, LINUX_AT_EMPTY_PATH)),
    ALLOW(fstatfs, "donated host files"),
    ALLOW(ftruncate, "donated host files; the memory file grows"),
    ALLOW(fallocate, "donated host files; holes in the memory file"),
    ALLOW(fsync, "guest fsync on donated files"),
    ALLOW(fdatasync, "guest fdatasync on donated files"),
    ALLOW(close, "descriptors that are no longer needed"),
    ALLOW(dup, "descriptors shared by two owners"),
    ALLOW_IF(fcntl, "descriptor flags", EQ(1, LINUX_F_GETFD)),
    ALLOW_IF(fcntl, "descriptor flags", EQ(1, LINUX_F_SETFD)),
    ALLOW_IF(fcntl, "mode of stdio", EQ(1, LINUX_F_GETFL)),
    ALLOW_IF(fcntl, "O_NONBLOCK of our own sockets", EQ(1, LINUX_F_SETFL)),
    ALLOW_IF(fcntl, "dup with close-on-exec", EQ(1, LINUX_F_DUPFD_CLOEXEC)),
    ALLOW_IF(ioctl, "bytes in a host pipe or socket", EQ(1, LINUX_FIONREAD)),
    ALLOW_IF(ioctl, "host terminal: modes", EQ(1, LINUX_TCGETS)),
    ALLOW_IF(ioctl, "host terminal: modes", EQ(1, LINUX_TCSETS)),
    ALLOW_IF(ioctl, "host terminal: modes", EQ(1, LINUX_TCSETSW)),
    ALLOW_IF(ioctl, "host terminal: modes", EQ(1, LINUX_TCSETSF)),
    ALLOW_IF(ioctl, "host terminal: modes", EQ(1, LINUX_TCGETS2)),
    ALLOW_IF(ioctl, "host terminal: modes", EQ(1, LINUX_TCSETS2)),
    ALLOW_IF(ioctl, "host terminal: modes", EQ(1, LINUX_TCSETSW2)),
    ALLOW_IF(ioctl, "host terminal: modes", EQ(1, LINUX_TCSETSF2)),
    ALLOW_IF(ioctl, "host terminal: drain", EQ(1, LINUX_TCSBRK)),
    ALLOW_IF(ioctl, "host terminal: flow", EQ(1, LINUX_TCXONC)),
    ALLOW_IF(ioctl, "host terminal: size", EQ(1, LINUX_TIOCGWINSZ)),
    ALLOW_IF(ioctl, "host terminal: size", EQ(1, LINUX_TIOCSWINSZ)),
    ALLOW_IF(ioctl, "host terminal: discard", EQ(1, LINUX_TCFLSH)),
    ALLOW_IF(ioctl, "host terminal: unsent bytes", EQ(1, LINUX_TIOCOUTQ)),

    /* --- sockets that the sentry has: it can make no new ones --- */
    ALLOW(sendmsg, "gofer connections, runsc's control socket"),
    ALLOW(recvmsg, "gofer connections with donated descriptors, control socket"),
    ALLOW(sendto, "stdio that is a socket"),
    ALLOW(recvfrom, "stdio that is a socket"),
    ALLOW(shutdown, "end of a gofer connection"),

    /* --- readiness --- */
    ALLOW(epoll_create1, "readiness of host descriptors"),
    ALLOW(epoll_ctl, "readiness of host descriptors"),
    ALLOW(epoll_wait, "readiness of host descriptors"),
    ALLOW(epoll_pwait, "readiness of host descriptors"),
    ALLOW(poll, "readiness of host descriptors"),
    ALLOW(ppoll, "readiness of host descriptors"),
    ALLOW(eventfd2, "wake-ups between our own threads"),

    /* --- memory: never executable in the sentry --- */
    ALLOW_IF(mmap, "guest memory, stacks of threads; not executable", BITS(2, LINUX_PROT_EXEC, 0)),
    ALLOW_IF(mprotect, "guard pages; not executable", BITS(2, LINUX_PROT_EXEC, 0)),
    ALLOW(munmap, "memory"),
    ALLOW(mremap, "memory of libc"),
    ALLOW(madvise, "give memory back; huge pages"),
    ALLOW(brk, "memory of libc"),
    ALLOW(mincore, "resident pages of the memory file; the unwinder probes addresses"),
    ALLOW(msync, "guest msync on donated files; the unwinder probes addresses"),
    ALLOW(membarrier, "barriers on all threads for RCU"),

    /* --- threads --- */
    ALLOW_IF(clone, "threads of the sentry; never a process",
             BITS(0, THREAD_FLAGS | NAMESPACE_FLAGS, THREAD_FLAGS)),
    ALLOW(futex, "locks, waiting tasks"),
    ALLOW(set_robust_list, "start of a thread"),
    ALLOW(rseq, "start of a thread"),
    ALLOW(set_tid_address, "start of a thread"),
    ALLOW_IF(prctl, "name of a thread", EQ64(0, LINUX_PR_SET_NAME)),
    ALLOW_IF(prctl, "name of a thread, for a crash report", EQ64(0, LINUX_PR_GET_NAME)),
    ALLOW_IF(prctl, "name of a mapping, from libc", EQ64(0, LINUX_PR_SET_VMA)),
    ALLOW(sched_yield, "locks"),
    ALLOW(sched_getaffinity, "number of processors"),
    ALLOW(getcpu, "guest getcpu without vDSO"),
    ALLOW(gettid, "locks, log lines"),
    ALLOW(getpid, "abort"),
    ALLOW(exit, "end of a thread"),
    ALLOW(exit_group, "end of the sandbox"),

    /* --- signals --- */
    ALLOW(rt_sigprocmask, "start of a thread; critical sections"),
    ALLOW(rt_sigaction, "crash handlers, abort"),
    ALLOW(rt_sigreturn, "return from a fault handler"),
    ALLOW(sigaltstack, "stack of the fault handlers"),
    ALLOW(tgkill, "interrupt a thread or a stub; abort"),
    ALLOW(restart_syscall, "continuation after a stop signal"),

    /* --- time, facts about the host --- */
    ALLOW(clock_gettime, "time where there is no vDSO"),
    ALLOW(clock_getres, "guest clock_getres"),
    ALLOW(gettimeofday, "time where there is no vDSO"),
    ALLOW(nanosleep, "waits"),
    ALLOW(clock_nanosleep, "waits"),
    ALLOW(getrusage, "processor time of the guest"),
    ALLOW(sysinfo, "total memory for the guest"),
    ALLOW(getrandom, "random numbers for the guest"),

    /* --- stubs: children in the sentry's own pid namespace --- */
    ALLOW_ON(ON_PTRACE | ON_SYSTRAP, wait4, "stops and deaths of stubs"),
    ALLOW_ON(ON_PTRACE | ON_SYSTRAP, kill, "end a stub"),
    ALLOW_ON(ON_PTRACE, sched_setaffinity, "a stub thread and its tracer on one processor"),
    ALLOW_ON(ON_SYSTRAP, sched_setaffinity, "on which processors vcpus and stub threads wake up"),
    /* ptrace(2) reaches the sentry's own children only: no capabilities, own pid namespace. */
    ALLOW_ON(ON_PTRACE, ptrace, "resume to the next syscall", EQ64(0, LINUX_PTRACE_SYSEMU)),
    ALLOW_ON(ON_PTRACE, ptrace, "single steps", EQ64(0, LINUX_PTRACE_SYSEMU_SINGLESTEP)),
    ALLOW_ON(ON_PTRACE, ptrace, "run stub code", EQ64(0, LINUX_PTRACE_CONT)),
    ALLOW_ON(ON_PTRACE, ptrace, "registers", EQ64(0, LINUX_PTRACE_GETREGS)),
    ALLOW_ON(ON_PTRACE, ptrace, "registers", EQ64(0, LINUX_PTRACE_SETREGS)),
    ALLOW_ON(ON_PTRACE, ptrace, "floating point state", EQ64(0, LINUX_PTRACE_GETREGSET)),
    ALLOW_ON(ON_PTRACE, ptrace, "floating point state", EQ64(0, LINUX_PTRACE_SETREGSET)),
    ALLOW_ON(ON_PTRACE, ptrace, "one register", EQ64(0, LINUX_PTRACE_PEEKUSR)),
    ALLOW_ON(ON_PTRACE, ptrace, "one register", EQ64(0, LINUX_PTRACE_POKEUSR)),
    ALLOW_ON(ON_PTRACE, ptrace, "details of a fault", EQ64(0, LINUX_PTRACE_GETSIGINFO)),
    ALLOW_ON(ON_PTRACE, ptrace, "number of a syscall", EQ64(0, LINUX_PTRACE_GET_SYSCALL_INFO)),
    ALLOW_ON(ON_PTRACE, ptrace, "take a new stub over", EQ64(0, LINUX_PTRACE_SEIZE)),
    ALLOW_ON(ON_PTRACE, ptrace, "stop a stub", EQ64(0, LINUX_PTRACE_INTERRUPT)),
    ALLOW_ON(ON_PTRACE, ptrace, "pass a stub to another thread", EQ64(0, LINUX_PTRACE_DETACH)),
    ALLOW_ON(ON_PTRACE, ptrace, "which takes no signals meanwhile",
             EQ64(0, LINUX_PTRACE_SETSIGMASK)),
    /* --- systrap: the master traces leaders, which run no guest code, and new threads --- */
    ALLOW_ON(ON_SYSTRAP, ptrace, "run stub code in a leader", EQ64(0, LINUX_PTRACE_CONT)),
    ALLOW_ON(ON_SYSTRAP, ptrace, "its result", EQ64(0, LINUX_PTRACE_GETREGS)),
    ALLOW_ON(ON_SYSTRAP, ptrace, "its parameters", EQ64(0, LINUX_PTRACE_SETREGS)),
    ALLOW_ON(ON_SYSTRAP, ptrace, "details of a fault in it", EQ64(0, LINUX_PTRACE_GETSIGINFO)),
    ALLOW_ON(ON_SYSTRAP, ptrace, "the memory thread takes no signals",
             EQ64(0, LINUX_PTRACE_SETSIGMASK)),
    ALLOW_ON(ON_SYSTRAP, ptrace, "a new thread is ready", EQ64(0, LINUX_PTRACE_DETACH)),
    ALLOW_ON(ON_SYSTRAP, ioctl, "wait for a stub's syscall", EQ(1, LINUX_SECCOMP_IOCTL_NOTIF_RECV)),
    ALLOW_ON(ON_SYSTRAP, ioctl, "answer it", EQ(1, LINUX_SECCOMP_IOCTL_NOTIF_SEND)),
    ALLOW_ON(ON_SYSTRAP, ioctl, "wake-ups on the same processor",
             EQ(1, LINUX_SECCOMP_IOCTL_NOTIF_SET_FLAGS)),
    ALLOW_ON(ON_SYSTRAP, pipe2, "a stub's memory thread reports, where there are no notifications",
             EQ(1, LINUX_O_CLOEXEC)),
    ALLOW_ON(ON_SYSTRAP, rt_sigtimedwait, "wait until a stub stops or dies"),
    ALLOW_ON(ON_SYSTRAP, rt_tgsigqueueinfo, "prove a stub thread's state before it is used again"),
};

int sentry_filter_rules(scmp_filter_ctx ctx, enum filter_platform platform)
{
    static const u32 bits[] = {0, ON_PTRACE, ON_SYSTRAP};

    for (size_t i = 0; i < ARRAY_SIZE(g_rules); i++) {
        const struct sentry_rule *rule = &g_rules[i];
        int r = 0;

        if (rule->platforms == ON_ALL || (rule->platforms & bits[platform]))
            r = seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, rule->nr, rule->nargs, rule->args);
        if (r < 0) {
            fprintf(stderr, "the sentry's seccomp filter: rule %zu (%s): %s\n", i, rule->why,
                    strerror(-r));
            return r;
        }
    }
    return 0;
}
