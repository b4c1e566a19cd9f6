/* SPDX-License-Identifier: Apache-2.0 */
/* Names of the system. */
#include "sentry/kernel/uts.h"

#include "cvisor/lock.h"

#include <stdio.h>
#include <string.h>

static struct mutex g_uts_lock = MUTEX_INIT(LOCK_LEAF);
static struct linux_utsname g_uts; /* g_uts_lock */

void uts_init(const char *hostname)
{
    memset(&g_uts, 0, sizeof(g_uts));
    snprintf(g_uts.sysname, sizeof(g_uts.sysname), "Linux");
    snprintf(g_uts.release, sizeof(g_uts.release), UTS_RELEASE);
    snprintf(g_uts.version, sizeof(g_uts.version), UTS_VERSION);
    snprintf(g_uts.machine, sizeof(g_uts.machine), "x86_64");
    snprintf(g_uts.domainname, sizeof(g_uts.domainname), "(none)");
    snprintf(g_uts.nodename, sizeof(g_uts.nodename), "%s", hostname ? hostname : "cvisor");
}

void uts_get(struct linux_utsname *out)
{
    mutex_lock(&g_uts_lock);
    *out = g_uts;
    mutex_unlock(&g_uts_lock);
}

static void uts_set(char *field, const char *name, size_t len)
{
    mutex_lock(&g_uts_lock);
    memset(field, 0, LINUX_NEW_UTS_LEN + 1);
    memcpy(field, name, len);
    mutex_unlock(&g_uts_lock);
}

void uts_set_hostname(const char *name, size_t len)
{
    uts_set(g_uts.nodename, name, len);
}

void uts_set_domainname(const char *name, size_t len)
{
    uts_set(g_uts.domainname, name, len);
}
