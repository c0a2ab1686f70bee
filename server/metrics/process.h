/* The metrics that every Prometheus client library gives of its process. */
#ifndef SERVER_METRICS_PROCESS_H
#define SERVER_METRICS_PROCESS_H

#include "server/buffer.h"

/* Appends them; what the system does not tell is left out. */
void process_write(struct buffer *text);

#endif
