#include "server/http/stream.h"

#include "server/buffer.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define MOST_PENDING 65536 /* bytes that a reader may be behind */

struct http_stream {
    pthread_mutex_t mutex;
    struct buffer pending;
    struct http_stream_reader reader;
    bool sleeping;
    bool ended; /* the writer has let go */
    bool left;  /* the reader has */
};

struct http_stream *http_stream_new(void)
{
    struct http_stream *stream = calloc(1, sizeof(*stream));
    if (stream != NULL) {
        pthread_mutex_init(&stream->mutex, NULL);
    }
    return stream;
}

static void wake(struct http_stream *stream)
{
    if (stream->sleeping) {
        stream->sleeping = false;
        stream->reader.wake(stream->reader.context);
    }
}

/* Unlocks the stream, and frees it where both sides have let go. */
static void unlock(struct http_stream *stream)
{
    bool unused = stream->ended && stream->left;
    pthread_mutex_unlock(&stream->mutex);
    if (unused) {
        pthread_mutex_destroy(&stream->mutex);
        buffer_free(&stream->pending);
        free(stream);
    }
}

bool http_stream_send(struct http_stream *stream, const char *bytes, size_t count)
{
    pthread_mutex_lock(&stream->mutex);
    bool fits = !stream->left && stream->pending.length + count <= MOST_PENDING;
    if (fits) {
        buffer_append(&stream->pending, bytes, count);
        wake(stream);
    }
    bool sent = fits && !stream->pending.failed;
    unlock(stream);
    return sent;
}

void http_stream_end(struct http_stream *stream)
{
    pthread_mutex_lock(&stream->mutex);
    stream->ended = true;
    wake(stream);
    unlock(stream);
}

void http_stream_attach(struct http_stream *stream, const struct http_stream_reader *reader)
{
    pthread_mutex_lock(&stream->mutex);
    stream->reader = *reader;
    pthread_mutex_unlock(&stream->mutex);
}

size_t http_stream_take(struct http_stream *stream, char *bytes, size_t most, bool *end)
{
    pthread_mutex_lock(&stream->mutex);
    struct buffer *pending = &stream->pending;
    size_t count = pending->length < most ? pending->length : most;
    if (count > 0) {
        memcpy(bytes, pending->data, count);
        memmove(pending->data, pending->data + count, pending->length - count);
        buffer_truncate(pending, pending->length - count);
    }
    *end = count == 0 && stream->ended;
    if (count == 0 && !stream->ended) {
        stream->sleeping = stream->reader.sleep(stream->reader.context);
        *end = !stream->sleeping;
    }
    pthread_mutex_unlock(&stream->mutex);
    return count;
}

void http_stream_leave(struct http_stream *stream)
{
    if (stream == NULL) {
        return;
    }
    pthread_mutex_lock(&stream->mutex);
    stream->left = true;
    stream->sleeping = false;
    unlock(stream);
}
