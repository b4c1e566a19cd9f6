/* SPDX-License-Identifier: Apache-2.0 */
/* Signal frames: alternate stacks, preserved registers and vectors, ucontext, faults. */
#include "harness.h"
#include <setjmp.h>
#include <sys/prctl.h>
#include <ucontext.h>

static sigjmp_buf g_jmp;
static volatile siginfo_t g_si;
static volatile uintptr_t g_sp, g_rip;
static volatile sig_atomic_t g_count, g_flags;
static volatile uint64_t g_trap, g_err;

static void on_fault(int sig T_UNUSED, siginfo_t *si, void *uc)
{
    ucontext_t *u = uc;
    g_si = *si;
    g_rip = (uintptr_t)u->uc_mcontext.gregs[REG_RIP];
    g_trap = (uint64_t)u->uc_mcontext.gregs[REG_TRAPNO];
    g_err = (uint64_t)u->uc_mcontext.gregs[REG_ERR];
    g_count++;
    siglongjmp(g_jmp, 1);
}

static void touch_read(const volatile char *p)
{
    if (sigsetjmp(g_jmp, 1) == 0)
        (void)*p;
}

static void touch_write(volatile char *p)
{
    if (sigsetjmp(g_jmp, 1) == 0)
        *p = 1;
}

TEST(segv_maperr)
{
    char *p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(p, 4096);
    t_handle_info(SIGSEGV, on_fault, 0);
    touch_read(p + 123);
    EXPECT_EQ(g_count, 1);
    EXPECT_EQ(g_si.si_signo, SIGSEGV);
    EXPECT_EQ(g_si.si_code, SEGV_MAPERR);
    EXPECT(g_si.si_addr == p + 123);
}

TEST(segv_accerr)
{
    char *p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    t_handle_info(SIGSEGV, on_fault, 0);
    touch_read(p);
    EXPECT_EQ(g_count, 0);
    touch_write(p + 8);
    EXPECT_EQ(g_count, 1);
    EXPECT_EQ(g_si.si_code, SEGV_ACCERR);
    EXPECT(g_si.si_addr == p + 8);
    EXPECT_EQ(g_trap, 14);
    EXPECT(g_err & 2);
}

TEST(segv_prot_none)
{
    char *p = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    t_handle_info(SIGSEGV, on_fault, 0);
    touch_read(p);
    EXPECT_EQ(g_count, 1);
    EXPECT_EQ(g_si.si_code, SEGV_ACCERR);
}

TEST(segv_null)
{
    t_handle_info(SIGSEGV, on_fault, 0);
    touch_write((char *)16);
    EXPECT_EQ(g_count, 1);
    EXPECT_EQ(g_si.si_code, SEGV_MAPERR);
    EXPECT(g_si.si_addr == (void *)16);
}

TEST(segv_execute_no_exec_page)
{
    char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    p[0] = (char)0xc3;
    t_handle_info(SIGSEGV, on_fault, 0);
    if (sigsetjmp(g_jmp, 1) == 0)
        ((void (*)(void))(uintptr_t)p)();
    EXPECT_EQ(g_count, 1);
    EXPECT_EQ(g_si.si_code, SEGV_ACCERR);
    EXPECT(g_si.si_addr == p);
    EXPECT_EQ(g_rip, (uintptr_t)p);
}

TEST(segv_non_canonical_address)
{
    t_handle_info(SIGSEGV, on_fault, 0);
    touch_read((char *)0x1234567890abcdefULL);
    EXPECT_EQ(g_count, 1);
    EXPECT_EQ(g_si.si_code, SI_KERNEL);
    EXPECT(g_si.si_addr == NULL);
}

TEST(segv_kernel_half_address)
{
    t_handle_info(SIGSEGV, on_fault, 0);
    touch_read((char *)0xffffffff80000000ULL);
    EXPECT_EQ(g_count, 1);
    EXPECT_EQ(g_si.si_signo, SIGSEGV);
}

TEST(segv_privileged_instruction)
{
    t_handle_info(SIGSEGV, on_fault, 0);
    if (sigsetjmp(g_jmp, 1) == 0)
        __asm__ volatile("hlt");
    EXPECT_EQ(g_count, 1);
    EXPECT_EQ(g_si.si_signo, SIGSEGV);
    EXPECT_EQ(g_si.si_code, SI_KERNEL);
}

TEST(segv_default_kills)
{
    pid_t pid = t_fork();
    if (pid == 0) {
        *(volatile char *)16 = 1;
        _exit(0);
    }
    EXPECT_KILLED(pid, SIGSEGV);
}

