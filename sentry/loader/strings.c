/* SPDX-License-Identifier: Apache-2.0 */
/* Kernel copies of argv and envp. */
#include "abi/linux/limits.h"
#include "cvisor/compiler.h"
#include "cvisor/kcache.h"
#include "sentry/loader/loader_internal.h"
#include "sentry/mm/uaccess.h"

#include <errno.h>
#include <string.h>

#define STRINGS_FIRST 4096

static int reserve(struct exec_strings *s, size_t more)
{
    size_t cap = s->cap ? s->cap : STRINGS_FIRST;
    char *p;

    if (s->cap - s->size >= more)
        return 0;
    while (cap - s->size < more)
        cap *= 2;
    p = krealloc(s->buf, cap);
    if (!p)
        return -ENOMEM;
    s->buf = p;
    s->cap = cap;
    return 0;
}

/* Appends the guest string at addr; the whole may have `limit` bytes. */
static int copy_string(struct task *t, uaddr_t addr, struct exec_strings *s, u64 limit)
{
    size_t room = 512;

    for (;;) {
        int err = reserve(s, room);
        ssize_t n;

        if (err)
            return err;
        room = MIN(s->cap - s->size, (size_t)LINUX_MAX_ARG_STRLEN);
        n = copy_in_str(t, s->buf + s->size, room, addr);
        if (n >= 0) {
            s->size += (size_t)n + 1;
            s->count++;
            return s->size > limit ? -E2BIG : 0;
        }
        if (n != -ENAMETOOLONG)
            return (int)n;
        if (room == LINUX_MAX_ARG_STRLEN || s->size + room > limit)
            return -E2BIG;
        room *= 2;
    }
}

int exec_strings_copy_in(struct task *t, uaddr_t vec, struct exec_strings *out)
{
    u64 limit = stack_args_limit(), ptr;
    int err = 0;

    *out = (struct exec_strings){0};
    if (!vec.v)
        return 0;
    for (;; vec = uaddr_add(vec, 8)) {
        err = get_u64(t, &ptr, vec);
        if (err || !ptr)
            break;
        if (out->count * sizeof(u64) + out->size > limit) {
            err = -E2BIG;
            break;
        }
        err = copy_string(t, uaddr(ptr), out, limit);
        if (err)
            break;
    }
    if (err)
        exec_strings_free(out);
    return err;
}

int exec_strings_add(struct exec_strings *s, const char *str)
{
    size_t n = strlen(str) + 1;
    int err = reserve(s, n);

    if (err)
        return err;
    memcpy(s->buf + s->size, str, n);
    s->size += n;
    s->count++;
    return 0;
}

int exec_strings_prepend(struct exec_strings *s, const char *str)
{
    size_t n = strlen(str) + 1;
    int err = reserve(s, n);

    if (err)
        return err;
    memmove(s->buf + n, s->buf, s->size);
    memcpy(s->buf, str, n);
    s->size += n;
    s->count++;
    return 0;
}

void exec_strings_drop_first(struct exec_strings *s)
{
    size_t n;

    if (!s->count)
        return;
    n = strlen(s->buf) + 1;
    memmove(s->buf, s->buf + n, s->size - n);
    s->size -= n;
    s->count--;
}

int exec_strings_from(const char *const *vec, struct exec_strings *out)
{
    int err = 0;

    *out = (struct exec_strings){0};
    for (; vec && *vec && !err; vec++)
        err = exec_strings_add(out, *vec);
    if (err)
        exec_strings_free(out);
    return err;
}

void exec_strings_free(struct exec_strings *s)
{
    kfree(s->buf);
    *s = (struct exec_strings){0};
}
