/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Patched call sites. Seven bytes at a hot site become a jump through a pointer in the low area: to
 * an entry of its own, which leads to the common code (trampoline.S). The page of text is not
 * written to: a copy is mapped in its place, so threads inside it see either the old or the new
 * bytes, and the kernel goes on seeing its own page.
 *
 *   mov $nr, %eax; syscall                  the 7 bytes of both
 *   mov $nr, %rax; syscall                  the 7 bytes of the mov
 *   syscall; cmp $-4095 or $-4096, %rax     the first 7 bytes of both
 *
 * The jump is ff 24 e5 and an address of the form 0006xxxx. Who comes to the middle of it, having been
 * inside the call when it was patched, or by a jump to the syscall instruction, finds e5 (in: a
 * privileged instruction) or 06 (none at all): a fault, after which patch_fault() leads it on.
 */
#include "abi/linux/memfd.h"
#include "abi/linux/mman.h"
#include "abi/linux/signal.h"
#include "abi/linux/unistd.h"
#include "cvisor/host.h"
#include "cvisor/kcache.h"
#include "cvisor/log.h"
#include "platform/systrap/systrap.h"

#include <errno.h>
#include <string.h>

#define PATCH_BYTES 7
#define SITES_MAX 256u
#define PAGES_MAX 64u /* of text */
#define ENTRIES_A_PAGE (PAGE_SIZE / ENTRY_SIZE)
#define ENTRY_PAGES (SITES_MAX / ENTRIES_A_PAGE)
#define SITE_BUCKETS 64u
#define FAULTS_MAX 16 /* into a site: then it is left as it was */

#define HOT_COUNT 32 /* calls from a site */
#define HOT_AGAIN 2048

/* Pages for copies and entries, of all stubs. */
#define FILE_PAGES 32768u
#define NO_PAGE UINT32_MAX

_Static_assert(LOW_ENTRIES + ENTRY_PAGES * PAGE_SIZE <= LOW_BASE + LOW_SIZE, "the low area");

struct patched_page {
    u64 addr;
    u32 file_page;
    bool live; /* mapped */
};

/* Written under as->lock; sites are also read without it: those below nsites stay where they are. */
struct patch_table {
    atomic_uint nsites;
    u32 npages;
    _Atomic u16 bucket[SITE_BUCKETS]; /* first site + 1 */
    u32 entry_page[ENTRY_PAGES];
    struct patch_site sites[SITES_MAX];
    struct patched_page pages[PAGES_MAX];
};

static struct {
    int fd;                    /* immutable */
    char *map;                 /* immutable: our view */
    u64 used[FILE_PAGES / 64]; /* g_systrap.lock */
} g_patch = {.fd = -1};

int patch_init(void)
{
    u64 size = (u64)FILE_PAGES * PAGE_SIZE;

    g_patch.fd = host_memfd_create("cvisor-text", LINUX_MFD_CLOEXEC);
    if (g_patch.fd < 0)
        return g_patch.fd;
    int err = host_ftruncate(g_patch.fd, size);
    if (err < 0)
        return err;
    void *p = host_mmap(NULL, size, LINUX_PROT_READ | LINUX_PROT_WRITE,
                        LINUX_MAP_SHARED | LINUX_MAP_NORESERVE, g_patch.fd, 0);
    if (host_is_err(p))
        return (int)(intptr_t)p;
    g_patch.map = p;
    return 0;
}

static u32 page_get(void)
{
    u32 page = NO_PAGE;

    mutex_lock(&g_systrap.lock);
    for (u32 i = 0; i < ARRAY_SIZE(g_patch.used) && page == NO_PAGE; i++) {
        u64 free = ~g_patch.used[i];
        if (free) {
            page = i * 64 + (u32)__builtin_ctzll(free);
            g_patch.used[i] |= free & -free;
        }
    }
    mutex_unlock(&g_systrap.lock);
    return page;
}

static void page_put(u32 page)
{
    if (page == NO_PAGE)
        return;
    mutex_lock(&g_systrap.lock);
    g_patch.used[page / 64] &= ~(1ull << (page % 64));
    mutex_unlock(&g_systrap.lock);
}

