#include "server/output/html_tables.h"

#include "server/output/html_page.h"
#include "server/output/phrases.h"
#include "server/output/references.h"
#include "server/output/terminal.h"

#include <inttypes.h>
#include <math.h>

#define LISTED_FINDINGS 8

/* What a row shows: a layer, and one of its parameters in a table of those. */
struct row {
    const struct stability_report *report;
    const struct references *references;
    const struct stability_layer_report *layer;
    const struct stability_parameter_report *parameter;
    size_t number; /* of the layer, from 1 */
};

struct column {
    const char *heading;
    bool numeric;
    /* Appends the cell, tags included. */
    void (*cell)(struct buffer *out, const struct row *row);
};

static void number_cell(struct buffer *out, bool exists, double number)
{
    char text[TERMINAL_NUMBER];
    bool strange = exists && !isfinite(number);
    buffer_format(out, "<td class=\"%s\">%s</td>", strange ? "n strange" : "n",
                  exists ? terminal_aligned_number(number, text) : "-");
}

static void moment_cell(struct buffer *out, const struct stability_statistics *statistics, size_t offset)
{
    const char *all = statistics != NULL ? (const char *)&statistics->all : NULL;
    number_cell(out, all != NULL, all != NULL ? *(const double *)(const void *)(all + offset) : 0);
}

static void percent_cell(struct buffer *out, double fraction)
{
    buffer_append_text(out, "<td class=\"n\">");
    phrase_percent(out, fraction);
    buffer_append_text(out, "</td>");
}

static void shape_cell(struct buffer *out, const struct stability_shape *shape)
{
    buffer_append_text(out, "<td>");
    phrase_shape(out, shape);
    buffer_append_text(out, "</td>");
}

static const struct stability_statistics *output_of(const struct row *row)
{
    return row->layer->outputs[0].value;
}

static void cell_number(struct buffer *out, const struct row *row)
{
    buffer_format(out, "<td class=\"n\">%zu</td>", row->number);
}

static void cell_layer(struct buffer *out, const struct row *row)
{
    buffer_append_text(out, "<th scope=\"row\"><code>");
    html_text(out, row->layer->name);
    buffer_append_text(out, "</code></th>");
}

static void cell_type(struct buffer *out, const struct row *row)
{
    buffer_append_text(out, "<td>");
    html_text(out, row->layer->type);
    buffer_append_text(out, "</td>");
}

static void cell_output_shape(struct buffer *out, const struct row *row)
{
    shape_cell(out, &row->layer->outputs[0].shape);
}

static void cell_mean(struct buffer *out, const struct row *row)
{
    moment_cell(out, output_of(row), offsetof(struct stability_moments, mean));
}

static void cell_std(struct buffer *out, const struct row *row)
{
    moment_cell(out, output_of(row), offsetof(struct stability_moments, std));
}

static void cell_abs_max(struct buffer *out, const struct row *row)
{
    moment_cell(out, output_of(row), offsetof(struct stability_moments, abs_max));
}

static void cell_zeros(struct buffer *out, const struct row *row)
{
    const struct stability_statistics *value = output_of(row);
    bool exists = value != NULL && value->all.count > 0;
    percent_cell(out, exists ? (double)value->zero_count / (double)value->all.count : (double)NAN);
}

static void cell_not_finite(struct buffer *out, const struct row *row)
{
    const struct stability_statistics *value = output_of(row);
    int64_t count = value != NULL ? value->nan_count + value->inf_count : 0;
    buffer_format(out, "<td class=\"%s\">", count > 0 ? "n strange" : "n");
    if (value != NULL) {
        buffer_format(out, "%" PRId64, count);
    } else {
        buffer_append_text(out, "-");
    }
    buffer_append_text(out, "</td>");
}

static void cell_dead(struct buffer *out, const struct row *row)
{
    percent_cell(out, row->layer->is_activation ? row->layer->dead_fraction : (double)NAN);
}

static void cell_saturated(struct buffer *out, const struct row *row)
{
    percent_cell(out, row->layer->is_activation ? row->layer->saturated_fraction : (double)NAN);
}

static void cell_output_gradient(struct buffer *out, const struct row *row)
{
    moment_cell(out, row->layer->outputs[0].gradient, offsetof(struct stability_moments, norm));
}

static void cell_layer_gradient(struct buffer *out, const struct row *row)
{
    double norm;
    bool found = phrase_parameter_gradient(row->layer, &norm);
    number_cell(out, found, norm);
}

static void cell_findings(struct buffer *out, const struct row *row)
{
    size_t count;
    const struct reference *references = references_of(row->references, row->layer->name, &count);
    buffer_append_text(out, "<td>");
    for (size_t i = 0; i < count && i < LISTED_FINDINGS; i++) {
        size_t finding = references[i].finding;
        buffer_format(out, "%s<a class=\"%s\" href=\"#finding-%zu\">", i > 0 ? " " : "",
                      stability_severity_name(row->report->findings[finding].severity), finding + 1);
        reference_label(out, row->report->findings, finding);
        buffer_append_text(out, "</a>");
    }
    if (count > LISTED_FINDINGS) {
        buffer_format(out, " +%zu", count - LISTED_FINDINGS);
    }
    buffer_append_text(out, "</td>");
}

