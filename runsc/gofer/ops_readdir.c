/* SPDX-License-Identifier: Apache-2.0 */
/* Gofer server: readdir, plain and with attributes. */
#include "runsc/gofer/server.h"

#include "abi/linux/dirent.h"
#include "abi/linux/fcntl.h"
#include "abi/linux/stat.h"
#include "cvisor/host.h"
#include "cvisor/kcache.h"

#include <errno.h>
#include <string.h>

#define DENTS_SIZE (32u << 10)

struct reader_state {
    int fd;
    bool plus;
    struct p9_writer *out;
    size_t limit; /* out->len may not go above it */
    u64 next;     /* offset after the last entry that was taken */
    u32 taken;
    bool full;
};

static bool is_dot(const char *name)
{
    return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

/* Adds one host entry. -errno never: an entry that is gone is skipped. */
static void add_entry(struct reader_state *s, const struct linux_dirent64 *de)
{
    struct p9_dirent d = {.offset = (u64)de->d_off, .type = de->d_type};
    struct linux_stat st;

    d.name = p9_str_of(de->d_name);
    if (s->plus) {
        if (is_dot(de->d_name) ||
            host_fstatat(s->fd, de->d_name, &st, LINUX_AT_SYMLINK_NOFOLLOW) < 0) {
            s->next = d.offset;
            return;
        }
        gofer_attr_of(&st, &d.attr);
        d.type = LINUX_MODE_TO_DT(st.st_mode);
    } else {
        d.attr.qid.path = de->d_ino;
        d.attr.qid.type = de->d_type == LINUX_DT_DIR   ? P9_QTDIR
                          : de->d_type == LINUX_DT_LNK ? P9_QTSYMLINK
                                                       : P9_QTFILE;
    }
    if (s->out->len + p9_dirent_size(&d, s->plus) > s->limit) {
        s->full = true;
        return;
    }
    p9_put_dirent(s->out, &d, s->plus);
    s->next = d.offset;
    s->taken++;
}

/* Fills the answer until it is full or the directory ends. */
static int fill(struct reader_state *s, u8 *buf)
{
    while (!s->full) {
        ssize_t n = host_getdents64(s->fd, buf, DENTS_SIZE);
        size_t pos = 0;

        if (n < 0)
            return (int)n;
        if (n == 0)
            return 0;
        while (pos + LINUX_DIRENT64_NAME_OFFSET < (size_t)n && !s->full) {
            const struct linux_dirent64 *de = (const void *)(buf + pos);

            if (de->d_reclen == 0)
                return -EIO;
            add_entry(s, de);
            pos += de->d_reclen;
        }
        /* Entries of buf that did not fit are read again from s->next. */
    }
    return s->taken ? 0 : -EINVAL;
}

static int do_readdir(struct gofer_req *r, u32 num, u64 offset, u32 count, bool plus)
{
    struct reader_state s = {.plus = plus, .out = &r->out, .next = offset};
    size_t head;
    u32 len;
    u8 *buf;
    int rc;

    GOFER_FID(r, f, num);
    if (f->node->type != LINUX_S_IFDIR)
        return -ENOTDIR;
    count = MIN(count, r->conn->msize - P9_IO_OVERHEAD);
    s.fd = atomic_load(&f->open_fd);
    if (s.fd < 0) {
        if (!plus)
            return -EBADF;
        s.fd = gofer_node_reopen(f->node, LINUX_O_RDONLY | LINUX_O_DIRECTORY);
        if (s.fd < 0)
            return s.fd;
        f->dir_pos = 0;
        atomic_store(&f->open_fd, s.fd);
    }
    if (offset != f->dir_pos) {
        s64 pos = host_lseek(s.fd, (s64)offset, LINUX_SEEK_SET);

        if (pos < 0)
            return (int)pos;
    }
    rc = gofer_req_reserve(r, count + P9_IO_OVERHEAD);
    if (rc < 0)
        return rc;
    buf = kmalloc(DENTS_SIZE);
    if (!buf)
        return -ENOMEM;
    p9_begin(&r->out, plus ? P9_RXREADDIR : P9_RREADDIR, r->tag);
    if (plus)
        p9_put_u8(&r->out, 0);
    head = r->out.len;
    p9_put_u32(&r->out, 0);
    s.limit = head + 4 + count;
    rc = fill(&s, buf);
    kfree(buf);
    /* After an answer that was cut the host's position is beyond s.next. */
    f->dir_pos = s.full || rc < 0 ? ~0ull : s.next;
    if (rc < 0)
        return rc;
    if (plus && !s.full) {
        /* Read to its end: the descriptor is not needed before the next listing. */
        atomic_store(&f->open_fd, -1);
        host_close(s.fd);
        r->out.buf[head - 1] = 1;
    }
    len = (u32)(r->out.len - head - 4);
    memcpy(r->out.buf + head, &len, sizeof(len));
    return 0;
}

int gofer_op_readdir(struct gofer_req *r)
{
    GOFER_DECODE(r, treaddir, m);
    return do_readdir(r, m.fid, m.offset, m.count, false);
}

int gofer_op_xreaddir(struct gofer_req *r)
{
    GOFER_DECODE(r, txreaddir, m);
    return do_readdir(r, m.fid, m.offset, m.count, true);
}
