/* SPDX-License-Identifier: Apache-2.0 */
/* The interval tree: a red-black tree with parent pointers; NULL children are black. */
#include "cvisor/rangetree.h"

#include <errno.h>

enum { RED, BLACK };

static bool is_red(const struct range_node *n)
{
    return n && n->color == RED;
}

/* Puts new where old hangs. new may be NULL. */
static void replace_child(struct rangetree *t, struct range_node *parent, struct range_node *old,
                          struct range_node *new)
{
    if (!parent)
        t->root = new;
    else if (parent->left == old)
        parent->left = new;
    else
        parent->right = new;
}

static void rotate_left(struct rangetree *t, struct range_node *x)
{
    struct range_node *y = x->right;

    x->right = y->left;
    if (y->left)
        y->left->parent = x;
    y->parent = x->parent;
    replace_child(t, x->parent, x, y);
    y->left = x;
    x->parent = y;
}

static void rotate_right(struct rangetree *t, struct range_node *x)
{
    struct range_node *y = x->left;

    x->left = y->right;
    if (y->right)
        y->right->parent = x;
    y->parent = x->parent;
    replace_child(t, x->parent, x, y);
    y->right = x;
    x->parent = y;
}

static void fix_insert(struct rangetree *t, struct range_node *n)
{
    struct range_node *parent, *grand, *uncle;

    while ((parent = n->parent) && parent->color == RED) {
        grand = parent->parent; /* exists: the root is black */
        uncle = grand->left == parent ? grand->right : grand->left;
        if (is_red(uncle)) {
            parent->color = uncle->color = BLACK;
            grand->color = RED;
            n = grand;
            continue;
        }
        if (parent == grand->left) {
            if (n == parent->right) {
                rotate_left(t, parent);
                parent = n;
            }
            rotate_right(t, grand);
        } else {
            if (n == parent->left) {
                rotate_right(t, parent);
                parent = n;
            }
            rotate_left(t, grand);
        }
        parent->color = BLACK;
        grand->color = RED;
        break;
    }
    t->root->color = BLACK;
}

static void link_node(struct rangetree *t, struct range_node *n, struct range_node *parent,
                      struct range_node **link)
{
    n->parent = parent;
    n->left = n->right = NULL;
    n->color = RED;
    *link = n;
    t->count++;
    fix_insert(t, n);
}

int rangetree_insert(struct rangetree *t, struct range_node *n)
{
    struct range_node **link = &t->root, *parent = NULL;
    struct range_node *before = NULL, *after = NULL;

    BUG_ON(n->start >= n->end);
    while (*link) {
        parent = *link;
        if (n->start < parent->start) {
            after = parent;
            link = &parent->left;
        } else {
            before = parent;
            link = &parent->right;
        }
    }
    if ((before && before->end > n->start) || (after && after->start < n->end))
        return -EEXIST;
    link_node(t, n, parent, link);
    return 0;
}

void rangetree_insert_multi(struct rangetree *t, struct range_node *n)
{
    struct range_node **link = &t->root, *parent = NULL;

    while (*link) {
        parent = *link;
        link = n->start < parent->start ? &parent->left : &parent->right;
    }
    link_node(t, n, parent, link);
}

/* The path through `parent`'s child x (perhaps NULL) lacks one black node. */
static void fix_remove(struct rangetree *t, struct range_node *x, struct range_node *parent)
{
    struct range_node *s;

    while (parent && !is_red(x)) {
        bool left = parent->left == x;

        s = left ? parent->right : parent->left; /* exists: its path has one black more */
        if (s->color == RED) {
            s->color = BLACK;
            parent->color = RED;
            left ? rotate_left(t, parent) : rotate_right(t, parent);
            s = left ? parent->right : parent->left;
        }
        if (!is_red(s->left) && !is_red(s->right)) {
            s->color = RED;
            x = parent;
            parent = x->parent;
            continue;
        }
        if (left) {
            if (!is_red(s->right)) {
                s->left->color = BLACK;
                s->color = RED;
                rotate_right(t, s);
                s = parent->right;
            }
            s->right->color = BLACK;
        } else {
            if (!is_red(s->left)) {
                s->right->color = BLACK;
                s->color = RED;
                rotate_left(t, s);
                s = parent->left;
            }
            s->left->color = BLACK;
        }
        s->color = parent->color;
        parent->color = BLACK;
        left ? rotate_left(t, parent) : rotate_right(t, parent);
        x = t->root;
        break;
    }
    if (x)
        x->color = BLACK;
}

void rangetree_remove(struct rangetree *t, struct range_node *n)
{
    struct range_node *x, *parent, *y;
    int color;

    if (!n->left || !n->right) {
        x = n->left ? n->left : n->right;
        parent = n->parent;
        color = n->color;
        if (x)
            x->parent = parent;
        replace_child(t, parent, n, x);
    } else {
        /* y, the successor, has no left child; it takes the place and colour of n. */
        for (y = n->right; y->left; y = y->left)
            ;
        color = y->color;
        x = y->right;
        if (y->parent == n) {
            parent = y;
        } else {
            parent = y->parent;
            parent->left = x;
            if (x)
                x->parent = parent;
            y->right = n->right;
            y->right->parent = y;
        }
        y->left = n->left;
        y->left->parent = y;
        y->parent = n->parent;
        y->color = n->color;
        replace_child(t, n->parent, n, y);
    }
    n->parent = n->left = n->right = NULL;
    t->count--;
    if (color == BLACK)
        fix_remove(t, x, parent);
}

struct range_node *rangetree_find(const struct rangetree *t, u64 key)
{
    struct range_node *n = t->root;

    while (n) {
        if (key < n->start)
            n = n->left;
        else if (key >= n->end)
            n = n->right;
        else
            return n;
    }
    return NULL;
}

struct range_node *rangetree_lower(const struct rangetree *t, u64 key)
{
    struct range_node *n = t->root, *found = NULL;

    while (n) {
        if (n->end > key) {
            found = n;
            n = n->left;
        } else {
            n = n->right;
        }
    }
    return found;
}

struct range_node *rangetree_floor(const struct rangetree *t, u64 key)
{
    struct range_node *n = t->root, *found = NULL;

    while (n) {
        if (n->start <= key) {
            found = n;
            n = n->right;
        } else {
            n = n->left;
        }
    }
    return found;
}

bool rangetree_overlaps(const struct rangetree *t, u64 start, u64 end)
{
    const struct range_node *n = rangetree_lower(t, start);

    return n && n->start < end && start < end;
}

struct range_node *rangetree_first(const struct rangetree *t)
{
    struct range_node *n = t->root;

    while (n && n->left)
        n = n->left;
    return n;
}

struct range_node *rangetree_last(const struct rangetree *t)
{
    struct range_node *n = t->root;

    while (n && n->right)
        n = n->right;
    return n;
}

struct range_node *rangetree_next(const struct range_node *n)
{
    const struct range_node *child;

    if (n->right) {
        for (n = n->right; n->left; n = n->left)
            ;
        return (struct range_node *)n;
    }
    do {
        child = n;
        n = n->parent;
    } while (n && n->right == child);
    return (struct range_node *)n;
}

struct range_node *rangetree_prev(const struct range_node *n)
{
    const struct range_node *child;

    if (n->left) {
        for (n = n->left; n->right; n = n->right)
            ;
        return (struct range_node *)n;
    }
    do {
        child = n;
        n = n->parent;
    } while (n && n->left == child);
    return (struct range_node *)n;
}
