/* SPDX-License-Identifier: Apache-2.0 */
/* Dropping of capabilities, the parent's death, limits: see privileges.h. */
#include "runsc/sandbox/privileges.h"

#include "abi/linux/capability.h"
#include "abi/linux/poll.h"
#include "abi/linux/prctl.h"
#include "abi/linux/resource.h"
#include "abi/linux/signal.h"
#include "cvisor/host.h"
#include "cvisor/host_setup.h"
#include "runsc/sandbox/config.h"

#include <errno.h>
#include <sys/capability.h> /* libcap */

static int privileges_fill(cap_t caps, u64 keep)
{
    static const cap_flag_t sets[] = {CAP_EFFECTIVE, CAP_PERMITTED};

    for (cap_value_t cap = 0; cap < cap_max_bits(); cap++) {
        if (cap >= 64 || !(keep & (1ull << cap)))
            continue;
        for (size_t i = 0; i < ARRAY_SIZE(sets); i++) {
            if (cap_set_flag(caps, sets[i], 1, &cap, CAP_SET) < 0)
                return -errno;
        }
    }
    return 0;
}

static int privileges_check(u64 keep, struct error *e)
{
    static const cap_flag_t sets[] = {CAP_EFFECTIVE, CAP_PERMITTED, CAP_INHERITABLE};
    cap_t caps = cap_get_proc();
    int ret = 0;

    if (!caps)
        return error_set(e, errno, "cannot read the capabilities back");
    for (cap_value_t cap = 0; cap < cap_max_bits() && ret == 0; cap++) {
        bool kept = cap < 64 && (keep & (1ull << cap));
        cap_flag_value_t v = CAP_CLEAR;

        for (size_t i = 0; i < ARRAY_SIZE(sets); i++) {
            cap_get_flag(caps, cap, sets[i], &v);
            if (v == CAP_SET && !kept)
                ret = error_set(e, EPERM, "capability %d is still there after dropping it", cap);
        }
        if (cap_get_bound(cap) == 1 && !kept)
            ret = error_set(e, EPERM, "capability %d is still in the bounding set", cap);
    }
    cap_free(caps);
    return ret;
}

int privileges_drop(u64 keep, struct error *e)
{
    cap_t caps;
    int ret;

    /* The bounding set first: dropping from it needs CAP_SETPCAP. */
    for (cap_value_t cap = 0; cap < cap_max_bits(); cap++) {
        if (cap < 64 && (keep & (1ull << cap)))
            continue;
        if (cap_drop_bound(cap) < 0)
            return error_set(e, errno, "cannot drop capability %d from the bounding set", cap);
    }
    if (cap_reset_ambient() < 0 && errno != EINVAL)
        return error_set(e, errno, "cannot clear the ambient capabilities");
    caps = cap_init();
    if (!caps)
        return error_set(e, errno, "cannot make a set of capabilities");
    ret = privileges_fill(caps, keep);
    if (ret == 0 && cap_set_proc(caps) < 0)
        ret = -errno;
    cap_free(caps);
    if (ret < 0)
        return error_set(e, ret, "cannot drop the capabilities");
    ret = host_prctl(LINUX_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (ret < 0)
        return error_set(e, ret, "cannot forbid new privileges");
    return privileges_check(keep, e);
}

int privileges_follow_parent(struct error *e)
{
    struct linux_pollfd p = {.fd = CONFIG_FD_CONTROL, .events = 0};
    int r = host_prctl(LINUX_PR_SET_PDEATHSIG, LINUX_SIGKILL, 0, 0, 0);

    if (r < 0)
        return error_set(e, r, "cannot tie this process to runsc");
    r = host_poll(&p, 1, 0);
    if (r < 0)
        return error_set(e, r, "cannot look at the control socket");
    if (r > 0)
        return error_set(e, 0, "runsc has ended before the sandbox started");
    return 0;
}

int privileges_set_limits(struct error *e)
{
    struct linux_rlimit files, none = {0, 0};
    int r = host_prlimit(LINUX_RLIMIT_NOFILE, NULL, &files);

    if (r == 0) {
        files.rlim_cur = files.rlim_max;
        r = host_prlimit(LINUX_RLIMIT_NOFILE, &files, NULL);
    }
    if (r == 0)
        r = host_prlimit(LINUX_RLIMIT_CORE, &none, NULL);
    if (r < 0)
        return error_set(e, r, "cannot set resource limits");
    return 0;
}
