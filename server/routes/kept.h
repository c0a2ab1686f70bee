/* Reports that are kept: in the store, or as the result of a job. */
#ifndef SERVER_ROUTES_KEPT_H
#define SERVER_ROUTES_KEPT_H

#include "server/http/message.h"

/* Reads the findings of the saved report that the request names as its baseline, if it names one, and makes
 * them the baseline of `choice`. False with UNKNOWN_BASELINE where there is no such report, or it has no
 * findings to compare with. */
bool kept_baseline(const struct http_request *request, struct report_findings *findings,
                   struct report_choice *choice, struct stability_error *error);

/* Answers with a packed report, as the choice (with a format) says. */
void kept_answer(const struct http_request *request, const struct report_choice *choice,
                 const struct buffer *bundle, struct http_response *response);

/* Answers with the error. */
void kept_fail(const struct http_request *request, const struct stability_error *error,
               struct http_response *response);

#endif
