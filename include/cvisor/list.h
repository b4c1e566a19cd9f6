/* SPDX-License-Identifier: Apache-2.0 */
/* Intrusive doubly linked circular lists. No locking: the owner of the head guards it. */
#ifndef CVISOR_LIST_H
#define CVISOR_LIST_H

#include "cvisor/compiler.h"

struct list_head {
    struct list_head *next, *prev;
};

#define LIST_HEAD_INIT(name)                                                                       \
    {                                                                                              \
        &(name), &(name)                                                                           \
    }

static inline void list_init(struct list_head *h)
{
    h->next = h->prev = h;
}

static inline bool list_empty(const struct list_head *h)
{
    return h->next == h;
}

static inline void list_insert_between_(struct list_head *n, struct list_head *prev,
                                        struct list_head *next)
{
    next->prev = n;
    n->next = next;
    n->prev = prev;
    prev->next = n;
}

/* Inserts n directly after h (first). */
static inline void list_add(struct list_head *n, struct list_head *h)
{
    list_insert_between_(n, h, h->next);
}

/* Inserts n directly before h (last). */
static inline void list_add_tail(struct list_head *n, struct list_head *h)
{
    list_insert_between_(n, h->prev, h);
}

/* Removes n and leaves it an empty list of its own, so a second removal is harmless. */
static inline void list_del(struct list_head *n)
{
    n->next->prev = n->prev;
    n->prev->next = n->next;
    list_init(n);
}

static inline void list_move_tail(struct list_head *n, struct list_head *h)
{
    list_del(n);
    list_add_tail(n, h);
}

/* Moves every element of from to the tail of to; from is empty after. */
static inline void list_splice_tail(struct list_head *from, struct list_head *to)
{
    if (list_empty(from))
        return;
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    list_init(from);
}

#define list_entry(ptr, type, member) container_of(ptr, type, member)
#define list_first_entry(h, type, member) list_entry((h)->next, type, member)
#define list_last_entry(h, type, member) list_entry((h)->prev, type, member)
#define list_for_each_entry(pos, h, member)                                                        \
    for (pos = list_entry((h)->next, __typeof__(*pos), member); &pos->member != (h);               \
         pos = list_entry(pos->member.next, __typeof__(*pos), member))
/* Safe against removal of pos. */
#define list_for_each_entry_safe(pos, n, h, member)                                                \
    for (pos = list_entry((h)->next, __typeof__(*pos), member),                                    \
        n = list_entry(pos->member.next, __typeof__(*pos), member);                                \
         &pos->member != (h); pos = n, n = list_entry(n->member.next, __typeof__(*n), member))

#endif
