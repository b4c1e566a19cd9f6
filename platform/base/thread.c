/* SPDX-License-Identifier: Apache-2.0 */
/* Host threads of our own processes. */
#include "cvisor/kcache.h"
#include "cvisor/lock.h"
#include "platform/base/crash_priv.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>

#if defined(CV_ASAN) || defined(CV_TSAN) || defined(CV_UBSAN)
#define STACK_SIZE (1024u << 10)
#else
#define STACK_SIZE (256u << 10)
#endif

struct thread_start {
    void (*fn)(void *);
    void *arg;
    char name[16];
};

KCACHE(thread_start);

void (*cv_thread_hook)(void);
__thread u32 cv_cpu_hint;

static void *thread_main(void *p)
{
    struct thread_start start = *(struct thread_start *)p;
    char altstack[CRASH_ALTSTACK] __aligned_to(16);

    kcache_free(thread_start, p);
    pthread_setname_np(pthread_self(), start.name);
    crash_thread_enter(altstack);
    if (cv_thread_hook)
        cv_thread_hook();
    start.fn(start.arg);
    crash_thread_exit();
    return NULL;
}

/*
 * pthread_create() allocates. With one arena for all threads glibc never counts the processors to decide
 * about more of them: it would open a file of /sys for that, which the sandbox does not allow.
 */
static void one_arena(void)
{
#ifdef __GLIBC__
    static atomic_bool done;

    if (!atomic_exchange(&done, true))
        mallopt(M_ARENA_MAX, 1);
#endif
}

int cv_thread_create(const char *name, void (*fn)(void *), void *arg)
{
    struct thread_start *start = kcache_alloc(thread_start);
    sigset_t mask, old;
    pthread_attr_t attr;
    pthread_t t;
    int err;

    if (!start)
        return -ENOMEM;
    one_arena();
    start->fn = fn;
    start->arg = arg;
    snprintf(start->name, sizeof(start->name), "%s", name);
    err = pthread_attr_init(&attr);
    if (err) {
        kcache_free(thread_start, start);
        return -err;
    }
    pthread_attr_setstacksize(&attr, STACK_SIZE);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);

    /* The new thread starts with this mask: only faults of its own reach it. */
    sigfillset(&mask);
    sigdelset(&mask, SIGSEGV);
    sigdelset(&mask, SIGBUS);
    sigdelset(&mask, SIGFPE);
    sigdelset(&mask, SIGILL);
    sigdelset(&mask, SIGSYS);
    pthread_sigmask(SIG_SETMASK, &mask, &old);
    err = pthread_create(&t, &attr, thread_main, start);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
    if (err)
        kcache_free(thread_start, start);
    return -err;
}
