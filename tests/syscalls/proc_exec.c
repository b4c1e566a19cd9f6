/* SPDX-License-Identifier: Apache-2.0 */
/* execve, execveat, scripts, argument limits and what survives an exec. */
#include "harness.h"
#include <elf.h>
#include <sys/auxv.h>
#include <sys/prctl.h>

extern char **environ;

HELPER(count_args)
{
    return argc - 1;
}

HELPER(check_env)
{
    return getenv("CV_X") && strcmp(getenv("CV_X"), "hello") == 0 && !getenv("HOME") ? 0 : 1;
}

/* Exit status 0 if the descriptor is closed, 1 if open. */
HELPER(fd_closed)
{
    return fcntl(atoi(argv[1]), F_GETFD) < 0 && errno == EBADF ? 0 : 1;
}

HELPER(sig_state)
{
    struct sigaction sa;
    sigset_t set, pend;
    int bad = 0;

    sigaction(SIGUSR1, NULL, &sa);
    bad |= sa.sa_handler != SIG_DFL;
    sigaction(SIGUSR2, NULL, &sa);
    bad |= (sa.sa_handler != SIG_IGN) << 1;
    sigprocmask(SIG_BLOCK, NULL, &set);
    bad |= !sigismember(&set, SIGTERM) << 2;
    sigpending(&pend);
    bad |= !sigismember(&pend, SIGTERM) << 3;
    return bad;
}

HELPER(same_pid)
{
    return getpid() == atoi(argv[1]) && syscall(SYS_gettid) == getpid() ? 0 : 1;
}

HELPER(comm)
{
    char name[17] = "";
    prctl(PR_GET_NAME, name);
    return strcmp(name, argv[1]) == 0 ? 0 : 1;
}

HELPER(alt_stack_gone)
{
    stack_t ss;
    sigaltstack(NULL, &ss);
    return ss.ss_flags == SS_DISABLE ? 0 : 1;
}

HELPER(auxv)
{
    int bad = 0;
    const char *fn = (const char *)getauxval(AT_EXECFN);
    bad |= getauxval(AT_PAGESZ) != 4096;
    bad |= (getauxval(AT_RANDOM) == 0) << 1;
    bad |= (getauxval(AT_PHDR) == 0) << 2;
    bad |= (getauxval(AT_UID) != getuid()) << 3;
    bad |= (!fn || strcmp(fn, argv[1]) != 0) << 4;
    bad |= (getauxval(AT_SECURE) != 0) << 5;
    return bad;
}

HELPER(alarm_left)
{
    return alarm(0) > 0 ? 0 : 1;
}

static pid_t spawn(const char *helper, const char *a1)
{
    pid_t pid = t_fork();
    if (pid == 0) {
        execl(t_self, "prog", "--helper", helper, a1, (char *)NULL);
        _exit(120);
    }
    return pid;
}

TEST(exec_basic)
{
    pid_t pid = t_fork();
    if (pid == 0) {
        execl("/bin/true", "true", (char *)NULL);
        _exit(1);
    }
    EXPECT_EXIT(pid, 0);
}

TEST(exec_keeps_pid)
{
    char num[16];
    pid_t pid = t_fork();
    if (pid == 0) {
        snprintf(num, sizeof(num), "%d", getpid());
        execl(t_self, "prog", "--helper", "same_pid", num, (char *)NULL);
        _exit(120);
    }
    EXPECT_EXIT(pid, 0);
}

static void *exec_thread(void *arg)
{
    char num[16];
    snprintf(num, sizeof(num), "%d", getpid());
    execl(t_self, "prog", "--helper", "same_pid", num, (char *)NULL);
    return arg;
}

static void *pause_thread(void *arg)
{
    for (;;)
        pause();
    return arg;
}

TEST(exec_from_thread_takes_leader_pid)
{
    pid_t pid = t_fork();
    if (pid == 0) {
        pthread_t t;
        pthread_create(&t, NULL, pause_thread, NULL);
        pthread_create(&t, NULL, pause_thread, NULL);
        pthread_create(&t, NULL, exec_thread, NULL);
        for (;;)
            pause();
    }
    EXPECT_EXIT(pid, 0);
}

TEST(exec_environment)
{
    char *env[] = {"CV_X=hello", NULL};
    char *args[] = {"prog", "--helper", "check_env", NULL};
    pid_t pid = t_fork();
    if (pid == 0) {
        execve(t_self, args, env);
        _exit(120);
    }
    EXPECT_EXIT(pid, 0);
}

TEST(exec_many_arguments)
{
    char *args[205];
    int n = 0;
    args[n++] = "prog";
    args[n++] = "--helper";
    args[n++] = "count_args";
    for (int i = 0; i < 200; i++)
        args[n++] = "x";
    args[n] = NULL;
    pid_t pid = t_fork();
    if (pid == 0) {
        execv(t_self, args);
        _exit(120);
    }
    EXPECT_EXIT(pid, 200);
}

