/* SPDX-License-Identifier: Apache-2.0 */
/* Trees of files that are too deep, too long or too many, and operations on them that race. */
#include "stress.h"

#include <dirent.h>
#include <sys/mount.h>
#include <sys/statfs.h>
#include <sys/xattr.h>

CASE(deep_tree)
{
    int n = pick(10000, 3000), i;
    char buf[70000];

    CHECK(mkdir("deep", 0777) == 0 && chdir("deep") == 0);
    for (i = 0; i < n; i++) {
        if (mkdir("d", 0777) < 0 || chdir("d") < 0)
            break;
    }
    CHECK(i == n || errno == ENOSPC || errno == ENOMEM || errno == ENAMETOOLONG);
    printf("    depth %d\n", i);
    CHECK(getcwd(buf, sizeof(buf)) || errno == ENAMETOOLONG || errno == ERANGE);
    CHECK(readlink("/proc/self/cwd", buf, sizeof(buf)) > 0 || errno == ENAMETOOLONG);
    int m = open("/proc/self/mountinfo", O_RDONLY);
    while (read(m, buf, sizeof(buf)) > 0)
        ;
    close(open("file", O_CREAT | O_RDWR, 0600));
    rename("file", "file2");
    /* Moved as a whole under its own child: not allowed, and the check goes all the way up. */
    CHECK(rename("/tmp/stress/deep", "x") < 0);
    unlink("file2");
    if (fork() == 0) { /* the tree is given up while somebody is at its bottom */
        nap(50);
        _exit(0);
    }
    while (chdir("..") == 0 && rmdir("d") == 0)
        i--;
    CHECK(chdir("/tmp/stress") == 0);
    rmdir("deep");
}

/* Not removed one by one: the last reference to a deep tree goes with its filesystem. */
CASE(deep_tree_umount)
{
    int n = pick(20000, 5000), i;

    mkdir("mnt", 0777);
    if (mount("none", "mnt", "tmpfs", 0, NULL) < 0)
        skip("no mount");
    CHECK(chdir("mnt") == 0);
    for (i = 0; i < n && mkdir("d", 0777) == 0 && chdir("d") == 0; i++)
        ;
    CHECK(chdir("/tmp/stress") == 0);
    CHECK(umount2("mnt", MNT_DETACH) == 0);
}

CASE(symlink_chains)
{
    char a[4000], b[32];

    for (int i = 0; i < 100; i++) {
        snprintf(a, sizeof(a), "s%d", i + 1);
        snprintf(b, sizeof(b), "s%d", i);
        symlink(a, b);
    }
    CHECK(open("s0", O_RDONLY) < 0 && errno == ELOOP);
    CHECK(open("s70", O_RDONLY) < 0 && errno == ENOENT);
    symlink("self/self/self/self/self/self/self/self", "self");
    CHECK(open("self", O_RDONLY) < 0 && errno == ELOOP);
    /* Each link is as long as can be and holds the next one many times. */
    mkdir("t", 0777);
    for (int i = 0; i < 50; i++) {
        size_t n = 0;
        a[0] = 0;
        while (n + 20 < sizeof(a))
            n += (size_t)snprintf(a + n, sizeof(a) - n, "./x%d/../", i + 1);
        snprintf(b, sizeof(b), "x%d", i);
        symlink(a, b);
    }
    int64_t start = now_ms();
    CHECK(open("x0/t", O_RDONLY) < 0);
    CHECK(stat("x30/t", &(struct stat){0}) < 0);
    if (now_ms() - start > 10000)
        fail("a walk of links took %lld ms", (long long)(now_ms() - start));
    memset(a, '/', sizeof(a) - 1);
    a[sizeof(a) - 1] = 0;
    CHECK(open(a, O_RDONLY) >= 0);
    for (size_t i = 0; i + 2 < sizeof(a); i += 2)
        memcpy(a + i, "./", 2);
    CHECK(open(a, O_RDONLY) >= 0);
}

