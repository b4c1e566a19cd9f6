/* SPDX-License-Identifier: Apache-2.0 */
/* State files of containers: see state.h. */
#include "runsc/container/state.h"

#include "abi/linux/dirent.h"
#include "abi/linux/fcntl.h"
#include "abi/linux/stat.h"
#include "cvisor/host.h"
#include "cvisor/host_setup.h"
#include "runsc/oci/json.h"
#include "runsc/oci/spec.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define STATE_ID_MAX 128
#define STATE_JSON_MAX (64u << 10)
#define STATE_IDS_MAX 4096

int state_check_id(const char *id, struct error *e)
{
    size_t n = strlen(id);

    if (n == 0 || n > STATE_ID_MAX)
        return error_set(e, 0, "the container's id must have 1 to %d characters", STATE_ID_MAX);
    if (strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-.") != n ||
        id[0] == '.' || id[0] == '-')
        return error_set(e, 0,
                         "\"%s\" cannot be a container's id: letters, digits and _ + - . are "
                         "allowed, and the first character is not - or .",
                         id);
    return 0;
}

/* Where the state files of this user live. */
static const char *state_root(const struct runsc_conf *conf, struct pool *pool)
{
    const char *dir = getenv("XDG_RUNTIME_DIR");

    if (conf->root)
        return conf->root;
    if (host_geteuid() == 0)
        return "/var/run/runsc";
    if (dir && dir[0] == '/')
        return pool_printf(pool, "%s/runsc", dir);
    return pool_printf(pool, "/tmp/runsc-%u", host_geteuid());
}

static const char *state_dir(const struct runsc_conf *conf, const char *id, struct pool *pool)
{
    return pool_printf(pool, "%s/%s", state_root(conf, pool), id);
}

/* Makes a folder that is ours alone, or makes sure that it is. */
static int state_mkdir(const char *path, struct error *e)
{
    struct linux_stat st;
    int r = host_mkdirat(LINUX_AT_FDCWD, path, 0700);

    if (r == 0)
        return 0;
    if (r == -EEXIST) {
        r = host_fstatat(LINUX_AT_FDCWD, path, &st, LINUX_AT_SYMLINK_NOFOLLOW);
        if (r == 0 && (st.st_mode & LINUX_S_IFMT) != LINUX_S_IFDIR)
            r = -ENOTDIR;
        if (r == 0 && (st.st_uid != host_geteuid() || (st.st_mode & 0022)))
            return error_set(e, EPERM,
                             "the folder %s of the state files belongs to or can be changed by "
                             "another user (give another one with --root)",
                             path);
    }
    if (r < 0)
        return error_set(
            e, r, "cannot make the folder %s for state files (give another with --root)", path);
    return 0;
}

static int state_open_lock(const char *dir, struct pool *pool, int flags)
{
    return host_openat(LINUX_AT_FDCWD, pool_printf(pool, "%s/lock", dir),
                       LINUX_O_RDWR | LINUX_O_CLOEXEC | LINUX_O_NOFOLLOW | flags, 0600);
}

/* -EAGAIN: the folder vanished under us, try again. */
static int state_try_create(const char *dir, const char *id, struct pool *pool, int *lock_fd,
                            struct error *e)
{
    struct linux_stat st;
    int r = state_mkdir(dir, e);
    int fd;

    if (r < 0)
        return r;
    fd = state_open_lock(dir, pool, LINUX_O_CREAT);
    if (fd == -ENOENT)
        return -EAGAIN;
    if (fd < 0)
        return error_set(e, fd, "cannot open %s/lock", dir);
    r = host_flock(fd, LINUX_LOCK_EX | LINUX_LOCK_NB);
    if (r == 0)
        r = host_fstat(fd, &st);
    if (r == 0 && st.st_nlink > 0) {
        *lock_fd = fd;
        return 0;
    }
    host_close(fd);
    if (r == 0)
        return -EAGAIN;
    if (r == -EAGAIN || r == -EWOULDBLOCK) {
        error_set(e, 0, "a container with the id %s runs already (`runsc list` shows it)", id);
        return -EEXIST;
    }
    return error_set(e, r, "cannot lock %s/lock", dir);
}

