/* SPDX-License-Identifier: Apache-2.0 */
/* Flat encoding of structs: see wire.h. */
#include "runsc/sandbox/wire.h"

#include <stdlib.h>
#include <string.h>

void wire_encode_init(struct wire *w)
{
    memset(w, 0, sizeof(*w));
}

void wire_decode_init(struct wire *w, struct pool *pool, u8 *buf, size_t len)
{
    *w = (struct wire){.pool = pool, .decoding = true, .buf = buf, .len = len};
}

void wire_free(struct wire *w)
{
    free(w->buf);
    w->buf = NULL;
}

static void wire_append(struct wire *w, const void *p, size_t n)
{
    if (w->failed || n > WIRE_MAX - w->len) {
        w->failed = true;
        return;
    }
    if (w->cap - w->len < n) {
        size_t cap = MAX(w->cap * 2, w->len + n + 4096);
        u8 *buf = realloc(w->buf, cap);

        if (!buf) {
            w->failed = true;
            return;
        }
        w->buf = buf;
        w->cap = cap;
    }
    memcpy(w->buf + w->len, p, n);
    w->len += n;
}

void wire_bytes(struct wire *w, void *p, size_t n)
{
    if (n == 0)
        return;
    if (!w->decoding) {
        wire_append(w, p, n);
        return;
    }
    if (w->failed || n > w->len - w->pos) {
        w->failed = true;
        memset(p, 0, n);
        return;
    }
    memcpy(p, w->buf + w->pos, n);
    w->pos += n;
}

/* Lengths stand as length + 1; 0 is NULL. */
void wire_str(struct wire *w, const char **s)
{
    u32 n = 0;
    char *copy;

    if (!w->decoding && *s)
        n = (u32)MIN(strlen(*s), (size_t)WIRE_MAX) + 1;
    wire_field(w, n);
    if (!w->decoding) {
        if (n)
            wire_append(w, *s, n - 1);
        return;
    }
    *s = NULL;
    if (n == 0)
        return;
    if (n - 1 > w->len - w->pos) {
        w->failed = true;
        return;
    }
    copy = pool_alloc(w->pool, n);
    wire_bytes(w, copy, n - 1);
    *s = copy;
}

void wire_array(struct wire *w, size_t *count, void **array, size_t size)
{
    wire_field(w, *count);
    if (!w->decoding)
        return;
    /* Each element takes at least one byte. */
    if (*count > w->len - w->pos) {
        w->failed = true;
        *count = 0;
    }
    *array = pool_calloc(w->pool, *count, size);
}

void wire_strs(struct wire *w, const char *const **list)
{
    size_t n = 0;
    const char **out;

    if (!w->decoding) {
        while (*list && (*list)[n])
            n++;
    }
    wire_field(w, n);
    if (!w->decoding) {
        for (size_t i = 0; i < n; i++) {
            const char *s = (*list)[i];

            wire_str(w, &s);
        }
        return;
    }
    if (n > (w->len - w->pos) / sizeof(u32)) {
        w->failed = true;
        n = 0;
    }
    out = pool_calloc(w->pool, n + 1, sizeof(*out));
    for (size_t i = 0; i < n; i++) {
        wire_str(w, &out[i]);
        if (!out[i])
            w->failed = true;
    }
    *list = out;
}
