#include "server/json_writer.h"
#include "server/output/fixes.h"
#include "server/output/format.h"
#include "server/output/result_json.h"

#include <stability/stability.h>

#include <math.h>
#include <string.h>

static void write_shape(struct json_writer *json, const struct stability_shape *shape)
{
    json_begin_array(json);
    for (int i = 0; i < shape->rank; i++) {
        json_write_integer(json, shape->sizes[i]);
    }
    json_end_array(json);
}

static void write_texts(struct json_writer *json, const char *const *texts, size_t count)
{
    json_begin_array(json);
    for (size_t i = 0; i < count; i++) {
        json_write_text(json, texts[i]);
    }
    json_end_array(json);
}

/* NaN stands for a number that does not exist. */
static void member_or_null(struct json_writer *json, const char *key, double number)
{
    if (isnan(number)) {
        json_member_null(json, key);
    } else {
        json_member_double(json, key, number);
    }
}

static void write_moments(struct json_writer *json, const struct stability_moments *moments,
                          int64_t zero_count)
{
    json_member_integer(json, "count", moments->count);
    json_member_double(json, "mean", moments->mean);
    json_member_double(json, "variance", moments->variance);
    json_member_double(json, "std", moments->std);
    json_member_double(json, "min", moments->min);
    json_member_double(json, "max", moments->max);
    json_member_double(json, "abs_max", moments->abs_max);
    json_member_double(json, "norm", moments->norm);
    json_member_double(json, "rms", moments->rms);
    double zero_fraction = moments->count > 0 ? (double)zero_count / (double)moments->count : (double)NAN;
    json_member_double(json, "zero_fraction", zero_fraction);
}

static void write_counts(struct json_writer *json, int64_t nan_count, int64_t inf_count,
                         int64_t subnormal_count)
{
    json_member_integer(json, "nan_count", nan_count);
    json_member_integer(json, "inf_count", inf_count);
    json_member_integer(json, "subnormal_count", subnormal_count);
}

static void member_statistics(struct json_writer *json, const char *key,
                              const struct stability_statistics *statistics)
{
    if (statistics == NULL) {
        json_member_null(json, key);
        return;
    }
    json_key(json, key);
    json_begin_object(json);
    write_moments(json, &statistics->all, statistics->zero_count);
    write_counts(json, statistics->nan_count, statistics->inf_count, statistics->subnormal_count);
    if (statistics->nan_count > 0 || statistics->inf_count > 0) {
        json_key(json, "finite");
        json_begin_object(json);
        write_moments(json, &statistics->finite, statistics->zero_count);
        write_counts(json, 0, 0, statistics->subnormal_count);
        json_end_object(json);
    }
    json_end_object(json);
}

static void write_output(struct json_writer *json, const struct stability_output_report *output)
{
    member_statistics(json, "output", output->value);
    member_statistics(json, "output_gradient", output->gradient);
    if (output->step_count > 0) {
        json_key(json, "steps");
        json_begin_array(json);
        for (int64_t i = 0; i < output->step_count; i++) {
            json_write_double(json, output->steps[i]);
        }
        json_end_array(json);
    }
}

/* Outputs beside the first: "h_n", "c_n". */
static void member_further_outputs(struct json_writer *json, const struct stability_layer_report *layer)
{
    if (layer->output_count < 2) {
        return;
    }
    json_key(json, "outputs");
    json_begin_object(json);
    for (int i = 1; i < layer->output_count; i++) {
        json_key(json, layer->outputs[i].name);
        json_begin_object(json);
        json_key(json, "shape");
        write_shape(json, &layer->outputs[i].shape);
        write_output(json, &layer->outputs[i]);
        json_end_object(json);
    }
    json_end_object(json);
}

static void member_activation(struct json_writer *json, const struct stability_layer_report *layer)
{
    if (!layer->is_activation) {
        return;
    }
    json_key(json, "activation");
    json_begin_object(json);
    member_or_null(json, "dead_fraction", layer->dead_fraction);
    member_or_null(json, "saturated_fraction", layer->saturated_fraction);
    json_end_object(json);
}

static void write_parameter(struct json_writer *json, const struct stability_parameter_report *parameter)
{
    json_begin_object(json);
    json_key(json, "shape");
    write_shape(json, &parameter->shape);
    json_member_boolean(json, "initialized", parameter->initialized);
    if (parameter->buffer) {
        json_member_boolean(json, "buffer", true);
    }
    if (parameter->source != NULL) {
        json_member_text(json, "initializer", parameter->source);
    }
    if (parameter->shared_with != NULL) {
        json_member_text(json, "shared_with", parameter->shared_with);
    }
    member_statistics(json, "value", parameter->value);
    member_statistics(json, "gradient", parameter->gradient);
    member_or_null(json, "update_ratio", parameter->update_ratio);
    json_end_object(json);
}

static void member_parameters(struct json_writer *json, const struct stability_layer_report *layer)
{
    json_key(json, "parameters");
    json_begin_object(json);
    for (size_t i = 0; i < layer->parameter_count; i++) {
        json_key(json, layer->parameters[i].name);
        write_parameter(json, &layer->parameters[i]);
    }
    json_end_object(json);
}

static void write_layer(struct json_writer *json, const struct stability_layer_report *layer)
{
    json_begin_object(json);
    json_member_text(json, "name", layer->name);
    json_member_text(json, "type", layer->type);
    json_key(json, "inputs");
    write_texts(json, layer->inputs, layer->input_count);
    json_key(json, "output_shape");
    write_shape(json, &layer->outputs[0].shape);
    json_key(json, "flags");
    write_texts(json, layer->flags, layer->flag_count);
    write_output(json, &layer->outputs[0]);
    member_further_outputs(json, layer);
    member_activation(json, layer);
    member_parameters(json, layer);
    json_end_object(json);
}

