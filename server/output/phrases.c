#include "server/output/phrases.h"

#include "server/output/terminal.h"

#include <stability/stability.h>

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

void phrase_number(struct buffer *buffer, double number)
{
    char text[TERMINAL_NUMBER];
    buffer_append_text(buffer, terminal_short_number(number, text));
}

void phrase_count(struct buffer *buffer, int64_t count, const char *noun)
{
    buffer_format(buffer, "%" PRId64 " %s%s", count, noun, count == 1 ? "" : "s");
}

void phrase_percent(struct buffer *buffer, double fraction)
{
    if (isnan(fraction)) {
        buffer_append_text(buffer, "-");
    } else {
        buffer_format(buffer, "%.3g %%", 100 * fraction);
    }
}

void phrase_shape(struct buffer *buffer, const struct stability_shape *shape)
{
    for (int i = 0; i < shape->rank; i++) {
        buffer_format(buffer, "%s%" PRId64, i > 0 ? "x" : "", shape->sizes[i]);
    }
    if (shape->rank == 0) {
        buffer_append_text(buffer, "scalar");
    }
}

void phrase_findings(struct buffer *buffer, const struct stability_report *report,
                     const struct report_findings *baseline)
{
    const char *separator = "";
    for (enum stability_severity severity = STABILITY_ERROR_SEVERITY + 1; severity-- > STABILITY_INFO;) {
        const char *noun = severity == STABILITY_INFO ? "note" : stability_severity_name(severity);
        if (report->findings_by_severity[severity] > 0) {
            buffer_append_text(buffer, separator);
            phrase_count(buffer, report->findings_by_severity[severity], noun);
            separator = ", ";
        }
    }
    if (baseline != NULL && report->finding_count > 0) {
        buffer_format(buffer, " (%" PRId64 " new)", report_findings_compare(baseline, report).total);
    }
}

/* Bytes or operations in the largest unit that leaves at least one. */
static void append_scaled(struct buffer *buffer, int64_t amount, double base, const char *const units[5])
{
    double scaled = (double)amount;
    size_t unit = 0;
    for (; scaled >= base && unit < 4; unit++) {
        scaled /= base;
    }
    phrase_number(buffer, scaled);
    buffer_format(buffer, " %s", units[unit]);
}

void phrase_cost(struct buffer *buffer, const struct stability_report *report)
{
    static const char *const byte_units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    static const char *const operation_units[] = {"FLOP", "kFLOP", "MFLOP", "GFLOP", "TFLOP"};
    append_scaled(buffer, report->flops, 1000, operation_units);
    buffer_append_text(buffer, ", ");
    append_scaled(buffer, report->planned_bytes, 1024, byte_units);
}

/* "float32, train mode, seed 7, vanishing-gradient.gradient_norm = 1e-09, 2 weights ignored" */
static void append_options(struct buffer *buffer, const struct stability_report *report)
{
    buffer_format(buffer, "%s, %s mode, seed %" PRIu64,
                  report->precision == STABILITY_PRECISION_FLOAT64 ? "float64" : "float32",
                  report->evaluate ? "eval" : "train", report->seed);
    for (size_t i = 0; i < report->threshold_count; i++) {
        const struct stability_threshold_report *set = &report->thresholds[i];
        buffer_format(buffer, ", %s.%s = ", set->rule, set->name);
        phrase_number(buffer, set->number);
    }
    if (report->ignored_weight_count > 0) {
        buffer_append_text(buffer, ", ");
        phrase_count(buffer, (int64_t)report->ignored_weight_count, "weight");
        buffer_append_text(buffer, " ignored");
    }
}

void phrase_engine(struct buffer *buffer, const struct stability_report *report)
{
    buffer_append_text(buffer, "stabilityd " STABILITY_VERSION ", ");
    append_options(buffer, report);
    if (report->blas != NULL) {
        buffer_append_text(buffer, ", ");
        terminal_escape(buffer, report->blas);
    }
}

void phrase_evidence(struct buffer *buffer, const struct stability_finding *finding)
{
    for (size_t i = 0; i < finding->evidence_count; i++) {
        buffer_format(buffer, "%s%s = ", i == 0 ? "" : ", ", finding->evidence[i].name);
        phrase_number(buffer, finding->evidence[i].value);
    }
}

void phrase_sentence(struct buffer *buffer, const char *text)
{
    size_t start = buffer->length;
    terminal_escape(buffer, text);
    if (buffer->failed || buffer->length == start) {
        return;
    }
    buffer->data[start] = (char)toupper((unsigned char)buffer->data[start]);
    if (strchr(".!?", buffer->data[buffer->length - 1]) == NULL) {
        buffer_append_text(buffer, ".");
    }
}

void phrase_finding(struct buffer *buffer, const struct stability_finding *finding)
{
    phrase_sentence(buffer, finding->message);
    if (finding->cause != NULL) {
        buffer_append_text(buffer, " ");
        phrase_sentence(buffer, finding->cause);
    }
}

void phrase_member(struct json_writer *json, const char *key, struct buffer *text)
{
    json_key(json, key);
    json_write_bytes(json, text->length > 0 ? text->data : "", text->length);
    json->buffer->failed = json->buffer->failed || text->failed;
    buffer_truncate(text, 0);
}

bool phrase_parameter_gradient(const struct stability_layer_report *layer, double *norm)
{
    bool found = false;
    bool not_a_number = false; /* hypot(infinity, NaN) is infinity */
    *norm = 0;
    for (size_t i = 0; i < layer->parameter_count; i++) {
        const struct stability_statistics *gradient = layer->parameters[i].gradient;
        if (gradient != NULL) {
            *norm = hypot(*norm, gradient->all.norm);
            not_a_number = not_a_number || isnan(gradient->all.norm);
            found = true;
        }
    }
    *norm = not_a_number ? (double)NAN : *norm;
    return found;
}
