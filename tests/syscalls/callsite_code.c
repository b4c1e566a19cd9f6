/* SPDX-License-Identifier: Apache-2.0 */
/* Code whose system call sites are used often and then changed, moved, read, or inherited. */
#include "callsite.h"

CALLSITE_B8(getpid_b8, 39);
CALLSITE_48(getppid_48, 110);
CALLSITE_48(gettid_48, 186);
CALLSITE_B8(fork_b8, 57);
CALLSITE_CMP(cmp_4096, -4096);

#define PAGE 4096
#define SPOT 64 /* where the code lies in its page */

static const unsigned char g_code[3][16] = {
    {0xb8, 0, 0, 0, 0, 0x0f, 0x05, 0xc3},
    {0x48, 0xc7, 0xc0, 0, 0, 0, 0, 0x0f, 0x05, 0xc3},
    /* mov %edi, %eax; syscall; cmp $-4095, %rax; ret */
    {0x89, 0xf8, 0x0f, 0x05, 0x48, 0x3d, 0x01, 0xf0, 0xff, 0xff, 0xc3},
};
static const int g_nr_at[3] = {1, 3, -1};

/* A page of text with one site that calls nr. */
static void make_code(unsigned char *page, int shape, int nr)
{
    memset(page, 0xcc, PAGE);
    memcpy(page + SPOT, g_code[shape], sizeof(g_code[0]));
    if (g_nr_at[shape] >= 0)
        memcpy(page + SPOT + g_nr_at[shape], &nr, sizeof(nr));
}

static long run(const void *page, long nr)
{
    long (*fn)(long);
    const void *at = (const char *)page + SPOT;

    memcpy(&fn, &at, sizeof(fn));
    return fn(nr);
}

static long wanted(int nr)
{
    switch (nr) {
    case NR_GETPID:
        return getpid();
    case NR_GETPPID:
        return getppid();
    case NR_GETUID:
        return getuid();
    default:
        return syscall(SYS_gettid);
    }
}

static bool heat(const void *page, int nr, int rounds)
{
    long want = wanted(nr);

    for (int i = 0; i < rounds; i++) {
        long got = run(page, nr);

        if (got != want) {
            t_fail(__FILE__, __LINE__, "call %d gives %ld in round %d, wanted %ld", nr, got, i,
                   want);
            return false;
        }
    }
    return true;
}

static const int g_nrs[] = {NR_GETPID, NR_GETPPID, NR_GETUID, NR_GETTID, NR_GETPPID, NR_GETPID};

static void check_bytes(const unsigned char *got, const char *how)
{
    static const unsigned char b8[8] = {0xb8, NR_GETPID, 0, 0, 0, 0x0f, 0x05, 0xc3};

    if (memcmp(got, b8, sizeof(b8)) != 0)
        t_fail(__FILE__, __LINE__, "%s: %02x %02x %02x %02x %02x %02x %02x %02x", how, got[0],
               got[1], got[2], got[3], got[4], got[5], got[6], got[7]);
}

static int code_file(const char *name, int shape, int nr)
{
    unsigned char page[PAGE];
    int fd = open(name, O_CREAT | O_TRUNC | O_RDWR, 0755);

    ASSERT_OK(fd);
    make_code(page, shape, nr);
    ASSERT_EQ(write(fd, page, PAGE), PAGE);
    return fd;
}

static void *map(void *at, int fd, int prot, int flags)
{
    void *p = mmap(at, PAGE, prot, flags | (at ? MAP_FIXED : 0), fd, 0);

    ASSERT(p != MAP_FAILED);
    return p;
}

#define RX (PROT_READ | PROT_EXEC)
#define RW (PROT_READ | PROT_WRITE)

/* ---- where in its page a site lies ---------------------------------------------------------------- */

/* Two pages whose border lies anywhere in the code of the site. */
TEST(site_at_the_border_of_pages)
{
    unsigned char text[2 * PAGE], page[PAGE];
    int fd = open("border", O_CREAT | O_TRUNC | O_RDWR, 0755);

    ASSERT_OK(fd);
    for (int shape = 0; shape < 3; shape++)
        for (int before = 0; before <= 16; before++) {
            unsigned char *p;

            make_code(page, shape, NR_GETPPID);
            memset(text, 0xcc, sizeof(text));
            memcpy(text + PAGE - before, page + SPOT, sizeof(g_code[0]));
            ASSERT_EQ(pwrite(fd, text, sizeof(text), 0), (long)sizeof(text));
            p = mmap(NULL, sizeof(text), RX, MAP_PRIVATE, fd, 0);
            ASSERT(p != MAP_FAILED);
            ASSERT(heat(p + PAGE - before - SPOT, NR_GETPPID, WARM));
            ASSERT_OK(munmap(p, sizeof(text)));
        }
}

