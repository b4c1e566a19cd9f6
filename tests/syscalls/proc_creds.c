/* SPDX-License-Identifier: Apache-2.0 */
/* User and group ids, supplementary groups, capabilities, set-id programs, no_new_privs. */
#include "harness.h"
#include <grp.h>
#include <linux/capability.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>

static int cap_get(struct __user_cap_data_struct d[2])
{
    struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
    return (int)syscall(SYS_capget, &h, d);
}

static int cap_set(struct __user_cap_data_struct d[2])
{
    struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
    return (int)syscall(SYS_capset, &h, d);
}

HELPER(euid_is)
{
    return geteuid() == (uid_t)atoi(argv[1]) && getuid() == (uid_t)atoi(argv[2]) ? 0 : 1;
}

HELPER(caps_empty)
{
    struct __user_cap_data_struct d[2];
    if (cap_get(d) != 0)
        return 2;
    return d[0].effective == 0 && d[0].permitted == 0 ? 0 : 1;
}

TEST(creds_ids_agree)
{
    uid_t r, e, s;
    gid_t gr, ge, gs;
    ASSERT_OK(getresuid(&r, &e, &s));
    ASSERT_OK(getresgid(&gr, &ge, &gs));
    EXPECT_EQ(r, getuid());
    EXPECT_EQ(e, geteuid());
    EXPECT_EQ(gr, getgid());
    EXPECT_EQ(ge, getegid());
    EXPECT_ERRNO(syscall(SYS_getresuid, (void *)8, &e, &s), EFAULT);
}

TEST(setuid_root_drops_all_three)
{
    uid_t r, e, s;
    NEED_ROOT();
    ASSERT_OK(syscall(SYS_setuid, 1000));
    getresuid(&r, &e, &s);
    EXPECT_EQ(r, 1000);
    EXPECT_EQ(e, 1000);
    EXPECT_EQ(s, 1000);
    EXPECT_ERRNO(setuid(0), EPERM);
    EXPECT_ERRNO(setuid(1001), EPERM);
    EXPECT_OK(setuid(1000));
}

TEST(setresuid_keeps_saved_id)
{
    uid_t r, e, s;
    NEED_ROOT();
    ASSERT_OK(setresuid(1000, 1001, 0));
    getresuid(&r, &e, &s);
    EXPECT_EQ(r, 1000);
    EXPECT_EQ(e, 1001);
    EXPECT_EQ(s, 0);
    EXPECT_ERRNO(setresuid((uid_t)-1, 1002, (uid_t)-1), EPERM);
    EXPECT_OK(setresuid((uid_t)-1, 0, (uid_t)-1));
    EXPECT_OK(setresuid(5, 6, 7));
}

TEST(setresuid_minus_one_is_no_change)
{
    uid_t r, e, s;
    EXPECT_OK(setresuid((uid_t)-1, (uid_t)-1, (uid_t)-1));
    getresuid(&r, &e, &s);
    EXPECT_EQ(r, getuid());
    EXPECT_EQ(e, geteuid());
}

TEST(seteuid_toggles)
{
    NEED_ROOT();
    ASSERT_OK(seteuid(1000));
    EXPECT_EQ(geteuid(), 1000);
    EXPECT_EQ(getuid(), 0);
    EXPECT_ERRNO(seteuid(1001), EPERM);
    EXPECT_OK(seteuid(0));
    EXPECT_EQ(geteuid(), 0);
}

TEST(setreuid_sets_saved)
{
    uid_t r, e, s;
    NEED_ROOT();
    ASSERT_OK(setreuid(1000, 1001));
    getresuid(&r, &e, &s);
    EXPECT_EQ(r, 1000);
    EXPECT_EQ(e, 1001);
    EXPECT_EQ(s, 1001);
    EXPECT_OK(setreuid(1001, 1000));
    EXPECT_ERRNO(setreuid(1002, (uid_t)-1), EPERM);
}

TEST(setgid_family)
{
    gid_t r, e, s;
    NEED_ROOT();
    ASSERT_OK(setresgid(10, 20, 30));
    getresgid(&r, &e, &s);
    EXPECT_EQ(r, 10);
    EXPECT_EQ(e, 20);
    EXPECT_EQ(s, 30);
    ASSERT_OK(setresuid(1000, 1000, 1000));
    EXPECT_OK(setgid(30));
    EXPECT_EQ(getegid(), 30);
    EXPECT_ERRNO(setgid(40), EPERM);
    EXPECT_ERRNO(setregid(40, 40), EPERM);
    EXPECT_ERRNO(setresgid(40, 40, 40), EPERM);
}

TEST(setuid_invalid_id)
{
    EXPECT_ERRNO(syscall(SYS_setuid, (uid_t)-1), EINVAL);
    EXPECT_ERRNO(syscall(SYS_setgid, (gid_t)-1), EINVAL);
}

