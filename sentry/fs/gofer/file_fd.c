/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gofer: host descriptors of regular files. A file has at most two, read-only and read-write. They stay
 * open while the file is, and for a while after, so that the next open needs no request.
 */
#include "sentry/fs/gofer/gofer_fs.h"

#include "abi/linux/fcntl.h"
#include "cvisor/host.h"

#include <errno.h>

static struct gofer_fs *fs_of(struct gofer_file *gf)
{
    return gofer_inode_fs(&gf->gi);
}

void gofer_file_init(struct gofer_file *gf)
{
    gofer_backing_init(&gf->ro, gf);
    gofer_backing_init(&gf->rw, gf);
    list_init(&gf->idle_node);
    mutex_init(&gf->map_lock, LOCK_FILE_DATA);
    mappable_init(&gf->mappable, &g_gofer_mappable_ops);
    gf->gi.inode.mappable = &gf->mappable;
}

static int backing_fd(struct gofer_backing *gb)
{
    return __atomic_load_n(&gb->b.fd, __ATOMIC_ACQUIRE);
}

int gofer_file_write_fd(struct gofer_file *gf)
{
    return backing_fd(&gf->rw);
}

int gofer_file_read_fd(struct gofer_file *gf)
{
    int fd = backing_fd(&gf->rw);

    return fd >= 0 && gf->rw_reads ? fd : backing_fd(&gf->ro);
}

/* --- idle files --- */

static void idle_remove_locked(struct gofer_fs *gfs, struct gofer_file *gf)
{
    if (list_empty(&gf->idle_node))
        return;
    list_del(&gf->idle_node);
    gfs->nidle--;
}

/*
 * Closes the descriptors of a file, unless it is open (again). Who opens it from then on gets others, whose
 * windows have to wait for map_lock: those that go are of what is closed.
 */
static void close_fds(struct gofer_file *gf)
{
    struct gofer_fs *gfs = fs_of(gf);
    int fds[2] = {-1, -1};
    struct linux_stat st;

    mutex_lock(&gf->map_lock);
    mutex_lock(&gfs->fd_lock);
    if (gf->opens == 0) {
        idle_remove_locked(gfs, gf);
        fds[0] = gf->ro.b.fd;
        fds[1] = gf->rw.b.fd;
        __atomic_store_n(&gf->ro.b.fd, -1, __ATOMIC_RELEASE);
        __atomic_store_n(&gf->rw.b.fd, -1, __ATOMIC_RELEASE);
    }
    mutex_unlock(&gfs->fd_lock);
    if (fds[0] >= 0)
        gofer_backing_drop_windows_locked(&gf->ro);
    if (fds[1] >= 0)
        gofer_backing_drop_windows_locked(&gf->rw);
    mutex_unlock(&gf->map_lock);
    /* From now on nobody can ask the host how many blocks were written. */
    if (fds[1] >= 0 && host_fstat(fds[1], &st) == 0)
        atomic_store(&gf->gi.inode.blocks, (u64)st.st_blocks);
    for (int i = 0; i < 2; i++) {
        if (fds[i] >= 0)
            host_close(fds[i]);
    }
}

/* Closes the descriptors of files that were idle for longest, down to the bound. */
static void idle_trim(struct gofer_fs *gfs)
{
    for (;;) {
        struct gofer_file *gf = NULL;

        mutex_lock(&gfs->fd_lock);
        if (gfs->nidle > GOFER_IDLE_FDS_MAX) {
            gf = list_first_entry(&gfs->idle, struct gofer_file, idle_node);
            idle_remove_locked(gfs, gf);
            if (!ref_get_unless_zero(&gf->gi.inode.refs))
                gf = NULL; /* being destroyed, which closes them */
        }
        mutex_unlock(&gfs->fd_lock);
        if (!gf)
            return;
        close_fds(gf);
        inode_put(&gf->gi.inode);
    }
}

static void idle_add_locked(struct gofer_fs *gfs, struct gofer_file *gf)
{
    if (gf->ro.b.fd < 0 && gf->rw.b.fd < 0)
        return;
    list_add_tail(&gf->idle_node, &gfs->idle);
    gfs->nidle++;
}

/* --- opening --- */

int gofer_file_hold_write_fd(struct gofer_file *gf)
{
    struct gofer_fs *gfs = fs_of(gf);
    int fd;

    mutex_lock(&gfs->fd_lock);
    gf->opens++;
    idle_remove_locked(gfs, gf);
    fd = gf->rw.b.fd;
    mutex_unlock(&gfs->fd_lock);
    return fd;
}

