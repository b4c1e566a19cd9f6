/* SPDX-License-Identifier: Apache-2.0 */
/* Pipes and FIFOs. */
#ifndef SENTRY_FS_PIPE_PIPE_H
#define SENTRY_FS_PIPE_PIPE_H

#include "cvisor/types.h"

struct file;
struct inode;
struct pipe;

/* out[0] reads, out[1] writes. flags: LINUX_O_NONBLOCK, LINUX_O_DIRECT. */
int pipe_new(u32 flags, struct file *out[2]);
/* open() of a FIFO (or of a pipe through /proc): sets f up. Blocks until there is a peer. */
int pipe_fifo_open(struct inode *inode, struct file *f);

/* F_GETPIPE_SZ, F_SETPIPE_SZ: bytes, or -EBADF when f is no pipe, -EPERM, -EBUSY. */
int pipe_get_size(struct file *f);
int pipe_set_size(struct file *f, u32 bytes);

/*
 * For splice, tee, sendfile. The file keeps the pipe alive. Which end f is must be checked by the
 * caller (f->readable, f->writable). nonblock: -EAGAIN instead of waiting.
 */
struct pipe *pipe_from_file(struct file *f); /* NULL: no pipe */
/* Up to n bytes, waiting for the first: 0 = no writers are left. */
ssize_t pipe_read_kernel(struct pipe *p, void *buf, size_t n, bool nonblock);
/* The same, and the bytes stay (tee). */
ssize_t pipe_peek_kernel(struct pipe *p, void *buf, size_t n, bool nonblock);
/* Puts back what was read but could not be passed on: it is what is read next. */
int pipe_unread_kernel(struct pipe *p, const void *buf, size_t n);
/* All of n unless nonblock, a signal, or the last reader goes. -EPIPE comes with SIGPIPE. */
ssize_t pipe_write_kernel(struct pipe *p, const void *buf, size_t n, bool nonblock);
/* Waits for room: bytes that fit now, -EAGAIN, -EPIPE (with SIGPIPE), -ERESTARTSYS. */
ssize_t pipe_wait_room(struct pipe *p, bool nonblock);

#endif
