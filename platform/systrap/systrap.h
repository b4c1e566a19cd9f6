/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to the systrap backend. README.md has the model; in short: a stub process has a leader,
 * traced by the master thread and never running guest code; a memory thread that changes the address
 * space on orders; and threads for guest code, each with a seccomp listener of its own, which one
 * host thread ("vcpu", struct platform_thread) serves.
 */
#ifndef PLATFORM_SYSTRAP_SYSTRAP_H
#define PLATFORM_SYSTRAP_SYSTRAP_H

#include "abi/linux/sched.h"
#include "abi/linux/seccomp.h"
#include "abi/linux/sigcontext.h"
#include "abi/linux/signal.h"
#include "cvisor/list.h"
#include "cvisor/lock.h"
#include "cvisor/platform.h"
#include "cvisor/refs.h"
#include "platform/systrap/slot_layout.h"

#define SYSTRAP_TASK_END 0x7ffffffff000ull /* end of user addresses with four-level paging */
#define SYSTRAP_VM_START ((u64)LOW_BASE + LOW_SIZE)

/*
 * The stub region, aligned to the size of a context: code, the pages of the batch, then a window for
 * the contexts of all slots, of which a stub has mapped those of its own threads.
 */
#define SYSTRAP_CONTEXT_SIZE CTX_SIZE
#define SYSTRAP_CODE_SIZE PAGE_SIZE
#define SYSTRAP_BATCH_SIZE (4 * PAGE_SIZE)
#define SYSTRAP_CONTEXT_OFF SYSTRAP_CONTEXT_SIZE
#define SYSTRAP_CONTEXTS 16384u
#define SYSTRAP_REGION_SIZE (SYSTRAP_CONTEXT_OFF + SYSTRAP_CONTEXTS * SYSTRAP_CONTEXT_SIZE)
/* In the page of code: the programs that a thread installs. */
#define SYSTRAP_PROG_OFF 2048

/*
 * A context: the slot that its thread and its vcpu talk through, then the stack of the thread's signal
 * handler; the thread can write to both. Behind them a page that it can only read.
 */
struct stub_context {
    u64 fs_base, gs_base;     /* the stub's handler loads them when it is told to */
    struct linux_stack stack; /* argument of sigaltstack */
    u32 magic, spins;
    u64 fp_mask;
    u64 unused;
    /* written by the stub */
    u64 rdi, rsi, rdx, r10, r8, r9;
    u32 nr;
    u16 entry, flags;
    _Atomic u16 attn, seq;
    u32 unused_2;
    /* written by the vcpu */
    u64 ret;
    u32 cmd;
    _Atomic u16 state, done;
    u64 unused_3[6];
    /* written by the stub */
    u64 rbx, rbp, rsp, r12, r13, r14, r15, req_fs;
    /* written by the vcpu */
    struct arch_regs load;
    u64 unused_4;
    /* written by the stub, where there are no notifications: trap.c */
    _Atomic u32 bell, report;
    u64 trap_sig, trap_frame, trap_fs, trap_gs;
    /* written by the stub */
    u64 eflags;
};
#define SYSTRAP_STACK_OFF PAGE_SIZE
#define SYSTRAP_STACK_SIZE (CTX_SHARED_SIZE - SYSTRAP_STACK_OFF)

#define CHECK_CTX(field, off)                                                                      \
    _Static_assert(offsetof(struct stub_context, field) == (off), "slot_layout.h")
CHECK_CTX(magic, CTX_MAGIC);
CHECK_CTX(fp_mask, CTX_FP_MASK);
CHECK_CTX(rdi, CTX_RDI);
CHECK_CTX(nr, CTX_NR);
CHECK_CTX(seq, CTX_SEQ);
CHECK_CTX(ret, CTX_RET);
CHECK_CTX(done, CTX_DONE);
CHECK_CTX(rbx, CTX_RBX);
CHECK_CTX(req_fs, CTX_REQ_FS);
CHECK_CTX(load, CTX_LOAD);
CHECK_CTX(bell, CTX_TRAP_BELL);
CHECK_CTX(report, CTX_TRAP_REPORT);
CHECK_CTX(trap_sig, CTX_TRAP_SIG);
CHECK_CTX(trap_gs, CTX_TRAP_GS);
CHECK_CTX(eflags, CTX_EFLAGS);
CHECK_CTX(load.rip, LOAD_RIP);
CHECK_CTX(load.rsp, LOAD_RSP);
CHECK_CTX(load.fs_base, LOAD_FS_BASE);

