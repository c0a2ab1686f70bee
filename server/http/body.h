/* The body of a request as it arrives: counted, and held in memory that the budget allows. */
#ifndef SERVER_HTTP_BODY_H
#define SERVER_HTTP_BODY_H

#include "server/http/exchange.h"

/* Takes `count` further bytes; a route without a body only counts them. False, with the exchange's error
 * filled in, where they exceed the limit or the memory. */
bool body_take(struct exchange *exchange, const char *bytes, size_t count);

/* Puts the decoded body in place of one that came encoded. False, with the exchange's error filled in, where
 * it is broken, or decoded exceeds the limit or the memory. */
bool body_decode(struct exchange *exchange);

/* Releases the body and gives its memory back to the budget. */
void body_release(struct exchange *exchange);

#endif
