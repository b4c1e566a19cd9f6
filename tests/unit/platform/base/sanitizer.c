/* SPDX-License-Identifier: Apache-2.0 */
/* Canaries: in a sanitizer build the sanitizer must see these mistakes, else its green means nothing. */
#include "cvisor/kcache.h"
#include "tests/unit/death.h"

#include <criterion/criterion.h>
#include <pthread.h>

struct canary {
    char data[24];
};

KCACHE(canary);

Test(sanitizer, the_build_is_known)
{
    kcache_free(canary, kcache_alloc(canary));
}

#if defined(CV_ASAN) || defined(CV_UBSAN) || defined(CV_TSAN)
static void reports(const char *name, void (*fn)(void), const char *text)
{
    static char out[65536];
    int status = death_run(fn, out, sizeof(out));

    cr_assert(status != 0, "%s went unseen", name);
    cr_assert(strstr(out, text), "%s: no \"%s\" in: %s", name, text, out);
}

#define assert_reports(fn, text) reports(#fn, fn, text)
#endif

#ifdef CV_ASAN
static volatile size_t g_at;

static void libc_overflow(void)
{
    volatile char *volatile p = malloc(10);

    g_at = 10;
    p[g_at] = 1;
}

static void kmalloc_overflow(void)
{
    volatile char *volatile p = kmalloc(20);

    g_at = 20;
    p[g_at] = 1;
}

static void large_overflow(void)
{
    volatile char *volatile p = kmalloc(100001);

    g_at = 100001;
    p[g_at] = 1;
}

static void typed_overflow(void)
{
    struct canary *volatile c = kcache_alloc(canary);

    g_at = sizeof(*c);
    ((volatile char *)c)[g_at] = 1;
}

static void typed_use_after_free(void)
{
    struct canary *volatile c = kcache_alloc(canary);

    kcache_free(canary, c);
    *(volatile char *)&c->data[20] = 1;
}

Test(sanitizer, asan_fires)
{
    assert_reports(libc_overflow, "heap-buffer-overflow");
    assert_reports(kmalloc_overflow, "use-after-poison");
    assert_reports(large_overflow, "use-after-poison");
    assert_reports(typed_overflow, "use-after-poison");
    assert_reports(typed_use_after_free, "use-after-poison");
}
#endif

#ifdef CV_UBSAN
static void signed_overflow(void)
{
    volatile int x = INT32_MAX;

    x = x + 1;
}

Test(sanitizer, ubsan_fires)
{
    assert_reports(signed_overflow, "signed integer overflow");
}
#endif

#ifdef CV_TSAN
static int g_racy;

static void *race(void *arg)
{
    for (int i = 0; i < 10000; i++)
        g_racy++;
    return NULL;
}

static void data_race(void)
{
    pthread_t t;

    pthread_create(&t, NULL, race, NULL);
    race(NULL);
    pthread_join(t, NULL);
    exit(0); /* TSan's exit status */
}

Test(sanitizer, tsan_fires)
{
    assert_reports(data_race, "data race");
}
#endif
