/* SPDX-License-Identifier: Apache-2.0 */
/* futex operations, robust lists, PI, and pthread objects built on them. */
#include "harness.h"
#include <linux/futex.h>
#include <semaphore.h>

static uint32_t g_word, g_word2;
static struct t_gate g_ready;
static volatile int g_stop;

static long fx(void *addr, int op, uint32_t val, void *timeout, void *addr2, uint32_t val3)
{
    return syscall(SYS_futex, addr, op, val, timeout, addr2, val3);
}

static void *shared_page(void)
{
    void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ASSERT(p != MAP_FAILED);
    return p;
}

static void *waiter(void *arg)
{
    int op = (int)(long)arg;
    long r;
    t_gate_post(&g_ready);
    while ((r = fx(&g_word, op, 0, NULL, NULL, 0)) < 0 && errno == EINTR)
        ;
    return (void *)(r == 0 ? 0L : (long)errno);
}

/* Wakes until `want` waiters are gone: a waiter may not be asleep yet. */
static int wake_until(void *addr, int op, int want)
{
    int woken = 0;
    for (int i = 0; i < 1000 && woken < want; i++) {
        long r = fx(addr, op, (uint32_t)(want - woken), NULL, NULL, 0);
        if (r < 0)
            return -errno;
        woken += (int)r;
        if (woken < want)
            t_sleep_ms(5);
    }
    return woken;
}

static void start_waiters(pthread_t *t, int n, int op)
{
    t_gate_init(&g_ready);
    for (int i = 0; i < n; i++)
        ASSERT_EQ(pthread_create(&t[i], NULL, waiter, (void *)(long)op), 0);
    for (int i = 0; i < n; i++)
        t_gate_wait(&g_ready);
    t_sleep_ms(30);
}

static void join_waiters(pthread_t *t, int n, long want)
{
    for (int i = 0; i < n; i++) {
        void *res;
        ASSERT_EQ(pthread_join(t[i], &res), 0);
        EXPECT_EQ((long)res, want);
    }
}

TEST(futex_wait_value_mismatch)
{
    EXPECT_ERRNO(fx(&g_word, FUTEX_WAIT, 1, NULL, NULL, 0), EAGAIN);
    EXPECT_ERRNO(fx(&g_word, FUTEX_WAIT_PRIVATE, 1, NULL, NULL, 0), EAGAIN);
    EXPECT_ERRNO(fx(&g_word, FUTEX_WAIT_BITSET, 1, NULL, NULL, ~0U), EAGAIN);
}

TEST(futex_errors)
{
    struct timespec bad = {0, 2000000000}, neg = {-1, 0};
    EXPECT_ERRNO(fx((char *)&g_word + 1, FUTEX_WAIT, 0, NULL, NULL, 0), EINVAL);
    EXPECT_ERRNO(fx((char *)&g_word + 1, FUTEX_WAKE, 1, NULL, NULL, 0), EINVAL);
    EXPECT_ERRNO(fx((void *)8, FUTEX_WAIT, 0, NULL, NULL, 0), EFAULT);
    EXPECT_ERRNO(fx(&g_word, FUTEX_WAIT, 0, &bad, NULL, 0), EINVAL);
    EXPECT_ERRNO(fx(&g_word, FUTEX_WAIT, 0, &neg, NULL, 0), EINVAL);
    EXPECT_ERRNO(fx(&g_word, FUTEX_WAIT, 0, (void *)8, NULL, 0), EFAULT);
    EXPECT_ERRNO(fx(&g_word, FUTEX_WAIT_BITSET, 0, NULL, NULL, 0), EINVAL);
    EXPECT_ERRNO(fx(&g_word, FUTEX_WAKE_BITSET, 1, NULL, NULL, 0), EINVAL);
    EXPECT_ERRNO(fx(&g_word, 77, 0, NULL, NULL, 0), ENOSYS);
}

TEST(futex_wake_without_waiters)
{
    EXPECT_EQ(fx(&g_word, FUTEX_WAKE, 1, NULL, NULL, 0), 0);
    EXPECT_EQ(fx(&g_word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0), 0);
}

TEST(futex_wait_relative_timeout)
{
    struct timespec ts = {0, 40000000};
    long long t0 = t_now_ms();
    EXPECT_ERRNO(fx(&g_word, FUTEX_WAIT, 0, &ts, NULL, 0), ETIMEDOUT);
    EXPECT(t_now_ms() - t0 >= 39);
}

