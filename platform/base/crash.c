/* SPDX-License-Identifier: Apache-2.0 */
/* Panics and faults of our own: the report, then the end. */
#include "cvisor/crash.h"

#include "abi/linux/prctl.h"
#include "cvisor/host.h"
#include "cvisor/log.h"
#include "platform/base/crash_priv.h"

#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <ucontext.h>

#ifdef CV_HAVE_LIBUNWIND
#define UNW_LOCAL_ONLY
#include <libunwind.h>
#else
#include <unwind.h>
#endif

#define FRAMES_MAX 64

void (*g_crash_context)(char *buf, size_t n);

static atomic_int g_crashing; /* tid of the thread that reports; atomic */

#ifdef CV_HAVE_LIBUNWIND
size_t crash_backtrace(u64 *pcs, size_t max)
{
    unw_context_t context;
    unw_cursor_t cursor;
    unw_word_t pc;
    size_t n = 0;

    if (unw_getcontext(&context) != 0 || unw_init_local(&cursor, &context) != 0)
        return 0;
    do {
        if (n == max || unw_get_reg(&cursor, UNW_REG_IP, &pc) != 0 || pc == 0)
            break;
        pcs[n++] = pc;
    } while (unw_step(&cursor) > 0);
    return n;
}
#else
struct frames {
    u64 *pcs;
    size_t n, max;
};

static _Unwind_Reason_Code take_frame(struct _Unwind_Context *context, void *arg)
{
    struct frames *f = arg;
    u64 pc = _Unwind_GetIP(context);

    if (f->n == f->max || pc == 0)
        return _URC_END_OF_STACK;
    f->pcs[f->n++] = pc;
    return _URC_NO_REASON;
}

size_t crash_backtrace(u64 *pcs, size_t max)
{
    struct frames f = {.pcs = pcs, .max = max};

    _Unwind_Backtrace(take_frame, &f);
    return f.n;
}
#endif

static __noreturn void die(void)
{
    struct sigaction sa = {.sa_handler = SIG_DFL};
    sigset_t abrt;

    sigaction(SIGABRT, &sa, NULL);
    sigemptyset(&abrt);
    sigaddset(&abrt, SIGABRT);
    pthread_sigmask(SIG_UNBLOCK, &abrt, NULL);
    host_tgkill(host_getpid(), host_gettid(), SIGABRT);
    /* The first process of a pid namespace ignores its own signals. */
    host_exit_group(128 + SIGABRT);
}

/* Only one thread reports; the others wait for the end that it brings. */
static void enter_crash(void)
{
    int self = host_gettid(), expected = 0;

    if (atomic_compare_exchange_strong(&g_crashing, &expected, self))
        return;
    if (expected == self)
        host_exit_group(128 + SIGABRT); /* the report itself crashed */
    for (;;)
        host_futex_wait((const _Atomic u32 *)&g_crashing, (u32)expected, 0);
}

/* Frames before this pc belong to the report itself. exact: from is an instruction, as all others are
 * not: a return address may already belong to the next function. */
static void report_backtrace(u64 from, bool exact)
{
    u64 pcs[FRAMES_MAX];
    size_t n = crash_backtrace(pcs, FRAMES_MAX), first = 0, line = 0;
    char name[160];

    for (size_t i = 0; i < n; i++) {
        if (pcs[i] == from)
            first = i;
    }
    if (!first) {
        /* The unwinder did not get there: say at least where it was. */
        crash_symbol(from, name, sizeof(name));
        log_raw(LOG_ERROR, "  #%zu 0x%016llx %s", line++, (unsigned long long)from, name);
    }
    for (size_t i = first; i < n; i++) {
        crash_symbol(exact && i == first ? pcs[i] : pcs[i] - 1, name, sizeof(name));
        log_raw(LOG_ERROR, "  #%zu 0x%016llx %s", line++, (unsigned long long)pcs[i], name);
    }
}

static void report_context(void)
{
    static char buf[2048]; /* only the one crashing thread is here */
    char *line, *rest = buf;

    if (!g_crash_context)
        return;
    buf[0] = 0;
    g_crash_context(buf, sizeof(buf));
    buf[sizeof(buf) - 1] = 0;
    while ((line = strsep(&rest, "\n"))) {
        if (*line)
            log_raw(LOG_ERROR, "  guest: %s", line);
    }
}

