/* SPDX-License-Identifier: Apache-2.0 */
/* prctl and arch_prctl. */
#ifndef ABI_LINUX_PRCTL_H
#define ABI_LINUX_PRCTL_H

#include "cvisor/types.h"

/* prctl */
#define LINUX_PR_SET_PDEATHSIG                  1
#define LINUX_PR_GET_PDEATHSIG                  2
#define LINUX_PR_GET_DUMPABLE                   3
#define LINUX_PR_SET_DUMPABLE                   4
#define LINUX_PR_GET_UNALIGN                    5
#define LINUX_PR_SET_UNALIGN                    6
#define LINUX_PR_UNALIGN_NOPRINT                1
#define LINUX_PR_UNALIGN_SIGBUS                 2
#define LINUX_PR_GET_KEEPCAPS                   7
#define LINUX_PR_SET_KEEPCAPS                   8
#define LINUX_PR_GET_FPEMU                      9
#define LINUX_PR_SET_FPEMU                      10
#define LINUX_PR_FPEMU_NOPRINT                  1
#define LINUX_PR_FPEMU_SIGFPE                   2
#define LINUX_PR_GET_FPEXC                      11
#define LINUX_PR_SET_FPEXC                      12
#define LINUX_PR_FP_EXC_SW_ENABLE               0x80
#define LINUX_PR_FP_EXC_DIV                     0x010000
#define LINUX_PR_FP_EXC_OVF                     0x020000
#define LINUX_PR_FP_EXC_UND                     0x040000
#define LINUX_PR_FP_EXC_RES                     0x080000
#define LINUX_PR_FP_EXC_INV                     0x100000
#define LINUX_PR_FP_EXC_DISABLED                0
#define LINUX_PR_FP_EXC_NONRECOV                1
#define LINUX_PR_FP_EXC_ASYNC                   2
#define LINUX_PR_FP_EXC_PRECISE                 3
#define LINUX_PR_GET_TIMING                     13
#define LINUX_PR_SET_TIMING                     14
#define LINUX_PR_TIMING_STATISTICAL             0
#define LINUX_PR_TIMING_TIMESTAMP               1
#define LINUX_PR_SET_NAME                       15
#define LINUX_PR_GET_NAME                       16
#define LINUX_PR_GET_ENDIAN                     19
#define LINUX_PR_SET_ENDIAN                     20
#define LINUX_PR_ENDIAN_BIG                     0
#define LINUX_PR_ENDIAN_LITTLE                  1
#define LINUX_PR_ENDIAN_PPC_LITTLE              2
#define LINUX_PR_GET_SECCOMP                    21
#define LINUX_PR_SET_SECCOMP                    22
#define LINUX_PR_CAPBSET_READ                   23
#define LINUX_PR_CAPBSET_DROP                   24
#define LINUX_PR_GET_TSC                        25
#define LINUX_PR_SET_TSC                        26
#define LINUX_PR_TSC_ENABLE                     1
#define LINUX_PR_TSC_SIGSEGV                    2
#define LINUX_PR_GET_SECUREBITS                 27
#define LINUX_PR_SET_SECUREBITS                 28
#define LINUX_PR_SET_TIMERSLACK                 29
#define LINUX_PR_GET_TIMERSLACK                 30
#define LINUX_PR_TASK_PERF_EVENTS_DISABLE       31
#define LINUX_PR_TASK_PERF_EVENTS_ENABLE        32
#define LINUX_PR_MCE_KILL                       33
#define LINUX_PR_MCE_KILL_CLEAR                 0
#define LINUX_PR_MCE_KILL_SET                   1
#define LINUX_PR_MCE_KILL_LATE                  0
#define LINUX_PR_MCE_KILL_EARLY                 1
#define LINUX_PR_MCE_KILL_DEFAULT               2
#define LINUX_PR_MCE_KILL_GET                   34
#define LINUX_PR_SET_MM                         35
#define LINUX_PR_SET_MM_START_CODE              1
#define LINUX_PR_SET_MM_END_CODE                2
#define LINUX_PR_SET_MM_START_DATA              3
#define LINUX_PR_SET_MM_END_DATA                4
#define LINUX_PR_SET_MM_START_STACK             5
#define LINUX_PR_SET_MM_START_BRK               6
#define LINUX_PR_SET_MM_BRK                     7
#define LINUX_PR_SET_MM_ARG_START               8
#define LINUX_PR_SET_MM_ARG_END                 9
#define LINUX_PR_SET_MM_ENV_START               10
#define LINUX_PR_SET_MM_ENV_END                 11
#define LINUX_PR_SET_MM_AUXV                    12
#define LINUX_PR_SET_MM_EXE_FILE                13
#define LINUX_PR_SET_MM_MAP                     14
#define LINUX_PR_SET_MM_MAP_SIZE                15
#define LINUX_PR_SET_PTRACER                    0x59616d61
#define LINUX_PR_SET_PTRACER_ANY                (-1)
#define LINUX_PR_SET_CHILD_SUBREAPER            36
#define LINUX_PR_GET_CHILD_SUBREAPER            37
#define LINUX_PR_SET_NO_NEW_PRIVS               38
#define LINUX_PR_GET_NO_NEW_PRIVS               39
#define LINUX_PR_GET_TID_ADDRESS                40
#define LINUX_PR_SET_THP_DISABLE                41
#define LINUX_PR_GET_THP_DISABLE                42
#define LINUX_PR_MPX_ENABLE_MANAGEMENT          43
#define LINUX_PR_MPX_DISABLE_MANAGEMENT         44
#define LINUX_PR_SET_FP_MODE                    45
#define LINUX_PR_GET_FP_MODE                    46
#define LINUX_PR_FP_MODE_FR                     (1 << 0)
#define LINUX_PR_FP_MODE_FRE                    (1 << 1)
#define LINUX_PR_CAP_AMBIENT                    47
#define LINUX_PR_CAP_AMBIENT_IS_SET             1
#define LINUX_PR_CAP_AMBIENT_RAISE              2
#define LINUX_PR_CAP_AMBIENT_LOWER              3
#define LINUX_PR_CAP_AMBIENT_CLEAR_ALL          4
#define LINUX_PR_SVE_SET_VL                     50
#define LINUX_PR_SVE_SET_VL_ONEXEC              (1 << 18)
#define LINUX_PR_SVE_GET_VL                     51
#define LINUX_PR_SVE_VL_LEN_MASK                0xffff
#define LINUX_PR_SVE_VL_INHERIT                 (1 << 17)
#define LINUX_PR_GET_SPECULATION_CTRL           52
#define LINUX_PR_SET_SPECULATION_CTRL           53
#define LINUX_PR_SPEC_STORE_BYPASS              0
#define LINUX_PR_SPEC_INDIRECT_BRANCH           1
#define LINUX_PR_SPEC_L1D_FLUSH                 2
#define LINUX_PR_SPEC_NOT_AFFECTED              0
#define LINUX_PR_SPEC_PRCTL                     (1UL << 0)
#define LINUX_PR_SPEC_ENABLE                    (1UL << 1)
#define LINUX_PR_SPEC_DISABLE                   (1UL << 2)
#define LINUX_PR_SPEC_FORCE_DISABLE             (1UL << 3)
#define LINUX_PR_SPEC_DISABLE_NOEXEC            (1UL << 4)
#define LINUX_PR_PAC_RESET_KEYS                 54
#define LINUX_PR_PAC_APIAKEY                    (1UL << 0)
#define LINUX_PR_PAC_APIBKEY                    (1UL << 1)
#define LINUX_PR_PAC_APDAKEY                    (1UL << 2)
#define LINUX_PR_PAC_APDBKEY                    (1UL << 3)
#define LINUX_PR_PAC_APGAKEY                    (1UL << 4)
#define LINUX_PR_SET_TAGGED_ADDR_CTRL           55
#define LINUX_PR_GET_TAGGED_ADDR_CTRL           56
#define LINUX_PR_TAGGED_ADDR_ENABLE             (1UL << 0)
#define LINUX_PR_MTE_TCF_NONE                   0UL
#define LINUX_PR_MTE_TCF_SYNC                   (1UL << 1)
#define LINUX_PR_MTE_TCF_ASYNC                  (1UL << 2)
#define LINUX_PR_MTE_TCF_MASK                   (LINUX_PR_MTE_TCF_SYNC | LINUX_PR_MTE_TCF_ASYNC)
#define LINUX_PR_MTE_TAG_SHIFT                  3
#define LINUX_PR_MTE_TAG_MASK                   (0xffffUL << LINUX_PR_MTE_TAG_SHIFT)
#define LINUX_PR_MTE_TCF_SHIFT                  1
#define LINUX_PR_SET_IO_FLUSHER                 57
#define LINUX_PR_GET_IO_FLUSHER                 58
#define LINUX_PR_SET_SYSCALL_USER_DISPATCH      59
#define LINUX_PR_SYS_DISPATCH_OFF               0
#define LINUX_PR_SYS_DISPATCH_ON                1
#define LINUX_PR_PAC_SET_ENABLED_KEYS           60
#define LINUX_PR_PAC_GET_ENABLED_KEYS           61
#define LINUX_PR_SCHED_CORE                     62
#define LINUX_PR_SCHED_CORE_GET                 0
#define LINUX_PR_SCHED_CORE_CREATE              1
#define LINUX_PR_SCHED_CORE_SHARE_TO            2
#define LINUX_PR_SCHED_CORE_SHARE_FROM          3
#define LINUX_PR_SCHED_CORE_MAX                 4
#define LINUX_PR_SCHED_CORE_SCOPE_THREAD        0
#define LINUX_PR_SCHED_CORE_SCOPE_THREAD_GROUP  1
#define LINUX_PR_SCHED_CORE_SCOPE_PROCESS_GROUP 2
#define LINUX_PR_SME_SET_VL                     63
#define LINUX_PR_SME_SET_VL_ONEXEC              (1 << 18)
#define LINUX_PR_SME_GET_VL                     64
#define LINUX_PR_SME_VL_LEN_MASK                0xffff
#define LINUX_PR_SME_VL_INHERIT                 (1 << 17)
#define LINUX_PR_SET_VMA                        0x53564d41
#define LINUX_PR_SET_VMA_ANON_NAME              0

