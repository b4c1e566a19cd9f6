/* SPDX-License-Identifier: Apache-2.0 */
/* read, write and friends, offsets, sparse files, truncation, allocation, copies between files. */
#include "harness.h"
#include <sys/eventfd.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>

static int new_file(const char *name)
{
    int fd = open(name, O_CREAT | O_RDWR | O_TRUNC, 0644);
    ASSERT_OK(fd);
    return fd;
}

TEST(read_and_write_move_offset)
{
    char buf[16] = {0};
    int fd = new_file("f");
    EXPECT_EQ(write(fd, "hello world", 11), 11);
    EXPECT_EQ(lseek(fd, 0, SEEK_CUR), 11);
    EXPECT_EQ(read(fd, buf, 10), 0);
    EXPECT_EQ(lseek(fd, 6, SEEK_SET), 6);
    EXPECT_EQ(read(fd, buf, 10), 5);
    EXPECT_STR(buf, "world");
    EXPECT_EQ(write(fd, buf, 0), 0);
    EXPECT_EQ(read(fd, buf, 0), 0);
}

TEST(read_write_errors)
{
    char c;
    int fd = new_file("f"), dir = open(".", O_RDONLY);
    EXPECT_ERRNO(read(900, &c, 1), EBADF);
    EXPECT_ERRNO(write(900, &c, 1), EBADF);
    EXPECT_ERRNO(write(fd, (void *)8, 10), EFAULT);
    EXPECT_EQ(write(fd, "abc", 3), 3);
    EXPECT_ERRNO(pread(fd, (void *)8, 3, 0), EFAULT);
    EXPECT_ERRNO(read(dir, &c, 1), EISDIR);
    EXPECT_ERRNO(pread(fd, &c, 1, -1), EINVAL);
    EXPECT_ERRNO(pwrite(fd, &c, 1, -1), EINVAL);
}

TEST(read_partial_on_fault)
{
    int fd = new_file("f");
    char data[8192];
    memset(data, 'd', sizeof(data));
    ASSERT_EQ(write(fd, data, sizeof(data)), (ssize_t)sizeof(data));
    char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(p + 4096, 4096);
    EXPECT_EQ(pread(fd, p + 4000, 200, 0), 96);
    EXPECT_EQ(p[4095], 'd');
}

TEST(pread_pwrite_keep_offset)
{
    char buf[4] = {0};
    int fd = new_file("f");
    EXPECT_EQ(pwrite(fd, "abcdef", 6, 10), 6);
    EXPECT_EQ(lseek(fd, 0, SEEK_CUR), 0);
    EXPECT_EQ(pread(fd, buf, 3, 12), 3);
    EXPECT_STR(buf, "cde");
    EXPECT_EQ(lseek(fd, 0, SEEK_CUR), 0);
    EXPECT_EQ(pread(fd, buf, 3, 100), 0);
    EXPECT_EQ(pread(fd, buf, 1, 0), 1);
    EXPECT_EQ(buf[0], 0);
}

TEST(vectored_io)
{
    char a[4] = {0}, b[8] = {0};
    int fd = new_file("f");
    struct iovec w[3] = {{"abc", 3}, {NULL, 0}, {"defgh", 5}}, r[2] = {{a, 3}, {b, 7}};
    EXPECT_EQ(writev(fd, w, 3), 8);
    EXPECT_EQ(lseek(fd, 0, SEEK_SET), 0);
    EXPECT_EQ(readv(fd, r, 2), 8);
    EXPECT_STR(a, "abc");
    EXPECT_STR(b, "defgh");
    EXPECT_EQ(pwritev(fd, w, 1, 2), 3);
    EXPECT_EQ(preadv(fd, r, 1, 2), 3);
    EXPECT_STR(a, "abc");
    EXPECT_ERRNO(readv(fd, r, -1), EINVAL);
    EXPECT_ERRNO(readv(fd, r, 1025), EINVAL);
    EXPECT_EQ(readv(fd, r, 0), 0);
    EXPECT_ERRNO(writev(fd, (struct iovec *)8, 1), EFAULT);
    r[0].iov_len = (size_t)-1;
    EXPECT_ERRNO(readv(fd, r, 2), EINVAL);
}