TEST(segv_blocked_or_ignored_kills)
{
    pid_t pid = t_fork();
    if (pid == 0) {
        t_handle_info(SIGSEGV, on_fault, 0);
        t_block(SIGSEGV);
        *(volatile char *)16 = 1;
        _exit(0);
    }
    EXPECT_KILLED(pid, SIGSEGV);
    pid = t_fork();
    if (pid == 0) {
        signal(SIGSEGV, SIG_IGN);
        *(volatile char *)16 = 1;
        _exit(0);
    }
    EXPECT_KILLED(pid, SIGSEGV);
}

TEST(segv_without_stack_for_frame_kills)
{
    /* The handler's frame cannot be written: the process dies of SIGSEGV. */
    pid_t pid = t_fork();
    if (pid == 0) {
        t_handle_info(SIGUSR1, on_fault, 0);
        __asm__ volatile("mov %%rsp, %%r12\n\tmov $64, %%rsp\n\tsyscall\n\tmov %%r12, %%rsp"
                         :
                         : "a"(SYS_kill), "D"(getpid()), "S"(SIGUSR1)
                         : "rcx", "r11", "r12", "memory");
        _exit(0);
    }
    EXPECT_KILLED(pid, SIGSEGV);
}

TEST(sigbus_beyond_end_of_file)
{
    int fd = open("f", O_CREAT | O_RDWR, 0644);
    ASSERT_OK(ftruncate(fd, 100));
    char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    ASSERT(p != MAP_FAILED);
    t_handle_info(SIGBUS, on_fault, 0);
    touch_read(p + 4095);
    EXPECT_EQ(g_count, 0);
    touch_read(p + 4096);
    EXPECT_EQ(g_count, 1);
    EXPECT_EQ(g_si.si_signo, SIGBUS);
    EXPECT_EQ(g_si.si_code, BUS_ADRERR);
    EXPECT(g_si.si_addr == p + 4096);
}

TEST(sigfpe_integer_divide)
{
    t_handle_info(SIGFPE, on_fault, 0);
    if (sigsetjmp(g_jmp, 1) == 0)
        __asm__ volatile("xor %%edx, %%edx\n\tmov $1, %%eax\n\txor %%ecx, %%ecx\n\tdiv %%ecx"
                         :
                         :
                         : "rax", "rcx", "rdx");
    EXPECT_EQ(g_count, 1);
    EXPECT_EQ(g_si.si_code, FPE_INTDIV);
    EXPECT_EQ((uintptr_t)g_si.si_addr, g_rip);
    EXPECT_EQ(g_trap, 0);
}

TEST(sigfpe_sse_divide)
{
    uint32_t csr = 0x1f80 & ~(1U << 9);
    volatile double zero = 0.0, one = 1.0, res;
    t_handle_info(SIGFPE, on_fault, 0);
    if (sigsetjmp(g_jmp, 1) == 0) {
        __asm__ volatile("ldmxcsr %0" : : "m"(csr));
        res = one / zero;
        (void)res;
    }
    EXPECT_EQ(g_count, 1);
    EXPECT_EQ(g_si.si_code, FPE_FLTDIV);
}

TEST(sigill_undefined_instruction)
{
    t_handle_info(SIGILL, on_fault, 0);
    if (sigsetjmp(g_jmp, 1) == 0)
        __asm__ volatile("ud2");
    EXPECT_EQ(g_count, 1);
    EXPECT_EQ(g_si.si_code, ILL_ILLOPN);
    EXPECT_EQ((uintptr_t)g_si.si_addr, g_rip);
}

static void on_trap(int sig T_UNUSED, siginfo_t *si, void *uc T_UNUSED)
{
    g_si = *si;
    g_count++;
}

TEST(sigtrap_breakpoint)
{
    t_handle_info(SIGTRAP, on_trap, 0);
    __asm__ volatile("int3");
    EXPECT_EQ(g_count, 1);
    EXPECT_EQ(g_si.si_code, SI_KERNEL);
}

static void on_step(int sig T_UNUSED, siginfo_t *si, void *uc)
{
    g_si = *si;
    if (++g_count == 3)
        ((ucontext_t *)uc)->uc_mcontext.gregs[REG_EFL] &= ~0x100LL;
}

