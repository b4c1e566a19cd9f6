/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A toy kernel for the tests of a platform backend: one memory file, tasks with a handler function,
 * guest code taken from labels in the test's own assembly.
 */
#ifndef TESTS_UNIT_PLATFORM_CONTRACT_TOY_H
#define TESTS_UNIT_PLATFORM_CONTRACT_TOY_H

#include "abi/linux/memfd.h"
#include "abi/linux/mman.h"
#include "abi/linux/signal.h"
#include "abi/linux/unistd.h"
#include "cvisor/host.h"
#include "cvisor/lock.h"
#include "cvisor/platform.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * The backend to test is chosen by what is defined before this is included: TOY_PLATFORM (its name)
 * and TOY_RUNGS (of systrap; 0 = all). The tests of the contract, events.h and spaces.h, also need
 * TOY_SUITE, TOY_TEMPLATE_PID, TOY_TELLS_ACCESS (the kind of access of each fault is known),
 * TOY_STORE_STUBS and TOY_STORE_FDS (what an idle backend keeps).
 */
#ifndef TOY_RUNGS
#define TOY_RUNGS 0
#endif

#define TOY_TEST_(suite, name) Test(suite, name)
#define TOY_TEST(name) TOY_TEST_(TOY_SUITE, name)
#define TOY_SUITE_OPTIONS_(suite, ...) TestSuite(suite, __VA_ARGS__)
#define TOY_SUITE_OPTIONS(...) TOY_SUITE_OPTIONS_(TOY_SUITE, __VA_ARGS__)

#define TOY_FILE_SIZE (16ul << 20)
#define TOY_CODE 0x400000ul   /* guest: read and execute, file offset 0 */
#define TOY_DATA 0x10000000ul /* guest: read and write, file offset TOY_DATA_OFF */
#define TOY_CODE_SIZE 0x10000ul
#define TOY_DATA_SIZE 0x100000ul
#define TOY_DATA_OFF 0x100000ul

struct toy_task {
    /* Everything but START (which goes to `entry`) and, when NULL, EXIT for all. */
    struct platform_action (*fn)(struct toy_task *t, const struct platform_event *ev);
    u64 entry, arg; /* rip and rdi at START */
    struct platform_thread *pt;
    void *data;
    atomic_uint done; /* futex: has returned EXIT */
    atomic_ulong events, interrupted, faults;
    _Atomic u64 last[8]; /* for the handler */
};

static int toy_fd;
static char *toy_mem;
static atomic_int toy_stub_deaths;

#define RESUME(v) ((struct platform_action){.type = PLATFORM_RESUME, .retval = (s64)(v)})
#define CONTEXT() ((struct platform_action){.type = PLATFORM_RESUME_CONTEXT})
#define EXIT() ((struct platform_action){.type = PLATFORM_EXIT})

static inline struct platform_action toy_exit(struct toy_task *t)
{
    atomic_store(&t->done, 1);
    host_futex_wake(&t->done, 1);
    return EXIT();
}

static struct platform_action toy_event(void *arg, const struct platform_event *ev)
{
    struct toy_task *t = arg;

    lockdep_assert_none_held("event");
    if (ev->type == PLATFORM_START) {
        struct arch_regs regs;
        platform_regs_get(t->pt, &regs);
        regs.rip = t->entry;
        regs.rdi = t->arg;
        regs.rsp = TOY_DATA + TOY_DATA_SIZE;
        platform_regs_set(t->pt, &regs);
        return CONTEXT();
    }
    atomic_fetch_add(&t->events, 1);
    if (ev->type == PLATFORM_INTERRUPTED)
        atomic_fetch_add(&t->interrupted, 1);
    if (ev->type == PLATFORM_FAULT)
        atomic_fetch_add(&t->faults, 1);
    if (!t->fn)
        return toy_exit(t);
    return t->fn(t, ev);
}

static void toy_stub_died(int pid)
{
    atomic_fetch_add(&toy_stub_deaths, 1);
}

static const struct platform_kernel_ops toy_kops = {.event = toy_event, .stub_died = toy_stub_died};

/* Guest code between two labels goes to TOY_CODE. */
static inline void toy_init(const char *begin, const char *end)
{
    struct platform_config cfg = {.name = TOY_PLATFORM, .template_pidfd = -1, .rungs = TOY_RUNGS};
    char why[256];

    host_safecopy_init();
    if (platform_select(&cfg, &toy_kops, why, sizeof(why)) < 0) {
        fprintf(stderr, "no platform: %s\n", why);
        abort();
    }
    toy_fd = host_memfd_create("toy", LINUX_MFD_CLOEXEC);
    host_ftruncate(toy_fd, TOY_FILE_SIZE);
    toy_mem = host_mmap(NULL, TOY_FILE_SIZE, LINUX_PROT_READ | LINUX_PROT_WRITE, LINUX_MAP_SHARED,
                        toy_fd, 0);
    memcpy(toy_mem, begin, (size_t)(end - begin));
}

