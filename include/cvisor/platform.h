/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The platform contract. The platform owns the host threads that run guest code and delivers
 * events; the kernel handles one event and returns an action. The kernel never "switches to" a
 * guest. One backend is chosen at start (platform_select) and stays.
 *
 * Life of a guest thread:
 *   platform_thread_create() -> kernel's event(START) on a host thread of the platform -> action ->
 *   guest code runs -> event(SYSCALL | FAULT | INTERRUPTED) -> action -> ... -> action EXIT.
 * Events of one guest thread never overlap. They may arrive on different host threads.
 * An event handler may block its host thread, between platform_about_to_block() and
 * platform_done_blocking().
 */
#ifndef CVISOR_PLATFORM_H
#define CVISOR_PLATFORM_H

#include "cvisor/arch.h"
#include "cvisor/compiler.h"

struct platform_as;     /* an address space: one stub process */
struct platform_thread; /* a guest thread */

enum platform_event_type {
    PLATFORM_START,       /* first event of a thread: set its registers, return RESUME_CONTEXT */
    PLATFORM_SYSCALL,     /* nr, args, ip */
    PLATFORM_FAULT,       /* synchronous exception */
    PLATFORM_INTERRUPTED, /* platform_thread_interrupt() was called, or a spurious wake-up */
    PLATFORM_DIED,        /* the stub is gone (killed from outside, host OOM): the task must exit */
};

#define PLATFORM_READ 1u
#define PLATFORM_WRITE 2u
#define PLATFORM_EXEC 4u

#define PLATFORM_ANSWERS 16

struct platform_event {
    enum platform_event_type type;
    u64 ip;   /* SYSCALL: address after the syscall instruction. FAULT: faulting instruction. */
    bool hot; /* SYSCALL: the instruction is executed often; the kernel may call as_patch */
    /* SYSCALL */
    u64 nr;
    u64 args[6];
    /* FAULT: as Linux would report it to the guest */
    s32 signo;     /* SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP */
    s32 si_code;   /* ABI code: SEGV_MAPERR, TRAP_BRKPT, ... as the host reported it */
    u64 addr;      /* si_addr */
    u32 access;    /* PLATFORM_READ/WRITE/EXEC for memory faults; 0 = the backend can't tell */
    u32 trapno;    /* x86 vector, for sigcontext; 0 when unknown */
    u32 errorcode; /* x86 error code, for sigcontext; 0 when unknown */
};

enum platform_action_type {
    PLATFORM_RESUME,         /* after SYSCALL: rax = retval, other registers as they were */
    PLATFORM_RESUME_CONTEXT, /* continue with the registers last set by platform_regs_set(), or
                                unchanged if none were set (restart: the kernel sets rip itself) */
    PLATFORM_EXIT,           /* the guest thread is gone; the platform frees its platform_thread */
};

struct platform_action {
    enum platform_action_type type;
    s64 retval;
};

/* Implemented by the kernel. No locks are held when the platform calls. */
struct platform_kernel_ops {
    /* task is what platform_thread_create() was given. After EXIT it is never used again. */
    struct platform_action (*event)(void *task, const struct platform_event *ev);
    /* A host process of the platform was ended from outside (killed, host OOM). Its tasks get DIED
     * when their current event ends; those that are blocked in one learn of it only through this
     * call. From a thread of the platform, once for each process. May be NULL. */
    void (*stub_died)(int host_pid);
};

enum platform_mapop_type { PLATFORM_MAP, PLATFORM_UNMAP, PLATFORM_PROTECT };

/*
 * One change of an address space. Page-aligned, inside [vm_start, vm_end), len > 0.
 * A backend may lose translations at any time (never widen them): the kernel answers a FAULT in
 * memory that it has mapped by mapping it again. In particular PROTECT of a range with unmapped
 * holes may unmap the rest of it.
 */
struct platform_mapop {
    enum platform_mapop_type type;
    u64 addr, len; /* bytes */
    u32 prot;      /* PLATFORM_READ|WRITE|EXEC; 0 = none (MAP, PROTECT) */
    int fd;        /* MAP: host fd in the sentry, mapped MAP_SHARED|MAP_FIXED. Stays open until a
                      later operation removes the mapping, or the last reference of the as goes */
    u64 offset;    /* MAP: bytes into fd */
    bool populate; /* MAP: prefault */
    bool fresh;    /* MAP: nothing is mapped there; it may be done when the guest first needs it */
};

