/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part of Criterion that our unit tests use, for TSan builds only: Criterion puts its own arena
 * where TSan has its shadow. Every test runs in a forked child; the sum is printed as Criterion does.
 */
#ifndef TESTS_TSAN_CRITERION_H
#define TESTS_TSAN_CRITERION_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct mini_test {
    const char *suite, *name;
    void (*fn)(void);
    void (*init)(void);
    void (*fini)(void);
    double timeout;
    int signal, exit_code;
    bool disabled;
    struct mini_test *next;
};

static struct mini_test *g_mini_tests, **g_mini_last = &g_mini_tests;
static struct mini_test *g_mini_suites; /* defaults of a suite */

#define TestSuite(suite_, ...)                                                                     \
    static struct mini_test mini_suite_##suite_ = {.suite = #suite_, __VA_ARGS__};                 \
    __attribute__((constructor)) static void mini_reg_suite_##suite_(void)                         \
    {                                                                                              \
        mini_suite_##suite_.next = g_mini_suites;                                                  \
        g_mini_suites = &mini_suite_##suite_;                                                      \
    }                                                                                              \
    struct mini_test

#define Test(suite_, name_, ...)                                                                   \
    static void mini_##suite_##_##name_(void);                                                     \
    static struct mini_test mini_test_##suite_##_##name_ = {                                       \
        .suite = #suite_, .name = #name_, .fn = mini_##suite_##_##name_, __VA_ARGS__};             \
    __attribute__((constructor)) static void mini_reg_##suite_##_##name_(void)                     \
    {                                                                                              \
        *g_mini_last = &mini_test_##suite_##_##name_;                                              \
        g_mini_last = &mini_test_##suite_##_##name_.next;                                          \
    }                                                                                              \
    static void mini_##suite_##_##name_(void)

__attribute__((format(printf, 4, 5))) static inline void
mini_check(bool ok, const char *where, const char *what, const char *fmt, ...)
{
    va_list ap;

    if (ok)
        return;
    fprintf(stderr, "%s: %s: ", where, what);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    fflush(NULL);
    _exit(99);
}

#define MINI_STR_(x) #x
#define MINI_STR(x) MINI_STR_(x)
#define mini_assert(ok, what, ...)                                                                 \
    mini_check((ok), __FILE__ ":" MINI_STR(__LINE__), what, " " __VA_ARGS__)

#define cr_assert(c, ...) mini_assert(c, #c, __VA_ARGS__)
#define cr_assert_not(c, ...) mini_assert(!(c), "not " #c, __VA_ARGS__)
#define cr_assert_null(p, ...) mini_assert((p) == NULL, #p " == NULL", __VA_ARGS__)
#define cr_assert_not_null(p, ...) mini_assert((p) != NULL, #p " != NULL", __VA_ARGS__)
#define cr_assert_eq(a, b, ...) mini_assert((a) == (b), #a " == " #b, __VA_ARGS__)
#define cr_assert_neq(a, b, ...) mini_assert((a) != (b), #a " != " #b, __VA_ARGS__)
#define cr_assert_lt(a, b, ...) mini_assert((a) < (b), #a " < " #b, __VA_ARGS__)
#define cr_assert_leq(a, b, ...) mini_assert((a) <= (b), #a " <= " #b, __VA_ARGS__)
#define cr_assert_gt(a, b, ...) mini_assert((a) > (b), #a " > " #b, __VA_ARGS__)
#define cr_assert_geq(a, b, ...) mini_assert((a) >= (b), #a " >= " #b, __VA_ARGS__)
#define cr_assert_str_eq(a, b, ...) mini_assert(strcmp(a, b) == 0, #a " == " #b, __VA_ARGS__)
#define cr_assert_str_neq(a, b, ...) mini_assert(strcmp(a, b) != 0, #a " != " #b, __VA_ARGS__)
#define cr_assert_arr_eq(a, b, n, ...) mini_assert(memcmp(a, b, n) == 0, #a " == " #b, __VA_ARGS__)
#define cr_assert_fail(...) mini_assert(false, "failed", __VA_ARGS__)
#define cr_expect cr_assert
#define cr_expect_eq cr_assert_eq
#define cr_expect_neq cr_assert_neq
#define cr_expect_lt cr_assert_lt
#define cr_expect_leq cr_assert_leq
#define cr_expect_gt cr_assert_gt
#define cr_expect_geq cr_assert_geq
#define cr_expect_str_eq cr_assert_str_eq
#define cr_expect_null cr_assert_null
#define cr_expect_not_null cr_assert_not_null
#define cr_log_info(...) ((void)0)
#define MINI_SKIPPED 98
#define cr_skip_test(...) _exit(MINI_SKIPPED)

static void mini_defaults(struct mini_test *t)
{
    for (struct mini_test *s = g_mini_suites; s; s = s->next) {
        if (strcmp(s->suite, t->suite) != 0)
            continue;
        t->init = t->init ? t->init : s->init;
        t->fini = t->fini ? t->fini : s->fini;
        t->timeout = t->timeout > 0 ? t->timeout : s->timeout;
        t->disabled |= s->disabled;
    }
}

int main(void)
{
    int tested = 0, passing = 0, status;

    for (struct mini_test *t = g_mini_tests; t; t = t->next) {
        pid_t pid;

        mini_defaults(t);
        if (t->disabled)
            continue;
        tested++;
        fflush(NULL);
        pid = fork();
        if (pid == 0) {
            if (t->timeout > 0)
                alarm((unsigned int)t->timeout * 20 + 1); /* TSan is slow */
            if (t->init)
                t->init();
            t->fn();
            if (t->fini)
                t->fini();
            exit(0); /* TSan makes it 66 when it has reported something */
        }
        waitpid(pid, &status, 0);
        if (WIFEXITED(status) && WEXITSTATUS(status) == MINI_SKIPPED) {
            fprintf(stderr, "[SKIP] %s::%s\n", t->suite, t->name);
            tested--;
        } else if (t->signal ? WIFSIGNALED(status) && WTERMSIG(status) == t->signal
                             : WIFEXITED(status) && WEXITSTATUS(status) == t->exit_code)
            passing++;
        else
            fprintf(stderr, "[FAIL] %s::%s: status 0x%x\n", t->suite, t->name, (unsigned)status);
    }
    fprintf(stderr, "Synthesis: Tested: %d | Passing: %d | Failing: %d | Crashing: 0\n", tested,
            passing, tested - passing);
    return passing != tested;
}

#endif