TEST(setgroups_and_getgroups)
{
    gid_t in[3] = {300, 100, 200}, out[8];
    NEED_ROOT();
    ASSERT_OK(syscall(SYS_setgroups, 3, in));
    EXPECT_EQ(getgroups(0, NULL), 3);
    EXPECT_EQ(getgroups(8, out), 3);
    EXPECT_EQ(out[0] + out[1] + out[2], 600);
    EXPECT_ERRNO(getgroups(2, out), EINVAL);
    EXPECT_ERRNO(syscall(SYS_getgroups, -1, out), EINVAL);
    EXPECT_ERRNO(syscall(SYS_setgroups, 65537, in), EINVAL);
    EXPECT_ERRNO(syscall(SYS_setgroups, 3, (void *)8), EFAULT);
    ASSERT_OK(syscall(SYS_setgroups, 0, NULL));
    EXPECT_EQ(getgroups(0, NULL), 0);
    ASSERT_OK(setresuid(1000, 1000, 1000));
    EXPECT_ERRNO(syscall(SYS_setgroups, 3, in), EPERM);
}

TEST(setfsuid_returns_previous)
{
    NEED_ROOT();
    EXPECT_EQ(setfsuid(1000), 0);
    EXPECT_EQ(setfsuid(0), 1000);
    EXPECT_EQ(setfsgid((gid_t)-1), getegid());
}

TEST(credentials_are_inherited)
{
    NEED_ROOT();
    ASSERT_OK(setresuid(1000, 1001, 1002));
    pid_t pid = t_fork();
    if (pid == 0) {
        uid_t r, e, s;
        getresuid(&r, &e, &s);
        EXPECT(r == 1000 && e == 1001 && s == 1002);
        CHILD_EXIT();
    }
    EXPECT_EXIT(pid, 0);
}

TEST(capget_versions)
{
    struct __user_cap_header_struct h = {0x12345678, 0};
    struct __user_cap_data_struct d[2];
    EXPECT_ERRNO(syscall(SYS_capget, &h, d), EINVAL);
    EXPECT_EQ(h.version, _LINUX_CAPABILITY_VERSION_3);
    h.version = 0;
    EXPECT_OK(syscall(SYS_capget, &h, NULL));
    h.version = _LINUX_CAPABILITY_VERSION_3;
    EXPECT_OK(syscall(SYS_capget, &h, d));
    h.pid = 0x3ffffff;
    EXPECT_ERRNO(syscall(SYS_capget, &h, d), ESRCH);
    EXPECT_ERRNO(syscall(SYS_capget, (void *)8, d), EFAULT);
}

TEST(capabilities_lost_with_uid_zero)
{
    struct __user_cap_data_struct d[2];
    NEED_ROOT();
    ASSERT_OK(cap_get(d));
    EXPECT(d[0].effective & (1U << CAP_SETUID));
    ASSERT_OK(setresuid(1000, 1000, 1000));
    ASSERT_OK(cap_get(d));
    EXPECT_EQ(d[0].effective, 0);
    EXPECT_EQ(d[0].permitted, 0);
}

TEST(capabilities_effective_follows_euid)
{
    struct __user_cap_data_struct d[2];
    NEED_ROOT();
    ASSERT_OK(setresuid((uid_t)-1, 1000, (uid_t)-1));
    ASSERT_OK(cap_get(d));
    EXPECT_EQ(d[0].effective, 0);
    EXPECT(d[0].permitted != 0);
    ASSERT_OK(setresuid((uid_t)-1, 0, (uid_t)-1));
    ASSERT_OK(cap_get(d));
    EXPECT_EQ(d[0].effective, d[0].permitted);
}

TEST(capabilities_keepcaps)
{
    struct __user_cap_data_struct d[2];
    NEED_ROOT();
    ASSERT_OK(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0));
    EXPECT_EQ(prctl(PR_GET_KEEPCAPS, 0, 0, 0, 0), 1);
    ASSERT_OK(setresuid(1000, 1000, 1000));
    ASSERT_OK(cap_get(d));
    EXPECT_EQ(d[0].effective, 0);
    EXPECT(d[0].permitted & (1U << CAP_SETUID));
    d[0].effective = 1U << CAP_SETUID;
    d[1].effective = 0;
    ASSERT_OK(cap_set(d));
    EXPECT_OK(setresuid(2000, 2000, 2000));
}

TEST(capset_only_shrinks_permitted)
{
    struct __user_cap_data_struct d[2], e[2];
    NEED_ROOT();
    ASSERT_OK(cap_get(d));
    memcpy(e, d, sizeof(e));
    d[0].permitted &= ~(1U << CAP_KILL);
    d[0].effective = d[0].permitted;
    ASSERT_OK(cap_set(d));
    EXPECT_ERRNO(cap_set(e), EPERM);
    /* Effective must be within permitted. */
    d[0].effective |= 1U << CAP_KILL;
    EXPECT_ERRNO(cap_set(d), EPERM);
}

