#define ZLIB_CONST /* next_in may point at what is not to be changed */

#include "server/input/encoding.h"

#include <limits.h>
#include <stdlib.h>
#include <strings.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

/* What a decoder must give to a window at most (RFC 9659). */
#define ZSTD_WINDOW_LOG 23
/* A window of 32 KiB, and a gzip header before the stream. */
#define GZIP_WINDOW_BITS (15 + 16)

struct coding;

struct decoder {
    const struct coding *coding;
    const char *bytes;
    size_t length;
    size_t position; /* in `bytes`: what is before it was consumed */
    int64_t decoded;
    int64_t limit;
    bool ended; /* a stream has ended, and no other has begun */
    z_stream gzip;
    ZSTD_DCtx *zstd;
};

struct coding {
    const char *name;
    bool (*open)(struct decoder *decoder);
    /* Fills `room` bytes unless the encoded ones end before. */
    bool (*read)(struct decoder *decoder, char *bytes, size_t room, size_t *count,
                 struct stability_error *error);
    void (*close)(struct decoder *decoder);
};

static bool out_of_memory(struct stability_error *error)
{
    return stability_fail(error, STABILITY_ERROR_OUT_OF_MEMORY, NULL,
                          "there is no memory to decode the body");
}

static bool fail_broken(const struct decoder *decoder, const char *problem, struct stability_error *error)
{
    return stability_fail(error, STABILITY_ERROR_ENCODING, NULL, "the %s body is broken near byte %zu: %s",
                          decoder->coding->name, decoder->position, problem);
}

static bool fail_truncated(const struct decoder *decoder, struct stability_error *error)
{
    return stability_fail(error, STABILITY_ERROR_ENCODING, NULL,
                          "the %s body has %zu bytes and ends before its stream does", decoder->coding->name,
                          decoder->length);
}

/* ---- gzip ---- */

static bool gzip_open(struct decoder *decoder)
{
    return inflateInit2(&decoder->gzip, GZIP_WINDOW_BITS) == Z_OK;
}

static uInt gzip_size(size_t size)
{
    return size < UINT_MAX ? (uInt)size : UINT_MAX;
}

/* One call of inflate; Z_STREAM_END only where the last member ends. */
static int gzip_step(struct decoder *decoder, char *bytes, size_t room, size_t *count)
{
    z_stream *stream = &decoder->gzip;
    uInt available = gzip_size(decoder->length - decoder->position);
    stream->next_in = (const Bytef *)decoder->bytes + decoder->position;
    stream->avail_in = available;
    stream->next_out = (Bytef *)bytes;
    stream->avail_out = gzip_size(room);
    int result = inflate(stream, Z_NO_FLUSH);
    decoder->position += available - stream->avail_in;
    *count = gzip_size(room) - stream->avail_out;
    if (result == Z_STREAM_END && decoder->position < decoder->length) {
        return inflateReset(stream);
    }
    return result;
}

static bool gzip_read(struct decoder *decoder, char *bytes, size_t room, size_t *count,
                      struct stability_error *error)
{
    while (*count < room && !decoder->ended) {
        size_t more;
        int result = gzip_step(decoder, bytes + *count, room - *count, &more);
        *count += more;
        decoder->ended = result == Z_STREAM_END;
        if (result == Z_MEM_ERROR) {
            return out_of_memory(error);
        }
        if (result == Z_BUF_ERROR) {
            return fail_truncated(decoder, error);
        }
        if (result != Z_OK && result != Z_STREAM_END) {
            return fail_broken(decoder, decoder->gzip.msg != NULL ? decoder->gzip.msg : zError(result),
                               error);
        }
    }
    return true;
}

static void gzip_close(struct decoder *decoder)
{
    inflateEnd(&decoder->gzip);
}

/* ---- zstd ---- */

static bool zstd_open(struct decoder *decoder)
{
    decoder->zstd = ZSTD_createDCtx();
    return decoder->zstd != NULL &&
           !ZSTD_isError(ZSTD_DCtx_setParameter(decoder->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG));
}