/* Makes a stub thread leave guest code, or enter its handler at the exit of a syscall. Not queued
 * twice. */
#define SYSTRAP_SIGNAL LINUX_SIGUSR2

/* Queued, with a random value: proves that the host has delivered it. */
#define SYSTRAP_PROOF_SIGNAL 61

/* The number of the syscalls by which stub code reports; together with their address. */
#define SYSTRAP_REPORT_NR REPORT_NR

/* The exact flags that the stubs' filter lets through. */
#define SYSTRAP_CLONE_PROCESS                                                                      \
    (LINUX_CLONE_PARENT | LINUX_CLONE_PTRACE | LINUX_CLONE_FILES | LINUX_SIGCHLD)
#define SYSTRAP_CLONE_THREAD                                                                       \
    (LINUX_CLONE_VM | LINUX_CLONE_FS | LINUX_CLONE_FILES | LINUX_CLONE_SIGHAND |                   \
     LINUX_CLONE_THREAD | LINUX_CLONE_SYSVSEM | LINUX_CLONE_PTRACE)
#define SYSTRAP_LISTENER_FLAGS                                                                     \
    (LINUX_SECCOMP_FILTER_FLAG_NEW_LISTENER | LINUX_SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV)

/* One syscall of a batch, as systrap_stub_memory reads it. */
struct stub_op {
    u64 nr; /* -1 ends the batch */
    u64 args[6];
};

#define SYSTRAP_BATCH_OPS (BATCH_ORDER / sizeof(struct stub_op) - 1)

#define SYSTRAP_STUBS_MAX 16384u

/* A stub with more threads than this is not kept for another address space. */
#define SYSTRAP_THREADS_KEPT 4
#define SYSTRAP_THREADS_KEPT_TRAP 1 /* README.md, "Security" */

/* A call of the master thread. */
struct master_call {
    struct list_head link; /* g_systrap.lock */
    enum { CALL_CREATE, CALL_CLONE, CALL_RECYCLE, CALL_KILL, CALL_SHUTDOWN } type;
    struct platform_as *as;     /* CREATE: result */
    struct stub_thread *thread; /* CLONE: result */
    int result;
    bool async;       /* nobody waits; the call is part of the as */
    atomic_uint done; /* futex */
};

enum stub_state {
    STUB_FRESH,   /* its first report has not been received */
    STUB_SYSCALL, /* in a syscall that was received and not answered */
    STUB_SLOT,    /* has posted a request in its slot and waits there, spinning or in a syscall */
    STUB_FRAME,   /* in its handler's report, not answered: the frame has all registers */
    STUB_GUEST,   /* runs */
};

enum slot_owed { OWED_NOTHING, OWED_RESULT, OWED_LOAD };

/* A thread of a stub that runs guest code. Belongs to a vcpu, or waits in as->ready. */
struct stub_thread {
    struct stub_thread *next; /* of as->all; written by the master, before the thread is used */
    struct list_head link;    /* as->ready: as->lock */
    int tid;                  /* immutable */
    int fd;                   /* its listener, -1: it traps; immutable */
    u32 slot;                 /* of its context; immutable */
    struct stub_context *ctx; /* our view: hostile content; immutable */
    u64 addr;                 /* of the context in the stub; immutable */
    enum stub_state state;    /* private to the vcpu */
    u64 id;                   /* of the notification, SLOT: 0 = it spins; private to the vcpu */
    u32 bell, answered;       /* of a thread that traps: trap.c; private to the vcpu */
    u16 seq;                  /* of the last request that was taken; private to the vcpu */
    u8 owed;      /* enum slot_owed: an answer that it may not have taken; private to the vcpu */
    bool counted; /* in as->nguest; private to the vcpu */
    u64 frame;    /* FRAME: offset in the context, checked; private to the vcpu */
    atomic_bool kicked;  /* a signal was sent, and no report has come since */
    atomic_bool running; /* the vcpu waits for a report */
    u32 ticks;           /* the master's patience */
};

