/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets as files. */
#include "sentry/net/socket.h"

#include "abi/linux/fcntl.h"
#include "abi/linux/ioctl.h"
#include "cvisor/host.h"
#include "cvisor/kcache.h"
#include "sentry/kernel/task.h"
#include "sentry/mm/uaccess.h"

#include <errno.h>
#include <string.h>

void socket_init(struct socket *s, const struct socket_ops *ops, int family, int type, int proto)
{
    s->ops = ops;
    s->family = family;
    s->type = type;
    s->protocol = proto;
    s->sndbuf = s->rcvbuf = SOCK_BUF_DEFAULT;
}

void scm_release(struct scm *scm)
{
    for (u32 i = 0; i < scm->nfiles; i++)
        file_put(scm->files[i]);
    kfree(scm->files);
    memset(scm, 0, sizeof(*scm));
}

u64 socket_deadline(u64 timeo_ns)
{
    return timeo_ns ? host_now_mono() + timeo_ns : TASK_FOREVER;
}

static void socket_file_release(struct file *f)
{
    struct socket *s = f->priv;
    s->ops->release(s);
}

static ssize_t socket_file_read(struct file *f, struct iov_iter *to, u64 *pos __unused,
                                int rwf __unused)
{
    struct socket *s = f->priv;
    struct sock_msg m = {.iter = to};
    u32 flags = file_nonblock(f) || (rwf & 8) ? LINUX_MSG_DONTWAIT : 0;
    ssize_t n = s->ops->recvmsg(s, &m, flags);
    scm_release(&m.scm);
    return n;
}

static ssize_t socket_file_write(struct file *f, struct iov_iter *from, u64 *pos __unused,
                                 int rwf __unused)
{
    struct socket *s = f->priv;
    struct sock_msg m = {.iter = from};
    ssize_t n = s->ops->sendmsg(s, &m, file_nonblock(f) ? LINUX_MSG_DONTWAIT : 0);
    scm_release(&m.scm);
    return n;
}

static u32 socket_file_poll(struct file *f)
{
    struct socket *s = f->priv;
    return s->ops->poll(s);
}

static struct waitq *socket_file_waitq(struct file *f)
{
    struct socket *s = f->priv;
    return s->ops->waitq(s);
}

static s64 socket_file_ioctl(struct file *f, u32 cmd, u64 arg)
{
    struct socket *s = f->priv;
    return s->ops->ioctl ? s->ops->ioctl(s, cmd, arg) : -ENOTTY;
}

static const struct file_ops g_socket_fops = {
    .release = socket_file_release,
    .read = socket_file_read,
    .write = socket_file_write,
    .poll = socket_file_poll,
    .waitq = socket_file_waitq,
    .ioctl = socket_file_ioctl,
};

struct socket *socket_from_file(struct file *f)
{
    return f->ops == &g_socket_fops ? f->priv : NULL;
}

int socket_file_new(struct socket *s, u32 flags, struct file **out)
{
    struct inode *inode = anon_inode_new(LINUX_S_IFSOCK | 0777);
    char name[32];
    if (!inode)
        return -ENOMEM;
    __builtin_snprintf(name, sizeof(name), "socket:[%llu]", (unsigned long long)inode->ino);
    return file_new_anon(inode, name, &g_socket_fops, s, LINUX_O_RDWR | (flags & LINUX_O_NONBLOCK),
                         out);
}
