/* SPDX-License-Identifier: Apache-2.0 */
/* Typed reading of JSON: see json.h. */
#include "runsc/oci/json.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

static const char *json_type_name(const json_t *v)
{
    switch (json_typeof(v)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "an array";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
        return "a number";
    case JSON_REAL:
        return "a fraction";
    case JSON_TRUE:
    case JSON_FALSE:
        return "true or false";
    default:
        return "null";
    }
}

int json_fail(struct json_reader *r, struct json_at at, const char *fmt, ...)
{
    char why[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(why, sizeof(why), fmt, ap);
    va_end(ap);
    error_set(r->e, 0, "%s: %s", *at.path ? at.path : "the document", why);
    return -EINVAL;
}

void json_warn(struct json_reader *r, const char *fmt, ...)
{
    char text[512];
    va_list ap;

    if (r->nwarnings == JSON_WARNINGS_MAX)
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    r->warnings[r->nwarnings++] = pool_strdup(r->pool, text);
}

struct json_at json_key(struct json_reader *r, struct json_at obj, const char *key)
{
    struct json_at at = {obj.v ? json_object_get(obj.v, key) : NULL, key};

    if (json_is_null(at.v))
        at.v = NULL;
    if (*obj.path)
        at.path = pool_printf(r->pool, "%s.%s", obj.path, key);
    return at;
}

struct json_at json_item(struct json_reader *r, struct json_at array, size_t i)
{
    return (struct json_at){
        json_array_get(array.v, i),
        pool_printf(r->pool, "%s[%zu]", array.path, i),
    };
}

static int json_type_error(struct json_reader *r, struct json_at at, const char *want)
{
    if (!at.v)
        return json_fail(r, at, "is missing: it must be %s", want);
    return json_fail(r, at, "must be %s, not %s", want, json_type_name(at.v));
}

int json_need_object(struct json_reader *r, struct json_at at, bool required)
{
    if (json_is_object(at.v) || (!at.v && !required))
        return 0;
    return json_type_error(r, at, "an object");
}

int json_need_array(struct json_reader *r, struct json_at at, bool required, size_t max,
                    size_t *count)
{
    *count = 0;
    if (!at.v && !required)
        return 0;
    if (!json_is_array(at.v))
        return json_type_error(r, at, "an array");
    *count = json_array_size(at.v);
    if (*count > max)
        return json_fail(r, at, "has %zu elements, more than the limit of %zu", *count, max);
    return 0;
}

int json_get_string(struct json_reader *r, struct json_at at, bool required, const char **out)
{
    if (!at.v && !required)
        return 0;
    if (!json_is_string(at.v))
        return json_type_error(r, at, "a string");
    /* The parser refuses NUL inside a string, so this is the whole value. */
    *out = pool_strdup(r->pool, json_string_value(at.v));
    return 0;
}

int json_get_bool(struct json_reader *r, struct json_at at, bool *out)
{
    if (!at.v)
        return 0;
    if (!json_is_boolean(at.v))
        return json_type_error(r, at, "true or false");
    *out = json_is_true(at.v);
    return 0;
}

/* The parser is asked for fractions only when a number exceeds 2^63: RLIM_INFINITY is 2^64 - 1. */
static int json_whole(struct json_reader *r, struct json_at at, s64 min, u64 max, __int128 *out)
{
    __int128 n;

    if (json_is_integer(at.v)) {
        n = json_integer_value(at.v);
    } else if (json_is_real(at.v)) {
        double d = json_real_value(at.v);

        if (!(d >= -9223372036854775808.0 && d <= 18446744073709551616.0))
            return json_fail(r, at, "%g is out of range", d);
        n = (__int128)d;
        if ((double)n != d)
            return json_fail(r, at, "must be a whole number, not %g", d);
        if (d == 18446744073709551616.0)
            n = UINT64_MAX;
    } else {
        return json_type_error(r, at, "a number");
    }
    if (n < min || (n > 0 && n > (__int128)max))
        return json_fail(r, at, "is out of range: it must be from %lld to %llu", (long long)min,
                         (unsigned long long)max);
    *out = n;
    return 0;
}

int json_get_u32(struct json_reader *r, struct json_at at, u32 *out)
{
    __int128 n;
    int ret;

    if (!at.v)
        return 0;
    ret = json_whole(r, at, 0, UINT32_MAX, &n);
    if (ret == 0)
        *out = (u32)n;
    return ret;
}

int json_get_u64(struct json_reader *r, struct json_at at, bool required, u64 *out)
{
    __int128 n;
    int ret;

    if (!at.v && !required)
        return 0;
    ret = json_whole(r, at, -1, UINT64_MAX, &n);
    if (ret == 0)
        *out = (u64)n;
    return ret;
}

int json_get_strings(struct json_reader *r, struct json_at at, bool required, const char ***out,
                     size_t *count)
{
    size_t n;
    const char **list;
    int ret = json_need_array(r, at, required, 1u << 16, &n);

    if (ret < 0)
        return ret;
    list = pool_calloc(r->pool, n + 1, sizeof(*list));
    for (size_t i = 0; i < n; i++) {
        ret = json_get_string(r, json_item(r, at, i), true, &list[i]);
        if (ret < 0)
            return ret;
    }
    *out = list;
    *count = n;
    return 0;
}
