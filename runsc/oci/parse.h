/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the config.json parser, one file each. All: 0 or -EINVAL with a message. */
#ifndef RUNSC_OCI_PARSE_H
#define RUNSC_OCI_PARSE_H

#include "runsc/oci/json.h"
#include "runsc/oci/spec.h"

/* process.c */
int oci_parse_process(struct json_reader *r, struct json_at at, struct oci_process *out);
/* mounts.c */
int oci_parse_mounts(struct json_reader *r, struct json_at at, const char *bundle,
                     struct oci_spec *out);
/* linux.c */
int oci_parse_linux(struct json_reader *r, struct json_at at, struct oci_spec *out);

#endif
