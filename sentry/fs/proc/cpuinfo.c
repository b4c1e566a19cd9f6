/* SPDX-License-Identifier: Apache-2.0 */
/* /proc/cpuinfo, from CPUID: the guest sees the processors themselves. */
#include "sentry/fs/proc/proc.h"

#include "cvisor/host.h"
#include "sentry/kernel/cpus.h"

#include <cpuid.h>
#include <string.h>

struct cpuid_regs {
    u32 r[4]; /* eax, ebx, ecx, edx */
};

/* Zeros above the highest leaf. */
static struct cpuid_regs cpuid_get(u32 leaf, u32 sub)
{
    struct cpuid_regs c = {{0}};

    __get_cpuid_count(leaf, sub, &c.r[0], &c.r[1], &c.r[2], &c.r[3]);
    return c;
}

/* Linux's names of the feature bits, in Linux's order. */
struct feature_word {
    u32 leaf, sub, reg;
    const char *names[32];
};

static const struct feature_word g_features[] = {
    {.leaf = 0x1,
     .sub = 0,
     .reg = 3,
     .names = {[0] = "fpu",   [1] = "vme",    [2] = "de",    [3] = "pse",      [4] = "tsc",
               [5] = "msr",   [6] = "pae",    [7] = "mce",   [8] = "cx8",      [9] = "apic",
               [11] = "sep",  [12] = "mtrr",  [13] = "pge",  [14] = "mca",     [15] = "cmov",
               [16] = "pat",  [17] = "pse36", [18] = "pn",   [19] = "clflush", [21] = "dts",
               [22] = "acpi", [23] = "mmx",   [24] = "fxsr", [25] = "sse",     [26] = "sse2",
               [27] = "ss",   [28] = "ht",    [29] = "tm",   [31] = "pbe"}},
    {.leaf = 0x80000001,
     .sub = 0,
     .reg = 3,
     .names = {[11] = "syscall",
               [19] = "mp",
               [20] = "nx",
               [22] = "mmxext",
               [25] = "fxsr_opt",
               [26] = "pdpe1gb",
               [27] = "rdtscp",
               [29] = "lm",
               [30] = "3dnowext",
               [31] = "3dnow"}},
    {.leaf = 0x80000007, .sub = 0, .reg = 3, .names = {[8] = "constant_tsc"}},
    {.leaf = 0x1,
     .sub = 0,
     .reg = 2,
     .names = {[0] = "pni",     [1] = "pclmulqdq",  [2] = "dtes64",  [3] = "monitor",
               [4] = "ds_cpl",  [5] = "vmx",        [6] = "smx",     [7] = "est",
               [8] = "tm2",     [9] = "ssse3",      [10] = "cid",    [11] = "sdbg",
               [12] = "fma",    [13] = "cx16",      [14] = "xtpr",   [15] = "pdcm",
               [17] = "pcid",   [18] = "dca",       [19] = "sse4_1", [20] = "sse4_2",
               [21] = "x2apic", [22] = "movbe",     [23] = "popcnt", [24] = "tsc_deadline_timer",
               [25] = "aes",    [26] = "xsave",     [28] = "avx",    [29] = "f16c",
               [30] = "rdrand", [31] = "hypervisor"}},
    {.leaf = 0x80000001,
     .sub = 0,
     .reg = 2,
     .names = {[0] = "lahf_lm",       [1] = "cmp_legacy",  [2] = "svm",    [3] = "extapic",
               [4] = "cr8_legacy",    [5] = "abm",         [6] = "sse4a",  [7] = "misalignsse",
               [8] = "3dnowprefetch", [9] = "osvw",        [10] = "ibs",   [11] = "xop",
               [12] = "skinit",       [13] = "wdt",        [15] = "lwp",   [16] = "fma4",
               [17] = "tce",          [19] = "nodeid_msr", [21] = "tbm",   [22] = "topoext",
               [23] = "perfctr_core", [24] = "perfctr_nb", [26] = "bpext", [27] = "ptsc",
               [28] = "perfctr_llc",  [29] = "mwaitx"}},
    {.leaf = 0x7,
     .sub = 0,
     .reg = 1,
     .names = {[0] = "fsgsbase",  [1] = "tsc_adjust", [3] = "bmi1",        [4] = "hle",
               [5] = "avx2",      [7] = "smep",       [8] = "bmi2",        [9] = "erms",
               [10] = "invpcid",  [11] = "rtm",       [12] = "cqm",        [14] = "mpx",
               [15] = "rdt_a",    [16] = "avx512f",   [17] = "avx512dq",   [18] = "rdseed",
               [19] = "adx",      [20] = "smap",      [21] = "avx512ifma", [23] = "clflushopt",
               [24] = "clwb",     [25] = "intel_pt",  [26] = "avx512pf",   [27] = "avx512er",
               [28] = "avx512cd", [29] = "sha_ni",    [30] = "avx512bw",   [31] = "avx512vl"}},
    {.leaf = 0xd,
     .sub = 1,
     .reg = 0,
     .names = {[0] = "xsaveopt", [1] = "xsavec", [2] = "xgetbv1", [3] = "xsaves"}},
    {.leaf = 0x7,
     .sub = 1,
     .reg = 0,
     .names = {[4] = "avx_vnni",
               [5] = "avx512_bf16",
               [10] = "fzrm",
               [11] = "fsrs",
               [12] = "fsrc",
               [21] = "amx_fp16",
               [23] = "avx_ifma",
               [26] = "lam"}},
    {.leaf = 0x80000008,
     .sub = 0,
     .reg = 1,
     .names = {[0] = "clzero",
               [1] = "irperf",
               [2] = "xsaveerptr",
               [4] = "rdpru",
               [9] = "wbnoinvd",
               [12] = "ibpb",
               [14] = "ibrs",
               [15] = "stibp"}},
    {.leaf = 0x6,
     .sub = 0,
     .reg = 0,
     .names = {[0] = "dtherm", [1] = "ida", [2] = "arat", [4] = "pln", [6] = "pts", [7] = "hwp"}},
    {.leaf = 0x7,
     .sub = 0,
     .reg = 2,
     .names = {[1] = "avx512vbmi",
               [2] = "umip",
               [3] = "pku",
               [4] = "ospke",
               [5] = "waitpkg",
               [6] = "avx512_vbmi2",
               [8] = "gfni",
               [9] = "vaes",
               [10] = "vpclmulqdq",
               [11] = "avx512_vnni",
               [12] = "avx512_bitalg",
               [13] = "tme",
               [14] = "avx512_vpopcntdq",
               [16] = "la57",
               [22] = "rdpid",
               [25] = "cldemote",
               [27] = "movdiri",
               [28] = "movdir64b",
               [29] = "enqcmd"}},
    {.leaf = 0x7,
     .sub = 0,
     .reg = 3,
     .names = {[2] = "avx512_4vnniw",
               [3] = "avx512_4fmaps",
               [4] = "fsrm",
               [8] = "avx512_vp2intersect",
               [10] = "md_clear",
               [14] = "serialize",
               [16] = "tsxldtrk",
               [18] = "pconfig",
               [19] = "arch_lbr",
               [20] = "ibt",
               [22] = "amx_bf16",
               [23] = "avx512_fp16",
               [24] = "amx_tile",
               [25] = "amx_int8",
               [28] = "flush_l1d",
               [29] = "arch_capabilities"}},
};

