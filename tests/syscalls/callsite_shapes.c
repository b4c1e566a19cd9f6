/* SPDX-License-Identifier: Apache-2.0 */
/* What a system call instruction leaves alone, in the surroundings that programs have it in, before and after
 * it was used often: registers, flags, vectors, the red zone, bases of segments. */
#include "callsite.h"
#include <sys/auxv.h>

CALLSITE_B8(getppid_b8, 110);
CALLSITE_48(getppid_48, 110);
CALLSITE_B8(getuid_b8, 102);
CALLSITE_48(gettid_48, 186);
CALLSITE_B8(uname_b8, 63);
CALLSITE_CMP(cmp_4095, -4095);
CALLSITE_CMP(cmp_4096, -4096);

/* The number's bytes lie on one page and the instruction on the next. */
__asm__(".pushsection .text\n"
        ".p2align 12\n"
        ".skip 4096 - 5, 0x90\n"
        ".globl getppid_edge\n"
        "getppid_edge: .byte 0xb8\n.long 110\nsyscall\nret\n"
        ".popsection\n");
long getppid_edge(long, ...);

/* ---- the probe ------------------------------------------------------------------------------- */

#define FLAGS 0xcd5 /* CF PF AF ZF SF DF OF */

struct state {
    uint64_t rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15, flags;
    uint64_t red[16]; /* below rsp */
    uint64_t vec[16][4];
};

/* void probe(const void *site, const struct state *in, struct state *out, long avx): calls site with all
 * of in, and stores what it left in out. */
__asm__(".pushsection .text\n"
        ".globl probe\n"
        "probe:\n"
        "push %rbx\npush %rbp\npush %r12\npush %r13\npush %r14\npush %r15\n"
        "push %rcx\npush %rdx\npush %rdi\n"
        "mov %rsi, %rax\n"
        "lea -136(%rsp), %rdi\n" /* behind the return address that the call will push */
        "lea 128(%rax), %rsi\n"
        "mov $16, %ecx\n"
        "rep movsq\n"
        "cmpq $0, 16(%rsp)\n"
        "je 1f\n"
        ".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n"
        "vmovdqu (256 + 32 * \\n)(%rax), %ymm\\n\n"
        ".endr\n"
        "jmp 2f\n"
        "1:\n"
        ".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n"
        "movdqu (256 + 32 * \\n)(%rax), %xmm\\n\n"
        ".endr\n"
        "2:\n"
        "mov 8(%rax), %rbx\nmov 24(%rax), %rdx\nmov 32(%rax), %rsi\nmov 40(%rax), %rdi\n"
        "mov 48(%rax), %rbp\nmov 56(%rax), %r8\nmov 64(%rax), %r9\nmov 72(%rax), %r10\n"
        "mov 88(%rax), %r12\nmov 96(%rax), %r13\nmov 104(%rax), %r14\nmov 112(%rax), %r15\n"
        "pushq 120(%rax)\npopfq\n"
        "mov 0(%rax), %rax\n"
        "call *(%rsp)\n"
        "mov %rax, probe_rax(%rip)\n"
        "mov 8(%rsp), %rax\n"
        "mov %rbx, 8(%rax)\nmov %rdx, 24(%rax)\nmov %rsi, 32(%rax)\nmov %rdi, 40(%rax)\n"
        "mov %rbp, 48(%rax)\nmov %r8, 56(%rax)\nmov %r9, 64(%rax)\nmov %r10, 72(%rax)\n"
        "mov %r12, 88(%rax)\nmov %r13, 96(%rax)\nmov %r14, 104(%rax)\nmov %r15, 112(%rax)\n"
        ".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n"
        "mov (8 * \\n - 136)(%rsp), %rcx\n"
        "mov %rcx, (128 + 8 * \\n)(%rax)\n"
        ".endr\n"
        "mov probe_rax(%rip), %rcx\n"
        "mov %rcx, 0(%rax)\n"
        "pushfq\npopq 120(%rax)\ncld\n"
        "cmpq $0, 16(%rsp)\n"
        "je 1f\n"
        ".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n"
        "vmovdqu %ymm\\n, (256 + 32 * \\n)(%rax)\n"
        ".endr\n"
        "vzeroupper\n"
        "jmp 2f\n"
        "1:\n"
        ".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n"
        "movdqu %xmm\\n, (256 + 32 * \\n)(%rax)\n"
        ".endr\n"
        "2:\n"
        "add $24, %rsp\n"
        "pop %r15\npop %r14\npop %r13\npop %r12\npop %rbp\npop %rbx\n"
        "ret\n"
        ".popsection\n"
        ".pushsection .bss\n"
        ".p2align 3\n"
        "probe_rax: .skip 8\n"
        ".popsection\n");
