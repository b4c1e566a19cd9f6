/* SPDX-License-Identifier: Apache-2.0 */
/* select, pselect6: the sets become an array for poll. */
#include "abi/linux/errno_internal.h"
#include "abi/linux/poll.h"
#include "abi/linux/select.h"
#include "abi/linux/time.h"
#include "cvisor/kcache.h"
#include "sentry/kernel/fdtable.h"
#include "sentry/kernel/task.h"
#include "sentry/kernel/timer.h"
#include "sentry/mm/uaccess.h"
#include "sentry/syscalls/handlers.h"
#include "sentry/syscalls/poll_set.h"
#include "sentry/syscalls/sigmask.h"

#include <errno.h>
#include <string.h>

#define SELECT_IN                                                                                  \
    (LINUX_POLLRDNORM | LINUX_POLLRDBAND | LINUX_POLLIN | LINUX_POLLHUP | LINUX_POLLERR)
#define SELECT_OUT (LINUX_POLLWRBAND | LINUX_POLLWRNORM | LINUX_POLLOUT | LINUX_POLLERR)
#define SELECT_EX LINUX_POLLPRI

enum { SET_IN, SET_OUT, SET_EX, SET_COUNT };
static const u32 g_set_events[SET_COUNT] = {SELECT_IN, SELECT_OUT, SELECT_EX};

struct select_sets {
    int nfds;
    size_t words;            /* u64 in a set */
    uaddr_t user[SET_COUNT]; /* NULL: not given */
    u64 *bits[SET_COUNT];    /* into buf */
    u64 *buf;                /* kmalloc'ed */
};

static int select_load(struct task *t, struct select_sets *s)
{
    size_t bytes;
    if (s->nfds < 0)
        return -EINVAL;
    s->nfds = MIN(s->nfds, FD_MAX);
    s->words = ((size_t)s->nfds + LINUX_NFDBITS - 1) / LINUX_NFDBITS;
    bytes = s->words * sizeof(u64);
    s->buf = kzalloc(MAX(bytes, sizeof(u64)) * SET_COUNT);
    if (!s->buf)
        return -ENOMEM;
    for (int i = 0; i < SET_COUNT; i++) {
        s->bits[i] = s->buf + (size_t)i * s->words;
        if (s->user[i].v && bytes && copy_in(t, s->bits[i], s->user[i], bytes))
            return -EFAULT;
        if (s->nfds % LINUX_NFDBITS)
            s->bits[i][s->words - 1] &= (1ull << (s->nfds % LINUX_NFDBITS)) - 1;
    }
    return 0;
}

/* Bits of word w in any of the sets. */
static u64 select_word(const struct select_sets *s, size_t w)
{
    return s->bits[SET_IN][w] | s->bits[SET_OUT][w] | s->bits[SET_EX][w];
}

static u32 select_to_poll(const struct select_sets *s, struct linux_pollfd *p)
{
    u32 n = 0;
    for (size_t w = 0; w < s->words; w++) {
        for (u64 any = select_word(s, w); any; any &= any - 1) {
            unsigned bit = (unsigned)__builtin_ctzll(any);
            u32 ev = 0;
            for (int i = 0; i < SET_COUNT; i++) {
                if (s->bits[i][w] >> bit & 1)
                    ev |= g_set_events[i];
            }
            p[n++] = (struct linux_pollfd){.fd = (int)(w * LINUX_NFDBITS + bit), .events = (s16)ev};
        }
    }
    return n;
}

/* Turns the sets into the result: how many bits are set. */
static int select_from_poll(struct select_sets *s, const struct linux_pollfd *p, u32 n)
{
    int count = 0;
    for (u32 k = 0; k < n; k++) {
        size_t w = (size_t)p[k].fd / LINUX_NFDBITS;
        u64 bit = 1ull << (p[k].fd % LINUX_NFDBITS);
        for (int i = 0; i < SET_COUNT; i++) {
            u64 *word = &s->bits[i][w];
            if (!(*word & bit))
                continue;
            if ((u16)p[k].revents & g_set_events[i])
                count++;
            else
                *word &= ~bit;
        }
    }
    return count;
}

