/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Error object of runsc and the gofer: an errno and a message that gathers context on its way up.
 * "cannot start the sandbox: cannot mount /dev in the root: Permission denied (run as root or with
 * --rootless)". Functions that take a struct error * return 0 or -errno and fill it on failure.
 */
#ifndef CVISOR_ERROR_H
#define CVISOR_ERROR_H

#include "cvisor/compiler.h"

struct error {
    int code;       /* positive errno, 0 = none */
    char msg[1024]; /* what failed, on what, and what to do */
};

#define ERROR_INIT                                                                                 \
    {                                                                                              \
        0, ""                                                                                      \
    }

/* Sets it. code may be negative (-errno) or positive; 0 means EINVAL without strerror text. When
 * code is an errno, ": strerror" is appended. Returns -errno for `return error_set(...)`. */
int error_set(struct error *e, int code, const char *fmt, ...) __printf(3, 4);
/* Puts "context: " in front of the message. Returns -code. */
int error_wrap(struct error *e, const char *fmt, ...) __printf(2, 3);

#endif
