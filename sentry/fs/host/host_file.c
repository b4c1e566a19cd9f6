/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files over host descriptors. The description on the other side belongs to somebody else too: its
 * O_NONBLOCK is left as it is, its offset is shared, and no call blocks in the host: readiness is
 * checked first (RWF_NOWAIT where the host has it for this kind of file), and a task that has to
 * wait waits in the sentry, where signals reach it.
 */
#include "sentry/fs/host/host_file.h"

#include "abi/linux/errno_internal.h"
#include "abi/linux/fcntl.h"
#include "abi/linux/ioctl.h"
#include "abi/linux/poll.h"
#include "abi/linux/termios.h"
#include "abi/linux/uio.h"
#include "cvisor/host.h"
#include "cvisor/kcache.h"
#include "sentry/fs/host/notifier.h"
#include "sentry/kernel/pgrp.h"
#include "sentry/kernel/signal.h"
#include "sentry/kernel/task.h"
#include "sentry/mm/uaccess.h"
#include "sentry/vfs/vfs.h"

#include <errno.h>
#include <string.h>

/* What a pipe takes at once when it says that it is writable. */
#define WRITE_PIECE 4096
#define WRITE_PIECE_TTY 512

struct host_inode {
    struct inode inode;
    int fd;             /* owned; immutable, as all but nowait */
    atomic_bool nowait; /* reads and writes know RWF_NOWAIT; cleared when the host says no */
    bool waitable;      /* the notifier watches it */
    bool tty;
    bool regular; /* a seekable host file */
    struct waitq waitq;
};
KCACHE(host_inode);

static struct host_inode *host_i(struct inode *inode)
{
    return container_of(inode, struct host_inode, inode);
}

/* ---- reading and writing ---- */

struct host_io {
    int fd;
    s64 off; /* -1: the host's own offset */
    int rwf;
};

static ssize_t do_read(void *arg, struct linux_iovec *segs, int n)
{
    struct host_io *io = arg;
    return host_preadv(io->fd, segs, n, io->off, io->rwf);
}

static ssize_t do_write(void *arg, struct linux_iovec *segs, int n)
{
    struct host_io *io = arg;
    return host_pwritev(io->fd, segs, n, io->off, io->rwf);
}

static u32 host_ready(struct host_inode *hi, u32 mask)
{
    struct linux_pollfd p = {.fd = hi->fd, .events = (s16)mask};
    int n = host_poll(&p, 1, 0);
    return n > 0 ? (u32)(u16)p.revents : 0;
}

/* One attempt that does not block. -EAGAIN when it would. */
static ssize_t host_try(struct host_inode *hi, struct iov_iter *it, bool write, s64 off)
{
    struct host_io io = {.fd = hi->fd, .off = off};
    ssize_t n;
    if (hi->waitable && atomic_load_explicit(&hi->nowait, memory_order_relaxed)) {
        io.rwf = LINUX_RWF_NOWAIT;
        n = iov_iter_host(it, it->count, !write, write ? do_write : do_read, &io);
        if (n != -EOPNOTSUPP && n != -EINVAL)
            return n;
        atomic_store_explicit(&hi->nowait, false, memory_order_relaxed);
        io.rwf = 0;
    }
    size_t max = it->count;
    if (hi->waitable) {
        if (!host_ready(hi, write ? LINUX_POLLOUT : LINUX_POLLIN))
            return -EAGAIN;
        if (write)
            max = MIN(max, (size_t)(hi->tty ? WRITE_PIECE_TTY : WRITE_PIECE));
    }
    return iov_iter_host(it, max, !write, write ? do_write : do_read, &io);
}

static ssize_t host_wait(struct host_inode *hi, struct iov_iter *it, bool write, s64 off)
{
    struct waiter w;
    ssize_t n;
    waiter_init_task(&w, current, write ? LINUX_POLLOUT : LINUX_POLLIN);
    waitq_add(&hi->waitq, &w);
    for (;;) {
        task_prepare_block(current);
        n = host_try(hi, it, write, off);
        if (n != -EAGAIN)
            break;
        n = task_block(current, TASK_FOREVER);
        if (n)
            break;
    }
    waitq_remove(&w);
    return n;
}

/* pos == &f->pos is read(2) and write(2): the offset is the one that the host's side shares. */
static s64 host_offset(struct file *f, const u64 *pos)
{
    return !pos || pos == &f->pos ? -1 : (s64)*pos;
}

static ssize_t host_file_read(struct file *f, struct iov_iter *to, u64 *pos, int rwf)
{
    struct host_inode *hi = host_i(f->inode);
    s64 off = host_offset(f, pos);
    if (!to->count)
        return 0;
    ssize_t n = host_try(hi, to, false, off);
    if (n == -EAGAIN && !file_nonblock(f) && !(rwf & LINUX_RWF_NOWAIT))
        n = host_wait(hi, to, false, off);
    if (n > 0 && pos)
        *pos += (u64)n;
    return n;
}

