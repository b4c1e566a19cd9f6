/* SPDX-License-Identifier: Apache-2.0 */
/* Mapped files: coherence with read and write, truncation, private copies, memfd and seals. */
#include "harness.h"

#define PG 4096UL
#define RW (PROT_READ | PROT_WRITE)
#define MERR(call, err) EXPECT_ERRNO((long)(call), err)

static int make_file(const char *name, off_t size)
{
    int fd = open(name, O_CREAT | O_RDWR | O_TRUNC, 0644);
    ASSERT_OK(fd);
    ASSERT_OK(ftruncate(fd, size));
    return fd;
}

static char *map_file(int fd, size_t len, int flags)
{
    char *p = mmap(NULL, len, RW, flags, fd, 0);
    ASSERT(p != MAP_FAILED);
    return p;
}

static int access_status(volatile char *p)
{
    pid_t pid = t_fork();
    if (pid == 0) {
        (void)*p;
        _exit(0);
    }
    return t_wait(pid);
}

TEST(shared_file_write_seen_by_read)
{
    int fd = make_file("f", 2 * PG);
    char *p = map_file(fd, 2 * PG, MAP_SHARED), buf[8] = {0};
    memcpy(p + PG - 2, "abcd", 4);
    EXPECT_EQ(pread(fd, buf, 4, PG - 2), 4);
    EXPECT_STR(buf, "abcd");
}

TEST(shared_file_read_seen_after_write)
{
    int fd = make_file("f", 2 * PG);
    char *p = map_file(fd, 2 * PG, MAP_SHARED);
    EXPECT_EQ(p[0], 0);
    EXPECT_EQ(p[PG], 0);
    EXPECT_EQ(pwrite(fd, "wxyz", 4, PG - 2), 4);
    EXPECT(memcmp(p + PG - 2, "wxyz", 4) == 0);
}

TEST(shared_file_two_mappings_and_processes)
{
    int fd = make_file("f", PG), fd2 = open("f", O_RDWR);
    volatile char *a = map_file(fd, PG, MAP_SHARED), *b = map_file(fd2, PG, MAP_SHARED);
    pid_t pid = t_fork();
    if (pid == 0) {
        a[10] = 'q';
        _exit(0);
    }
    EXPECT_EXIT(pid, 0);
    EXPECT_EQ(a[10], 'q');
    EXPECT_EQ(b[10], 'q');
}

TEST(shared_file_survives_close_and_unlink)
{
    int fd = make_file("f", PG);
    char *p = map_file(fd, PG, MAP_SHARED);
    close(fd);
    EXPECT_OK(unlink("f"));
    p[0] = 5;
    EXPECT_EQ(p[0], 5);
}

TEST(shared_file_written_back)
{
    int fd = make_file("f", PG);
    char *p = map_file(fd, PG, MAP_SHARED), buf[4] = {0};
    memcpy(p, "hey", 3);
    EXPECT_OK(msync(p, PG, MS_SYNC));
    EXPECT_OK(munmap(p, PG));
    close(fd);
    fd = open("f", O_RDONLY);
    EXPECT_EQ(read(fd, buf, 3), 3);
    EXPECT_STR(buf, "hey");
}

TEST(private_file_copy_on_write)
{
    int fd = make_file("f", PG);
    char c;
    ASSERT_EQ(pwrite(fd, "A", 1, 0), 1);
    volatile char *p = map_file(fd, PG, MAP_PRIVATE);
    EXPECT_EQ(p[0], 'A');
    p[0] = 'B';
    EXPECT_EQ(pread(fd, &c, 1, 0), 1);
    EXPECT_EQ(c, 'A');
    EXPECT_EQ(pwrite(fd, "C", 1, 0), 1);
    EXPECT_EQ(p[0], 'B');
    /* Dropping the private copy shows the file again. */
    EXPECT_OK(madvise((void *)p, PG, MADV_DONTNEED));
    EXPECT_EQ(p[0], 'C');
}

