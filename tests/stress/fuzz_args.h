/* SPDX-License-Identifier: Apache-2.0 */
/* Hostile arguments of one syscall, made from a random state. Included by syscall_fuzz.c only. */
#ifndef STRESS_FUZZ_ARGS_H
#define STRESS_FUZZ_ARGS_H

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096ul
#define ARENA_PAGES 256ul
#define FDS 72

/* One for each thread. */
struct fuzz {
    uint64_t rng;
    char *arena; /* ARENA_PAGES that mmap and friends play with */
    char *pages; /* 16 pages of buffers; the one after them is PROT_NONE, then one is read-only */
    size_t used; /* bytes of pages that this call's structures take */
    int *pids;   /* of the parent's children, shared */
    int npids;
    int depth; /* forks from the program's child */
};

static inline uint64_t rnd(struct fuzz *z)
{
    z->rng ^= z->rng << 13;
    z->rng ^= z->rng >> 7;
    z->rng ^= z->rng << 17;
    return z->rng;
}

static inline unsigned below(struct fuzz *z, unsigned n)
{
    return (unsigned)((rnd(z) >> 11) % n);
}

static inline int chance(struct fuzz *z, unsigned percent)
{
    return below(z, 100) < percent;
}

static const uint64_t g_wild[] = {
    0,
    1,
    2,
    -1ull,
    -2ull,
    0x7fffffff,
    0x80000000,
    0xffffffff,
    1ull << 32,
    1ull << 47,
    1ull << 63,
    0x7fffffffffffffff,
    4095,
    4096,
    4097,
    65536,
    -4095ull,
    -4096ull,
    1ull << 40,
    1ull << 62,
    0x7fffffffe000,
    0x7ffffffff000,
    0xffff800000000000,
    0xffffffffff600000,
    0x0000800000000000,
    0x100000001,
    0xdeadbeefdeadbeef,
    -100ull,
};

static inline uint64_t wild(struct fuzz *z)
{
    if (chance(z, 30))
        return rnd(z) >> below(z, 64);
    return g_wild[below(z, sizeof(g_wild) / sizeof(g_wild[0]))];
}

static inline uint64_t few_bits(struct fuzz *z)
{
    uint64_t v = 0;

    for (unsigned n = below(z, 4); n > 0; n--)
        v |= 1ull << below(z, chance(z, 5) ? 64 : 25);
    return v;
}

/* Room for n bytes in the buffers, filled with small and wild numbers. */
static inline void *room(struct fuzz *z, size_t n)
{
    char *p;

    if (z->used + n + 64 > 12 * PAGE)
        z->used = 0;
    p = z->pages + z->used;
    z->used += (n + 15) & ~15ul;
    for (size_t i = 0; i + 8 <= n; i += 8) {
        uint64_t v = chance(z, 60) ? below(z, 64) : wild(z);
        memcpy(p + i, &v, 8);
    }
    return p;
}

static inline uint64_t pointer(struct fuzz *z)
{
    switch (below(z, 16)) {
    case 0:
        return 0;
    case 1:
        return wild(z);
    case 2: /* the end of what is mapped */
        return (uint64_t)z->pages + 16 * PAGE - below(z, 64);
    case 3: /* PROT_NONE, and what follows it: read-only */
        return (uint64_t)z->pages + 16 * PAGE + below(z, 2 * PAGE);
    case 4:
        return (uint64_t)z->arena + (rnd(z) & (ARENA_PAGES * PAGE - 1));
    case 5:
        return (uint64_t)room(z, 128) + below(z, 16);
    default:
        return (uint64_t)room(z, 256);
    }
}

static inline uint64_t length(struct fuzz *z)
{
    switch (below(z, 10)) {
    case 0:
        return wild(z);
    case 1:
        return PAGE * (1 + below(z, 16));
    case 2:
        return 0;
    case 3:
        return below(z, 300000);
    default:
        return below(z, 600);
    }
}

static inline int fuzz_fd(struct fuzz *z)
{
    if (chance(z, 4))
        return (int)wild(z);
    return 3 + (int)below(z, FDS);
}

static inline int fuzz_pid(struct fuzz *z)
{
    switch (below(z, 12)) {
    case 0:
        return (int)wild(z) == 1 ? 2 : (int)wild(z);
    case 1:
        return 0;
    case 2:
        return getppid() > 1 ? getppid() : 0;
    case 3:
        return 2 + (int)below(z, 300);
    case 4:
    case 5:
        return getpid();
    case 6:
        return gettid();
    default:
        return z->pids[below(z, (unsigned)z->npids)];
    }
}