TEST(capset_dropped_capability_is_checked)
{
    struct __user_cap_data_struct d[2];
    NEED_ROOT();
    ASSERT_OK(cap_get(d));
    d[0].effective &= ~(1U << CAP_SETUID | 1U << CAP_CHOWN | 1U << CAP_DAC_OVERRIDE |
                        1U << CAP_DAC_READ_SEARCH);
    t_put_file("f", "x", 0644);
    ASSERT_OK(chown("f", 1000, 1000));
    ASSERT_OK(chmod("f", 0));
    ASSERT_OK(cap_set(d));
    EXPECT_ERRNO(setresuid(1, 2, 3), EPERM);
    EXPECT_ERRNO(chown("f", 0, 0), EPERM);
    EXPECT_ERRNO(open("f", O_RDONLY), EACCES);
}

TEST(capability_bounding_set)
{
    NEED_ROOT();
    EXPECT_EQ(prctl(PR_CAPBSET_READ, CAP_CHOWN), 1);
    ASSERT_OK(prctl(PR_CAPBSET_DROP, CAP_CHOWN));
    EXPECT_EQ(prctl(PR_CAPBSET_READ, CAP_CHOWN), 0);
    EXPECT_ERRNO(prctl(PR_CAPBSET_READ, 200), EINVAL);
    ASSERT_OK(setresuid(1000, 1000, 1000));
    EXPECT_ERRNO(prctl(PR_CAPBSET_DROP, CAP_KILL), EPERM);
}

TEST(exec_as_nobody_has_no_capabilities)
{
    NEED_ROOT();
    pid_t pid = t_fork();
    if (pid == 0) {
        int fd = open(t_self, O_RDONLY);
        char *args[] = {"p", "--helper", "caps_empty", NULL}, *env[] = {NULL};
        ASSERT_OK(fd);
        t_become_nobody();
        syscall(SYS_execveat, fd, "", args, env, AT_EMPTY_PATH);
        _exit(120);
    }
    int st = t_wait(pid);
    if (st == 120)
        SKIP("the program itself is not executable by nobody");
    EXPECT_EQ(st, 0);
}

static void copy_self(const char *to)
{
    char *buf = malloc(1 << 16);
    int in = open(t_self, O_RDONLY), out = open(to, O_CREAT | O_WRONLY | O_EXCL, 0755);
    ssize_t n;
    ASSERT_OK(in);
    ASSERT_OK(out);
    while ((n = read(in, buf, 1 << 16)) > 0)
        ASSERT_EQ(write(out, buf, (size_t)n), n);
    close(in);
    close(out);
    free(buf);
}

TEST(setuid_program)
{
    char *args[] = {"p", "--helper", "euid_is", "1000", "65534", NULL}, *env[] = {NULL};
    char *noargs[] = {"p", "--helper", "euid_is", "65534", "65534", NULL};
    NEED_ROOT();
    copy_self("suid");
    ASSERT_OK(chown("suid", 1000, 1000));
    ASSERT_OK(chmod("suid", 04755));
    ASSERT_OK(chmod(".", 0755));
    pid_t pid = t_fork();
    if (pid == 0) {
        t_become_nobody();
        execve("./suid", args, env);
        _exit(120);
    }
    int st = t_wait(pid);
    if (st == 1)
        SKIP("set-id bits have no effect here (nosuid)");
    EXPECT_EQ(st, 0);
    pid = t_fork();
    if (pid == 0) {
        t_become_nobody();
        ASSERT_OK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
        execve("./suid", noargs, env);
        _exit(120);
    }
    EXPECT_EXIT(pid, 0);
}

TEST(no_new_privs_is_sticky)
{
    EXPECT_EQ(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 0);
    EXPECT_ERRNO(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0), EINVAL);
    ASSERT_OK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    EXPECT_EQ(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
    pid_t pid = t_fork();
    if (pid == 0) {
        EXPECT_EQ(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
        CHILD_EXIT();
    }
    EXPECT_EXIT(pid, 0);
}

TEST(kill_permission)
{
    struct t_gate gate, ready;
    NEED_ROOT();
    t_gate_init(&gate);
    t_gate_init(&ready);
    pid_t victim = t_fork();
    if (victim == 0) {
        ASSERT_OK(setresuid(1000, 1000, 1000));
        t_gate_post(&ready);
        t_gate_wait(&gate);
        _exit(0);
    }
    t_gate_wait(&ready);
    pid_t pid = t_fork();
    if (pid == 0) {
        t_become_nobody();
        EXPECT_ERRNO(kill(victim, 0), EPERM);
        EXPECT_ERRNO(kill(victim, SIGTERM), EPERM);
        /* SIGCONT needs only the same session. */
        EXPECT_OK(kill(victim, SIGCONT));
        CHILD_EXIT();
    }
    EXPECT_EXIT(pid, 0);
    EXPECT_OK(kill(victim, 0));
    t_gate_post(&gate);
    EXPECT_EXIT(victim, 0);
}

static void *thread_setuid(void *arg)
{
    /* The raw system call changes one thread only. */
    syscall(SYS_setresuid, 1000, 1000, 1000);
    return arg;
}

TEST(raw_setuid_is_per_thread)
{
    pthread_t t;
    NEED_ROOT();
    ASSERT_EQ(pthread_create(&t, NULL, thread_setuid, NULL), 0);
    pthread_join(t, NULL);
    EXPECT_EQ(geteuid(), 0);
}
