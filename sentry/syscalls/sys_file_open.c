/* SPDX-License-Identifier: Apache-2.0 */
/* open, openat, openat2, creat, memfd_create. */
#include "abi/linux/fcntl.h"
#include "abi/linux/memfd.h"
#include "abi/linux/stat.h"
#include "cvisor/kcache.h"
#include "sentry/fs/tmpfs/tmpfs.h"
#include "sentry/kernel/fdtable.h"
#include "sentry/kernel/task.h"
#include "sentry/mm/uaccess.h"
#include "sentry/syscalls/handlers.h"
#include "sentry/vfs/vfs.h"

#include <errno.h>
#include <string.h>

#define VALID_OPEN_FLAGS                                                                           \
    (LINUX_O_ACCMODE | LINUX_O_CREAT | LINUX_O_EXCL | LINUX_O_NOCTTY | LINUX_O_TRUNC |             \
     LINUX_O_APPEND | LINUX_O_NONBLOCK | LINUX_O_SYNC | LINUX_FASYNC | LINUX_O_DIRECT |            \
     LINUX_O_LARGEFILE | LINUX_O_DIRECTORY | LINUX_O_NOFOLLOW | LINUX_O_NOATIME |                  \
     LINUX_O_CLOEXEC | LINUX_O_PATH | LINUX___O_TMPFILE)

static s64 do_open(struct task *t, int dirfd, uaddr_t upath, u32 flags, u32 mode, u32 resolve)
{
    struct file *f;
    char *path;
    int fd, err = copy_in_path(t, &path, upath);

    if (err)
        return err;
    fd = fd_reserve(t, 0);
    if (fd < 0) {
        kfree(path);
        return fd;
    }
    err = vfs_open(dirfd, path, flags, mode, resolve, &f);
    kfree(path);
    if (err) {
        fd_cancel(t, fd);
        return err;
    }
    fd_fill(t, fd, f, flags & LINUX_O_CLOEXEC);
    return fd;
}

/* The old calls ignore unknown bits, and a mode where none is needed. */
static s64 open_legacy(struct task *t, int dirfd, uaddr_t path, u32 flags, u32 mode)
{
    flags = (flags & VALID_OPEN_FLAGS) | LINUX_O_LARGEFILE;
    return do_open(t, dirfd, path, flags, mode, 0);
}

s64 sys_open(struct task *t, const struct syscall_args *a)
{
    return open_legacy(t, LINUX_AT_FDCWD, arg_ptr(a, 0), arg_u32(a, 1), arg_u32(a, 2));
}

s64 sys_openat(struct task *t, const struct syscall_args *a)
{
    return open_legacy(t, arg_int(a, 0), arg_ptr(a, 1), arg_u32(a, 2), arg_u32(a, 3));
}

s64 sys_creat(struct task *t, const struct syscall_args *a)
{
    return open_legacy(t, LINUX_AT_FDCWD, arg_ptr(a, 0),
                       LINUX_O_CREAT | LINUX_O_WRONLY | LINUX_O_TRUNC, arg_u32(a, 1));
}

/* A struct that may be longer than the one we know, if the rest is zero. */
static int copy_how(struct task *t, struct linux_open_how *how, uaddr_t from, u64 size)
{
    u8 rest[64];
    int err;

    if (size < LINUX_OPEN_HOW_SIZE_VER0)
        return -EINVAL;
    if (size > PAGE_SIZE)
        return -E2BIG;
    err = copy_in(t, how, from, sizeof(*how));
    for (u64 off = sizeof(*how); !err && off < size;) {
        u64 n = MIN(size - off, sizeof(rest));

        err = copy_in(t, rest, uaddr_add(from, off), n);
        for (u64 i = 0; !err && i < n; i++) {
            if (rest[i])
                err = -E2BIG;
        }
        off += n;
    }
    return err;
}

static int resolve_flags(u64 resolve, u32 *rp)
{
    static const struct {
        u32 from, to;
    } map[] = {
        {LINUX_RESOLVE_NO_XDEV, RP_NO_XDEV},
        {LINUX_RESOLVE_NO_MAGICLINKS, RP_NO_MAGIC},
        {LINUX_RESOLVE_NO_SYMLINKS, RP_NO_SYMLINKS | RP_NO_MAGIC},
        {LINUX_RESOLVE_BENEATH, RP_BENEATH},
        {LINUX_RESOLVE_IN_ROOT, RP_IN_ROOT},
        {LINUX_RESOLVE_CACHED, 0},
    };

    *rp = 0;
    for (size_t i = 0; i < ARRAY_SIZE(map); i++) {
        if (resolve & map[i].from)
            *rp |= map[i].to;
        resolve &= ~(u64)map[i].from;
    }
    return resolve ? -EINVAL : 0;
}

s64 sys_openat2(struct task *t, const struct syscall_args *a)
{
    struct linux_open_how how;
    bool creates;
    u32 rp;
    int err = copy_how(t, &how, arg_ptr(a, 2), a->v[3]);

    if (err)
        return err;
    if (how.flags & ~(u64)VALID_OPEN_FLAGS)
        return -EINVAL;
    err = resolve_flags(how.resolve, &rp);
    if (err)
        return err;
    if ((rp & RP_BENEATH) && (rp & RP_IN_ROOT))
        return -EINVAL;
    creates = how.flags & (LINUX_O_CREAT | LINUX___O_TMPFILE);
    if (creates ? (how.mode & ~(u64)LINUX_S_IALLUGO) != 0 : how.mode != 0)
        return -EINVAL;
    if ((how.flags & LINUX_O_PATH) &&
        (how.flags & ~(u64)(LINUX_O_PATH | LINUX_O_DIRECTORY | LINUX_O_NOFOLLOW | LINUX_O_CLOEXEC |
                            LINUX_O_LARGEFILE)))
        return -EINVAL;
    /* RESOLVE_CACHED: never sure without asking, so never. */
    if (how.resolve & LINUX_RESOLVE_CACHED)
        return -EAGAIN;
    return do_open(t, arg_int(a, 0), arg_ptr(a, 1), (u32)how.flags | LINUX_O_LARGEFILE,
                   (u32)how.mode, rp);
}

s64 sys_memfd_create(struct task *t, const struct syscall_args *a)
{
    char name[8 + LINUX_MFD_NAME_MAX_LEN] = "memfd:";
    u32 flags = arg_u32(a, 1);
    struct file *f;
    ssize_t n;
    int err, fd;

    if (flags & ~(LINUX_MFD_CLOEXEC | LINUX_MFD_ALLOW_SEALING | LINUX_MFD_HUGETLB |
                  LINUX_MFD_NOEXEC_SEAL | LINUX_MFD_EXEC))
        return -EINVAL;
    if (flags & LINUX_MFD_HUGETLB)
        return -ENOSYS;
    if ((flags & LINUX_MFD_EXEC) && (flags & LINUX_MFD_NOEXEC_SEAL))
        return -EINVAL;
    n = copy_in_str(t, name + 6, LINUX_MFD_NAME_MAX_LEN + 1, arg_ptr(a, 0));
    if (n == -ENAMETOOLONG)
        return -EINVAL;
    if (n < 0)
        return n;
    err = memfd_file_new(name, flags, &f);
    if (err)
        return err;
    fd = fd_install(t, f, flags & LINUX_MFD_CLOEXEC, 0);
    if (fd < 0)
        file_put(f);
    return fd;
}
