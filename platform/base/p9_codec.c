/* SPDX-License-Identifier: Apache-2.0 */
/* 9P: encoders and decoders of every message, made from the list in cvisor/p9.h. */
#include "cvisor/p9.h"

#include <string.h>

#define PUT_u8(f) p9_put_u8(w, m->f)
#define PUT_u16(f) p9_put_u16(w, m->f)
#define PUT_u32(f) p9_put_u32(w, m->f)
#define PUT_opt_u32(f) p9_put_u32(w, m->f)
#define PUT_u64(f) p9_put_u64(w, m->f)
#define PUT_str(f) p9_put_str(w, &m->f)
#define PUT_data(f) p9_put_data(w, &m->f)
#define PUT_qid(f) p9_put_qid(w, &m->f)
#define PUT_attr(f) p9_put_attr(w, &m->f)
#define PUT_names(f) put_names(w, &m->f)
#define PUT_qids(f) put_qids(w, &m->f)
#define PUT_attrs(f) put_attrs(w, &m->f)
#define PUT_fids(f) put_fids(w, &m->f)

#define GET_u8(f) m->f = p9_get_u8(r)
#define GET_u16(f) m->f = p9_get_u16(r)
#define GET_u32(f) m->f = p9_get_u32(r)
#define GET_opt_u32(f) m->f = r->pos == r->len ? 0 : p9_get_u32(r)
#define GET_u64(f) m->f = p9_get_u64(r)
#define GET_str(f) p9_get_str(r, &m->f)
#define GET_data(f) p9_get_data(r, &m->f)
#define GET_qid(f) p9_get_qid(r, &m->f)
#define GET_attr(f) p9_get_attr(r, &m->f)
#define GET_names(f) get_names(r, &m->f)
#define GET_qids(f) get_qids(r, &m->f)
#define GET_attrs(f) get_attrs(r, &m->f)
#define GET_fids(f) get_fids(r, &m->f)

/* An array is count[2] and its elements; a count above the bound makes the whole message bad. */
#define ARRAY_CODEC_(kind, put_elem, get_elem)                                                     \
    static void put_##kind(struct p9_writer *w, const struct p9_##kind *a)                         \
    {                                                                                              \
        p9_put_u16(w, a->n);                                                                       \
        for (u16 i = 0; i < a->n && i < ARRAY_SIZE(a->v); i++)                                     \
            put_elem;                                                                              \
    }                                                                                              \
    static void get_##kind(struct p9_reader *r, struct p9_##kind *a)                               \
    {                                                                                              \
        u16 n = p9_get_u16(r);                                                                     \
        a->n = 0;                                                                                  \
        if (n > ARRAY_SIZE(a->v)) {                                                                \
            r->bad = true;                                                                         \
            return;                                                                                \
        }                                                                                          \
        for (u16 i = 0; i < n && !r->bad; i++)                                                     \
            get_elem;                                                                              \
        if (!r->bad)                                                                               \
            a->n = n;                                                                              \
    }

ARRAY_CODEC_(names, p9_put_str(w, &a->v[i]), p9_get_str(r, &a->v[i]))
ARRAY_CODEC_(qids, p9_put_qid(w, &a->v[i]), p9_get_qid(r, &a->v[i]))
ARRAY_CODEC_(attrs, p9_put_attr(w, &a->v[i]), p9_get_attr(r, &a->v[i]))
ARRAY_CODEC_(fids, p9_put_u32(w, a->v[i]), a->v[i] = p9_get_u32(r))

#define F(kind, field) PUT_##kind(field);
#define PUT_MESSAGE_(lname, UNAME, num, fields)                                                    \
    void p9_put_##lname(struct p9_writer *w, const struct p9_##lname *m)                           \
    {                                                                                              \
        (void)w;                                                                                   \
        (void)m;                                                                                   \
        fields                                                                                     \
    }
P9_MESSAGES(PUT_MESSAGE_)
#undef F

#define F(kind, field) GET_##kind(field);
#define GET_MESSAGE_(lname, UNAME, num, fields)                                                    \
    bool p9_get_##lname(struct p9_reader *r, struct p9_##lname *m)                                 \
    {                                                                                              \
        (void)m;                                                                                   \
        fields return !r->bad && r->pos == r->len;                                                 \
    }
P9_MESSAGES(GET_MESSAGE_)
#undef F

const char *p9_type_name(u8 type)
{
    switch (type) {
#define NAME_(lname, UNAME, num, fields)                                                           \
    case num:                                                                                      \
        return #lname;
        P9_MESSAGES(NAME_)
    default:
        return "?";
    }
}