static void cell_parameter(struct buffer *out, const struct row *row)
{
    buffer_append_text(out, "<th scope=\"row\"><code>");
    html_text(out, row->layer->name);
    buffer_append_text(out, ".");
    html_text(out, row->parameter->name);
    buffer_append_text(out, "</code></th>");
}

static void cell_origin(struct buffer *out, const struct row *row)
{
    buffer_append_text(out, "<td>");
    if (row->parameter->shared_with != NULL) {
        buffer_append_text(out, "shared with <code>");
        html_text(out, row->parameter->shared_with);
        buffer_append_text(out, "</code>");
    } else {
        buffer_append_text(out, row->parameter->initialized ? "initialized" : "given");
        buffer_append_text(out, row->parameter->buffer ? ", buffer" : "");
    }
    buffer_append_text(out, "</td>");
}

static void cell_parameter_shape(struct buffer *out, const struct row *row)
{
    shape_cell(out, &row->parameter->shape);
}

static void cell_parameter_mean(struct buffer *out, const struct row *row)
{
    moment_cell(out, row->parameter->value, offsetof(struct stability_moments, mean));
}

static void cell_parameter_std(struct buffer *out, const struct row *row)
{
    moment_cell(out, row->parameter->value, offsetof(struct stability_moments, std));
}

static void cell_parameter_abs_max(struct buffer *out, const struct row *row)
{
    moment_cell(out, row->parameter->value, offsetof(struct stability_moments, abs_max));
}

static void cell_parameter_norm(struct buffer *out, const struct row *row)
{
    moment_cell(out, row->parameter->value, offsetof(struct stability_moments, norm));
}

static void cell_parameter_gradient(struct buffer *out, const struct row *row)
{
    moment_cell(out, row->parameter->gradient, offsetof(struct stability_moments, norm));
}

static void cell_update_ratio(struct buffer *out, const struct row *row)
{
    number_cell(out, !isnan(row->parameter->update_ratio), row->parameter->update_ratio);
}

static const struct column layer_columns[] = {
    {"#", true, cell_number},
    {"Layer", false, cell_layer},
    {"Type", false, cell_type},
    {"Output shape", false, cell_output_shape},
    {"Mean", true, cell_mean},
    {"Std", true, cell_std},
    {"Abs max", true, cell_abs_max},
    {"Zeros", true, cell_zeros},
    {"NaN, Inf", true, cell_not_finite},
    {"Dead", true, cell_dead},
    {"Saturated", true, cell_saturated},
    {"Gradient norm", true, cell_output_gradient},
    {"Parameters&#8217; gradient norm", true, cell_layer_gradient},
    {"Findings", false, cell_findings},
};

static const struct column parameter_columns[] = {
    {"Parameter", false, cell_parameter},
    {"Shape", false, cell_parameter_shape},
    {"Origin", false, cell_origin},
    {"Mean", true, cell_parameter_mean},
    {"Std", true, cell_parameter_std},
    {"Abs max", true, cell_parameter_abs_max},
    {"Norm", true, cell_parameter_norm},
    {"Gradient norm", true, cell_parameter_gradient},
    {"Update ratio", true, cell_update_ratio},
};

static void begin_table(struct buffer *out, const char *id, const char *title, const struct column *columns,
                        size_t count)
{
    buffer_format(out,
                  "<section>\n<h2 id=\"%s\">%s</h2>\n"
                  "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-labelledby=\"%s\">\n"
                  "<table>\n<thead>\n<tr>",
                  id, title, id);
    for (size_t i = 0; i < count; i++) {
        buffer_format(out, "<th scope=\"col\"%s>%s</th>", columns[i].numeric ? " class=\"n\"" : "",
                      columns[i].heading);
    }
    buffer_append_text(out, "</tr>\n</thead>\n<tbody>\n");
}

static void write_row(struct buffer *out, const struct row *row, const struct column *columns, size_t count)
{
    buffer_append_text(out, "<tr>");
    for (size_t i = 0; i < count; i++) {
        columns[i].cell(out, row);
    }
    buffer_append_text(out, "</tr>\n");
}

static void end_table(struct buffer *out)
{
    buffer_append_text(out, "</tbody>\n</table>\n</div>\n</section>\n");
}

void html_layer_table(struct buffer *out, const struct stability_report *report)
{
    size_t count = sizeof layer_columns / sizeof layer_columns[0];
    struct references references = {0};
    references_collect(&references, report);
    begin_table(out, "layers", "Layers", layer_columns, count);
    for (size_t i = 0; i < report->layer_count; i++) {
        struct row row = {
            .report = report, .references = &references, .layer = &report->layers[i], .number = i + 1};
        write_row(out, &row, layer_columns, count);
    }
    end_table(out);
    out->failed = out->failed || references.storage.failed;
    buffer_free(&references.storage);
}

void html_parameter_table(struct buffer *out, const struct stability_report *report)
{
    size_t count = sizeof parameter_columns / sizeof parameter_columns[0];
    bool begun = false;
    for (size_t i = 0; i < report->layer_count; i++) {
        const struct stability_layer_report *layer = &report->layers[i];
        for (size_t j = 0; j < layer->parameter_count; j++) {
            if (!begun) {
                begin_table(out, "parameters", "Parameters", parameter_columns, count);
                begun = true;
            }
            struct row row = {.report = report, .layer = layer, .parameter = &layer->parameters[j]};
            write_row(out, &row, parameter_columns, count);
        }
    }
    if (begun) {
        end_table(out);
    }
}