void probe(const void *site, const struct state *in, struct state *out, long avx);

_Static_assert(offsetof(struct state, red) == 128 && offsetof(struct state, vec) == 256, "probe");

static uint64_t next_random(void)
{
    static uint64_t x = 88172645463325252ull;

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return x;
}

static void fill(struct state *s, bool avx)
{
    uint64_t *w = (uint64_t *)s;

    for (size_t i = 0; i < sizeof(*s) / sizeof(*w); i++)
        w[i] = next_random();
    s->flags = (next_random() & FLAGS) | 0x202;
    if (!avx)
        for (int i = 0; i < 16; i++)
            s->vec[i][2] = s->vec[i][3] = 0;
}

/* False as soon as something differs that a system call must not touch. */
static bool same(struct state *got, const struct state *want, bool flags)
{
    got->rcx = want->rcx;
    got->r11 = want->r11;
    if (got->rax != want->rax)
        t_fail(__FILE__, __LINE__, "rax is %#llx, wanted %#llx", (unsigned long long)got->rax,
               (unsigned long long)want->rax);
    if (flags && ((got->flags ^ want->flags) & FLAGS))
        t_fail(__FILE__, __LINE__, "flags are %#llx, wanted %#llx", (unsigned long long)got->flags,
               (unsigned long long)want->flags);
    got->flags = want->flags;
    for (size_t i = 0; i < sizeof(*got) / 8; i++)
        if (((uint64_t *)got)[i] != ((const uint64_t *)want)[i])
            t_fail(__FILE__, __LINE__, "word %zu of the state is %#llx, wanted %#llx", i,
                   (unsigned long long)((uint64_t *)got)[i],
                   (unsigned long long)((const uint64_t *)want)[i]);
    return !g_t_failed;
}

static void check_site(const void *site, long nr, long want)
{
    static struct state in, out, exp;
    bool avx = __builtin_cpu_supports("avx");

    for (int i = 0; i < HOT; i++) {
        fill(&in, avx);
        in.rax = (uint64_t)nr;
        exp = in;
        memset(&out, 0, sizeof(out));
        probe(site, &in, &out, avx);
        exp.rax = (uint64_t)want;
        if (!same(&out, &exp, true)) {
            t_fail(__FILE__, __LINE__, "in round %d", i);
            return;
        }
    }
}

TEST(mov_eax_leaves_everything_alone)
{
    check_site((void *)getppid_b8, 0x5555, getppid());
    check_site((void *)getuid_b8, 0x5555, getuid());
}

TEST(mov_rax_leaves_everything_alone)
{
    check_site((void *)getppid_48, 0x5555, getppid());
    check_site((void *)gettid_48, 0x5555, syscall(SYS_gettid));
}

TEST(mov_on_the_edge_of_a_page_leaves_everything_alone)
{
    check_site((void *)getppid_edge, 0x5555, getppid());
}

