/* SPDX-License-Identifier: Apache-2.0 */
/* Text of /proc/PID/maps and smaps, and the figures of /proc/PID/status. */
#include "sentry/mm/mm_internal.h"

#include "cvisor/kcache.h"
#include "sentry/kernel/task.h"
#include "sentry/vfs/vfs.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct text {
    char *buf;
    size_t len, cap;
    bool failed;
};

static void text_add(struct text *t, const char *fmt, ...) __printf(2, 3);

static void text_add(struct text *t, const char *fmt, ...)
{
    va_list ap;
    int n;

    for (;;) {
        size_t cap = t->cap ? t->cap * 2 : 8192;
        char *p;

        va_start(ap, fmt);
        n = t->buf ? vsnprintf(t->buf + t->len, t->cap - t->len, fmt, ap) : 0;
        va_end(ap);
        if (t->failed || (t->buf && (size_t)n < t->cap - t->len))
            break;
        p = krealloc(t->buf, cap);
        if (!p) {
            t->failed = true;
            return;
        }
        t->buf = p;
        t->cap = cap;
    }
    if (!t->failed)
        t->len += (size_t)n;
}

/* One vma, copied out of the lock. */
struct map_line {
    u64 start, end, off;
    u64 rss, private_bytes;
    u32 prot, flags;
    struct file *file; /* referenced */
    const char *name;
};

/* Memory behind [start, end): resident bytes, and those of them that are private copies. pma_lock held
 * for reading. */
static void count_resident(struct mm *mm, u64 start, u64 end, u64 *rss, u64 *private_bytes)
{
    struct pma *p = pma_of(rangetree_lower(&mm->pmas, start));

    *rss = *private_bytes = 0;
    for (; p && p->node.start < end; p = pma_of(rangetree_next(&p->node))) {
        u64 s = MAX(start, p->node.start), e = MIN(end, p->node.end), n = e - s;

        if (p->backing == g_memfile)
            n = memory_file_resident(p->off + (s - p->node.start), n);
        *rss += n;
        if (p->copied)
            *private_bytes += n;
    }
}

/* All vmas in order; *n of them. */
static struct map_line *collect(struct mm *mm, bool smaps, size_t *n)
{
    struct map_line *lines;
    size_t i = 0;

    rwlock_rdlock(&mm->map_lock);
    lines = kcalloc(mm->vmas.count + 1, sizeof(*lines));
    for (struct vma *v = vma_lower(mm, 0); lines && v; v = vma_next(v)) {
        struct map_line *l = &lines[i++];

        l->start = v->node.start;
        l->end = v->node.end;
        l->off = v->mappable ? v->off : 0;
        l->prot = v->prot;
        l->flags = v->flags;
        l->name = v->name;
        l->file = v->file;
        if (l->file)
            file_get(l->file);
        if (smaps) {
            rwlock_rdlock(&mm->pma_lock);
            count_resident(mm, l->start, l->end, &l->rss, &l->private_bytes);
            rwlock_rdunlock(&mm->pma_lock);
        }
    }
    rwlock_rdunlock(&mm->map_lock);
    *n = i;
    return lines;
}

/* The last column; newlines are escaped as Linux does. */
static void add_name(struct text *t, const struct map_line *l, const struct vfs_path *root,
                     char *path, size_t cap, size_t column)
{
    const char *name = l->name;
    int err = 0;

    if (!name && l->file)
        name = root ? vfs_path_name(&l->file->path, root, path, cap, &err) : "(file)";
    if (!name) {
        text_add(t, "\n");
        return;
    }
    text_add(t, "%*s", column < 73 ? (int)(73 - column) : 1, "");
    for (; *name; name++) {
        if (*name == '\n')
            text_add(t, "\\012");
        else
            text_add(t, "%c", *name);
    }
    text_add(t, "\n");
}

static void add_line(struct text *t, const struct map_line *l, const struct vfs_path *root,
                     char *path, size_t cap)
{
    u64 dev = l->file && l->file->inode ? l->file->inode->fs->dev : 0;
    u64 ino = l->file && l->file->inode ? l->file->inode->ino : 0;
    size_t before = t->len;

    text_add(t, "%08llx-%08llx %c%c%c%c %08llx %02x:%02x %llu", (unsigned long long)l->start,
             (unsigned long long)l->end, l->prot & LINUX_PROT_READ ? 'r' : '-',
             l->prot & LINUX_PROT_WRITE ? 'w' : '-', l->prot & LINUX_PROT_EXEC ? 'x' : '-',
             l->flags & VMA_SHARED ? 's' : 'p', (unsigned long long)l->off, LINUX_MAJOR(dev),
             LINUX_MINOR(dev), (unsigned long long)ino);
    add_name(t, l, root, path, cap, t->len - before);
}