TEST(private_file_isolated_after_fork)
{
    int fd = make_file("f", PG);
    volatile char *p = map_file(fd, PG, MAP_PRIVATE);
    p[0] = 1;
    pid_t pid = t_fork();
    if (pid == 0) {
        EXPECT_EQ(p[0], 1);
        p[0] = 2;
        CHILD_EXIT();
    }
    EXPECT_EXIT(pid, 0);
    EXPECT_EQ(p[0], 1);
}

TEST(mapping_needs_matching_open_mode)
{
    int ro, wo;
    close(make_file("f", PG));
    ro = open("f", O_RDONLY);
    wo = open("f", O_WRONLY);
    MERR(mmap(NULL, PG, RW, MAP_SHARED, ro, 0), EACCES);
    MERR(mmap(NULL, PG, PROT_READ, MAP_PRIVATE, wo, 0), EACCES);
    MERR(mmap(NULL, PG, PROT_WRITE, MAP_SHARED, wo, 0), EACCES);
    char *p = mmap(NULL, PG, PROT_READ, MAP_SHARED, ro, 0);
    ASSERT(p != MAP_FAILED);
    EXPECT_ERRNO(mprotect(p, PG, RW), EACCES);
    p = mmap(NULL, PG, RW, MAP_PRIVATE, ro, 0);
    ASSERT(p != MAP_FAILED);
    *(volatile char *)p = 1;
}

TEST(mapping_of_unmappable)
{
    int p[2], dir = open(".", O_RDONLY), path;
    ASSERT_OK(pipe(p));
    close(make_file("f", PG));
    path = open("f", O_PATH);
    MERR(mmap(NULL, PG, PROT_READ, MAP_PRIVATE, p[0], 0), ENODEV);
    MERR(mmap(NULL, PG, PROT_READ, MAP_PRIVATE, dir, 0), ENODEV);
    MERR(mmap(NULL, PG, PROT_READ, MAP_PRIVATE, path, 0), EBADF);
    int fd = open("f", O_RDONLY);
    MERR(mmap(NULL, PG, PROT_READ, MAP_PRIVATE, fd, 1), EINVAL);
    MERR(mmap(NULL, PG, PROT_READ, 0, fd, 0), EINVAL);
    MERR(mmap(NULL, PG, PROT_READ, MAP_SHARED, fd, (off_t)-PG), EOVERFLOW);
}

TEST(tail_of_last_page_is_zero)
{
    int fd = make_file("f", 0);
    ASSERT_EQ(write(fd, "abc", 3), 3);
    char *p = map_file(fd, PG, MAP_SHARED);
    EXPECT_EQ(p[2], 'c');
    EXPECT_EQ(p[3], 0);
    EXPECT_EQ(p[PG - 1], 0);
    /* Stores past the end do not grow the file. */
    p[100] = 1;
    struct stat st;
    fstat(fd, &st);
    EXPECT_EQ(st.st_size, 3);
}

TEST(truncate_invalidates_pages)
{
    int fd = make_file("f", 3 * PG);
    char *p = map_file(fd, 3 * PG, MAP_SHARED);
    memset(p, 'x', 3 * PG);
    ASSERT_OK(ftruncate(fd, PG + 10));
    EXPECT_EQ(access_status(p + 2 * PG), T_SIGNALED + SIGBUS);
    EXPECT_EQ(access_status(p + PG + 100), 0);
    EXPECT_EQ(p[PG + 9], 'x');
    EXPECT_EQ(((volatile char *)p)[PG + 10], 0);
    /* Growing again gives zeroes. */
    ASSERT_OK(ftruncate(fd, 3 * PG));
    EXPECT_EQ(((volatile char *)p)[2 * PG], 0);
    EXPECT_EQ(((volatile char *)p)[PG + 11], 0);
}

