/* SPDX-License-Identifier: Apache-2.0 */
/* Anonymous memory: mmap, mprotect, mremap, munmap, brk, madvise, locking, fork isolation. */
#include "harness.h"

#define PG 4096UL
#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define MERR(call, err) EXPECT_ERRNO((long)(call), err)

static char *map(size_t pages)
{
    char *p = mmap(NULL, pages * PG, RW, ANON, -1, 0);
    ASSERT(p != MAP_FAILED);
    return p;
}

/* Whether an access faults, tried in a child process. */
static bool faults(volatile char *p, bool write)
{
    pid_t pid = t_fork();
    if (pid == 0) {
        signal(SIGSEGV, SIG_DFL);
        if (write)
            *p = 1;
        else
            (void)*p;
        _exit(0);
    }
    int st = t_wait(pid);
    return st == T_SIGNALED + SIGSEGV || st == T_SIGNALED + SIGBUS;
}

/* The permissions of the mapping that contains p, from /proc/self/maps; its bounds if asked. */
static bool find_map(const void *p, char perms[5], uintptr_t *start, uintptr_t *end)
{
    char line[512];
    FILE *f = fopen("/proc/self/maps", "r");
    bool found = false;
    ASSERT(f != NULL);
    while (!found && fgets(line, sizeof(line), f)) {
        unsigned long s, e;
        if (sscanf(line, "%lx-%lx %4s", &s, &e, perms) == 3 && s <= (uintptr_t)p &&
            (uintptr_t)p < e) {
            *start = s;
            *end = e;
            found = true;
        }
    }
    fclose(f);
    return found;
}

TEST(mmap_anonymous_is_zeroed)
{
    char *p = map(4);
    for (size_t i = 0; i < 4 * PG; i += 512)
        EXPECT_EQ(p[i], 0);
    memset(p, 7, 4 * PG);
    EXPECT_OK(munmap(p, 4 * PG));
    EXPECT(faults(p, false));
}

TEST(mmap_argument_errors)
{
    int fd = open("/dev/null", O_RDONLY);
    MERR(mmap(NULL, 0, RW, ANON, -1, 0), EINVAL);
    MERR(mmap(NULL, PG, RW, MAP_ANONYMOUS, -1, 0), EINVAL);
    MERR(mmap(NULL, PG, RW, MAP_PRIVATE, -1, 0), EBADF);
    MERR(mmap((void *)1, PG, RW, ANON | MAP_FIXED, -1, 0), EINVAL);
    MERR(syscall(SYS_mmap, NULL, PG, PROT_READ, MAP_PRIVATE, fd, 100), EINVAL);
    MERR(mmap(NULL, ~0UL - PG, RW, ANON, -1, 0), ENOMEM);
    MERR(mmap((void *)0x7ffffffff000, PG * 2, RW, ANON | MAP_FIXED, -1, 0), ENOMEM);
}

TEST(mmap_hint_is_used_when_free)
{
    char *p = map(4), *q;
    munmap(p, 4 * PG);
    q = mmap(p, PG, RW, ANON, -1, 0);
    EXPECT(q == p);
    /* A taken hint gives some other address. */
    q = mmap(p, PG, RW, ANON, -1, 0);
    EXPECT(q != MAP_FAILED && q != p);
}

TEST(mmap_fixed_replaces)
{
    char *p = map(3);
    memset(p, 1, 3 * PG);
    EXPECT(mmap(p + PG, PG, RW, ANON | MAP_FIXED, -1, 0) == p + PG);
    EXPECT_EQ(p[0], 1);
    EXPECT_EQ(p[PG], 0);
    EXPECT_EQ(p[2 * PG], 1);
}

TEST(mmap_fixed_noreplace)
{
    char *p = map(3);
    EXPECT_OK(munmap(p + 2 * PG, PG));
    MERR(mmap(p, PG, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0), EEXIST);
    MERR(mmap(p + PG, 2 * PG, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0), EEXIST);
    EXPECT(mmap(p + 2 * PG, PG, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0) == p + 2 * PG);
}

TEST(mmap_length_is_rounded_up)
{
    char *p = mmap(NULL, PG + 1, RW, ANON, -1, 0);
    p[2 * PG - 1] = 1;
    EXPECT_OK(munmap(p, PG + 1));
    EXPECT(faults(p + PG, false));
}