static ssize_t host_file_write(struct file *f, struct iov_iter *from, u64 *pos, int rwf)
{
    struct host_inode *hi = host_i(f->inode);
    s64 off = host_offset(f, pos);
    ssize_t done = 0, n = 0;
    while (from->count) {
        n = host_try(hi, from, true, off < 0 ? -1 : off + done);
        if (n == -EAGAIN && !file_nonblock(f) && !(rwf & LINUX_RWF_NOWAIT))
            n = host_wait(hi, from, true, off < 0 ? -1 : off + done);
        if (n <= 0)
            break;
        done += n;
    }
    if (n == -EPIPE && !done) {
        struct linux_siginfo info;
        siginfo_user(&info, LINUX_SIGPIPE, LINUX_SI_USER);
        signal_send_task(current, LINUX_SIGPIPE, &info);
    }
    if (done > 0 && pos)
        *pos += (u64)done;
    return done ? done : n;
}

static s64 host_file_llseek(struct file *f, s64 off, int whence)
{
    return host_lseek(host_i(f->inode)->fd, off, whence);
}

static u32 host_file_poll(struct file *f)
{
    struct host_inode *hi = host_i(f->inode);
    if (!hi->waitable)
        return LINUX_POLLIN | LINUX_POLLOUT | LINUX_POLLRDNORM | LINUX_POLLWRNORM;
    u32 ev = host_ready(hi, LINUX_POLLIN | LINUX_POLLOUT | LINUX_POLLPRI | LINUX_POLLRDHUP);
    if (ev & LINUX_POLLIN)
        ev |= LINUX_POLLRDNORM;
    if (ev & LINUX_POLLOUT)
        ev |= LINUX_POLLWRNORM;
    return ev;
}

static struct waitq *host_file_waitq(struct file *f)
{
    struct host_inode *hi = host_i(f->inode);
    return hi->waitable ? &hi->waitq : NULL;
}

static int host_file_fsync(struct file *f, bool data_only, u64 start __unused, u64 end __unused)
{
    int fd = host_i(f->inode)->fd;
    return data_only ? host_fdatasync(fd) : host_fsync(fd);
}

/* ---- terminal ---- */

/* Copies a fixed-size struct between the guest and a host ioctl. */
static s64 tty_get(struct host_inode *hi, u32 cmd, u64 arg, size_t size)
{
    u8 buf[64] = {0};
    int err = host_ioctl(hi->fd, cmd, buf);
    if (err < 0)
        return err;
    return copy_out(current, uaddr(arg), buf, size);
}

static s64 tty_set(struct host_inode *hi, u32 cmd, u64 arg, size_t size)
{
    u8 buf[64] = {0};
    if (copy_in(current, buf, uaddr(arg), size))
        return -EFAULT;
    return host_ioctl(hi->fd, cmd, buf);
}

/* Job control inside the sandbox: the terminal's foreground group is kept in the guest's session. */
static s64 tty_job_control(u32 cmd, u64 arg)
{
    struct thread_group *g = current->group;
    s64 ret = 0;
    u32 id = 0;
    if (cmd == LINUX_TIOCSPGRP && get_u32(current, &id, uaddr(arg)))
        return -EFAULT;
    rwlock_wrlock(&g_tasks_lock);
    struct session *s = g->pgrp->session;
    switch (cmd) {
    case LINUX_TIOCGPGRP:
        id = s->foreground ? (u32)s->foreground->id : (u32)s->id;
        break;
    case LINUX_TIOCGSID:
        id = (u32)s->id;
        break;
    case LINUX_TIOCSPGRP: {
        struct process_group *pg = pgrp_find_locked((int)id);
        if (!pg)
            ret = -ESRCH;
        else if (pg->session != s)
            ret = -EPERM;
        else
            s->foreground = pg;
        break;
    }
    default: /* TIOCSCTTY, TIOCNOTTY: there is one terminal, and it is the session's */
        break;
    }
    rwlock_wrunlock(&g_tasks_lock);
    if (!ret && (cmd == LINUX_TIOCGPGRP || cmd == LINUX_TIOCGSID))
        ret = put_u32(current, uaddr(arg), id);
    return ret;
}

