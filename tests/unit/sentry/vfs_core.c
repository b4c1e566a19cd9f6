/* SPDX-License-Identifier: Apache-2.0 */
/* The VFS over tmpfs: resolution, mounts, renames, locks, contents. With a task that has no guest. */
#include "abi/linux/fcntl.h"
#include "abi/linux/mount.h"
#include "cvisor/kcache.h"
#include "sentry/fs/mounts.h"
#include "sentry/fs/tmpfs/tmpfs.h"
#include "sentry/kernel/fdtable.h"
#include "sentry/kernel/task.h"
#include "sentry/mm/memory_file.h"
#include "sentry/mm/uaccess.h"
#include "sentry/vfs/file_lock.h"
#include "sentry/vfs/vfs.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define AT LINUX_AT_FDCWD

static struct task g_task;
static struct thread_group g_group;

static void fake_task(struct task *t, struct mount_ns *ns, struct vfs_path *root)
{
    memset(t, 0, sizeof(*t));
    ref_init(&t->refs);
    t->tid = 1;
    t->group = &g_group;
    mutex_init(&t->res_lock, LOCK_LEAF);
    t->cred = cred_new();
    t->files = fdtable_new();
    t->fs = fs_context_new(root, root, 022);
    t->mnt_ns = ns;
}

static void setup(void)
{
    struct filesystem *fs;
    struct dentry *root;
    struct mount *m;
    struct vfs_path p;

    cr_assert_eq(memory_file_init(256ul << 20), 0);
    g_group.id = 1;
    for (int i = 0; i < LINUX_RLIM_NLIMITS; i++)
        g_group.rlimits[i] = (struct linux_rlimit){~0ull, ~0ull};
    g_group.rlimits[LINUX_RLIMIT_NOFILE].rlim_cur = 1024;
    cr_assert_eq(tmpfs_new(0, 0755, 0, 0, &fs, &root), 0);
    m = mount_new(fs, root, 0, "root");
    dentry_put(root);
    fs_put(fs);
    p = (struct vfs_path){m, m->root};
    mount_get(m);
    fake_task(&g_task, mount_ns_new(m), &p);
    mount_put(m);
    current = &g_task;
}

TestSuite(vfs_core, .init = setup);

static int touch(const char *path)
{
    struct file *f;
    int err = vfs_open(AT, path, LINUX_O_CREAT | LINUX_O_WRONLY | LINUX_O_EXCL, 0644, 0, &f);

    if (!err)
        file_put(f);
    return err;
}

static int stat_path(const char *path, struct linux_stat *st, u32 flags)
{
    struct vfs_path p;
    int err = vfs_resolve(AT, path, flags, &p);

    if (err)
        return err;
    err = vfs_stat(&p, st);
    vfs_path_put(&p);
    return err;
}

static int exists(const char *path)
{
    struct linux_stat st;

    return stat_path(path, &st, RP_FOLLOW);
}

Test(vfs_core, create_and_resolve)
{
    struct linux_stat st;
    char long_name[300];

    cr_assert_eq(vfs_mkdir(AT, "/a", 0777), 0);
    cr_assert_eq(vfs_mkdir(AT, "/a", 0777), -EEXIST);
    cr_assert_eq(vfs_mkdir(AT, "/a/b/", 0777), 0);
    cr_assert_eq(touch("/a/b/f"), 0);
    cr_assert_eq(touch("/a/b/f"), -EEXIST);
    cr_assert_eq(touch("/a/b/g/"), -EISDIR);
    cr_assert_eq(exists("/a/b/f"), 0);
    cr_assert_eq(exists("//a/./b/../b/f"), 0);
    cr_assert_eq(exists("../../../a"), 0);
    cr_assert_eq(exists("/a/b/f/"), -ENOTDIR);
    cr_assert_eq(exists("/a/b/f/x"), -ENOTDIR);
    cr_assert_eq(exists("/a/c/f"), -ENOENT);
    cr_assert_eq(exists(""), -ENOENT);
    memset(long_name, 'x', 299);
    long_name[299] = 0;
    cr_assert_eq(exists(long_name), -ENAMETOOLONG);
    cr_assert_eq(stat_path("/a", &st, 0), 0);
    cr_assert_eq(st.st_nlink, 3);
    cr_assert_eq(st.st_mode, LINUX_S_IFDIR | 0755);
    cr_assert_eq(vfs_rmdir(AT, "/a"), -ENOTEMPTY);
    cr_assert_eq(vfs_rmdir(AT, "/a/."), -EINVAL);
    cr_assert_eq(vfs_rmdir(AT, "/a/b/.."), -ENOTEMPTY);
    cr_assert_eq(vfs_rmdir(AT, "/"), -EBUSY);
    cr_assert_eq(vfs_unlink(AT, "/a/b"), -EISDIR);
    cr_assert_eq(vfs_unlink(AT, "/a/b/f/"), -ENOTDIR);
    cr_assert_eq(vfs_unlink(AT, "/a/b/f"), 0);
    cr_assert_eq(vfs_rmdir(AT, "/a/b/"), 0);
    cr_assert_eq(vfs_rmdir(AT, "/a"), 0);
    cr_assert_eq(exists("/a"), -ENOENT);
}

