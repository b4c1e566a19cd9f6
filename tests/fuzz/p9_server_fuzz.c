/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: the gofer's decoder and handlers over a temporary tree. The input is a sequence of
 * requests: length[1] type[1] body; the extensions are on and fid 0 is the root.
 */
#include "runsc/gofer/server.h"

#include "cvisor/kcache.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int g_root = -1;

static int root_open(void)
{
    char dir[] = "/tmp/p9-fuzz-XXXXXX";
    struct error e = ERROR_INIT;
    int fd;

    if (!mkdtemp(dir) || gofer_prepare(&e) < 0)
        abort();
    fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    mkdirat(fd, "d", 0755);
    close(openat(fd, "f", O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
    if (symlinkat("/etc", fd, "l") < 0)
        abort();
    return fd;
}

static void request(struct gofer_req *r, u8 type, const void *body, size_t n)
{
    r->type = type;
    r->tag = 1;
    p9_reader_init(&r->in, body, n);
    if (gofer_dispatch(r) == 0)
        abort(); /* every request has an answer */
    gofer_req_drop_fds(r);
}

static void start(struct gofer_req *r)
{
    u8 buf[64];
    struct p9_writer w;

    p9_writer_init(&w, buf, sizeof(buf));
    p9_put_tversion(&w,
                    &(struct p9_tversion){.msize = 65536, .version = p9_str_of(P9_VERSION_EXT)});
    request(r, P9_TVERSION, buf, w.len);
    p9_writer_init(&w, buf, sizeof(buf));
    p9_put_tattach(&w, &(struct p9_tattach){.fid = 0, .afid = P9_NOFID, .n_uname = P9_NONUNAME});
    request(r, P9_TATTACH, buf, w.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gofer_export ex = {.donate_fds = true};
    struct gofer_conn *c;
    struct gofer_req r = {.donate_fd = -1};
    int sv[2];

    if (g_root < 0)
        g_root = root_open();
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) < 0)
        abort();
    close(sv[1]);
    ex.sock = sv[0];
    ex.root_fd = fcntl(g_root, F_DUPFD_CLOEXEC, 0);
    c = gofer_conn_new(&ex);
    r.conn = c;
    r.out.buf = kmalloc(16384);
    r.out_alloc = 16384;
    if (!c || !r.out.buf)
        abort();
    start(&r);
    while (size >= 2) {
        size_t n = data[0] < size - 2 ? data[0] : size - 2;

        request(&r, data[1], data + 2, n);
        data += 2 + n;
        size -= 2 + n;
    }
    kfree(r.out.buf);
    gofer_conn_free(c);
    return 0;
}