static const char *const g_paths[] = {
    "f0",
    "f1",
    "f2",
    "f3",
    "d0",
    "d1",
    "d0/f",
    "d1/f",
    "d0/../f0",
    "l0",
    "l1",
    "loop",
    "d0/d/d/d",
    "fifo",
    "sock",
    "missing",
    "missing/x",
    "f0/x",
    ".",
    "..",
    "/",
    "",
    "./",
    "d0/",
    "d0/.",
    "d0/..",
    "m0",
    "m1",
    "m0/x",
    "/tmp",
    "/proc",
    "/proc/self",
    "/proc/self/maps",
    "/proc/self/mem",
    "/proc/self/fd/5",
    "/proc/self/fd",
    "/proc/self/exe",
    "/proc/self/root",
    "/proc/self/cwd",
    "/proc/self/task",
    "/proc/self/stat",
    "/proc/self/ns/net",
    "/proc/self/mountinfo",
    "/proc/self/comm",
    "/proc/self/oom_score_adj",
    "/proc/thread-self/status",
    "/proc/1/status",
    "/proc/1/fd/0",
    "/proc/sys/kernel/hostname",
    "/proc/meminfo",
    "/proc/self/environ",
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/dev/random",
    "/dev/tty",
    "/dev/ptmx",
    "/dev/pts",
    "/dev/shm/a",
    "/dev/shm",
    "/dev/fd/4",
    "/sys",
    "/sys/devices/system/cpu/online",
    "/bin/true",
    "/etc/passwd",
    "/usr",
    "/usr/bin/env",
    "/bin",
    "/lib",
    "/etc",
    "/etc/hostname",
    "/var",
};

static inline uint64_t path(struct fuzz *z)
{
    char *p;

    if (chance(z, 4))
        return pointer(z);
    if (chance(z, 2)) { /* too long, or without an end before the unmapped page */
        unsigned n = 200 + below(z, 4200);
        p = z->pages + 16 * PAGE - n;
        memset(p, chance(z, 50) ? 'a' : '/', n - (chance(z, 50) ? 1 : 0));
        return (uint64_t)p;
    }
    p = room(z, 64);
    snprintf(p, 64, "%s%s", g_paths[below(z, sizeof(g_paths) / sizeof(g_paths[0]))],
             chance(z, 3) ? "/../../d0/./x" : "");
    return (uint64_t)p;
}

static inline uint64_t iov(struct fuzz *z)
{
    struct iovec *v;

    if (chance(z, 5))
        return pointer(z);
    v = room(z, 8 * sizeof(*v));
    for (int i = 0; i < 8; i++) {
        v[i].iov_base = (void *)pointer(z);
        v[i].iov_len = length(z);
    }
    return (uint64_t)v;
}

static inline uint64_t sockaddr(struct fuzz *z)
{
    static const char *const names[] = {"sock", "f0", "missing/x", "", "\0a", "\0b", "d0"};
    struct sockaddr_un *u;

    if (chance(z, 10))
        return pointer(z);
    u = room(z, sizeof(*u) + 16);
    u->sun_family = chance(z, 80) ? AF_UNIX : chance(z, 50) ? AF_NETLINK : below(z, 45);
    memcpy(u->sun_path, names[below(z, 7)], 5);
    return (uint64_t)u;
}

static inline uint64_t msghdr(struct fuzz *z)
{
    struct msghdr *m;
    struct cmsghdr *c;

    if (chance(z, 5))
        return pointer(z);
    m = room(z, sizeof(*m));
    m->msg_name = (void *)(chance(z, 60) ? 0 : sockaddr(z));
    m->msg_namelen = chance(z, 90) ? below(z, 120) : (unsigned)wild(z);
    m->msg_iov = (void *)iov(z);
    m->msg_iovlen = chance(z, 90) ? below(z, 9) : wild(z);
    c = room(z, 128);
    c->cmsg_level = chance(z, 80) ? SOL_SOCKET : (int)wild(z);
    c->cmsg_type = chance(z, 80) ? SCM_RIGHTS : (int)below(z, 4);
    c->cmsg_len = chance(z, 70) ? CMSG_LEN(4 * below(z, 12)) : wild(z);
    for (int i = 0; i < 12; i++)
        ((int *)CMSG_DATA(c))[i] = chance(z, 92) ? 3 + (int)below(z, FDS) : (int)wild(z);
    m->msg_control = (void *)(chance(z, 70) ? (uint64_t)c : pointer(z));
    m->msg_controllen = chance(z, 60) ? c->cmsg_len : chance(z, 80) ? below(z, 128) : wild(z);
    m->msg_flags = (int)few_bits(z);
    return (uint64_t)m;
}

static inline uint64_t timespec(struct fuzz *z)
{
    struct timespec *t;

    if (chance(z, 15))
        return pointer(z);
    t = room(z, 64);
    for (int i = 0; i < 2; i++) {
        t[i].tv_sec = chance(z, 85) ? 0 : (time_t)wild(z);
        t[i].tv_nsec = chance(z, 90) ? below(z, 100000) : (long)wild(z);
    }
    return (uint64_t)t;
}

