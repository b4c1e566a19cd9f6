/* SPDX-License-Identifier: Apache-2.0 */
/* The steps of boot. Each fills why[n] on failure. */
#ifndef SENTRY_BOOT_BOOT_INTERNAL_H
#define SENTRY_BOOT_BOOT_INTERNAL_H

#include "sentry/boot/boot.h"

struct task;

/* boot_init.c: the first task, as root and without an image; its program. */
struct task *boot_init_task(const struct boot_config *cfg, char *why, size_t n);
int boot_init_image(struct task *t, const struct boot_config *cfg, char *why, size_t n);
/* boot_mounts.c: the mount tree; sets t's namespace, root and working directory ("/"). */
int boot_mounts(struct task *t, const struct boot_config *cfg, char *why, size_t n);
/* control.c: serves the control socket on a thread of its own. */
void boot_control_start(int fd);

#endif