static s64 select_run(struct task *t, struct select_sets *s, u64 deadline, bool poll)
{
    u32 total = 0;
    for (size_t w = 0; w < s->words; w++)
        total += (u32)__builtin_popcountll(select_word(s, w));
    struct linux_pollfd *p = kmalloc(MAX(total, 1u) * sizeof(*p));
    if (!p)
        return -ENOMEM;
    total = select_to_poll(s, p);
    /* A bad descriptor fails the call before it sleeps: POLLNVAL counts as ready. */
    s64 ret = poll_set_wait(t, p, total, deadline, poll, true);
    for (u32 i = 0; ret >= 0 && i < total; i++) {
        if (p[i].revents & LINUX_POLLNVAL)
            ret = -EBADF;
    }
    if (ret >= 0)
        ret = select_from_poll(s, p, total);
    kfree(p);
    return ret;
}

static s64 do_select(struct task *t, const struct syscall_args *a, u64 deadline, bool poll)
{
    struct select_sets s = {.nfds = arg_int(a, 0)};
    for (unsigned i = 0; i < SET_COUNT; i++)
        s.user[i] = arg_ptr(a, i + 1);
    s64 ret = select_load(t, &s);
    if (!ret)
        ret = select_run(t, &s, deadline, poll);
    for (int i = 0; ret >= 0 && i < SET_COUNT; i++) {
        if (s.user[i].v && s.words && copy_out(t, s.user[i], s.bits[i], s.words * sizeof(u64)))
            ret = -EFAULT;
    }
    kfree(s.buf);
    return ret;
}

s64 sys_select(struct task *t, const struct syscall_args *a)
{
    struct linux_timeval tv;
    u64 deadline = TASK_FOREVER;
    bool poll = false;
    if (a->v[4]) {
        if (copy_in(t, &tv, arg_ptr(a, 4), sizeof(tv)))
            return -EFAULT;
        /* Microseconds may be a million and more here. */
        if (tv.tv_sec < 0 || tv.tv_usec < 0)
            return -EINVAL;
        struct linux_timespec ts = {.tv_sec = tv.tv_sec, .tv_nsec = tv.tv_usec % 1000000 * 1000};
        if (__builtin_add_overflow(ts.tv_sec, tv.tv_usec / 1000000, &ts.tv_sec))
            ts.tv_sec = INT64_MAX;
        u64 ns = timespec_to_ns(&ts);
        poll = ns == 0;
        deadline = deadline_after(ns);
    }
    s64 ret = do_select(t, a, deadline, poll);
    return poll_put_remaining(t, arg_ptr(a, 4), true, poll ? 0 : deadline, ret);
}

s64 sys_pselect6(struct task *t, const struct syscall_args *a)
{
    struct linux_timespec ts;
    u64 deadline = TASK_FOREVER, sig[2] = {0};
    bool poll = false;
    if (a->v[5] && copy_in(t, sig, arg_ptr(a, 5), sizeof(sig)))
        return -EFAULT;
    if (a->v[4]) {
        if (copy_in(t, &ts, arg_ptr(a, 4), sizeof(ts)))
            return -EFAULT;
        if (!timespec_valid(&ts))
            return -EINVAL;
        u64 ns = timespec_to_ns(&ts);
        poll = ns == 0;
        deadline = deadline_after(ns);
    }
    int err = sigmask_enter(t, uaddr(sig[0]), sig[1]);
    if (err)
        return err;
    s64 ret = do_select(t, a, deadline, poll);
    sigmask_leave(t, ret == -ERESTARTNOHAND);
    return poll_put_remaining(t, arg_ptr(a, 4), false, poll ? 0 : deadline, ret);
}