static inline uint64_t clone_args(struct fuzz *z)
{
    uint64_t *a = room(z, 11 * 8);

    memset(a, 0, 11 * 8);
    a[0] = chance(z, 60) ? 0 : few_bits(z);
    a[1] = pointer(z); /* pidfd */
    a[2] = pointer(z);
    a[3] = pointer(z);
    a[4] = chance(z, 80) ? SIGCHLD : wild(z);
    if (chance(z, 20)) {
        a[5] = pointer(z);
        a[6] = length(z);
    }
    if (chance(z, 10))
        a[8] = pointer(z), a[9] = below(z, 40);
    if (a[0] & CLONE_VM)
        a[0] |= CLONE_VFORK; /* on this stack: not both at once */
    return (uint64_t)a;
}

static inline uint64_t strings(struct fuzz *z)
{
    uint64_t *v = room(z, 10 * 8);

    for (int i = 0; i < 9; i++)
        v[i] = chance(z, 90) ? path(z) : pointer(z);
    if (chance(z, 95))
        v[below(z, 9)] = 0;
    v[9] = 0;
    return chance(z, 20) ? 0 : (uint64_t)v;
}

static inline uint64_t signal_set(struct fuzz *z)
{
    uint64_t *s;

    if (chance(z, 15))
        return pointer(z);
    s = room(z, 16);
    *s = few_bits(z) & (chance(z, 95) ? ~(1ull << (SIGALRM - 1)) : -1ull);
    return (uint64_t)s;
}

static inline uint64_t open_flags(struct fuzz *z)
{
    static const int flags[] = {O_CREAT, O_EXCL,     O_TRUNC,   O_APPEND,  O_NONBLOCK, O_DIRECTORY,
                                O_PATH,  O_NOFOLLOW, O_TMPFILE, O_CLOEXEC, O_DIRECT,   O_SYNC};
    uint64_t v = below(z, 4);

    for (unsigned n = below(z, 4); n > 0; n--)
        v |= (unsigned)flags[below(z, 12)];
    /* A FIFO's open that waits costs a watchdog's time. */
    return (chance(z, 5) ? v | few_bits(z) : v) | (chance(z, 90) ? O_NONBLOCK : 0);
}

static inline uint64_t ioctl_cmd(struct fuzz *z)
{
    static const unsigned cmds[] = {
        0x5401,     0x5402,     0x5403, 0x5404,     0x540b,     0x540e, 0x540f, 0x5410,
        0x5411,     0x5412,     0x5413, 0x5414,     0x541b,     0x5421, 0x5422, 0x5423,
        0x5424,     0x5429,     0x5430, 0x5431,     0x5441,     0x5450, 0x5451, 0x5452,
        0x8901,     0x8902,     0x8903, 0x8904,     0x8912,     0x8913, 0x8915, 0x8927,
        0x80045430, 0x40045431, 0x6601, 0x80086601, 0x40086602, 0x5460};

    return chance(z, 90) ? cmds[below(z, sizeof(cmds) / sizeof(cmds[0]))] : wild(z);
}

static inline uint64_t arena_len(struct fuzz *z)
{
    return chance(z, 97) ? PAGE * below(z, 40) : length(z);
}