TEST(preadv2_flags)
{
    char a[8];
    struct iovec v = {a, 4}, w = {"zz", 2};
    int fd = new_file("f");
    ASSERT_EQ(write(fd, "0123456789", 10), 10);
    lseek(fd, 2, SEEK_SET);
    EXPECT_EQ(preadv2(fd, &v, 1, -1, 0), 4);
    EXPECT(memcmp(a, "2345", 4) == 0);
    EXPECT_EQ(lseek(fd, 0, SEEK_CUR), 6);
    EXPECT_EQ(preadv2(fd, &v, 1, 0, 0), 4);
    EXPECT(memcmp(a, "0123", 4) == 0);
    EXPECT_EQ(pwritev2(fd, &w, 1, 0, RWF_APPEND), 2);
    EXPECT_EQ(lseek(fd, 0, SEEK_END), 12);
    EXPECT_ERRNO(preadv2(fd, &v, 1, 0, 0x1000000), EOPNOTSUPP);
}

TEST(lseek_whence)
{
    int fd = new_file("f"), p[2];
    ASSERT_EQ(write(fd, "12345", 5), 5);
    EXPECT_EQ(lseek(fd, -2, SEEK_END), 3);
    EXPECT_EQ(lseek(fd, -3, SEEK_CUR), 0);
    EXPECT_ERRNO(lseek(fd, -1, SEEK_SET), EINVAL);
    EXPECT_ERRNO(lseek(fd, -6, SEEK_END), EINVAL);
    EXPECT_ERRNO(lseek(fd, 0, 99), EINVAL);
    EXPECT_EQ(lseek(fd, 1000, SEEK_SET), 1000);
    EXPECT_EQ(lseek(fd, 0, SEEK_END), 5);
    ASSERT_OK(pipe(p));
    EXPECT_ERRNO(lseek(p[0], 0, SEEK_CUR), ESPIPE);
    EXPECT_ERRNO(pread(p[0], &fd, 1, 0), ESPIPE);
    EXPECT_ERRNO(lseek(900, 0, SEEK_SET), EBADF);
}

TEST(lseek_data_and_hole)
{
    int fd = new_file("f");
    ASSERT_OK(ftruncate(fd, 1 << 20));
    ASSERT_EQ(pwrite(fd, "x", 1, 512 << 10), 1);
    off_t d = lseek(fd, 0, SEEK_DATA);
    /* A file system may report everything as data. */
    EXPECT(d >= 0 && d <= 512 << 10);
    off_t h = lseek(fd, 512 << 10, SEEK_HOLE);
    EXPECT(h > 512 << 10 && h <= 1 << 20);
    EXPECT_ERRNO(lseek(fd, 1 << 20, SEEK_DATA), ENXIO);
    EXPECT_ERRNO(lseek(fd, 1 << 20, SEEK_HOLE), ENXIO);
}

TEST(sparse_write_reads_zeroes)
{
    char buf[16];
    struct stat st;
    int fd = new_file("f");
    EXPECT_EQ(pwrite(fd, "end", 3, (1LL << 32) + 5), 3);
    fstat(fd, &st);
    EXPECT_EQ(st.st_size, (1LL << 32) + 8);
    EXPECT(st.st_blocks * 512LL < (1LL << 30));
    memset(buf, 1, sizeof(buf));
    EXPECT_EQ(pread(fd, buf, 16, 1 << 20), 16);
    EXPECT_EQ(buf[0] | buf[15], 0);
    EXPECT_EQ(pread(fd, buf, 16, 1LL << 32), 8);
    EXPECT(memcmp(buf + 5, "end", 3) == 0);
}