/* ---- compilers at run time ---------------------------------------------------------------------- */

TEST(jit_in_writable_memory)
{
    unsigned char *p = map(NULL, -1, RX | RW, MAP_PRIVATE | MAP_ANONYMOUS);

    for (int shape = 0; shape < 3; shape++)
        for (size_t i = 0; i < ARRAY_LEN(g_nrs); i++) {
            make_code(p, shape, g_nrs[i]);
            ASSERT(heat(p, g_nrs[i], WARM));
        }
}

TEST(jit_with_changing_protection)
{
    unsigned char *p = map(NULL, -1, RW, MAP_PRIVATE | MAP_ANONYMOUS);

    for (int shape = 0; shape < 3; shape++)
        for (size_t i = 0; i < ARRAY_LEN(g_nrs); i++) {
            ASSERT_OK(mprotect(p, PAGE, RW));
            make_code(p, shape, g_nrs[i]);
            ASSERT_OK(mprotect(p, PAGE, RX));
            ASSERT(heat(p, g_nrs[i], WARM));
        }
}

static void dual(int fd, int exec_flags)
{
    unsigned char *x, *w;

    ASSERT_OK(fd);
    ASSERT_OK(ftruncate(fd, PAGE));
    w = map(NULL, fd, RW, MAP_SHARED);
    x = map(NULL, fd, RX, exec_flags);
    for (int shape = 0; shape < 3; shape++)
        for (size_t i = 0; i < ARRAY_LEN(g_nrs); i++) {
            make_code(w, shape, g_nrs[i]);
            ASSERT(heat(x, g_nrs[i], WARM));
        }
}

TEST(jit_with_two_mappings)
{
    dual(memfd_create("jit", 0), MAP_SHARED);
    dual(memfd_create("jit", 0), MAP_PRIVATE);
    dual(open("jit", O_CREAT | O_RDWR, 0755), MAP_SHARED);
}

TEST(writable_mapping_comes_when_the_site_is_hot)
{
    int fd = memfd_create("code", 0);
    unsigned char page[PAGE], *w, *x;

    ASSERT_OK(fd);
    make_code(page, 0, NR_GETPID);
    ASSERT_EQ(write(fd, page, PAGE), PAGE);
    x = map(NULL, fd, RX, MAP_PRIVATE);
    ASSERT(heat(x, NR_GETPID, WARM));
    w = map(NULL, fd, RW, MAP_SHARED);
    for (size_t i = 0; i < ARRAY_LEN(g_nrs); i++) {
        make_code(w, 0, g_nrs[i]);
        ASSERT(heat(x, g_nrs[i], WARM));
    }
    ASSERT_OK(munmap(w, PAGE));
    ASSERT(heat(x, NR_GETPID, WARM));
}

/* ---- text of files -------------------------------------------------------------------------------- */

TEST(private_text_is_made_writable_and_changed)
{
    for (int shape = 0; shape < 2; shape++) {
        int fd = code_file("code", shape, NR_GETPID);
        unsigned char *p = map(NULL, fd, RX, MAP_PRIVATE);

        ASSERT(heat(p, NR_GETPID, HOT));
        for (size_t i = 0; i < ARRAY_LEN(g_nrs); i++) {
            ASSERT_OK(mprotect(p, PAGE, RW));
            memcpy(p + SPOT + g_nr_at[shape], &g_nrs[i], 4);
            ASSERT_OK(mprotect(p, PAGE, RX));
            ASSERT(heat(p, g_nrs[i], WARM));
        }
        ASSERT_OK(munmap(p, PAGE));
        close(fd);
    }
}

TEST(private_text_gets_all_rights_and_is_changed)
{
    int fd = code_file("code", 0, NR_GETPID);
    unsigned char *p = map(NULL, fd, RX, MAP_PRIVATE);

    ASSERT(heat(p, NR_GETPID, WARM));
    ASSERT_OK(mprotect(p, PAGE, RX | RW));
    check_bytes(p + SPOT, "before it is changed");
    ASSERT(heat(p, NR_GETPID, WARM));
    check_bytes(p + SPOT, "after some more calls");
    for (size_t i = 0; i < ARRAY_LEN(g_nrs); i++) {
        memcpy(p + SPOT + 1, &g_nrs[i], 4);
        ASSERT(heat(p, g_nrs[i], WARM));
    }
    ASSERT_OK(mprotect(p, PAGE, RX));
    ASSERT(heat(p, NR_GETPID, WARM));
}