TEST(call_that_is_no_answer_leaves_everything_alone)
{
    static struct state in, out, exp;
    static char buf[2048];
    bool avx = __builtin_cpu_supports("avx");

    for (int i = 0; i < HOT && !g_t_failed; i++) {
        fill(&in, avx);
        in.rdi = (uint64_t)(uintptr_t)buf;
        exp = in;
        exp.rax = 0;
        probe((void *)uname_b8, &in, &out, avx);
        same(&out, &exp, true);
    }
    EXPECT(strstr(buf, "Linux") != NULL);
}

/* ---- cmp behind the instruction -------------------------------------------------------------- */

static uint64_t flags_of_cmp(int64_t a, int64_t b)
{
    uint64_t f;

    __asm__("cmp %2, %1\npushfq\npop %0" : "=&r"(f) : "r"(a), "r"(b) : "cc");
    return f & FLAGS & ~0x400ull; /* not DF */
}

static void check_cmp(const void *site, int64_t imm)
{
    static const struct {
        long nr, arg;
    } calls[] = {{NR_GETPPID, 0}, {NR_CLOSE, -1}, {NR_GETTID, 0}, {NR_GETUID, 0}, {9999, 0}};
    static struct state in, out, exp;
    bool avx = __builtin_cpu_supports("avx");

    for (int i = 0; i < HOT && !g_t_failed; i++) {
        size_t k = (size_t)i % ARRAY_LEN(calls);

        fill(&in, avx);
        in.rax = (uint64_t)calls[k].nr;
        in.rdi = (uint64_t)calls[k].arg;
        exp = in;
        exp.rax = (uint64_t)(k == 0   ? getppid()
                             : k == 1 ? -EBADF
                             : k == 2 ? syscall(SYS_gettid)
                             : k == 3 ? (long)getuid()
                                      : -ENOSYS);
        exp.flags = flags_of_cmp((int64_t)exp.rax, imm) | (in.flags & 0x400);
        probe(site, &in, &out, avx);
        if (!same(&out, &exp, true))
            t_fail(__FILE__, __LINE__, "in round %d", i);
    }
}

TEST(cmp_behind_has_right_flags)
{
    check_cmp((void *)cmp_4095, -4095);
    check_cmp((void *)cmp_4096, -4096);
}

/* Somebody comes to the cmp by another way, with any value. */
TEST(jump_behind_the_instruction)
{
    static const int64_t values[] = {0, 1, -1, -4094, -4095, -4096, -4097, INT64_MIN, INT64_MAX};
    static struct state in, out, exp;

    for (int i = 0; i < HOT; i++)
        ASSERT_EQ(callsite_nr((void *)cmp_4095, NR_GETPPID, 0, 0, 0), getppid());
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        fill(&in, false);
        in.rax = (uint64_t)values[i];
        exp = in;
        exp.flags = flags_of_cmp(values[i], -4095) | (in.flags & 0x400);
        probe(cmp_4095_end, &in, &out, 0);
        EXPECT(same(&out, &exp, true));
    }
    EXPECT_EQ(callsite_nr((void *)cmp_4095, NR_CLOSE, -1, 0, 0), -EBADF);
}

/* Behind a mov shape there is only the ret. */
TEST(jump_behind_the_instruction_of_a_mov)
{
    for (int i = 0; i < HOT; i++)
        ASSERT_EQ(getppid_b8(0), getppid());
    EXPECT_EQ(callsite_nr(getppid_b8_end, 12345, 0, 0, 0), 12345);
    EXPECT_EQ(getppid_b8(0), getppid());
}

/* The number of the mov is not the only one that can be in the register. */
TEST(jump_to_the_instruction_with_another_number)
{
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < WARM; i++) {
            ASSERT_EQ(callsite_nr(getppid_b8_call, NR_GETUID, 0, 0, 0), getuid());
            ASSERT_EQ(callsite_nr(getppid_48_call, NR_CLOSE, -1, 0, 0), -EBADF);
            ASSERT_EQ(callsite_nr(getppid_48_call, 9999, 0, 0, 0), -ENOSYS);
        }
        for (int i = 0; i < HOT; i++) {
            ASSERT_EQ(getppid_b8(0), getppid());
            ASSERT_EQ(getppid_48(0), getppid());
        }
    }
}

