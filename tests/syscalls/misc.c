/* SPDX-License-Identifier: Apache-2.0 */
/* The rest: uname, getrandom, sysinfo, scheduling, membarrier, syscall conventions. */
#include "harness.h"
#include <linux/membarrier.h>
#include <sys/random.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

TEST(uname_fields)
{
    struct utsname u;
    ASSERT_OK(uname(&u));
    EXPECT_STR(u.sysname, "Linux");
    EXPECT_STR(u.machine, "x86_64");
    EXPECT(strlen(u.nodename) > 0);
    EXPECT(u.release[0] >= '3' && u.release[0] <= '9');
    EXPECT_ERRNO(syscall(SYS_uname, 8), EFAULT);
}

TEST(hostname_agrees_with_uname)
{
    struct utsname u;
    char name[65];
    ASSERT_OK(uname(&u));
    ASSERT_OK(gethostname(name, sizeof(name)));
    EXPECT_STR(name, u.nodename);
    if (geteuid() == 0)
        t_become_nobody();
    EXPECT_ERRNO(sethostname("x", 1), EPERM);
}

TEST(getrandom_works)
{
    unsigned char a[64] = {0}, b[64] = {0};
    EXPECT_EQ(getrandom(a, 64, 0), 64);
    EXPECT_EQ(getrandom(b, 64, GRND_NONBLOCK), 64);
    EXPECT(memcmp(a, b, 64) != 0);
    EXPECT_EQ(getrandom(a, 0, 0), 0);
    EXPECT_ERRNO(getrandom(a, 1, 0x100), EINVAL);
    EXPECT_ERRNO(getrandom(a, 1, GRND_RANDOM | GRND_INSECURE), EINVAL);
    EXPECT_ERRNO(syscall(SYS_getrandom, 8, 16, 0), EFAULT);
}

TEST(sysinfo_fields)
{
    struct sysinfo si;
    ASSERT_OK(sysinfo(&si));
    EXPECT(si.totalram > 0);
    EXPECT(si.freeram <= si.totalram);
    EXPECT(si.mem_unit > 0);
    EXPECT(si.uptime >= 0);
    EXPECT(si.procs > 0);
    EXPECT_ERRNO(syscall(SYS_sysinfo, 8), EFAULT);
}

TEST(getcpu_is_within_affinity)
{
    unsigned cpu = 9999, node = 9999;
    cpu_set_t set;
    CPU_ZERO(&set);
    ASSERT_OK(sched_getaffinity(0, sizeof(set), &set));
    EXPECT(CPU_COUNT(&set) >= 1);
    ASSERT_OK(syscall(SYS_getcpu, &cpu, &node, NULL));
    EXPECT(cpu < CPU_SETSIZE && CPU_ISSET(cpu, &set));
    int c = sched_getcpu();
    EXPECT(c >= 0 && CPU_ISSET(c, &set));
    EXPECT_OK(syscall(SYS_getcpu, NULL, NULL, NULL));
}

TEST(sched_affinity_set_and_errors)
{
    cpu_set_t set, one;
    int first = 0;
    CPU_ZERO(&set);
    ASSERT_OK(sched_getaffinity(0, sizeof(set), &set));
    while (!CPU_ISSET(first, &set))
        first++;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    EXPECT_OK(sched_setaffinity(0, sizeof(one), &one));
    CPU_ZERO(&set);
    EXPECT_OK(sched_getaffinity(0, sizeof(set), &set));
    EXPECT(CPU_EQUAL(&set, &one));
    CPU_ZERO(&set);
    EXPECT_ERRNO(sched_setaffinity(0, sizeof(set), &set), EINVAL);
    EXPECT_ERRNO(sched_getaffinity(0x3ffffff, sizeof(set), &set), ESRCH);
    EXPECT_ERRNO(syscall(SYS_sched_getaffinity, 0, 3, &set), EINVAL);
    EXPECT_EQ(syscall(SYS_sched_getaffinity, 0, sizeof(set), &set) % 8, 0);
}

