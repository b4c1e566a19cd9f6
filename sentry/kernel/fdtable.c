/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptor tables. The lock of a table is rank FDTABLE. A table with one reference is used by one
 * task only, which therefore reads it without the lock; everything that changes a slot takes the lock,
 * since /proc may look at any time.
 */
#include "sentry/kernel/fdtable.h"

#include "abi/linux/fcntl.h"
#include "abi/linux/resource.h"
#include "cvisor/kcache.h"
#include "cvisor/list.h"
#include "sentry/kernel/task.h"
#include "sentry/vfs/vfs.h"

#include <errno.h>
#include <string.h>

#define FD_INITIAL 64u

struct fdtable {
    struct ref refs;
    struct mutex lock;
    /* All under lock for changes. */
    struct file **files; /* cap entries; NULL: free or reserved */
    u64 *open;           /* bitmap: in use or reserved */
    u64 *cloexec;        /* bitmap */
    u32 cap;             /* a multiple of 64 */
    u32 next;            /* no free slot below */
};

KCACHE(fdtable);

static bool bit_test(const u64 *map, u32 i)
{
    return (map[i / 64] >> (i % 64)) & 1;
}

static void bit_set(u64 *map, u32 i, bool on)
{
    if (on)
        map[i / 64] |= 1ull << (i % 64);
    else
        map[i / 64] &= ~(1ull << (i % 64));
}

/* Room for slot fd. Readers without the lock belong to the caller's own task. */
static int grow_locked(struct fdtable *ft, u32 fd)
{
    u32 cap = ft->cap ? ft->cap : FD_INITIAL;
    struct file **files;
    u64 *maps;

    if (fd < ft->cap)
        return 0;
    if (fd >= FD_MAX)
        return -EMFILE;
    while (cap <= fd)
        cap *= 2;
    files = kcalloc(cap, sizeof(*files));
    maps = kcalloc(cap / 32, sizeof(u64));
    if (!files || !maps) {
        kfree(files);
        kfree(maps);
        return -ENOMEM;
    }
    if (ft->cap) {
        memcpy(files, ft->files, ft->cap * sizeof(*files));
        memcpy(maps, ft->open, ft->cap / 8);
        memcpy(maps + cap / 64, ft->cloexec, ft->cap / 8);
        kfree(ft->files);
        kfree(ft->open);
    }
    ft->files = files;
    ft->open = maps;
    ft->cloexec = maps + cap / 64;
    ft->cap = cap;
    return 0;
}

struct fdtable *fdtable_new(void)
{
    struct fdtable *ft = kcache_alloc(fdtable);

    if (!ft)
        return NULL;
    ref_init(&ft->refs);
    mutex_init(&ft->lock, LOCK_FDTABLE);
    if (grow_locked(ft, 0)) {
        kcache_free(fdtable, ft);
        return NULL;
    }
    return ft;
}

struct fdtable *fdtable_copy(struct fdtable *ft)
{
    struct fdtable *copy = fdtable_new();
    int err = 0;

    if (!copy)
        return NULL;
    mutex_lock(&ft->lock);
    if (copy->cap < ft->cap)
        err = grow_locked(copy, ft->cap - 1);
    for (u32 i = 0; !err && i < ft->cap; i++) {
        if (!ft->files[i])
            continue;
        file_get(ft->files[i]);
        copy->files[i] = ft->files[i];
        bit_set(copy->open, i, true);
        bit_set(copy->cloexec, i, bit_test(ft->cloexec, i));
    }
    mutex_unlock(&ft->lock);
    if (err) {
        fdtable_put(copy);
        return NULL;
    }
    return copy;
}

bool fdtable_shared(struct fdtable *ft)
{
    return ref_read(&ft->refs) > 1;
}

void fdtable_get(struct fdtable *ft)
{
    ref_get(&ft->refs);
}

/* f has left the table. */
static int close_file(struct fdtable *ft, struct file *f)
{
    int err = 0;

    if (!(atomic_load_explicit(&f->flags, memory_order_relaxed) & LINUX_O_PATH)) {
        if (f->ops->flush)
            err = f->ops->flush(f);
        if (atomic_load_explicit(&f->inode->locks, memory_order_acquire))
            file_locks_release_posix(f, ft);
    }
    file_put(f);
    return err;
}

