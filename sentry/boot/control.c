/* SPDX-License-Identifier: Apache-2.0 */
/* The control socket: signals from runsc, and runsc's end. */
#include "abi/linux/signal.h"
#include "cvisor/host.h"
#include "cvisor/log.h"
#include "sentry/boot/boot_internal.h"
#include "sentry/kernel/signal.h"
#include "sentry/kernel/task.h"

static void control_signal(const struct boot_msg *m)
{
    if (m->arg < 1 || m->arg > NSIG)
        return;
    struct linux_siginfo info = {.si_signo = m->arg, .si_code = LINUX_SI_KERNEL};
    rwlock_rdlock(&g_tasks_lock);
    struct thread_group *g = m->pid ? group_find_locked(m->pid) : g_init;
    if (g) {
        struct process_group *fg = m->pid ? NULL : g->pgrp->session->foreground;
        if (fg && fg != g->pgrp) {
            struct thread_group *p;
            list_for_each_entry (p, &fg->members, pgrp_node)
                signal_send_group(p, m->arg, &info);
        } else {
            signal_send_group(g, m->arg, &info);
        }
    }
    rwlock_rdunlock(&g_tasks_lock);
}

static void control_thread(void *arg)
{
    int fd = (int)(intptr_t)arg;
    struct boot_msg m;
    for (;;) {
        size_t got = 0;
        while (got < sizeof(m)) {
            ssize_t r = host_read(fd, (char *)&m + got, sizeof(m) - got);
            if (r <= 0) {
                log_info("runsc is gone: the sandbox ends");
                host_exit_group(1);
            }
            got += (size_t)r;
        }
        if (m.type == BOOT_MSG_SIGNAL)
            control_signal(&m);
        else
            log_warn("control socket: message of unknown type %u is ignored", m.type);
    }
}

void boot_control_start(int fd)
{
    int err = cv_thread_create("control", control_thread, (void *)(intptr_t)fd);
    if (err)
        log_error("cannot serve the control socket: signals will not be forwarded");
}