CASE(many_mounts)
{
    char name[32], buf[65536];
    int n = 0, want = pick(3000, 400), e = 0;

    mkdir("m", 0777), mkdir("bind", 0777);
    if (mount("none", "m", "tmpfs", 0, NULL) < 0)
        skip("no mount");
    for (int i = 0; i < want && !e; i++) { /* one on the other */
        if (mount("none", "m", "tmpfs", 0, NULL) < 0)
            e = errno;
        n++;
    }
    CHECK(!e || e == ENOSPC || e == ENOMEM);
    for (int i = 0; i < want; i++) {
        snprintf(name, sizeof(name), "b%d", i);
        mkdir(name, 0777);
        if (mount("bind", name, NULL, MS_BIND, NULL) < 0)
            break;
    }
    /* Binds of binds double each time, if nobody counts. */
    mkdir("bind/a", 0777), mkdir("bind/b", 0777);
    for (int i = 0; i < 30; i++) {
        if (mount("bind", "bind/a", NULL, MS_BIND | MS_REC, NULL) < 0)
            break;
        if (mount("bind", "bind/b", NULL, MS_BIND | MS_REC, NULL) < 0)
            break;
    }
    int fd = open("/proc/self/mountinfo", O_RDONLY);
    int64_t start = now_ms();
    while (read(fd, buf, sizeof(buf)) > 0)
        ;
    if (now_ms() - start > 20000)
        fail("mountinfo took %lld ms", (long long)(now_ms() - start));
    umount2("bind", MNT_DETACH);
    while (umount2("m", MNT_DETACH) == 0)
        ;
    for (int i = 0; i < want; i++) {
        snprintf(name, sizeof(name), "b%d", i);
        umount2(name, MNT_DETACH);
    }
}

static void mount_child(int i)
{
    int64_t end = now_ms() + pick(4000, 1000);
    char buf[8192];

    while (now_ms() < end) {
        switch ((rand() + i) % 7) {
        case 0:
            mount("none", "mr", "tmpfs", 0, NULL);
            break;
        case 1:
            umount2("mr", MNT_DETACH);
            break;
        case 2:
            mount("mr", "mr/x", NULL, MS_BIND | MS_REC, NULL);
            mkdir("mr/x", 0777);
            break;
        case 3:
            close(open("mr/x/../../mr/f", O_CREAT | O_RDWR, 0600));
            break;
        case 4: {
            int fd = open("/proc/self/mounts", O_RDONLY);
            while (read(fd, buf, sizeof(buf)) > 0)
                ;
            close(fd);
            break;
        }
        case 5:
            umount2("mr/x", 0);
            break;
        case 6:
            mount("mr", "mr2", NULL, MS_MOVE, NULL);
            umount2("mr2", MNT_DETACH);
            break;
        }
    }
}

CASE(mount_race)
{
    mkdir("mr", 0777), mkdir("mr2", 0777);
    in_children(5, mount_child);
    while (umount2("mr", MNT_DETACH) == 0 || umount2("mr2", MNT_DETACH) == 0)
        ;
}

static void tree_child(int i)
{
    int64_t end = now_ms() + pick(6000, 1200);
    char a[64], b[64];
    unsigned r = (unsigned)i * 2654435761u;

    while (now_ms() < end) {
        r = r * 1103515245 + 12345;
        snprintf(a, sizeof(a), "tr/%u/%u", r >> 8 & 3, r >> 10 & 3);
        snprintf(b, sizeof(b), "tr/%u/%u/%u", r >> 12 & 3, r >> 14 & 3, r >> 16 & 3);
        switch (r >> 20 & 15) {
        case 0:
            mkdir(a, 0777);
            break;
        case 1:
            mkdir(b, 0777);
            break;
        case 2:
        case 3:
            rename(a, b);
            break;
        case 4:
            rename(b, a);
            break;
        case 5:
            syscall(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, 2 /* exchange */);
            break;
        case 6:
            rmdir(a);
            break;
        case 7:
            rmdir(b), unlink(b);
            break;
        case 8:
            close(open(b, O_CREAT | O_RDWR, 0600));
            break;
        case 9:
            link(b, a);
            break;
        case 10:
            symlink(a, b);
            break;
        case 11: {
            DIR *d = opendir(a);
            while (d && readdir(d))
                ;
            if (d)
                closedir(d);
            break;
        }
        case 12:
            if (chdir(a) == 0) {
                char buf[4096];
                if (getcwd(buf, sizeof(buf)))
                    close(open("../..", O_RDONLY));
                if (chdir("/tmp/stress") < 0)
                    _exit(1);
            }
            break;
        case 13:
            setxattr(b, "user.x", a, 20, 0), removexattr(b, "user.x");
            break;
        case 14:
            truncate(b, r >> 4 & 0xffff);
            break;
        case 15: {
            struct stat st;
            stat(b, &st), unlink(a);
            break;
        }
        }
    }
}

