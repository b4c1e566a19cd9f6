/* SPDX-License-Identifier: Apache-2.0 */
/* The pipe itself: pipe.c has its data side, pipe_file.c the files and their life. */
#ifndef SENTRY_FS_PIPE_PIPE_INTERNAL_H
#define SENTRY_FS_PIPE_PIPE_INTERNAL_H

#include "cvisor/list.h"
#include "cvisor/refs.h"
#include "sentry/fs/pipe/pipe.h"
#include "sentry/kernel/waitq.h"

struct iov_iter;

/* One page of data. */
struct pipe_buf {
    struct list_head node;
    u32 off, len; /* unread bytes */
    bool packet;  /* O_DIRECT: read as one, not merged with */
    u8 data[PAGE_SIZE];
};

struct pipe {
    struct ref refs;       /* open files; g_pipe_lock around the last put of a FIFO's */
    struct mutex lock;     /* rank PIPE; guards the rest */
    struct list_head bufs; /* struct pipe_buf, the oldest first */
    u32 nbufs, max_bufs;   /* in bufs; capacity in pages */
    struct pipe_buf *spare[2];
    u32 readers, writers;
    u32 r_opens, w_opens; /* ever: FIFO opens wait for a change */
    struct waitq waitq;
};

#define PIPE_PEEK 1u   /* bytes stay */
#define PIPE_PACKET 2u /* one write, one buffer */

struct pipe *pipe_alloc(void);
void pipe_free(struct pipe *p);
ssize_t pipe_read(struct pipe *p, struct iov_iter *to, bool nonblock, u32 how);
ssize_t pipe_write(struct pipe *p, struct iov_iter *from, bool nonblock, u32 how);
/* lock held. */
u64 pipe_bytes(const struct pipe *p);
static inline bool pipe_full(const struct pipe *p)
{
    return p->nbufs >= p->max_bufs;
}

#endif
