#include "server/output/gradcheck.h"

#include <string.h>

static const struct {
    const char *format;
    void (*write)(const struct stability_gradcheck_report *report, struct buffer *buffer);
} writers[] = {
    {"json", gradcheck_json},
    {"text", gradcheck_text},
};

#define WRITER_COUNT (sizeof writers / sizeof writers[0])

static size_t find_writer(const struct format *format)
{
    size_t index = 0;
    while (index < WRITER_COUNT && strcmp(writers[index].format, format->name) != 0) {
        index++;
    }
    return index;
}

bool gradcheck_has_format(const struct format *format)
{
    return find_writer(format) < WRITER_COUNT;
}

bool gradcheck_check_format(const struct format *format, struct stability_error *error)
{
    return gradcheck_has_format(format) ||
           stability_fail(error, STABILITY_ERROR_NOT_ACCEPTABLE, NULL,
                          "a gradient check is not written as '%s' (there are json, text)", format->name);
}

bool gradcheck_format(const struct format *format, const struct stability_gradcheck_report *report,
                      struct buffer *buffer)
{
    writers[find_writer(format)].write(report, buffer);
    return !buffer->failed;
}

const char *gradcheck_mode_name(enum stability_gradcheck_mode mode)
{
    static const char *const names[] = {
        [STABILITY_GRADCHECK_FULL] = "full",
        [STABILITY_GRADCHECK_SAMPLED] = "sampled",
        [STABILITY_GRADCHECK_DIRECTIONAL] = "directional",
    };
    return names[mode];
}
