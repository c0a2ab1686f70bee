/* The body of a request as it arrives. */
#ifndef SERVER_HTTP_BODY_H
#define SERVER_HTTP_BODY_H

#include "server/http/exchange.h"

/* Takes `count` further bytes; a route without a body only counts them. False, with the exchange's error
 * filled in, where they exceed the limit or the memory. */
bool body_take(struct exchange *exchange, const char *bytes, size_t count);
/* Frees what there is of the body, and what was made of it. */
void body_release(struct exchange *exchange);

#endif