static bool zstd_fail(const struct decoder *decoder, size_t result, struct stability_error *error)
{
    switch (ZSTD_getErrorCode(result)) {
    case ZSTD_error_memory_allocation:
        return out_of_memory(error);
    case ZSTD_error_frameParameter_windowTooLarge:
        return fail_broken(decoder, "its window is larger than 8 MiB (see RFC 9659)", error);
    default:
        return fail_broken(decoder, ZSTD_getErrorName(result), error);
    }
}

static bool zstd_read(struct decoder *decoder, char *bytes, size_t room, size_t *count,
                      struct stability_error *error)
{
    ZSTD_inBuffer encoded = {decoder->bytes, decoder->length, decoder->position};
    ZSTD_outBuffer decoded = {bytes, room, 0};
    while (decoded.pos < room && !(decoder->ended && encoded.pos == encoded.size)) {
        size_t result = ZSTD_decompressStream(decoder->zstd, &decoded, &encoded);
        decoder->position = encoded.pos;
        if (ZSTD_isError(result)) {
            return zstd_fail(decoder, result, error);
        }
        decoder->ended = result == 0;
        if (!decoder->ended && encoded.pos == encoded.size && decoded.pos < room) {
            return fail_truncated(decoder, error);
        }
    }
    *count = decoded.pos;
    return true;
}

static void zstd_close(struct decoder *decoder)
{
    ZSTD_freeDCtx(decoder->zstd);
}

/* ---- all of them ---- */

static const struct coding codings[] = {
    [ENCODING_GZIP] = {"gzip", gzip_open, gzip_read, gzip_close},
    [ENCODING_ZSTD] = {"zstd", zstd_open, zstd_read, zstd_close},
};

bool encoding_find(const char *name, enum encoding *encoding)
{
    static const struct {
        const char *name;
        enum encoding encoding;
    } names[] = {{"identity", ENCODING_IDENTITY},
                 {"gzip", ENCODING_GZIP},
                 {"x-gzip", ENCODING_GZIP},
                 {"zstd", ENCODING_ZSTD}};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcasecmp(names[i].name, name) == 0) {
            *encoding = names[i].encoding;
            return true;
        }
    }
    return false;
}

struct decoder *decoder_new(enum encoding encoding, const char *bytes, size_t length, int64_t limit,
                            struct stability_error *error)
{
    struct decoder *decoder = calloc(1, sizeof(*decoder));
    if (decoder == NULL) {
        out_of_memory(error);
        return NULL;
    }
    decoder->coding = &codings[encoding];
    decoder->bytes = bytes;
    decoder->length = length;
    decoder->limit = limit;
    if (!decoder->coding->open(decoder)) {
        out_of_memory(error);
        decoder_free(decoder);
        return NULL;
    }
    return decoder;
}

static bool check_size(const struct decoder *decoder, struct stability_error *error)
{
    if (decoder->decoded > decoder->limit) {
        return stability_fail(
            error, STABILITY_ERROR_BODY_TOO_LARGE, NULL,
            "the body has at least %lld bytes when its %s is decoded, and the limit is %lld",
            (long long)decoder->decoded, decoder->coding->name, (long long)decoder->limit);
    }
    if (decoder->decoded > ENCODING_FREE_BYTES &&
        (size_t)decoder->decoded / ENCODING_LARGEST_RATIO > decoder->position) {
        return stability_fail(
            error, STABILITY_ERROR_BODY_TOO_LARGE, NULL,
            "%zu bytes of %s expand to at least %lld, which is more than the %d times that are allowed",
            decoder->position, decoder->coding->name, (long long)decoder->decoded, ENCODING_LARGEST_RATIO);
    }
    return true;
}

bool decoder_read(struct decoder *decoder, char *bytes, size_t room, size_t *count,
                  struct stability_error *error)
{
    *count = 0;
    if (!decoder->coding->read(decoder, bytes, room, count, error)) {
        return false;
    }
    decoder->decoded += (int64_t)*count;
    return check_size(decoder, error);
}

void decoder_free(struct decoder *decoder)
{
    if (decoder != NULL) {
        decoder->coding->close(decoder);
        free(decoder);
    }
}