TEST(protection_is_taken_and_given_back)
{
    static const int prots[] = {PROT_NONE, PROT_READ, RW};
    int fd = code_file("code", 0, NR_GETPID);
    unsigned char *p = map(NULL, fd, RX, MAP_PRIVATE);

    for (size_t i = 0; i < ARRAY_LEN(prots); i++) {
        pid_t pid;

        ASSERT(heat(p, NR_GETPID, WARM));
        ASSERT_OK(mprotect(p, PAGE, prots[i]));
        pid = t_fork();
        if (pid == 0) {
            run(p, NR_GETPID);
            CHILD_EXIT();
        }
        EXPECT_KILLED(pid, SIGSEGV);
        ASSERT_OK(mprotect(p, PAGE, RX));
    }
    ASSERT(heat(p, NR_GETPID, WARM));
}

TEST(other_code_at_the_same_address)
{
    int a = code_file("a", 0, NR_GETPID), b = code_file("b", 0, NR_GETUID),
        c = code_file("c", 1, NR_GETTID);
    unsigned char *p = map(NULL, a, RX, MAP_PRIVATE);

    for (int i = 0; i < 3; i++) {
        ASSERT(heat(p, NR_GETPID, WARM));
        map(p, b, RX, MAP_PRIVATE);
        ASSERT(heat(p, NR_GETUID, WARM));
        ASSERT_OK(munmap(p, PAGE));
        map(p, c, RX, MAP_PRIVATE);
        ASSERT(heat(p, NR_GETTID, WARM));
        map(p, a, RX, MAP_PRIVATE);
    }
    map(p, -1, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS);
    ASSERT_OK(mprotect(p, PAGE, RW));
    EXPECT_EQ(p[SPOT], 0);
}

TEST(text_is_moved)
{
    int fd = code_file("code", 0, NR_GETPID);
    unsigned char *p = map(NULL, fd, RX, MAP_PRIVATE), *q;
    pid_t pid;

    ASSERT(heat(p, NR_GETPID, WARM));
    q = map(NULL, -1, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS);
    ASSERT(mremap(p, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, q) == q);
    ASSERT(heat(q, NR_GETPID, WARM));
    pid = t_fork();
    if (pid == 0) {
        run(p, NR_GETPID);
        CHILD_EXIT();
    }
    EXPECT_KILLED(pid, SIGSEGV);
}

TEST(advice_that_drops_pages)
{
    int fd = code_file("code", 0, NR_GETPID);
    unsigned char *p = map(NULL, fd, RX, MAP_PRIVATE);
    int nr = NR_GETUID;

    for (int i = 0; i < 3; i++) {
        ASSERT(heat(p, NR_GETPID, WARM));
        ASSERT_OK(madvise(p, PAGE, MADV_DONTNEED));
    }
    /* A private copy goes, and the file's page is there again. */
    ASSERT_OK(mprotect(p, PAGE, RW));
    memcpy(p + SPOT + 1, &nr, 4);
    ASSERT_OK(mprotect(p, PAGE, RX));
    ASSERT(heat(p, NR_GETUID, WARM));
    ASSERT_OK(madvise(p, PAGE, MADV_DONTNEED));
    ASSERT(heat(p, NR_GETPID, WARM));
}

/* POSIX leaves it open, Linux shows it. */
TEST(file_of_private_text_is_written)
{
    int fd = code_file("code", 0, NR_GETPID), mfd = memfd_create("code", 0);
    unsigned char page[PAGE], *p = map(NULL, fd, RX, MAP_PRIVATE), *q;

    make_code(page, 0, NR_GETPID);
    ASSERT_EQ(write(mfd, page, PAGE), PAGE);
    q = map(NULL, mfd, RX, MAP_PRIVATE);
    ASSERT(heat(p, NR_GETPID, WARM));
    ASSERT(heat(q, NR_GETPID, WARM));
    for (size_t i = 0; i < ARRAY_LEN(g_nrs); i++) {
        ASSERT_EQ(pwrite(fd, &g_nrs[i], 4, SPOT + 1), 4);
        ASSERT_EQ(pwrite(mfd, &g_nrs[i], 4, SPOT + 1), 4);
        ASSERT(heat(p, g_nrs[i], WARM));
        ASSERT(heat(q, g_nrs[i], WARM));
    }
}

