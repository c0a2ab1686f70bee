/* Connections that were answered before their client had sent everything. Closed at once, with bytes unread,
 * the system would reset them, and a client that sends on before it reads would lose the answer. A thread
 * reads what still comes and throws it away, up to some time and size, of some connections at a time. */
#ifndef SERVER_HTTP_LINGER_H
#define SERVER_HTTP_LINGER_H

#include <stability/error.h>

#define LINGER_MOST 128 /* connections at a time; others are closed at once */

struct lingerers;

/* `silence`: seconds without a byte after which a connection is closed. NULL on error. */
struct lingerers *linger_new(double silence, struct stability_error *error);

/* Says over a connection that nothing more comes, and keeps it open for `seconds` at most. The descriptor
 * stays the caller's, who may close it at once. */
void linger_take(struct lingerers *linger, int descriptor, double seconds);

/* Waits until all are closed, `seconds` at most; then closes them. NULL is fine. */
void linger_free(struct lingerers *linger, double seconds);

#endif