Test(vfs_core, symlinks)
{
    struct linux_stat st;
    struct file *f;
    char name[16];

    cr_assert_eq(vfs_mkdir(AT, "/d", 0777), 0);
    cr_assert_eq(touch("/d/f"), 0);
    cr_assert_eq(vfs_symlink("d", AT, "/l"), 0);
    cr_assert_eq(vfs_symlink("/d/f", AT, "/d/abs"), 0);
    cr_assert_eq(exists("/l/f"), 0);
    cr_assert_eq(exists("/l/abs"), 0);
    cr_assert_eq(stat_path("/l", &st, 0), 0);
    cr_assert(LINUX_S_ISLNK(st.st_mode));
    cr_assert_eq(stat_path("/l/", &st, 0), 0);
    cr_assert(LINUX_S_ISDIR(st.st_mode));
    cr_assert_eq(vfs_symlink("loop", AT, "/loop"), 0);
    cr_assert_eq(exists("/loop"), -ELOOP);
    cr_assert_eq(vfs_symlink("new", AT, "/dangling"), 0);
    cr_assert_eq(exists("/dangling"), -ENOENT);
    cr_assert_eq(vfs_open(AT, "/dangling", LINUX_O_CREAT | LINUX_O_RDWR, 0600, 0, &f), 0);
    file_put(f);
    cr_assert_eq(exists("/new"), 0);
    cr_assert_eq(vfs_open(AT, "/l", LINUX_O_NOFOLLOW, 0, 0, &f), -ELOOP);
    cr_assert_eq(vfs_open(AT, "/l", LINUX_O_CREAT | LINUX_O_EXCL, 0, 0, &f), -EEXIST);
    cr_assert_eq(vfs_open(AT, "/l", LINUX_O_CREAT, 0, 0, &f), -EISDIR);
    /* 40 links are followed, 41 are not. */
    for (int i = 0; i < 41; i++) {
        char to[16];
        snprintf(name, sizeof(name), "/s%d", i);
        snprintf(to, sizeof(to), i ? "s%d" : "/d", i - 1);
        cr_assert_eq(vfs_symlink(to, AT, name), 0);
    }
    cr_assert_eq(exists("/s39"), 0);
    cr_assert_eq(exists("/s40"), -ELOOP);
}

