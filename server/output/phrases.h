/* Words and numbers that several formats share, as visible text (see terminal_escape). */
#ifndef SERVER_OUTPUT_PHRASES_H
#define SERVER_OUTPUT_PHRASES_H

#include "server/json_writer.h"
#include "server/report_findings.h"

#include <stability/report.h>

/* The path that formats which want one give for every finding: a request's model is no file. */
#define PHRASE_ARTIFACT "model"

/* "0.8", "1e-06", "NaN": see terminal_short_number. */
void phrase_number(struct buffer *buffer, double number);
/* "1 error", "2 errors". */
void phrase_count(struct buffer *buffer, int64_t count, const char *noun);
/* "12.5 %"; "-" where `fraction` is NaN, that is does not exist. */
void phrase_percent(struct buffer *buffer, double fraction);
/* "32x64", "scalar". */
void phrase_shape(struct buffer *buffer, const struct stability_shape *shape);
/* How many findings there are of each severity, and how many of them a baseline (which may be NULL) lacks:
 * "1 error, 2 notes (1 new)"; nothing where there are none. */
void phrase_findings(struct buffer *buffer, const struct stability_report *report,
                     const struct report_findings *baseline);
/* "665.5 kFLOP, 74 KiB". */
void phrase_cost(struct buffer *buffer, const struct stability_report *report);
/* "stabilityd 1.0.0, float32, train mode, seed 7", thresholds that were set, and the BLAS where it is known.
 */
void phrase_engine(struct buffer *buffer, const struct stability_report *report);
/* "gradient_norm = 1.7e-09, threshold = 1e-06". */
void phrase_evidence(struct buffer *buffer, const struct stability_finding *finding);
/* A message or a cause as a sentence: its first letter a capital, a full stop at its end. */
void phrase_sentence(struct buffer *buffer, const char *text);
/* A finding in full sentences: message, then cause where there is one. */
void phrase_finding(struct buffer *buffer, const struct stability_finding *finding);
/* Writes what `text` holds as a JSON member, and empties it. */
void phrase_member(struct json_writer *json, const char *key, struct buffer *text);

/* The L2 norm of the gradients of all of a layer's parameters together. False where there are none. */
bool phrase_parameter_gradient(const struct stability_layer_report *layer, double *norm);

#endif