TEST(futex_wait_bitset_absolute_timeout)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    ts.tv_nsec += 40000000;
    if (ts.tv_nsec >= 1000000000) {
        ts.tv_sec++;
        ts.tv_nsec -= 1000000000;
    }
    EXPECT_ERRNO(fx(&g_word, FUTEX_WAIT_BITSET_PRIVATE, 0, &ts, NULL, ~0U), ETIMEDOUT);
    ts.tv_sec -= 1;
    EXPECT_ERRNO(fx(&g_word, FUTEX_WAIT_BITSET_PRIVATE, 0, &ts, NULL, ~0U), ETIMEDOUT);
    clock_gettime(CLOCK_REALTIME, &ts);
    EXPECT_ERRNO(fx(&g_word, FUTEX_WAIT_BITSET_PRIVATE | FUTEX_CLOCK_REALTIME, 0, &ts, NULL, ~0U),
                 ETIMEDOUT);
}

TEST(futex_wake_one_and_all)
{
    pthread_t t[4];
    start_waiters(t, 4, FUTEX_WAIT_PRIVATE);
    EXPECT_EQ(wake_until(&g_word, FUTEX_WAKE_PRIVATE, 1), 1);
    EXPECT_EQ(wake_until(&g_word, FUTEX_WAKE_PRIVATE, 3), 3);
    join_waiters(t, 4, 0);
    EXPECT_EQ(fx(&g_word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0), 0);
}

static void *bitset_waiter(void *arg)
{
    t_gate_post(&g_ready);
    return (void *)fx(&g_word, FUTEX_WAIT_BITSET_PRIVATE, 0, NULL, NULL, (uint32_t)(long)arg);
}

TEST(futex_bitset_selects)
{
    pthread_t a, b;
    void *res;
    int n = 0;
    t_gate_init(&g_ready);
    pthread_create(&a, NULL, bitset_waiter, (void *)1L);
    pthread_create(&b, NULL, bitset_waiter, (void *)2L);
    t_gate_wait(&g_ready);
    t_gate_wait(&g_ready);
    EXPECT_EQ(fx(&g_word, FUTEX_WAKE_BITSET_PRIVATE, 10, NULL, NULL, 4), 0);
    for (int i = 0; i < 1000 && n == 0; i++, t_sleep_ms(5))
        n = (int)fx(&g_word, FUTEX_WAKE_BITSET_PRIVATE, 10, NULL, NULL, 2);
    EXPECT_EQ(n, 1);
    pthread_join(b, &res);
    EXPECT_EQ((long)res, 0);
    for (n = 0; n == 0; t_sleep_ms(5))
        n = (int)fx(&g_word, FUTEX_WAKE_BITSET_PRIVATE, 10, NULL, NULL, 3);
    pthread_join(a, &res);
    EXPECT_EQ((long)res, 0);
}

TEST(futex_requeue_moves_waiters)
{
    pthread_t t[4];
    start_waiters(t, 4, FUTEX_WAIT_PRIVATE);
    long n = 0;
    for (int i = 0; i < 1000 && n < 4; i++, t_sleep_ms(5)) {
        long r = fx(&g_word, FUTEX_REQUEUE_PRIVATE, 0, (void *)10L, &g_word2, 0);
        ASSERT_OK(r);
        n += r;
    }
    EXPECT_EQ(n, 4);
    EXPECT_EQ(fx(&g_word, FUTEX_WAKE_PRIVATE, 10, NULL, NULL, 0), 0);
    EXPECT_EQ(fx(&g_word2, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0), 1);
    EXPECT_EQ(fx(&g_word2, FUTEX_WAKE_PRIVATE, 10, NULL, NULL, 0), 3);
    join_waiters(t, 4, 0);
}

TEST(futex_cmp_requeue)
{
    pthread_t t[3];
    long n = 0;
    start_waiters(t, 3, FUTEX_WAIT_PRIVATE);
    EXPECT_ERRNO(fx(&g_word, FUTEX_CMP_REQUEUE_PRIVATE, 1, (void *)10L, &g_word2, 5), EAGAIN);
    /* Wakes one, requeues the rest; the result counts both. */
    for (int i = 0; i < 1000 && n < 3; i++, t_sleep_ms(5))
        n += fx(&g_word, FUTEX_CMP_REQUEUE_PRIVATE, n == 0, (void *)10L, &g_word2, 0);
    EXPECT_EQ(n, 3);
    EXPECT_EQ(wake_until(&g_word2, FUTEX_WAKE_PRIVATE, 2), 2);
    join_waiters(t, 3, 0);
}

