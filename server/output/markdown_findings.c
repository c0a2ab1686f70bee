#include "server/output/markdown_findings.h"

#include "server/output/escape.h"
#include "server/output/fixes.h"
#include "server/output/phrases.h"
#include "server/output/references.h"
#include "server/output/terminal.h"

#include <inttypes.h>

#define LISTED_LAYERS 8
#define LISTED_OPERATIONS 100

void markdown_text(struct buffer *out, const char *text)
{
    escape_text(out, ESCAPE_MARKDOWN, text);
}

void markdown_code(struct buffer *out, const char *text)
{
    buffer_append_text(out, "<code>");
    markdown_text(out, text);
    buffer_append_text(out, "</code>");
}

/* An item of a list: its label, then visible text up to end_item. */
static size_t begin_item(struct buffer *out, const char *label)
{
    buffer_format(out, "- **%s:** ", label);
    return out->length;
}

static void end_item(struct buffer *out, size_t start)
{
    escape_tail(out, ESCAPE_MARKDOWN, start);
    buffer_append_text(out, "\n");
}

static void write_finding_layers(struct buffer *out, const struct stability_finding *finding)
{
    buffer_append_text(out, "- **Layers:** ");
    for (size_t i = 0; i < finding->layer_count && i < LISTED_LAYERS; i++) {
        buffer_append_text(out, i == 0 ? "" : ", ");
        markdown_code(out, finding->layers[i]);
    }
    if (finding->layer_count > LISTED_LAYERS) {
        buffer_format(out, " and %zu more", finding->layer_count - LISTED_LAYERS);
    }
    buffer_append_text(out, "\n");
}

/* A paragraph, and the patch folded under it. */
static void write_fix(struct buffer *out, const struct stability_fix *fix)
{
    size_t start = begin_item(out, "Fix");
    phrase_fix(out, fix);
    end_item(out, start);
    struct buffer patch = {0};
    struct json_writer json = {.buffer = &patch};
    fix_write_patch(&json, fix, LISTED_OPERATIONS);
    buffer_append_text(out, "  <details><summary>JSON Patch, ");
    phrase_count(out, (int64_t)fix->operation_count, "operation");
    buffer_append_text(out, fix->operation_count > LISTED_OPERATIONS ? ", the first of them</summary> "
                                                                     : "</summary> ");
    buffer_append_text(out, "<code>");
    size_t text = out->length;
    terminal_escape(out, patch.length > 0 ? patch.data : "");
    escape_tail(out, ESCAPE_MARKDOWN, text);
    buffer_append_text(out, "</code></details>\n");
    out->failed = out->failed || patch.failed;
    buffer_free(&patch);
}

static void write_finding(struct buffer *out, const struct findings *findings, size_t index)
{
    const struct stability_finding *finding = &findings->items[index];
    buffer_append_text(out, "\n#### ");
    reference_label(out, findings->items, index);
    buffer_format(out, " %s: %s\n\n", stability_severity_name(finding->severity), finding->rule);
    size_t start = out->length;
    phrase_sentence(out, finding->message);
    escape_tail(out, ESCAPE_MARKDOWN, start);
    buffer_append_text(out, "\n\n");
    if (finding->layer_count > 0) {
        write_finding_layers(out, finding);
    }
    if (finding->cause != NULL) {
        start = begin_item(out, "Cause");
        phrase_sentence(out, finding->cause);
        end_item(out, start);
    }
    if (finding->evidence_count > 0) {
        start = begin_item(out, "Evidence");
        phrase_evidence(out, finding);
        end_item(out, start);
    }
    for (size_t i = 0; i < finding->fix_count; i++) {
        write_fix(out, &finding->fixes[i]);
    }
}

void markdown_findings(struct buffer *out, const struct findings *findings, size_t end)
{
    if (findings->count > 0) {
        buffer_append_text(out, "\n### Findings\n");
    }
    size_t listed = 0;
    for (; listed < findings->count && out->length < end; listed++) {
        write_finding(out, findings, listed);
    }
    if (listed < findings->count) {
        buffer_format(out, "\n%zu further findings are left out here.\n", findings->count - listed);
    }
}