struct platform_as {
    struct ref refs;                       /* one for each vcpu on it and each of the kernel's */
    int pid;                               /* of the stub and its leader; immutable */
    u32 slot;                              /* of the batch file; immutable */
    struct stub_op *batch;                 /* our writable view; ops [0, npending): lock */
    struct mutex lock;                     /* PLATFORM_AS */
    atomic_uint npending;                  /* queued operations; written under lock */
    atomic_uint nlazy;                     /* queued, instead of those: mappings that nobody has
                                              touched; written under lock */
    s32 lazy_score;                        /* in favour of waiting with a mapping: lock */
    u32 lazy_skipped;                      /* mappings that were not waited with: lock */
    atomic_uint nguest;                    /* stub threads that run guest code, are about to, or
                                              were not seen to have stopped */
    atomic_bool dead;                      /* the stub is gone or about to be */
    atomic_bool killed;                    /* by ourselves */
    atomic_bool no_patch;                  /* the guest uses GS itself */
    _Atomic(struct patch_table *) patches; /* NULL: none; written under lock */
    bool touched;                          /* something was mapped since the last cleaning; lock */
    int mem_tid;                           /* the memory thread; immutable */
    int mem_fd;                            /* its listener, or the pipe that it reports to;
                                              immutable */
    int mem_out;                           /* the pipe's other end, or -1; immutable */
    u64 mem_id;                            /* its report that is not answered, 0 = none; lock */
    struct list_head ready;                /* stub threads without a vcpu; lock */
    _Atomic(struct stub_thread *) all;     /* every thread; written by the master */
    u32 nthreads;                          /* written by the master */
    bool leader_reaped;                    /* private to the master */
    struct list_head link;                 /* of the spares: g_systrap.lock */
    struct master_call call;               /* KILL */
};

enum vcpu_flags {
    VCPU_GUEST = 1, /* resumed, or about to be: an interrupt needs a signal */
    VCPU_INTR = 2,  /* INTERRUPTED is owed */
};

enum vcpu_fp {
    FP_STUB,  /* in the thread's registers */
    FP_SAVED, /* there and in the slot */
    FP_SET,   /* in the slot, to be loaded */
};

/* How often call sites were seen, by a hash of their address. */
#define HOT_SITES 64
struct hot_table {
    u64 ip[HOT_SITES];
    u16 count[HOT_SITES];
};

/* What a vcpu's events were, and its spins. */
enum rung_count { COUNT_SPIN, COUNT_SLOT, COUNT_CALL, COUNT_FRAME, COUNT_MISS, COUNT_GAP, COUNTS };

/* When to spin for the next request: spin.c. */
struct spin {
    bool on;     /* requests are expected in the slot */
    s32 credit;  /* in favour */
    bool placed; /* its thread may not run on cpu */
    u32 cpu;
    u32 hits;     /* since it was begun */
    u32 patience; /* quick requests that it takes to begin */
    u64 answered; /* time stamp of the last answer */
};

/* Where a vcpu's host thread may run. Times are time stamps. */
struct place {
    bool pinned;
    bool floated; /* because it has been pinned for long enough */
    u32 cpu;      /* it is pinned to */
    u32 events;   /* while it floats and no other guest thread runs */
    u64 since;    /* it is pinned, or floats */
    u64 crowd;    /* 0, or since when others run too */
};

/* A vcpu. Everything without a label is private to its host thread. */
struct platform_thread {
    struct platform_as *as;   /* holds a reference; set by the creator before the wake-up */
    struct stub_thread *stub; /* NULL: none. Changed under lock */
    struct mutex lock;        /* LEAF: against a signal that would hit a former stub thread */
    atomic_uint flags;        /* enum vcpu_flags */
    void *task;               /* set by the creator */
    atomic_int host_tid;      /* of its host thread; 0: it has not run yet */
    atomic_uint assigned;     /* futex: 1 = as, stub and task are there, 2 = leave */
    struct list_head link;    /* of the free vcpus: g_systrap.lock */

