/* The coding and the size of pieces in the first two bytes, then any bytes as a compressed body: decoded in
 * pieces it is what it is decoded at once, and never more than the limit. */
#include "server/buffer.h"
#include "server/input/encoding.h"
#include "tests/fuzz/fuzz.h"

#define LIMIT (1 << 20)

static bool decode(enum encoding encoding, const char *bytes, size_t length, size_t room,
                   struct buffer *decoded)
{
    struct stability_error error = {0};
    struct decoder *decoder = decoder_new(encoding, bytes, length, LIMIT, &error);
    char *piece = malloc(room);
    size_t count = 1;
    bool done = true;
    require(decoder != NULL && piece != NULL);
    while (done && count > 0) {
        done = decoder_read(decoder, piece, room, &count, &error);
        require(count <= room);
        if (done) {
            buffer_append(decoded, piece, count);
            require(decoded->length <= LIMIT);
        }
    }
    require(done == (error.code == STABILITY_OK) && done == (error.message[0] == '\0'));
    require(!decoded->failed);
    free(piece);
    decoder_free(decoder);
    return done;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buffer whole = {0};
    struct buffer pieces = {0};
    if (size < 2) {
        return 0;
    }
    enum encoding encoding = data[0] & 1 ? ENCODING_ZSTD : ENCODING_GZIP;
    char *bytes = copy_of(data + 2, size - 2);
    bool done = decode(encoding, bytes, size - 2, LIMIT + 1, &whole);
    bool again = decode(encoding, bytes, size - 2, (size_t)data[1] * 16 + 1, &pieces);
    require(done == again);
    require(!done || (whole.length == pieces.length &&
                      (whole.length == 0 || memcmp(whole.data, pieces.data, whole.length) == 0)));
    buffer_free(&pieces);
    buffer_free(&whole);
    free(bytes);
    return 0;
}