TEST(truncate_shrinks_and_grows)
{
    char buf[16];
    int fd = new_file("f");
    ASSERT_EQ(write(fd, "0123456789", 10), 10);
    EXPECT_OK(truncate("f", 4));
    EXPECT_OK(ftruncate(fd, 8));
    EXPECT_EQ(pread(fd, buf, 16, 0), 8);
    EXPECT(memcmp(buf, "0123\0\0\0\0", 8) == 0);
    /* The offset does not move. */
    EXPECT_EQ(lseek(fd, 0, SEEK_CUR), 10);
}

TEST(truncate_errors)
{
    int fd = new_file("f"), p[2];
    ASSERT_OK(pipe(p));
    EXPECT_ERRNO(ftruncate(fd, -1), EINVAL);
    EXPECT_ERRNO(truncate("f", -1), EINVAL);
    EXPECT_ERRNO(truncate("missing", 0), ENOENT);
    EXPECT_ERRNO(truncate(".", 0), EISDIR);
    EXPECT_ERRNO(truncate("f/x", 0), ENOTDIR);
    EXPECT_ERRNO(ftruncate(p[1], 0), EINVAL);
    EXPECT_ERRNO(ftruncate(900, 0), EBADF);
}

TEST(fallocate_extends_or_keeps)
{
    struct stat st;
    int fd = new_file("f");
    if (fallocate(fd, 0, 0, 8192) < 0) {
        EXPECT_EQ(errno, EOPNOTSUPP);
        SKIP("no fallocate here");
    }
    fstat(fd, &st);
    EXPECT_EQ(st.st_size, 8192);
    EXPECT_OK(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 65536));
    fstat(fd, &st);
    EXPECT_EQ(st.st_size, 8192);
    EXPECT_ERRNO(fallocate(fd, 0, 0, 0), EINVAL);
    EXPECT_ERRNO(fallocate(fd, 0, -1, 10), EINVAL);
    EXPECT_ERRNO(fallocate(open("f", O_RDONLY), 0, 0, 10), EBADF);
    int p[2];
    ASSERT_OK(pipe(p));
    EXPECT_ERRNO(fallocate(p[1], 0, 0, 10), ESPIPE);
}

TEST(fsync_family)
{
    int fd = new_file("f"), p[2];
    ASSERT_EQ(write(fd, "x", 1), 1);
    ASSERT_OK(pipe(p));
    EXPECT_OK(fsync(fd));
    EXPECT_OK(fdatasync(fd));
    EXPECT_OK(syncfs(fd));
    EXPECT_ERRNO(fsync(900), EBADF);
    EXPECT_ERRNO(fsync(p[0]), EINVAL);
    EXPECT_OK(fsync(open(".", O_RDONLY)));
}

TEST(concurrent_appends_do_not_overlap)
{
    struct stat st;
    char rec[64], buf[64];
    pid_t pids[3];
    for (int c = 0; c < 3; c++) {
        pids[c] = t_fork();
        if (pids[c] == 0) {
            int fd = open("log", O_CREAT | O_WRONLY | O_APPEND, 0644);
            memset(rec, 'a' + c, sizeof(rec));
            for (int i = 0; i < 50; i++)
                ASSERT_EQ(write(fd, rec, sizeof(rec)), (ssize_t)sizeof(rec));
            CHILD_EXIT();
        }
    }
    for (int c = 0; c < 3; c++)
        EXPECT_EXIT(pids[c], 0);
    int fd = open("log", O_RDONLY);
    fstat(fd, &st);
    EXPECT_EQ(st.st_size, 3 * 50 * 64);
    while (read(fd, buf, sizeof(buf)) == (ssize_t)sizeof(buf)) {
        memset(rec, buf[0], sizeof(rec));
        EXPECT(memcmp(rec, buf, sizeof(rec)) == 0);
    }
}

TEST(large_transfer)
{
    size_t size = 3 << 20;
    unsigned char *a = malloc(size), *b = calloc(1, size);
    int fd = new_file("f");
    for (size_t i = 0; i < size; i++)
        a[i] = (unsigned char)(i * 7 + (i >> 12));
    EXPECT_EQ(write(fd, a, size), (ssize_t)size);
    EXPECT_EQ(pread(fd, b, size, 0), (ssize_t)size);
    EXPECT(memcmp(a, b, size) == 0);
}

