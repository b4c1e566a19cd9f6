/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest that tries to leave: files outside the root through links, "..", renames and /proc; other
 * processes; the stub's own code and the addresses above the guest's range. argv[1]: a host file that
 * must stay out of reach. Prints "ok NAME" or "not ok NAME - why", then "done".
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE_SIZE_ 4096

static const char *g_secret;

static void report(const char *name, int good, const char *why)
{
    if (good)
        printf("ok escape_%s\n", name);
    else
        printf("not ok escape_%s - %s\n", name, why);
    fflush(stdout);
}

static int reads_secret(const char *path)
{
    char buf[16] = "";
    int fd = open(path, O_RDONLY);
    if (fd < 0)
        return 0;
    ssize_t n = read(fd, buf, sizeof(buf) - 1);
    close(fd);
    return n > 0 && strncmp(buf, "secret", 6) == 0;
}

static void files(void)
{
    char path[4096];
    report("absolute_link", !reads_secret("/abs"), "read through an absolute symlink");
    report("relative_link", !reads_secret("/rel"), "read through a relative symlink");
    snprintf(path, sizeof(path), "/../../../../../../../../../..%s", g_secret);
    report("dotdot", !reads_secret(path), "read through ..");
    snprintf(path, sizeof(path), "/root/../..%s", g_secret);
    report("root_link", !reads_secret(path), "read through a link to /");
    snprintf(path, sizeof(path), "/proc/1/root%s", g_secret);
    report("proc_root", !reads_secret(path), "read through /proc/1/root");
    snprintf(path, sizeof(path), "/proc/self/cwd/../../../../../..%s", g_secret);
    report("proc_cwd", !reads_secret(path), "read through /proc/self/cwd");

    /* A chroot with a descriptor of the directory outside of it, the classic way out. */
    mkdir("/tmp/jail", 0755);
    int out = open("/", O_RDONLY | O_DIRECTORY);
    if (chroot("/tmp/jail") == 0) {
        fchdir(out);
        for (int i = 0; i < 64; i++)
            chdir("..");
        report("chroot", !reads_secret(g_secret + 1), "left the root after chroot");
        fchdir(out);
        chroot(".");
    }
    close(out);
    /* A directory that moves away under a descriptor. */
    mkdir("/tmp/a", 0755);
    mkdir("/tmp/a/b", 0755);
    mkdir("/tmp/c", 0755);
    int fd = open("/tmp/a/b", O_RDONLY | O_DIRECTORY);
    rename("/tmp/a/b", "/tmp/c/b");
    snprintf(path, sizeof(path), "../../../../../../../..%s", g_secret);
    int sfd = openat(fd, path, O_RDONLY);
    char buf[8] = "";
    int leaked = sfd >= 0 && read(sfd, buf, 6) == 6 && memcmp(buf, "secret", 6) == 0;
    report("moved_dir", !leaked, "a moved directory led outside");
    close(fd);
}

static void processes(void)
{
    int hit = 0;
    for (int pid = 2; pid < 3000; pid++) {
        if (pid != getpid() && pid != getppid() && kill(pid, 0) == 0)
            hit = pid;
    }
    report("kill", !hit, "some process of another number can be signalled");
    char b[8];
    struct iovec l = {b, 8}, r = {(void *)0x400000, 8};
    report("vm_readv", syscall(SYS_process_vm_readv, 2, &l, 1, &r, 1, 0) < 0,
           "read another process");
    report("ptrace", ptrace(PTRACE_ATTACH, 2, 0, 0) < 0, "attached to another process");
    report("mount", mount("/dev/vda", "/tmp/c", "ext4", 0, "") < 0, "mounted a host device");
    report("module", syscall(SYS_init_module, b, 8, "") < 0, "loaded a module");
    report("kexec", syscall(SYS_kexec_load, 0, 0, 0, 0) < 0, "kexec");
    report("iopl", syscall(SYS_iopl, 3) < 0, "iopl");
    report("bpf", syscall(SYS_bpf, 0, 0, 0) < 0, "bpf");
    report("mknod", mknod("/tmp/vda", S_IFBLK | 0600, 0xfe00) < 0 || open("/tmp/vda", O_RDONLY) < 0,
           "opened a block device");
}