TEST(mmap_32bit)
{
    char *p = mmap(NULL, PG, RW, ANON | MAP_32BIT, -1, 0);
    ASSERT(p != MAP_FAILED);
    EXPECT((uintptr_t)p < (1UL << 31));
    *p = 1;
}

TEST(mmap_giant_reservation)
{
    size_t size = 64UL << 30;
    char *p = mmap(NULL, size, PROT_NONE, ANON | MAP_NORESERVE, -1, 0);
    ASSERT(p != MAP_FAILED);
    EXPECT_OK(mprotect(p + (32UL << 30), PG, RW));
    p[32UL << 30] = 9;
    EXPECT(faults(p, false));
    EXPECT_EQ(p[32UL << 30], 9);
    EXPECT_OK(munmap(p, size));
}

TEST(mmap_populate_and_sparse_use)
{
    char *p = mmap(NULL, 64UL << 20, RW, ANON, -1, 0);
    for (size_t i = 0; i < 64; i++)
        p[i << 20] = (char)i;
    for (size_t i = 0; i < 64; i++)
        EXPECT_EQ(p[i << 20], (char)i);
    p = mmap(NULL, 8 * PG, RW, ANON | MAP_POPULATE, -1, 0);
    ASSERT(p != MAP_FAILED);
    EXPECT_EQ(p[7 * PG], 0);
}

TEST(mprotect_changes_access)
{
    char *p = map(1);
    *p = 3;
    EXPECT_OK(mprotect(p, PG, PROT_READ));
    EXPECT(!faults(p, false));
    EXPECT(faults(p, true));
    EXPECT_OK(mprotect(p, PG, PROT_NONE));
    EXPECT(faults(p, false));
    EXPECT_OK(mprotect(p, PG, RW));
    EXPECT(!faults(p, true));
    EXPECT_EQ(*p, 3);
}

TEST(mprotect_execute)
{
    char *p = map(1);
    memcpy(p, "\xb8\x2a\x00\x00\x00\xc3", 6); /* mov $42, %eax; ret */
    EXPECT_OK(mprotect(p, PG, PROT_READ | PROT_EXEC));
    EXPECT_EQ(((int (*)(void))(uintptr_t)p)(), 42);
    EXPECT_OK(mprotect(p, PG, RW | PROT_EXEC));
    p[1] = 43; /* self-modified code is seen */
    EXPECT_EQ(((int (*)(void))(uintptr_t)p)(), 43);
}

TEST(mprotect_splits_and_merges)
{
    char *p = mmap(NULL, 5 * PG, RW, ANON, -1, 0), perms[5];
    uintptr_t s, e;
    /* Neighbours with other permissions keep the mapping from merging with its surroundings. */
    mprotect(p, PG, PROT_NONE);
    mprotect(p + 4 * PG, PG, PROT_NONE);
    EXPECT_OK(mprotect(p + 2 * PG, PG, PROT_READ));
    ASSERT(find_map(p + 2 * PG, perms, &s, &e));
    EXPECT_STR(perms, "r--p");
    EXPECT_EQ(s, (uintptr_t)p + 2 * PG);
    EXPECT_EQ(e, (uintptr_t)p + 3 * PG);
    EXPECT_OK(mprotect(p + 2 * PG, PG, RW));
    ASSERT(find_map(p + 2 * PG, perms, &s, &e));
    EXPECT_STR(perms, "rw-p");
    EXPECT_EQ(s, (uintptr_t)p + PG);
    EXPECT_EQ(e, (uintptr_t)p + 4 * PG);
}

TEST(mprotect_errors)
{
    char *p = map(3);
    EXPECT_ERRNO(mprotect(p + 1, PG, PROT_READ), EINVAL);
    EXPECT_OK(munmap(p + PG, PG));
    EXPECT_ERRNO(mprotect(p, 3 * PG, PROT_READ), ENOMEM);
    /* The part before the hole was changed. */
    EXPECT(faults(p, true));
    EXPECT(!faults(p + 2 * PG, true));
    EXPECT_OK(mprotect(p, 0, PROT_READ));
    EXPECT_ERRNO(mprotect(p, PG, 0x4000000), EINVAL);
}