void fdtable_put(struct fdtable *ft)
{
    if (!ref_put(&ft->refs))
        return;
    for (u32 i = 0; i < ft->cap; i++) {
        if (ft->files[i])
            close_file(ft, ft->files[i]);
    }
    kfree(ft->files);
    kfree(ft->open);
    kcache_free(fdtable, ft);
}

struct file *fd_get_path(struct task *t, int fd)
{
    struct fdtable *ft = t->files;
    struct file *f = NULL;

    if (likely(ref_read(&ft->refs) == 1 && t == current)) {
        if ((u32)fd < ft->cap && (f = ft->files[fd]) != NULL)
            file_get(f);
        return f;
    }
    mutex_lock(&ft->lock);
    if ((u32)fd < ft->cap && (f = ft->files[fd]) != NULL)
        file_get(f);
    mutex_unlock(&ft->lock);
    return f;
}

struct file *fd_get(struct task *t, int fd)
{
    struct file *f = fd_get_path(t, fd);

    if (f && unlikely(atomic_load_explicit(&f->flags, memory_order_relaxed) & LINUX_O_PATH)) {
        file_put(f);
        return NULL;
    }
    return f;
}

static u32 fd_limit(struct task *t)
{
    u64 n = group_rlimit(t->group, LINUX_RLIMIT_NOFILE);

    return (u32)MIN(n, (u64)FD_MAX);
}

/* Lowest free slot >= min, marked as in use. */
static int reserve_locked(struct fdtable *ft, u32 min, u32 limit)
{
    u32 start = MAX(min, ft->next), i = start;
    int err;

    while (i < ft->cap) {
        u64 unused = ~ft->open[i / 64] >> (i % 64);

        if (unused) {
            i += (u32)__builtin_ctzll(unused);
            break;
        }
        i = (i / 64 + 1) * 64;
    }
    if (i >= limit)
        return -EMFILE;
    err = grow_locked(ft, i);
    if (err)
        return err;
    bit_set(ft->open, i, true);
    if (start == ft->next)
        ft->next = i + 1;
    return (int)i;
}

int fd_reserve(struct task *t, int min)
{
    struct fdtable *ft = t->files;
    u32 limit = fd_limit(t);
    int fd;

    if (min < 0 || (u32)min >= limit)
        return min < 0 ? -EINVAL : -EMFILE;
    mutex_lock(&ft->lock);
    fd = reserve_locked(ft, (u32)min, limit);
    mutex_unlock(&ft->lock);
    return fd;
}

void fd_fill(struct task *t, int fd, struct file *f, bool cloexec)
{
    struct fdtable *ft = t->files;

    mutex_lock(&ft->lock);
    BUG_ON((u32)fd >= ft->cap || ft->files[fd] || !bit_test(ft->open, (u32)fd));
    ft->files[fd] = f;
    bit_set(ft->cloexec, (u32)fd, cloexec);
    mutex_unlock(&ft->lock);
}

static void free_slot_locked(struct fdtable *ft, u32 fd)
{
    ft->files[fd] = NULL;
    bit_set(ft->open, fd, false);
    bit_set(ft->cloexec, fd, false);
    if (fd < ft->next)
        ft->next = fd;
}

void fd_cancel(struct task *t, int fd)
{
    struct fdtable *ft = t->files;

    mutex_lock(&ft->lock);
    BUG_ON((u32)fd >= ft->cap || ft->files[fd]);
    free_slot_locked(ft, (u32)fd);
    mutex_unlock(&ft->lock);
}

int fd_install(struct task *t, struct file *f, bool cloexec, int min)
{
    struct fdtable *ft = t->files;
    u32 limit = fd_limit(t);
    int fd;

    if (min < 0 || (u32)min >= limit)
        return min ? -EINVAL : -EMFILE;
    mutex_lock(&ft->lock);
    fd = reserve_locked(ft, (u32)min, limit);
    if (fd >= 0) {
        ft->files[fd] = f;
        bit_set(ft->cloexec, (u32)fd, cloexec);
    }
    mutex_unlock(&ft->lock);
    return fd;
}

