/* SPDX-License-Identifier: Apache-2.0 */
/* Working directory, root and umask of tasks. */
#include "cvisor/kcache.h"
#include "sentry/kernel/task.h"

KCACHE(fs_context);

struct fs_context *fs_context_new(const struct vfs_path *root, const struct vfs_path *cwd,
                                  u32 umask)
{
    struct fs_context *fs = kcache_alloc(fs_context);

    if (!fs)
        return NULL;
    ref_init(&fs->refs);
    mutex_init(&fs->lock, LOCK_FS_CONTEXT);
    fs->root = *root;
    fs->cwd = *cwd;
    vfs_path_get(&fs->root);
    vfs_path_get(&fs->cwd);
    fs->umask = umask & 0777;
    return fs;
}

struct fs_context *fs_context_copy(struct fs_context *fs)
{
    struct vfs_path root, cwd;
    struct fs_context *copy;
    u32 umask;

    mutex_lock(&fs->lock);
    root = fs->root;
    cwd = fs->cwd;
    vfs_path_get(&root);
    vfs_path_get(&cwd);
    umask = fs_context_umask(fs);
    mutex_unlock(&fs->lock);
    copy = fs_context_new(&root, &cwd, umask);
    vfs_path_put(&root);
    vfs_path_put(&cwd);
    return copy;
}

void fs_context_get(struct fs_context *fs)
{
    ref_get(&fs->refs);
}

void fs_context_put(struct fs_context *fs)
{
    if (!ref_put(&fs->refs))
        return;
    vfs_path_put(&fs->root);
    vfs_path_put(&fs->cwd);
    vfs_path_put(&fs->old_root);
    kcache_free(fs_context, fs);
}

void fs_context_root(struct fs_context *fs, struct vfs_path *out)
{
    mutex_lock(&fs->lock);
    *out = fs->root;
    vfs_path_get(out);
    mutex_unlock(&fs->lock);
}

void fs_context_cwd(struct fs_context *fs, struct vfs_path *out)
{
    mutex_lock(&fs->lock);
    *out = fs->cwd;
    vfs_path_get(out);
    mutex_unlock(&fs->lock);
}

u32 fs_context_umask(struct fs_context *fs)
{
    return __atomic_load_n(&fs->umask, __ATOMIC_RELAXED);
}

u32 fs_context_set_umask(struct fs_context *fs, u32 umask)
{
    return __atomic_exchange_n(&fs->umask, umask & 0777, __ATOMIC_RELAXED);
}

void fs_context_set_cwd(struct fs_context *fs, const struct vfs_path *p)
{
    struct vfs_path old;

    vfs_path_get(p);
    mutex_lock(&fs->lock);
    old = fs->cwd;
    fs->cwd = *p;
    mutex_unlock(&fs->lock);
    vfs_path_put(&old);
}

/* fs->lock held. Keeps what was root for the path walk that borrows it; gives back what is to be put
 * otherwise. */
static void retire_root(struct fs_context *fs, struct vfs_path *old)
{
    if (!atomic_load_explicit(&fs->borrowed, memory_order_acquire))
        return;
    /* A second one during the same walk may be borrowed too (rename walks twice): it is never put. */
    if (!fs->old_root.dentry) {
        fs->old_root.mnt = old->mnt;
        __atomic_store_n(&fs->old_root.dentry, old->dentry, __ATOMIC_RELAXED);
    }
    *old = (struct vfs_path){NULL, NULL};
}

void fs_context_set_root(struct fs_context *fs, const struct vfs_path *p)
{
    struct vfs_path old;

    vfs_path_get(p);
    mutex_lock(&fs->lock);
    old = fs->root;
    fs->root = *p;
    retire_root(fs, &old);
    mutex_unlock(&fs->lock);
    vfs_path_put(&old);
}

void fs_context_return_root(struct fs_context *fs)
{
    struct vfs_path old;

    if (atomic_fetch_sub_explicit(&fs->borrowed, 1, memory_order_release) != 1 ||
        likely(!__atomic_load_n(&fs->old_root.dentry, __ATOMIC_RELAXED)))
        return;
    mutex_lock(&fs->lock);
    old = fs->old_root;
    __atomic_store_n(&fs->old_root.dentry, NULL, __ATOMIC_RELAXED);
    fs->old_root.mnt = NULL;
    mutex_unlock(&fs->lock);
    vfs_path_put(&old);
}

static bool same(const struct vfs_path *a, const struct vfs_path *b)
{
    return a->mnt == b->mnt && a->dentry == b->dentry;
}

static void replace_in(struct fs_context *fs, const struct vfs_path *from,
                       const struct vfs_path *to)
{
    struct vfs_path root = {NULL, NULL}, cwd = {NULL, NULL};

    /* At once: its tasks may be in chroot() or chdir() and must stay where those led them. */
    mutex_lock(&fs->lock);
    if (same(&fs->root, from)) {
        vfs_path_get(to);
        root = fs->root;
        fs->root = *to;
        retire_root(fs, &root);
    }
    if (same(&fs->cwd, from)) {
        vfs_path_get(to);
        cwd = fs->cwd;
        fs->cwd = *to;
    }
    mutex_unlock(&fs->lock);
    vfs_path_put(&root);
    vfs_path_put(&cwd);
}

struct replace_ctx {
    const struct vfs_path *from, *to;
    struct fs_context *batch[64];
    int n, skip;
};

/* TASKS is held: only collects, since putting paths may need outer locks. */
static int collect(struct thread_group *g, void *arg)
{
    struct replace_ctx *c = arg;
    struct task *t;

    list_for_each_entry (t, &g->tasks, group_node) {
        struct fs_context *fs;

        if (c->skip > 0) {
            c->skip--;
            continue;
        }
        mutex_lock(&t->res_lock);
        fs = t->fs;
        if (fs)
            fs_context_get(fs);
        mutex_unlock(&t->res_lock);
        if (!fs)
            continue;
        c->batch[c->n++] = fs;
        if (c->n == (int)ARRAY_SIZE(c->batch))
            return 1;
    }
    return 0;
}

void fs_context_replace_root(const struct vfs_path *from, const struct vfs_path *to)
{
    struct replace_ctx c = {.from = from, .to = to};
    int done = 0, more;

    do {
        c.n = 0;
        c.skip = done;
        more = group_for_each(collect, &c);
        for (int i = 0; i < c.n; i++) {
            replace_in(c.batch[i], from, to);
            fs_context_put(c.batch[i]);
        }
        done += c.n;
    } while (more);
}
