/* SPDX-License-Identifier: Apache-2.0 */
/* Gofer server: start, one thread for each export, and the end. */
#include "runsc/gofer/server.h"

#include "abi/linux/fcntl.h"
#include "abi/linux/mount.h"
#include "cvisor/host.h"
#include "cvisor/host_setup.h"
#include "cvisor/kcache.h"
#include "cvisor/log.h"

#include <errno.h>

/* /proc/self/fd as a mount of its own: ".." ends there, so that not even a gofer that is no longer
 * ours gets at the rest of /proc. */
static int open_procfd(void)
{
    struct linux_mount_attr attr = {
        .attr_set = LINUX_MOUNT_ATTR_RDONLY | LINUX_MOUNT_ATTR_NOSUID | LINUX_MOUNT_ATTR_NODEV |
                    LINUX_MOUNT_ATTR_NOEXEC,
    };
    int fd = host_open_tree(LINUX_AT_FDCWD, "/proc/self/fd", LINUX_OPEN_TREE_CLONE);
    int r = fd < 0 ? fd : host_mount_setattr(fd, 0, &attr);

    if (r < 0 && fd >= 0)
        host_close(fd);
    return r < 0 ? r : fd;
}

int gofer_prepare(struct error *e)
{
    int fd;

    if (g_gofer_procfd >= 0)
        return 0;
    fd = open_procfd();
    if (fd < 0) /* without privileges, as in tests */
        fd = host_openat(LINUX_AT_FDCWD, "/proc/self/fd",
                         LINUX_O_PATH | LINUX_O_DIRECTORY | LINUX_O_CLOEXEC, 0);
    if (fd < 0)
        return error_set(e, fd, "cannot open /proc/self/fd for the gofer (is /proc mounted?)");
    g_gofer_procfd = fd;
    host_umask(0); /* modes are what the client says */
    return 0;
}

/* One gofer_serve call: its connections and how many are still served. */
struct gofer_server {
    struct mutex lock; /* rank LEAF */
    struct cond done;
    size_t running; /* lock */
};

struct serve_arg {
    struct gofer_server *server;
    struct gofer_conn *conn;
};

static void serve_one(void *p)
{
    struct serve_arg *a = p;
    struct gofer_server *s = a->server;

    gofer_conn_serve(a->conn);
    gofer_conn_free(a->conn);
    mutex_lock(&s->lock);
    s->running--;
    cond_signal(&s->done);
    mutex_unlock(&s->lock);
}

int gofer_serve(const struct gofer_export *exports, size_t n)
{
    struct gofer_server s = {.done = COND_INIT};
    struct error e = ERROR_INIT;
    struct serve_arg *args;
    size_t started = 0;
    int rc = gofer_prepare(&e);

    if (rc < 0) {
        log_error("%s", e.msg);
        return rc;
    }
    if (n == 0)
        return 0;
    mutex_init(&s.lock, LOCK_LEAF);
    args = kcalloc(n, sizeof(*args));
    if (!args)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        args[i].server = &s;
        args[i].conn = gofer_conn_new(&exports[i]);
        if (!args[i].conn) {
            rc = -ENOMEM;
            break;
        }
        started++;
    }
    if (rc < 0) {
        for (size_t i = 0; i < started; i++)
            gofer_conn_free(args[i].conn);
        kfree(args);
        return rc;
    }
    s.running = n;
    for (size_t i = 1; i < n; i++) {
        rc = cv_thread_create("gofer", serve_one, &args[i]);
        if (rc < 0) {
            /* Its sentry sees the connection close and ends. */
            log_error("cannot start a gofer thread: errno %d", -rc);
            gofer_conn_free(args[i].conn);
            mutex_lock(&s.lock);
            s.running--;
            mutex_unlock(&s.lock);
        }
    }
    serve_one(&args[0]);
    mutex_lock(&s.lock);
    while (s.running > 0)
        cond_wait(&s.done, &s.lock);
    mutex_unlock(&s.lock);
    kfree(args);
    return 0;
}