TEST(exec_long_argument)
{
    char *big = malloc(100000);
    memset(big, 'a', 99999);
    big[99999] = 0;
    EXPECT_EXIT(spawn("count_args", big), 1);
}

TEST(exec_e2big)
{
    /* One string above 32 pages is too long, whatever the stack limit is. */
    size_t size = 33 * 4096;
    char *big = malloc(size + 1);
    memset(big, 'a', size);
    big[size] = 0;
    char *args[] = {"true", big, NULL};
    EXPECT_ERRNO(execve("/bin/true", args, environ), E2BIG);
}

TEST(exec_path_errors)
{
    char *args[] = {"x", NULL};
    char name[300];
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = 0;
    ASSERT_OK(mkdir("d", 0755));
    t_put_file("noexec", "#!/bin/sh\n", 0644);
    ASSERT_OK(symlink("loop", "loop"));
    EXPECT_ERRNO(execve("missing", args, environ), ENOENT);
    EXPECT_ERRNO(execve("", args, environ), ENOENT);
    EXPECT_ERRNO(execve("d", args, environ), EACCES);
    EXPECT_ERRNO(execve("noexec", args, environ), EACCES);
    EXPECT_ERRNO(execve("noexec/x", args, environ), ENOTDIR);
    EXPECT_ERRNO(execve("loop", args, environ), ELOOP);
    EXPECT_ERRNO(execve(name, args, environ), ENAMETOOLONG);
    EXPECT_ERRNO(syscall(SYS_execve, (char *)8, args, environ), EFAULT);
    EXPECT_ERRNO(syscall(SYS_execve, "/bin/true", (char **)8, environ), EFAULT);
}

TEST(exec_format_errors)
{
    char *args[] = {"x", NULL};
    t_put_file("text", "this is not a program\n", 0755);
    t_put_file("empty", "", 0755);
    t_put_file("short", "\177ELF", 0755);
    EXPECT_ERRNO(execve("./text", args, environ), ENOEXEC);
    EXPECT_ERRNO(execve("./empty", args, environ), ENOEXEC);
    EXPECT_ERRNO(execve("./short", args, environ), ENOEXEC);
}

TEST(exec_wrong_elf_machine)
{
    char *args[] = {"x", NULL};
    Elf64_Ehdr eh = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
                     .e_type = ET_EXEC,
                     .e_machine = EM_SPARC,
                     .e_phnum = 1,
                     .e_phentsize = sizeof(Elf64_Phdr)};
    int fd = open("bad", O_CREAT | O_WRONLY, 0755);
    ASSERT_EQ(write(fd, &eh, sizeof(eh)), (ssize_t)sizeof(eh));
    close(fd);
    EXPECT_ERRNO(execve("./bad", args, environ), ENOEXEC);
}

TEST(exec_text_busy)
{
    char *args[] = {"x", NULL};
    int fd;
    t_put_file("s", "#!/bin/sh\nexit 0\n", 0755);
    fd = open("s", O_WRONLY);
    ASSERT_OK(fd);
    EXPECT_ERRNO(execve("./s", args, environ), ETXTBSY);
    close(fd);
    pid_t pid = t_fork();
    if (pid == 0) {
        execve("./s", args, environ);
        _exit(120);
    }
    EXPECT_EXIT(pid, 0);
}

TEST(exec_script_arguments)
{
    char text[PATH_MAX + 32];
    snprintf(text, sizeof(text),
             "#!/bin/sh -e\ntest \"$0\" = ./s && test \"$1\" = one && test $# = 2 "
             "&& exit 7\nexit 1\n");
    t_put_file("s", text, 0755);
    pid_t pid = t_fork();
    if (pid == 0) {
        execl("./s", "ignored", "one", "two words", (char *)NULL);
        _exit(120);
    }
    EXPECT_EXIT(pid, 7);
}

TEST(exec_script_one_optional_argument)
{
    char text[PATH_MAX + 64];
    /* All after the interpreter is one argument: argv = prog "--helper count_args" ./s x. */
    ASSERT_OK(symlink(t_self, "prog"));
    snprintf(text, sizeof(text), "#! ./prog   --helper count_args  \n");
    t_put_file("s", text, 0755);
    pid_t pid = t_fork();
    if (pid == 0) {
        dup2(open("/dev/null", O_WRONLY), 1);
        execl("./s", "s", "--list", (char *)NULL);
        _exit(120);
    }
    /* The program sees three unknown case names, and says so. */
    EXPECT_EXIT(pid, 2);
}

TEST(exec_script_nested_and_loop)
{
    char *args[] = {"x", NULL};
    t_put_file("a", "#!/bin/sh\nexit 3\n", 0755);
    t_put_file("b", "#!./a\n", 0755);
    t_put_file("loop", "#!./loop\n", 0755);
    t_put_file("noint", "#!./missing\n", 0755);
    t_put_file("blank", "#!  \n", 0755);
    pid_t pid = t_fork();
    if (pid == 0) {
        execv("./b", args);
        _exit(120);
    }
    EXPECT_EXIT(pid, 3);
    EXPECT_ERRNO(execv("./loop", args), ELOOP);
    EXPECT_ERRNO(execv("./noint", args), ENOENT);
    EXPECT_ERRNO(execv("./blank", args), ENOEXEC);
}

