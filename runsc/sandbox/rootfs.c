/* SPDX-License-Identifier: Apache-2.0 */
/* Mounts of the sandbox's processes: see rootfs.h. */
#include "runsc/sandbox/rootfs.h"

#include "abi/linux/fcntl.h"
#include "abi/linux/mount.h"
#include "abi/linux/stat.h"
#include "cvisor/host.h"
#include "cvisor/host_setup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MOUNTINFO_MAX (16u << 20)

/* Flags of a mount that nothing is ever started, opened or written on. */
#define EMPTY_ATTRS                                                                                \
    (LINUX_MOUNT_ATTR_RDONLY | LINUX_MOUNT_ATTR_NOSUID | LINUX_MOUNT_ATTR_NODEV |                  \
     LINUX_MOUNT_ATTR_NOEXEC)

int rootfs_make_private(struct error *e)
{
    int r = host_mount_private();

    if (r < 0)
        return error_set(e, r, "cannot cut the sandbox's mounts off from the host's");
    return 0;
}

static bool rootfs_is_kernel_fs(const char *type)
{
    static const char *const types[] = {
        "proc",      "sysfs",    "devtmpfs", "devpts",      "mqueue",    "cgroup",
        "cgroup2",   "debugfs",  "tracefs",  "securityfs",  "bpf",       "pstore",
        "efivarfs",  "configfs", "fusectl",  "binfmt_misc", "hugetlbfs", "rpc_pipefs",
        "selinuxfs", "smackfs",  "nsfs",     "nfsd",        "resctrl",
    };

    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        if (strcmp(types[i], type) == 0)
            return true;
    }
    return false;
}

/* Undoes the octal escapes of /proc/self/mountinfo in place. */
static void rootfs_unescape(char *s)
{
    char *out = s;

    while (*s) {
        if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' &&
            s[3] >= '0' && s[3] <= '7') {
            *out++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
            s += 4;
        } else {
            *out++ = *s++;
        }
    }
    *out = '\0';
}

/* A mount of a single file is hidden by an empty file that has no name. */
static int rootfs_hide_file(const char *path)
{
    struct linux_mount_attr attr = {.attr_set = EMPTY_ATTRS};
    int file = -1, mnt, r;
    int dir = host_mount_tmpfs(0);

    if (dir < 0)
        return dir;
    /* Cloning needs a mount that is attached: "/" is covered for a moment. */
    r = host_move_mount(dir, LINUX_AT_FDCWD, "/");
    if (r == 0)
        r = file = host_openat(dir, "empty", LINUX_O_CREAT | LINUX_O_RDONLY | LINUX_O_CLOEXEC,
                               0444);
    if (r < 0)
        goto out;
    mnt = r = host_open_tree(dir, "empty", LINUX_OPEN_TREE_CLONE);
    if (mnt >= 0) {
        r = host_mount_setattr(mnt, 0, &attr);
        if (r == 0)
            r = host_move_mount(mnt, LINUX_AT_FDCWD, path);
        host_close(mnt);
    }
    if (r == 0)
        r = host_fchdir(dir);
    if (r == 0)
        r = host_unmount_here();
    host_close(file);
out:
    host_close(dir);
    return r;
}

static int rootfs_hide(const char *path, struct error *e)
{
    struct linux_stat st;
    int r = host_fstatat(LINUX_AT_FDCWD, path, &st, LINUX_AT_SYMLINK_NOFOLLOW);

    /* Below something that is hidden already, or out of this process's reach anyway. */
    if (r == -ENOENT || r == -EACCES)
        return 0;
    if (r == 0 && (st.st_mode & LINUX_S_IFMT) == LINUX_S_IFDIR) {
        int mnt = r = host_mount_tmpfs(EMPTY_ATTRS);

        if (mnt >= 0) {
            r = host_move_mount(mnt, LINUX_AT_FDCWD, path);
            host_close(mnt);
        }
    } else if (r == 0) {
        r = rootfs_hide_file(path);
    }
    if (r < 0)
        return error_set(e, r, "cannot hide %s of the host from the sandbox", path);
    return 0;
}

/* "36 35 98:0 / /mnt rw,noatime master:1 - ext3 /dev/root rw": the fifth field and the one after
 * the dash. */
