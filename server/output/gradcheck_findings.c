#include "server/output/gradcheck_findings.h"

#include "server/output/phrases.h"

#include <inttypes.h>
#include <string.h>

#define EVIDENCE 5

enum { WRONG, SUSPICIOUS, AT_KINKS };

#define SOURCE "docs/gradient-check.md; Goodfellow, Bengio, Courville 2016, Deep Learning, section 11.5"

static const struct stability_rule_type rules[] = {
    [WRONG] = {.name = "wrong-gradient",
               .severity = STABILITY_ERROR_SEVERITY,
               .criterion = "the relative error of a parameter's gradient is 1e-2 or more",
               .documentation =
                   "the gradient is not the derivative of the loss by this parameter: the backward "
                   "pass of its layer, or of one between it and the loss, has a fault",
               .source = SOURCE},
    [SUSPICIOUS] = {.name = "suspicious-gradient",
                    .severity = STABILITY_WARNING,
                    .criterion =
                        "the relative error of a parameter's gradient is 1e-4 or more, and below 1e-2",
                    .documentation = "more than rounding explains in float64: a term that is missing or "
                                     "approximated, or a gradient that was computed in a lower precision",
                    .source = SOURCE},
    [AT_KINKS] = {.name = "unchecked-gradient",
                  .severity = STABILITY_INFO,
                  .criterion = "more than a tenth of a parameter's elements lie at a kink, where there is no "
                               "derivative",
                  .documentation =
                      "those elements were skipped, so the check says little about this parameter; "
                      "other data may move it away from the kinks",
                  .source = SOURCE},
};

/* Of one finding; texts are offsets. */
struct place {
    size_t parameter;
    size_t rule;
    size_t message;
    size_t cause; /* 0: none */
};

static const struct stability_rule_type *rule_at(size_t index)
{
    return &rules[index];
}

static size_t rule_of(const struct stability_gradcheck_parameter *parameter)
{
    if (parameter->level >= STABILITY_GRADCHECK_SUSPICIOUS) {
        return parameter->level == STABILITY_GRADCHECK_WRONG ? WRONG : SUSPICIOUS;
    }
    return parameter->mostly_skipped ? AT_KINKS : sizeof rules / sizeof rules[0];
}

static void append_worst(struct buffer *text, const struct stability_gradcheck_parameter *parameter)
{
    buffer_append_text(text, "; worst");
    for (int d = 0; d < parameter->shape.rank; d++) {
        buffer_format(text, "%s%" PRId64, d == 0 ? " at [" : ", ", parameter->worst_index[d]);
    }
    buffer_append_text(text, parameter->shape.rank > 0 ? "]: given " : ": given ");
    phrase_number(text, parameter->worst_given);
    buffer_append_text(text, ", numerical ");
    phrase_number(text, parameter->worst_numerical);
    buffer_append_text(text, " +- ");
    phrase_number(text, parameter->worst_uncertainty);
}

static void append_message(struct buffer *text, const struct stability_gradcheck_parameter *parameter)
{
    buffer_format(text, "%s gradient of '%s' is %s: relative error ",
                  parameter->from_client ? "the client's" : "the engine's", parameter->name,
                  stability_gradcheck_level_name(parameter->level));
    phrase_number(text, parameter->relative_error);
    if (parameter->has_worst && parameter->level >= STABILITY_GRADCHECK_SUSPICIOUS) {
        append_worst(text, parameter);
    }
    if (parameter->mostly_skipped) {
        buffer_format(text, "; %" PRId64 " of its elements lie at a kink and were skipped",
                      parameter->skipped_at_kink);
    }
    buffer_append(text, "", 1);
}

static void add_place(struct gradcheck_findings *findings,
                      const struct stability_gradcheck_parameter *parameter, size_t index, size_t rule)
{
    struct buffer *text = &findings->text;
    struct place place = {.parameter = index, .rule = rule, .message = text->length};
    append_message(text, parameter);
    if (parameter->pattern != NULL) {
        place.cause = text->length;
        buffer_format(text, "it looks %s: %s", parameter->pattern, parameter->pattern_text);
        buffer_append(text, "", 1);
    }
    buffer_append(&findings->places, &place, sizeof place);
    findings->list.count++;
}

