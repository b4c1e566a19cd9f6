/* SPDX-License-Identifier: Apache-2.0 */
/* Error objects: an errno and a message that grows from the inside out. */
#include "cvisor/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int error_set(struct error *e, int code, const char *fmt, ...)
{
    const char *text;
    va_list ap;
    int n;

    if (code < 0)
        code = -code;
    text = code ? strerrordesc_np(code) : NULL;
    e->code = code ? code : EINVAL;
    va_start(ap, fmt);
    n = vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
    va_end(ap);
    if (n < 0)
        n = 0;
    if ((size_t)n < sizeof(e->msg) && text)
        snprintf(e->msg + n, sizeof(e->msg) - (size_t)n, ": %s", text);
    else if ((size_t)n < sizeof(e->msg) && code)
        snprintf(e->msg + n, sizeof(e->msg) - (size_t)n, ": error %d", code);
    return -e->code;
}

int error_wrap(struct error *e, const char *fmt, ...)
{
    char context[512];
    size_t n, old = strlen(e->msg);
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(context, sizeof(context) - 2, fmt, ap);
    va_end(ap);
    strcat(context, ": ");
    n = strlen(context);
    /* What does not fit falls off the end. */
    old = MIN(old, sizeof(e->msg) - 1 - n);
    memmove(e->msg + n, e->msg, old);
    memcpy(e->msg, context, n);
    e->msg[n + old] = 0;
    return -e->code;
}