    enum platform_event_type event; /* that is being handled */
    u64 rax;                        /* STUB_SYSCALL: what the register holds when it goes on */
    u64 orig_rax;                   /* the event's syscall, or -1 */
    u64 ip;                         /* STUB_SLOT, of the event: behind the call */
    bool keeps_flags;               /* STUB_SLOT: the site preserves them */
    u8 fp;                          /* enum vcpu_fp: STUB_SLOT, where the FP state is */
    bool valid;                     /* regs holds the stub's registers as of the event */
    bool dirty;                     /* the stub's registers are not regs: write them back */
    bool bases;                     /* fs_base or gs_base among them */
    bool next_set;                  /* next was set in this event */
    bool step;                      /* single_step for the next resume */
    bool stepping;                  /* the trap flag is ours */
    bool strip;                     /* ... and is to be taken out of the registers */
    u64 retried;                    /* fault in code that was no longer there: seen once */
    bool died;                      /* DIED has been or must be delivered */
    struct arch_regs regs, next;
    struct spin spin;
    struct place place; /* of the creator of a guest thread for it, until that is assigned */
    u64 counts[COUNTS]; /* enum rung_count; added up when the guest thread ends */
    struct hot_table hot;
    struct {
        u32 nr;
        s64 value;
    } answers[PLATFORM_ANSWERS]; /* lock */
    u32 nanswers;                /* lock */
};

enum systrap_rungs {
    RUNG_ANSWER = PLATFORM_RUNG_ANSWER, /* 0: answered inside the stub */
    RUNG_SPIN = PLATFORM_RUNG_SPIN,     /* 1: a vcpu spins on the slot */
    RUNG_NOTIFY = PLATFORM_RUNG_NOTIFY, /* 2: seccomp notification */
    RUNG_TRAP = PLATFORM_RUNG_TRAP,     /* 3: SIGSYS */
    RUNG_PATCH = 16,                    /* call sites are patched: what 0 and 1 need */
};

struct systrap_global {
    const struct platform_kernel_ops *kops; /* immutable */
    u64 region;                             /* immutable */
    int batch_fd, context_fd;               /* immutable */
    char *batch_map, *context_map;          /* immutable: our views of the files */
    u32 rungs;                              /* enum systrap_rungs; immutable after init */
    bool low;                               /* the low area is there; immutable */
    int sentry_pid;                         /* immutable */
    int template_pid;                       /* private to the master after init */

    struct mutex lock;                   /* PLATFORM */
    struct list_head spares;             /* stubs without a guest, ready to use; lock */
    u32 nspares;                         /* lock */
    struct list_head calls;              /* of the master; lock */
    struct list_head vcpus;              /* free ones; lock */
    u32 nvcpus;                          /* lock */
    struct platform_as **slots;          /* by slot; written by the master under lock */
    u32 nslots;                          /* slots ever used; lock */
    u64 contexts[SYSTRAP_CONTEXTS / 64]; /* bits of slots in use; private to the master */

    atomic_uint bell;  /* futex of the master */
    atomic_uint ready; /* futex: template made (1) or failed (2) */
    int init_error;    /* valid when ready == 2 */
    atomic_bool down;  /* shutdown was called */
};

extern struct systrap_global g_systrap;
extern __thread struct platform_thread *t_systrap_vcpu; /* of this host thread, or NULL */

/* stub.S */
extern const char systrap_stub_begin[], systrap_stub_end[], systrap_stub_template[],
    systrap_stub_syscall[], systrap_stub_leader[], systrap_stub_clone_thread[],
    systrap_stub_handler[], systrap_stub_reported[], systrap_stub_sigreturn[],
    systrap_stub_restorer[], systrap_stub_idle[], systrap_stub_idle_reported[],
    systrap_stub_memory[], systrap_stub_memory_reported[], systrap_stub_trap_handler[],
    systrap_stub_trap_woken[], systrap_stub_trap_waited[], systrap_stub_trap_idle[],
    systrap_stub_trap_idle_waited[], systrap_stub_trap_memory[], systrap_stub_bytes[];
/* trampoline.S, at LOW_BASE in a stub */
extern const char systrap_low_begin[], systrap_low_mov[], systrap_low_finish_mov[],
    systrap_low_swapped[], systrap_low_unswapped[], systrap_low_return[], systrap_low_alien[],
    systrap_low_cmp[], systrap_low_answered_cmp[], systrap_low_again[], systrap_low_request[],
    systrap_low_stored[], systrap_low_flags[], systrap_low_flags_end[], systrap_low_saved[],
    systrap_low_posted[], systrap_low_answered[], systrap_low_command[], systrap_low_load[],
    systrap_low_fp_loaded[], systrap_low_load_end[], systrap_low_post[], systrap_low_trap[],
    systrap_low_trap_woken[], systrap_low_trap_waited[], systrap_low_trap_end[], systrap_low_end[];
#define SYSTRAP_LOW(label) (LOW_BASE + (u64)((label)-systrap_low_begin))

