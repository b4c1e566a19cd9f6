/* SPDX-License-Identifier: Apache-2.0 */
/* The registry of filesystem types: a line for each. */
#include "sentry/vfs/vfs.h"

#include <string.h>

extern const struct fs_type g_tmpfs_type;
extern const struct fs_type g_ramfs_type;
extern const struct fs_type g_devtmpfs_type;
extern const struct fs_type g_proc_type;
extern const struct fs_type g_sysfs_type;

const struct fs_type *const g_fs_types[] = {
    &g_tmpfs_type, &g_ramfs_type, &g_devtmpfs_type, &g_proc_type, &g_sysfs_type, NULL,
};

const struct fs_type *fs_type_find(const char *name)
{
    for (const struct fs_type *const *t = g_fs_types; *t; t++) {
        if (!strcmp((*t)->name, name))
            return *t;
    }
    return NULL;
}