TEST(futex_wake_op)
{
    /* Adds 5 to word2, wakes word2 waiters only if the old value was > 10. */
    g_word2 = 3;
    EXPECT_EQ(fx(&g_word, FUTEX_WAKE_OP_PRIVATE, 1, (void *)1L, &g_word2,
                 FUTEX_OP(FUTEX_OP_ADD, 5, FUTEX_OP_CMP_GT, 10)),
              0);
    EXPECT_EQ(g_word2, 8);
    fx(&g_word, FUTEX_WAKE_OP, 1, (void *)1L, &g_word2, FUTEX_OP(FUTEX_OP_SET, 0x0f, 0, 0));
    EXPECT_EQ(g_word2, 0x0f);
    fx(&g_word, FUTEX_WAKE_OP, 1, (void *)1L, &g_word2, FUTEX_OP(FUTEX_OP_OR, 0x30, 0, 0));
    EXPECT_EQ(g_word2, 0x3f);
    fx(&g_word, FUTEX_WAKE_OP, 1, (void *)1L, &g_word2, FUTEX_OP(FUTEX_OP_ANDN, 0x0f, 0, 0));
    EXPECT_EQ(g_word2, 0x30);
    fx(&g_word, FUTEX_WAKE_OP, 1, (void *)1L, &g_word2, FUTEX_OP(FUTEX_OP_XOR, 0x11, 0, 0));
    EXPECT_EQ(g_word2, 0x21);
    fx(&g_word, FUTEX_WAKE_OP, 1, (void *)1L, &g_word2,
       FUTEX_OP((FUTEX_OP_OR | FUTEX_OP_OPARG_SHIFT), 3, 0, 0));
    EXPECT_EQ(g_word2, 0x29);
}

TEST(futex_wake_op_wakes_both)
{
    pthread_t t[2];
    long n = 0;
    start_waiters(t, 2, FUTEX_WAIT_PRIVATE);
    g_word2 = 0;
    /* Both addresses are the same word; the comparison old == 0 holds. */
    for (int i = 0; i < 1000 && n < 2; i++, t_sleep_ms(5)) {
        n += fx(&g_word2, FUTEX_WAKE_OP_PRIVATE, 1, (void *)2L, &g_word,
                FUTEX_OP(FUTEX_OP_ADD, 0, FUTEX_OP_CMP_EQ, 0));
    }
    EXPECT_EQ(n, 2);
    join_waiters(t, 2, 0);
}

TEST(futex_shared_between_processes)
{
    uint32_t *w = shared_page();
    pid_t pid = t_fork();
    if (pid == 0) {
        while (__atomic_load_n(w, __ATOMIC_ACQUIRE) == 0)
            fx(w, FUTEX_WAIT, 0, NULL, NULL, 0);
        _exit(0);
    }
    t_sleep_ms(30);
    __atomic_store_n(w, 1, __ATOMIC_RELEASE);
    fx(w, FUTEX_WAKE, 1, NULL, NULL, 0);
    EXPECT_EXIT(pid, 0);
}

TEST(futex_shared_through_file_mappings)
{
    int fd = open("f", O_CREAT | O_RDWR, 0644);
    ASSERT_OK(ftruncate(fd, 4096));
    uint32_t *a = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    uint32_t *b = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    ASSERT(a != MAP_FAILED && b != MAP_FAILED && a != b);
    pid_t pid = t_fork();
    if (pid == 0) {
        while (__atomic_load_n(a, __ATOMIC_ACQUIRE) == 0)
            fx(a, FUTEX_WAIT, 0, NULL, NULL, 0);
        _exit(0);
    }
    t_sleep_ms(30);
    __atomic_store_n(b, 1, __ATOMIC_RELEASE);
    fx(b, FUTEX_WAKE, 1, NULL, NULL, 0);
    EXPECT_EXIT(pid, 0);
}

TEST(futex_private_not_shared_after_fork)
{
    struct timespec ts = {0, 100000000};
    pid_t pid = t_fork();
    if (pid == 0) {
        EXPECT_ERRNO(fx(&g_word, FUTEX_WAIT, 0, &ts, NULL, 0), ETIMEDOUT);
        CHILD_EXIT();
    }
    for (int i = 0; i < 10; i++, t_sleep_ms(5))
        EXPECT_EQ(fx(&g_word, FUTEX_WAKE, 1, NULL, NULL, 0), 0);
    EXPECT_EXIT(pid, 0);
}

