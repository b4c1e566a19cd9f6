/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs when runsc is built: has libseccomp make the programs of all filters and writes them as C to
 * stdout. At each start of a sandbox that would take longer than everything else the filters cost.
 */
#include "runsc/filter/rules.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INSNS_MAX 4096 /* BPF_MAXINSNS */

static __noreturn void gen_fail(const char *what, int err)
{
    fprintf(stderr, "seccomp filters: cannot %s: %s\n", what, strerror(-err));
    exit(1);
}

static scmp_filter_ctx gen_begin(u32 otherwise)
{
    scmp_filter_ctx ctx = seccomp_init(otherwise);
    int r;

    if (!ctx)
        gen_fail("begin", -ENOMEM);
    /* glibc falls back to clone, whose flags a filter can see. */
    r = seccomp_rule_add_array(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0, NULL);
    if (r == 0)
        r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a binary tree */
    if (r < 0)
        gen_fail("begin", r);
    return ctx;
}

/* The program of ctx as an array of that name. Releases ctx. */
static void gen_end(scmp_filter_ctx ctx, const char *name)
{
    static struct linux_sock_filter insns[INSNS_MAX];
    FILE *f = tmpfile();
    size_t n;
    int r;

    if (!f)
        gen_fail("make a temporary file", -errno);
    r = seccomp_export_bpf(ctx, fileno(f));
    if (r < 0)
        gen_fail("export", r);
    seccomp_release(ctx);
    rewind(f);
    n = fread(insns, sizeof(insns[0]), INSNS_MAX, f);
    if (n == 0 || ferror(f) || fgetc(f) != EOF)
        gen_fail("read the program back", -EIO);
    fclose(f);
    printf("\nstatic const struct linux_sock_filter %s[] = {\n", name);
    for (size_t i = 0; i < n; i++)
        printf("    {0x%02x, %u, %u, 0x%08x},\n", insns[i].code, insns[i].jt, insns[i].jf,
               insns[i].k);
    printf("};\n");
}

int main(void)
{
    static const char *const platforms[] = {"none", "ptrace", "systrap"};
    scmp_filter_ctx ctx = gen_begin(FILTER_DEFAULT);
    char name[64];

    printf("/* Made by runsc/filter/gen.c. */\n#include \"runsc/filter/filter.h\"\n");
    if (gofer_filter_rules(ctx) < 0)
        return 1;
    gen_end(ctx, "gofer");
    for (u32 i = 0; i < FILTER_PLATFORMS; i++) {
        for (u32 log = 0; log < 2; log++) {
            ctx = gen_begin(log ? SCMP_ACT_LOG : FILTER_DEFAULT);
            if (sentry_filter_rules(ctx, i) < 0)
                return 1;
            snprintf(name, sizeof(name), "sentry_%s%s", platforms[i], log ? "_log" : "");
            gen_end(ctx, name);
        }
    }
    printf("\n#define PROGRAM(a) {a, sizeof(a) / sizeof((a)[0])}\n"
           "const struct filter_program g_filter_gofer = PROGRAM(gofer);\n"
           "const struct filter_program g_filter_sentry[FILTER_PLATFORMS][2] = {\n");
    for (u32 i = 0; i < FILTER_PLATFORMS; i++)
        printf("    {PROGRAM(sentry_%s), PROGRAM(sentry_%s_log)},\n", platforms[i], platforms[i]);
    printf("};\n");
    return fflush(stdout) == 0 && !ferror(stdout) ? 0 : 1;
}