Test(vfs_core, resolve_flags)
{
    struct file *f;
    struct vfs_path p;
    int fd;

    cr_assert_eq(vfs_mkdir(AT, "/d", 0777), 0);
    cr_assert_eq(touch("/d/f"), 0);
    cr_assert_eq(touch("/f"), 0);
    cr_assert_eq(vfs_symlink("/f", AT, "/d/abs"), 0);
    cr_assert_eq(vfs_symlink("../f", AT, "/d/up"), 0);
    cr_assert_eq(vfs_open(AT, "/d", LINUX_O_PATH, 0, 0, &f), 0);
    fd = fd_install(current, f, false, 0);
    cr_assert_eq(vfs_resolve(fd, "f", RP_BENEATH, &p), 0);
    vfs_path_put(&p);
    cr_assert_eq(vfs_resolve(fd, "../f", RP_BENEATH, &p), -EXDEV);
    cr_assert_eq(vfs_resolve(fd, "abs", RP_BENEATH | RP_FOLLOW, &p), -EXDEV);
    cr_assert_eq(vfs_resolve(fd, "up", RP_BENEATH | RP_FOLLOW, &p), -EXDEV);
    cr_assert_eq(vfs_resolve(fd, "up", RP_NO_SYMLINKS | RP_FOLLOW, &p), -ELOOP);
    cr_assert_eq(vfs_resolve(fd, "../../f", RP_IN_ROOT, &p), 0);
    vfs_path_put(&p);
    cr_assert_eq(vfs_resolve(fd, "/f", RP_IN_ROOT, &p), 0);
    cr_assert_eq(vfs_open(AT, "/d/f", 0, 0, 0, &f), 0);
    cr_assert_eq(p.dentry, f->path.dentry);
    file_put(f);
    vfs_path_put(&p);
    cr_assert_eq(vfs_resolve(fd, "", 0, &p), -ENOENT);
    cr_assert_eq(vfs_resolve(fd, "", RP_EMPTY_PATH, &p), 0);
    vfs_path_put(&p);
    cr_assert_eq(vfs_resolve(99, "x", 0, &p), -EBADF);
}

static void name_of(const char *path, const char *expect)
{
    struct vfs_path p;
    char buf[256], *s;
    int err;

    cr_assert_eq(vfs_resolve(AT, path, RP_FOLLOW, &p), 0);
    s = vfs_path_name(&p, &current->fs->root, buf, sizeof(buf), &err);
    cr_assert_not_null(s);
    cr_assert_str_eq(s, expect);
    vfs_path_put(&p);
}

Test(vfs_core, mounts)
{
    struct filesystem *fs;
    struct dentry *root;
    struct vfs_path at, from;
    struct mount *m;
    char *text;
    size_t len;

    cr_assert_eq(vfs_mkdir(AT, "/m", 0777), 0);
    cr_assert_eq(vfs_mkdir(AT, "/m2", 0777), 0);
    cr_assert_eq(touch("/m/under"), 0);
    cr_assert_eq(tmpfs_new(1 << 20, 0777, 0, 0, &fs, &root), 0);
    m = mount_new(fs, root, 0, "t");
    dentry_put(root);
    fs_put(fs);
    cr_assert_eq(vfs_resolve(AT, "/m", 0, &at), 0);
    cr_assert_eq(mount_attach(current->mnt_ns, m, &at), 0);
    vfs_path_put(&at);
    cr_assert_eq(exists("/m/under"), -ENOENT);
    cr_assert_eq(vfs_mkdir(AT, "/m/x", 0777), 0);
    cr_assert_eq(touch("/m/x/f"), 0);
    cr_assert_eq(exists("/m/x/../../m/x/f"), 0);
    name_of("/m/x/f", "/m/x/f");
    name_of("/m", "/m");
    name_of("/", "/");
    cr_assert_eq(vfs_rename(AT, "/m/x", AT, "/x", 0), -EXDEV);
    cr_assert_eq(vfs_rmdir(AT, "/m"), -EBUSY);
    cr_assert_eq(vfs_rename(AT, "/m", AT, "/n", 0), -EBUSY);

    /* Bind of a directory below, then the mount moves. */
    cr_assert_eq(vfs_resolve(AT, "/m/x", 0, &from), 0);
    cr_assert_eq(vfs_resolve(AT, "/m2", 0, &at), 0);
    cr_assert_eq(mount_bind(current->mnt_ns, &from, &at, false), 0);
    vfs_path_put(&from);
    vfs_path_put(&at);
    cr_assert_eq(exists("/m2/f"), 0);
    name_of("/m2/f", "/m2/f");
    cr_assert_eq(exists("/m2/../m2/f"), 0);
    cr_assert_eq(mount_ns_show(current->mnt_ns, &current->fs->root, false, &text, &len), 0);
    cr_assert(strstr(text, "t /m tmpfs rw,relatime") != NULL, "%s", text);
    kfree(text);

    cr_assert_eq(vfs_resolve(AT, "/m", 0, &at), 0);
    cr_assert_eq(mount_umount(current->mnt_ns, &at, 0), 0);
    vfs_path_put(&at);
    cr_assert_eq(exists("/m/under"), 0);
    cr_assert_eq(exists("/m2/f"), 0);
    cr_assert_eq(vfs_resolve(AT, "/m2/f", 0, &from), 0);
    cr_assert_eq(vfs_resolve(AT, "/m2", 0, &at), 0);
    cr_assert_eq(mount_umount(current->mnt_ns, &at, 0), -EBUSY);
    cr_assert_eq(mount_umount(current->mnt_ns, &at, LINUX_MNT_DETACH), 0);
    vfs_path_put(&at);
    cr_assert_eq(exists("/m2/f"), -ENOENT);
    vfs_path_put(&from);
}