static inline struct platform_mapop toy_map(u64 addr, u64 len, u64 off, u32 prot)
{
    return (struct platform_mapop){
        .type = PLATFORM_MAP, .addr = addr, .len = len, .prot = prot, .fd = toy_fd, .offset = off};
}

/* An address space with code and data. */
static inline struct platform_as *toy_as(void)
{
    struct platform_as *as;
    struct platform_mapop ops[] = {
        toy_map(TOY_CODE, TOY_CODE_SIZE, 0, PLATFORM_READ | PLATFORM_EXEC),
        toy_map(TOY_DATA, TOY_DATA_SIZE, TOY_DATA_OFF, PLATFORM_READ | PLATFORM_WRITE),
    };

    /* Again when the test has killed it already, or while it was made. */
    for (int i = 0; i < 10; i++) {
        if (platform_as_create(&as) < 0)
            continue;
        if (platform_as_apply(as, ops, 2) == 0)
            return as;
        platform_as_put(as);
    }
    fprintf(stderr, "no address space\n");
    abort();
}

static inline void toy_start(struct platform_as *as, struct toy_task *t)
{
    atomic_store(&t->done, 0);
    int err = platform_thread_create(as, t, &t->pt);
    if (err < 0) {
        fprintf(stderr, "thread_create: %d\n", err);
        abort();
    }
}

static inline void toy_join(struct toy_task *t)
{
    while (atomic_load(&t->done) == 0)
        host_futex_wait(&t->done, 0, 0);
}

static inline void toy_sleep_ms(u64 ms)
{
    atomic_uint never = 0;
    host_futex_wait(&never, 0, host_now_mono() + ms * NSEC_PER_MSEC);
}

static inline void toy_busy_wait(u64 ns)
{
    u64 end = host_now_mono() + ns;

    while (host_now_mono() < end)
        ;
}

/*
 * For a guest that makes a call when the word at TOY_DATA is set, clears it, and computes: two
 * interrupts at about that time. It must be told of the second one, too: the longest time until then.
 */
#define TOY_LOST_NS 4000000000ull
static inline u64 toy_kick_at_calls(struct toy_task *t, u32 rounds)
{
    u64 end = host_now_mono() + 3 * NSEC_PER_SEC, longest = 0, random = 1;

    for (u32 i = 0; i < rounds && host_now_mono() < end && longest < TOY_LOST_NS; i++) {
        u64 span = 2000u << i % 5; /* to 32 us */
        random = random * 6364136223846793005u + 1442695040888963407u;
        __atomic_store_n((u32 *)(toy_mem + TOY_DATA_OFF), 1, __ATOMIC_SEQ_CST);
        toy_busy_wait((random >> 20) % span);
        platform_thread_interrupt(t->pt);
        toy_busy_wait((random >> 40) % span);
        u64 before = atomic_load(&t->interrupted), waited = 0, last = host_now_mono();
        platform_thread_interrupt(t->pt);
        do {
            host_sched_yield();
            u64 now = host_now_mono();
            waited += MIN(now - last, (u64)50000000); /* not if we did not run either */
            last = now;
        } while (atomic_load(&t->interrupted) == before && waited < TOY_LOST_NS);
        longest = MAX(longest, waited);
    }
    return longest;
}

/* CPUs that a thread may run on. */
static inline int toy_cpus(int tid)
{
    u64 mask[128] = {0};
    int n = 0, r = host_sched_getaffinity(tid, sizeof(mask), mask);

    for (int i = 0; i < r / 8; i++)
        n += __builtin_popcountll(mask[i]);
    return n;
}

static inline int toy_count(const char *dir)
{
    DIR *d = opendir(dir);
    int n = 0;

    while (d && readdir(d))
        n++;
    if (d)
        closedir(d);
    return n;
}

/* Processes whose parent we are: their number; the first max of them in pids. */
static inline int toy_children(int *pids, int max)
{
    DIR *d = opendir("/proc");
    struct dirent *e;
    int n = 0;

    while (d && (e = readdir(d))) {
        char path[300], line[512];
        int pid = atoi(e->d_name), ppid = 0;
        if (pid <= 0)
            continue;
        snprintf(path, sizeof(path), "/proc/%d/stat", pid);
        FILE *f = fopen(path, "r");
        if (!f)
            continue;
        if (fgets(line, sizeof(line), f) && strrchr(line, ')'))
            sscanf(strrchr(line, ')') + 1, " %*c %d", &ppid);
        fclose(f);
        if (ppid != host_getpid())
            continue;
        if (n < max)
            pids[n] = pid;
        n++;
    }
    if (d)
        closedir(d);
    return n;
}

#endif