/* What the backend offers; immutable after platform_select. */
struct platform_info {
    const char *name;
    u64 vm_start, vm_end; /* usable guest addresses; the stub's own region is outside */
    size_t fp_size;       /* bytes of FP state (XSAVE area, standard format) */
    u64 xfeatures;        /* XCR0 bits of that area */
    bool reports_access;  /* FAULT events carry access */
};

/* The ways that a systrap guest's calls may take, the cheapest first. */
enum platform_rung {
    PLATFORM_RUNG_ANSWER = 1, /* answered inside the stub, at patched call sites */
    PLATFORM_RUNG_SPIN = 2,   /* posted to a host thread that spins, from patched call sites */
    PLATFORM_RUNG_NOTIFY = 4, /* seccomp user notification */
    PLATFORM_RUNG_TRAP = 8,   /* SIGSYS; instead of notifications */
};

struct platform_config {
    const char *name;   /* "ptrace", "systrap", "skeleton", or NULL: the best that works here */
    int template_pidfd; /* reserved for backends whose template is made before the sandbox; -1 */
    u32 rungs;          /* enum platform_rung, those that may be used; 0 = all that work */
};

/* "answer,spin,notify,trap", or some of them: 0, or -EINVAL with a reason for people in why[n]. */
int platform_parse_rungs(const char *list, u32 *rungs, char *why, size_t n);

/*
 * Every function below is a field of the backend's table and has a one-line wrapper
 * platform_<name>() that calls the chosen backend.
 */
struct platform_ops {
    const char *name;
    /* Probes the host: 0, or -errno with a reason for people in why[n]. Makes no state. */
    int (*probe)(char *why, size_t n);
    /* Called once, before the sentry drops its privileges and installs its seccomp filter: forks
     * the template, so that later stubs need no more than the filter allows. The process has
     * its final user namespace, pid namespace, uids and gids by then; capabilities may go later.
     * fds that are opened later are usable for MAP. */
    int (*init)(const struct platform_config *cfg, const struct platform_kernel_ops *kops,
                struct platform_info *info);
    /* Ends all stubs. Called when the sandbox ends; guest threads need not have exited. */
    void (*shutdown)(void);

    /* One reference to the caller. -ENOMEM, -EAGAIN when the host has no room for a process. */
    int (*as_create)(struct platform_as **out);
    void (*as_get)(struct platform_as *as);
    /* Last put, with no thread left: the stub is recycled or killed. */
    void (*as_put)(struct platform_as *as);
    /* Nothing of the as is used any more; its threads have exited or are in events that will end
     * with EXIT or thread_switch_as. When this returns, guest code has no use of its translations,
     * and what they lead to may be given to others. Before the put; NULL: events see to it. */
    void (*as_retire)(struct platform_as *as);
    /*
     * Applies n changes in order, as one batch. When it returns, no guest thread of `as` can use a
     * translation that the batch removed or narrowed. May be called from any host thread, inside or
     * outside an event of that address space, with kernel locks held (the backend takes none of
     * the kernel's). On error some changes may have been made: -ENOMEM (host limits), -ESRCH (the
     * stub is dead: its threads will get DIED), what mmap says of the fd. While no thread of `as`
     * runs guest code, changes made outside its events may wait for the next resume; one that then
     * fails leaves the range unmapped.
     */
    int (*as_apply)(struct platform_as *as, const struct platform_mapop *ops, size_t n);

    /*
     * Rewrites the call site of a hot event, whose syscall instruction ends at ip: a copy of the page
     * of text that holds it, altered by the backend, is mapped in place of what the kernel has
     * mapped, until a map operation touches the page. text is the page (PAGE_SIZE bytes) as the
     * guest is to see it. Only for memory that is executable, not writable, and that nobody can
     * change behind the kernel's back. The caller's locks keep the mapping as it is until this
     * returns. The result is only for the log: -ENOENT (no pattern the backend knows), -ENOSPC,
     * -ENOSYS (a backend without it).
     */
    int (*as_patch)(struct platform_as *as, u64 ip, const void *text, u32 prot);

