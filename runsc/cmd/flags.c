/* SPDX-License-Identifier: Apache-2.0 */
/* Parser and help of command-line flags: see flags.h. */
#include "runsc/cmd/flags.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define FLAGS_HELP_COLUMN 28

static const struct flag *flags_find(const struct flag *flags, const char *name, size_t len)
{
    for (const struct flag *f = flags; f && f->name; f++) {
        if (strlen(f->name) == len && memcmp(f->name, name, len) == 0)
            return f;
    }
    return NULL;
}

static bool flags_is_choice(const char *choices, const char *value)
{
    size_t n = strlen(value);

    for (const char *c = choices; c;) {
        const char *end = strchr(c, '|');
        size_t len = end ? (size_t)(end - c) : strlen(c);

        if (len == n && memcmp(c, value, n) == 0)
            return true;
        c = end ? end + 1 : NULL;
    }
    return false;
}

static int flags_set_bool(const struct flag *f, const char *value, struct error *e)
{
    if (!value || strcmp(value, "true") == 0 || strcmp(value, "1") == 0)
        *(bool *)f->dest = true;
    else if (strcmp(value, "false") == 0 || strcmp(value, "0") == 0)
        *(bool *)f->dest = false;
    else
        return error_set(e, 0, "--%s=%s: the value must be true or false", f->name, value);
    return 0;
}

static void flags_append(struct flag_list *list, const char *value, struct pool *pool)
{
    /* Grows by doubling: full when the count is zero or a power of two. */
    if ((list->count & (list->count - 1)) == 0) {
        const char **items = pool_calloc(pool, list->count ? list->count * 2 : 1, sizeof(*items));

        if (list->count)
            memcpy(items, list->items, list->count * sizeof(*items));
        list->items = items;
    }
    list->items[list->count++] = value;
}

static int flags_set(const struct flag *f, const char *value, struct pool *pool, struct error *e)
{
    if (f->kind == FLAG_BOOL)
        return flags_set_bool(f, value, e);
    if (f->choices && !flags_is_choice(f->choices, value))
        return error_set(e, 0, "--%s=%s is not supported: the value must be %s", f->name, value,
                         f->choices);
    if (f->kind == FLAG_STRING)
        *(const char **)f->dest = value;
    else
        flags_append(f->dest, value, pool);
    return 0;
}

int flags_parse(const struct flag *flags, int argc, char **argv, const char *who, struct pool *pool,
                struct error *e)
{
    int i = 0;

    while (i < argc && argv[i][0] == '-' && argv[i][1] != '\0') {
        const char *name = argv[i] + (argv[i][1] == '-' ? 2 : 1);
        const char *value = strchr(name, '=');
        size_t len = value ? (size_t)(value - name) : strlen(name);
        const struct flag *f;
        int r;

        if (*name == '\0') /* "--" */
            return i + 1;
        f = flags_find(flags, name, len);
        if (!f)
            return error_set(e, 0, "unknown flag --%.*s (`%s` lists the flags)", (int)len, name,
                             who);
        i++;
        if (value) {
            value++;
        } else if (f->kind != FLAG_BOOL) {
            if (i == argc)
                return error_set(e, 0, "--%s needs a value: --%s=%s", f->name, f->name,
                                 f->choices ? f->choices : f->arg);
            value = argv[i++];
        }
        r = flags_set(f, value, pool, e);
        if (r < 0)
            return r;
    }
    return i;
}

void flags_print(const struct flag *flags)
{
    for (const struct flag *f = flags; f && f->name; f++) {
        char left[80];
        const char *arg = f->choices ? f->choices : f->arg;

        snprintf(left, sizeof(left), "--%s%s%s", f->name, f->kind == FLAG_BOOL ? "" : "=",
                 f->kind == FLAG_BOOL ? "" : arg);
        if (strlen(left) <= FLAGS_HELP_COLUMN)
            printf("  %-*s %s\n", FLAGS_HELP_COLUMN, left, f->help);
        else
            printf("  %s\n  %-*s %s\n", left, FLAGS_HELP_COLUMN, "", f->help);
    }
}
