/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's side of sentry/kernel/selftest.h.
 *   selftest make N            one mistake; prints "answered: RESULT" if the sentry lives on
 *   selftest race N            two processes make it again and again at the same time
 *   selftest grow N CMD...     runs CMD a few times, then N times more, and prints the types of kernel
 *                              objects of which there are at least N more afterwards
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SELFTEST_PRCTL 0x43560000
#define SELFTEST_CENSUS 5

struct census {
    char text[16385];
    long n;
};

static void census_take(struct census *c)
{
    /* The end of a process is seen a moment before its last objects go. */
    nanosleep(&(struct timespec){.tv_nsec = 300000000}, NULL);
    c->n = prctl(SELFTEST_PRCTL, SELFTEST_CENSUS, c->text, sizeof(c->text) - 1, 0);
    if (c->n < 0) {
        perror("census");
        exit(2);
    }
    c->text[c->n] = 0;
}

static long census_get(const struct census *c, const char *name)
{
    size_t n = strlen(name);

    for (const char *p = c->text; p && *p; p = strchr(p, '\n'), p = p ? p + 1 : p) {
        if (strncmp(p, name, n) == 0 && p[n] == ' ')
            return atol(p + n + 1);
    }
    return 0;
}

/* As the first process, this one also has the orphans of cmd to reap. */
static void run(int times, char **cmd)
{
    for (int i = 0; i < times; i++) {
        int status;
        pid_t pid = fork();

        if (pid == 0) {
            execvp(cmd[0], cmd);
            _exit(127);
        }
        while (wait(&status) != pid)
            ;
        if (WIFEXITED(status) && WEXITSTATUS(status) == 127) {
            fprintf(stderr, "cannot run %s\n", cmd[0]);
            exit(2);
        }
    }
    while (waitpid(-1, NULL, WNOHANG) > 0)
        ;
}

/* Names known not to exist stay cached up to a limit; free pieces of the memory file, some of which
 * still have their pages, do not join; stubs in store keep some of their threads. */
static int bounded(const char *type)
{
    return strcmp(type, "dentry") == 0 || strcmp(type, "mf_free") == 0 ||
           strcmp(type, "stub_thread") == 0;
}

static int grow(int times, char **cmd)
{
    static struct census before, after;
    int grown = 0;

    run(3, cmd);
    census_take(&before);
    run(times, cmd);
    census_take(&after);
    for (char *p = strtok(after.text, "\n"); p; p = strtok(NULL, "\n")) {
        char *space = strchr(p, ' ');
        long was, now;

        if (!space)
            continue;
        *space = 0;
        now = atol(space + 1);
        was = census_get(&before, p);
        if (now - was >= times && !bounded(p)) {
            printf("%s: %ld, then %ld after %d more\n", p, was, now, times);
            grown = 1;
        }
    }
    return grown;
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 3 && strcmp(argv[1], "make") == 0) {
        long r = prctl(SELFTEST_PRCTL, atol(argv[2]), 0, 0, 0);

        printf("answered: %ld\n", r < 0 ? -(long)errno : r);
        return 0;
    }
    if (argc == 3 && strcmp(argv[1], "race") == 0) {
        pid_t pid = fork();

        for (int i = 0; i < 2000; i++)
            prctl(SELFTEST_PRCTL, atol(argv[2]), 0, 0, 0);
        return pid == 0 ? 0 : waitpid(pid, NULL, 0) != pid;
    }
    if (argc > 3 && strcmp(argv[1], "grow") == 0)
        return grow(atoi(argv[2]), argv + 3);
    fprintf(stderr, "usage: selftest make N | race N | grow N CMD...\n");
    return 2;
}
