/* A response that comes over time: one side adds bytes when there are some, the other waits for them without
 * holding a thread. */
#ifndef SERVER_HTTP_STREAM_H
#define SERVER_HTTP_STREAM_H

#include <stdbool.h>
#include <stddef.h>

/* Shared by its writer and its reader: the last of them to let go frees it. Functions may be called from
 * several threads. */
struct http_stream;

/* With both sides; NULL without memory. */
struct http_stream *http_stream_new(void);

/* The writer's side. False where nobody reads any more, or too slowly. */
bool http_stream_send(struct http_stream *stream, const char *bytes, size_t count);
/* No more will come; lets go. */
void http_stream_end(struct http_stream *stream);

/* The reader's side: how it falls asleep when there is nothing to read (false: it may not, and the stream
 * ends for it), and how it is woken. Both are called with the stream locked. */
struct http_stream_reader {
    bool (*sleep)(void *context);
    void (*wake)(void *context);
    void *context;
};
void http_stream_attach(struct http_stream *stream, const struct http_stream_reader *reader);
/* Takes up to `most` bytes; 0: the reader sleeps, or *end is set. */
size_t http_stream_take(struct http_stream *stream, char *bytes, size_t most, bool *end);
/* Lets go. NULL is fine. */
void http_stream_leave(struct http_stream *stream);

#endif
