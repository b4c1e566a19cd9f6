/* SPDX-License-Identifier: Apache-2.0 */
/* Files that show a process's memory: maps, smaps_rollup, auxv, cmdline, environ, mem. */
#include "sentry/fs/proc/proc.h"

#include "abi/linux/fcntl.h"
#include "cvisor/kcache.h"
#include "sentry/kernel/ptrace_access.h"
#include "sentry/kernel/task.h"
#include "sentry/mm/mm.h"
#include "sentry/mm/uaccess.h"

#include <errno.h>
#include <string.h>

typedef unsigned long long ull;

/*
 * The address space of an inode's task: referenced, or NULL with 0 (it has none) or -errno. Access is checked
 * again for each reading, since the task may have become another program after the open.
 */
static int inode_mm(struct inode *inode, struct mm **out)
{
    struct task *t = proc_task_get(inode);
    int err = 0;

    *out = NULL;
    if (!t)
        return -ESRCH;
    /* First the memory, then the question: an exec in between must not lend us the new program's. */
    *out = task_mm_get(t);
    if (kernfs_i(inode)->node->flags & PROC_PTRACE)
        err = proc_may_access(t);
    if (err && *out) {
        mm_put(*out);
        *out = NULL;
    }
    task_put(t);
    return err;
}

/* node.arg: 1 = smaps. */
int proc_show_maps(struct inode *inode, struct ktext *out)
{
    struct mm *mm;
    char *buf;
    size_t len;
    int err = inode_mm(inode, &mm);

    if (!mm)
        return err;
    err = mm_show_maps(mm, kernfs_i(inode)->node->arg != 0, &buf, &len);
    mm_put(mm);
    if (!err)
        ktext_adopt(out, buf, len);
    return err;
}

int proc_show_smaps_rollup(struct inode *inode, struct ktext *out)
{
    struct mm_stats ms;
    struct mm *mm;
    u64 rss, anon;
    int err = inode_mm(inode, &mm);

    if (!mm)
        return err ? err : -ESRCH;
    mm_get_stats(mm, &ms);
    rss = ms.rss_bytes >> 10;
    anon = rss - MIN(ms.shared_bytes >> 10, rss);
    ktext_printf(out,
                 "%08llx-%08llx ---p 00000000 00:00 0                          [rollup]\n"
                 "Rss:            %8llu kB\nPss:            %8llu kB\nPss_Dirty:      %8llu kB\n"
                 "Pss_Anon:       %8llu kB\nPss_File:       %8llu kB\nPss_Shmem:      %8u kB\n"
                 "Shared_Clean:   %8llu kB\nShared_Dirty:   %8u kB\nPrivate_Clean:  %8u kB\n"
                 "Private_Dirty:  %8llu kB\nReferenced:     %8llu kB\nAnonymous:      %8llu kB\n",
                 (ull)mm->vm_start, (ull)mm->vm_end, (ull)rss, (ull)rss, (ull)anon, (ull)anon,
                 (ull)(rss - anon), 0, (ull)(rss - anon), 0, 0, (ull)anon, (ull)rss, (ull)anon);
    ktext_printf(out,
                 "LazyFree:              0 kB\nAnonHugePages:         0 kB\n"
                 "ShmemPmdMapped:        0 kB\nFilePmdMapped:         0 kB\n"
                 "Shared_Hugetlb:        0 kB\nPrivate_Hugetlb:       0 kB\n"
                 "Swap:                  0 kB\nSwapPss:               0 kB\n"
                 "Locked:         %8llu kB\n",
                 (ull)(ms.locked_bytes >> 10));
    mm_put(mm);
    return 0;
}

int proc_show_auxv(struct inode *inode, struct ktext *out)
{
    static const u64 end[2];
    struct mm *mm;
    u64 auxv[ARRAY_SIZE(mm->auxv)];
    size_t n;
    int err = inode_mm(inode, &mm);

    if (!mm)
        return err;
    n = MIN((size_t)mm->auxv_len, ARRAY_SIZE(auxv)) & ~(size_t)1;
    memcpy(auxv, mm->auxv, sizeof(auxv));
    mm_put(mm);
    for (size_t i = 0; i < n && auxv[i]; i += 2)
        ktext_write(out, &auxv[i], 16);
    ktext_write(out, end, sizeof(end));
    return 0;
}

/* ---- memory as a file ------------------------------------------------------------------------ */

/* Moves up to the end of [addr, addr + n) to the reader: bytes, or err when not one could be read. */
static ssize_t mm_to_iter(struct mm *mm, struct iov_iter *to, u64 addr, u64 n, int err)
{
    char *buf __kfree = kmalloc(PAGE_SIZE);
    ssize_t done = 0;

    if (!buf)
        return -ENOMEM;
    n = MIN(n, to->count);
    while (n) {
        size_t piece = MIN(n, PAGE_SIZE - (addr & (PAGE_SIZE - 1)));
        ssize_t got = mm_copy_in(mm, buf, addr, piece, true), put;

        if (got <= 0)
            return done ? done : err;
        put = iov_copy_to(to, buf, (size_t)got);
        if (put < 0)
            return done ? done : put;
        done += put;
        if (put < got || (size_t)got < piece)
            break;
        addr += piece;
        n -= piece;
    }
    return done;
}

/* Where the arguments and the environment are, taken once. */
struct strings {
    u64 arg_start, arg_end, env_start, env_end;
};