    /* The new thread belongs to `as` (a reference is taken) and starts with event(START) on its
     * own; this may happen before the function returns, after *out has been stored. At START the
     * registers are zero (user segments, interrupts on) and the FP state is that of a new
     * program. */
    int (*thread_create)(struct platform_as *as, void *task, struct platform_thread **out);
    /* Makes the thread leave guest code with INTERRUPTED soon, or, if it is in an event, right
     * after that event's resume. Callable from any thread; pt must not have returned EXIT. */
    void (*thread_interrupt)(struct platform_thread *pt);

    /* Until it is told otherwise the backend may answer system call nr (without arguments) of the
     * thread with value, unseen by the kernel. Negative: not any more; a call made before this
     * returns may still get the old value. Stays through thread_switch_as. nr < 512, at most
     * PLATFORM_ANSWERS different ones. Callable from any thread; pt must not have returned EXIT. */
    void (*thread_answer)(struct platform_thread *pt, u32 nr, s64 value);

    /* The rest only from inside an event of pt, on the host thread that delivers it. */

    /* execve: pt runs in `as` from now on (takes a reference, drops the old one). Registers and FP
     * state are as at START. On error nothing has changed. */
    int (*thread_switch_as)(struct platform_thread *pt, struct platform_as *as);
    /* Full register context, as of the event (rax of a SYSCALL event = nr, rip after it). */
    void (*regs_get)(struct platform_thread *pt, struct arch_regs *regs);
    /* Takes effect with RESUME_CONTEXT; RESUME ignores it. A later regs_get in the same event gives
     * these. The backend sanitises cs, ss, eflags, non-canonical bases. */
    void (*regs_set)(struct platform_thread *pt, const struct arch_regs *regs);
    /* info.fp_size bytes. fp_set: the header is validated by the kernel; -EINVAL if the host
     * refuses it. */
    void (*fp_get)(struct platform_thread *pt, void *buf);
    int (*fp_set)(struct platform_thread *pt, const void *buf);
    /* The next resume runs one instruction, then FAULT{SIGTRAP, TRAP_TRACE}. One shot. An
     * instruction that is a system call or faults gives its own event instead, and that was it:
     * the trap behind a system call is the kernel's to make. */
    void (*single_step)(struct platform_thread *pt);
    void (*about_to_block)(struct platform_thread *pt);
    void (*done_blocking)(struct platform_thread *pt);
};

extern const struct platform_ops *g_platform; /* NULL before platform_select */
extern struct platform_info g_platform_info;

/* Chooses and initialises a backend. -ENOSYS with a reason in why[n] when none works. In case of
 * success why says why better ones do not work; it is empty when there are none. */
int platform_select(const struct platform_config *cfg, const struct platform_kernel_ops *kops,
                    char *why, size_t n);
/* NULL-terminated list of the compiled-in backends, best first. */
extern const struct platform_ops *const g_platform_backends[];

#define platform_shutdown() g_platform->shutdown()
#define platform_as_create(out) g_platform->as_create(out)
#define platform_as_get(as) g_platform->as_get(as)
#define platform_as_put(as) g_platform->as_put(as)
#define platform_as_retire(as)                                                                     \
    do {                                                                                           \
        if (g_platform->as_retire)                                                                 \
            g_platform->as_retire(as);                                                             \
    } while (0)
#define platform_as_apply(as, ops, n) g_platform->as_apply(as, ops, n)
#define platform_as_patch(as, ip, text, prot) g_platform->as_patch(as, ip, text, prot)
#define platform_thread_create(as, task, out) g_platform->thread_create(as, task, out)
#define platform_thread_interrupt(pt) g_platform->thread_interrupt(pt)
#define platform_thread_answer(pt, nr, value) g_platform->thread_answer(pt, nr, value)
#define platform_thread_switch_as(pt, as) g_platform->thread_switch_as(pt, as)
#define platform_regs_get(pt, r) g_platform->regs_get(pt, r)
#define platform_regs_set(pt, r) g_platform->regs_set(pt, r)
#define platform_fp_get(pt, b) g_platform->fp_get(pt, b)
#define platform_fp_set(pt, b) g_platform->fp_set(pt, b)
#define platform_single_step(pt) g_platform->single_step(pt)
#define platform_about_to_block(pt) g_platform->about_to_block(pt)
#define platform_done_blocking(pt) g_platform->done_blocking(pt)

#endif