int fd_replace(struct task *t, int fd, struct file *f, bool cloexec)
{
    struct fdtable *ft = t->files;
    struct file *old = NULL;
    int err;

    if (fd < 0 || (u32)fd >= fd_limit(t))
        return -EBADF;
    mutex_lock(&ft->lock);
    err = grow_locked(ft, (u32)fd);
    if (!err) {
        old = ft->files[fd];
        if (!old && bit_test(ft->open, (u32)fd))
            err = -EBUSY; /* reserved by another thread that is in the middle of an open */
    }
    if (!err) {
        ft->files[fd] = f;
        bit_set(ft->open, (u32)fd, true);
        bit_set(ft->cloexec, (u32)fd, cloexec);
    }
    mutex_unlock(&ft->lock);
    if (!err && old)
        close_file(ft, old);
    return err ? err : fd;
}

int fd_close(struct task *t, int fd)
{
    struct fdtable *ft = t->files;
    struct file *f = NULL;

    mutex_lock(&ft->lock);
    if ((u32)fd < ft->cap && (f = ft->files[fd]) != NULL)
        free_slot_locked(ft, (u32)fd);
    mutex_unlock(&ft->lock);
    return f ? close_file(ft, f) : -EBADF;
}

int fd_close_range(struct task *t, u32 first, u32 last, bool cloexec_only)
{
    struct fdtable *ft = t->files;

    for (u32 i = first; i <= last; i++) {
        struct file *f = NULL;
        bool end = false;

        mutex_lock(&ft->lock);
        while (i < ft->cap && i <= last && !ft->files[i])
            i++;
        if (i >= ft->cap || i > last) {
            end = true;
        } else if (cloexec_only) {
            bit_set(ft->cloexec, i, true);
        } else {
            f = ft->files[i];
            free_slot_locked(ft, i);
        }
        mutex_unlock(&ft->lock);
        if (end)
            break;
        if (f)
            close_file(ft, f);
    }
    return 0;
}

int fd_get_cloexec(struct task *t, int fd)
{
    struct fdtable *ft = t->files;
    int r = -EBADF;

    mutex_lock(&ft->lock);
    if ((u32)fd < ft->cap && ft->files[fd])
        r = bit_test(ft->cloexec, (u32)fd);
    mutex_unlock(&ft->lock);
    return r;
}

int fd_set_cloexec(struct task *t, int fd, bool on)
{
    struct fdtable *ft = t->files;
    int r = -EBADF;

    mutex_lock(&ft->lock);
    if ((u32)fd < ft->cap && ft->files[fd]) {
        bit_set(ft->cloexec, (u32)fd, on);
        r = 0;
    }
    mutex_unlock(&ft->lock);
    return r;
}

void fdtable_close_on_exec(struct task *t)
{
    struct fdtable *ft = t->files;

    for (u32 i = 0;; i++) {
        struct file *f = NULL;

        mutex_lock(&ft->lock);
        while (i < ft->cap && !(ft->files[i] && bit_test(ft->cloexec, i)))
            i++;
        if (i < ft->cap) {
            f = ft->files[i];
            free_slot_locked(ft, i);
        }
        mutex_unlock(&ft->lock);
        if (!f)
            return;
        close_file(ft, f);
    }
}

int fdtable_next(struct fdtable *ft, int fd)
{
    int r = -1;

    mutex_lock(&ft->lock);
    for (u32 i = fd < 0 ? 0 : (u32)fd; i < ft->cap && r < 0; i++) {
        if (ft->files[i])
            r = (int)i;
    }
    mutex_unlock(&ft->lock);
    return r;
}

struct file *fdtable_lookup(struct fdtable *ft, int fd, bool *cloexec)
{
    struct file *f = NULL;

    mutex_lock(&ft->lock);
    if ((u32)fd < ft->cap && (f = ft->files[fd]) != NULL) {
        file_get(f);
        if (cloexec)
            *cloexec = bit_test(ft->cloexec, (u32)fd);
    }
    mutex_unlock(&ft->lock);
    return f;
}