static void add_smaps(struct text *t, const struct map_line *l)
{
    u64 rss = l->rss >> 10, priv = l->private_bytes >> 10;
    bool shared = (l->flags & VMA_SHARED) != 0;

    text_add(t,
             "Size:           %8llu kB\nKernelPageSize:        4 kB\nMMUPageSize:           4 kB\n"
             "Rss:            %8llu kB\nPss:            %8llu kB\nPss_Dirty:      %8llu kB\n"
             "Shared_Clean:   %8llu kB\nShared_Dirty:   %8llu kB\nPrivate_Clean:  %8llu kB\n"
             "Private_Dirty:  %8llu kB\nReferenced:     %8llu kB\nAnonymous:      %8llu kB\n",
             (unsigned long long)((l->end - l->start) >> 10), (unsigned long long)rss,
             (unsigned long long)rss, (unsigned long long)priv,
             (unsigned long long)(shared ? 0 : rss - priv), (unsigned long long)(shared ? rss : 0),
             0ull, (unsigned long long)priv, (unsigned long long)rss,
             (unsigned long long)(shared ? 0 : priv));
    text_add(
        t,
        "LazyFree:              0 kB\nAnonHugePages:         0 kB\nShmemPmdMapped:        0 kB\n"
        "FilePmdMapped:         0 kB\nShared_Hugetlb:        0 kB\nPrivate_Hugetlb:       0 kB\n"
        "Swap:                  0 kB\nSwapPss:               0 kB\nLocked:         %8llu kB\n"
        "THPeligible:           0\nVmFlags:%s%s%s%s mr mw me%s%s%s%s\n",
        (unsigned long long)(l->flags & VMA_LOCKED ? rss : 0),
        l->prot & LINUX_PROT_READ ? " rd" : "", l->prot & LINUX_PROT_WRITE ? " wr" : "",
        l->prot & LINUX_PROT_EXEC ? " ex" : "", shared ? " sh" : "",
        l->flags & VMA_GROWSDOWN ? " gd" : "", l->flags & VMA_LOCKED ? " lo" : "",
        l->flags & VMA_DONTFORK ? " dc" : "", l->flags & VMA_DONTDUMP ? " dd" : "");
}

int mm_show_maps(struct mm *mm, bool smaps, char **out, size_t *len)
{
    struct vfs_path root = {0};
    struct text t = {0};
    struct map_line *lines;
    char *path = kmalloc(LINUX_PATH_MAX + 32);
    size_t n = 0;

    *out = NULL;
    *len = 0;
    lines = collect(mm, smaps, &n);
    if (!path || !lines) {
        t.failed = true;
    } else {
        if (current && current->fs)
            fs_context_root(current->fs, &root);
        text_add(&t, "%s", "");
    }
    for (size_t i = 0; i < n; i++) {
        if (!t.failed)
            add_line(&t, &lines[i], root.dentry ? &root : NULL, path, LINUX_PATH_MAX + 32);
        if (!t.failed && smaps)
            add_smaps(&t, &lines[i]);
        if (lines[i].file)
            file_put(lines[i].file);
    }
    vfs_path_put(&root);
    kfree(lines);
    kfree(path);
    if (t.failed) {
        kfree(t.buf);
        return -ENOMEM;
    }
    *out = t.buf;
    *len = t.len;
    return 0;
}

void mm_get_stats(struct mm *mm, struct mm_stats *st)
{
    *st = (struct mm_stats){0};
    rwlock_rdlock(&mm->map_lock);
    rwlock_rdlock(&mm->pma_lock);
    for (struct vma *v = vma_lower(mm, 0); v; v = vma_next(v)) {
        u64 n = vma_len(v), rss, priv;

        st->vmas++;
        st->vm_bytes += n;
        if (v->flags & (VMA_GROWSDOWN | VMA_STACK))
            st->stack_bytes += n;
        else if ((v->prot & LINUX_PROT_WRITE) && vma_private(v))
            st->data_bytes += n;
        if (v->prot & LINUX_PROT_EXEC) {
            if (v->node.start < mm->end_code && v->node.end > mm->start_code)
                st->text_bytes += n;
            else if (v->file)
                st->lib_bytes += n;
        }
        count_resident(mm, v->node.start, v->node.end, &rss, &priv);
        st->rss_bytes += rss;
        st->shared_bytes += rss - priv;
    }
    st->locked_bytes = mm->locked_bytes;
    rwlock_rdunlock(&mm->pma_lock);
    rwlock_rdunlock(&mm->map_lock);
    u64 max = atomic_load_explicit(&mm->max_rss, memory_order_relaxed);
    while (st->rss_bytes > max && !atomic_compare_exchange_weak(&mm->max_rss, &max, st->rss_bytes))
        ;
}