/* Its address inside a stub. */
#define SYSTRAP_STUB(label) (g_systrap.region + (u64)((label)-systrap_stub_begin))
#define SYSTRAP_BATCH_ADDR (g_systrap.region + SYSTRAP_CODE_SIZE)

/* trace.c: one traced thread, called by its tracer. -ESRCH: it is gone (or, a leader, about to be;
 * *status says what was seen). */
int st_trace_detach(int tid, const char *label, u64 arg);
int st_trace_wait(int tid, int *status);
int st_trace_run(int pid, int tid, struct arch_regs *regs, int *status);
void st_trace_stub_regs(struct arch_regs *regs, const char *label);
/* The status of a thread that has ended or, with TRACEEXIT, is ending. */
bool st_trace_is_gone(int status);
/* In a stop for a signal: the host has made it, nobody has sent it. */
bool st_trace_is_fault(int tid);
/* Waits until a killed thread is gone. */
void st_trace_reap(int tid);
/* Handles a stop that means nothing to us (stray signals, group stops) before a resume. */
void st_trace_absorb(int pid, int status);

/* notify.c: one listener. -ESRCH: its thread is gone. */
int notify_recv(int fd, int pid, int tid, struct linux_seccomp_notif *n);
int notify_send(int fd, u64 id, s64 val);
bool notify_is(const struct linux_seccomp_notif *n, const char *label);

/* trap.c: the same without notifications. */
void trap_init_thread(struct stub_thread *s);
int trap_recv(struct platform_as *as, struct stub_thread *s, struct linux_seccomp_notif *n);
int trap_send(struct stub_thread *s, u64 id, s64 val);
/* Of the handler, and of nobody else. */
bool trap_wait_report(struct stub_thread *s, u64 ns, struct linux_seccomp_notif *n);
/* The stub is gone: whoever waits for it is to look. */
void trap_wake_all(struct platform_as *as);
int trap_init_memory(struct platform_as *as);
/* Runs the batch at address first: 0, or -errno of the operation whose address goes to *failed. */
int trap_run_batch(struct platform_as *as, u64 first, u64 *failed);

static inline bool systrap_traps(void)
{
    return g_systrap.rungs & RUNG_TRAP;
}

/* Where a thread waits that runs no guest code. */
static inline const char *stub_idle_label(void)
{
    return systrap_traps() ? systrap_stub_trap_idle : systrap_stub_idle;
}

/* What a stub thread reports, by the way that is in use, and the answer. -ESRCH: it is gone. */
static inline int st_recv(struct platform_as *as, struct stub_thread *s,
                          struct linux_seccomp_notif *n)
{
    return systrap_traps() ? trap_recv(as, s, n) : notify_recv(s->fd, as->pid, s->tid, n);
}

static inline int st_send(struct stub_thread *s, u64 id, s64 val)
{
    return systrap_traps() ? trap_send(s, id, val) : notify_send(s->fd, id, val);
}

/* frame.c: registers and FP state in a stub thread's signal frame. */
int frame_init(struct platform_info *info);
/* From the first frame of the first stub. */
int frame_learn(struct stub_thread *s);
/* Takes the place of a frame from a report. False: there can be none. */
bool frame_take(struct stub_thread *s, const struct linux_seccomp_notif *n);
/* It is in its handler now. */
void frame_enter(struct stub_thread *s, const struct linux_seccomp_notif *n);
void frame_read(struct stub_thread *s, const struct linux_seccomp_notif *n, struct arch_regs *r);
void frame_write(struct stub_thread *s, const struct arch_regs *r);
const struct linux_rt_sigframe *frame_of(struct stub_thread *s);
u64 frame_fp_mask(void);
/* The FP state fits into a slot. */
bool frame_fp_small(void);
/* In the standard format: what of it the host leaves alone is in its initial state. */
void fp_normalize(void *fp);
bool fp_acceptable(const void *fp);
void frame_fp_reset(struct stub_thread *s);
void frame_scrub(struct stub_thread *s);
void frame_fp_get(struct stub_thread *s, void *buf);
int frame_fp_set(struct stub_thread *s, const void *buf);

/* slot.c: the slot of a stub thread. */
/* For a new guest thread. */
void slot_init(struct stub_thread *s);
bool slot_is_call(const struct linux_seccomp_notif *n);
/* Takes the request. */
void slot_event(struct platform_thread *v, struct platform_event *ev);
void slot_regs(struct platform_thread *v);
bool slot_can_load(const struct arch_regs *r);
/* The answer, by what is in v. */
void slot_answer(struct platform_thread *v, bool spin);
/* A notification from the slot's code: false, it was waiting for an answer that is there, and has gone
 * on. */
