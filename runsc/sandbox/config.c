/* SPDX-License-Identifier: Apache-2.0 */
/* Encoding of the configs of sentry and gofer: see config.h. */
#include "runsc/sandbox/config.h"

#include "abi/linux/fcntl.h"
#include "abi/linux/memfd.h"
#include "abi/linux/stat.h"
#include "cvisor/host.h"
#include "runsc/sandbox/wire.h"

#include <errno.h>
#include <string.h>

static void config_wire_process(struct wire *w, struct config_process *p)
{
    wire_str(w, &p->id);
    wire_field(w, p->start_ns);
    wire_field(w, p->log_format);
    wire_field(w, p->log_level);
    wire_field(w, p->private_mounts);
}

static void config_wire_mount(struct wire *w, struct boot_mount *m)
{
    wire_field(w, m->type);
    wire_str(w, &m->destination);
    wire_field(w, m->gofer_fd);
    wire_field(w, m->readonly);
    wire_field(w, m->overlay);
    wire_field(w, m->noexec);
    wire_field(w, m->nosuid);
    wire_field(w, m->nodev);
    wire_field(w, m->size_limit);
    wire_field(w, m->mode);
    wire_field(w, m->uid);
    wire_field(w, m->gid);
}

static void config_wire_init(struct wire *w, struct boot_process *p)
{
    wire_strs(w, &p->argv);
    wire_strs(w, &p->envp);
    wire_str(w, &p->cwd);
    wire_field(w, p->uid);
    wire_field(w, p->gid);
    wire_array(w, &p->ngroups, (void **)&p->groups, sizeof(*p->groups));
    wire_bytes(w, (void *)p->groups, p->ngroups * sizeof(*p->groups));
    wire_field(w, p->caps_effective);
    wire_field(w, p->caps_permitted);
    wire_field(w, p->caps_inheritable);
    wire_field(w, p->caps_bounding);
    wire_field(w, p->caps_ambient);
    wire_field(w, p->no_new_privs);
    wire_field(w, p->umask);
    wire_array(w, &p->nrlimits, (void **)&p->rlimits, sizeof(*p->rlimits));
    wire_bytes(w, (void *)p->rlimits, p->nrlimits * sizeof(*p->rlimits));
}

static void config_wire_sentry(struct wire *w, struct config_sentry *c)
{
    struct boot_config *b = &c->boot;

    config_wire_process(w, &c->process);
    wire_field(w, c->seccomp_log);
    wire_str(w, &b->platform);
    wire_field(w, b->rungs);
    wire_field(w, b->strace);
    wire_str(w, &b->strace_syscalls);
    wire_field(w, b->stdio);
    wire_field(w, b->control_fd);
    wire_str(w, &b->hostname);
    wire_array(w, &b->nmounts, (void **)&b->mounts, sizeof(*b->mounts));
    for (size_t i = 0; i < b->nmounts; i++)
        config_wire_mount(w, (struct boot_mount *)&b->mounts[i]);
    config_wire_init(w, &b->init);
    wire_field(w, b->memory_limit);
}

static void config_wire_gofer(struct wire *w, struct config_gofer *c)
{
    config_wire_process(w, &c->process);
    wire_array(w, &c->nexports, (void **)&c->exports, sizeof(*c->exports));
    for (size_t i = 0; i < c->nexports; i++) {
        struct config_export *x = &c->exports[i];

        wire_str(w, &x->source);
        wire_field(w, x->readonly);
        wire_field(w, x->recursive);
        wire_field(w, x->sock);
    }
}

static int config_to_memfd(struct wire *w, struct error *e)
{
    const u64 seals = LINUX_F_SEAL_SEAL | LINUX_F_SEAL_SHRINK | LINUX_F_SEAL_GROW |
                      LINUX_F_SEAL_WRITE;
    ssize_t r;
    int fd;

    if (w->failed)
        return error_set(e, E2BIG, "the program's arguments and environment are too long");
    fd = host_memfd_create("runsc-config", LINUX_MFD_CLOEXEC | LINUX_MFD_ALLOW_SEALING);
    if (fd < 0)
        return error_set(e, fd, "cannot make a memory file for the configuration");
    for (size_t done = 0; done < w->len; done += (size_t)r) {
        r = host_pwrite(fd, w->buf + done, w->len - done, done);
        if (r <= 0) {
            host_close(fd);
            return error_set(e, r ? (int)r : -EIO, "cannot write the configuration");
        }
    }
    host_fcntl(fd, LINUX_F_ADD_SEALS, seals);
    return fd;
}

int config_encode_sentry(struct config_sentry *c, struct error *e)
{
    struct wire w;
    int fd;

    wire_encode_init(&w);
    config_wire_sentry(&w, c);
    fd = config_to_memfd(&w, e);
    wire_free(&w);
    return fd;
}

int config_encode_gofer(struct config_gofer *c, struct error *e)
{
    struct wire w;
    int fd;

    wire_encode_init(&w);
    config_wire_gofer(&w, c);
    fd = config_to_memfd(&w, e);
    wire_free(&w);
    return fd;
}

/* Reads all of CONFIG_FD_CONFIG. */
static int config_read(struct pool *pool, u8 **buf, size_t *len, struct error *e)
{
    struct linux_stat st;
    size_t done = 0;
    int r = host_fstat(CONFIG_FD_CONFIG, &st);

    if (r < 0 || (st.st_mode & LINUX_S_IFMT) != LINUX_S_IFREG || st.st_size > WIRE_MAX)
        return error_set(e, 0, "this command is started by runsc itself, not by hand");
    *len = (size_t)st.st_size;
    *buf = pool_alloc(pool, *len + 1);
    while (done < *len) {
        ssize_t n = host_pread(CONFIG_FD_CONFIG, *buf + done, *len - done, done);

        if (n <= 0)
            return error_set(e, n ? (int)n : -EIO, "cannot read the configuration");
        done += (size_t)n;
    }
    host_close(CONFIG_FD_CONFIG);
    return 0;
}

static int config_decode_end(const struct wire *w, struct error *e)
{
    if (w->failed || w->pos != w->len)
        return error_set(e, 0, "the configuration from runsc is damaged");
    return 0;
}

int config_decode_sentry(struct pool *pool, struct config_sentry *c, struct error *e)
{
    struct wire w;
    size_t len;
    u8 *buf;
    int r = config_read(pool, &buf, &len, e);

    if (r < 0)
        return r;
    wire_decode_init(&w, pool, buf, len);
    config_wire_sentry(&w, c);
    return config_decode_end(&w, e);
}

int config_decode_gofer(struct pool *pool, struct config_gofer *c, struct error *e)
{
    struct wire w;
    size_t len;
    u8 *buf;
    int r = config_read(pool, &buf, &len, e);

    if (r < 0)
        return r;
    wire_decode_init(&w, pool, buf, len);
    config_wire_gofer(&w, c);
    return config_decode_end(&w, e);
}

int config_sentry_to_bytes(struct config_sentry *c, u8 **buf, size_t *len)
{
    struct wire w;

    wire_encode_init(&w);
    config_wire_sentry(&w, c);
    *buf = w.buf;
    *len = w.len;
    return w.failed ? -E2BIG : 0;
}

int config_sentry_from_bytes(struct pool *pool, u8 *buf, size_t len, struct config_sentry *c)
{
    struct wire w;

    wire_decode_init(&w, pool, buf, len);
    config_wire_sentry(&w, c);
    return w.failed || w.pos != w.len ? -EINVAL : 0;
}