TEST(jump_to_the_instruction_leaves_everything_alone)
{
    for (int i = 0; i < HOT; i++)
        ASSERT_EQ(getppid_b8(0), getppid());
    check_site(getppid_b8_call, NR_GETUID, getuid());
    check_site(getppid_b8, 0, getppid());
}

/* ---- stack and segments ---------------------------------------------------------------------- */

static long getppid_with_stack(uint64_t rsp)
{
    long ret;

    __asm__ volatile("mov %%rsp, %%rbx\n"
                     "mov %[rsp], %%rsp\n"
                     "mov $110, %%eax\n"
                     "syscall\n"
                     "mov %%rsp, %%rdx\n"
                     "mov %%rbx, %%rsp\n"
                     "cmp %[rsp], %%rdx\n"
                     "je 1f\n"
                     "mov $-1, %%rax\n"
                     "1:\n"
                     : "=&a"(ret)
                     : [rsp] "r"(rsp)
                     : "rbx", "rcx", "rdx", "r11", "memory", "cc");
    return ret;
}

TEST(stack_pointer_may_be_anything)
{
    static const uint64_t values[] = {0, 16, 0xdead0000, 0x7fffffffe000, ~0ull, 1ull << 63};

    for (int i = 0; i < HOT; i++)
        ASSERT_EQ(getppid_with_stack(values[(size_t)i % ARRAY_LEN(values)]), getppid());
}

static uint64_t load_gs(void)
{
    uint64_t v;

    __asm__ volatile("mov %%gs:8, %0" : "=r"(v));
    return v;
}

static void hot_with_gs(const uint64_t *area)
{
    for (int i = 0; i < HOT; i++) {
        ASSERT_EQ(getppid_b8(0), getppid());
        ASSERT_EQ(getppid_48(0), getppid());
        ASSERT_EQ(callsite_nr((void *)cmp_4096, NR_CLOSE, -1, 0, 0), -EBADF);
        ASSERT_EQ(load_gs(), area[1]);
    }
}

static void *gs_thread(void *arg T_UNUSED)
{
    uint64_t area[2] = {1, (uint64_t)syscall(SYS_gettid)}, base = 1;

    ASSERT_OK(syscall(SYS_arch_prctl, 0x1004, &base)); /* ARCH_GET_GS */
    ASSERT_OK(syscall(SYS_arch_prctl, 0x1001, area));  /* ARCH_SET_GS */
    hot_with_gs(area);
    ASSERT_OK(syscall(SYS_arch_prctl, 0x1004, &base));
    EXPECT(base == (uint64_t)(uintptr_t)area);
    EXPECT_OK(syscall(SYS_arch_prctl, 0x1001, 0));
    ASSERT_OK(syscall(SYS_arch_prctl, 0x1004, &base));
    EXPECT_EQ(base, 0);
    return NULL;
}