static void show_flags(struct ktext *t)
{
    ktext_puts(t, "flags\t\t:");
    for (size_t i = 0; i < ARRAY_SIZE(g_features); i++) {
        const struct feature_word *w = &g_features[i];
        u32 bits = cpuid_get(w->leaf, w->sub).r[w->reg];

        for (u32 b = 0; b < 32; b++) {
            if (((bits >> b) & 1) && w->names[b])
                ktext_printf(t, " %s", w->names[b]);
        }
        /* What Linux derives: it stands behind the second word. */
        if (w->leaf == 0x80000007)
            ktext_printf(t, " rep_good nopl%s cpuid", bits & 0x100 ? " nonstop_tsc" : "");
    }
    ktext_puts(t, "\n");
}

/* ---- frequency ------------------------------------------------------------------------------- */

/* The time stamp counter against the clock, since the first question. kHz. */
static u64 measured_khz(void)
{
    static atomic_ullong first_tsc, first_ns;
    u64 ns = host_now_mono(), tsc = __builtin_ia32_rdtsc(), none = 0, ns0, tsc0;

    if (atomic_compare_exchange_strong(&first_ns, (unsigned long long *)&none, ns))
        atomic_store(&first_tsc, tsc);
    tsc0 = atomic_load(&first_tsc);
    ns0 = atomic_load(&first_ns);
    /* At least 10 ms apart; until then a guess by the model's name is all there is. */
    if (!tsc0 || ns < ns0 + 10000000 || tsc <= tsc0)
        return 0;
    return (u64)((unsigned __int128)(tsc - tsc0) * 1000000 / (ns - ns0));
}

void proc_cpuinfo_init(void)
{
    measured_khz();
}

/* "@ 2.60GHz" in the brand. */
static u64 brand_khz(const char *brand)
{
    const char *p = strchr(brand, '@');
    u64 v = 0, scale = 1;
    bool point = false;

    if (!p)
        return 0;
    for (p++; *p == ' ' || *p == '.' || (*p >= '0' && *p <= '9'); p++) {
        if (*p == '.') {
            point = true;
        } else if (*p != ' ') {
            v = v * 10 + (u64)(*p - '0');
            scale *= point ? 10 : 1;
            if (v > 100000)
                return 0;
        }
    }
    return strncmp(p, "GHz", 3) ? 0 : v * 1000000 / scale;
}