static sigjmp_buf g_jump;
static void on_fault(int sig)
{
    siglongjmp(g_jump, sig);
}

/* Readable pages in the part of the address space above the guest's, if any: the stub's. */
static uintptr_t find_stub(void)
{
    uintptr_t p, top = 0x7ffffffff000ull, found = 0;
    for (p = top - PAGE_SIZE_; p > top - (64ull << 20); p -= PAGE_SIZE_) {
        if (sigsetjmp(g_jump, 1) == 0) {
            (void)*(volatile char *)p;
            char maps[256], key[32];
            int known = 0;
            snprintf(key, sizeof(key), "%lx", (unsigned long)p);
            FILE *m = fopen("/proc/self/maps", "r");
            while (m && fgets(maps, sizeof(maps), m)) {
                unsigned long a, b;
                if (sscanf(maps, "%lx-%lx", &a, &b) == 2 && p >= a && p < b)
                    known = 1;
            }
            if (m)
                fclose(m);
            if (!known)
                found = p;
        }
    }
    return found;
}

static int can_write(uintptr_t p)
{
    if (sigsetjmp(g_jump, 1))
        return 0;
    *(volatile char *)p = 0;
    return 1;
}

static void memory(void)
{
    struct sigaction sa = {.sa_handler = on_fault, .sa_flags = SA_NODEFER};
    sigaction(SIGSEGV, &sa, NULL);
    sigaction(SIGBUS, &sa, NULL);
    sigaction(SIGILL, &sa, NULL);
    sigaction(SIGTRAP, &sa, NULL);
    sigaction(SIGSYS, &sa, NULL);
    report("map_high",
           mmap((void *)0xffff800000000000ull, 4096, PROT_READ,
                MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED,
           "mapped kernel addresses");
    uintptr_t stub = find_stub();
    if (!stub) {
        report("stub_hidden", 1, "");
        return;
    }
    report("stub_write", !can_write(stub), "the stub's code is writable");
    report("stub_unmap", munmap((void *)stub, 4096) != 0 || can_write(stub) == 0,
           "the stub's page can be changed");
    report("stub_remap",
           mmap((void *)stub, 4096, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS,
                -1, 0) == MAP_FAILED,
           "mapped over the stub");
    report("stub_protect", mprotect((void *)stub, 4096, PROT_READ | PROT_WRITE | PROT_EXEC) != 0,
           "made the stub writable");
    /* Each syscall instruction of the stub, asked for getpid: it must be the guest's number. */
    unsigned char code[PAGE_SIZE_];
    if (sigsetjmp(g_jump, 1) == 0) {
        memcpy(code, (void *)stub, sizeof(code));
        for (int i = 0; i + 1 < PAGE_SIZE_; i++) {
            if (code[i] != 0x0f || code[i + 1] != 0x05)
                continue;
            pid_t child = fork();
            if (child == 0) {
                alarm(2);
                signal(SIGSEGV, SIG_DFL);
                /* openat of the secret: must not be done by the host. */
                register long r10 __asm__("r10") = 0;
                long ret;
                __asm__ volatile("jmp *%1"
                                 : "=a"(ret)
                                 : "r"(stub + (uintptr_t)i), "0"(SYS_openat), "D"(AT_FDCWD),
                                   "S"(g_secret), "d"(O_RDONLY), "r"(r10)
                                 : "rcx", "r11", "memory");
                _exit(0);
            }
            int st;
            waitpid(child, &st, 0);
        }
    }
    report("stub_jump", 1, "");
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    g_secret = argv[1];
    files();
    processes();
    memory();
    printf("done\n");
    return 0;
}