static const struct place *place_at(const struct gradcheck_findings *findings, size_t index)
{
    return (const struct place *)(const void *)findings->places.data + index;
}

size_t gradcheck_findings_parameter(const struct gradcheck_findings *findings, size_t index)
{
    return place_at(findings, index)->parameter;
}

static size_t write_evidence(struct stability_evidence evidence[EVIDENCE],
                             const struct stability_gradcheck_parameter *parameter)
{
    evidence[0] = (struct stability_evidence){"relative_error", parameter->relative_error};
    evidence[1] = (struct stability_evidence){"max_relative_error", parameter->max_relative_error};
    evidence[2] = (struct stability_evidence){"given", parameter->worst_given};
    evidence[3] = (struct stability_evidence){"numerical", parameter->worst_numerical};
    evidence[4] = (struct stability_evidence){"uncertainty", parameter->worst_uncertainty};
    return parameter->has_worst ? EVIDENCE : 2;
}

/* Once all texts are written, and have their place. */
static void write_items(struct gradcheck_findings *findings, const struct stability_gradcheck_report *report)
{
    struct stability_finding *items = (void *)findings->items.data;
    struct stability_evidence *evidence = (void *)findings->evidence.data;
    for (size_t i = 0; i < findings->list.count; i++) {
        const struct place *place = place_at(findings, i);
        const struct stability_gradcheck_parameter *parameter = &report->parameters[place->parameter];
        items[i] = (struct stability_finding){
            .rule = rules[place->rule].name,
            .severity = rules[place->rule].severity,
            .layer_count = 1,
            .layers = &parameter->layer,
            .message = findings->text.data + place->message,
            .cause = place->cause > 0 ? findings->text.data + place->cause : NULL,
            .evidence = evidence + i * EVIDENCE,
            .evidence_count = write_evidence(evidence + i * EVIDENCE, parameter),
        };
        memcpy(items[i].fingerprint, parameter->fingerprint, sizeof items[i].fingerprint);
    }
    findings->list.items = items;
}

bool gradcheck_findings_make(struct gradcheck_findings *findings,
                             const struct stability_gradcheck_report *report)
{
    findings->list = (struct findings){
        .model = report->model,
        .rule_count = sizeof rules / sizeof rules[0],
        .rule_at = rule_at,
        .failing = STABILITY_WARNING,
    };
    for (size_t rule = 0; rule < sizeof rules / sizeof rules[0]; rule++) {
        for (size_t i = 0; i < report->parameter_count; i++) {
            if (rule_of(&report->parameters[i]) == rule) {
                add_place(findings, &report->parameters[i], i, rule);
            }
        }
    }
    size_t count = findings->list.count;
    if (findings->text.failed || findings->places.failed ||
        !buffer_reserve(&findings->items, count * sizeof(struct stability_finding)) ||
        !buffer_reserve(&findings->evidence, count * EVIDENCE * sizeof(struct stability_evidence))) {
        gradcheck_findings_free(findings);
        return false;
    }
    write_items(findings, report);
    return true;
}

void gradcheck_findings_free(struct gradcheck_findings *findings)
{
    buffer_free(&findings->places);
    buffer_free(&findings->items);
    buffer_free(&findings->evidence);
    buffer_free(&findings->text);
    *findings = (struct gradcheck_findings){0};
}

void gradcheck_findings_write(const struct stability_gradcheck_report *report,
                              void (*write)(const struct findings *findings, struct buffer *buffer),
                              struct buffer *buffer)
{
    struct gradcheck_findings findings = {0};
    if (!gradcheck_findings_make(&findings, report)) {
        buffer->failed = true;
        return;
    }
    write(&findings.list, buffer);
    gradcheck_findings_free(&findings);
}