static s64 host_file_ioctl(struct file *f, u32 cmd, u64 arg)
{
    struct host_inode *hi = host_i(f->inode);
    if (cmd == LINUX_FIONREAD)
        return tty_get(hi, cmd, arg, sizeof(s32));
    if (!hi->tty)
        return -ENOTTY;
    switch (cmd) {
    case LINUX_TCGETS:
        return tty_get(hi, cmd, arg, sizeof(struct linux_termios));
    case LINUX_TCSETS:
    case LINUX_TCSETSW:
    case LINUX_TCSETSF:
        return tty_set(hi, cmd, arg, sizeof(struct linux_termios));
    case LINUX_TCGETS2:
        return tty_get(hi, cmd, arg, sizeof(struct linux_termios2));
    case LINUX_TCSETS2:
    case LINUX_TCSETSW2:
    case LINUX_TCSETSF2:
        return tty_set(hi, cmd, arg, sizeof(struct linux_termios2));
    case LINUX_TCSBRK:
    case LINUX_TCXONC:
        return host_ioctl(hi->fd, cmd, (void *)(uintptr_t)(arg & 3));
    case LINUX_TIOCGWINSZ:
        return tty_get(hi, cmd, arg, sizeof(struct linux_winsize));
    case LINUX_TIOCSWINSZ:
        return tty_set(hi, cmd, arg, sizeof(struct linux_winsize));
    case LINUX_TCFLSH:
        return host_ioctl(hi->fd, cmd, (void *)(uintptr_t)(arg & 3));
    case LINUX_TIOCOUTQ:
        return tty_get(hi, cmd, arg, sizeof(s32));
    case LINUX_TIOCGPGRP:
    case LINUX_TIOCSPGRP:
    case LINUX_TIOCGSID:
    case LINUX_TIOCSCTTY:
    case LINUX_TIOCNOTTY:
        return tty_job_control(cmd, arg);
    default:
        return -ENOTTY;
    }
}

static const struct file_ops g_host_fops = {
    .read = host_file_read,
    .write = host_file_write,
    .llseek = host_file_llseek,
    .poll = host_file_poll,
    .waitq = host_file_waitq,
    .ioctl = host_file_ioctl,
    .fsync = host_file_fsync,
};

/* ---- inode ---- */

static int host_getattr(struct inode *inode, struct linux_stat *st)
{
    int err = host_fstat(host_i(inode)->fd, st);
    /* Which device of the host it is on is none of the guest's business. */
    st->st_dev = inode->fs->dev;
    return err;
}

static int host_setattr(struct inode *inode, const struct iattr *attr)
{
    if (attr->valid & ATTR_SIZE)
        return host_ftruncate(host_i(inode)->fd, attr->size);
    return -EPERM;
}

/* Through /proc/self/fd, /dev/stdin: the same host description. */
static int host_open(struct inode *inode, struct dentry *d __unused, struct file *f)
{
    f->ops = &g_host_fops;
    f->seekable = host_i(inode)->regular;
    return 0;
}

static void host_destroy(struct inode *inode)
{
    struct host_inode *hi = host_i(inode);
    if (hi->waitable)
        notifier_remove(hi->fd);
    host_close(hi->fd);
    inode_fini(inode);
    kcache_free(host_inode, hi);
}

static const struct inode_ops g_host_iops = {
    .open = host_open,
    .getattr = host_getattr,
    .setattr = host_setattr,
    .destroy = host_destroy,
};

static bool is_tty(int fd)
{
    struct linux_termios tio;
    return host_ioctl(fd, LINUX_TCGETS, &tio) >= 0;
}

int host_file_new(int hostfd, u32 flags, struct file **out)
{
    struct linux_stat st;
    int err = host_fstat(hostfd, &st);
    struct host_inode *hi = err ? NULL : kcache_alloc(host_inode);
    if (!hi) {
        host_close(hostfd);
        return err ? err : -ENOMEM;
    }
    struct filesystem *fs = anon_filesystem();
    /* A regular file is a character device to the VFS: its size and offset are the host's. */
    u32 mode = st.st_mode;
    if ((mode & LINUX_S_IFMT) == LINUX_S_IFREG)
        mode = (mode & 07777) | LINUX_S_IFCHR;
    inode_init(&hi->inode, fs, fs_new_ino(fs), mode, &g_host_iops, &g_host_fops);
    hi->fd = hostfd;
    hi->regular = (st.st_mode & LINUX_S_IFMT) == LINUX_S_IFREG;
    /* Terminals accept the flag and block all the same. */
    atomic_init(&hi->nowait, (st.st_mode & LINUX_S_IFMT) != LINUX_S_IFCHR);
    waitq_init(&hi->waitq);
    hi->tty = (st.st_mode & LINUX_S_IFMT) == LINUX_S_IFCHR && is_tty(hostfd);
    hi->waitable = notifier_add(hostfd, &hi->waitq) == 0;
    err = file_new_anon(&hi->inode, hi->tty ? "/dev/tty" : "host:[stdio]", &g_host_fops, NULL,
                        flags, out);
    if (!err)
        (*out)->seekable = hi->regular;
    return err;
}