static int rootfs_hide_line(char *line, struct error *e)
{
    char *save = NULL, *field = strtok_r(line, " ", &save), *path = NULL;
    int n = 0;

    for (; field && strcmp(field, "-") != 0; field = strtok_r(NULL, " ", &save)) {
        if (++n == 5)
            path = field;
    }
    field = field ? strtok_r(NULL, " ", &save) : NULL;
    if (!field || !path || !rootfs_is_kernel_fs(field))
        return 0;
    rootfs_unescape(path);
    return rootfs_hide(path, e);
}

/* All of /proc/self/mountinfo, from malloc. */
static int rootfs_read_mountinfo(char **out, struct error *e)
{
    size_t len = 0, cap = 16384;
    char *buf = malloc(cap);
    ssize_t r = -ENOMEM;
    int fd = host_openat(LINUX_AT_FDCWD, "/proc/self/mountinfo", LINUX_O_RDONLY | LINUX_O_CLOEXEC,
                         0);

    if (fd < 0) {
        free(buf);
        return error_set(e, fd, "cannot read /proc/self/mountinfo (is /proc mounted?)");
    }
    while (buf && (r = host_read(fd, buf + len, cap - 1 - len)) > 0) {
        len += (size_t)r;
        if (len == cap - 1) {
            char *more = cap < MOUNTINFO_MAX ? realloc(buf, cap * 2) : NULL;

            if (!more) {
                r = -ENOMEM;
                break;
            }
            buf = more;
            cap *= 2;
        }
    }
    host_close(fd);
    if (r < 0) {
        free(buf);
        return error_set(e, (int)r, "cannot read /proc/self/mountinfo");
    }
    buf[len] = '\0';
    *out = buf;
    return 0;
}

int rootfs_hide_kernel_fs(struct error *e)
{
    char *text = NULL, *save = NULL;
    int r = rootfs_read_mountinfo(&text, e);

    if (r < 0)
        return r;
    for (char *line = strtok_r(text, "\n", &save); line && r == 0;
         line = strtok_r(NULL, "\n", &save))
        r = rootfs_hide_line(line, e);
    free(text);
    return r;
}

int rootfs_open_export(const struct config_export *x, struct error *e)
{
    struct linux_mount_attr attr = {
        /* Not NOEXEC: the guest maps programs from here. */
        .attr_set = LINUX_MOUNT_ATTR_NOSUID | LINUX_MOUNT_ATTR_NODEV |
                    (x->readonly ? LINUX_MOUNT_ATTR_RDONLY : 0),
    };
    u32 recursive = x->recursive ? LINUX_AT_RECURSIVE : 0;
    struct linux_stat st;
    u32 type;
    int r;
    int fd = host_open_tree(LINUX_AT_FDCWD, x->source, LINUX_OPEN_TREE_CLONE | recursive);

    if (fd == -EINVAL && !recursive) {
        /* In a user namespace the mounts below may be locked to the one above: take them too. */
        recursive = LINUX_AT_RECURSIVE;
        fd = host_open_tree(LINUX_AT_FDCWD, x->source, LINUX_OPEN_TREE_CLONE | recursive);
    }
    if (fd == -ENOSYS)
        return error_set(e, fd, "cannot export %s (runsc needs Linux 5.12 or later)", x->source);
    if (fd < 0)
        return error_set(e, fd, "cannot export %s", x->source);
    r = host_mount_setattr(fd, recursive, &attr);
    if (r == -ENOSYS)
        error_set(e, r, "cannot export %s (runsc needs Linux 5.12 or later)", x->source);
    else if (r < 0)
        error_set(e, r, "cannot make %s %s in the sandbox", x->source,
                  x->readonly ? "read-only" : "free of devices");
    if (r == 0) {
        r = host_fstat(fd, &st);
        type = st.st_mode & LINUX_S_IFMT;
        if (r < 0)
            error_set(e, r, "cannot export %s", x->source);
        else if (type != LINUX_S_IFDIR && type != LINUX_S_IFREG)
            r = error_set(e, 0, "cannot export %s: it is neither a folder nor a regular file",
                          x->source);
    }
    if (r < 0) {
        host_close(fd);
        return r;
    }
    return fd;
}

int rootfs_enter_empty(struct error *e)
{
    int mnt = host_mount_tmpfs(EMPTY_ATTRS);
    int r = mnt;

    if (mnt >= 0) {
        r = host_move_mount(mnt, LINUX_AT_FDCWD, "/");
        if (r == 0)
            r = host_fchdir(mnt);
        if (r == 0)
            r = host_pivot_here();
        host_close(mnt);
    }
    if (r < 0)
        return error_set(e, r, "cannot enter an empty root");
    return 0;
}
