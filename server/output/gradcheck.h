/* Words and numbers of gradient checks that several formats share. */
#ifndef SERVER_OUTPUT_GRADCHECK_H
#define SERVER_OUTPUT_GRADCHECK_H

#include "server/buffer.h"

#include <stability/gradcheck.h>

/* "full", "sampled", "directional". */
const char *gradcheck_mode_name(enum stability_gradcheck_mode mode);
/* Whose gradient it is: "client", "engine". */
const char *gradcheck_source_name(const struct stability_gradcheck_parameter *parameter);
/* "pass: gradients are acceptable". */
void gradcheck_phrase_verdict(struct buffer *buffer, const struct stability_gradcheck_report *report);
/* "fc1, then fc2"; nothing where no layer is suspect. */
void gradcheck_phrase_suspects(struct buffer *buffer, const struct stability_gradcheck_report *report);
/* "stabilityd 1.0.0, float64, full check, own gradients correct". */
void gradcheck_phrase_engine(struct buffer *buffer, const struct stability_gradcheck_report *report);

#endif
