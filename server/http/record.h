/* What is kept of a request when it is over: a line in the log, and what is counted. */
#ifndef SERVER_HTTP_RECORD_H
#define SERVER_HTTP_RECORD_H

#include "server/http/exchange.h"

void record_exchange(const struct exchange *exchange);

#endif