static void write_finding(struct json_writer *json, const struct stability_finding *finding)
{
    json_begin_object(json);
    json_member_text(json, "rule", finding->rule);
    json_member_text(json, "severity", stability_severity_name(finding->severity));
    json_key(json, "layers");
    write_texts(json, finding->layers, finding->layer_count);
    json_member_text(json, "message", finding->message);
    json_member_text(json, "cause", finding->cause);
    json_key(json, "evidence");
    json_begin_object(json);
    for (size_t i = 0; i < finding->evidence_count; i++) {
        json_member_double(json, finding->evidence[i].name, finding->evidence[i].value);
    }
    json_end_object(json);
    json_member_text(json, "fingerprint", finding->fingerprint);
    fixes_member_json(json, finding);
    json_end_object(json);
}

static void member_severities(struct json_writer *json, const char *key,
                              const int64_t counts[STABILITY_ERROR_SEVERITY + 1])
{
    json_key(json, key);
    json_begin_object(json);
    for (enum stability_severity severity = STABILITY_ERROR_SEVERITY + 1; severity-- > STABILITY_INFO;) {
        json_member_integer(json, stability_severity_name(severity), counts[severity]);
    }
    json_end_object(json);
}

static void member_summary(struct json_writer *json, const struct stability_report *report)
{
    json_key(json, "summary");
    json_begin_object(json);
    json_member_text(json, "model", report->model);
    json_member_double(json, "loss", report->loss);
    json_member_double(json, "gradient_norm", report->gradient_norm);
    json_member_integer(json, "parameter_count", report->parameter_count);
    json_member_integer(json, "batch_size", report->batch_size);
    json_member_integer(json, "flops", report->flops);
    json_member_integer(json, "planned_bytes", report->planned_bytes);
    member_severities(json, "findings", report->findings_by_severity);
    json_end_object(json);
}

static void member_baseline(struct json_writer *json, const struct stability_report *report,
                            const struct report_findings *baseline)
{
    struct report_news news = report_findings_compare(baseline, report);
    json_key(json, "baseline");
    json_begin_object(json);
    member_severities(json, "new", news.counts);
    json_member_integer(json, "known", (int64_t)report->finding_count - news.total);
    json_end_object(json);
}

/* As options.thresholds has them; a rule's stand one after the other. */
static void member_thresholds(struct json_writer *json, const struct stability_report *report)
{
    json_key(json, "thresholds");
    json_begin_object(json);
    for (size_t i = 0; i < report->threshold_count; i++) {
        const struct stability_threshold_report *set = &report->thresholds[i];
        if (i == 0 || strcmp(set->rule, report->thresholds[i - 1].rule) != 0) {
            json_key(json, set->rule);
            json_begin_object(json);
        }
        json_member_double(json, set->name, set->number);
        if (i + 1 == report->threshold_count || strcmp(set->rule, report->thresholds[i + 1].rule) != 0) {
            json_end_object(json);
        }
    }
    json_end_object(json);
}

static void member_engine(struct json_writer *json, const struct stability_report *report)
{
    bool wide = report->precision == STABILITY_PRECISION_FLOAT64;
    json_key(json, "engine");
    json_begin_object(json);
    json_member_text(json, "version", STABILITY_VERSION);
    json_member_text(json, "precision", stability_dtype_name(wide ? STABILITY_FLOAT64 : STABILITY_FLOAT32));
    json_member_text(json, "mode", report->evaluate ? "eval" : "train");
    json_member_unsigned(json, "seed", report->seed);
    json_member_text(json, "blas", report->blas);
    json_member_integer(json, "blas_threads", report->blas_threads);
    json_end_object(json);
}

static void write_analyses(struct json_writer *json, const struct stability_report *report)
{
    static const struct stability_result none = {.kind = STABILITY_RESULT_OBJECT, .name = ""};
    result_write_json(json, report->analyses != NULL ? report->analyses : &none);
}

void report_json(const struct stability_report *report, const struct report_findings *baseline,
                 struct buffer *buffer)
{
    struct json_writer json = {.buffer = buffer};
    json_begin_object(&json);
    json_member_text(&json, "verdict", stability_verdict_name(report->verdict));
    member_summary(&json, report);
    json_key(&json, "findings");
    json_begin_array(&json);
    for (size_t i = 0; i < report->finding_count; i++) {
        write_finding(&json, &report->findings[i]);
    }
    json_end_array(&json);
    json_key(&json, "layers");
    json_begin_array(&json);
    for (size_t i = 0; i < report->layer_count; i++) {
        write_layer(&json, &report->layers[i]);
    }
    json_end_array(&json);
    if (report->threshold_count > 0) {
        member_thresholds(&json, report);
    }
    if (report->ignored_weight_count > 0) {
        json_key(&json, "ignored_weights");
        json_begin_array(&json);
        for (size_t i = 0; i < report->ignored_weight_count; i++) {
            json_write_text(&json, report->ignored_weights[i]);
        }
        json_end_array(&json);
    }
    json_key(&json, "analyses");
    write_analyses(&json, report);
    member_engine(&json, report);
    if (baseline != NULL) {
        member_baseline(&json, report, baseline);
    }
    json_end_object(&json);
    buffer_append(buffer, "\n", 1);
}
