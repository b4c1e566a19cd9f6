/* SPDX-License-Identifier: Apache-2.0 */
/* Gofer server: from message types to handlers. */
#include "runsc/gofer/server.h"

#include "cvisor/host.h"
#include "cvisor/kcache.h"
#include "cvisor/log.h"

#include <errno.h>

struct gofer_handler {
    int (*fn)(struct gofer_req *r);
    bool ext; /* only after P9_VERSION_EXT */
};

static const struct gofer_handler g_handlers[256] = {
    [P9_TVERSION] = {gofer_op_version, false},
    [P9_TATTACH] = {gofer_op_attach, false},
    [P9_TFLUSH] = {gofer_op_flush, false},
    [P9_TWALK] = {gofer_op_walk, false},
    [P9_TCLUNK] = {gofer_op_clunk, false},
    [P9_TREMOVE] = {gofer_op_remove, false},
    [P9_TREAD] = {gofer_op_read, false},
    [P9_TWRITE] = {gofer_op_write, false},
    [P9_TSTATFS] = {gofer_op_statfs, false},
    [P9_TLOPEN] = {gofer_op_lopen, false},
    [P9_TLCREATE] = {gofer_op_lcreate, false},
    [P9_TSYMLINK] = {gofer_op_symlink, false},
    [P9_TMKNOD] = {gofer_op_mknod, false},
    [P9_TRENAME] = {gofer_op_rename, false},
    [P9_TREADLINK] = {gofer_op_readlink, false},
    [P9_TGETATTR] = {gofer_op_getattr, false},
    [P9_TSETATTR] = {gofer_op_setattr, false},
    [P9_TXATTRWALK] = {gofer_op_xattrwalk, false},
    [P9_TXATTRCREATE] = {gofer_op_xattrcreate, false},
    [P9_TREADDIR] = {gofer_op_readdir, false},
    [P9_TFSYNC] = {gofer_op_fsync, false},
    [P9_TLOCK] = {gofer_op_lock, false},
    [P9_TGETLOCK] = {gofer_op_getlock, false},
    [P9_TLINK] = {gofer_op_link, false},
    [P9_TMKDIR] = {gofer_op_mkdir, false},
    [P9_TRENAMEAT] = {gofer_op_renameat, false},
    [P9_TUNLINKAT] = {gofer_op_unlinkat, false},
    [P9_TXWALK] = {gofer_op_xwalk, true},
    [P9_TXOPEN] = {gofer_op_xopen, true},
    [P9_TXCREATE] = {gofer_op_xcreate, true},
    [P9_TXMAKE] = {gofer_op_xmake, true},
    [P9_TXRENAME] = {gofer_op_xrename, true},
    [P9_TXREADDIR] = {gofer_op_xreaddir, true},
    [P9_TXMCLUNK] = {gofer_op_xmclunk, true},
    [P9_TXALLOCATE] = {gofer_op_xallocate, true},
    [P9_TXFLUSHF] = {gofer_op_xflushf, true},
    [P9_TXGETXATTR] = {gofer_op_xgetxattr, true},
    [P9_TXSETXATTR] = {gofer_op_xsetxattr, true},
    [P9_TXLIST] = {gofer_op_xlist, true},
    [P9_TXOPENV] = {gofer_op_xopenv, true},
};

int gofer_req_reserve(struct gofer_req *r, size_t n)
{
    u8 *p;

    n = MIN(n, (size_t)r->conn->msize);
    if (n > r->out_alloc) {
        p = krealloc(r->out.buf, n);
        if (!p)
            return -ENOMEM;
        r->out.buf = p;
        r->out_alloc = n;
    }
    r->out.cap = MIN(r->out_alloc, (size_t)r->conn->msize);
    return 0;
}

void gofer_req_drop_fds(struct gofer_req *r)
{
    if (r->donate_fd >= 0)
        host_close(r->donate_fd);
    r->donate_fd = -1;
    while (r->nmore > 0)
        host_close(r->more_fds[--r->nmore]);
}

size_t gofer_dispatch(struct gofer_req *r)
{
    const struct gofer_handler *h = &g_handlers[r->type];
    size_t n = 0;
    int rc = -EOPNOTSUPP;

    r->donate_fd = -1;
    r->nmore = 0;
    r->out.cap = MIN(r->out_alloc, (size_t)r->conn->msize);
    if (h->fn && (!h->ext || r->conn->ext)) {
        rc = h->fn(r);
        if (rc >= 0) {
            n = p9_end(&r->out);
            if (n == 0)
                rc = -EMSGSIZE;
        }
    }
    if (rc < 0) {
        log_debug("%s tag %u: errno %d", p9_type_name(r->type), r->tag, -rc);
        gofer_req_drop_fds(r);
        GOFER_REPLY(r, rlerror, RLERROR, .ecode = (u32)-rc);
        n = p9_end(&r->out);
    }
    return n;
}