struct linux_prctl_mm_map {
    u64 start_code;
    u64 end_code;
    u64 start_data;
    u64 end_data;
    u64 start_brk;
    u64 brk;
    u64 start_stack;
    u64 arg_start;
    u64 arg_end;
    u64 env_start;
    u64 env_end;
    u64 auxv;
    u32 auxv_size;
    u32 exe_fd;
};
_Static_assert(sizeof(struct linux_prctl_mm_map) == 104, "guest ABI");

#define LINUX_TASK_COMM_LEN 16

/* arch_prctl */
#define LINUX_ARCH_SET_GS               0x1001
#define LINUX_ARCH_SET_FS               0x1002
#define LINUX_ARCH_GET_FS               0x1003
#define LINUX_ARCH_GET_GS               0x1004
#define LINUX_ARCH_GET_CPUID            0x1011
#define LINUX_ARCH_SET_CPUID            0x1012
#define LINUX_ARCH_GET_XCOMP_SUPP       0x1021
#define LINUX_ARCH_GET_XCOMP_PERM       0x1022
#define LINUX_ARCH_REQ_XCOMP_PERM       0x1023
#define LINUX_ARCH_GET_XCOMP_GUEST_PERM 0x1024
#define LINUX_ARCH_REQ_XCOMP_GUEST_PERM 0x1025
#define LINUX_ARCH_MAP_VDSO_X32         0x2001
#define LINUX_ARCH_MAP_VDSO_32          0x2002
#define LINUX_ARCH_MAP_VDSO_64          0x2003

#endif