Test(vfs_core, rename)
{
    struct linux_stat st;

    cr_assert_eq(vfs_mkdir(AT, "/a", 0777), 0);
    cr_assert_eq(vfs_mkdir(AT, "/a/b", 0777), 0);
    cr_assert_eq(vfs_mkdir(AT, "/e", 0777), 0);
    cr_assert_eq(touch("/f"), 0);
    cr_assert_eq(touch("/g"), 0);
    cr_assert_eq(vfs_rename(AT, "/a", AT, "/a/b/c", 0), -EINVAL);
    cr_assert_eq(vfs_rename(AT, "/a/b", AT, "/a", 0), -ENOTEMPTY);
    cr_assert_eq(vfs_rename(AT, "/f", AT, "/a", 0), -EISDIR);
    cr_assert_eq(vfs_rename(AT, "/a", AT, "/f", 0), -ENOTDIR);
    cr_assert_eq(vfs_rename(AT, "/nope", AT, "/x", 0), -ENOENT);
    cr_assert_eq(vfs_rename(AT, "/f", AT, "/g", LINUX_RENAME_NOREPLACE), -EEXIST);
    cr_assert_eq(vfs_rename(AT, "/f", AT, "/x/", 0), -ENOTDIR);
    cr_assert_eq(vfs_rename(AT, "/a/.", AT, "/x", 0), -EBUSY);
    cr_assert_eq(vfs_rename(AT, "/f", AT, "/a/b/f2", 0), 0);
    cr_assert_eq(exists("/f"), -ENOENT);
    cr_assert_eq(exists("/a/b/f2"), 0);
    cr_assert_eq(vfs_rename(AT, "/g", AT, "/a/b/f2", 0), 0);
    cr_assert_eq(vfs_rename(AT, "/a/b", AT, "/e", 0), 0);
    cr_assert_eq(exists("/e/f2"), 0);
    cr_assert_eq(stat_path("/a", &st, 0), 0);
    cr_assert_eq(st.st_nlink, 2);
    cr_assert_eq(touch("/h"), 0);
    cr_assert_eq(vfs_rename(AT, "/h", AT, "/e", LINUX_RENAME_EXCHANGE), 0);
    cr_assert_eq(exists("/h/f2"), 0);
    cr_assert_eq(stat_path("/e", &st, 0), 0);
    cr_assert(LINUX_S_ISREG(st.st_mode));
}

static u64 rw(struct file *f, u64 pos, void *buf, size_t n, bool write)
{
    ssize_t r = write ? file_pwrite_kernel(f, buf, n, pos) : file_pread_kernel(f, buf, n, pos);

    return r < 0 ? 0 : (u64)r;
}

