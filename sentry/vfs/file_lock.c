/* SPDX-License-Identifier: Apache-2.0 */
/*
 * File locks. A lock set hangs off each inode that was ever locked. Record locks belong to a
 * descriptor table (POSIX) or to an open file description (OFD); both conflict with each other. flock
 * locks belong to a description and live in a list of their own. Who waits for a POSIX lock is
 * registered in g_blocked, where cycles are looked for, from the moment when the lock is seen to be taken
 * to the next change of the set, when everybody tries again.
 */
#include "sentry/vfs/file_lock.h"

#include "abi/linux/errno_internal.h"
#include "abi/linux/fcntl.h"
#include "abi/linux/poll.h"
#include "abi/linux/stat.h"
#include "cvisor/kcache.h"
#include "sentry/kernel/fdtable.h"
#include "sentry/kernel/task.h"
#include "sentry/vfs/internal.h"
#include "sentry/vfs/vfs.h"

#include <errno.h>

#define LOCK_EOF ((u64)INT64_MAX)
#define DEADLOCK_DEPTH 64

struct file_lock {
    struct list_head node; /* set->lock */
    u64 start, end;        /* inclusive */
    void *owner;           /* fdtable or file; only compared */
    int type;              /* LINUX_F_RDLCK or WRLCK */
    int pid;               /* -1: OFD */
};

struct file_lock_set {
    struct mutex lock;      /* rank FILE_LOCKS */
    struct list_head posix; /* by start for each owner */
    struct list_head flock;
    struct waitq waitq; /* something was unlocked */
};

/* A blocked request for a POSIX lock. On the waiter's stack; g_blocked_lock. */
struct blocked {
    struct list_head node; /* in g_blocked, or unlinked */
    const struct file_lock_set *set;
    void *owner, *holder;
};

KCACHE(file_lock);
KCACHE(file_lock_set);

static struct mutex g_blocked_lock = MUTEX_INIT(LOCK_LEAF);
static struct list_head g_blocked = LIST_HEAD_INIT(g_blocked);

static struct file_lock_set *set_of(struct inode *inode, bool make)
{
    struct file_lock_set *s = atomic_load_explicit(&inode->locks, memory_order_acquire), *none;

    if (s || !make)
        return s;
    s = kcache_alloc(file_lock_set);
    if (!s)
        return NULL;
    mutex_init(&s->lock, LOCK_FILE_LOCKS);
    list_init(&s->posix);
    list_init(&s->flock);
    waitq_init(&s->waitq);
    none = NULL;
    if (!atomic_compare_exchange_strong(&inode->locks, &none, s)) {
        kcache_free(file_lock_set, s);
        s = none;
    }
    return s;
}

void file_locks_free(struct inode *inode)
{
    struct file_lock_set *s = atomic_load(&inode->locks);
    struct file_lock *l, *n;

    if (!s)
        return;
    list_for_each_entry_safe (l, n, &s->posix, node)
        kcache_free(file_lock, l);
    list_for_each_entry_safe (l, n, &s->flock, node)
        kcache_free(file_lock, l);
    atomic_store(&inode->locks, NULL);
    kcache_free(file_lock_set, s);
}

static struct file_lock *find_conflict_locked(struct file_lock_set *s, const struct file_lock *rq)
{
    struct file_lock *l;

    list_for_each_entry (l, &s->posix, node) {
        if (l->owner != rq->owner && l->start <= rq->end && rq->start <= l->end &&
            (l->type == LINUX_F_WRLCK || rq->type == LINUX_F_WRLCK))
            return l;
    }
    return NULL;
}

/*
 * Makes the owner's locks over [rq->start, rq->end] be rq->type (or nothing, UNLCK). spare[0] becomes
 * the new lock, spare[1] the second half of a split; what is used is set to NULL.
 */
static void apply_locked(struct file_lock_set *s, const struct file_lock *rq,
                         struct file_lock *spare[2])
{
    u64 start = rq->start, end = rq->end;
    struct file_lock *l, *n, *fresh;

