/* The work of a request: handed to a pool of threads, while libmicrohttpd has put the connection aside. */
#ifndef SERVER_HTTP_WORK_H
#define SERVER_HTTP_WORK_H

#include "server/http/exchange.h"

/* Runs the handler, and releases the body once there is a response. */
void work_run(struct exchange *exchange);

/* Runs the handler in the caller's thread, if the pool has a place that nobody waits for, on what is so short
 * that it would take longer to hand it over: a response is there then. False where none is; what was read and
 * planned by then need not be again. */
bool work_try(struct exchange *exchange);

/* Puts the connection aside and hands the exchange to its pool. False where the server closes: the response
 * is the refusal then. */
bool work_submit(struct exchange *exchange);

/* Ends work that has not begun. What has begun ends by itself: it asks whether it is wanted, and in time. The
 * watch is locked. */
void work_withdraw(struct exchange *exchange, enum stability_code code, const char *message);

#endif
