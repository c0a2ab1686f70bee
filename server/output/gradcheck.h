/* Reports of gradient checks in the forms that they are written in. */
#ifndef SERVER_OUTPUT_GRADCHECK_H
#define SERVER_OUTPUT_GRADCHECK_H

#include "server/output/format.h"

#include <stability/gradcheck.h>

/* Whether a gradient check can be written in a format. */
bool gradcheck_has_format(const struct format *format);
/* The same, with NOT_ACCEPTABLE where it cannot. */
bool gradcheck_check_format(const struct format *format, struct stability_error *error);
/* Appends the report in such a format. False where memory does not suffice. */
bool gradcheck_format(const struct format *format, const struct stability_gradcheck_report *report,
                      struct buffer *buffer);

/* The writers. */
void gradcheck_json(const struct stability_gradcheck_report *report, struct buffer *buffer);
void gradcheck_text(const struct stability_gradcheck_report *report, struct buffer *buffer);

/* "full", "sampled", "directional". */
const char *gradcheck_mode_name(enum stability_gradcheck_mode mode);

#endif