    list_for_each_entry_safe (l, n, &s->posix, node) {
        if (l->owner != rq->owner)
            continue;
        if (l->type == rq->type) {
            /* Overlapping or touching: becomes part of the new one. */
            if (l->end != LOCK_EOF && l->end + 1 < start)
                continue;
            if (end != LOCK_EOF && end + 1 < l->start)
                continue;
            start = MIN(start, l->start);
            end = MAX(end, l->end);
            list_del(&l->node);
            kcache_free(file_lock, l);
            continue;
        }
        if (l->end < rq->start || l->start > rq->end)
            continue;
        if (l->start < rq->start && l->end > rq->end) {
            fresh = spare[1];
            spare[1] = NULL;
            *fresh = *l;
            fresh->start = rq->end + 1;
            l->end = rq->start - 1;
            list_add(&fresh->node, &l->node);
        } else if (l->start < rq->start) {
            l->end = rq->start - 1;
        } else if (l->end > rq->end) {
            l->start = rq->end + 1;
        } else {
            list_del(&l->node);
            kcache_free(file_lock, l);
        }
    }
    if (rq->type == LINUX_F_UNLCK)
        return;
    fresh = spare[0];
    spare[0] = NULL;
    *fresh = *rq;
    fresh->start = start;
    fresh->end = end;
    list_add_tail(&fresh->node, &s->posix);
}

/* ---- deadlocks ------------------------------------------------------------------------------- */

static void *waits_for_locked(const void *owner)
{
    struct blocked *b;

    list_for_each_entry (b, &g_blocked, node) {
        if (b->owner == owner)
            return b->holder;
    }
    return NULL;
}

/* Registers that owner waits for holder, unless that closes a cycle. s->lock is held. */
static bool block_on_locked(struct blocked *b, const struct file_lock_set *s, void *owner,
                            void *holder)
{
    void *next = holder;
    bool cycle = false;

    mutex_lock(&g_blocked_lock);
    for (int i = 0; next && !cycle && i < DEADLOCK_DEPTH; i++) {
        next = waits_for_locked(next);
        cycle = next == owner;
    }
    if (!cycle) {
        b->set = s;
        b->owner = owner;
        b->holder = holder;
        list_add_tail(&b->node, &g_blocked);
    }
    mutex_unlock(&g_blocked_lock);
    return !cycle;
}

static void unblock(struct blocked *b)
{
    mutex_lock(&g_blocked_lock);
    list_del(&b->node);
    mutex_unlock(&g_blocked_lock);
}

/* Locks of s have changed: nobody is known to wait for one any more. s->lock is held. */
static void unblock_all_locked(const struct file_lock_set *s)
{
    struct blocked *b, *n;

    if (!atomic_load(&s->waitq.count))
        return;
    mutex_lock(&g_blocked_lock);
    list_for_each_entry_safe (b, n, &g_blocked, node) {
        if (b->set == s)
            list_del(&b->node);
    }
    mutex_unlock(&g_blocked_lock);
}

/* ---- fcntl ------------------------------------------------------------------------------------- */

/* b: where to register who waits, or NULL. -EAGAIN, -EDEADLK. */
static int posix_try(struct file_lock_set *s, const struct file_lock *rq, struct file_lock **spare,
                     struct blocked *b)
{
    struct file_lock *c = NULL;
    int err = 0;

    mutex_lock(&s->lock);
    if (rq->type != LINUX_F_UNLCK)
        c = find_conflict_locked(s, rq);
    if (c) {
        err = b && !block_on_locked(b, s, rq->owner, c->owner) ? -EDEADLK : -EAGAIN;
    } else {
        apply_locked(s, rq, spare);
        unblock_all_locked(s);
    }
    mutex_unlock(&s->lock);
    if (!c)
        waitq_notify(&s->waitq, LINUX_POLLOUT);
    return err;
}

