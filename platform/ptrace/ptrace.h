/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to the ptrace backend. README.md has the model; in short: a stub process has a leader,
 * traced by the master thread and never running guest code, and threads, each traced by the host
 * thread ("vcpu", struct platform_thread) that runs a guest thread on it. A ptrace request must come
 * from the host thread that attached: TRACER says which one that is.
 */
#ifndef PLATFORM_PTRACE_PTRACE_H
#define PLATFORM_PTRACE_PTRACE_H

#include "abi/linux/sched.h"
#include "abi/linux/signal.h"
#include "cvisor/list.h"
#include "cvisor/lock.h"
#include "cvisor/platform.h"
#include "cvisor/refs.h"

#define PTRACE_TASK_END 0x7ffffffff000ull /* end of user addresses with four-level paging */
#define PTRACE_VM_START 0x10000ull

/* The stub region: a page of code, then the pages of the batch. */
#define PTRACE_CODE_SIZE PAGE_SIZE
#define PTRACE_BATCH_SIZE (4 * PAGE_SIZE)
#define PTRACE_REGION_SIZE (PTRACE_CODE_SIZE + PTRACE_BATCH_SIZE)

/* Makes a stub thread leave guest code. Ignored by an untraced stub thread. */
#define PTRACE_KICK_SIGNAL 62

/* The exact flags that the stubs' filter lets through. */
#define PTRACE_CLONE_PROCESS                                                                       \
    (LINUX_CLONE_PARENT | LINUX_CLONE_PTRACE | LINUX_CLONE_FILES | LINUX_SIGCHLD)
#define PTRACE_CLONE_THREAD                                                                        \
    (LINUX_CLONE_VM | LINUX_CLONE_FS | LINUX_CLONE_FILES | LINUX_CLONE_SIGHAND |                   \
     LINUX_CLONE_THREAD | LINUX_CLONE_SYSVSEM | LINUX_CLONE_UNTRACED)

/* One syscall of a batch, as ptrace_stub_batch reads it. */
struct stub_op {
    u64 nr; /* -1 ends the batch */
    u64 args[6];
};

#define PTRACE_BATCH_OPS (PTRACE_BATCH_SIZE / sizeof(struct stub_op) - 1)

/* Waiting threads that a stub keeps; more are ended. */
#define PTRACE_READY_MAX 4

/* A call of the master thread. */
struct master_call {
    struct list_head link; /* g_ptrace.lock */
    enum { CALL_CREATE, CALL_RUN, CALL_CLONE, CALL_RECYCLE, CALL_KILL, CALL_SHUTDOWN } type;
    struct platform_as *as; /* CREATE: result */
    u64 batch;              /* RUN: address of the first operation; of the failed one after */
    int result;
    bool async;       /* nobody waits; the call is part of the as */
    atomic_uint done; /* futex */
};

struct platform_as {
    struct ref refs;             /* one for each vcpu on it and each of the kernel's */
    int pid;                     /* of the stub and its leader; immutable */
    u32 slot;                    /* of the batch file; immutable */
    struct stub_op *batch;       /* our writable view; ops [0, npending): lock */
    struct mutex lock;           /* PLATFORM_AS */
    atomic_uint npending;        /* queued operations; written under lock */
    atomic_uint nguest;          /* vcpus that run guest code or are about to */
    atomic_bool dead;            /* the stub is gone or about to be */
    atomic_bool killed;          /* by ourselves */
    bool touched;                /* something was mapped since the last cleaning; lock */
    u32 nready;                  /* lock */
    u32 nreturning;              /* places in ready that are promised; lock */
    int ready[PTRACE_READY_MAX]; /* tids that nobody traces, in ptrace_stub_wait; lock */
    bool leader_reaped;          /* private to the master */
    struct list_head link;       /* of the spares: g_ptrace.lock */
    struct master_call call;     /* RECYCLE, KILL */
};

enum vcpu_flags {
    VCPU_GUEST = 1, /* resumed, or about to be: an interrupt needs a kick */
    VCPU_INTR = 2,  /* INTERRUPTED is owed */
};

/* A vcpu. Everything without a label is private to its host thread. */
struct platform_thread {
    struct platform_as *as;    /* holds a reference; set by the creator before the wake-up */
    int tid;                   /* stub thread; 0 = none. Changed under lock */
    int pid;                   /* its process. Changed under lock */
    struct mutex lock;         /* LEAF: against a kick that would hit a former stub thread */
    atomic_uint flags;         /* enum vcpu_flags */
    void *task;                /* set by the creator */
    atomic_uint assigned;      /* futex: 1 = as, tid and task are there, 2 = leave */
    struct list_head link;     /* of the free vcpus: g_ptrace.lock */
    struct list_head all_link; /* of all vcpus: g_ptrace.lock */

    int host_tid;        /* of the host thread; set before it is in all_vcpus */
    atomic_int cpu;      /* the host thread is pinned there; -1 = not. Written by itself */
    atomic_int stub_cpu; /* the same of the stub thread */
    atomic_uint hint;    /* affinity.c: of the master */
    atomic_uint stops;   /* count of resumes; written by the host thread */
    u32 streak;          /* affinity.c: stops since the pair floats */
    u32 seen_stops;      /* private to the master */
    u32 pinned_ticks;    /* private to the master */

    enum platform_event_type event; /* that is being handled */
    u64 nr;                         /* SYSCALL: number */
    bool valid;                     /* regs holds the stub's registers as of the event */
    bool dirty;                     /* the stub's registers are not regs: write them back */
    bool next_set;                  /* next was set in this event */
    bool step;                      /* single_step for the next resume */
    bool died;                      /* DIED has been or must be delivered */
    struct arch_regs regs, next;
};

