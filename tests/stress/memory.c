/* SPDX-License-Identifier: Apache-2.0 */
/* Memory: more than there is, and mappings that change under the calls that use them. */
#include "stress.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define MB (1ul << 20)

static void *map(size_t n, int extra)
{
    return mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | extra, -1, 0);
}

/* The address space until its end, without touching it. */
CASE(reserve_all)
{
    size_t total = 0;

    for (size_t n = 1ul << 46; n >= MB; n >>= 1)
        while (mmap(NULL, n, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) !=
               MAP_FAILED)
            total += n;
    CHECK(errno == ENOMEM && total > 1ul << 40);
    CHECK(fork() >= 0);
}

/* Writable, never touched: must cost nothing, or be refused. */
CASE(map_huge_untouched)
{
    size_t total = 0;
    void *p;

    for (size_t n = 1ul << 45; n >= MB; n >>= 1)
        while (total < 1ul << 46 && (p = map(n, MAP_NORESERVE)) != MAP_FAILED) {
            *(volatile char *)p = 1;
            total += n;
        }
    printf("    %zu GiB\n", total >> 30);
}

CASE(many_mappings)
{
    int n = 0, want = pick(200000, 20000), i;
    char *base = mmap(NULL, 8192ul * (size_t)want, PROT_NONE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    CHECK(base != MAP_FAILED);
    for (i = 0; i < want; i++) { /* every second page, so that none merge */
        if (mprotect(base + 8192ul * (size_t)i, 4096, PROT_READ | PROT_WRITE) < 0)
            break;
        n++;
    }
    CHECK(n == want || errno == ENOMEM);
    for (i = 0; i < n; i += 50)
        base[8192ul * (size_t)i] = 1;
    printf("    %d mappings\n", n);
    int pid = fork(), status;
    CHECK(pid >= 0 || errno == ENOMEM || errno == EAGAIN);
    if (pid == 0)
        _exit(base[0] != 1);
    if (pid > 0)
        CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    CHECK(munmap(base, 8192ul * (size_t)want) == 0);
}

static char *g_shared_mem;
static volatile int g_stop;

static void *thread_unmaps(void *arg)
{
    unsigned r = (unsigned)(uintptr_t)arg;

    while (!g_stop) {
        r = r * 1103515245 + 12345;
        char *p = g_shared_mem + (r >> 8 & 15) * 4096;
        switch (r >> 16 & 7) {
        case 0:
            munmap(p, 4096);
            break;
        case 1:
        case 2:
            mmap(p, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
            break;
        case 3:
            mprotect(p, 4096, PROT_NONE);
            break;
        case 4:
            mprotect(p, 65536, PROT_READ | PROT_WRITE);
            break;
        case 5:
            madvise(p, 4096, MADV_DONTNEED);
            break;
        case 6:
            mremap(p, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED,
                   g_shared_mem + (r >> 20 & 15) * 4096);
            break;
        case 7:
            mprotect(p, 4096, PROT_READ);
            break;
        }
    }
    return NULL;
}

static int g_ends[4];

static void *thread_calls(void *arg)
{
    unsigned r = (unsigned)(uintptr_t)arg;
    int zero = open("/dev/zero", O_RDONLY), null = open("/dev/null", O_WRONLY), file, maps;

    file = open("race", O_RDWR | O_CREAT, 0600);
    maps = open("/proc/self/maps", O_RDONLY);
    while (!g_stop) {
        r = r * 1103515245 + 12345;
        char *p = g_shared_mem + (r >> 8 & 0xffff);
        struct iovec v[3] = {
            {p, 3000}, {g_shared_mem + (r >> 12 & 0xffff), 9000}, {p + 4096, 50000}};
        struct msghdr m = {.msg_name = p,
                           .msg_namelen = 100,
                           .msg_iov = v,
                           .msg_iovlen = 3,
                           .msg_control = p + 5000,
                           .msg_controllen = 200};
        switch (r >> 16 & 15) {
        case 0:
            read(zero, p, 20000);
            break;
        case 1:
            writev(null, v, 3);
            break;
        case 2:
            pwritev(file, v, 3, r & 0xfff);
            break;
        case 3:
            preadv(file, v, 3, r & 0xfff);
            break;
        case 4:
            writev(g_ends[1], v, 3);
            break;
        case 5:
            readv(g_ends[0], v, 3);
            break;
        case 6:
            stat(p, (void *)(p + 100));
            break;
        case 7:
            sendmsg(g_ends[2], &m, MSG_DONTWAIT);
            break;
        case 8:
            recvmsg(g_ends[3], &m, MSG_DONTWAIT);
            break;
        case 9:
            poll((void *)p, 500, 0);
            break;
        case 10:
            syscall(SYS_futex, (uintptr_t)p & ~3ul, 1, 10, NULL, NULL, 0);
            break;
        case 11:
            syscall(SYS_futex, (uintptr_t)p & ~3ul, 0, 0, &(struct timespec){0, 50000}, NULL, 0);
            break;
        case 12:
            pread(maps, p, 30000, 0);
            break;
        case 13:
            process_vm_readv(getpid(), v, 3, v + 1, 2, 0);
            break;
        case 14:
            ftruncate(file, r & 0xffff);
            break;
        case 15:
            syscall(SYS_getrandom, p, 40000, 0);
            break;
        }
    }
    return NULL;
}

static void uaccess_child(int i)
{
    pthread_t t[6];

    (void)i;
    g_shared_mem = map(64 * 4096, 0);
    CHECK(g_shared_mem != MAP_FAILED && pipe2(g_ends, O_NONBLOCK) == 0);
    CHECK(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, g_ends + 2) == 0);
    for (uintptr_t k = 0; k < 6; k++)
        pthread_create(&t[k], NULL, k < 2 ? thread_unmaps : thread_calls, (void *)(k * 777 + 1));
    nap(pick(8000, 2000));
    g_stop = 1;
    for (int k = 0; k < 6; k++)
        pthread_join(t[k], NULL);
}

/* Buffers that are unmapped, moved and protected in the middle of calls that use them. */
CASE(uaccess_against_munmap)
{
    CHECK(in_children(2, uaccess_child) == 0);
}

static int g_file;
static void on_bus(int sig)
{
    (void)sig;
    _exit(0);
}

static void *thread_truncates(void *arg)
{
    (void)arg;
    for (int i = 0; !g_stop; i++)
        if (ftruncate(g_file, i & 1 ? 0 : 65536) < 0)
            break;
    return NULL;
}

static void truncate_child(int i)
{
    pthread_t t;
    int null = open("/dev/null", O_WRONLY), zero = open("/dev/zero", O_RDONLY);
    int64_t end = now_ms() + pick(4000, 1000);

    signal(SIGBUS, on_bus), signal(SIGSEGV, on_bus);
    g_file = i & 1 ? (int)syscall(SYS_memfd_create, "t", 0) : open("trunc", O_RDWR | O_CREAT, 0600);
    CHECK(g_file >= 0 && ftruncate(g_file, 65536) == 0);
    char *p = mmap(NULL, 65536, PROT_READ | PROT_WRITE, i & 2 ? MAP_PRIVATE : MAP_SHARED, g_file,
                   0);
    CHECK(p != MAP_FAILED);
    pthread_create(&t, NULL, thread_truncates, NULL);
    while (now_ms() < end) {
        write(null, p, 65536);
        read(zero, p, 65536);
        pwrite(g_file, p, 65536, 100);
        pread(g_file, p + 4096, 60000, 0);
        syscall(SYS_futex, p + 8192, 1, 1, NULL, NULL, 0);
        msync(p, 65536, MS_SYNC);
        if (i >= 4)
            p[now_ms() & 65535] = 1; /* SIGBUS is the likely end */
    }
    g_stop = 1;
    pthread_join(t, NULL);
}

/* A file that shrinks while calls use its mapping as their buffer. */
CASE(truncate_against_mmap)
{
    in_children(8, truncate_child);
}

static void fork_cow_child(int i)
{
    char *p = map(8 * MB, 0);
    int64_t end = now_ms() + pick(5000, 1200);

    CHECK(p != MAP_FAILED);
    memset(p, 1, 8 * MB);
    while (now_ms() < end) {
        int pid = fork(), status;
        if (pid == 0) {
            for (size_t k = 0; k < 8 * MB; k += 65536 * 3)
                p[k]++;
            _exit(p[(size_t)i * 4096] != 1 + (((size_t)i * 4096) % (65536 * 3) == 0));
        }
        CHECK(pid > 0);
        for (size_t k = 4096; k < 8 * MB; k += 65536 * 5)
            p[k] = 1;
        CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    }
}

CASE(fork_copy_on_write)
{
    CHECK(in_children(4, fork_cow_child) == 0);
}

static void *thread_waits(void *arg)
{
    syscall(SYS_futex, arg, 128, 0, NULL, NULL, 0);
    return NULL;
}

/* Many waiters on one word, woken, requeued, and killed as they wait. */
CASE(futex_many_waiters)
{
    static int word, other;
    int n = pick(1500, 300), woken = 0;
    pthread_attr_t a;
    pthread_t t[1500];

    pthread_attr_init(&a);
    pthread_attr_setstacksize(&a, 16384);
    for (int i = 0; i < n; i++)
        CHECK(pthread_create(&t[i], &a, thread_waits, &word) == 0);
    nap(100);
    syscall(SYS_futex, &word, 128 | 3 /* requeue */, 10, (void *)(long)(n / 2), &other, 0);
    int64_t end = now_ms() + 10000;
    while (woken < n / 3 && now_ms() < end)
        woken += (int)syscall(SYS_futex, &word, 128 | 1, 7, NULL, NULL, 0) +
                 (int)syscall(SYS_futex, &other, 128 | 1, 7, NULL, NULL, 0);
    CHECK(woken >= n / 3);
}

/* Only under a limit (run.sh gives one): --memory of 256 MiB, and no way around it. */
static bool limited(void)
{
    char buf[4096];
    int fd = open("/proc/meminfo", O_RDONLY);
    ssize_t n = read(fd, buf, sizeof(buf) - 1);
    unsigned long kb = 0;

    close(fd);
    buf[n > 0 ? n : 0] = 0;
    return sscanf(buf, "MemTotal: %lu", &kb) == 1 && kb <= 1024 * 1024;
}

static void touch_all(int i)
{
    (void)i;
    for (;;) {
        char *p = map(4 * MB, 0);
        if (p == MAP_FAILED)
            _exit(0);
        memset(p, 1, 4 * MB);
    }
}

CASE(oom_touch)
{
    if (!limited())
        skip("no memory limit");
    int killed = in_children(1, touch_all);
    printf("    %s\n", killed ? "killed" : "ENOMEM");
}

CASE(oom_touch_by_many)
{
    if (!limited())
        skip("no memory limit");
    in_children(6, touch_all);
}

CASE(oom_one_big)
{
    if (!limited())
        skip("no memory limit");
    char *p = map(4096 * MB, MAP_NORESERVE);
    if (p == MAP_FAILED)
        return;
    int pid = fork(), status;
    if (pid == 0) {
        for (size_t i = 0; i < 4096 * MB; i += 4096)
            p[i] = 1;
        _exit(0);
    }
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK(WIFSIGNALED(status));
}

/* As the target of a call instead of a store. */
CASE(oom_by_read)
{
    if (!limited())
        skip("no memory limit");
    int zero = open("/dev/zero", O_RDONLY);
    char *p = map(4096 * MB, MAP_NORESERVE);
    if (p == MAP_FAILED)
        return;
    int pid = fork(), status;
    if (pid == 0) {
        for (size_t i = 0; i < 4096 * MB; i += 16 * MB)
            if (read(zero, p + i, 16 * MB) != 16 * MB)
                _exit(0);
        _exit(1);
    }
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK(status != 0x100);
}

CASE(oom_tmpfs)
{
    static char buf[MB];
    int fd = open("/dev/shm/big", O_CREAT | O_RDWR, 0600), n = 0;
    ssize_t r = 0;

    if (!limited())
        skip("no memory limit");
    if (fd < 0)
        fd = open("big", O_CREAT | O_RDWR, 0600);
    CHECK(fd >= 0);
    for (n = 0; n < 8192 && r >= 0; n++)
        r = write(fd, buf, sizeof(buf));
    int err = errno;
    unlink("/dev/shm/big"), unlink("big");
    close(fd);
    errno = err;
    CHECK(r < 0 && (errno == ENOSPC || errno == ENOMEM));
}

CASE(oom_fork_copy)
{
    if (!limited())
        skip("no memory limit");
    char *p = map(100 * MB, 0);
    CHECK(p != MAP_FAILED);
    memset(p, 1, 100 * MB);
    for (int i = 0; i < 8; i++) {
        if (fork() == 0) {
            for (size_t k = 0; k < 100 * MB; k += 4096)
                p[k] = 2;
            nap(200);
            _exit(0);
        }
    }
    while (wait(NULL) > 0)
        ;
    CHECK(p[5 * MB] == 1);
}

CASE(oom_mlock_populate)
{
    if (!limited())
        skip("no memory limit");
    for (int i = 0; i < 10; i++) {
        void *p = map(200 * MB, MAP_POPULATE);
        if (p == MAP_FAILED)
            return;
        mlock(p, 200 * MB);
    }
}