TEST(munmap_hole_and_errors)
{
    char *p = map(5);
    p[0] = 1;
    p[4 * PG] = 5;
    EXPECT_OK(munmap(p + PG, 3 * PG));
    EXPECT_EQ(p[0], 1);
    EXPECT_EQ(p[4 * PG], 5);
    EXPECT(faults(p + PG, false));
    EXPECT(faults(p + 3 * PG, false));
    /* Holes are fine, and so is nothing at all. */
    EXPECT_OK(munmap(p, 5 * PG));
    EXPECT_OK(munmap(p, 5 * PG));
    EXPECT_ERRNO(munmap(p + 1, PG), EINVAL);
    EXPECT_ERRNO(munmap(p, 0), EINVAL);
    EXPECT_ERRNO(munmap((void *)~0xfffUL, PG * 4), EINVAL);
}

TEST(mremap_grows_in_place_or_fails)
{
    char *p = map(4), *q;
    p[0] = 8;
    munmap(p + PG, 3 * PG);
    q = mremap(p, PG, 2 * PG, 0);
    EXPECT(q == p);
    /* Block the way. */
    ASSERT(mmap(p + 2 * PG, PG, PROT_READ, ANON | MAP_FIXED, -1, 0) == p + 2 * PG);
    MERR(mremap(p, 2 * PG, 4 * PG, 0), ENOMEM);
    q = mremap(p, 2 * PG, 4 * PG, MREMAP_MAYMOVE);
    ASSERT(q != MAP_FAILED && q != p);
    EXPECT_EQ(q[0], 8);
    EXPECT_EQ(q[3 * PG], 0);
    q[4 * PG - 1] = 1;
    EXPECT(faults(p, false));
}

TEST(mremap_shrinks)
{
    char *p = map(4);
    p[PG] = 2;
    EXPECT(mremap(p, 4 * PG, 2 * PG, 0) == p);
    EXPECT_EQ(p[PG], 2);
    EXPECT(faults(p + 2 * PG, false));
}

TEST(mremap_fixed)
{
    char *p = map(2), *t = map(4);
    memset(p, 6, 2 * PG);
    memset(t, 1, 4 * PG);
    EXPECT(mremap(p, 2 * PG, 2 * PG, MREMAP_MAYMOVE | MREMAP_FIXED, t + PG) == t + PG);
    EXPECT_EQ(t[0], 1);
    EXPECT_EQ(t[PG], 6);
    EXPECT_EQ(t[3 * PG - 1], 6);
    EXPECT_EQ(t[3 * PG], 1);
    EXPECT(faults(p, false));
    MERR(mremap(t, 2 * PG, 2 * PG, MREMAP_FIXED, p), EINVAL);
    MERR(mremap(t, 2 * PG, 2 * PG, MREMAP_MAYMOVE | MREMAP_FIXED, t + PG), EINVAL);
    MERR(mremap(t, 2 * PG, 2 * PG, MREMAP_MAYMOVE | MREMAP_FIXED, p + 1), EINVAL);
}

TEST(mremap_errors)
{
    char *p = map(2);
    MERR(mremap(p + 1, PG, 2 * PG, MREMAP_MAYMOVE), EINVAL);
    MERR(mremap(p, PG, 0, MREMAP_MAYMOVE), EINVAL);
    MERR(mremap(p, PG, PG, 0x100), EINVAL);
    munmap(p, 2 * PG);
    MERR(mremap(p, PG, 2 * PG, MREMAP_MAYMOVE), EFAULT);
}

TEST(mremap_zero_old_size_duplicates_shared)
{
    char *p = mmap(NULL, PG, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0), *q;
    *p = 4;
    q = mremap(p, 0, PG, MREMAP_MAYMOVE);
    ASSERT(q != MAP_FAILED && q != p);
    EXPECT_EQ(*(volatile char *)q, 4);
    *(volatile char *)q = 5;
    EXPECT_EQ(*(volatile char *)p, 5);
}