TEST(sendfile_copies)
{
    off_t off = 2;
    char buf[16] = {0};
    int in = new_file("in"), out = new_file("out"), p[2];
    ASSERT_EQ(write(in, "0123456789", 10), 10);
    EXPECT_EQ(sendfile(out, in, &off, 5), 5);
    EXPECT_EQ(off, 7);
    EXPECT_EQ(lseek(in, 0, SEEK_CUR), 10);
    lseek(in, 8, SEEK_SET);
    EXPECT_EQ(sendfile(out, in, NULL, 100), 2);
    EXPECT_EQ(lseek(in, 0, SEEK_CUR), 10);
    EXPECT_EQ(pread(out, buf, 16, 0), 7);
    EXPECT_STR(buf, "2345689");
    ASSERT_OK(pipe(p));
    off = 0;
    EXPECT_EQ(sendfile(p[1], in, &off, 3), 3);
    EXPECT_EQ(read(p[0], buf, 16), 3);
    EXPECT_ERRNO(sendfile(out, 900, NULL, 1), EBADF);
    EXPECT_ERRNO(sendfile(900, in, NULL, 1), EBADF);
    off = -1;
    EXPECT_ERRNO(sendfile(out, in, &off, 1), EINVAL);
    EXPECT_ERRNO(sendfile(open("out", O_RDONLY), in, NULL, 1), EBADF);
}

/* A value that has no room would be waited for, though the eventfd is ready for others. */
TEST(nothing_is_spliced_to_an_eventfd)
{
    uint64_t big = UINT64_MAX - 3;
    int e = eventfd(5, EFD_NONBLOCK), p[2], sv[2];

    ASSERT_OK(e);
    ASSERT_OK(pipe(p));
    ASSERT_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
    ASSERT_EQ(write(p[1], &big, sizeof(big)), 8);
    ASSERT_EQ(write(sv[1], &big, sizeof(big)), 8);
    EXPECT_ERRNO(sendfile(e, p[0], NULL, 8), EINVAL);
    EXPECT_ERRNO(sendfile(e, sv[0], NULL, 8), EINVAL);
    EXPECT_ERRNO(splice(p[0], NULL, e, NULL, 8, 0), EINVAL);
}

TEST(copy_file_range_copies)
{
    loff_t i = 1, o = 3;
    char buf[16] = {0};
    int in = new_file("in"), out = new_file("out");
    ASSERT_EQ(write(in, "abcdefgh", 8), 8);
    ssize_t n = copy_file_range(in, &i, out, &o, 4, 0);
    if (n < 0 && (errno == ENOSYS || errno == EOPNOTSUPP))
        SKIP("no copy_file_range");
    EXPECT_EQ(n, 4);
    EXPECT_EQ(i, 5);
    EXPECT_EQ(o, 7);
    EXPECT_EQ(pread(out, buf, 16, 0), 7);
    EXPECT(memcmp(buf, "\0\0\0bcde", 7) == 0);
    i = 100;
    EXPECT_EQ(copy_file_range(in, &i, out, &o, 4, 0), 0);
    EXPECT_ERRNO(copy_file_range(in, &i, out, &o, 4, 1), EINVAL);
    EXPECT_ERRNO(copy_file_range(in, NULL, open("out", O_RDONLY), NULL, 4, 0), EBADF);
    i = 0;
    o = 2;
    EXPECT_ERRNO(copy_file_range(in, &i, in, &o, 4, 0), EINVAL);
    EXPECT_ERRNO(copy_file_range(open(".", O_RDONLY), &i, out, &o, 4, 0), EISDIR);
}

