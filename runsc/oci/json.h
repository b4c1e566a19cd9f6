/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Typed reading of JSON with messages that name the property: "process.args[1]: must be a string,
 * not a number". One reader for one document.
 */
#ifndef RUNSC_OCI_JSON_H
#define RUNSC_OCI_JSON_H

#include "cvisor/error.h"
#include "runsc/pool.h"

#include <jansson.h>

struct json_reader {
    struct pool *pool;
    struct error *e;
    const char **warnings; /* capacity: JSON_WARNINGS_MAX */
    size_t nwarnings;
};

#define JSON_WARNINGS_MAX 64

/* A value and where it stands. */
struct json_at {
    const json_t *v; /* NULL = absent (null counts as absent) */
    const char *path;
};

/* Property `key` of an object. */
struct json_at json_key(struct json_reader *r, struct json_at obj, const char *key);
/* Element i of an array. */
struct json_at json_item(struct json_reader *r, struct json_at array, size_t i);

/* 0, or -EINVAL with a message. Absent: 0 with *out unchanged, or an error when required. */
int json_need_object(struct json_reader *r, struct json_at at, bool required);
int json_need_array(struct json_reader *r, struct json_at at, bool required, size_t max,
                    size_t *count);
int json_get_string(struct json_reader *r, struct json_at at, bool required, const char **out);
int json_get_bool(struct json_reader *r, struct json_at at, bool *out);
int json_get_u32(struct json_reader *r, struct json_at at, u32 *out);
/* -1 reads as ~0, as limits are written. */
int json_get_u64(struct json_reader *r, struct json_at at, bool required, u64 *out);
/* NULL-terminated list of strings. */
int json_get_strings(struct json_reader *r, struct json_at at, bool required, const char ***out,
                     size_t *count);

/* -EINVAL with "PATH: message". */
int json_fail(struct json_reader *r, struct json_at at, const char *fmt, ...) __printf(3, 4);
void json_warn(struct json_reader *r, const char *fmt, ...) __printf(2, 3);

#endif