int state_create(const struct runsc_conf *conf, const char *id, struct pool *pool,
                 struct state_handle *out, struct error *e)
{
    int r = state_check_id(id, e);

    if (r == 0)
        r = state_mkdir(state_root(conf, pool), e);
    if (r < 0)
        return r;
    *out = (struct state_handle){state_dir(conf, id, pool), -1};
    do {
        r = state_try_create(out->dir, id, pool, &out->lock_fd, e);
    } while (r == -EAGAIN);
    return r;
}

char *state_to_json(const struct container_state *s)
{
    char created[64];
    time_t secs = (time_t)(s->created_ns / NSEC_PER_SEC);
    struct tm tm;
    json_t *doc;
    char *text;
    size_t n;

    gmtime_r(&secs, &tm);
    n = strftime(created, sizeof(created), "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(created + n, sizeof(created) - n, ".%09lluZ",
             (unsigned long long)(s->created_ns % NSEC_PER_SEC));
    doc = json_pack("{s:s, s:s, s:s, s:i, s:s, s:s, s:{s:i, s:I}}", "ociVersion", OCI_VERSION, "id",
                    s->id, "status", s->running ? "running" : "stopped", "pid",
                    s->running ? s->sentry_pid : 0, "bundle", s->bundle, "created", created,
                    "runsc", "runnerPid", s->runner_pid, "createdNs", (json_int_t)s->created_ns);
    if (!doc)
        return NULL;
    text = json_dumps(doc, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    json_decref(doc);
    return text;
}

int state_write(const struct state_handle *h, const struct container_state *s, struct error *e)
{
    struct container_state running = *s;
    struct pool pool = {0};
    const char *tmp = pool_printf(&pool, "%s/state.json.new", h->dir);
    const char *path = pool_printf(&pool, "%s/state.json", h->dir);
    ssize_t r = -ENOMEM;
    char *text;
    int fd;

    running.running = true;
    text = state_to_json(&running);
    if (text) {
        r = fd = host_openat(LINUX_AT_FDCWD, tmp,
                             LINUX_O_WRONLY | LINUX_O_CREAT | LINUX_O_TRUNC | LINUX_O_CLOEXEC |
                                 LINUX_O_NOFOLLOW,
                             0600);
        if (fd >= 0) {
            r = host_write(fd, text, strlen(text));
            host_close(fd);
        }
        if (r >= 0)
            r = host_renameat2(LINUX_AT_FDCWD, tmp, LINUX_AT_FDCWD, path, 0);
    }
    if (r < 0)
        error_set(e, (int)r, "cannot write %s", path);
    free(text);
    pool_free(&pool);
    return r < 0 ? (int)r : 0;
}

static void state_remove_files(const char *dir)
{
    static const char *const names[] = {"state.json", "state.json.new", "lock"};
    char path[4096];

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (snprintf(path, sizeof(path), "%s/%s", dir, names[i]) < (int)sizeof(path))
            host_unlinkat(LINUX_AT_FDCWD, path, 0);
    }
    host_unlinkat(LINUX_AT_FDCWD, dir, LINUX_AT_REMOVEDIR);
}

void state_remove(struct state_handle *h)
{
    if (h->lock_fd < 0)
        return;
    state_remove_files(h->dir);
    host_close(h->lock_fd);
    h->lock_fd = -1;
}

static int state_parse(const char *path, const char *text, size_t len, struct pool *pool,
                       struct container_state *out, struct error *e)
{
    struct json_reader r = {.pool = pool, .e = e};
    json_error_t je;
    json_t *doc = json_loadb(text, len, 0, &je);
    struct json_at top = {doc, ""}, own;
    u32 pid = 0, runner = 0;
    int ret;

