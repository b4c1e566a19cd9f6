/* SPDX-License-Identifier: Apache-2.0 */
/* `runsc spec`: a config.json to start from. */
#include "abi/linux/fcntl.h"
#include "cvisor/host.h"
#include "runsc/cmd/cmd.h"
#include "runsc/oci/spec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct {
    const char *bundle;
} g_opts;

static const struct flag g_flags[] = {
    {"bundle", FLAG_STRING, &g_opts.bundle, "DIR",
     "folder to write config.json to (default: the current one)", NULL},
    {0},
};

static int spec_run(const struct runsc_conf *conf, int argc, char **argv, struct pool *pool,
                    struct error *e)
{
    static const char *const shell[] = {"sh", NULL};
    const char *bundle, *path;
    char *text;
    ssize_t w;
    int fd, r;

    r = command_bundle(g_opts.bundle, pool, &bundle, e);
    if (r < 0)
        return r;
    text = oci_default_config(argc ? (const char *const *)argv : shell);
    if (!text)
        return error_set(e, 0, "spec: the arguments must be UTF-8");
    path = pool_printf(pool, "%s/config.json", bundle);
    fd = host_openat(LINUX_AT_FDCWD, path,
                     LINUX_O_WRONLY | LINUX_O_CREAT | LINUX_O_EXCL | LINUX_O_CLOEXEC, 0666);
    if (fd < 0) {
        free(text);
        return error_set(
            e, fd, fd == -EEXIST ? "%s is there already (remove it first)" : "cannot write %s",
            path);
    }
    w = host_write(fd, text, strlen(text));
    if (w >= 0)
        w = host_write(fd, "\n", 1);
    host_close(fd);
    free(text);
    return w < 0 ? error_set(e, (int)w, "cannot write %s", path) : 0;
}

const struct command g_cmd_spec = {
    .name = "spec",
    .run = spec_run,
    .usage = "[FLAGS] [PROGRAM ARGUMENTS]",
    .summary = "write a config.json for `runsc run`",
    .help =
        "The bundle's root is expected in the folder rootfs beside it. Without PROGRAM it runs\n"
        "sh.",
    .flags = g_flags,
};
