/* SPDX-License-Identifier: Apache-2.0 */
/* A tree of folders with files, for the tests of requests with many answers. */
#ifndef TESTS_UNIT_GOFER_BATCH_TREE_H
#define TESTS_UNIT_GOFER_BATCH_TREE_H

#include "gofer_test.h"

#define DIRS 40
#define FILES 30

/* root/t/d00..d39/f00..f29 */
static inline void make_tree(struct raw *r)
{
    char path[300], name[32];

    snprintf(path, sizeof(path), "%s/t", r->root);
    cr_assert_eq(mkdir(path, 0755), 0);
    for (int i = 0; i < DIRS; i++) {
        snprintf(path, sizeof(path), "%s/t/d%02d", r->root, i);
        cr_assert_eq(mkdir(path, 0755), 0);
        for (int k = 0; k < FILES; k++) {
            snprintf(name, sizeof(name), "f%02d", k);
            raw_put_file(path, name, "text");
        }
    }
}

#endif
