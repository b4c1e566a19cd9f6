/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: the sentry's 9P client against a server that sends anything. The input is what the
 * server sends after a good version and attach: selector[1], then the stream.
 */
#include "sentry/fs/gofer/p9_client.h"

#include "abi/linux/statfs.h"
#include "cvisor/kcache.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void send_all(int fd, const void *p, size_t n)
{
    if (n > 0 && send(fd, p, n, MSG_NOSIGNAL) != (ssize_t)n)
        abort();
}

static void greet(int fd)
{
    struct p9_rversion v = {.msize = 65536, .version = p9_str_of(P9_VERSION_EXT)};
    struct p9_rattach a = {.qid = {.type = P9_QTDIR}};
    struct p9_writer w;
    u8 buf[128];

    p9_writer_init(&w, buf, sizeof(buf));
    p9_begin(&w, P9_RVERSION, 0);
    p9_put_rversion(&w, &v);
    send_all(fd, buf, p9_end(&w));
    p9_begin(&w, P9_RATTACH, 0);
    p9_put_rattach(&w, &a);
    send_all(fd, buf, p9_end(&w));
}

static int entry(void *arg, const struct p9_dirent *d)
{
    if (!p9_name_valid(&d->name))
        abort();
    return 0;
}

static int listed(void *arg, const struct p9_listdir *d, const u8 *entries, size_t len)
{
    struct p9_listent e;
    struct p9_reader in;

    p9_reader_init(&in, entries, len);
    for (u32 i = 0; i < d->count; i++) {
        if (!p9_get_listent(&in, &e) || !p9_name_valid(&e.name))
            abort();
    }
    if (in.pos != len)
        abort();
    return 0;
}

static void open_several(struct p9_client *c, const struct p9_names *none)
{
    struct p9c_steps children = {.down = 0};
    struct p9c_slot *s;
    struct p9_opened opened[P9_OPENV_MAX];
    int fds[P9_OPENV_MAX];

    for (int i = 0; i < 3; i++)
        p9c_names_add(&children.v, "abc", 3);
    s = p9c_openv_begin(c, true, 0, none, &children);
    if (!s || p9c_openv_end(c, s, children.v.n, opened, fds) < 0)
        return;
    for (u16 i = 0; i < children.v.n; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
    }
}

static void one_call(struct p9_client *c, unsigned int which)
{
    struct p9_attr attrs[P9_WALK_MAX + 1];
    struct p9c_walk w = {.newfid = P9_NOFID, .self = true, .attrs = attrs};
    struct p9c_opened op = {.hostfd = -1};
    struct p9c_steps steps = {.down = 0};
    struct p9c_slot *slot;
    struct linux_statfs sf;
    char *target, buf[64];
    u64 next;

    switch (which % 10) {
    case 0:
        for (int i = 0; i < 3; i++)
            p9c_names_add(&w.names, "abc", 3);
        p9c_walk(c, 0, &w);
        kfree(w.target);
        break;
    case 1:
        p9c_xopen(c, 0, &w.names, P9_NOFID, 0, &op);
        if (op.hostfd >= 0)
            close(op.hostfd);
        break;
    case 2:
        p9c_readdir(c, 0, 0, &next, entry, NULL);
        break;
    case 3:
        if (p9c_readlink(c, 0, &target) == 0)
            kfree(target);
        break;
    case 4:
        p9c_statfs(c, 0, &sf);
        break;
    case 5:
        p9c_getxattr(c, 0, "user.a", buf, sizeof(buf));
        break;
    case 6:
        p9c_make(c, 0, "n", 0100644, 0, 0, "", &attrs[0]);
        break;
    case 7:
        slot = p9c_list_begin(c, true, 0, which & 1 ? P9_XLIST_PART : P9_XLIST_TREE, 1000, 0,
                              &w.names, &steps);
        if (slot)
            p9c_list_end(c, slot, which & 1, listed, NULL);
        break;
    case 8:
        open_several(c, &w.names);
        break;
    default:
        p9c_clunk(c, 1, true);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct p9_client *c;
    int sv[2];

    if (size < 1 || size > 60000)
        return 0;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) < 0)
        abort();
    greet(sv[1]);
    send_all(sv[1], data + 1, size - 1);
    shutdown(sv[1], SHUT_WR);
    if (p9c_open(sv[0], &c) == 0) {
        for (unsigned int i = 0; i < 4; i++)
            one_call(c, data[0] + i * (1 + data[0] / 8));
        p9c_close(c);
    } else {
        close(sv[0]);
    }
    close(sv[1]);
    return 0;
}
