/* SPDX-License-Identifier: Apache-2.0 */
/* Classic BPF. */
#ifndef ABI_LINUX_FILTER_H
#define ABI_LINUX_FILTER_H

#include "cvisor/types.h"

/* opcodes */
#define LINUX_BPF_LD       0x00
#define LINUX_BPF_LDX      0x01
#define LINUX_BPF_ST       0x02
#define LINUX_BPF_STX      0x03
#define LINUX_BPF_ALU      0x04
#define LINUX_BPF_JMP      0x05
#define LINUX_BPF_RET      0x06
#define LINUX_BPF_MISC     0x07
#define LINUX_BPF_W        0x00
#define LINUX_BPF_H        0x08
#define LINUX_BPF_B        0x10
#define LINUX_BPF_IMM      0x00
#define LINUX_BPF_ABS      0x20
#define LINUX_BPF_IND      0x40
#define LINUX_BPF_MEM      0x60
#define LINUX_BPF_LEN      0x80
#define LINUX_BPF_MSH      0xa0
#define LINUX_BPF_ADD      0x00
#define LINUX_BPF_SUB      0x10
#define LINUX_BPF_MUL      0x20
#define LINUX_BPF_DIV      0x30
#define LINUX_BPF_OR       0x40
#define LINUX_BPF_AND      0x50
#define LINUX_BPF_LSH      0x60
#define LINUX_BPF_RSH      0x70
#define LINUX_BPF_NEG      0x80
#define LINUX_BPF_MOD      0x90
#define LINUX_BPF_XOR      0xa0
#define LINUX_BPF_JA       0x00
#define LINUX_BPF_JEQ      0x10
#define LINUX_BPF_JGT      0x20
#define LINUX_BPF_JGE      0x30
#define LINUX_BPF_JSET     0x40
#define LINUX_BPF_K        0x00
#define LINUX_BPF_X        0x08
#define LINUX_BPF_MAXINSNS 4096
#define LINUX_BPF_A        0x10
#define LINUX_BPF_TAX      0x00
#define LINUX_BPF_TXA      0x80
#define LINUX_BPF_MEMWORDS 16
#define LINUX_BPF_NET_OFF  0xfffffffffff00000UL
#define LINUX_BPF_LL_OFF   0xffffffffffe00000UL

struct linux_sock_filter {
    u16 code;
    u8 jt;
    u8 jf;
    u32 k;
};
_Static_assert(sizeof(struct linux_sock_filter) == 8, "guest ABI");

struct linux_sock_fprog {
    u16 len;
    u16 pad0;
    u32 pad1;
    u64 filter;
};
_Static_assert(sizeof(struct linux_sock_fprog) == 16, "guest ABI");

#endif