struct ptrace_global {
    const struct platform_kernel_ops *kops; /* immutable */
    u64 region;                             /* immutable: stub code, batch behind it */
    int batch_fd;                           /* immutable */
    char *batch_map;                        /* immutable: our view of the batch file */
    size_t xstate_size;                     /* immutable: what PTRACE_SETREGSET wants */
    int sentry_pid;                         /* immutable */
    int template_pid;                       /* private to the master after init */

    struct mutex lock;          /* PLATFORM */
    struct list_head spares;    /* stubs without a guest, ready to use; lock */
    u32 nspares;                /* lock */
    struct list_head calls;     /* of the master; lock */
    struct list_head vcpus;     /* free ones; lock */
    u32 nvcpus;                 /* lock */
    struct list_head all_vcpus; /* whose host threads live; lock */
    struct platform_as **slots; /* by slot; written by the master under lock */
    u32 nslots;                 /* slots ever used; lock */

    atomic_uint bell;  /* futex of the master */
    atomic_uint ready; /* futex: template made (1) or failed (2) */
    int init_error;    /* valid when ready == 2 */
    atomic_bool down;  /* shutdown was called */
};

extern struct ptrace_global g_ptrace;
extern __thread struct platform_thread *t_vcpu; /* of this host thread, or NULL */

/* stub.S */
extern const char ptrace_stub_begin[], ptrace_stub_end[], ptrace_stub_template[],
    ptrace_stub_syscall[], ptrace_stub_leader[], ptrace_stub_clone_thread[], ptrace_stub_wait[],
    ptrace_stub_exit[], ptrace_stub_batch[];
/* Its address inside a stub. */
#define PTRACE_STUB(label) (g_ptrace.region + (u64)((label)-ptrace_stub_begin))
#define PTRACE_BATCH_ADDR (g_ptrace.region + PTRACE_CODE_SIZE)

/* trace.c: one traced thread, called by its tracer. -ESRCH: it is gone (or, a leader, about to be;
 * *status says what was seen). */
int trace_attach(int pid, int tid);
int trace_detach(int tid);
int trace_block_signals(int tid, bool block);
int trace_wait(int tid, int *status);
int trace_run(int pid, int tid, struct arch_regs *regs, int *status);
void trace_stub_regs(struct arch_regs *regs, const char *label);
/* In a stop for a signal: the host has made it, nobody has sent it. */
bool trace_is_fault(int tid);
/* The status of a thread that has ended or, with TRACEEXIT, is ending. */
bool trace_is_gone(int status);
/* Waits until a killed thread is gone. */
void trace_reap(int tid);
/* Handles a stop that means nothing to us (stray signals, group stops) before a resume. */
void trace_absorb(int pid, int status);

/* regs.c */
void regs_sanitize(struct arch_regs *regs);
void regs_load(struct platform_thread *v);
int regs_store(struct platform_thread *v, struct arch_regs *regs);
int fp_init_info(int tid, struct platform_info *info);
int fp_reset(struct platform_thread *v);
void ptrace_regs_get(struct platform_thread *v, struct arch_regs *regs);
void ptrace_regs_set(struct platform_thread *v, const struct arch_regs *regs);
void ptrace_fp_get(struct platform_thread *v, void *buf);
int ptrace_fp_set(struct platform_thread *v, const void *buf);

/* template.c */
int template_create(void);
int template_reserve(void);

/* filter.c */
int filter_install(void);

/* master.c */
int master_start(struct platform_info *info);
int master_call(struct master_call *call);
void master_call_async(struct master_call *call);
void master_ring(void);

/* affinity.c */
void affinity_init(void);
void affinity_attach(struct platform_thread *v, int tid);
void affinity_detach(struct platform_thread *v);
void affinity_block(struct platform_thread *v);
void affinity_settle(struct platform_thread *v);
void affinity_master_begin(int tid);
void affinity_master_end(void);
u64 affinity_tick(u64 now);

/* as.c */
int ptrace_as_create(struct platform_as **out);
void ptrace_as_get(struct platform_as *as);
void ptrace_as_put(struct platform_as *as);
int ptrace_as_apply(struct platform_as *as, const struct platform_mapop *ops, size_t n);
/* The queue runs on v's stub thread (NULL: on the leader). as->lock is held. */
int as_flush_locked(struct platform_as *as, struct platform_thread *v);
/* Unmaps everything; v is the only user of the as. */
void as_clean(struct platform_as *as, struct platform_thread *v);
void as_clean_regs(struct arch_regs *regs);
void as_kill(struct platform_as *as, const char *why);
/* A stub thread for a new vcpu: its tid. */
int as_take_thread(struct platform_as *as);
/* A stub thread that nobody will trace any more: first a place for it (false: no room), then the thread
 * itself, or 0 to give the place back. */
bool as_reserve_ready(struct platform_as *as);
void as_return_thread(struct platform_as *as, int tid);

/* thread.c */
int ptrace_thread_create(struct platform_as *as, void *task, struct platform_thread **out);
void ptrace_thread_interrupt(struct platform_thread *v);
int ptrace_thread_switch_as(struct platform_thread *v, struct platform_as *as);
void ptrace_single_step(struct platform_thread *v);
/* Runs label in v's stub thread with the prepared registers; saves the guest's first. */
int vcpu_run_stub(struct platform_thread *v, struct arch_regs *regs);
/* v's stub thread is gone. */
void vcpu_died(struct platform_thread *v);

/* run.c: the loop of one guest thread. */
void vcpu_run_guest(struct platform_thread *v);

#endif
