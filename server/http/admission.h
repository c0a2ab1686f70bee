/* What can be refused once the header of a request is there, before its body is read. */
#ifndef SERVER_HTTP_ADMISSION_H
#define SERVER_HTTP_ADMISSION_H

#include "server/http/exchange.h"

/* Finds the route, and checks method, parameters, format, media type, encoding and announced length. Fills in
 * `route`, `body_length` (also where it refuses) and the request's choice. False with the exchange's error
 * filled in.
 */
bool admission_check(struct exchange *exchange, const char *method);

#endif
