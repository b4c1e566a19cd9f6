/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a file to a program ready to run: scripts, ELF, the initial stack. The image is built in a new
 * address space beside the old one; the caller (execve, boot) switches when nothing can fail any
 * more.
 */
#ifndef SENTRY_LOADER_LOADER_H
#define SENTRY_LOADER_LOADER_H

#include "cvisor/types.h"

struct cred;
struct file;
struct mm;
struct task;

/* argv or envp as a kernel copy: count strings, NUL-terminated, one after the other in buf. */
struct exec_strings {
    char *buf; /* kmalloc'ed; NULL when empty */
    size_t size, cap;
    size_t count;
};

/* Guest vector of pointers, NULL = empty. -E2BIG beyond the limits of execve, -EFAULT, -ENOMEM. *out is
 * empty on error. */
int exec_strings_copy_in(struct task *t, uaddr_t vec, struct exec_strings *out);
/* From a NULL-terminated vector of the sentry's own. */
int exec_strings_from(const char *const *vec, struct exec_strings *out);
int exec_strings_add(struct exec_strings *s, const char *str);
/* Puts str before the others. */
int exec_strings_prepend(struct exec_strings *s, const char *str);
/* Drops the first string, if there is one. */
void exec_strings_drop_first(struct exec_strings *s);
void exec_strings_free(struct exec_strings *s);

struct loader_args {
    struct file *file; /* borrowed; when NULL: dirfd and path */
    int dirfd;
    const char *path; /* with file: the name for AT_EXECFN and comm */
    int flags;        /* LINUX_AT_EMPTY_PATH, LINUX_AT_SYMLINK_NOFOLLOW */
    const struct exec_strings *argv, *envp;
};

struct loader_result {
    struct mm *mm;     /* new, users = 1; mm->exe is set */
    struct cred *cred; /* for after the exec; referenced */
    bool secure;       /* set-id or file capabilities took effect: AT_SECURE */
    u64 entry, stack;  /* rip, rsp */
    char comm[16];
};

/* 0 or -errno (ENOENT, EACCES, ENOEXEC, ELOOP, E2BIG, ENOMEM, ETXTBSY, ...). t is the task that will
 * run the image: its limits, credentials and personality count. No locks held. */
int loader_exec(struct task *t, struct loader_args *args, struct loader_result *out);
/* Releases what is left in it (an exec that failed later; members taken over are NULL). */
void loader_result_free(struct loader_result *res);

#endif