static u64 cpu_khz(const char *brand)
{
    struct cpuid_regs ratio = cpuid_get(0x15, 0);
    u64 khz;

    if (ratio.r[0] && ratio.r[1] && ratio.r[2])
        return (u64)ratio.r[2] * ratio.r[1] / ratio.r[0] / 1000;
    khz = (u64)(cpuid_get(0x16, 0).r[0] & 0xffff) * 1000;
    if (!khz)
        khz = measured_khz();
    if (!khz)
        khz = brand_khz(brand);
    return khz ? khz : 2000000;
}

/* ---- identity -------------------------------------------------------------------------------- */

struct cpu_identity {
    char vendor[13], brand[49];
    u32 max_leaf, family, model, stepping, clflush, phys_bits, virt_bits, cache_kib;
};

static void trim(char *s)
{
    char *from = s + strspn(s, " "), *end;

    memmove(s, from, strlen(from) + 1);
    end = s + strlen(s);
    while (end > s && end[-1] == ' ')
        *--end = 0;
}

/* The largest cache, KiB. */
static u32 cache_size(const char *vendor)
{
    u32 leaf = strcmp(vendor, "AuthenticAMD") ? 4 : 0x8000001d, best = 0;

    for (u32 i = 0; i < 8; i++) {
        struct cpuid_regs c = cpuid_get(leaf, i);
        u64 size = ((c.r[1] >> 22) + 1ull) * (((c.r[1] >> 12) & 0x3ff) + 1) *
                   ((c.r[1] & 0xfff) + 1) * (c.r[2] + 1ull);

        if (!(c.r[0] & 31))
            break;
        best = MAX(best, (u32)(size >> 10));
    }
    return best;
}

static void identify(struct cpu_identity *id)
{
    struct cpuid_regs c = cpuid_get(0, 0);

    memset(id, 0, sizeof(*id));
    id->max_leaf = c.r[0];
    memcpy(id->vendor, &c.r[1], 4);
    memcpy(id->vendor + 4, &c.r[3], 4);
    memcpy(id->vendor + 8, &c.r[2], 4);
    c = cpuid_get(1, 0);
    id->stepping = c.r[0] & 15;
    id->model = (c.r[0] >> 4) & 15;
    id->family = (c.r[0] >> 8) & 15;
    if (id->family == 6 || id->family == 15)
        id->model |= ((c.r[0] >> 16) & 15) << 4;
    if (id->family == 15)
        id->family += (c.r[0] >> 20) & 255;
    id->clflush = ((c.r[1] >> 8) & 255) * 8;
    for (u32 i = 0; i < 3; i++) {
        c = cpuid_get(0x80000002 + i, 0);
        memcpy(id->brand + 16 * i, c.r, 16);
    }
    trim(id->brand);
    c = cpuid_get(0x80000008, 0);
    id->phys_bits = c.r[0] & 255 ? c.r[0] & 255 : 36;
    id->virt_bits = (c.r[0] >> 8) & 255 ? (c.r[0] >> 8) & 255 : 48;
    id->cache_kib = cache_size(id->vendor);
}

int proc_show_cpuinfo(struct inode *inode, struct ktext *t)
{
    struct cpu_identity id;
    struct ktext flags = {0};
    int n = cpus_count();
    u64 khz;

    identify(&id);
    show_flags(&flags); /* once: CPUID is slow in a virtual machine */
    t->failed |= flags.failed;
    khz = cpu_khz(id.brand);
    for (int i = 0; i < n && !t->failed; i++) {
        ktext_printf(t,
                     "processor\t: %d\nvendor_id\t: %s\ncpu family\t: %u\nmodel\t\t: %u\n"
                     "model name\t: %s\nstepping\t: %u\nmicrocode\t: 0x1\n"
                     "cpu MHz\t\t: %llu.%03llu\ncache size\t: %u KB\nphysical id\t: 0\n"
                     "siblings\t: %d\ncore id\t\t: %d\ncpu cores\t: %d\napicid\t\t: %d\n"
                     "initial apicid\t: %d\nfpu\t\t: yes\nfpu_exception\t: yes\n"
                     "cpuid level\t: %u\nwp\t\t: yes\n",
                     i, id.vendor, id.family, id.model, id.brand[0] ? id.brand : "unknown",
                     id.stepping, (unsigned long long)(khz / 1000),
                     (unsigned long long)(khz % 1000), id.cache_kib, n, i, n, i, i, id.max_leaf);
        ktext_write(t, flags.buf, flags.len);
        ktext_printf(t,
                     "bugs\t\t:\nbogomips\t: %llu.%02llu\nclflush size\t: %u\n"
                     "cache_alignment\t: %u\naddress sizes\t: %u bits physical, %u bits virtual\n"
                     "power management:\n\n",
                     (unsigned long long)(khz / 500), (unsigned long long)(khz / 5 % 100),
                     id.clflush, id.clflush, id.phys_bits, id.virt_bits);
    }
    ktext_free(&flags);
    return 0;
}
