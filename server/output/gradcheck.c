#include "server/output/gradcheck.h"

#include "server/output/terminal.h"

#include <stability/stability.h>

const char *gradcheck_mode_name(enum stability_gradcheck_mode mode)
{
    static const char *const names[] = {
        [STABILITY_GRADCHECK_FULL] = "full",
        [STABILITY_GRADCHECK_SAMPLED] = "sampled",
        [STABILITY_GRADCHECK_DIRECTIONAL] = "directional",
    };
    return names[mode];
}

const char *gradcheck_source_name(const struct stability_gradcheck_parameter *parameter)
{
    return parameter->from_client ? "client" : "engine";
}

void gradcheck_phrase_verdict(struct buffer *buffer, const struct stability_gradcheck_report *report)
{
    buffer_format(buffer, "%s: gradients are %s", report->failed ? "fail" : "pass",
                  stability_gradcheck_level_name(report->level));
}

void gradcheck_phrase_suspects(struct buffer *buffer, const struct stability_gradcheck_report *report)
{
    for (size_t i = 0; i < report->suspect_count; i++) {
        buffer_append_text(buffer, i == 0 ? "" : ", then ");
        terminal_escape(buffer, report->suspect_layers[i]);
    }
}

void gradcheck_phrase_engine(struct buffer *buffer, const struct stability_gradcheck_report *report)
{
    buffer_format(buffer, "stabilityd " STABILITY_VERSION ", float64, %s check, own gradients %s",
                  gradcheck_mode_name(report->mode), stability_gradcheck_level_name(report->engine_level));
}
