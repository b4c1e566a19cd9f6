/* SPDX-License-Identifier: Apache-2.0 */
/* One seccomp listener: receive, answer, and what a notification is. */
#include "cvisor/host.h"
#include "platform/systrap/systrap.h"

#include <errno.h>
#include <string.h>

/* ENOENT: what was announced is gone. A signal took the thread out of the syscall, or it has ended. */
int notify_recv(int fd, int pid, int tid, struct linux_seccomp_notif *n)
{
    for (;;) {
        memset(n, 0, sizeof(*n));
        int err = host_ioctl(fd, LINUX_SECCOMP_IOCTL_NOTIF_RECV, n);
        if (likely(err == 0))
            return 0;
        if (err == -EINTR)
            continue;
        if (err != -ENOENT || host_tgkill(pid, tid, 0) < 0)
            return -ESRCH;
        host_sched_yield();
    }
}

int notify_send(int fd, u64 id, s64 val)
{
    struct linux_seccomp_notif_resp resp = {.id = id, .val = val};
    /* ENOENT: it was killed; the next receive tells. */
    int err = host_ioctl(fd, LINUX_SECCOMP_IOCTL_NOTIF_SEND, &resp);

    return err < 0 ? -ESRCH : 0;
}

bool notify_is(const struct linux_seccomp_notif *n, const char *label)
{
    return n->data.nr == SYSTRAP_REPORT_NR && n->data.instruction_pointer == SYSTRAP_STUB(label);
}
