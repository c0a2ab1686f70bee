/* The work of POST /v1/diagnose and POST /v1/gradcheck, whether somebody waits for it or it is a job. */
#ifndef SERVER_ROUTES_DIAGNOSE_H
#define SERVER_ROUTES_DIAGNOSE_H

#include "server/diagnosis.h"
#include "server/http/message.h"

/* Does what the request asks, its body decoded. `keep`: the report is wanted in every format. False with the
 * diagnosis' error filled in. */
bool diagnose_request(const struct http_request *request, enum input_purpose purpose, bool keep,
                      struct diagnosis *diagnosis);

/* "diagnose", "gradcheck". */
const char *diagnose_kind(enum input_purpose purpose);

#endif