static char *page_data(u32 page)
{
    return g_patch.map + (u64)page * PAGE_SIZE;
}

/* --- lookup --- */

static u32 bucket_of(u64 ip)
{
    return (u32)(ip ^ ip >> 6 ^ ip >> 12) % SITE_BUCKETS;
}

static struct patch_site *find(struct patch_table *t, u64 ip)
{
    u16 i = t ? atomic_load(&t->bucket[bucket_of(ip)]) : 0;

    while (i && t->sites[i - 1].ip != ip)
        i = t->sites[i - 1].next;
    return i ? &t->sites[i - 1] : NULL;
}

static u64 entry_addr(u32 index)
{
    return LOW_ENTRIES + (u64)index * ENTRY_SIZE;
}

const struct patch_site *patch_site_at(struct platform_as *as, u64 entry)
{
    struct patch_table *t = atomic_load(&as->patches);
    u64 index = (entry - LOW_ENTRIES) / ENTRY_SIZE;

    return t && entry >= LOW_ENTRIES && index < atomic_load(&t->nsites) ? &t->sites[index] : NULL;
}

bool patch_is_hot(struct platform_thread *v, u64 ip)
{
    u32 i = bucket_of(ip);

    _Static_assert(HOT_SITES == SITE_BUCKETS, "one hash for both");
    if (!(g_systrap.rungs & RUNG_PATCH))
        return false;
    if (v->hot.ip[i] != ip) {
        v->hot.ip[i] = ip;
        v->hot.count[i] = 0;
    }
    u16 count = ++v->hot.count[i];
    return count == HOT_COUNT || count % HOT_AGAIN == 0;
}

/* --- code --- */

static u64 site_start(const struct patch_site *site)
{
    switch (site->kind) {
    case PATCH_MOV32:
        return site->ip - 7;
    case PATCH_MOV64:
        return site->ip - 9;
    default:
        return site->ip - 2;
    }
}

/* What is at [.., ip) and behind it, in a page that holds the syscall instruction at `off`. */
static int match(const u8 *text, u32 off, u64 nr, struct patch_site *site)
{
    s32 imm;

    if (off + 8 <= PAGE_SIZE && text[off + 2] == 0x48 && text[off + 3] == 0x3d &&
        (text[off + 4] & 0xfe) == 0 && text[off + 5] == 0xf0 && text[off + 6] == 0xff &&
        text[off + 7] == 0xff) {
        site->kind = text[off + 4] ? PATCH_CMP_4095 : PATCH_CMP_4096;
        site->ret = site->ip + 6;
        return 0;
    }
    /* That the mov is one, and not the end of something longer: the number it would load is there. */
    site->ret = site->ip;
    if (off >= 7 && text[off - 7] == 0x48 && text[off - 6] == 0xc7 && text[off - 5] == 0xc0) {
        site->kind = PATCH_MOV64;
    } else if (off >= 6 && text[off - 5] == 0xb8 && (text[off - 6] & 0xf0) != 0x40) {
        site->kind = PATCH_MOV32;
    } else {
        return -ENOENT;
    }
    memcpy(&imm, text + off - 4, sizeof(imm));
    if (imm < 0 || (u64)imm != nr)
        return -ENOENT;
    site->nr = (u32)imm;
    return 0;
}

static u8 *put(u8 *p, const void *bytes, size_t n)
{
    memcpy(p, bytes, n);
    return p + n;
}

static u8 *put_u32(u8 *p, u64 val)
{
    u32 v = (u32)val;
    return put(p, &v, sizeof(v));
}