static struct strings mm_strings(struct mm *mm)
{
    struct strings s;

    rwlock_rdlock(&mm->map_lock);
    s = (struct strings){mm->arg_start, mm->arg_end, mm->env_start, mm->env_end};
    rwlock_rdunlock(&mm->map_lock);
    return s;
}

/*
 * A program that has overwritten the end of its arguments shows one string instead, which may go on into
 * the environment (setproctitle).
 */
static ssize_t read_title(struct mm *mm, struct iov_iter *to, u64 start, u64 end, u64 pos)
{
    char *buf __kfree = kmalloc(PAGE_SIZE);
    size_t want = MIN(end - start, PAGE_SIZE), len;
    ssize_t got;

    if (!buf)
        return -ENOMEM;
    got = mm_copy_in(mm, buf, start, want, true);
    if (got <= 0)
        return 0;
    len = strnlen(buf, (size_t)got);
    len += len < (size_t)got;
    return pos < len ? iov_copy_to(to, buf + pos, MIN(to->count, len - pos)) : 0;
}

static ssize_t cmdline_read(struct file *f, struct iov_iter *to, u64 *pos, int rwf)
{
    struct strings s;
    struct mm *mm;
    ssize_t n = 0;
    char last = 0;
    int err = inode_mm(f->inode, &mm);

    if (!mm)
        return err;
    s = mm_strings(mm);
    if (s.arg_start < s.arg_end) {
        u64 len = s.arg_end - s.arg_start;

        if (s.env_start != s.arg_end || s.env_end < s.env_start)
            s.env_end = s.arg_end;
        if (mm_copy_in(mm, &last, s.arg_end - 1, 1, true) == 1 && last)
            n = read_title(mm, to, s.arg_start, s.env_end, *pos);
        else if (*pos < len)
            n = mm_to_iter(mm, to, s.arg_start + *pos, len - *pos, 0);
    }
    mm_put(mm);
    if (n > 0)
        *pos += (u64)n;
    return n;
}

const struct file_ops g_proc_cmdline_fops = {
    .read = cmdline_read,
    .llseek = kernfs_llseek,
};

/* mem and environ keep the address space that they were opened on. */
static int mem_open(struct inode *inode, struct dentry *d, struct file *f)
{
    struct task *t = proc_task_get(inode);
    struct mm *mm;
    int err;

    if (!t)
        return -ESRCH;
    mm = task_mm_get(t); /* before the check, as in inode_mm() */
    err = proc_may_access(t);
    task_put(t);
    if (err) {
        if (mm)
            mm_put(mm);
        return err;
    }
    f->ops = inode->fops;
    f->priv = mm;
    return 0;
}

static void mem_release(struct file *f)
{
    if (f->priv)
        mm_put(f->priv);
}

/* NULL once nobody runs on it: reads give nothing. */
static struct mm *file_mm(struct file *f)
{
    struct mm *mm = f->priv;

    return mm && atomic_load(&mm->users) > 0 ? mm : NULL;
}

static ssize_t environ_read(struct file *f, struct iov_iter *to, u64 *pos, int rwf)
{
    struct mm *mm = file_mm(f);
    struct strings s;
    ssize_t n;

    if (!mm)
        return 0;
    s = mm_strings(mm);
    if (s.env_end <= s.env_start || *pos >= s.env_end - s.env_start)
        return 0;
    n = mm_to_iter(mm, to, s.env_start + *pos, s.env_end - s.env_start - *pos, -EIO);
    if (n > 0)
        *pos += (u64)n;
    return n;
}

static ssize_t mem_read(struct file *f, struct iov_iter *to, u64 *pos, int rwf)
{
    struct mm *mm = file_mm(f);
    ssize_t n;

    if (!mm || !to->count)
        return 0;
    n = mm_to_iter(mm, to, *pos, to->count, -EIO);
    if (n > 0)
        *pos += (u64)n;
    return n;
}

static ssize_t mem_write(struct file *f, struct iov_iter *from, u64 *pos, int rwf)
{
    struct mm *mm = file_mm(f);
    char *buf __kfree = NULL;
    ssize_t done = 0;

    if (!mm)
        return 0;
    buf = kmalloc(PAGE_SIZE);
    if (!buf)
        return -ENOMEM;
    while (from->count) {
        size_t piece = MIN(from->count, PAGE_SIZE - (*pos & (PAGE_SIZE - 1)));
        ssize_t got = iov_copy_from(from, buf, piece), put;

        if (got <= 0)
            return done ? done : -EFAULT;
        put = mm_copy_out(mm, *pos, buf, (size_t)got, true);
        if (put <= 0)
            return done ? done : -EIO;
        done += put;
        *pos += (u64)put;
        if (put < got || (size_t)got < piece)
            break;
    }
    return done;
}

const struct inode_ops g_proc_mem_iops = {
    .open = mem_open,
    .getattr = proc_getattr,
    .setattr = kernfs_setattr,
    .revalidate = proc_revalidate,
    .destroy = proc_destroy,
};

const struct file_ops g_proc_mem_fops = {
    .release = mem_release,
    .read = mem_read,
    .write = mem_write,
    .llseek = kernfs_llseek,
};

const struct file_ops g_proc_environ_fops = {
    .release = mem_release,
    .read = environ_read,
    .llseek = kernfs_llseek,
};