Test(vfs_core, contents)
{
    static u8 buf[300000], back[300000];
    struct vfs_path p;
    struct linux_stat st;
    struct file *f;

    for (size_t i = 0; i < sizeof(buf); i++)
        buf[i] = (u8)(i * 7 + i / 251);
    cr_assert_eq(vfs_open(AT, "/f", LINUX_O_CREAT | LINUX_O_RDWR, 0644, 0, &f), 0);
    for (size_t i = 0; i < sizeof(buf); i += 1000)
        cr_assert_eq(rw(f, i, buf + i, 1000, true), 1000);
    cr_assert_eq(rw(f, 0, back, sizeof(back), false), sizeof(back));
    cr_assert_eq(memcmp(buf, back, sizeof(buf)), 0);
    p = f->path;
    cr_assert_eq(vfs_stat(&p, &st), 0);
    cr_assert_eq(st.st_size, 300000);
    cr_assert_eq(st.st_blocks, 74 * 8);
    /* A hole far out. */
    cr_assert_eq(rw(f, 1 << 20, buf, 5, true), 5);
    cr_assert_eq(file_llseek(f, 0, LINUX_SEEK_HOLE), 74 * 4096);
    cr_assert_eq(file_llseek(f, 74 * 4096, LINUX_SEEK_DATA), 1 << 20);
    cr_assert_eq(file_llseek(f, (1 << 20) + 5, LINUX_SEEK_DATA), -ENXIO);
    /* Truncation zeroes what comes back. */
    cr_assert_eq(vfs_ftruncate(f, 1001), 0);
    cr_assert_eq(vfs_ftruncate(f, 5000), 0);
    cr_assert_eq(rw(f, 0, back, sizeof(back), false), 5000);
    cr_assert_eq(memcmp(buf, back, 1001), 0);
    for (int i = 1001; i < 5000; i++)
        cr_assert_eq(back[i], 0);
    /* A hole in the middle. */
    cr_assert_eq(rw(f, 0, buf, 100000, true), 100000);
    cr_assert_eq(
        vfs_fallocate(f, LINUX_FALLOC_FL_PUNCH_HOLE | LINUX_FALLOC_FL_KEEP_SIZE, 5000, 50000), 0);
    cr_assert_eq(rw(f, 0, back, 100000, false), 100000);
    cr_assert_eq(memcmp(buf, back, 5000), 0);
    cr_assert_eq(memcmp(buf + 55000, back + 55000, 45000), 0);
    for (int i = 5000; i < 55000; i++)
        cr_assert_eq(back[i], 0);
    file_put(f);
    cr_assert_eq(vfs_unlink(AT, "/f"), 0);
    cr_assert_eq(memory_file_used(MF_TMPFS), 0);
}

Test(vfs_core, tmpfs_limit)
{
    static u8 buf[64 << 10];
    struct filesystem *fs;
    struct dentry *root;
    struct vfs_path at;
    struct mount *m;
    struct file *f;
    u64 total = 0, n;

    cr_assert_eq(vfs_mkdir(AT, "/m", 0777), 0);
    cr_assert_eq(tmpfs_new(1 << 20, 0777, 0, 0, &fs, &root), 0);
    m = mount_new(fs, root, 0, "t");
    dentry_put(root);
    fs_put(fs);
    cr_assert_eq(vfs_resolve(AT, "/m", 0, &at), 0);
    cr_assert_eq(mount_attach(current->mnt_ns, m, &at), 0);
    vfs_path_put(&at);
    cr_assert_eq(vfs_open(AT, "/m/f", LINUX_O_CREAT | LINUX_O_RDWR, 0644, 0, &f), 0);
    while ((n = rw(f, total, buf, sizeof(buf), true)) > 0)
        total += n;
    cr_assert_eq(total, 1 << 20);
    cr_assert_eq(file_pwrite_kernel(f, buf, 1, total), -ENOSPC);
    cr_assert_eq(vfs_unlink(AT, "/m/f"), 0);
    file_put(f);
    cr_assert_eq(touch("/m/g"), 0);
    cr_assert_eq(vfs_resolve(AT, "/m", 0, &at), 0);
    cr_assert_eq(mount_umount(current->mnt_ns, &at, 0), 0);
    vfs_path_put(&at);
    cr_assert_eq(memory_file_used(MF_TMPFS), 0);
}

struct names {
    struct dir_emit emit;
    int n, stop;
    char last[32];
};