TEST(brk_grows_and_shrinks)
{
    char *start = (char *)syscall(SYS_brk, 0), *p;
    p = (char *)syscall(SYS_brk, start + 10 * PG);
    EXPECT(p == start + 10 * PG);
    start[10 * PG - 1] = 1;
    p = (char *)syscall(SYS_brk, start);
    EXPECT(p == start);
    /* An impossible request leaves it where it was. */
    EXPECT((char *)syscall(SYS_brk, 8) == start);
    p = (char *)syscall(SYS_brk, start + 10 * PG);
    EXPECT(p == start + 10 * PG);
    EXPECT_EQ(start[10 * PG - 1], 0);
}

TEST(madvise_dontneed_zeroes_private)
{
    char *p = map(3);
    memset(p, 1, 3 * PG);
    EXPECT_OK(madvise(p + PG, PG, MADV_DONTNEED));
    EXPECT_EQ(p[0], 1);
    EXPECT_EQ(((volatile char *)p)[PG], 0);
    EXPECT_EQ(p[2 * PG], 1);
}

TEST(madvise_dontneed_keeps_shared)
{
    char *p = mmap(NULL, PG, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    *p = 9;
    EXPECT_OK(madvise(p, PG, MADV_DONTNEED));
    EXPECT_EQ(*(volatile char *)p, 9);
}

TEST(madvise_other_advice_and_errors)
{
    char *p = map(2);
    *p = 1;
    EXPECT_OK(madvise(p, PG, MADV_NORMAL));
    EXPECT_OK(madvise(p, PG, MADV_WILLNEED));
    EXPECT_OK(madvise(p, PG, MADV_SEQUENTIAL));
    EXPECT_OK(madvise(p, PG, MADV_FREE));
    EXPECT(*(volatile char *)p == 1 || *(volatile char *)p == 0);
    EXPECT_OK(madvise(p, 0, MADV_DONTNEED));
    EXPECT_ERRNO(madvise(p + 1, PG, MADV_DONTNEED), EINVAL);
    EXPECT_ERRNO(madvise(p, PG, 9999), EINVAL);
    munmap(p, 2 * PG);
    EXPECT_ERRNO(madvise(p, PG, MADV_DONTNEED), ENOMEM);
}

TEST(madvise_dontfork)
{
    char *p = map(1);
    *p = 1;
    EXPECT_OK(madvise(p, PG, MADV_DONTFORK));
    EXPECT(faults(p, false));
    EXPECT_OK(madvise(p, PG, MADV_DOFORK));
    EXPECT(!faults(p, false));
}

TEST(shared_anonymous_across_fork)
{
    volatile int *p = mmap(NULL, PG, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t pid = t_fork();
    if (pid == 0) {
        p[5] = 77;
        _exit(0);
    }
    EXPECT_EXIT(pid, 0);
    EXPECT_EQ(p[5], 77);
}

TEST(private_memory_is_isolated_both_ways)
{
    volatile char *p = map(8);
    struct t_gate go, done;
    t_gate_init(&go);
    t_gate_init(&done);
    for (int i = 0; i < 8; i++)
        p[(size_t)i * PG] = (char)i;
    pid_t pid = t_fork();
    if (pid == 0) {
        p[0] = 50;
        t_gate_post(&done);
        t_gate_wait(&go);
        for (int i = 1; i < 8; i++)
            EXPECT_EQ(p[(size_t)i * PG], i);
        EXPECT_EQ(p[0], 50);
        CHILD_EXIT();
    }
    t_gate_wait(&done);
    EXPECT_EQ(p[0], 0);
    for (int i = 0; i < 8; i++)
        p[(size_t)i * PG] = 60;
    t_gate_post(&go);
    EXPECT_EXIT(pid, 0);
    EXPECT_EQ(p[0], 60);
}

TEST(copy_on_write_through_three_generations)
{
    volatile char *p = map(1);
    p[0] = 1;
    pid_t pid = t_fork();
    if (pid == 0) {
        pid_t sub = t_fork();
        if (sub == 0) {
            p[0] = 3;
            p[1] = 3;
            _exit(p[0] == 3 ? 0 : 1);
        }
        EXPECT_EXIT(sub, 0);
        EXPECT_EQ(p[0], 1);
        p[0] = 2;
        EXPECT_EQ(p[1], 0);
        CHILD_EXIT();
    }
    EXPECT_EXIT(pid, 0);
    EXPECT_EQ(p[0], 1);
}

TEST(syscall_writes_break_copy_on_write)
{
    char *p = map(1);
    int fds[2];
    p[0] = 'a';
    ASSERT_OK(pipe(fds));
    pid_t pid = t_fork();
    if (pid == 0) {
        ASSERT_EQ(write(fds[1], "Z", 1), 1);
        ASSERT_EQ(read(fds[0], p, 1), 1);
        _exit(p[0] == 'Z' ? 0 : 1);
    }
    EXPECT_EXIT(pid, 0);
    EXPECT_EQ(p[0], 'a');
}

TEST(syscalls_check_page_permissions)
{
    char *p = map(2);
    int fds[2];
    ASSERT_OK(pipe(fds));
    ASSERT_OK(mprotect(p + PG, PG, PROT_NONE));
    ASSERT_EQ(write(fds[1], "0123456789", 10), 10);
    EXPECT_ERRNO(read(fds[0], p + PG, 4), EFAULT);
    ASSERT_OK(mprotect(p, PG, PROT_READ));
    EXPECT_ERRNO(read(fds[0], p, 4), EFAULT);
    EXPECT_EQ(write(fds[1], p, 4), 4);
    EXPECT_ERRNO(write(fds[1], p + PG, 4), EFAULT);
}

TEST(mlock_family)
{
    char *p = map(2);
    EXPECT_OK(mlock(p, PG));
    EXPECT_OK(munlock(p, PG));
    EXPECT_OK(mlock(p + 10, 10));
    EXPECT_OK(munlock(p, 2 * PG));
    munmap(p + PG, PG);
    EXPECT_ERRNO(mlock(p, 2 * PG), ENOMEM);
    EXPECT_ERRNO(mlockall(0), EINVAL);
    EXPECT_OK(munlockall());
}

TEST(mincore_reports_presence)
{
    unsigned char vec[4] = {0};
    char *p = map(4);
    p[PG] = 1;
    EXPECT_OK(mincore(p, 4 * PG, vec));
    EXPECT_EQ(vec[1] & 1, 1);
    EXPECT_ERRNO(mincore(p + 1, PG, vec), EINVAL);
    EXPECT_ERRNO(mincore(p, PG, (unsigned char *)8), EFAULT);
    munmap(p, 4 * PG);
    EXPECT_ERRNO(mincore(p, PG, vec), ENOMEM);
}

static __attribute__((noinline)) long deep(int n)
{
    volatile char buf[8192];
    buf[0] = (char)n;
    return n == 0 ? buf[0] : deep(n - 1) + buf[0];
}

TEST(stack_grows_on_demand)
{
    EXPECT(deep(200) != -1); /* about 1.6 MiB */
}

TEST(grows_down_mapping)
{
    char *area = map(64), *p;
    munmap(area, 64 * PG);
    p = mmap(area + 62 * PG, 2 * PG, RW, ANON | MAP_GROWSDOWN | MAP_FIXED_NOREPLACE, -1, 0);
    ASSERT(p == area + 62 * PG);
    *(volatile char *)(p - 100) = 1;
    *(volatile char *)(p - PG - 100) = 1;
    EXPECT_EQ(*(volatile char *)(p - 100), 1);
}

TEST(proc_maps_shows_mappings)
{
    char perms[5], *p = map(2);
    uintptr_t s, e;
    int local;
    mprotect(p, PG, PROT_READ);
    ASSERT(find_map(p, perms, &s, &e));
    EXPECT_STR(perms, "r--p");
    ASSERT(find_map((void *)(uintptr_t)find_map, perms, &s, &e));
    EXPECT_STR(perms, "r-xp");
    ASSERT(find_map(&local, perms, &s, &e));
    EXPECT_STR(perms, "rw-p");
    munmap(p, 2 * PG);
    EXPECT(!find_map(p, perms, &s, &e));
}

TEST(many_mappings)
{
    char *p = map(200);
    for (size_t i = 0; i < 200; i += 2)
        EXPECT_OK(mprotect(p + i * PG, PG, PROT_READ));
    for (size_t i = 1; i < 200; i += 2)
        p[i * PG] = (char)i;
    for (size_t i = 0; i < 200; i += 3)
        EXPECT_OK(munmap(p + i * PG, PG));
    EXPECT_EQ(p[199 * PG], (char)199);
    EXPECT_OK(munmap(p, 200 * PG));
}