/* Asks the server. The descriptor, or -errno. */
static int request_fd(struct gofer_file *gf, u32 flags)
{
    struct gofer_fs *gfs = fs_of(gf);
    struct p9_names names;
    struct p9c_opened op;
    u32 fid;
    int rc = gofer_place_begin(&gf->gi, &fid, &names);

    if (rc < 0)
        return rc;
    rc = p9c_xopen(gfs->client, fid, &names, P9_NOFID, flags, &op);
    gofer_place_end(&gf->gi);
    if (rc < 0)
        return rc;
    if (op.hostfd < 0)
        return p9c_garbage(gfs->client, "an open file without a descriptor");
    return gofer_fd_check(gfs, op.hostfd);
}

int gofer_fd_check(struct gofer_fs *gfs, int fd)
{
    struct linux_stat st;
    int rc = host_fstat(fd, &st);

    if (rc == 0 && !LINUX_S_ISREG(st.st_mode))
        rc = p9c_garbage(gfs->client, "a descriptor of something that is no file");
    if (rc < 0)
        host_close(fd);
    return rc < 0 ? rc : fd;
}

/* Keeps fd unless another thread was faster. */
static void install_fd(struct gofer_file *gf, struct gofer_backing *gb, int fd, bool reads)
{
    struct gofer_fs *gfs = fs_of(gf);

    mutex_lock(&gfs->fd_lock);
    if (gb->b.fd < 0) {
        if (gb == &gf->rw)
            gf->rw_reads = reads;
        __atomic_store_n(&gb->b.fd, fd, __ATOMIC_RELEASE);
        fd = -1;
    }
    mutex_unlock(&gfs->fd_lock);
    if (fd >= 0)
        host_close(fd);
}

int gofer_file_open(struct gofer_file *gf, bool read, bool write)
{
    struct gofer_fs *gfs = fs_of(gf);
    int fd;

    mutex_lock(&gfs->fd_lock);
    gf->opens++;
    idle_remove_locked(gfs, gf);
    mutex_unlock(&gfs->fd_lock);
    if (write)
        gofer_changing(gfs);
    if (write && gofer_file_write_fd(gf) < 0) {
        bool reads = true;

        fd = request_fd(gf, LINUX_O_RDWR);
        if (fd == -EACCES) { /* not root on the host, and the file can't be read */
            fd = request_fd(gf, LINUX_O_WRONLY);
            reads = false;
        }
        if (fd < 0)
            goto fail;
        install_fd(gf, &gf->rw, fd, reads);
    }
    if (read && gofer_file_read_fd(gf) < 0) {
        fd = gofer_ahead_open(gf);
        if (fd == -EAGAIN)
            fd = request_fd(gf, LINUX_O_RDONLY);
        if (fd < 0)
            goto fail;
        install_fd(gf, &gf->ro, fd, true);
    }
    return 0;
fail:
    gofer_file_close(gf);
    return fd;
}

void gofer_file_close(struct gofer_file *gf)
{
    struct gofer_fs *gfs = fs_of(gf);
    bool gone = atomic_load(&gf->gi.inode.nlink) == 0, trim;

    /* Was written, maybe: the server knows by now. */
    if (gofer_file_write_fd(gf) >= 0)
        gofer_changing(gfs);
    mutex_lock(&gfs->fd_lock);
    BUG_ON(gf->opens == 0);
    /* The data of a file without a name is given up with its last user. */
    if (--gf->opens == 0 && !gone)
        idle_add_locked(gfs, gf);
    else if (gf->opens > 0)
        gone = false;
    trim = gfs->nidle > GOFER_IDLE_FDS_MAX;
    mutex_unlock(&gfs->fd_lock);
    if (gone)
        close_fds(gf);
    if (trim)
        idle_trim(gfs);
}

void gofer_file_created(struct gofer_file *gf, int fd)
{
    struct gofer_fs *gfs = fs_of(gf);

    install_fd(gf, &gf->rw, fd, true);
    mutex_lock(&gfs->fd_lock);
    if (gf->opens == 0 && list_empty(&gf->idle_node))
        idle_add_locked(gfs, gf);
    mutex_unlock(&gfs->fd_lock);
    idle_trim(gfs);
}

void gofer_file_fini(struct gofer_file *gf)
{
    close_fds(gf);
}
