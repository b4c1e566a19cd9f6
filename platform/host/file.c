/* SPDX-License-Identifier: Apache-2.0 */
/* Host syscalls on files and file descriptors. */
#include "cvisor/host.h"
#include "platform/host/syscall.h"

#include "abi/linux/fcntl.h"

#include <errno.h>

int host_openat(int dirfd, const char *path, int flags, u32 mode)
{
    return (int)HOST_CALL_RETRY(openat, dirfd, path, flags, mode);
}

int host_openat2(int dirfd, const char *path, const struct linux_open_how *how)
{
    return (int)HOST_CALL_RETRY(openat2, dirfd, path, how, sizeof(struct linux_open_how));
}

/* The descriptor is gone even when close() says EINTR. */
int host_close(int fd)
{
    long r = HOST_CALL(close, fd);
    return r == -EINTR ? 0 : (int)r;
}

ssize_t host_read(int fd, void *buf, size_t n)
{
    return HOST_CALL_RETRY(read, fd, buf, n);
}

ssize_t host_write(int fd, const void *buf, size_t n)
{
    return HOST_CALL_RETRY(write, fd, buf, n);
}

ssize_t host_pread(int fd, void *buf, size_t n, u64 off)
{
    return HOST_CALL_RETRY(pread64, fd, buf, n, off);
}

ssize_t host_pwrite(int fd, const void *buf, size_t n, u64 off)
{
    return HOST_CALL_RETRY(pwrite64, fd, buf, n, off);
}

ssize_t host_preadv(int fd, const struct linux_iovec *iov, int cnt, s64 off, int rwf)
{
    return HOST_CALL_RETRY(preadv2, fd, iov, cnt, off < 0 ? -1 : off, 0, rwf);
}

ssize_t host_pwritev(int fd, const struct linux_iovec *iov, int cnt, s64 off, int rwf)
{
    return HOST_CALL_RETRY(pwritev2, fd, iov, cnt, off < 0 ? -1 : off, 0, rwf);
}

s64 host_lseek(int fd, s64 off, int whence)
{
    return HOST_CALL(lseek, fd, off, whence);
}

int host_fstat(int fd, struct linux_stat *st)
{
    return (int)HOST_CALL(fstat, fd, st);
}

int host_fstatat(int dirfd, const char *path, struct linux_stat *st, int flags)
{
    return (int)HOST_CALL(newfstatat, dirfd, path, st, flags);
}

int host_statx(int dirfd, const char *path, int flags, u32 mask, struct linux_statx *stx)
{
    return (int)HOST_CALL(statx, dirfd, path, flags, mask, stx);
}

int host_fstatfs(int fd, struct linux_statfs *st)
{
    return (int)HOST_CALL(fstatfs, fd, st);
}

ssize_t host_readlinkat(int dirfd, const char *path, char *buf, size_t n)
{
    return HOST_CALL(readlinkat, dirfd, path, buf, n);
}

int host_mkdirat(int dirfd, const char *path, u32 mode)
{
    return (int)HOST_CALL(mkdirat, dirfd, path, mode);
}

int host_mknodat(int dirfd, const char *path, u32 mode, u64 dev)
{
    return (int)HOST_CALL(mknodat, dirfd, path, mode, dev);
}

int host_unlinkat(int dirfd, const char *path, int flags)
{
    return (int)HOST_CALL(unlinkat, dirfd, path, flags);
}

int host_renameat2(int olddir, const char *oldp, int newdir, const char *newp, u32 flags)
{
    return (int)HOST_CALL(renameat2, olddir, oldp, newdir, newp, flags);
}

int host_linkat(int olddir, const char *oldp, int newdir, const char *newp, int flags)
{
    return (int)HOST_CALL(linkat, olddir, oldp, newdir, newp, flags);
}

int host_symlinkat(const char *target, int dirfd, const char *path)
{
    return (int)HOST_CALL(symlinkat, target, dirfd, path);
}

int host_fchmodat(int dirfd, const char *path, u32 mode)
{
    return (int)HOST_CALL(fchmodat, dirfd, path, mode);
}

int host_fchmod(int fd, u32 mode)
{
    return (int)HOST_CALL(fchmod, fd, mode);
}

int host_fchownat(int dirfd, const char *path, u32 uid, u32 gid, int flags)
{
    return (int)HOST_CALL(fchownat, dirfd, path, uid, gid, flags);
}

int host_utimensat(int dirfd, const char *path, const struct linux_timespec *ts2, int flags)
{
    return (int)HOST_CALL(utimensat, dirfd, path, ts2, flags);
}

int host_ftruncate(int fd, u64 len)
{
    return (int)HOST_CALL_RETRY(ftruncate, fd, len);
}

int host_fallocate(int fd, int mode, u64 off, u64 len)
{
    return (int)HOST_CALL_RETRY(fallocate, fd, mode, off, len);
}

int host_fsync(int fd)
{
    return (int)HOST_CALL_RETRY(fsync, fd);
}

int host_fdatasync(int fd)
{
    return (int)HOST_CALL_RETRY(fdatasync, fd);
}

ssize_t host_getdents64(int fd, void *buf, size_t n)
{
    return HOST_CALL(getdents64, fd, buf, n);
}

int host_dup(int fd)
{
    return (int)HOST_CALL(fcntl, fd, LINUX_F_DUPFD_CLOEXEC, 0);
}

int host_dup3(int oldfd, int newfd, int flags)
{
    return (int)HOST_CALL_RETRY(dup3, oldfd, newfd, flags);
}

int host_fcntl(int fd, int cmd, u64 arg)
{
    return (int)HOST_CALL(fcntl, fd, cmd, arg);
}

int host_ioctl(int fd, u64 cmd, void *arg)
{
    return (int)HOST_CALL(ioctl, fd, cmd, arg);
}

int host_pipe2(int fds[2], int flags)
{
    return (int)HOST_CALL(pipe2, fds, flags);
}

int host_memfd_create(const char *name, u32 flags)
{
    return (int)HOST_CALL(memfd_create, name, flags);
}

int host_eventfd(u32 init, int flags)
{
    return (int)HOST_CALL(eventfd2, init, flags);
}

int host_flock(int fd, int op)
{
    return (int)HOST_CALL(flock, fd, op);
}

ssize_t host_copy_file_range(int in, u64 *off_in, int out, u64 *off_out, size_t n, u32 flags)
{
    return HOST_CALL_RETRY(copy_file_range, in, off_in, out, off_out, n, flags);
}

ssize_t host_fgetxattr(int fd, const char *name, void *buf, size_t n)
{
    return HOST_CALL(fgetxattr, fd, name, buf, n);
}

int host_fsetxattr(int fd, const char *name, const void *buf, size_t n, int flags)
{
    return (int)HOST_CALL(fsetxattr, fd, name, buf, n, flags);
}

ssize_t host_flistxattr(int fd, char *buf, size_t n)
{
    return HOST_CALL(flistxattr, fd, buf, n);
}

int host_fremovexattr(int fd, const char *name)
{
    return (int)HOST_CALL(fremovexattr, fd, name);
}

int host_chroot(const char *path)
{
    return (int)HOST_CALL(chroot, path);
}

int host_chdir(const char *path)
{
    return (int)HOST_CALL(chdir, path);
}

int host_fchdir(int fd)
{
    return (int)HOST_CALL(fchdir, fd);
}

int host_close_range(u32 first, u32 last, u32 flags)
{
    return (int)HOST_CALL(close_range, first, last, flags);
}
