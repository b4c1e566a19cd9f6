/* SPDX-License-Identifier: Apache-2.0 */
/* Host syscalls on our own address space. */
#include "cvisor/host.h"
#include "platform/host/syscall.h"

void *host_mmap(void *addr, size_t len, int prot, int flags, int fd, u64 off)
{
    return (void *)HOST_CALL(mmap, addr, len, prot, flags, fd, off);
}

int host_munmap(void *addr, size_t len)
{
    return (int)HOST_CALL(munmap, addr, len);
}

int host_mprotect(void *addr, size_t len, int prot)
{
    return (int)HOST_CALL(mprotect, addr, len, prot);
}

int host_madvise(void *addr, size_t len, int advice)
{
    return (int)HOST_CALL(madvise, addr, len, advice);
}