static void write_entry(const struct patch_site *site, u32 index, u8 *e)
{
    bool mov = patch_is_mov(site);
    u64 addr = entry_addr(index), code = addr + ENTRY_START,
        finish = mov ? SYSTRAP_LOW(systrap_low_finish_mov) : addr + ENTRY_TAIL;
    u8 *p;

    memset(e, 0xcc, ENTRY_SIZE);
    put(e + ENTRY_CODE, &code, sizeof(code));
    put(e + ENTRY_RET, &site->ret, sizeof(site->ret));
    put(e + ENTRY_FINISH, &finish, sizeof(finish));
    put_u32(e + ENTRY_NR, site->nr);
    put(e + ENTRY_SLOW, "\x0f\x05", 2); /* syscall */
    p = e + ENTRY_TAIL;
    if (!mov) /* cmp $imm, %rax */
        p = put(p,
                site->kind == PATCH_CMP_4095 ? "\x48\x3d\x01\xf0\xff\xff"
                                             : "\x48\x3d\x00\xf0\xff\xff",
                6);
    p = put(p, "\xff\x25", 2); /* jmp *ret(%rip) */
    put_u32(p, (u64)(e + ENTRY_RET - (p + 4)));
    p = e + ENTRY_START;
    if (mov)
        p = put(p, "\x9f\x0f\x90\xc0\x41\x89\xc3", 7); /* lahf; seto %al; mov %eax, %r11d */
    p = put(p, "\xb9", 1);                             /* mov $entry, %ecx */
    p = put_u32(p, addr);
    if (mov) { /* mov nr(%rcx), %eax */
        p = put(p, "\x8b\x41", 2);
        *p++ = ENTRY_NR;
    }
    p = put(p, "\xe9", 1); /* jmp */
    u64 next = addr + (u64)(p + 4 - e);
    put_u32(p, (mov ? SYSTRAP_LOW(systrap_low_mov) : SYSTRAP_LOW(systrap_low_cmp)) - next);
}

static void write_jump(u8 *page, const struct patch_site *site, u32 index)
{
    u8 *p = page + (site_start(site) & ~PAGE_MASK);

    p = put(p, "\xff\x24\xe5", 3);
    put_u32(p, entry_addr(index) + ENTRY_CODE);
}

/* --- an address space's sites --- */

static struct patch_table *table_get(struct platform_as *as)
{
    struct patch_table *t = atomic_load(&as->patches);

    if (t)
        return t;
    t = kzalloc(sizeof(*t));
    if (!t)
        return NULL;
    for (u32 i = 0; i < ENTRY_PAGES; i++)
        t->entry_page[i] = NO_PAGE;
    atomic_store(&as->patches, t);
    return t;
}

static bool overlaps(struct patch_table *t, const struct patch_site *site)
{
    u64 start = site_start(site);

    for (u32 i = 0; i < atomic_load(&t->nsites); i++) {
        const struct patch_site *s = &t->sites[i];
        if (s->ip != site->ip && atomic_load(&s->live) &&
            site_start(s) < MAX(site->ret, start + PATCH_BYTES) &&
            start < MAX(s->ret, site_start(s) + PATCH_BYTES))
            return true;
    }
    return false;
}

static struct patched_page *page_of(struct patch_table *t, u64 addr)
{
    for (u32 i = 0; i < t->npages; i++) {
        if (t->pages[i].addr == addr)
            return &t->pages[i];
    }
    if (t->npages == PAGES_MAX)
        return NULL;
    struct patched_page *p = &t->pages[t->npages++];
    *p = (struct patched_page){.addr = addr, .file_page = NO_PAGE};
    return p;
}

/* The site's index: an earlier one of the same bytes, or a new one. */
static int site_add(struct patch_table *t, const struct patch_site *site)
{
    u32 n = atomic_load(&t->nsites), i = bucket_of(site->ip);
    struct patch_site *old = find(t, site->ip);

    if (old) /* code that was replaced by other code: rare */
        return !old->bad && old->kind == site->kind && old->nr == site->nr ? (int)(old - t->sites)
                                                                           : -ENOENT;
    if (n == SITES_MAX)
        return -ENOSPC;
    u32 *page = &t->entry_page[n / ENTRIES_A_PAGE];
    if (*page == NO_PAGE)
        *page = page_get();
    if (*page == NO_PAGE)
        return -ENOSPC;
    t->sites[n] = *site;
    t->sites[n].next = atomic_load(&t->bucket[i]);
    write_entry(site, n, (u8 *)page_data(*page) + n % ENTRIES_A_PAGE * ENTRY_SIZE);
    atomic_store(&t->nsites, n + 1);
    atomic_store(&t->bucket[i], (u16)(n + 1));
    return (int)n;
}

