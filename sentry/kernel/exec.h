/* SPDX-License-Identifier: Apache-2.0 */
/* The part of execve that boot uses for the first process. */
#ifndef SENTRY_KERNEL_EXEC_H
#define SENTRY_KERNEL_EXEC_H

struct loader_result;
struct task;

/* t takes over the image's mm, credentials and name; its old mm (if any) is the caller's. */
void exec_adopt_image(struct task *t, struct loader_result *res);

/* FP state of a fresh program: kmalloc'ed, g_platform_info.fp_size bytes; NULL = no memory. */
void *exec_initial_fp(void);

#endif