bool slot_called(struct stub_thread *s, const struct linux_seccomp_notif *n);
/* There is a request that was not taken. */
bool slot_has_request(struct stub_thread *s);
/* Its registers go on as a frame. False: the stub is gone. */
bool slot_to_frame(struct platform_thread *v);
/* The FP state in the slot, which fits (frame_fp_small), goes on in the frame. */
void slot_fp_to_frame(struct stub_thread *s);
void slot_fp_get(struct platform_thread *v, void *buf);
int slot_fp_set(struct platform_thread *v, const void *buf);
void slot_set_answer(struct stub_thread *s, u32 nr, s64 value);
/* The event takes its time. */
void slot_block(struct stub_thread *s);

/* gather.c: all on one CPU, while the first stub is made. */
void gather_begin(void);
void gather_end(void);

/* spin.c: when and how long a vcpu spins. */
void spin_init(void);
u32 spin_stub_limit(void);
/* The CPUs that we may use, as a mask of *len bytes. */
#define SYSTRAP_CPU_WORDS 16 /* of 64 CPUs */
const u64 *spin_cpus(size_t *len);
u32 spin_ncpus(void);
/* Guest threads that are not blocked. */
u32 spin_busy(void);
/* In the unit of time stamps. */
u64 spin_ticks(u64 ns);

/* place.c: on which CPU a vcpu runs. */
void place_init(void);
/* A notification has come, and v's host thread has it. */
void place_event(struct platform_thread *v);
/* v, whose host thread sleeps, is given a guest thread by ours. */
void place_start(struct platform_thread *v);
/* By v's host thread, when what it depends on has changed: sets cv_cpu_hint. Whoever works for a vcpu
 * that spins is better off elsewhere. */
void place_hint(struct platform_thread *v);

void spin_begin(struct platform_thread *v);
void spin_end(struct platform_thread *v);
void spin_block(struct platform_thread *v);
void spin_unblock(struct platform_thread *v);
/* What came as a notification: a request in the slot, or something else. */
void spin_missed(struct platform_thread *v, bool slot);
/* The stub's translations have changed: costly for a thread that runs on another CPU. */
void spin_disturbed(struct platform_thread *v);
bool spin_wanted(struct platform_thread *v);
/* The sleeping thread is to wake up on another CPU; spin_wait() sets it free again. */
void spin_place(struct platform_thread *v);
/* Until a request is in the slot: true. woken: its thread has slept. */
bool spin_wait(struct platform_thread *v, bool woken);

/* patch.c: call sites of an address space. */
int patch_init(void);
int systrap_as_patch(struct platform_as *as, u64 ip, const void *text, u32 prot);
/* A map operation is about to replace or alter translations. as->lock is held. */
void patch_touch_locked(struct platform_as *as, u64 addr, u64 len);
bool patch_is_in_locked(struct platform_as *as, u64 addr, u64 len);
/* Nothing of it is mapped any more. */
void patch_free(struct platform_as *as);
/* Counts a call: true, its site is to be patched. */
bool patch_is_hot(struct platform_thread *v, u64 ip);
void patch_redirect(struct platform_as *as, struct arch_regs *regs);
/* A fault inside a patched site, or one that was: no event; the resume leads to its entry. */
bool patch_fault(struct platform_thread *v, int sig, u64 rip);
struct patch_site {
    u64 ip;  /* behind the syscall instruction */
    u64 ret; /* behind what was overwritten */
    u32 nr;
    u8 kind;  /* enum patch_kind */
    bool bad; /* jumped into too often: not again */
    atomic_bool live;
    _Atomic u16 faults;
    u16 next; /* of the same hash, + 1 */
};
enum patch_kind { PATCH_MOV32, PATCH_MOV64, PATCH_CMP_4095, PATCH_CMP_4096 };
static inline bool patch_is_mov(const struct patch_site *site)
{
    return site->kind <= PATCH_MOV64;
}
struct patch_site *patch_site_starting(struct platform_as *as, u64 start);
/* Its page becomes as the kernel knows it. */
void patch_give_up(struct platform_as *as, struct patch_site *site);
/* Of an address in an entry, NULL: no such entry. */
const struct patch_site *patch_site_at(struct platform_as *as, u64 entry);

