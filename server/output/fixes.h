/* Fixes of a finding, as JSON and in words. */
#ifndef SERVER_OUTPUT_FIXES_H
#define SERVER_OUTPUT_FIXES_H

#include "server/json_writer.h"

#include <stability/report.h>

/* The member "fixes" of a finding: a list, empty where there are none. */
void fixes_member_json(struct json_writer *json, const struct stability_finding *finding);
/* The patch alone: a list of operations. `most` operations at most. */
void fix_write_patch(struct json_writer *json, const struct stability_fix *fix, size_t most);
/* "Use Tanh in the hidden layers. The verdict becomes stable (gradient_norm: 1.7e-09 before, 0.8 after)." */
void phrase_fix(struct buffer *buffer, const struct stability_fix *fix);

#endif