/* Renames of directories across each other, with walks, links and removals in between. */
CASE(tree_race)
{
    mkdir("tr", 0777);
    for (int i = 0; i < 4; i++) {
        char a[32];
        snprintf(a, sizeof(a), "tr/%d", i);
        mkdir(a, 0777);
    }
    in_children(6, tree_child);
}

/* The same on files of the host, below a layer that takes the changes. */
CASE(tree_race_overlay)
{
    if (chdir("/var") < 0 || access("/usr/lib", R_OK) < 0)
        skip("no /usr/lib");
    for (int i = 0; i < pick(3000, 500); i++) {
        char a[64];
        snprintf(a, sizeof(a), "/usr/lib/stress.%d", i % 50);
        switch (i % 5) {
        case 0:
            mkdir(a, 0777);
            break;
        case 1:
            rename(a, "/usr/lib/stress.moved");
            break;
        case 2:
            rename("/usr/lib/stress.moved", a);
            break;
        case 3:
            rmdir(a);
            break;
        case 4:
            symlink("/usr", a);
            unlink(a);
            break;
        }
    }
}

CASE(many_files)
{
    int n = pick(100000, 10000), i;
    char name[64];

    mkdir("many", 0777);
    for (i = 0; i < n; i++) {
        snprintf(name, sizeof(name), "many/a-rather-long-name-of-a-file-%d", i);
        int fd = open(name, O_CREAT | O_RDWR, 0600);
        if (fd < 0)
            break;
        close(fd);
    }
    CHECK(i == n || errno == ENOSPC || errno == ENOMEM);
    DIR *d = opendir("many");
    for (i = 0; readdir(d); i++)
        ;
    CHECK(i == n + 2);
    closedir(d);
    for (i = 0; i < n; i++) {
        snprintf(name, sizeof(name), "many/a-rather-long-name-of-a-file-%d", i);
        CHECK(unlink(name) == 0);
    }
    CHECK(rmdir("many") == 0);
}

CASE(xattr_hoard)
{
    static char value[65536];
    char name[256];
    volatile size_t zero = 0;
    int n = 0, fd = open("xattr", O_CREAT | O_RDWR, 0600);

    for (n = 0; n < pick(20000, 2000); n++) {
        snprintf(name, sizeof(name), "user.%d", n);
        if (fsetxattr(fd, name, value, sizeof(value), 0) < 0)
            break;
    }
    printf("    %d attributes of 64 KiB, then %s\n", n, strerror(errno));
    CHECK(fsetxattr(fd, "user.big", value, sizeof(value) + zero + 1, 0) < 0);
    ssize_t r = flistxattr(fd, value, sizeof(value));
    CHECK(r >= 0 || errno == ERANGE || errno == E2BIG || errno == ENOTSUP);
}

/* A file of every size that 63 bits can say. */
CASE(sparse_files)
{
    int fd = open("sparse", O_CREAT | O_RDWR, 0600);
    char b[4096] = {1};
    struct statfs sf;

    for (int i = 10; i < 63; i++) {
        off_t at = (1l << i) - 1;
        if (pwrite(fd, b, 2, at) < 0) {
            CHECK(errno == EFBIG || errno == ENOSPC || errno == EINVAL || errno == ENOMEM);
            continue;
        }
        CHECK(pread(fd, b, sizeof(b), at - 10) >= 2);
        lseek(fd, 0, SEEK_DATA), lseek(fd, at, SEEK_HOLE);
    }
    int r = fallocate(fd, 0, 0, 1l << 45);
    CHECK(r == 0 || errno == ENOSPC || errno == EFBIG || errno == ENOMEM || errno == EOPNOTSUPP);
    fallocate(fd, 3, 0, 1l << 60);
    CHECK(ftruncate(fd, 0) == 0);
    CHECK(statfs(".", &sf) == 0);
    close(fd);
    unlink("sparse");
}
