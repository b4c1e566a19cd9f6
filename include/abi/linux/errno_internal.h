/* SPDX-License-Identifier: Apache-2.0 */
/* Error codes that only the kernel sees: how to restart an interrupted syscall. Never returned to
 * the guest: signal delivery turns them into EINTR or into a restart. */
#ifndef ABI_LINUX_ERRNO_INTERNAL_H
#define ABI_LINUX_ERRNO_INTERNAL_H

/* Restart if the handler has SA_RESTART or if there is no handler; else EINTR. */
#define ERESTARTSYS 512
/* Always restart. */
#define ERESTARTNOINTR 513
/* Restart only if no handler runs; else EINTR. */
#define ERESTARTNOHAND 514
/* The ioctl number is unknown to this object. */
#define ENOIOCTLCMD 515
/* Restart through restart_syscall(2) if no handler runs; else EINTR. */
#define ERESTART_RESTARTBLOCK 516
/* open: the object is gone by the time it is opened; look it up again. */
#define EOPENSTALE 518
/* The operation is not supported by this object (ENOTSUP inside the kernel). */
#define ENOTSUPP 524

#endif