TEST(robust_list_owner_death)
{
    struct {
        struct robust_list_head head;
        struct robust_list node;
        uint32_t lock;
    } *s = shared_page();
    s->head.list.next = &s->node;
    s->head.futex_offset = (char *)&s->lock - (char *)&s->node;
    s->head.list_op_pending = NULL;
    s->node.next = &s->head.list;
    pid_t pid = t_fork();
    if (pid == 0) {
        ASSERT_OK(syscall(SYS_set_robust_list, &s->head, sizeof(s->head)));
        __atomic_store_n(&s->lock, (uint32_t)syscall(SYS_gettid) | FUTEX_WAITERS, __ATOMIC_SEQ_CST);
        syscall(SYS_exit_group, 0);
    }
    uint32_t v;
    while (!((v = __atomic_load_n(&s->lock, __ATOMIC_SEQ_CST)) & FUTEX_OWNER_DIED)) {
        struct timespec ts = {0, 20000000};
        fx(&s->lock, FUTEX_WAIT, v, &ts, NULL, 0);
    }
    EXPECT_EXIT(pid, 0);
    EXPECT_EQ(v & FUTEX_TID_MASK, 0);
    EXPECT(v & FUTEX_WAITERS);
}

TEST(robust_list_get_and_errors)
{
    struct robust_list_head head = {.list = {&head.list}}, *got = NULL;
    size_t len = 0;
    EXPECT_ERRNO(syscall(SYS_set_robust_list, &head, 4), EINVAL);
    ASSERT_OK(syscall(SYS_set_robust_list, &head, sizeof(head)));
    ASSERT_OK(syscall(SYS_get_robust_list, 0, &got, &len));
    EXPECT(got == &head);
    EXPECT_EQ(len, sizeof(head));
    EXPECT_ERRNO(syscall(SYS_get_robust_list, 0x3ffffff, &got, &len), ESRCH);
}

TEST(robust_pthread_mutex_between_processes)
{
    pthread_mutex_t *m = shared_page();
    pthread_mutexattr_t at;
    struct t_gate locked;
    t_gate_init(&locked);
    pthread_mutexattr_init(&at);
    pthread_mutexattr_setpshared(&at, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&at, PTHREAD_MUTEX_ROBUST);
    ASSERT_EQ(pthread_mutex_init(m, &at), 0);
    pid_t pid = t_fork();
    if (pid == 0) {
        pthread_mutex_lock(m);
        t_gate_post(&locked);
        t_sleep_ms(30);
        raise(SIGKILL);
    }
    t_gate_wait(&locked);
    EXPECT_EQ(pthread_mutex_lock(m), EOWNERDEAD);
    EXPECT_KILLED(pid, SIGKILL);
    EXPECT_EQ(pthread_mutex_consistent(m), 0);
    EXPECT_EQ(pthread_mutex_unlock(m), 0);
    EXPECT_EQ(pthread_mutex_lock(m), 0);
}

static void *tid_clearer(void *arg)
{
    return arg;
}

TEST(clear_child_tid_wakes_joiner)
{
    /* pthread_join waits on the tid word that the kernel clears at the exit of the thread. */
    for (int i = 0; i < 20; i++) {
        pthread_t t;
        void *res;
        ASSERT_EQ(pthread_create(&t, NULL, tid_clearer, (void *)(long)i), 0);
        ASSERT_EQ(pthread_join(t, &res), 0);
        EXPECT_EQ((long)res, i);
    }
}

TEST(futex_pi_lock)
{
    uint32_t lock = 0;
    long r = fx(&lock, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0);
    if (r < 0 && errno == ENOSYS)
        SKIP("no PI futexes");
    ASSERT_OK(r);
    EXPECT_EQ(lock & FUTEX_TID_MASK, syscall(SYS_gettid));
    EXPECT_ERRNO(fx(&lock, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0), EDEADLK);
    EXPECT_OK(fx(&lock, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0));
    EXPECT_EQ(lock, 0);
    EXPECT_ERRNO(fx(&lock, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0), EPERM);
    EXPECT_OK(fx(&lock, FUTEX_TRYLOCK_PI_PRIVATE, 0, NULL, NULL, 0));
    lock = 1; /* owned by a thread of another process */
    EXPECT(fx(&lock, FUTEX_TRYLOCK_PI_PRIVATE, 0, NULL, NULL, 0) == -1);
}

static pthread_mutex_t g_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t g_cond = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t g_barrier;
static pthread_rwlock_t g_rw = PTHREAD_RWLOCK_INITIALIZER;
static long g_counter, g_queue;

static void *mutex_worker(void *arg)
{
    for (int i = 0; i < 2000; i++) {
        pthread_mutex_lock(&g_mutex);
        g_counter++;
        pthread_mutex_unlock(&g_mutex);
    }
    return arg;
}