static bool collect(struct dir_emit *e, const char *name, size_t len, u64 ino, u8 dtype, u64 off)
{
    struct names *v = container_of(e, struct names, emit);

    if (v->n == v->stop)
        return false;
    v->n++;
    memcpy(v->last, name, len);
    v->last[len] = 0;
    return true;
}

Test(vfs_core, readdir_while_deleting)
{
    struct names v = {.emit = {collect}};
    struct file *f;
    char name[32];
    int seen = 0;

    cr_assert_eq(vfs_mkdir(AT, "/d", 0777), 0);
    for (int i = 0; i < 500; i++) {
        snprintf(name, sizeof(name), "/d/%d", i);
        cr_assert_eq(touch(name), 0);
    }
    cr_assert_eq(vfs_open(AT, "/d", LINUX_O_DIRECTORY, 0, 0, &f), 0);
    for (;;) {
        v.stop = v.n + 1;
        cr_assert_eq(file_iterate(f, &v.emit), 0);
        if (v.n < v.stop)
            break;
        if (v.last[0] == '.')
            continue;
        snprintf(name, sizeof(name), "/d/%.20s", v.last);
        cr_assert_eq(vfs_unlink(AT, name), 0);
        seen++;
    }
    cr_assert_eq(seen, 500);
    cr_assert_eq(vfs_rmdir(AT, "/d"), 0);
    cr_assert_eq(file_iterate(f, &v.emit), -ENOENT);
    file_put(f);
}

Test(vfs_core, permissions)
{
    struct cred *root = (struct cred *)current->cred, *user = cred_copy(root);
    struct linux_stat st;
    struct iattr attr;
    struct vfs_path p;
    struct file *f;

    user->uid = user->euid = user->suid = user->fsuid = 1000;
    user->gid = user->egid = user->sgid = user->fsgid = 1000;
    user->cap_effective = 0;
    cr_assert_eq(vfs_mkdir(AT, "/private", 0700), 0);
    cr_assert_eq(touch("/private/f"), 0);
    cr_assert_eq(touch("/f"), 0);
    cr_assert_eq(vfs_mkdir(AT, "/tmp", 0777), 0);
    cr_assert_eq(vfs_resolve(AT, "/tmp", 0, &p), 0);
    attr = (struct iattr){.valid = ATTR_MODE, .mode = 01777};
    cr_assert_eq(vfs_setattr(&p, &attr), 0);
    vfs_path_put(&p);
    cr_assert_eq(touch("/tmp/roots"), 0);

    current->cred = user;
    cr_assert_eq(exists("/private/f"), -EACCES);
    cr_assert_eq(vfs_open(AT, "/f", LINUX_O_WRONLY, 0, 0, &f), -EACCES);
    cr_assert_eq(vfs_open(AT, "/f", LINUX_O_RDONLY, 0, 0, &f), 0);
    file_put(f);
    cr_assert_eq(touch("/mine"), -EACCES);
    cr_assert_eq(touch("/tmp/mine"), 0);
    cr_assert_eq(vfs_unlink(AT, "/tmp/roots"), -EPERM);
    cr_assert_eq(vfs_rename(AT, "/tmp/mine", AT, "/tmp/roots", 0), -EPERM);
    cr_assert_eq(vfs_link(&current->fs->root, AT, "/tmp/dirlink"), -EPERM);
    cr_assert_eq(vfs_resolve(AT, "/tmp/mine", 0, &p), 0);
    attr = (struct iattr){.valid = ATTR_CHOWN | ATTR_UID, .uid = 0};
    cr_assert_eq(vfs_setattr(&p, &attr), -EPERM);
    attr = (struct iattr){.valid = ATTR_MODE, .mode = 04755};
    cr_assert_eq(vfs_setattr(&p, &attr), 0);
    current->cred = root;
    attr = (struct iattr){.valid = ATTR_CHOWN | ATTR_UID, .uid = 0};
    cr_assert_eq(vfs_setattr(&p, &attr), 0);
    cr_assert_eq(vfs_stat(&p, &st), 0);
    cr_assert_eq(st.st_mode & 07777, 0755);
    vfs_path_put(&p);
    cr_assert_eq(vfs_unlink(AT, "/tmp/roots"), 0);
}