TEST(file_of_private_text_is_truncated)
{
    int fds[2] = {code_file("code", 0, NR_GETPID), memfd_create("code", 0)};
    unsigned char page[PAGE];

    make_code(page, 0, NR_GETPID);
    ASSERT_EQ(write(fds[1], page, PAGE), PAGE);
    for (int i = 0; i < 2; i++) {
        unsigned char *p = map(NULL, fds[i], RX, MAP_PRIVATE);
        pid_t pid;

        make_code(page, 0, NR_GETTID);
        ASSERT(heat(p, NR_GETPID, WARM));
        ASSERT_OK(ftruncate(fds[i], 0));
        pid = t_fork();
        if (pid == 0) {
            run(p, NR_GETPID);
            CHILD_EXIT();
        }
        EXPECT_KILLED(pid, SIGBUS);
        ASSERT_EQ(pwrite(fds[i], page, PAGE, 0), PAGE);
        ASSERT(heat(p, NR_GETTID, WARM));
    }
}

/* As a debugger sets a breakpoint. */
TEST(text_is_written_through_proc_mem)
{
    int fd = code_file("code", 0, NR_GETPID), mem = open("/proc/self/mem", O_RDWR);
    unsigned char *p = map(NULL, fd, RX, MAP_PRIVATE);

    ASSERT_OK(mem);
    ASSERT(heat(p, NR_GETPID, WARM));
    for (size_t i = 0; i < ARRAY_LEN(g_nrs); i++) {
        ASSERT_EQ(pwrite(mem, &g_nrs[i], 4, (off_t)(uintptr_t)(p + SPOT + 1)), 4);
        ASSERT(heat(p, g_nrs[i], WARM));
    }
}

/* ---- what others read ------------------------------------------------------------------------------- */

TEST(system_calls_read_original_bytes)
{
    int mem = open("/proc/self/mem", O_RDONLY), p[2];
    unsigned char buf[8], *at;
    const void *site = (const void *)getpid_b8;
    struct iovec l = {buf, 8}, r;

    memcpy(&at, &site, sizeof(at));
    r = (struct iovec){at, 8};
    ASSERT_OK(mem);
    ASSERT_OK(pipe(p));
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < HOT / 3; i++)
            ASSERT_EQ(getpid_b8(0), getpid());
        memset(buf, 0, 8);
        ASSERT_EQ(pread(mem, buf, 8, (off_t)(uintptr_t)at), 8);
        check_bytes(buf, "/proc/self/mem");
        memset(buf, 0, 8);
        ASSERT_EQ(process_vm_readv(getpid(), &l, 1, &r, 1, 0), 8);
        check_bytes(buf, "process_vm_readv");
        memset(buf, 0, 8);
        ASSERT_EQ(write(p[1], at, 8), 8);
        ASSERT_EQ(read(p[0], buf, 8), 8);
        check_bytes(buf, "write");
    }
    EXPECT_ERRNO(process_vm_writev(getpid(), &l, 1, &r, 1, 0), EFAULT);
}

/* The file is what it was, too. */
TEST(file_keeps_original_bytes)
{
    int fd = code_file("code", 0, NR_GETPID);
    unsigned char *p = map(NULL, fd, RX, MAP_PRIVATE), *q, buf[8];

    ASSERT(heat(p, NR_GETPID, HOT));
    ASSERT_EQ(pread(fd, buf, 8, SPOT), 8);
    check_bytes(buf, "file");
    q = map(NULL, fd, PROT_READ, MAP_PRIVATE);
    check_bytes(q + SPOT, "another mapping");
}

/* ---- processes -------------------------------------------------------------------------------------- */

static void use_sites(pid_t pid, pid_t ppid, int rounds)
{
    for (int i = 0; i < rounds; i++) {
        ASSERT_EQ(getpid_b8(0), pid);
        ASSERT_EQ(getppid_48(0), ppid);
        ASSERT_EQ(gettid_48(0), pid);
        ASSERT_EQ(callsite_nr((void *)cmp_4096, NR_CLOSE, -1, 0, 0), -EBADF);
    }
}

