/* SPDX-License-Identifier: Apache-2.0 */
/* Text that grows. */
#include "sentry/fs/kernfs/ktext.h"

#include "cvisor/kcache.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Room for n bytes more. */
static bool ktext_reserve(struct ktext *t, size_t n)
{
    size_t cap = t->cap ? t->cap : 512;
    char *p;

    if (t->failed)
        return false;
    if (n <= t->cap - t->len)
        return true;
    while (cap - t->len < n && cap <= KMALLOC_MAX)
        cap *= 2;
    p = cap <= KMALLOC_MAX ? krealloc(t->buf, cap) : NULL;
    if (!p) {
        t->failed = true;
        return false;
    }
    t->buf = p;
    t->cap = cap;
    return true;
}

void ktext_write(struct ktext *t, const void *p, size_t n)
{
    if (!ktext_reserve(t, n))
        return;
    memcpy(t->buf + t->len, p, n);
    t->len += n;
}

void ktext_puts(struct ktext *t, const char *s)
{
    ktext_write(t, s, strlen(s));
}

void ktext_printf(struct ktext *t, const char *fmt, ...)
{
    va_list ap;
    int n;

    if (!ktext_reserve(t, 128))
        return;
    va_start(ap, fmt);
    n = vsnprintf(t->buf + t->len, t->cap - t->len, fmt, ap);
    va_end(ap);
    if (n < 0)
        return;
    if ((size_t)n >= t->cap - t->len) {
        if (!ktext_reserve(t, (size_t)n + 1))
            return;
        va_start(ap, fmt);
        n = vsnprintf(t->buf + t->len, t->cap - t->len, fmt, ap);
        va_end(ap);
    }
    t->len += (size_t)n;
}

void ktext_adopt(struct ktext *t, char *buf, size_t len)
{
    t->buf = buf;
    t->len = t->cap = len;
}

void ktext_escape(struct ktext *t, const char *s)
{
    for (; *s; s++) {
        if (*s == '\n')
            ktext_puts(t, "\\n");
        else if (*s == '\\')
            ktext_puts(t, "\\\\");
        else
            ktext_write(t, s, 1);
    }
}

static bool bit(const u64 *mask, unsigned i)
{
    return (mask[i / 64] >> (i % 64)) & 1;
}

void ktext_bitmap(struct ktext *t, const u64 *mask, unsigned nbits)
{
    unsigned words = (nbits + 31) / 32, top = nbits % 32;

    for (unsigned i = words; i-- > 0;) {
        u32 w = (u32)(mask[i / 2] >> (i % 2 * 32));

        if (i == words - 1) {
            if (top)
                w &= (1u << top) - 1;
            ktext_printf(t, "%0*x", top ? (int)((top + 3) / 4) : 8, w);
        } else {
            ktext_printf(t, ",%08x", w);
        }
    }
}

void ktext_bitlist(struct ktext *t, const u64 *mask, unsigned nbits)
{
    const char *sep = "";

    for (unsigned i = 0; i < nbits; i++) {
        unsigned end = i;

        if (!bit(mask, i))
            continue;
        while (end + 1 < nbits && bit(mask, end + 1))
            end++;
        if (end == i)
            ktext_printf(t, "%s%u", sep, i);
        else
            ktext_printf(t, "%s%u-%u", sep, i, end);
        sep = ",";
        i = end;
    }
}

void ktext_free(struct ktext *t)
{
    kfree(t->buf);
    *t = (struct ktext){0};
}