TEST(truncate_drops_private_copies)
{
    int fd = make_file("f", 2 * PG);
    volatile char *p = map_file(fd, 2 * PG, MAP_PRIVATE);
    p[PG] = 7;
    ASSERT_OK(ftruncate(fd, PG));
    EXPECT_EQ(access_status(p + PG), T_SIGNALED + SIGBUS);
    ASSERT_OK(ftruncate(fd, 2 * PG));
    EXPECT_EQ(p[PG], 0);
}

TEST(file_growth_makes_pages_accessible)
{
    int fd = make_file("f", PG);
    char *p = map_file(fd, 2 * PG, MAP_SHARED);
    EXPECT_EQ(access_status(p + PG), T_SIGNALED + SIGBUS);
    EXPECT_EQ(pwrite(fd, "g", 1, PG), 1);
    EXPECT_EQ(p[PG], 'g');
}

TEST(syscall_on_page_beyond_eof_is_efault)
{
    int fd = make_file("f", PG), p[2];
    char *m = map_file(fd, 2 * PG, MAP_SHARED);
    ASSERT_OK(pipe(p));
    EXPECT_ERRNO(write(p[1], m + PG, 10), EFAULT);
    EXPECT_EQ(write(p[1], m, 10), 10);
    EXPECT_ERRNO(read(p[0], m + PG, 10), EFAULT);
}

TEST(mapping_at_offset)
{
    int fd = make_file("f", 4 * PG);
    char c = 'o';
    ASSERT_EQ(pwrite(fd, &c, 1, 2 * PG + 5), 1);
    char *p = mmap(NULL, PG, PROT_READ, MAP_SHARED, fd, 2 * PG);
    ASSERT(p != MAP_FAILED);
    EXPECT_EQ(p[5], 'o');
}

TEST(write_from_own_mapping)
{
    int fd = make_file("f", 2 * PG);
    char *p = map_file(fd, 2 * PG, MAP_SHARED);
    memset(p, 'm', PG);
    EXPECT_EQ(pwrite(fd, p, PG, PG), (ssize_t)PG);
    EXPECT_EQ(p[2 * PG - 1], 'm');
    EXPECT_EQ(pread(fd, p + 10, 10, PG), 10);
}

TEST(msync_errors)
{
    int fd = make_file("f", 2 * PG);
    char *p = map_file(fd, 2 * PG, MAP_SHARED);
    EXPECT_OK(msync(p, 2 * PG, MS_ASYNC));
    EXPECT_ERRNO(msync(p, PG, MS_ASYNC | MS_SYNC), EINVAL);
    EXPECT_ERRNO(msync(p, PG, 0x100), EINVAL);
    EXPECT_ERRNO(msync(p + 1, PG, MS_SYNC), EINVAL);
    munmap(p + PG, PG);
    EXPECT_ERRNO(msync(p, 2 * PG, MS_SYNC), ENOMEM);
}

TEST(mremap_file_mapping)
{
    int fd = make_file("f", 4 * PG);
    char *p = map_file(fd, PG, MAP_SHARED);
    ASSERT_EQ(pwrite(fd, "3", 1, 3 * PG), 1);
    p = mremap(p, PG, 4 * PG, MREMAP_MAYMOVE);
    ASSERT(p != MAP_FAILED);
    EXPECT_EQ(p[3 * PG], '3');
}

TEST(punch_hole_zeroes_mapping)
{
    int fd = make_file("f", 2 * PG);
    volatile char *p = map_file(fd, 2 * PG, MAP_SHARED);
    p[0] = 1;
    p[PG] = 1;
    if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PG) < 0) {
        EXPECT_EQ(errno, EOPNOTSUPP);
        SKIP("no hole punching here");
    }
    EXPECT_EQ(p[0], 0);
    EXPECT_EQ(p[PG], 1);
}

