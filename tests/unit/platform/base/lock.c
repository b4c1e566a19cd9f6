/* SPDX-License-Identifier: Apache-2.0 */
/* Mutexes, condition variables, read-write locks and threads under contention. */
#include "cvisor/host.h"
#include "cvisor/lock.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <unistd.h>

#define THREADS 4
#define ROUNDS 50000

static struct mutex g_mutex = MUTEX_INIT(LOCK_LEAF);
static struct cond g_cond = COND_INIT;
static long g_counter; /* guarded by g_mutex */

static void *count(void *arg)
{
    for (int i = 0; i < ROUNDS; i++) {
        mutex_lock(&g_mutex);
        mutex_assert_held(&g_mutex);
        g_counter++;
        mutex_unlock(&g_mutex);
    }
    return NULL;
}

Test(lock, mutex_excludes)
{
    pthread_t t[THREADS];

    for (int i = 0; i < THREADS; i++)
        pthread_create(&t[i], NULL, count, NULL);
    for (int i = 0; i < THREADS; i++)
        pthread_join(t[i], NULL);
    cr_assert_eq(g_counter, THREADS * ROUNDS);
}

static void *hold_and_sleep(void *arg)
{
    mutex_lock(&g_mutex);
    atomic_store((atomic_int *)arg, 1);
    usleep(50000);
    g_counter++;
    mutex_unlock(&g_mutex);
    return NULL;
}

Test(lock, mutex_sleeps_and_trylock_fails)
{
    atomic_int held = 0;
    pthread_t t;

    pthread_create(&t, NULL, hold_and_sleep, &held);
    while (!atomic_load(&held))
        host_sched_yield();
    cr_assert(!mutex_trylock(&g_mutex));
    mutex_lock(&g_mutex);
    cr_assert_eq(g_counter, 1);
    mutex_unlock(&g_mutex);
    cr_assert(mutex_trylock(&g_mutex));
    mutex_unlock(&g_mutex);
    pthread_join(t, NULL);
}

/* Two threads take turns. */
static int g_turn; /* guarded by g_mutex */

static void *ping(void *arg)
{
    int me = (int)(uintptr_t)arg;

    for (int i = 0; i < 5000; i++) {
        mutex_lock(&g_mutex);
        while (g_turn != me)
            cond_wait(&g_cond, &g_mutex);
        g_turn = !me;
        cond_signal(&g_cond);
        mutex_unlock(&g_mutex);
    }
    return NULL;
}

Test(lock, cond_ping_pong)
{
    pthread_t a, b;

    pthread_create(&a, NULL, ping, (void *)0);
    pthread_create(&b, NULL, ping, (void *)1);
    pthread_join(a, NULL);
    pthread_join(b, NULL);
    cr_assert_eq(g_turn, 0);
}

Test(lock, cond_times_out)
{
    u64 start = host_now_mono();

    mutex_lock(&g_mutex);
    while (cond_timedwait(&g_cond, &g_mutex, start + 20 * NSEC_PER_MSEC) != -ETIMEDOUT)
        ;
    cr_assert(host_now_mono() - start >= 20 * NSEC_PER_MSEC);
    cr_assert_eq(cond_timedwait(&g_cond, &g_mutex, 0), -ETIMEDOUT);
    mutex_unlock(&g_mutex);
}

static struct rwlock g_rw = RWLOCK_INIT(LOCK_TASKS);
static long g_pair[2]; /* equal but inside a writer */

static void *read_pair(void *arg)
{
    for (int i = 0; i < ROUNDS; i++) {
        rwlock_rdlock(&g_rw);
        if (g_pair[0] != g_pair[1])
            return (void *)1;
        rwlock_rdunlock(&g_rw);
    }
    return NULL;
}

static void *write_pair(void *arg)
{
    for (int i = 0; i < 2000; i++) {
        rwlock_wrlock(&g_rw);
        g_pair[0]++;
        g_pair[1]++;
        rwlock_wrunlock(&g_rw);
    }
    return NULL;
}

Test(lock, rwlock)
{
    pthread_t t[THREADS];
    void *bad;

    rwlock_init(&g_rw, LOCK_TASKS);
    for (int i = 0; i < THREADS; i++)
        pthread_create(&t[i], NULL, i ? read_pair : write_pair, NULL);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(t[i], &bad);
        cr_assert_null(bad);
    }
    cr_assert_eq(g_pair[0], 2000);
    rwlock_destroy(&g_rw);
}

static atomic_int g_thread_done;
static char g_thread_name[32];
static sigset_t g_thread_mask;

static void in_thread(void *arg)
{
    pthread_getname_np(pthread_self(), g_thread_name, sizeof(g_thread_name));
    pthread_sigmask(SIG_SETMASK, NULL, &g_thread_mask);
    atomic_store(&g_thread_done, (int)(uintptr_t)arg);
}

Test(thread, create)
{
    cr_assert_eq(cv_thread_create("a-name-that-is-long", in_thread, (void *)7), 0);
    while (atomic_load(&g_thread_done) != 7)
        host_sched_yield();
    cr_assert_str_eq(g_thread_name, "a-name-that-is-");
    cr_assert(sigismember(&g_thread_mask, SIGTERM) && sigismember(&g_thread_mask, SIGCHLD));
    cr_assert(!sigismember(&g_thread_mask, SIGSEGV) && !sigismember(&g_thread_mask, SIGBUS));
}