static struct stub_op map_op(u64 addr, u32 file_page, u32 prot)
{
    return (struct stub_op){
        .nr = LINUX_SYS_mmap,
        .args = {addr, PAGE_SIZE, prot, LINUX_MAP_SHARED | LINUX_MAP_FIXED | LINUX_MAP_POPULATE,
                 (u64)g_patch.fd, (u64)file_page * PAGE_SIZE},
    };
}

static int patch_locked(struct platform_as *as, struct patch_site *site, const u8 *text, u32 prot)
{
    struct patch_table *t = table_get(as);
    u64 addr = site_start(site) & PAGE_MASK;

    if (!t)
        return -ENOMEM;
    if (overlaps(t, site))
        return -ENOENT;
    struct patched_page *page = page_of(t, addr);
    u32 copy = page ? page_get() : NO_PAGE;
    if (copy == NO_PAGE)
        return -ENOSPC;
    int index = site_add(t, site);
    if (index < 0) {
        page_put(copy);
        return index;
    }
    u8 *data = (u8 *)page_data(copy);
    memcpy(data, text, PAGE_SIZE);
    for (u32 i = 0; i < atomic_load(&t->nsites); i++) {
        const struct patch_site *s = &t->sites[i];
        if (i == (u32)index || (atomic_load(&s->live) && (site_start(s) & PAGE_MASK) == addr))
            write_jump(data, s, i);
    }
    u32 nentry = (u32)index / ENTRIES_A_PAGE;
    struct stub_op ops[2] = {
        map_op(LOW_ENTRIES + (u64)nentry * PAGE_SIZE, t->entry_page[nentry],
               LINUX_PROT_READ | LINUX_PROT_EXEC),
        map_op(addr, copy, prot),
    };
    atomic_store(&t->sites[index].live, true); /* somebody may be there before we are back */
    int err = st_as_run_locked(as, ops, ARRAY_SIZE(ops));
    if (err < 0) {
        /* What is mapped there now is not known: nothing, and the kernel will map it again. */
        struct stub_op op = {.nr = LINUX_SYS_munmap, .args = {addr, PAGE_SIZE}};
        patch_touch_locked(as, addr, PAGE_SIZE);
        if (!atomic_load(&as->dead) && st_as_run_locked(as, &op, 1) < 0)
            st_as_kill(as, "a page of text can't be taken away");
        if (!atomic_load(&as->dead))
            page_put(copy); /* else it goes with the stub */
        else if (page->file_page == NO_PAGE)
            page->file_page = copy;
        return err;
    }
    page_put(page->file_page);
    page->file_page = copy;
    page->live = true;
    log_debug("systrap: stub %d: call site %#llx patched (%d), entry %d", as->pid,
              (unsigned long long)site->ip, site->kind, index);
    return 0;
}

int systrap_as_patch(struct platform_as *as, u64 ip, const void *text, u32 prot)
{
    struct platform_thread *v = t_systrap_vcpu;
    struct patch_site site = {.ip = ip};
    u64 start = ip - 2;
    u32 off = (u32)(start & ~PAGE_MASK);
    const u8 *bytes = text;
    int err;

    if (!(g_systrap.rungs & RUNG_PATCH) || atomic_load(&as->no_patch) || !v || v->as != as ||
        (prot & LINUX_PROT_WRITE) || ip < SYSTRAP_VM_START || off + 2 > PAGE_SIZE ||
        bytes[off] != 0x0f || bytes[off + 1] != 0x05)
        return -ENOSYS;
    err = match(bytes, off, v->orig_rax, &site);
    if (err < 0 || (site_start(&site) & PAGE_MASK) != (start & PAGE_MASK))
        return -ENOENT;
    mutex_lock(&as->lock);
    err = patch_locked(as, &site, bytes, prot);
    mutex_unlock(&as->lock);
    return err;
}