TEST(splice_file_pipe_file)
{
    int in = new_file("in"), out = new_file("out"), p[2];
    loff_t off = 3;
    char buf[16] = {0};
    ASSERT_OK(pipe(p));
    ASSERT_EQ(write(in, "0123456789", 10), 10);
    EXPECT_EQ(splice(in, &off, p[1], NULL, 5, 0), 5);
    EXPECT_EQ(off, 8);
    off = 1;
    EXPECT_EQ(splice(p[0], NULL, out, &off, 5, 0), 5);
    EXPECT_EQ(pread(out, buf, 16, 1), 5);
    EXPECT_STR(buf, "34567");
    EXPECT_ERRNO(splice(in, NULL, out, NULL, 5, 0), EINVAL);
    EXPECT_ERRNO(splice(p[0], &off, out, NULL, 5, 0), ESPIPE);
    EXPECT_ERRNO(splice(p[0], NULL, out, NULL, 5, SPLICE_F_NONBLOCK), EAGAIN);
    EXPECT_ERRNO(splice(900, NULL, p[1], NULL, 5, 0), EBADF);
}

TEST(tee_duplicates)
{
    int a[2], b[2];
    char buf[16] = {0};
    ASSERT_OK(pipe(a));
    ASSERT_OK(pipe(b));
    ASSERT_EQ(write(a[1], "tee!", 4), 4);
    EXPECT_EQ(tee(a[0], b[1], 100, 0), 4);
    EXPECT_EQ(read(a[0], buf, 16), 4);
    EXPECT_EQ(read(b[0], buf + 4, 8), 4);
    EXPECT_STR(buf, "tee!tee!");
    EXPECT_ERRNO(tee(a[0], b[1], 4, SPLICE_F_NONBLOCK), EAGAIN);
    EXPECT_ERRNO(tee(a[0], a[1], 4, 0), EINVAL);
    EXPECT_ERRNO(tee(a[0], new_file("f"), 4, 0), EINVAL);
}

TEST(vmsplice_into_pipe)
{
    int p[2];
    char buf[8] = {0};
    struct iovec v = {"gift", 4};
    ASSERT_OK(pipe(p));
    ssize_t n = vmsplice(p[1], &v, 1, 0);
    if (n < 0 && errno == ENOSYS)
        SKIP("no vmsplice");
    EXPECT_EQ(n, 4);
    EXPECT_EQ(read(p[0], buf, 8), 4);
    EXPECT_STR(buf, "gift");
}

TEST(statfs_fields)
{
    struct statfs s, f;
    int fd = new_file("f");
    ASSERT_OK(statfs(".", &s));
    ASSERT_OK(fstatfs(fd, &f));
    EXPECT_EQ(s.f_type, f.f_type);
    EXPECT(s.f_bsize > 0);
    EXPECT(s.f_namelen >= 255);
    EXPECT_ERRNO(statfs("missing", &s), ENOENT);
    EXPECT_ERRNO(fstatfs(900, &s), EBADF);
    ASSERT_OK(statfs("/proc", &s));
    EXPECT_EQ(s.f_type, 0x9fa0);
}

TEST(readahead_and_fadvise)
{
    int fd = new_file("f"), p[2];
    ASSERT_OK(pipe(p));
    EXPECT_EQ(posix_fadvise(fd, 0, 100, POSIX_FADV_SEQUENTIAL), 0);
    EXPECT_EQ(posix_fadvise(fd, 0, 100, 99), EINVAL);
    EXPECT_EQ(posix_fadvise(p[0], 0, 100, POSIX_FADV_NORMAL), ESPIPE);
    EXPECT_EQ(posix_fadvise(900, 0, 100, POSIX_FADV_NORMAL), EBADF);
}

TEST(shared_offset_loses_no_write)
{
    /* write() on one description from two processes: no record is lost. */
    struct stat st;
    int fd = new_file("f");
    pid_t pids[2];
    for (int c = 0; c < 2; c++) {
        pids[c] = t_fork();
        if (pids[c] == 0) {
            for (int i = 0; i < 100; i++)
                ASSERT_EQ(write(fd, "0123456789", 10), 10);
            CHILD_EXIT();
        }
    }
    EXPECT_EXIT(pids[0], 0);
    EXPECT_EXIT(pids[1], 0);
    fstat(fd, &st);
    EXPECT_EQ(st.st_size, 2000);
}
