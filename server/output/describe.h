/* What this server supports, as JSON: the bodies of GET /v1/layers, /v1/losses, /v1/rules and /v1/limits.
 * They are written from the tables that the code runs on. */
#ifndef SERVER_OUTPUT_DESCRIBE_H
#define SERVER_OUTPUT_DESCRIBE_H

#include "server/json_writer.h"

#include <stability/registry.h>

/* What the server refuses; 0: no limit. */
struct describe_limits {
    struct stability_limits model;
    int64_t body_bytes;  /* of a request's body, decoded */
    double body_seconds; /* for the body to arrive */
    double work_seconds; /* for a request to be answered, once it has arrived */
};

/* Each appends a whole body, one object and a newline. False where memory does not suffice.
 * {"layers": [LAYER…], "inits": ["uniform_"…]}, {"losses": [LOSS…]}, {"rules": [RULE…],
 * "analyses": [ANALYSIS…], "fixes": [FIX…]}, {"limits": {name: number}}, null for what has no limit. */
bool describe_layers(struct buffer *buffer);
bool describe_losses(struct buffer *buffer);
bool describe_rules(struct buffer *buffer);
bool describe_limits(const struct describe_limits *limits, struct buffer *buffer);

/* {"type", "torch", "documentation", "inputs": {"minimum", "maximum"}, "outputs": ["h_n"…] beside the first,
 * "attributes": [ATTRIBUTE…], "parameters": [{"name", "shape", "when", "buffer", "init", "documentation"}…]}.
 * ATTRIBUTE is {"name", "kind", "required", "nullable", "default", "minimum" or "exclusive_minimum",
 * "maximum", "choices", "items", "documentation"}: of default, range, choices and items, those that there
 * are. */
void describe_layer_type(struct json_writer *json, const struct stability_layer_type *type);
/* {"type", "torch", "documentation", "inputs", "attributes"} */
void describe_loss_type(struct json_writer *json, const struct stability_loss_type *type);
/* {"name", "severity", "criterion", "documentation", "source", "thresholds": [{"name", "default",
 * "documentation"}…]} */
void describe_rule_type(struct json_writer *json, const struct stability_rule_type *type);
/* {"name", "documentation", "source", "always", "settings": [ATTRIBUTE…]} */
void describe_analysis_type(struct json_writer *json, const struct stability_analysis_type *type);
/* {"name", "documentation", "source", "rules": ["dead-units"…]} */
void describe_fix_type(struct json_writer *json, const struct stability_fix_type *type);

#endif