/* trampoline.c */
/* Registers that a signal found in the low area, to what the guest may see. `result`, `load`: what
 * is owed. */
void trampoline_fix(struct platform_thread *v, struct arch_regs *regs, struct arch_regs *loaded);
u64 trampoline_flags(u32 saved);
/* A fault at rip there: v->regs, brought back to the call site, go on from there or in its entry. */
bool trampoline_fault(struct platform_thread *v, int sig, u64 rip);

/* template.c */
int st_template_create(void);
int st_template_reserve(void);

/* filter.c */
int st_filter_install(void);
/* Writes the programs for the threads to their place in the page of code. */
void st_filter_write_programs(char *code);
/* Addresses of their sock_fprog in a stub. */
u64 st_filter_guest_program(void);
u64 st_filter_memory_program(void);

/* systrap.c: notifications can't be had because of err. False: that is the end. */
bool st_trap_instead(int err);

/* master.c */
int st_master_start(struct platform_info *info);
int st_master_call(struct master_call *call);
void st_master_call_async(struct master_call *call);
void st_master_ring(void);

/* stubs.c: on the master thread. */
int stub_make(struct platform_as **out);
int stub_add_thread(struct platform_as *as, struct stub_thread **out);
/* Ends the stub and frees all of it. */
void stub_end(struct platform_as *as);
void stub_leader_gone(struct platform_as *as, int status);
void stub_template_gone(int status);
struct platform_as *stub_find(int pid);
void stub_poll_deaths(void);

/* recycle.c: on the master thread. Makes it fit for another guest. False: it can't be. */
bool stub_recycle(struct platform_as *as);

/* as.c */
int systrap_as_create(struct platform_as **out);
void systrap_as_get(struct platform_as *as);
void systrap_as_put(struct platform_as *as);
void systrap_as_retire(struct platform_as *as);
int systrap_as_apply(struct platform_as *as, const struct platform_mapop *ops, size_t n);
/* The queue runs. as->lock is held. */
void st_as_flush_locked(struct platform_as *as);
void st_as_kill(struct platform_as *as, const char *why);
/* A fault at addr: true, if a mapping was due there and has been made. */
bool st_as_fault(struct platform_as *as, u64 addr);
/* Runs ops at once, behind what is queued. as->lock is held. */
int st_as_run_locked(struct platform_as *as, const struct stub_op *ops, u32 n);
/* Unmaps everything; nobody uses the as. */
int st_as_clean(struct platform_as *as);
/* A stub thread for a new vcpu. */
int st_as_take_thread(struct platform_as *as, struct stub_thread **out);
void st_as_return_thread(struct platform_as *as, struct stub_thread *s);

/* thread.c */
int systrap_thread_create(struct platform_as *as, void *task, struct platform_thread **out);
void systrap_thread_interrupt(struct platform_thread *v);
int systrap_thread_switch_as(struct platform_thread *v, struct platform_as *as);
void systrap_single_step(struct platform_thread *v);
void st_answers_apply(struct platform_thread *v);
void systrap_thread_answer(struct platform_thread *v, u32 nr, s64 value);
/* v's stub thread is gone. */
void st_vcpu_died(struct platform_thread *v);

/* context.c: a vcpu's registers. */
void context_sanitize(struct arch_regs *regs);
/* Fetches the registers of the event unless they are here. False: the stub died. */
bool context_load(struct platform_thread *v);
/* Has them in a frame. */
bool context_frame(struct platform_thread *v);
/* Those of a new program. */
void context_reset(struct platform_thread *v);
/* Brings the thread from its event into its handler. */
int context_capture(struct platform_as *as, struct stub_thread *s, struct linux_seccomp_notif *n);
void systrap_regs_get(struct platform_thread *v, struct arch_regs *regs);
void systrap_regs_set(struct platform_thread *v, const struct arch_regs *regs);
void systrap_fp_get(struct platform_thread *v, void *buf);
int systrap_fp_set(struct platform_thread *v, const void *buf);

/* run.c: the loop of one guest thread. */
/* Before and after a thread may execute guest code, whatever it was asked to do. */
void st_guest_enter(struct platform_as *as, struct stub_thread *s);
void st_guest_left(struct platform_as *as, struct stub_thread *s);
void st_vcpu_run_guest(struct platform_thread *v);

#endif
