/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open text files. The content is made at the first read and again at each read from offset 0, so that
 * what is read in pieces fits together; it is shared by reference, for no lock is held while it is made
 * or copied out.
 */
#include "abi/linux/fcntl.h"
#include "cvisor/kcache.h"
#include "sentry/fs/kernfs/kernfs.h"
#include "sentry/mm/uaccess.h"

#include <errno.h>
#include <string.h>

struct kernfs_content {
    struct ref refs;
    struct ktext text;
};
KCACHE(kernfs_content);

struct kernfs_reader {
    struct mutex lock;              /* rank LEAF */
    struct kernfs_content *content; /* referenced; lock. NULL before the first read */
};
KCACHE(kernfs_reader);

static void content_put(struct kernfs_content *c)
{
    if (!c || !ref_put(&c->refs))
        return;
    ktext_free(&c->text);
    kcache_free(kernfs_content, c);
}

static int content_make(struct file *f, struct kernfs_content **out)
{
    const struct kernfs_node *node = kernfs_i(f->inode)->node;
    struct kernfs_content *c = kcache_alloc(kernfs_content);
    int err = 0;

    if (!c)
        return -ENOMEM;
    ref_init(&c->refs);
    if (node->show)
        err = node->show(f->inode, &c->text);
    else if (node->text)
        ktext_puts(&c->text, node->text);
    if (!err && c->text.failed)
        err = -ENOMEM;
    if (err) {
        content_put(c);
        return err;
    }
    *out = c;
    return 0;
}

/* The content to read at pos from, referenced. */
static int content_get(struct file *f, u64 pos, struct kernfs_content **out)
{
    struct kernfs_reader *r = f->priv;
    struct kernfs_content *c = NULL, *old;
    int err;

    if (pos) {
        mutex_lock(&r->lock);
        c = r->content;
        if (c)
            ref_get(&c->refs);
        mutex_unlock(&r->lock);
    }
    if (!c) {
        err = content_make(f, &c);
        if (err)
            return err;
        ref_get(&c->refs);
        mutex_lock(&r->lock);
        old = r->content;
        r->content = c;
        mutex_unlock(&r->lock);
        content_put(old);
    }
    *out = c;
    return 0;
}

static ssize_t text_read(struct file *f, struct iov_iter *to, u64 *pos, int rwf)
{
    struct kernfs_content *c;
    ssize_t n = 0;
    int err = content_get(f, *pos, &c);

    if (err)
        return err;
    if (*pos < c->text.len)
        n = iov_copy_to(to, c->text.buf + *pos, MIN(to->count, c->text.len - *pos));
    if (n > 0)
        *pos += (u64)n;
    content_put(c);
    return n;
}

static ssize_t text_write(struct file *f, struct iov_iter *from, u64 *pos, int rwf)
{
    const struct kernfs_node *node = kernfs_i(f->inode)->node;
    size_t total = from->count, n = MIN(total, PAGE_SIZE - 1);
    char *buf __kfree = NULL;
    ssize_t got;
    int err;

    if (!node->store)
        return -EINVAL;
    buf = kmalloc(n + 1);
    if (!buf)
        return -ENOMEM;
    got = iov_copy_from(from, buf, n);
    if (got < 0)
        return got;
    if ((size_t)got < n)
        return -EFAULT;
    buf[n] = 0;
    err = node->store(f->inode, buf, n);
    if (err)
        return err;
    *pos += total;
    return (ssize_t)total;
}

static void text_release(struct file *f)
{
    struct kernfs_reader *r = f->priv;

    content_put(r->content);
    kcache_free(kernfs_reader, r);
}

const struct file_ops g_kernfs_text_fops = {
    .release = text_release,
    .read = text_read,
    .write = text_write,
    .llseek = kernfs_llseek,
};

int kernfs_open(struct inode *inode, struct dentry *d, struct file *f)
{
    struct kernfs_reader *r;

    f->ops = inode->fops;
    if (f->ops != &g_kernfs_text_fops)
        return 0;
    r = kcache_alloc(kernfs_reader);
    if (!r)
        return -ENOMEM;
    mutex_init(&r->lock, LOCK_LEAF);
    f->priv = r;
    return 0;
}

int kernfs_parse_int(const char *buf, size_t n, s64 *out)
{
    size_t i = 0;
    bool neg = false;
    s64 v = 0;

    while (i < n && (buf[i] == ' ' || buf[i] == '\t'))
        i++;
    if (i < n && (buf[i] == '-' || buf[i] == '+'))
        neg = buf[i++] == '-';
    if (i >= n || buf[i] < '0' || buf[i] > '9')
        return -EINVAL;
    for (; i < n && buf[i] >= '0' && buf[i] <= '9'; i++) {
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, buf[i] - '0', &v))
            return -EINVAL;
    }
    while (i < n && (buf[i] == ' ' || buf[i] == '\t' || buf[i] == '\n' || buf[i] == 0))
        i++;
    if (i < n)
        return -EINVAL;
    *out = neg ? -v : v;
    return 0;
}