static void thread_name(char name[16])
{
    memset(name, 0, 16);
    host_prctl(LINUX_PR_GET_NAME, (u64)(uintptr_t)name, 0, 0, 0);
}

void cv_panic(const char *file, int line, const char *fmt, ...)
{
    char msg[1024], name[16];
    va_list ap;

    enter_crash();
    va_start(ap, fmt);
    vsnprintf(msg, sizeof(msg), fmt, ap);
    va_end(ap);
    thread_name(name);
    log_write(NULL, LOG_ERROR, file, line, "panic: %s (pid %d, thread %d %s)", msg, host_getpid(),
              host_gettid(), name);
    report_backtrace((u64)(uintptr_t)__builtin_return_address(0), false);
    report_context();
    die();
}

static void report_registers(const ucontext_t *uc)
{
    const greg_t *r = uc->uc_mcontext.gregs;
#define R(x) (unsigned long long)r[REG_##x]

    log_raw(LOG_ERROR, "  rip %016llx rsp %016llx rbp %016llx efl %08llx", R(RIP), R(RSP), R(RBP),
            R(EFL));
    log_raw(LOG_ERROR, "  rax %016llx rbx %016llx rcx %016llx rdx %016llx", R(RAX), R(RBX), R(RCX),
            R(RDX));
    log_raw(LOG_ERROR, "  rsi %016llx rdi %016llx r8  %016llx r9  %016llx", R(RSI), R(RDI), R(R8),
            R(R9));
    log_raw(LOG_ERROR, "  r10 %016llx r11 %016llx r12 %016llx r13 %016llx", R(R10), R(R11), R(R12),
            R(R13));
    log_raw(LOG_ERROR, "  r14 %016llx r15 %016llx err %016llx cr2 %016llx", R(R14), R(R15), R(ERR),
            R(CR2));
#undef R
}

void crash_on_fault(int sig, const void *info, const void *ucontext)
{
    const siginfo_t *si = info;
    const ucontext_t *uc = ucontext;
    char name[16];

    enter_crash();
    thread_name(name);
    log_raw(LOG_ERROR, "fatal: SIG%s (code %d) at address %p (pid %d, thread %d %s)",
            sigabbrev_np(sig), si->si_code, si->si_addr, host_getpid(), host_gettid(), name);
    report_registers(uc);
    report_backtrace((u64)uc->uc_mcontext.gregs[REG_RIP], true);
    report_context();
    die();
}

static void on_fault(int sig, siginfo_t *info, void *ucontext)
{
    crash_on_fault(sig, info, ucontext);
}

static void install(int sig, bool even_if_handled)
{
    struct sigaction sa = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    struct sigaction old;

    sigfillset(&sa.sa_mask);
    if (!even_if_handled && sigaction(sig, NULL, &old) == 0 &&
        ((old.sa_flags & SA_SIGINFO) || old.sa_handler != SIG_DFL))
        return;
    sigaction(sig, &sa, NULL);
}

void crash_thread_enter(void *stack)
{
    stack_t ss = {.ss_sp = stack, .ss_size = CRASH_ALTSTACK};

    sigaltstack(&ss, NULL);
}

void crash_thread_exit(void)
{
    stack_t ss = {.ss_flags = SS_DISABLE};

    sigaltstack(&ss, NULL);
}

void crash_init(void)
{
    static char stack[CRASH_ALTSTACK] __aligned_to(16); /* of the main thread */
    u64 pc;

    atomic_store(&g_crashing, 0);
    symbols_init();
    crash_backtrace(&pc, 1); /* lets the unwinder set itself up while it still can */
#if !defined(CV_ASAN) && !defined(CV_TSAN)
    crash_thread_enter(stack);
    install(SIGSEGV, false);
    install(SIGBUS, false);
    install(SIGFPE, true);
    install(SIGILL, true);
#else
    /* The sanitizers have reports and alternate stacks of their own. */
    (void)stack;
    (void)install;
#endif
}
