/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: config.json. What is accepted must be safe to act upon. */
#include "runsc/oci/spec.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error e = ERROR_INIT;
    struct pool pool = {0};
    struct oci_spec s;
    int r = oci_parse((const char *)data, size, "/bundle", &pool, &s, &e);

    BUG_ON(r < 0 && (!e.code || !e.msg[0]));
    if (r == 0) {
        BUG_ON(!s.process.args[0] || s.process.cwd[0] != '/' || s.root_path[0] != '/');
        for (size_t i = 0; s.process.env[i]; i++)
            BUG_ON(!strchr(s.process.env[i], '='));
        for (size_t i = 0; i < s.nmounts; i++) {
            const struct oci_mount *m = &s.mounts[i];

            BUG_ON(m->destination[0] != '/' || strstr(m->destination, "/../"));
            BUG_ON(m->type == OCI_MOUNT_BIND && m->source[0] != '/');
        }
    }
    pool_free(&pool);
    return 0;
}