TEST(fork_of_a_hot_process)
{
    pid_t self = getpid();
    int fd = code_file("code", 0, NR_GETPID);
    unsigned char *p = map(NULL, fd, RX, MAP_PRIVATE);

    use_sites(self, getppid(), WARM);
    ASSERT(heat(p, NR_GETPID, WARM));
    for (int i = 0; i < 5; i++) {
        pid_t pid = t_fork();

        if (pid == 0) {
            int nr = NR_GETUID;

            use_sites((pid_t)syscall(SYS_getpid), self, WARM);
            ASSERT(heat(p, NR_GETPID, WARM));
            /* What the child changes is its own. */
            ASSERT_OK(mprotect(p, PAGE, RW));
            memcpy(p + SPOT + 1, &nr, 4);
            ASSERT_OK(mprotect(p, PAGE, RX));
            ASSERT(heat(p, nr, WARM));
            CHILD_EXIT();
        }
        EXPECT_EXIT(pid, 0);
        ASSERT(heat(p, NR_GETPID, WARM));
    }
    use_sites(self, getppid(), WARM);
}

TEST(fork_by_a_hot_site)
{
    pid_t self = getpid();

    for (int i = 0; i < 150; i++) {
        long pid = fork_b8(0);

        if (pid == 0)
            _exit(getppid_48(0) == self && getpid_b8(0) == gettid_48(0) ? 0 : 1);
        ASSERT(pid > 0);
        ASSERT_EQ(t_wait((pid_t)pid), 0);
    }
}

TEST(vfork_of_a_hot_process)
{
    volatile long seen[2];
    pid_t self = getpid();

    use_sites(self, getppid(), WARM);
    for (int i = 0; i < 20; i++) {
        pid_t pid = vfork();

        if (pid == 0) {
            for (int k = 0; k < 50; k++) {
                seen[0] = getpid_b8(0);
                seen[1] = getppid_48(0);
            }
            _exit(0);
        }
        ASSERT(pid > 0);
        EXPECT_EXIT(pid, 0);
        EXPECT_EQ(seen[0], pid);
        EXPECT_EQ(seen[1], self);
        use_sites(self, getppid(), 10);
    }
}

HELPER(use_sites)
{
    use_sites(atoi(argv[1]), atoi(argv[2]), HOT);
    return g_t_failed ? 1 : 0;
}

TEST(exec_from_a_hot_process)
{
    pid_t self = getpid();

    use_sites(self, getppid(), WARM);
    for (int i = 0; i < 3; i++) {
        pid_t pid = t_fork();

        if (pid == 0) {
            char me[16], parent[16];

            snprintf(me, sizeof(me), "%d", getpid());
            snprintf(parent, sizeof(parent), "%d", self);
            use_sites(getpid(), self, WARM);
            execl(t_self, t_self, "--helper", "use_sites", me, parent, NULL);
            _exit(1);
        }
        EXPECT_EXIT(pid, 0);
    }
}

/* ---- changes while others run the code -------------------------------------------------------------- */

static atomic_bool g_stop;
static unsigned char *g_shared_code;

static void *runner(void *arg T_UNUSED)
{
    long pid = getpid(), uid = getuid(), n = 0;

    while (!atomic_load(&g_stop)) {
        long got = run(g_shared_code, 0);

        n++;
        if (got != pid && got != uid) {
            t_fail(__FILE__, __LINE__, "call gives %ld", got);
            break;
        }
    }
    return (void *)(intptr_t)n;
}

/* One of two files is mapped there at any time: each call is one of theirs. */
TEST(text_is_replaced_below_running_threads)
{
    int a = code_file("a", 0, NR_GETPID), b = code_file("b", 0, NR_GETUID);
    long long end = t_now_ms() + 300;
    pthread_t th[3];

    g_shared_code = map(NULL, a, RX, MAP_PRIVATE);
    for (int i = 0; i < 3; i++)
        ASSERT_EQ(pthread_create(&th[i], NULL, runner, NULL), 0);
    for (int i = 0; t_now_ms() < end; i++) {
        map(g_shared_code, i % 2 ? a : b, RX, MAP_PRIVATE);
        if (i % 4 == 0)
            t_sleep_ms(1);
        /* Nobody runs it any more as it was when the call has returned. */
        if (i % 8 == 0)
            ASSERT(heat(g_shared_code, i % 2 ? NR_GETPID : NR_GETUID, 20));
    }
    atomic_store(&g_stop, true);
    for (int i = 0; i < 3; i++)
        pthread_join(th[i], NULL);
}
