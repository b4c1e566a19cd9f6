/* SPDX-License-Identifier: Apache-2.0 */
/* Log lines: form, escaping, levels, rate limit. */
#include "cvisor/log.h"
#include "platform/base/log_json.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <jansson.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static char g_out[1 << 20];

static int start(enum log_format format, enum log_level level)
{
    int fd = memfd_create("log", 0);

    log_init(fd, format, level, "test");
    return fd;
}

static size_t finish(int fd)
{
    ssize_t n = pread(fd, g_out, sizeof(g_out) - 1, 0);

    g_out[n] = 0;
    close(fd);
    return (size_t)n;
}

static int lines(void)
{
    int n = 0;

    for (char *p = g_out; (p = strchr(p, '\n')); p++)
        n++;
    return n;
}

Test(log, text_line)
{
    int fd = start(LOG_TEXT, LOG_INFO), month, day, h, m, s, us, end = 0;

    errno = EXDEV;
    log_info("hello %d", 5);
    cr_assert_eq(errno, EXDEV);
    finish(fd);
    cr_assert_eq(sscanf(g_out, "I%2d%2d %2d:%2d:%2d.%6d %n", &month, &day, &h, &m, &s, &us, &end),
                 6, "%s", g_out);
    cr_assert(month >= 1 && month <= 12 && day >= 1 && day <= 31);
    cr_assert_eq(strncmp(g_out + end, "test log.c:", 11), 0, "%s", g_out);
    cr_assert(strstr(g_out, "] hello 5\n"));
}

Test(log, levels)
{
    int fd = start(LOG_TEXT, LOG_WARNING);

    log_error("one");
    log_warn("two");
    log_info("three");
    log_debug("four");
    finish(fd);
    cr_assert_eq(lines(), 2);
    cr_assert(g_out[0] == 'E' && strstr(g_out, "\nW"));
}

Test(log, a_guest_string_cannot_forge_a_line)
{
    int fd = start(LOG_TEXT, LOG_INFO);

    log_info("name %s", "a\nE0101 00:00:00 fake] \x1b[31mred\r");
    finish(fd);
    cr_assert_eq(lines(), 1);
    cr_assert(strstr(g_out, "a\\nE0101") && strstr(g_out, "\\x1b[31m") && !strchr(g_out, 27));
}

Test(log, long_lines_are_cut)
{
    static char big[20000];
    size_t n;
    int fd;

    memset(big, '\n', sizeof(big) - 1); /* each becomes two characters */
    for (int json = 0; json < 2; json++) {
        fd = start(json ? LOG_JSON : LOG_TEXT, LOG_INFO);
        log_raw(LOG_INFO, "%s", big);
        n = finish(fd);
        cr_assert(n <= LOG_LINE_MAX && n > LOG_LINE_MAX - 64, "%zu", n);
        cr_assert_eq(lines(), 1);
        cr_assert_eq(g_out[n - 1], '\n');
    }
}

Test(log, json)
{
    static const char hostile[] =
        "q\" b\\ n\n t\t \x01 \xff \xc3\xa9 \xed\xa0\x80 \xf0\x9f\x98\x80 \xe2\x82";
    int fd = start(LOG_JSON, LOG_INFO);
    json_t *j;
    json_error_t err;

    log_info("%s", hostile);
    finish(fd);
    cr_assert_eq(lines(), 1);
    j = json_loads(g_out, 0, &err);
    cr_assert_not_null(j, "%s: %s", err.text, g_out);
    cr_assert_str_eq(json_string_value(json_object_get(j, "level")), "info");
    cr_assert_str_eq(json_string_value(json_object_get(j, "who")), "test");
    cr_assert_str_eq(
        json_string_value(json_object_get(j, "msg")),
        "q\" b\\ n\n t\t \x01 \xef\xbf\xbd \xc3\xa9 \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd "
        "\xf0\x9f\x98\x80 \xef\xbf\xbd\xef\xbf\xbd");
    json_decref(j);
}

Test(log, json_escape_never_cuts_a_character)
{
    char out[16];

    for (size_t room = 0; room < 12; room++) {
        size_t n = log_json_escape(out, room, "\xf0\x9f\x98\x80\n\xc3\xa9");

        cr_assert(n <= room);
        cr_assert(n == 0 || n == 4 || n == 6 || n == 8, "room %zu: %zu", room, n);
    }
}

static void one_site(int i)
{
    log_info("line %d", i);
}

Test(log, rate_limit)
{
    int fd = start(LOG_TEXT, LOG_INFO), n;

    for (int i = 0; i < 1000; i++)
        one_site(i);
    usleep(1100000);
    one_site(1000);
    finish(fd);
    n = lines();
    /* One second's burst, or two if the second turned meanwhile, and the late line. */
    cr_assert(n >= 51 && n <= 101, "%d lines", n);
    cr_assert(strstr(g_out, "line 0\n") && strstr(g_out, "line 1000 ["));
    cr_assert(strstr(g_out, "similar lines dropped]\n"));
}

Test(log, raw_is_not_limited)
{
    int fd = start(LOG_TEXT, LOG_WARNING);

    for (int i = 0; i < 500; i++)
        log_raw(LOG_INFO, "strace %d", i);
    finish(fd);
    cr_assert_eq(lines(), 500);
}