TEST(exec_close_on_exec)
{
    char num[16];
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    ASSERT_OK(fd);
    snprintf(num, sizeof(num), "%d", fd);
    EXPECT_EXIT(spawn("fd_closed", num), 0);
    ASSERT_OK(fcntl(fd, F_SETFD, 0));
    EXPECT_EXIT(spawn("fd_closed", num), 1);
}

TEST(exec_unshares_shared_table)
{
    /* A vfork child with CLONE_FILES that execs closes its own copy of the CLOEXEC descriptor. */
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    long pid = syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
    ASSERT_OK(pid);
    if (pid == 0) {
        execl("/bin/true", "true", (char *)NULL);
        _exit(1);
    }
    EXPECT_EXIT((pid_t)pid, 0);
    EXPECT_OK(fcntl(fd, F_GETFD));
}

static void on_signal(int sig T_UNUSED)
{
}

TEST(exec_signal_state)
{
    t_handle(SIGUSR1, on_signal, 0);
    t_handle(SIGUSR2, SIG_IGN, 0);
    pid_t pid = t_fork();
    if (pid == 0) {
        t_block(SIGTERM);
        raise(SIGTERM);
        execl(t_self, "prog", "--helper", "sig_state", (char *)NULL);
        _exit(120);
    }
    EXPECT_EXIT(pid, 0);
}

TEST(exec_sets_comm)
{
    const char *base = strrchr(t_self, '/') + 1;
    char want[16];
    snprintf(want, sizeof(want), "%s", base);
    EXPECT_EXIT(spawn("comm", want), 0);
}

TEST(exec_drops_alt_stack)
{
    stack_t ss = {.ss_sp = malloc(65536), .ss_size = 65536};
    ASSERT_OK(sigaltstack(&ss, NULL));
    EXPECT_EXIT(spawn("alt_stack_gone", NULL), 0);
}

TEST(exec_keeps_alarm)
{
    pid_t pid = t_fork();
    if (pid == 0) {
        alarm(100);
        execl(t_self, "prog", "--helper", "alarm_left", (char *)NULL);
        _exit(120);
    }
    EXPECT_EXIT(pid, 0);
}

TEST(exec_auxv)
{
    EXPECT_EXIT(spawn("auxv", t_self), 0);
}

TEST(execveat_variants)
{
    char *args[] = {"sh", "-c", "exit 4", NULL};
    int fd = open("/bin/sh", O_PATH | O_CLOEXEC), dir = open("/bin", O_RDONLY | O_DIRECTORY);
    ASSERT_OK(fd);
    ASSERT_OK(dir);
    pid_t pid = t_fork();
    if (pid == 0) {
        syscall(SYS_execveat, fd, "", args, environ, AT_EMPTY_PATH);
        _exit(120);
    }
    EXPECT_EXIT(pid, 4);
    pid = t_fork();
    if (pid == 0) {
        syscall(SYS_execveat, dir, "sh", args, environ, 0);
        _exit(120);
    }
    EXPECT_EXIT(pid, 4);
    EXPECT_ERRNO(syscall(SYS_execveat, fd, "", args, environ, 0), ENOENT);
    EXPECT_ERRNO(syscall(SYS_execveat, 999, "sh", args, environ, 0), EBADF);
    EXPECT_ERRNO(syscall(SYS_execveat, dir, "sh", args, environ, 0x8000), EINVAL);
    ASSERT_OK(symlink("/bin/sh", "link"));
    EXPECT_ERRNO(syscall(SYS_execveat, AT_FDCWD, "link", args, environ, AT_SYMLINK_NOFOLLOW),
                 ELOOP);
}

TEST(exec_null_argv)
{
    /* Since 5.18 Linux passes one empty argument; before it passed none. Both run the program. */
    pid_t pid = t_fork();
    if (pid == 0) {
        syscall(SYS_execve, "/bin/true", NULL, NULL);
        _exit(120);
    }
    EXPECT_EXIT(pid, 0);
}

TEST(exec_shell_pipeline)
{
    char buf[64];
    pid_t pid = t_fork();
    if (pid == 0) {
        execl("/bin/sh", "sh", "-c",
              "(echo one; echo two) | while read x; do echo \"<$x>\"; done > out", (char *)NULL);
        _exit(120);
    }
    EXPECT_EXIT(pid, 0);
    ASSERT_OK(t_get_file("out", buf, sizeof(buf)));
    EXPECT_STR(buf, "<one>\n<two>\n");
}

TEST(posix_spawn_like_burst)
{
    for (int i = 0; i < 10; i++) {
        pid_t pid = vfork();
        if (pid == 0) {
            execl("/bin/true", "true", (char *)NULL);
            _exit(1);
        }
        EXPECT_EXIT(pid, 0);
    }
}
