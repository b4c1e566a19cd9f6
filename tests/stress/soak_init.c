/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first process of the sandbox that soak.sh keeps for a long time. It is told on standard input,
 * line by line, what to do, and ends with it:
 *   run PROGRAM ARG...   run it, reap what it left, print "done STATUS"
 *   census               print "object TYPE COUNT" for the kernel's objects (debug builds), "done 0"
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* See sentry/kernel/selftest.h. */
#define SELFTEST_PRCTL 0x43560000
#define SELFTEST_CENSUS 5

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    remove(path);
    return 0;
}

/* Files that a program left are memory, and no leak. */
static void clean(void)
{
    DIR *d = opendir("/tmp");
    struct dirent *e;
    char path[300];

    while (d && (e = readdir(d))) {
        if (strncmp(e->d_name, "stress", 6) != 0)
            continue;
        snprintf(path, sizeof(path), "/tmp/%s", e->d_name);
        nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
    }
    if (d)
        closedir(d);
}

static int run(char *line)
{
    char *args[16], *word, *rest = line;
    int n = 0, status = -1;
    pid_t pid, r;

    while (n < 15 && (word = strtok_r(NULL, " ", &rest)))
        args[n++] = word;
    args[n] = NULL;
    pid = n ? fork() : -1;
    if (pid == 0) {
        execv(args[0], args);
        _exit(127);
    }
    if (pid < 0)
        return -1;
    while ((r = waitpid(pid, &status, 0)) != pid && r > 0)
        ;
    kill(-1, SIGKILL);
    while (waitpid(-1, NULL, __WALL) > 0)
        ;
    clean();
    return status;
}

static int census(void)
{
    static char text[16385];
    long n = prctl(SELFTEST_PRCTL, SELFTEST_CENSUS, text, sizeof(text) - 1, 0);

    if (n < 0)
        return 0;
    text[n] = 0;
    for (char *p = strtok(text, "\n"); p; p = strtok(NULL, "\n"))
        printf("object %s\n", p);
    return 0;
}

int main(void)
{
    char line[1000];
    FILE *orders = fdopen(fcntl(0, F_DUPFD_CLOEXEC, 100), "r");

    /* The programs read descriptor 0 of any process. */
    if (!orders || dup2(open("/dev/null", O_RDONLY | O_CLOEXEC), 0) != 0)
        return 1;
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("ready\n");
    while (fgets(line, sizeof(line), orders)) {
        int status = -1;

        line[strcspn(line, "\n")] = 0;
        if (strncmp(line, "run ", 4) == 0)
            status = run(line + 4);
        else if (strcmp(line, "census") == 0)
            status = census();
        printf("done %d\n", status);
    }
    return 0;
}