static int lock(struct file *f, struct fdtable *owner, int cmd, s16 type, s64 start, s64 len)
{
    struct linux_flock fl = {.l_type = type, .l_start = start, .l_len = len};
    int err = file_lock_fcntl(f, cmd, &fl, owner);

    return err ? err : fl.l_type;
}

Test(vfs_core, record_locks)
{
    struct fdtable *a = current->files, *b = fdtable_new();
    struct file *f;
    const int set = LINUX_F_SETLK, get = LINUX_F_GETLK;

    cr_assert_eq(vfs_open(AT, "/f", LINUX_O_CREAT | LINUX_O_RDWR, 0644, 0, &f), 0);
    cr_assert_eq(lock(f, a, set, LINUX_F_WRLCK, 0, 100), LINUX_F_WRLCK);
    cr_assert_eq(lock(f, b, set, LINUX_F_RDLCK, 99, 1), -EAGAIN);
    cr_assert_eq(lock(f, b, set, LINUX_F_RDLCK, 100, 0), LINUX_F_RDLCK);
    cr_assert_eq(lock(f, a, set, LINUX_F_UNLCK, 40, 20), LINUX_F_UNLCK);
    cr_assert_eq(lock(f, b, set, LINUX_F_WRLCK, 40, 20), LINUX_F_WRLCK);
    cr_assert_eq(lock(f, b, get, LINUX_F_WRLCK, 0, 40), LINUX_F_WRLCK);
    cr_assert_eq(lock(f, b, get, LINUX_F_RDLCK, 40, 20), LINUX_F_UNLCK);
    cr_assert_eq(lock(f, a, set, LINUX_F_RDLCK, 200, 10), LINUX_F_RDLCK);
    cr_assert_eq(lock(f, b, set, LINUX_F_WRLCK, 200, 10), -EAGAIN);
    cr_assert_eq(lock(f, b, LINUX_F_OFD_SETLK, LINUX_F_WRLCK, 0, 1), -EAGAIN);
    file_locks_release_posix(f, a);
    cr_assert_eq(lock(f, b, LINUX_F_OFD_SETLK, LINUX_F_WRLCK, 0, 1), LINUX_F_WRLCK);
    cr_assert_eq(file_lock_flock(f, LINUX_LOCK_EX), 0);
    cr_assert_eq(file_lock_flock(f, LINUX_LOCK_UN), 0);
    file_put(f);
    fdtable_put(b);
}

Test(vfs_core, descriptors)
{
    struct file *f;
    int fd;

    cr_assert_eq(vfs_open(AT, "/", LINUX_O_DIRECTORY, 0, 0, &f), 0);
    for (int i = 0; i < 100; i++) {
        file_get(f);
        cr_assert_eq(fd_install(current, f, i & 1, 0), i);
    }
    cr_assert_eq(fd_close(current, 5), 0);
    cr_assert_eq(fd_close(current, 5), -EBADF);
    file_get(f);
    cr_assert_eq(fd_install(current, f, false, 0), 5);
    file_get(f);
    cr_assert_eq(fd_install(current, f, false, 50), 100);
    file_get(f);
    fd = fd_replace(current, 700, f, true);
    cr_assert_eq(fd, 700);
    cr_assert_eq(fdtable_next(current->files, 101), 700);
    fdtable_close_on_exec(current);
    cr_assert_eq(fdtable_next(current->files, 101), -1);
    cr_assert_eq(fd_close_range(current, 10, ~0u, false), 0);
    cr_assert_eq(fdtable_next(current->files, 9), -1);
    g_group.rlimits[LINUX_RLIMIT_NOFILE].rlim_cur = 3;
    cr_assert_eq(fd_close_range(current, 0, ~0u, false), 0);
    for (int i = 0; i < 3; i++) {
        file_get(f);
        cr_assert_eq(fd_install(current, f, false, 0), i);
    }
    cr_assert_eq(fd_install(current, f, false, 0), -EMFILE);
    cr_assert_eq(fd_close_range(current, 0, ~0u, false), 0);
    cr_assert_eq(ref_read(&f->refs), 1);
    file_put(f);
}