TEST(sigtrap_single_step_flag)
{
    t_handle_info(SIGTRAP, on_step, 0);
    __asm__ volatile("sub $128, %%rsp\n\tpushfq\n\torq $0x100, (%%rsp)\n\tpopfq\n\tnop\n\tnop\n\t"
                     "nop\n\tnop\n\tnop\n\tadd $128, %%rsp"
                     :
                     :
                     : "memory", "cc");
    EXPECT_EQ(g_count, 3);
    EXPECT_EQ(g_si.si_code, TRAP_TRACE);
}

static void on_stack_probe(int sig T_UNUSED)
{
    stack_t ss, bad;
    char local;
    g_sp = (uintptr_t)&local;
    sigaltstack(NULL, &ss);
    g_flags = ss.ss_flags;
    memset(&bad, 0, sizeof(bad));
    bad.ss_flags = SS_DISABLE;
    errno = 0;
    if (sigaltstack(&bad, NULL) == -1 && errno == EPERM)
        g_count |= 1;
}

TEST(alt_stack_used_with_sa_onstack)
{
    stack_t ss = {.ss_size = 65536}, old;
    ss.ss_sp = mmap(NULL, ss.ss_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ASSERT_OK(sigaltstack(&ss, &old));
    EXPECT_EQ(old.ss_flags, SS_DISABLE);
    t_handle(SIGUSR1, on_stack_probe, SA_ONSTACK);
    raise(SIGUSR1);
    EXPECT(g_sp >= (uintptr_t)ss.ss_sp && g_sp < (uintptr_t)ss.ss_sp + ss.ss_size);
    EXPECT_EQ(g_flags, SS_ONSTACK);
    EXPECT_EQ(g_count, 1);
    t_handle(SIGUSR1, on_stack_probe, 0);
    raise(SIGUSR1);
    EXPECT(g_sp < (uintptr_t)ss.ss_sp || g_sp >= (uintptr_t)ss.ss_sp + ss.ss_size);
}

TEST(alt_stack_errors)
{
    char small[1024];
    stack_t ss = {.ss_sp = small, .ss_size = sizeof(small)};
    EXPECT_ERRNO(sigaltstack(&ss, NULL), ENOMEM);
    ss.ss_size = 65536;
    ss.ss_flags = 0x1234;
    EXPECT_ERRNO(sigaltstack(&ss, NULL), EINVAL);
    EXPECT_ERRNO(syscall(SYS_sigaltstack, (void *)8, NULL), EFAULT);
}

static void on_overflow(int sig T_UNUSED, siginfo_t *si T_UNUSED, void *uc T_UNUSED)
{
    _exit(13);
}

static __attribute__((noinline)) int recurse(volatile char *prev)
{
    volatile char frame[4096];
    frame[0] = prev ? (char)(prev[0] + 1) : 0;
    if (g_count) /* never, but the compiler cannot know */
        return 0;
    return recurse(frame) + frame[0];
}

TEST(stack_overflow_handled_on_alt_stack)
{
    struct rlimit rl = {1 << 20, RLIM_INFINITY};
    getrlimit(RLIMIT_STACK, &rl);
    rl.rlim_cur = 1 << 20;
    ASSERT_OK(setrlimit(RLIMIT_STACK, &rl));
    pid_t pid = t_fork();
    if (pid == 0) {
        stack_t ss = {.ss_sp = malloc(65536), .ss_size = 65536};
        sigaltstack(&ss, NULL);
        t_handle_info(SIGSEGV, on_overflow, SA_ONSTACK);
        _exit(recurse(NULL));
    }
    EXPECT_EXIT(pid, 13);
}

static void on_clobber(int sig T_UNUSED)
{
    g_count++;
    __asm__ volatile("mov $0xdead, %%rax\n\tmov %%rax, %%rcx\n\tmov %%rax, %%rdx\n\t"
                     "mov %%rax, %%rsi\n\tmov %%rax, %%rdi\n\tmov %%rax, %%r8\n\t"
                     "mov %%rax, %%r9\n\tmov %%rax, %%r10\n\tmov %%rax, %%r11\n\t"
                     "pxor %%xmm0, %%xmm0\n\tpxor %%xmm7, %%xmm7\n\tpxor %%xmm15, %%xmm15\n\t"
                     "fninit"
                     :
                     :
                     : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "xmm0", "xmm7",
                       "xmm15", "memory", "cc");
    if (__builtin_cpu_supports("avx"))
        __asm__ volatile("vzeroall" : : : "memory");
}

TEST(sigreturn_restores_general_registers)
{
    uint64_t out[12];
    register uint64_t *base __asm__("r15") = out;
    t_handle(SIGUSR1, on_clobber, 0);
    base = out;
    /* kill(self) with every register set; only rax, rcx and r11 belong to the syscall. */
    __asm__ volatile("push %%rbx\n\tpush %%rbp\n\t"
                     "mov $0x1001, %%rbx\n\tmov $0x1002, %%rdx\n\tmov $0x1003, %%r8\n\t"
                     "mov $0x1004, %%r9\n\tmov $0x1005, %%r10\n\tmov $0x1006, %%r12\n\t"
                     "mov $0x1007, %%r13\n\tmov $0x1008, %%r14\n\tmov $0x1009, %%rbp\n\t"
                     "syscall\n\t"
                     "mov %%rbx, 0(%%r15)\n\tmov %%rdx, 8(%%r15)\n\tmov %%r8, 16(%%r15)\n\t"
                     "mov %%r9, 24(%%r15)\n\tmov %%r10, 32(%%r15)\n\tmov %%r12, 40(%%r15)\n\t"
                     "mov %%r13, 48(%%r15)\n\tmov %%r14, 56(%%r15)\n\tmov %%rbp, 64(%%r15)\n\t"
                     "mov %%rax, 72(%%r15)\n\tmov %%rdi, 80(%%r15)\n\tmov %%rsi, 88(%%r15)\n\t"
                     "pop %%rbp\n\tpop %%rbx"
                     :
                     : "a"((long)SYS_kill), "D"((long)getpid()), "S"((long)SIGUSR1), "r"(base)
                     : "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "memory", "cc");
    EXPECT_EQ(g_count, 1);
    for (int i = 0; i < 9; i++)
        EXPECT_EQ(out[i], 0x1001 + i);
    EXPECT_EQ(out[9], 0);
    EXPECT_EQ(out[10], getpid());
    EXPECT_EQ(out[11], SIGUSR1);
}

TEST(sigreturn_restores_registers_at_async_points)
{
    /* A busy loop checks its own invariants while a timer interrupts it anywhere. */
    struct itimerval it = {{0, 3000}, {0, 3000}};
    uint64_t bad = 0;
    t_handle(SIGALRM, on_clobber, 0);
    ASSERT_OK(setitimer(ITIMER_REAL, &it, NULL));
    while (g_count < 10 && !bad) {
        uint64_t a = 0, b = 0;
        __asm__ volatile("mov $200000, %%rcx\n\txor %%rax, %%rax\n\txor %%rdx, %%rdx\n\t"
                         "xor %%r8, %%r8\n\tpxor %%xmm7, %%xmm7\n\tpcmpeqd %%xmm0, %%xmm0\n\t"
                         "1: inc %%rax\n\tinc %%r8\n\tadd $2, %%rdx\n\tpsubq %%xmm0, %%xmm7\n\t"
                         "dec %%rcx\n\tjnz 1b\n\t"
                         "sub %%r8, %%rax\n\tlea (%%r8,%%r8), %%r8\n\tsub %%r8, %%rdx\n\t"
                         "or %%rdx, %%rax\n\tmov %%rax, %0\n\tmovq %%xmm7, %1"
                         : "=r"(a), "=r"(b)
                         :
                         : "rax", "rcx", "rdx", "r8", "xmm0", "xmm7", "cc");
        bad = a | (b ^ 200000);
    }
    EXPECT_EQ(bad, 0);
}

TEST(sigreturn_restores_sse_and_x87)
{
    double in[2] = {1.5, -2.25}, out[2] = {0, 0};
    long double st = 3.75L, st_out = 0;
    t_handle(SIGUSR1, on_clobber, 0);
    __asm__ volatile("movupd (%[in]), %%xmm7\n\tfldt %[st]\n\tsyscall\n\tfstpt %[so]\n\t"
                     "movupd %%xmm7, (%[out])"
                     : [so] "=m"(st_out)
                     : [in] "r"(in), [out] "r"(out), [st] "m"(st), "a"((long)SYS_kill),
                       "D"((long)getpid()), "S"((long)SIGUSR1)
                     : "rcx", "r11", "xmm7", "st", "st(1)", "st(2)", "st(3)", "st(4)", "st(5)",
                       "st(6)", "st(7)", "memory");
    EXPECT_EQ(g_count, 1);
    EXPECT(out[0] == in[0] && out[1] == in[1]);
    EXPECT(st_out == st);
}

TEST(sigreturn_restores_avx)
{
    uint64_t in[4] = {1, 2, 3, 4}, out[4] = {0};
    if (!__builtin_cpu_supports("avx"))
        SKIP("no AVX");
    t_handle(SIGUSR1, on_clobber, 0);
    __asm__ volatile("vmovdqu (%[in]), %%ymm9\n\tsyscall\n\tvmovdqu %%ymm9, (%[out])\n\tvzeroupper"
                     :
                     : [in] "r"(in), [out] "r"(out), "a"((long)SYS_kill), "D"((long)getpid()),
                       "S"((long)SIGUSR1)
                     : "rcx", "r11", "xmm9", "memory");
    EXPECT_EQ(g_count, 1);
    EXPECT(memcmp(in, out, sizeof(in)) == 0);
}

TEST(sigreturn_restores_mxcsr)
{
    uint32_t csr = 0x1f80 | 0x6000, out = 0, norm = 0x1f80;
    t_handle(SIGUSR1, on_clobber, 0);
    __asm__ volatile("ldmxcsr %0" : : "m"(csr));
    kill(getpid(), SIGUSR1);
    __asm__ volatile("stmxcsr %0\n\tldmxcsr %1" : "=m"(out) : "m"(norm));
    EXPECT_EQ(out & 0xffc0, csr);
}

TEST(vector_state_survives_syscalls_and_fork)
{
    uint64_t in[2] = {0x1122334455667788, 0x99aabbccddeeff00}, out[2] = {0};
    long pid;
    __asm__ volatile("movdqu (%[in]), %%xmm6\n\tsyscall\n\tmovdqu %%xmm6, (%[out])"
                     : "=a"(pid)
                     : [in] "r"(in), [out] "r"(out), "a"((long)SYS_fork)
                     : "rcx", "r11", "xmm6", "memory");
    if (pid == 0)
        _exit(memcmp(in, out, sizeof(in)) == 0 ? 0 : 1);
    EXPECT(memcmp(in, out, sizeof(in)) == 0);
    EXPECT_EXIT((pid_t)pid, 0);
}

static void on_edit(int sig T_UNUSED, siginfo_t *si T_UNUSED, void *uc)
{
    ucontext_t *u = uc;
    u->uc_mcontext.gregs[REG_RAX] = 1234;
    sigaddset(&u->uc_sigmask, SIGUSR2);
}

TEST(handler_may_edit_context)
{
    long rax;
    sigset_t set;
    t_handle_info(SIGUSR1, on_edit, 0);
    __asm__ volatile("syscall"
                     : "=a"(rax)
                     : "a"((long)SYS_kill), "D"((long)getpid()), "S"((long)SIGUSR1)
                     : "rcx", "r11", "memory");
    EXPECT_EQ(rax, 1234);
    sigprocmask(SIG_BLOCK, NULL, &set);
    EXPECT(sigismember(&set, SIGUSR2));
}

static void on_skip_fault(int sig T_UNUSED, siginfo_t *si T_UNUSED, void *uc)
{
    ((ucontext_t *)uc)->uc_mcontext.gregs[REG_RIP] += 2; /* ud2 is two bytes */
    g_count++;
}

TEST(handler_may_skip_instruction)
{
    t_handle_info(SIGILL, on_skip_fault, 0);
    __asm__ volatile("ud2");
    __asm__ volatile("ud2");
    EXPECT_EQ(g_count, 2);
}

static char *g_page;

static void on_fix(int sig T_UNUSED, siginfo_t *si T_UNUSED, void *uc T_UNUSED)
{
    g_count++;
    mprotect(g_page, 4096, PROT_READ | PROT_WRITE);
}

TEST(handler_may_fix_mapping)
{
    g_page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    t_handle_info(SIGSEGV, on_fix, 0);
    *(volatile char *)g_page = 5;
    EXPECT_EQ(g_count, 1);
    EXPECT_EQ(*(volatile char *)g_page, 5);
}

TEST(red_zone_is_preserved)
{
    uint64_t got;
    t_handle(SIGUSR1, on_clobber, 0);
    __asm__ volatile("movq $0x5a5a5a, -64(%%rsp)\n\tsyscall\n\tmov -64(%%rsp), %0"
                     : "=a"(got)
                     : "a"((long)SYS_kill), "D"((long)getpid()), "S"((long)SIGUSR1)
                     : "rcx", "r11", "memory");
    EXPECT_EQ(g_count, 1);
    EXPECT_EQ(got, 0x5a5a5a);
}
