/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A flat form of runsc's configuration structs, for handing them to a process that it starts. One
 * function describes a struct for both directions: encoding appends the field, decoding fills it.
 * Arguments and environments are bytes, not UTF-8, so JSON could not carry them.
 */
#ifndef RUNSC_SANDBOX_WIRE_H
#define RUNSC_SANDBOX_WIRE_H

#include "runsc/pool.h"

#define WIRE_MAX (64u << 20) /* bytes of a message: arguments and environment fit */

struct wire {
    struct pool *pool; /* decoded strings and arrays live here */
    bool decoding;
    bool failed; /* decoding: truncated or out of bounds; every later field reads as zero */
    u8 *buf;     /* encoding: from malloc. Decoding: borrowed */
    size_t len, cap, pos;
};

void wire_encode_init(struct wire *w);
void wire_decode_init(struct wire *w, struct pool *pool, u8 *buf, size_t len);
void wire_free(struct wire *w); /* of an encoder */

void wire_bytes(struct wire *w, void *p, size_t n);
void wire_str(struct wire *w, const char **s); /* NULL stays NULL */
/* Count of an array that follows; decoding allocates it zeroed into *array. */
void wire_array(struct wire *w, size_t *count, void **array, size_t size);
/* NULL-terminated list. */
void wire_strs(struct wire *w, const char *const **list);

/* A field of a fixed-width type, bool or enum: by its bytes. Both sides are the same program. */
#define wire_field(w, f) wire_bytes(w, &(f), sizeof(f))

#endif
