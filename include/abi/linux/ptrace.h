/* SPDX-License-Identifier: Apache-2.0 */
/* ptrace. */
#ifndef ABI_LINUX_PTRACE_H
#define ABI_LINUX_PTRACE_H

#include "cvisor/types.h"

/* requests, events, options */
#define LINUX_PTRACE_TRACEME                0
#define LINUX_PTRACE_PEEKTEXT               1
#define LINUX_PTRACE_PEEKDATA               2
#define LINUX_PTRACE_PEEKUSR                3
#define LINUX_PTRACE_POKETEXT               4
#define LINUX_PTRACE_POKEDATA               5
#define LINUX_PTRACE_POKEUSR                6
#define LINUX_PTRACE_CONT                   7
#define LINUX_PTRACE_KILL                   8
#define LINUX_PTRACE_SINGLESTEP             9
#define LINUX_PTRACE_ATTACH                 16
#define LINUX_PTRACE_DETACH                 17
#define LINUX_PTRACE_SYSCALL                24
#define LINUX_PTRACE_SETOPTIONS             0x4200
#define LINUX_PTRACE_GETEVENTMSG            0x4201
#define LINUX_PTRACE_GETSIGINFO             0x4202
#define LINUX_PTRACE_SETSIGINFO             0x4203
#define LINUX_PTRACE_GETREGSET              0x4204
#define LINUX_PTRACE_SETREGSET              0x4205
#define LINUX_PTRACE_SEIZE                  0x4206
#define LINUX_PTRACE_INTERRUPT              0x4207
#define LINUX_PTRACE_LISTEN                 0x4208
#define LINUX_PTRACE_PEEKSIGINFO            0x4209
#define LINUX_PTRACE_GETSIGMASK             0x420a
#define LINUX_PTRACE_SETSIGMASK             0x420b
#define LINUX_PTRACE_SECCOMP_GET_FILTER     0x420c
#define LINUX_PTRACE_SECCOMP_GET_METADATA   0x420d
#define LINUX_PTRACE_GET_SYSCALL_INFO       0x420e
#define LINUX_PTRACE_SYSCALL_INFO_NONE      0
#define LINUX_PTRACE_SYSCALL_INFO_ENTRY     1
#define LINUX_PTRACE_SYSCALL_INFO_EXIT      2
#define LINUX_PTRACE_SYSCALL_INFO_SECCOMP   3
#define LINUX_PTRACE_GET_RSEQ_CONFIGURATION 0x420f
#define LINUX_PTRACE_EVENTMSG_SYSCALL_ENTRY 1
#define LINUX_PTRACE_EVENTMSG_SYSCALL_EXIT  2
#define LINUX_PTRACE_PEEKSIGINFO_SHARED     (1 << 0)
#define LINUX_PTRACE_EVENT_FORK             1
#define LINUX_PTRACE_EVENT_VFORK            2
#define LINUX_PTRACE_EVENT_CLONE            3
#define LINUX_PTRACE_EVENT_EXEC             4
#define LINUX_PTRACE_EVENT_VFORK_DONE       5
#define LINUX_PTRACE_EVENT_EXIT             6
#define LINUX_PTRACE_EVENT_SECCOMP          7
#define LINUX_PTRACE_EVENT_STOP             128
#define LINUX_PTRACE_O_TRACESYSGOOD         1
#define LINUX_PTRACE_O_TRACEFORK            (1 << LINUX_PTRACE_EVENT_FORK)
#define LINUX_PTRACE_O_TRACEVFORK           (1 << LINUX_PTRACE_EVENT_VFORK)
#define LINUX_PTRACE_O_TRACECLONE           (1 << LINUX_PTRACE_EVENT_CLONE)
#define LINUX_PTRACE_O_TRACEEXEC            (1 << LINUX_PTRACE_EVENT_EXEC)
#define LINUX_PTRACE_O_TRACEVFORKDONE       (1 << LINUX_PTRACE_EVENT_VFORK_DONE)
#define LINUX_PTRACE_O_TRACEEXIT            (1 << LINUX_PTRACE_EVENT_EXIT)
#define LINUX_PTRACE_O_TRACESECCOMP         (1 << LINUX_PTRACE_EVENT_SECCOMP)
#define LINUX_PTRACE_O_EXITKILL             (1 << 20)
#define LINUX_PTRACE_O_SUSPEND_SECCOMP      (1 << 21)
#define LINUX_PTRACE_O_MASK                 (0x000000ff | LINUX_PTRACE_O_EXITKILL | LINUX_PTRACE_O_SUSPEND_SECCOMP)
#define LINUX_PTRACE_GETREGS                12
#define LINUX_PTRACE_SETREGS                13
#define LINUX_PTRACE_GETFPREGS              14
#define LINUX_PTRACE_SETFPREGS              15
#define LINUX_PTRACE_OLDSETOPTIONS          21
#define LINUX_PTRACE_GET_THREAD_AREA        25
#define LINUX_PTRACE_SET_THREAD_AREA        26
#define LINUX_PTRACE_ARCH_PRCTL             30
#define LINUX_PTRACE_SYSEMU                 31
#define LINUX_PTRACE_SYSEMU_SINGLESTEP      32
#define LINUX_PTRACE_SINGLEBLOCK            33

/* Bits of DR6 and DR7 live in linux_user.u_debugreg (sigcontext.h). */

struct linux_ptrace_peeksiginfo_args {
    u64 off;
    u32 flags;
    s32 nr;
};
_Static_assert(sizeof(struct linux_ptrace_peeksiginfo_args) == 16, "guest ABI");

struct linux_ptrace_syscall_info {
    u8 op;
    u8 pad[3];
    u32 arch;
    u64 instruction_pointer;
    u64 stack_pointer;
    union {
        struct {
            u64 nr;
            u64 args[6];
        } entry;
        struct {
            s64 rval;
            u8 is_error;
        } exit;
        struct {
            u64 nr;
            u64 args[6];
            u32 ret_data;
        } seccomp;
    };
};
_Static_assert(sizeof(struct linux_ptrace_syscall_info) == 88, "guest ABI");

struct linux_seccomp_metadata {
    u64 filter_off;
    u64 flags;
};
_Static_assert(sizeof(struct linux_seccomp_metadata) == 16, "guest ABI");

struct linux_ptrace_rseq_configuration {
    u64 rseq_abi_pointer;
    u32 rseq_abi_size;
    u32 signature;
    u32 flags;
    u32 pad;
};
_Static_assert(sizeof(struct linux_ptrace_rseq_configuration) == 24, "guest ABI");

#endif
