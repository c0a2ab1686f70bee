#include "server/json_writer.h"
#include "server/output/format.h"
#include "server/output/gradcheck.h"

#include <math.h>

static void write_sizes(struct json_writer *json, const char *key, const int64_t *sizes, int count)
{
    json_key(json, key);
    json_begin_array(json);
    for (int i = 0; i < count; i++) {
        json_write_integer(json, sizes[i]);
    }
    json_end_array(json);
}

static void write_worst(struct json_writer *json, const struct stability_gradcheck_parameter *parameter)
{
    json_key(json, "worst");
    json_begin_object(json);
    write_sizes(json, "index", parameter->worst_index, parameter->shape.rank);
    json_member_double(json, "given", parameter->worst_given);
    json_member_double(json, "numerical", parameter->worst_numerical);
    json_member_double(json, "uncertainty", parameter->worst_uncertainty);
    json_end_object(json);
}

static void write_pattern(struct json_writer *json, const struct stability_gradcheck_parameter *parameter)
{
    json_member_text(json, "pattern", parameter->pattern);
    if (!isnan(parameter->pattern_factor)) {
        json_member_double(json, "factor", parameter->pattern_factor);
    }
    json_member_text(json, "explanation", parameter->pattern_text);
}

static void write_parameter(struct json_writer *json, const struct stability_gradcheck_parameter *parameter)
{
    json_begin_object(json);
    json_member_text(json, "name", parameter->name);
    write_sizes(json, "shape", parameter->shape.sizes, parameter->shape.rank);
    json_member_text(json, "source", gradcheck_source_name(parameter));
    json_member_integer(json, "count", parameter->count);
    json_member_integer(json, "checked", parameter->checked);
    json_member_integer(json, "skipped_at_kink", parameter->skipped_at_kink);
    json_member_boolean(json, "mostly_skipped", parameter->mostly_skipped);
    json_member_integer(json, "within_uncertainty", parameter->within_uncertainty);
    if (parameter->non_finite > 0) {
        json_member_integer(json, "non_finite", parameter->non_finite);
    }
    json_member_double(json, "step", parameter->step);
    json_member_double(json, "relative_error", parameter->relative_error);
    json_member_double(json, "max_relative_error", parameter->max_relative_error);
    json_member_text(json, "level", stability_gradcheck_level_name(parameter->level));
    json_member_text(json, "fingerprint", parameter->fingerprint);
    if (parameter->has_worst) {
        write_worst(json, parameter);
    }
    if (parameter->pattern != NULL) {
        write_pattern(json, parameter);
    }
    if (!isnan(parameter->miss_probability)) {
        json_member_double(json, "miss_probability", parameter->miss_probability);
    }
    json_end_object(json);
}

void gradcheck_json(const struct stability_gradcheck_report *report, struct buffer *buffer)
{
    struct json_writer json = {.buffer = buffer};
    json_begin_object(&json);
    json_member_text(&json, "verdict", report->failed ? "fail" : "pass");
    json_member_text(&json, "level", stability_gradcheck_level_name(report->level));
    json_key(&json, "summary");
    json_begin_object(&json);
    json_member_text(&json, "model", report->model);
    json_member_double(&json, "loss", report->loss);
    json_member_text(&json, "mode", gradcheck_mode_name(report->mode));
    json_member_boolean(&json, "deterministic", report->deterministic);
    json_end_object(&json);
    json_key(&json, "parameters");
    json_begin_array(&json);
    for (size_t i = 0; i < report->parameter_count; i++) {
        write_parameter(&json, &report->parameters[i]);
    }
    json_end_array(&json);
    json_key(&json, "engine");
    json_begin_object(&json);
    json_member_text(&json, "level", stability_gradcheck_level_name(report->engine_level));
    json_member_double(&json, "max_relative_error", report->engine_max_relative_error);
    json_end_object(&json);
    json_key(&json, "suspect_layers");
    json_begin_array(&json);
    for (size_t i = 0; i < report->suspect_count; i++) {
        json_write_text(&json, report->suspect_layers[i]);
    }
    json_end_array(&json);
    json_end_object(&json);
    buffer_append(buffer, "\n", 1);
}