static void run_threads(int n, void *(*fn)(void *))
{
    pthread_t t[8];
    for (int i = 0; i < n; i++)
        ASSERT_EQ(pthread_create(&t[i], NULL, fn, (void *)(long)i), 0);
    for (int i = 0; i < n; i++)
        ASSERT_EQ(pthread_join(t[i], NULL), 0);
}

TEST(pthread_mutex_stress)
{
    run_threads(6, mutex_worker);
    EXPECT_EQ(g_counter, 12000);
}

static void *cond_worker(void *arg)
{
    if ((long)arg < 2) {
        for (int i = 0; i < 150; i++) {
            pthread_mutex_lock(&g_mutex);
            g_queue++;
            pthread_cond_signal(&g_cond);
            pthread_mutex_unlock(&g_mutex);
        }
    } else {
        for (int i = 0; i < 150; i++) {
            pthread_mutex_lock(&g_mutex);
            while (g_queue == 0)
                pthread_cond_wait(&g_cond, &g_mutex);
            g_queue--;
            g_counter++;
            pthread_mutex_unlock(&g_mutex);
        }
    }
    return NULL;
}

TEST(pthread_cond_producers_consumers)
{
    run_threads(4, cond_worker);
    EXPECT_EQ(g_counter, 300);
    EXPECT_EQ(g_queue, 0);
}

TEST(pthread_cond_timedwait_expires)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    ts.tv_nsec += 20000000;
    if (ts.tv_nsec >= 1000000000) {
        ts.tv_sec++;
        ts.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&g_mutex);
    EXPECT_EQ(pthread_cond_timedwait(&g_cond, &g_mutex, &ts), ETIMEDOUT);
    pthread_mutex_unlock(&g_mutex);
}

static void *barrier_worker(void *arg)
{
    for (int i = 0; i < 20; i++) {
        if (pthread_barrier_wait(&g_barrier) == PTHREAD_BARRIER_SERIAL_THREAD)
            g_counter++;
    }
    return arg;
}

TEST(pthread_barrier_rounds)
{
    pthread_barrier_init(&g_barrier, NULL, 4);
    run_threads(4, barrier_worker);
    EXPECT_EQ(g_counter, 20);
}

static void *rw_worker(void *arg)
{
    static long a, b;
    for (int i = 0; i < 200; i++) {
        if ((i + (long)arg) % 4 == 0) {
            pthread_rwlock_wrlock(&g_rw);
            a++;
            b++;
            g_counter++;
        } else {
            pthread_rwlock_rdlock(&g_rw);
            if (a != b)
                g_stop = 1;
        }
        pthread_rwlock_unlock(&g_rw);
    }
    return arg;
}

TEST(pthread_rwlock_stress)
{
    run_threads(4, rw_worker);
    EXPECT_EQ(g_stop, 0);
    EXPECT_EQ(g_counter, 200);
}

TEST(process_shared_semaphore_ping_pong)
{
    sem_t *s = shared_page();
    ASSERT_OK(sem_init(&s[0], 1, 0));
    ASSERT_OK(sem_init(&s[1], 1, 0));
    pid_t pid = t_fork();
    if (pid == 0) {
        for (int i = 0; i < 100; i++) {
            sem_wait(&s[0]);
            sem_post(&s[1]);
        }
        _exit(0);
    }
    for (int i = 0; i < 100; i++) {
        sem_post(&s[0]);
        sem_wait(&s[1]);
    }
    EXPECT_EXIT(pid, 0);
}

static pthread_key_t g_key;
static __thread long g_tls = 5;

static void *tls_worker(void *arg)
{
    pthread_setspecific(g_key, arg);
    g_tls += (long)arg;
    sched_yield();
    if (g_tls != 5 + (long)arg || pthread_getspecific(g_key) != arg)
        g_stop = 1;
    return NULL;
}

TEST(thread_local_storage)
{
    pthread_key_create(&g_key, NULL);
    run_threads(8, tls_worker);
    EXPECT_EQ(g_stop, 0);
    EXPECT_EQ(g_tls, 5);
}

static void *cancel_worker(void *arg)
{
    t_gate_post(&g_ready);
    for (;;)
        pause();
    return arg;
}

TEST(pthread_cancel_blocked_thread)
{
    pthread_t t;
    void *res;
    t_gate_init(&g_ready);
    ASSERT_EQ(pthread_create(&t, NULL, cancel_worker, NULL), 0);
    t_gate_wait(&g_ready);
    EXPECT_EQ(pthread_cancel(t), 0);
    ASSERT_EQ(pthread_join(t, &res), 0);
    EXPECT(res == PTHREAD_CANCELED);
}