static inline uint64_t fuzz_arg(struct fuzz *z, char kind)
{
    static const int fcntls[] = {0,    1,    2,    3,    4,    5,    6,    7,    8,
                                 9,    10,   11,   15,   16,   36,   37,   38,   1024,
                                 1025, 1026, 1030, 1031, 1032, 1033, 1034, 1035, 1036};

    if (chance(z, kind == 'r' || kind == 'R' ? 1 : 4))
        return wild(z);
    switch (kind) {
    case 'f': /* a descriptor */
        return (uint64_t)fuzz_fd(z);
    case 'd': /* a directory for a path */
        return (uint64_t)(chance(z, 60) ? AT_FDCWD : fuzz_fd(z));
    case 'p':
        return pointer(z);
    case 'l': /* bytes */
        return length(z);
    case 'n': /* a small count */
        return chance(z, 92) ? below(z, 9) : chance(z, 60) ? 1024 + below(z, 3) : wild(z);
    case 'i': /* a small number */
        return below(z, 40);
    case 'F': /* flags */
        return chance(z, 45) ? 0 : few_bits(z);
    case 'P':
        return path(z);
    case 'S': { /* a name */
        static const char *const names[] = {
            "tmpfs",     "proc",  "user.a", "user.b",
            "trusted.x", "sysfs", "x",      "system.posix_acl_access",
            "overlay",   "devpts"};
        return (uint64_t)strcpy(room(z, 64), names[below(z, 10)]);
    }
    case 's': /* a signal; SIGSTOP and SIGKILL come seldom */
        return chance(z, 95) ? 20 + below(z, 45) : below(z, 66);
    case 't':
        return timespec(z);
    case 'T': { /* struct itimerspec */
        uint64_t *t = room(z, 32);
        t[0] = t[2] = chance(z, 90) ? 0 : wild(z);
        t[1] = chance(z, 90) ? below(z, 1000000) : wild(z);
        t[3] = chance(z, 90) ? below(z, 1000000) : wild(z);
        return (uint64_t)t;
    }
    case 'v':
        return iov(z);
    case 'm':
        return msghdr(z);
    case 'M': { /* struct mmsghdr[] */
        struct msghdr *m = (void *)msghdr(z);
        char *v = room(z, 4 * 64);
        for (int i = 0; i < 4; i++)
            if ((char *)m >= z->pages && (char *)m < z->pages + 12 * PAGE)
                memcpy(v + 64 * i, m, sizeof(*m));
        return (uint64_t)v;
    }
    case 'a':
        return sockaddr(z);
    case 'A': /* length of a small structure */
        return chance(z, 90) ? below(z, 112) : wild(z);
    case 'g':
        return signal_set(z);
    case '8': /* size of a signal set */
        return chance(z, 97) ? 8 : wild(z);
    case 'w': /* a word that threads share */
        return chance(z, 85) ? (uint64_t)z->pages + 13 * PAGE + 4 * below(z, 8) : pointer(z);
    case 'x':
        return (uint64_t)fuzz_pid(z);
    case 'q': /* offset, in memory */
        return chance(z, 50) ? 0 : pointer(z);
    case 'o': /* offset or size of a file */
        return chance(z, 80) ? below(z, 70000) : chance(z, 60) ? rnd(z) & 0x3ffffff : wild(z);
    case 'r': /* an address that may be changed */
        return (uint64_t)z->arena + PAGE * below(z, ARENA_PAGES) +
               (chance(z, 4) ? below(z, 4096) : 0);
    case 'R':
        return arena_len(z);
    case 'O':
        return open_flags(z);
    case 'I':
        return ioctl_cmd(z);
    case 'C':
        return (uint64_t)fcntls[below(z, sizeof(fcntls) / sizeof(fcntls[0]))];
    case 'u': /* uid: mostly leave it */
        return chance(z, 80) ? -1ull : chance(z, 50) ? 0 : below(z, 3) + 1000;
    case 'b': { /* struct pollfd[] */
        struct pollfd *p = room(z, 16 * sizeof(*p));
        for (int i = 0; i < 16; i++)
            p[i] = (struct pollfd){.fd = fuzz_fd(z), .events = (short)rnd(z)};
        return (uint64_t)p;
    }
    case 'e': {
        struct epoll_event *e = room(z, 16);
        e->events = (uint32_t)(few_bits(z) | (chance(z, 50) ? EPOLLIN : 0));
        return (uint64_t)e;
    }
    case 'k': { /* struct kernel_sigaction: default, ignored, or the same as before */
        uint64_t *k = room(z, 32);
        k[0] = chance(z, 97);
        k[1] = few_bits(z) & ~4ull;
        k[2] = 0;
        k[3] = few_bits(z);
        return chance(z, 70) ? 0 : (uint64_t)k;
    }
    case 'z': /* clock */
        return chance(z, 90) ? below(z, 13) : wild(z);
    case 'E': { /* struct sigevent */
        int *e = room(z, 64);
        e[2] = 34 + (int)below(z, 30);
        e[3] = chance(z, 90) ? (int)below(z, 5) : (int)wild(z);
        e[4] = gettid();
        return chance(z, 20) ? 0 : (uint64_t)e;
    }
    case 'U': /* futex operation */
        return below(z, 14) | (chance(z, 50) ? 128 : 0) | (chance(z, 10) ? 256 : 0);
    case 'L':
        return chance(z, 80) ? SOL_SOCKET : below(z, 300);
    case 'G': { /* clone flags without shared memory, namespaces seldom */
        uint64_t v = few_bits(z) &
                     ~(uint64_t)(CLONE_VM | CLONE_SETTLS | CLONE_SIGHAND | CLONE_THREAD);
        return (chance(z, 80) ? v & ~0x7e020000ull : v) | SIGCHLD;
    }
    case 'V':
        return strings(z);
    case 'c':
        return clone_args(z);
    case '*': /* size of the structure before */
        return chance(z, 70) ? 88 : chance(z, 50) ? 24 : length(z);
    default: /* 'h' */
        return chance(z, 50) ? below(z, 4096) : wild(z);
    }
}

#endif