static int posix_wait(struct file_lock_set *s, const struct file_lock *rq, struct file_lock **spare)
{
    struct task *t = current;
    struct blocked b = {.node = LIST_HEAD_INIT(b.node)};
    struct waiter w;
    int err;

    waiter_init_task(&w, t, LINUX_POLLOUT);
    waitq_add(&s->waitq, &w);
    for (;;) {
        task_prepare_block(t);
        err = posix_try(s, rq, spare, rq->pid >= 0 ? &b : NULL);
        if (err != -EAGAIN)
            break;
        err = task_block(t, TASK_FOREVER);
        if (rq->pid >= 0)
            unblock(&b);
        if (err)
            break;
    }
    waitq_remove(&w);
    return err;
}

/* The range of a struct flock. */
static int flock_range(struct file *f, const struct linux_flock *fl, struct file_lock *rq)
{
    s64 base = 0, start, end;

    switch (fl->l_whence) {
    case LINUX_SEEK_SET:
        break;
    case LINUX_SEEK_CUR:
        mutex_lock(&f->pos_lock);
        base = (s64)f->pos;
        mutex_unlock(&f->pos_lock);
        break;
    case LINUX_SEEK_END:
        base = (s64)atomic_load(&f->inode->size);
        break;
    default:
        return -EINVAL;
    }
    if (__builtin_add_overflow(base, fl->l_start, &start))
        return -EOVERFLOW;
    if (start < 0)
        return -EINVAL;
    if (fl->l_len > 0) {
        if (__builtin_add_overflow(start, fl->l_len - 1, &end))
            return -EOVERFLOW;
    } else if (fl->l_len < 0) {
        end = start - 1;
        start += fl->l_len;
        if (start < 0)
            return -EINVAL;
    } else {
        end = INT64_MAX;
    }
    rq->start = (u64)start;
    rq->end = (u64)end;
    return 0;
}

static void posix_get(struct file_lock_set *s, const struct file_lock *rq, struct linux_flock *fl)
{
    struct file_lock *c;

    mutex_lock(&s->lock);
    c = find_conflict_locked(s, rq);
    if (c) {
        fl->l_type = (s16)c->type;
        fl->l_whence = LINUX_SEEK_SET;
        fl->l_start = (s64)c->start;
        fl->l_len = c->end == LOCK_EOF ? 0 : (s64)(c->end - c->start + 1);
        fl->l_pid = c->pid;
    } else {
        fl->l_type = LINUX_F_UNLCK;
    }
    mutex_unlock(&s->lock);
}

static int posix_set(struct file *f, struct file_lock_set *s, const struct file_lock *rq, bool wait)
{
    struct file_lock *spare[2];
    int err;

    if (rq->type == LINUX_F_RDLCK && !f->readable)
        return -EBADF;
    if (rq->type == LINUX_F_WRLCK && !f->writable)
        return -EBADF;
    spare[0] = kcache_alloc(file_lock);
    spare[1] = kcache_alloc(file_lock);
    if (!spare[0] || !spare[1])
        err = -ENOLCK;
    else if (wait)
        err = posix_wait(s, rq, spare);
    else
        err = posix_try(s, rq, spare, NULL);
    kcache_free(file_lock, spare[0]);
    kcache_free(file_lock, spare[1]);
    return err;
}

int file_lock_fcntl(struct file *f, int cmd, struct linux_flock *fl, struct fdtable *owner)
{
    bool ofd = cmd == LINUX_F_OFD_GETLK || cmd == LINUX_F_OFD_SETLK || cmd == LINUX_F_OFD_SETLKW;
    bool get = cmd == LINUX_F_GETLK || cmd == LINUX_F_OFD_GETLK;
    struct file_lock rq = {.owner = ofd ? (void *)f : (void *)owner, .type = fl->l_type};
    struct file_lock_set *s;
    int err;

    if (ofd && fl->l_pid)
        return -EINVAL;
    if (rq.type != LINUX_F_RDLCK && rq.type != LINUX_F_WRLCK &&
        (rq.type != LINUX_F_UNLCK || (get && !ofd)))
        return -EINVAL;
    rq.pid = ofd ? -1 : current->group->id;
    err = flock_range(f, fl, &rq);
    if (err)
        return err;
    s = set_of(f->inode, !get && rq.type != LINUX_F_UNLCK);
    if (get) {
        if (s)
            posix_get(s, &rq, fl);
        else
            fl->l_type = LINUX_F_UNLCK;
        return 0;
    }
    if (!s)
        return rq.type == LINUX_F_UNLCK ? 0 : -ENOLCK;
    return posix_set(f, s, &rq, cmd == LINUX_F_SETLKW || cmd == LINUX_F_OFD_SETLKW);
}