bool patch_is_in_locked(struct platform_as *as, u64 addr, u64 len)
{
    struct patch_table *t = atomic_load(&as->patches);

    for (u32 i = 0; t && i < t->npages; i++) {
        if (t->pages[i].live && t->pages[i].addr - addr < len)
            return true;
    }
    return false;
}

void patch_touch_locked(struct platform_as *as, u64 addr, u64 len)
{
    struct patch_table *t = atomic_load(&as->patches);

    for (u32 i = 0; t && i < t->npages; i++) {
        struct patched_page *p = &t->pages[i];
        if (p->addr - addr >= len)
            continue;
        p->live = false;
        for (u32 k = 0; k < atomic_load(&t->nsites); k++) {
            if ((site_start(&t->sites[k]) & PAGE_MASK) == p->addr)
                atomic_store(&t->sites[k].live, false);
        }
    }
}

void patch_free(struct platform_as *as)
{
    struct patch_table *t = atomic_load(&as->patches);

    atomic_store(&as->no_patch, false);
    if (!t)
        return;
    atomic_store(&as->patches, NULL);
    for (u32 i = 0; i < t->npages; i++)
        page_put(t->pages[i].file_page);
    for (u32 i = 0; i < ENTRY_PAGES; i++)
        page_put(t->entry_page[i]);
    kfree(t);
}

struct patch_site *patch_site_starting(struct platform_as *as, u64 start)
{
    struct patch_table *t = atomic_load(&as->patches);

    for (u32 i = 0; t && i < atomic_load(&t->nsites); i++) {
        if (site_start(&t->sites[i]) == start)
            return &t->sites[i];
    }
    return NULL;
}

/* --- who is in the middle of one --- */

/* The site in whose overwritten bytes rip is, perhaps a former one, and where that leads. */
static struct patch_site *site_around(struct platform_as *as, u64 rip, u64 *to)
{
    struct patch_table *t = atomic_load(&as->patches);
    struct patch_site *s;

    if (likely(!t))
        return NULL;
    s = find(t, rip);
    if (s && !patch_is_mov(s)) {
        *to = entry_addr((u32)(s - t->sites)) + ENTRY_TAIL;
        return s;
    }
    s = find(t, rip + 2);
    if (!s || s->kind != PATCH_MOV32)
        return NULL;
    *to = entry_addr((u32)(s - t->sites)) + ENTRY_SLOW;
    return s;
}

void patch_redirect(struct platform_as *as, struct arch_regs *regs)
{
    u64 to;
    struct patch_site *site = site_around(as, regs->rip, &to);

    if (site && atomic_load(&site->live))
        regs->rip = to;
}

/* A site that code jumps into is given up: its page becomes as the kernel knows it, at the next
 * fault there. */
void patch_give_up(struct platform_as *as, struct patch_site *site)
{
    u64 addr = site_start(site) & PAGE_MASK;
    struct stub_op op = {.nr = LINUX_SYS_munmap, .args = {addr, PAGE_SIZE}};

    mutex_lock(&as->lock);
    if (atomic_load(&site->live)) {
        site->bad = true;
        patch_touch_locked(as, addr, PAGE_SIZE);
        st_as_run_locked(as, &op, 1);
    }
    mutex_unlock(&as->lock);
}

bool patch_fault(struct platform_thread *v, int sig, u64 rip)
{
    struct platform_as *as = v->as;
    struct patch_site *site;
    u64 to;

    if ((sig != LINUX_SIGSEGV && sig != LINUX_SIGILL) || !(site = site_around(as, rip, &to)))
        return false;
    mutex_lock(&as->lock); /* it may be about to be patched, or given up */
    bool live = atomic_load(&site->live);
    bool enough = live && atomic_fetch_add(&site->faults, 1) + 1 >= FAULTS_MAX;
    mutex_unlock(&as->lock);
    if (!live) {
        /* What caused the fault may be gone: once more. */
        bool again = v->retried != rip;
        v->retried = rip;
        return again;
    }
    /* The resume redirects it, behind what the kernel may want to see first. */
    if (enough)
        patch_give_up(as, site);
    return true;
}