TEST(sched_yield_returns)
{
    for (int i = 0; i < 20; i++)
        EXPECT_EQ(sched_yield(), 0);
}

TEST(membarrier_query)
{
    long r = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);
    if (r < 0 && errno == ENOSYS)
        SKIP("no membarrier");
    EXPECT(r >= 0);
    EXPECT_ERRNO(syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0x4000, 0), EINVAL);
    EXPECT_ERRNO(syscall(SYS_membarrier, 1 << 30, 0, 0), EINVAL);
    if (r & MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) {
        EXPECT_OK(syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0));
        EXPECT_OK(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0));
    }
}

TEST(unknown_syscall_is_enosys)
{
    EXPECT_ERRNO(syscall(9999), ENOSYS);
    EXPECT_ERRNO(syscall(-1), ENOSYS);
    EXPECT_ERRNO(syscall(600), ENOSYS);
    /* Only the low half of rax is the number. */
    EXPECT_EQ(syscall((1L << 40) | SYS_getpid), getpid());
}

TEST(syscall_preserves_registers)
{
    uint64_t bx, r8, r9, r10, r12, dx, rax;
    __asm__ volatile("mov $16, %%rdx\n\tmov $39, %%eax\n\tsyscall"
                     : "=a"(rax), "=d"(dx)
                     :
                     : "rcx", "r11", "memory", "cc");
    EXPECT_EQ(rax, getpid());
    EXPECT_EQ(dx, 16);
    __asm__ volatile("mov $11, %%rbx\n\tmov $12, %%r8\n\tmov $13, %%r9\n\tmov $14, %%r10\n\t"
                     "mov $15, %%r12\n\tmov $39, %%eax\n\tsyscall\n\t"
                     "mov %%r8, %1\n\tmov %%r9, %2\n\tmov %%r10, %3\n\tmov %%r12, %4"
                     : "=&b"(bx), "=&S"(r8), "=&D"(r9), "=&d"(r10), "=&a"(r12)
                     :
                     : "rcx", "r8", "r9", "r10", "r11", "r12", "memory", "cc");
    EXPECT_EQ(bx, 11);
    EXPECT_EQ(r8, 12);
    EXPECT_EQ(r9, 13);
    EXPECT_EQ(r10, 14);
    EXPECT_EQ(r12, 15);
}

TEST(syscall_rcx_and_flags)
{
    uint64_t rcx, r11, flags_before, flags_after, here;
    __asm__ volatile(
        "sub $128, %%rsp\n\tstc\n\tpushfq\n\tpop %%r12\n\tmov $39, %%eax\n\tsyscall\n\t"
        "1: mov %%rcx, %0\n\tmov %%r11, %1\n\tpushfq\n\tpop %2\n\t"
        "lea 1b(%%rip), %3\n\tmov %%r12, %4\n\tadd $128, %%rsp"
        : "=&S"(rcx), "=&D"(r11), "=&d"(flags_after), "=&b"(here), "=&r"(flags_before)
        :
        : "rax", "rcx", "r11", "r12", "memory", "cc");
    EXPECT_EQ(rcx, here);
    EXPECT_EQ(r11 & 0xcd5, flags_before & 0xcd5);
    EXPECT_EQ(flags_after & 0xcd5, flags_before & 0xcd5);
}

TEST(arch_prctl_fs_and_gs)
{
    unsigned long fs = 0, gs = 1, value = 0x5566;
    EXPECT_OK(syscall(SYS_arch_prctl, 0x1003 /* ARCH_GET_FS */, &fs));
    EXPECT_EQ(fs, (unsigned long)pthread_self());
    EXPECT_OK(syscall(SYS_arch_prctl, 0x1001 /* ARCH_SET_GS */, &value));
    EXPECT_OK(syscall(SYS_arch_prctl, 0x1004 /* ARCH_GET_GS */, &gs));
    EXPECT_EQ(gs, (unsigned long)&value);
    __asm__ volatile("mov %%gs:0, %0" : "=r"(gs));
    EXPECT_EQ(gs, 0x5566);
    EXPECT_ERRNO(syscall(SYS_arch_prctl, 0x1002, ~0UL), EPERM);
    EXPECT_ERRNO(syscall(SYS_arch_prctl, 0x7777, 0), EINVAL);
}