    if (!doc)
        return error_set(e, 0, "%s is damaged: line %d: %s", path, je.line, je.text);
    ret = json_need_object(&r, top, true);
    own = json_key(&r, top, "runsc");
    if (ret == 0)
        ret = json_get_string(&r, json_key(&r, top, "bundle"), true, &out->bundle);
    if (ret == 0)
        ret = json_get_u32(&r, json_key(&r, top, "pid"), &pid);
    if (ret == 0)
        ret = json_need_object(&r, own, true);
    if (ret == 0)
        ret = json_get_u32(&r, json_key(&r, own, "runnerPid"), &runner);
    if (ret == 0)
        ret = json_get_u64(&r, json_key(&r, own, "createdNs"), true, &out->created_ns);
    json_decref(doc);
    out->sentry_pid = (int)pid;
    out->runner_pid = (int)runner;
    if (ret < 0)
        error_wrap(e, "%s is damaged", path);
    return ret;
}

int state_load(const struct runsc_conf *conf, const char *id, struct pool *pool,
               struct container_state *out, struct error *e)
{
    const char *dir, *path;
    char *text;
    ssize_t n;
    int fd, r = state_check_id(id, e);

    if (r < 0)
        return r;
    *out = (struct container_state){.id = id};
    dir = state_dir(conf, id, pool);
    fd = state_open_lock(dir, pool, 0);
    if (fd == -ENOENT)
        return error_set(e, fd, "there is no container with the id %s in %s", id,
                         state_root(conf, pool));
    if (fd < 0)
        return error_set(e, fd, "cannot open %s/lock", dir);
    out->running = host_flock(fd, LINUX_LOCK_SH | LINUX_LOCK_NB) < 0;
    host_close(fd);

    path = pool_printf(pool, "%s/state.json", dir);
    fd = host_openat(LINUX_AT_FDCWD, path, LINUX_O_RDONLY | LINUX_O_CLOEXEC, 0);
    if (fd < 0)
        return error_set(e, fd, "cannot read %s", path);
    text = pool_alloc(pool, STATE_JSON_MAX);
    n = host_read(fd, text, STATE_JSON_MAX);
    host_close(fd);
    if (n < 0)
        return error_set(e, (int)n, "cannot read %s", path);
    return state_parse(path, text, (size_t)n, pool, out, e);
}

int state_delete(const struct runsc_conf *conf, const char *id, struct pool *pool, struct error *e)
{
    struct state_handle h = {NULL, -1};
    int fd, r = state_check_id(id, e);

    if (r < 0)
        return r;
    h.dir = state_dir(conf, id, pool);
    fd = state_open_lock(h.dir, pool, 0);
    if (fd == -ENOENT)
        return error_set(e, fd, "there is no container with the id %s in %s", id,
                         state_root(conf, pool));
    if (fd < 0)
        return error_set(e, fd, "cannot open %s/lock", h.dir);
    if (host_flock(fd, LINUX_LOCK_EX | LINUX_LOCK_NB) < 0) {
        host_close(fd);
        return error_set(e, EBUSY, "the container %s still runs (--force kills it first)", id);
    }
    h.lock_fd = fd;
    state_remove(&h);
    return 0;
}

static int state_compare_ids(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int state_ids(const struct runsc_conf *conf, struct pool *pool, const char *const **out,
              struct error *e)
{
    const char **ids = pool_calloc(pool, STATE_IDS_MAX + 1, sizeof(*ids));
    const char *root = state_root(conf, pool);
    u64 buf[4096];
    size_t n = 0;
    ssize_t len;
    int fd = host_openat(LINUX_AT_FDCWD, root, LINUX_O_RDONLY | LINUX_O_DIRECTORY | LINUX_O_CLOEXEC,
                         0);

    *out = ids;
    if (fd == -ENOENT)
        return 0;
    if (fd < 0)
        return error_set(e, fd, "cannot read %s", root);
    while ((len = host_getdents64(fd, buf, sizeof(buf))) > 0) {
        for (ssize_t at = 0; at < len && n < STATE_IDS_MAX;) {
            const struct linux_dirent64 *d = (const void *)((const char *)buf + at);
            struct error ignored = ERROR_INIT;

            at += d->d_reclen;
            if (state_check_id(d->d_name, &ignored) == 0)
                ids[n++] = pool_strdup(pool, d->d_name);
        }
    }
    host_close(fd);
    if (len < 0)
        return error_set(e, (int)len, "cannot read %s", root);
    qsort(ids, n, sizeof(*ids), state_compare_ids);
    return 0;
}