static void release_owner(struct file_lock_set *s, const void *owner)
{
    struct file_lock *l, *n;
    bool any = false;

    mutex_lock(&s->lock);
    list_for_each_entry_safe (l, n, &s->posix, node) {
        if (l->owner == owner) {
            list_del(&l->node);
            kcache_free(file_lock, l);
            any = true;
        }
    }
    list_for_each_entry_safe (l, n, &s->flock, node) {
        if (l->owner == owner) {
            list_del(&l->node);
            kcache_free(file_lock, l);
            any = true;
        }
    }
    if (any)
        unblock_all_locked(s);
    mutex_unlock(&s->lock);
    if (any)
        waitq_notify(&s->waitq, LINUX_POLLOUT);
}

void file_locks_release_posix(struct file *f, struct fdtable *ft)
{
    struct file_lock_set *s = set_of(f->inode, false);

    if (s)
        release_owner(s, ft);
}

void file_locks_release_file(struct file *f)
{
    struct file_lock_set *s = set_of(f->inode, false);

    if (s)
        release_owner(s, f);
}

/* ---- flock ------------------------------------------------------------------------------------- */

static int flock_try(struct file_lock_set *s, struct file *f, int type, struct file_lock **spare)
{
    struct file_lock *l, *n, *own = NULL;
    bool changed = false;
    int err = 0;

    mutex_lock(&s->lock);
    list_for_each_entry_safe (l, n, &s->flock, node) {
        if (l->owner == f)
            own = l;
    }
    if (!own || own->type != type) {
        /* A conversion is not atomic: the old lock goes first. */
        if (own) {
            list_del(&own->node);
            kcache_free(file_lock, own);
            changed = true;
        }
        if (type != LINUX_F_UNLCK) {
            list_for_each_entry (l, &s->flock, node) {
                if (type == LINUX_F_WRLCK || l->type == LINUX_F_WRLCK)
                    err = -EWOULDBLOCK;
            }
            if (!err) {
                l = *spare;
                *spare = NULL;
                l->owner = f;
                l->type = type;
                list_add_tail(&l->node, &s->flock);
            }
        }
    }
    mutex_unlock(&s->lock);
    if (changed)
        waitq_notify(&s->waitq, LINUX_POLLOUT);
    return err;
}

int file_lock_flock(struct file *f, int op)
{
    struct task *t = current;
    struct file_lock_set *s;
    struct file_lock *spare;
    struct waiter w;
    int type, err;

    switch (op & ~LINUX_LOCK_NB) {
    case LINUX_LOCK_SH:
        type = LINUX_F_RDLCK;
        break;
    case LINUX_LOCK_EX:
        type = LINUX_F_WRLCK;
        break;
    case LINUX_LOCK_UN:
        type = LINUX_F_UNLCK;
        break;
    default:
        return -EINVAL;
    }
    if (type != LINUX_F_UNLCK && !f->readable && !f->writable)
        return -EBADF;
    s = set_of(f->inode, type != LINUX_F_UNLCK);
    if (!s)
        return type == LINUX_F_UNLCK ? 0 : -ENOLCK;
    spare = kcache_alloc(file_lock);
    if (!spare)
        return -ENOLCK;
    waiter_init_task(&w, t, LINUX_POLLOUT);
    waitq_add(&s->waitq, &w);
    for (;;) {
        task_prepare_block(t);
        err = flock_try(s, f, type, &spare);
        if (err != -EWOULDBLOCK || (op & LINUX_LOCK_NB))
            break;
        err = task_block(t, TASK_FOREVER);
        if (err)
            break;
    }
    waitq_remove(&w);
    kcache_free(file_lock, spare);
    return err;
}