TEST(personality_query)
{
    EXPECT_EQ(syscall(SYS_personality, 0xffffffff) & 0xff, 0);
}

TEST(process_vm_readv_of_child)
{
    static long shared = 1;
    struct t_gate ready, go;
    long got = 0;
    struct iovec l = {&got, sizeof(got)}, r = {&shared, sizeof(shared)};
    t_gate_init(&ready);
    t_gate_init(&go);
    pid_t pid = t_fork();
    if (pid == 0) {
        shared = 4242;
        t_gate_post(&ready);
        t_gate_wait(&go);
        _exit(shared == 99 ? 0 : 1);
    }
    t_gate_wait(&ready);
    ssize_t n = process_vm_readv(pid, &l, 1, &r, 1, 0);
    if (n < 0 && (errno == ENOSYS || errno == EPERM)) {
        kill(pid, SIGKILL);
        SKIP("no process_vm_readv");
    }
    EXPECT_EQ(n, 8);
    EXPECT_EQ(got, 4242);
    EXPECT_EQ(shared, 1);
    got = 99;
    EXPECT_EQ(process_vm_writev(pid, &l, 1, &r, 1, 0), 8);
    t_gate_post(&go);
    EXPECT_EXIT(pid, 0);
    EXPECT_ERRNO(process_vm_readv(0x3ffffff, &l, 1, &r, 1, 0), ESRCH);
}

TEST(rseq_register_errors)
{
    /* The C library may have registered its own; another one is refused. */
    static struct {
        uint32_t words[8];
    } area __attribute__((aligned(32)));
    long r = syscall(SYS_rseq, &area, 32, 0, 0x53053053);
    if (r < 0 && errno == ENOSYS)
        SKIP("no rseq");
    if (r == 0) {
        EXPECT(area.words[0] < 4096);
        EXPECT_OK(syscall(SYS_rseq, &area, 32, 1, 0x53053053));
    } else {
        EXPECT(errno == EINVAL || errno == EBUSY);
    }
    EXPECT_ERRNO(syscall(SYS_rseq, &area, 32, 0x8000, 0x53053053), EINVAL);
}

TEST(kcmp_same_and_different_files)
{
    int a = open("/dev/null", O_RDONLY), b = dup(a), c = open("/dev/null", O_RDONLY);
    long r = syscall(SYS_kcmp, getpid(), getpid(), 0 /* KCMP_FILE */, a, b);
    if (r < 0)
        SKIP("no kcmp");
    EXPECT_EQ(r, 0);
    EXPECT(syscall(SYS_kcmp, getpid(), getpid(), 0, a, c) > 0);
}

TEST(shell_runs_a_program)
{
    char buf[64];
    EXPECT_EQ(system("x=$(/bin/true && echo fine); echo $x > out; exit 3"), 3 << 8);
    ASSERT_OK(t_get_file("out", buf, sizeof(buf)));
    EXPECT_STR(buf, "fine\n");
}

TEST(passwd_is_readable)
{
    char buf[4096];
    ASSERT(t_get_file("/etc/passwd", buf, sizeof(buf)) > 0);
    EXPECT(strncmp(buf, "root:", 5) == 0 || strstr(buf, "\nroot:") != NULL);
}

TEST(cpuid_and_rdtsc_work)
{
    uint32_t a = 0, b, c, d;
    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "=c"(c), "=d"(d));
    EXPECT(a >= 1);
    uint64_t t1 = __builtin_ia32_rdtsc(), t2 = __builtin_ia32_rdtsc();
    EXPECT(t2 >= t1);
}
