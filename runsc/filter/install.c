/* SPDX-License-Identifier: Apache-2.0 */
/* Installing a seccomp filter: see filter.h. */
#include "runsc/filter/filter.h"

#include "abi/linux/seccomp.h"
#include "cvisor/host_setup.h"

#include <errno.h>
#include <string.h>

enum filter_platform filter_platform_of(const char *platform)
{
    if (platform && strcmp(platform, "ptrace") == 0)
        return FILTER_PTRACE;
    if (platform && strcmp(platform, "systrap") == 0)
        return FILTER_SYSTRAP;
    return FILTER_NO_PLATFORM;
}

int filter_load(const struct filter_program *f, const char *what, struct error *e)
{
    int r = host_seccomp_install(f->insns, f->n, LINUX_SECCOMP_FILTER_FLAG_TSYNC);

    if (r > 0) /* a thread that has other filters than this one */
        r = -ESRCH;
    if (r < 0)
        return error_set(e, r,
                         "cannot load %s's seccomp filter (does the host kernel have "
                         "CONFIG_SECCOMP_FILTER?)",
                         what);
    return 0;
}