TEST(memfd_is_a_file)
{
    struct stat st;
    char link[64], path[64];
    int fd = memfd_create("cvtest", MFD_CLOEXEC);
    ASSERT_OK(fd);
    EXPECT_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
    EXPECT_OK(ftruncate(fd, 2 * PG));
    char *p = map_file(fd, 2 * PG, MAP_SHARED);
    p[PG] = 'm';
    EXPECT_EQ(lseek(fd, PG, SEEK_SET), (off_t)PG);
    EXPECT_EQ(read(fd, path, 1), 1);
    EXPECT_EQ(path[0], 'm');
    fstat(fd, &st);
    EXPECT(S_ISREG(st.st_mode));
    EXPECT_EQ(st.st_nlink, 0);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    ssize_t n = readlink(path, link, sizeof(link) - 1);
    ASSERT(n > 0);
    link[n] = 0;
    EXPECT_STR(link, "/memfd:cvtest (deleted)");
    EXPECT_ERRNO(memfd_create("x", 0x8000), EINVAL);
}

TEST(memfd_seals)
{
    int fd = memfd_create("s", MFD_ALLOW_SEALING), plain = memfd_create("p", 0);
    ASSERT_OK(fd);
    EXPECT_EQ(fcntl(fd, F_GET_SEALS), 0);
    EXPECT_EQ(fcntl(plain, F_GET_SEALS), F_SEAL_SEAL);
    EXPECT_ERRNO(fcntl(plain, F_ADD_SEALS, F_SEAL_WRITE), EPERM);
    ASSERT_OK(ftruncate(fd, PG));
    EXPECT_OK(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK));
    EXPECT_EQ(fcntl(fd, F_GET_SEALS), F_SEAL_GROW | F_SEAL_SHRINK);
    EXPECT_ERRNO(ftruncate(fd, 2 * PG), EPERM);
    EXPECT_ERRNO(ftruncate(fd, 10), EPERM);
    EXPECT_ERRNO(pwrite(fd, "x", 1, PG), EPERM);
    char *p = map_file(fd, PG, MAP_SHARED);
    EXPECT_ERRNO(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EBUSY);
    munmap(p, PG);
    EXPECT_OK(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
    EXPECT_ERRNO(pwrite(fd, "x", 1, 0), EPERM);
    MERR(mmap(NULL, PG, RW, MAP_SHARED, fd, 0), EPERM);
    EXPECT(mmap(NULL, PG, PROT_READ, MAP_PRIVATE, fd, 0) != MAP_FAILED);
    EXPECT_OK(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL));
    EXPECT_ERRNO(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW), EPERM);
    close(make_file("f", 0));
    EXPECT_ERRNO(fcntl(open("f", O_RDWR), F_ADD_SEALS, F_SEAL_GROW), EINVAL);
}

TEST(dev_zero_mapping)
{
    int fd = open("/dev/zero", O_RDWR);
    ASSERT_OK(fd);
    char *p = mmap(NULL, PG, RW, MAP_PRIVATE, fd, 0);
    ASSERT(p != MAP_FAILED);
    EXPECT_EQ(p[5], 0);
    p[5] = 1;
    EXPECT_EQ(p[5], 1);
    volatile char *s = mmap(NULL, PG, RW, MAP_SHARED, fd, 0);
    ASSERT((void *)s != MAP_FAILED);
    pid_t pid = t_fork();
    if (pid == 0) {
        s[1] = 3;
        _exit(0);
    }
    EXPECT_EXIT(pid, 0);
    EXPECT_EQ(s[1], 3);
}

TEST(read_only_shared_mapping_of_changing_file)
{
    int fd = make_file("f", PG);
    volatile char *p = mmap(NULL, PG, PROT_READ, MAP_SHARED, fd, 0);
    ASSERT((void *)p != MAP_FAILED);
    for (int i = 0; i < 20; i++) {
        char c = (char)('a' + i);
        ASSERT_EQ(pwrite(fd, &c, 1, i), 1);
        EXPECT_EQ(p[i], c);
    }
}
