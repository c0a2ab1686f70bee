#include "server/output/html_findings.h"

#include "server/output/escape.h"
#include "server/output/fixes.h"
#include "server/output/html_page.h"
#include "server/output/phrases.h"
#include "server/output/references.h"

#include <string.h>

/* Findings beyond these are rows of a table. */
#define CARDS 40

/* Layers that a finding names one by one: on its card, and in its row. */
#define CARD_LAYERS 40
#define ROW_LAYERS 4

static void append_layers(struct buffer *out, const struct stability_finding *finding, size_t listed)
{
    for (size_t i = 0; i < finding->layer_count && i < listed; i++) {
        buffer_append_text(out, i == 0 ? "<code>" : " <code>");
        html_text(out, finding->layers[i]);
        buffer_append_text(out, "</code>");
    }
    if (finding->layer_count > listed) {
        buffer_format(out, " and %zu more", finding->layer_count - listed);
    }
}

static void write_evidence(struct buffer *out, const struct stability_finding *finding)
{
    if (finding->evidence_count == 0) {
        return;
    }
    buffer_append_text(out, "<dl class=\"evidence\">\n");
    for (size_t i = 0; i < finding->evidence_count; i++) {
        buffer_append_text(out, "<div><dt>");
        html_text(out, finding->evidence[i].name);
        buffer_append_text(out, "</dt><dd>");
        phrase_number(out, finding->evidence[i].value);
        buffer_append_text(out, "</dd></div>\n");
    }
    buffer_append_text(out, "</dl>\n");
}

/* What helps, and the patch folded under it. */
static void write_fixes(struct buffer *out, const struct stability_finding *finding)
{
    for (size_t i = 0; i < finding->fix_count; i++) {
        const struct stability_fix *fix = &finding->fixes[i];
        struct buffer text = {0};
        buffer_append_text(out, "<p><strong>Fix:</strong> ");
        size_t start = out->length;
        phrase_fix(out, fix);
        escape_tail(out, ESCAPE_MARKUP, start);
        buffer_append_text(out, "</p>\n<details><summary>JSON Patch, ");
        phrase_count(out, (int64_t)fix->operation_count, "operation");
        buffer_append_text(out, "</summary><pre>");
        struct json_writer json = {.buffer = &text};
        fix_write_patch(&json, fix, SIZE_MAX);
        html_text(out, text.length > 0 ? text.data : "");
        buffer_append_text(out, "</pre></details>\n");
        out->failed = out->failed || text.failed;
        buffer_free(&text);
    }
}

static void write_card(struct buffer *out, const struct findings *findings, size_t index)
{
    const struct stability_finding *finding = &findings->items[index];
    const char *severity = stability_severity_name(finding->severity);
    buffer_format(out, "<article class=\"%s\" id=\"finding-%zu\">\n<h3><span class=\"severity\">", severity,
                  index + 1);
    reference_label(out, findings->items, index);
    buffer_format(out, " %s</span> ", severity);
    html_text(out, finding->rule);
    buffer_append_text(out, "</h3>\n<p>");
    html_sentence(out, finding->message);
    buffer_append_text(out, "</p>\n");
    if (finding->cause != NULL) {
        buffer_append_text(out, "<p><strong>Cause:</strong> ");
        html_sentence(out, finding->cause);
        buffer_append_text(out, "</p>\n");
    }
    if (finding->layer_count > 0) {
        buffer_append_text(out, "<p class=\"names\">Layers: ");
        append_layers(out, finding, CARD_LAYERS);
        buffer_append_text(out, "</p>\n");
    }
    write_evidence(out, finding);
    write_fixes(out, finding);
    buffer_append_text(out, "</article>\n");
}

static bool has_finding(const struct findings *findings, const char *rule)
{
    size_t i = 0;
    while (i < findings->count && strcmp(findings->items[i].rule, rule) != 0) {
        i++;
    }
    return i < findings->count;
}

void html_rules(struct buffer *out, const struct findings *findings)
{
    if (findings->count == 0) {
        return;
    }
    buffer_append_text(out, "<section>\n<h2>The rules behind them</h2>\n<dl class=\"rules\">\n");
    for (size_t i = 0; i < findings->rule_count; i++) {
        const struct stability_rule_type *rule = findings->rule_at(i);
        if (has_finding(findings, rule->name)) {
            buffer_format(out, "<dt>%s</dt>\n<dd>", rule->name);
            html_sentence(out, rule->documentation);
            buffer_append_text(out, "<br/>Criterion: ");
            html_text(out, rule->criterion);
            buffer_append_text(out, ".<br/><span class=\"quiet\">Source: ");
            html_text(out, rule->source);
            buffer_append_text(out, "</span></dd>\n");
        }
    }
    buffer_append_text(out, "</dl>\n</section>\n");
}

void html_findings(struct buffer *out, const struct findings *findings)
{
    if (findings->count == 0) {
        return;
    }
    buffer_append_text(out, "<section>\n<h2>Findings</h2>\n");
    for (size_t i = 0; i < findings->count && i < CARDS; i++) {
        write_card(out, findings, i);
    }
    if (findings->count > CARDS) {
        buffer_format(out, "<p><a href=\"#finding-%d\">%zu further findings</a></p>\n", CARDS + 1,
                      findings->count - CARDS);
    }
    buffer_append_text(out, "</section>\n");
}

static void write_finding_row(struct buffer *out, const struct findings *findings, size_t index)
{
    const struct stability_finding *finding = &findings->items[index];
    const char *severity = stability_severity_name(finding->severity);
    buffer_format(out, "<tr id=\"finding-%zu\"><th scope=\"row\" class=\"%s\">", index + 1, severity);
    reference_label(out, findings->items, index);
    buffer_format(out, " %s</th><td>", severity);
    html_text(out, finding->rule);
    buffer_append_text(out, "</td><td class=\"text\">");
    append_layers(out, finding, ROW_LAYERS);
    buffer_append_text(out, "</td><td class=\"text\">");
    html_sentence(out, finding->message);
    buffer_append_text(out, "</td></tr>\n");
}

void html_further_findings(struct buffer *out, const struct findings *findings)
{
    if (findings->count <= CARDS) {
        return;
    }
    buffer_append_text(
        out, "<section>\n<h2 id=\"further\">Further findings</h2>\n"
             "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-labelledby=\"further\">\n"
             "<table>\n<thead>\n<tr><th scope=\"col\">Finding</th><th scope=\"col\">Rule</th>"
             "<th scope=\"col\">Layers</th><th scope=\"col\">Message</th></tr>\n</thead>\n<tbody>\n");
    for (size_t i = CARDS; i < findings->count; i++) {
        write_finding_row(out, findings, i);
    }
    buffer_append_text(out, "</tbody>\n</table>\n</div>\n</section>\n");
}
