#include "server/output/fixes.h"

#include "server/output/phrases.h"
#include "server/output/result_json.h"

void fix_write_patch(struct json_writer *json, const struct stability_fix *fix, size_t most)
{
    json_begin_array(json);
    for (size_t i = 0; i < fix->operation_count && i < most; i++) {
        const struct stability_patch_operation *operation = &fix->operations[i];
        json_begin_object(json);
        json_member_text(json, "op", operation->op);
        json_member_text(json, "path", operation->path);
        if (operation->value != NULL) {
            json_key(json, "value");
            result_write_json(json, operation->value);
        }
        json_end_object(json);
    }
    json_end_array(json);
}

static void write_evidence(struct json_writer *json, const struct stability_evidence *evidence, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        json_member_double(json, evidence[i].name, evidence[i].value);
    }
}

/* What the report on the changed request will say, by the names it has there. */
static void members_promised(struct json_writer *json, const struct stability_fix *fix)
{
    json_member_text(json, "verdict", stability_verdict_name(fix->verdict));
    json_key(json, "summary");
    json_begin_object(json);
    json_member_double(json, "loss", fix->loss);
    json_member_double(json, "gradient_norm", fix->gradient_norm);
    json_key(json, "findings");
    json_begin_object(json);
    for (enum stability_severity severity = STABILITY_ERROR_SEVERITY + 1; severity-- > STABILITY_INFO;) {
        json_member_integer(json, stability_severity_name(severity), fix->findings_by_severity[severity]);
    }
    json_end_object(json);
    json_end_object(json);
}

static void write_fix(struct json_writer *json, const struct stability_fix *fix)
{
    json_begin_object(json);
    json_member_text(json, "kind", fix->kind);
    json_member_text(json, "summary", fix->summary);
    json_member_boolean(json, "cures", fix->cured);
    json_key(json, "patch");
    fix_write_patch(json, fix, SIZE_MAX);
    json_key(json, "before");
    json_begin_object(json);
    write_evidence(json, fix->before, fix->evidence_count);
    json_end_object(json);
    json_key(json, "after");
    json_begin_object(json);
    write_evidence(json, fix->after, fix->evidence_count);
    members_promised(json, fix);
    json_end_object(json);
    json_end_object(json);
}

void fixes_member_json(struct json_writer *json, const struct stability_finding *finding)
{
    json_key(json, "fixes");
    json_begin_array(json);
    for (size_t i = 0; i < finding->fix_count; i++) {
        write_fix(json, &finding->fixes[i]);
    }
    json_end_array(json);
}

void phrase_fix(struct buffer *buffer, const struct stability_fix *fix)
{
    phrase_sentence(buffer, fix->summary);
    if (fix->verdict == STABILITY_STABLE) {
        buffer_append_text(buffer, " The verdict becomes stable");
    } else {
        buffer_append_text(buffer, fix->cured ? " The finding goes" : " The finding gets better");
        buffer_format(buffer, ", the verdict is %s", stability_verdict_name(fix->verdict));
    }
    for (size_t i = 0; i < fix->evidence_count; i++) {
        buffer_format(buffer, "%s%s: ", i == 0 ? " (" : "; ", fix->before[i].name);
        phrase_number(buffer, fix->before[i].value);
        buffer_append_text(buffer, " before, ");
        phrase_number(buffer, fix->after[i].value);
        buffer_append_text(buffer, " after");
    }
    buffer_append_text(buffer, fix->evidence_count > 0 ? ")." : ".");
}
