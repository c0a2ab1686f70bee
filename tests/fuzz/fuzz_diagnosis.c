/* Any bytes as a whole request, in process: what the first byte says (diagnosis or gradient check, encoding,
 * form, output format), then the body. There is a report, or an error; never both, and all memory is given
 * back. */
#include "server/clock.h"
#include "server/diagnosis.h"
#include "server/input/container.h"
#include "server/input/held.h"
#include "server/input/multipart.h"
#include "tests/fuzz/fuzz.h"

#include <stability/stability.h>

#define MEMORY (64 << 20)
#define SECONDS 2.0

int LLVMFuzzerInitialize(int *count, char ***arguments)
{
    struct stability_error error = {0};
    (void)count;
    (void)arguments;
    input_initialize();
    require(stability_initialize(&error));
    return 0;
}

/* The bits of the first byte: 0 gradient check, 1 and 2 encoding, 3 multipart, 4 to 6 format. */
static void diagnose(unsigned choice, struct held_bytes *held, struct budget *memory)
{
    struct diagnosis diagnosis = {0};
    struct diagnosis_call call = {
        .purpose = choice & 1 ? INPUT_GRADCHECK : INPUT_DIAGNOSE,
        .threads = 1,
        .limits = {.layers = 50, .parameters = 100000, .elements = 100000, .bytes = MEMORY / 4},
        .memory = memory,
        .held = held->reserved,
        .deadline = clock_seconds() + SECONDS,
    };
    call.choice.format = format_at((choice >> 4 & 7) % format_count());
    static char empty[1];
    char *body = held->buffer.data == NULL ? empty : held->buffer.data;
    bool done = container_open(body, held->buffer.length, choice & 8 ? "boundary" : NULL, &call.body,
                               &diagnosis.error) &&
                diagnosis_run(&call, &diagnosis);
    require(done == (diagnosis.error.code == STABILITY_OK));
    require(done == (diagnosis.body.length > 0));
    require(done || diagnosis.error.message[0] != '\0');
    diagnosis_free(&diagnosis);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum encoding encodings[] = {ENCODING_IDENTITY, ENCODING_IDENTITY, ENCODING_GZIP,
                                              ENCODING_ZSTD};
    struct budget memory = {.total = MEMORY};
    struct held_bytes held = {.memory = &memory};
    struct stability_error error = {0};
    if (size == 0) {
        return 0;
    }
    if (held_append(&held, (const char *)data + 1, size - 1, -1, &error) &&
        held_decode(&held, encodings[data[0] >> 1 & 3], MEMORY / 8, &error)) {
        diagnose(data[0], &held, &memory);
    }
    held_release(&held);
    require(memory.reserved == 0);
    return 0;
}