TEST(gs_base_is_the_program_s)
{
    pthread_t th[2];

    gs_thread(NULL);
    for (int i = 0; i < 2; i++)
        ASSERT_EQ(pthread_create(&th[i], NULL, gs_thread, NULL), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(th[i], NULL);
}

static uint64_t rdgsbase(void)
{
    uint64_t v;

    __asm__ volatile("rdgsbase %0" : "=r"(v));
    return v;
}

TEST(gs_base_written_by_instruction)
{
    uint64_t area[2][2] = {{1, 77}, {2, 78}}, base = 0;

    if (!(getauxval(AT_HWCAP2) & 2))
        SKIP("no FSGSBASE");
    for (int k = 0; k < 2; k++) {
        __asm__ volatile("wrgsbase %0" : : "r"(area[k]) : "memory");
        hot_with_gs(area[k]);
        EXPECT(rdgsbase() == (uint64_t)(uintptr_t)area[k]);
        EXPECT_OK(syscall(SYS_arch_prctl, 0x1004, &base));
        EXPECT(base == (uint64_t)(uintptr_t)area[k]);
    }
}

/* A selector loaded into gs clears the base on most processors; the calls must still work. */
TEST(gs_selector_may_be_loaded)
{
    for (int i = 0; i < HOT; i++) {
        if (i % 100 == 0)
            __asm__ volatile("mov %0, %%gs" : : "r"(i % 200 ? 0 : 0x2b));
        ASSERT_EQ(getppid_b8(0), getppid());
    }
    __asm__ volatile("mov %0, %%gs" : : "r"(0));
}

/* ---- threads --------------------------------------------------------------------------------- */

static atomic_int g_go;

static void *hammer(void *arg)
{
    long rounds = (long)(intptr_t)arg, ppid = getppid(), tid = syscall(SYS_gettid);

    while (!atomic_load(&g_go))
        sched_yield();
    for (long i = 0; i < rounds; i++) {
        if (getppid_b8(0) != ppid || getppid_48(0) != ppid || gettid_48(0) != tid ||
            callsite_nr((void *)cmp_4095, NR_CLOSE, -1, 0, 0) != -EBADF ||
            callsite_nr((void *)cmp_4096, NR_GETTID, 0, 0, 0) != tid ||
            callsite_nr(getppid_48_call, NR_GETTID, 0, 0, 0) != tid) {
            t_fail(__FILE__, __LINE__, "wrong result in round %ld", i);
            break;
        }
    }
    return NULL;
}

static void hammer_all(long rounds)
{
    pthread_t th[4];

    atomic_store(&g_go, 0);
    for (int i = 0; i < 4; i++)
        ASSERT_EQ(pthread_create(&th[i], NULL, hammer, (void *)(intptr_t)rounds), 0);
    atomic_store(&g_go, 1);
    hammer((void *)(intptr_t)rounds);
    for (int i = 0; i < 4; i++)
        pthread_join(th[i], NULL);
}

TEST(threads_use_one_site)
{
    hammer_all(HOT / 4);
}

/* Each child is cold at first. */
TEST(threads_while_sites_become_hot)
{
    for (int i = 0; i < 10; i++) {
        pid_t pid = t_fork();

        if (pid == 0) {
            hammer_all(100);
            CHILD_EXIT();
        }
        EXPECT_EXIT(pid, 0);
    }
}

static void *jump_in(void *arg)
{
    int rounds = *(int *)arg;
    long tid = syscall(SYS_gettid), ppid = getppid();

    while (!atomic_load(&g_go))
        sched_yield();
    for (int i = 0; i < rounds; i++) {
        if (getppid_b8(0) != ppid || callsite_nr(getppid_b8_call, NR_GETTID, 0, 0, 0) != tid) {
            t_fail(__FILE__, __LINE__, "wrong result in round %d", i);
            break;
        }
    }
    return NULL;
}

/* All at once, until a sandbox may have had enough of it. */
TEST(threads_jump_to_the_instruction)
{
    for (int i = 0; i < 30; i++) {
        pid_t pid = t_fork();

        if (pid == 0) {
            int rounds = 100;
            pthread_t th[3];

            atomic_store(&g_go, 0);
            for (int k = 0; k < WARM; k++)
                ASSERT_EQ(getppid_b8(0), getppid());
            for (int k = 0; k < 3; k++)
                ASSERT_EQ(pthread_create(&th[k], NULL, jump_in, &rounds), 0);
            atomic_store(&g_go, 1);
            for (int k = 0; k < 3; k++)
                pthread_join(th[k], NULL);
            CHILD_EXIT();
        }
        EXPECT_EXIT(pid, 0);
    }
}
