/* SPDX-License-Identifier: Apache-2.0 */
/* The list of backends and the choice of one. */
#include "cvisor/platform.h"

#include "cvisor/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

extern const struct platform_ops g_platform_systrap, g_platform_ptrace, g_platform_skeleton;

const struct platform_ops *const g_platform_backends[] = {
    &g_platform_systrap,
    &g_platform_ptrace,
    &g_platform_skeleton, /* never works; listed so that it stays complete */
    NULL,
};

const struct platform_ops *g_platform;
struct platform_info g_platform_info;

static const char *init_reason(int err)
{
    switch (-err) {
    case EBUSY:
        return "a program above runsc listens to its system calls (seccomp), which leaves no room "
               "for a listener of ours: start runsc outside of it";
    case EPERM:
    case EACCES:
        return "the host does not let it trace processes or load seccomp filters: is runsc itself "
               "being traced, or confined by a container or kernel.yama.ptrace_scope?";
    default:
        return strerror(-err);
    }
}

int platform_parse_rungs(const char *list, u32 *rungs, char *why, size_t n)
{
    static const char *const names[] = {"answer", "spin", "notify", "trap"};

    *rungs = 0;
    for (;;) {
        size_t len = strcspn(list, ","), i = 0;
        while (i < ARRAY_SIZE(names) &&
               (strlen(names[i]) != len || memcmp(list, names[i], len) != 0))
            i++;
        if (i == ARRAY_SIZE(names)) {
            snprintf(why, n, "there is no rung \"%.*s\" (there are answer, spin, notify, trap)",
                     (int)MIN(len, (size_t)32), list);
            return -EINVAL;
        }
        *rungs |= 1u << i;
        if (!list[len])
            return 0;
        list += len + 1;
    }
}

static int try_backend(const struct platform_ops *ops, const struct platform_config *cfg,
                       const struct platform_kernel_ops *kops, char *why, size_t n)
{
    struct platform_info info = {.name = ops->name};
    int err = ops->probe(why, n);

    if (err < 0)
        return err;
    err = ops->init(cfg, kops, &info);
    if (err < 0) {
        snprintf(why, n, "it can't start (%s)", init_reason(err));
        return err;
    }
    g_platform = ops;
    g_platform_info = info;
    return 0;
}

int platform_select(const struct platform_config *cfg, const struct platform_kernel_ops *kops,
                    char *why, size_t n)
{
    char reason[256];
    size_t used = 0;

    snprintf(why, n, "there is no platform \"%s\"", cfg->name ? cfg->name : "");
    for (size_t i = 0; g_platform_backends[i]; i++) {
        const struct platform_ops *ops = g_platform_backends[i];
        if (cfg->name && strcmp(cfg->name, ops->name) != 0)
            continue;
        reason[0] = 0;
        if (try_backend(ops, cfg, kops, reason, sizeof(reason)) == 0) {
            if (!used)
                why[0] = 0;
            log_debug("platform: %s", ops->name);
            return 0;
        }
        if (used < n)
            used += (size_t)snprintf(why + used, n - used, "%s%s: %s", used ? "; " : "", ops->name,
                                     reason);
    }
    return -ENOSYS;
}
