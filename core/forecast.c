#include "core/forecast.h"

#include "core/signal_map.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct forecaster {
    struct forecast *forecast;
    const struct graph *graph;
    const struct stability_report *report;
    int *reader_counts; /* by value: layers and losses that read it */
    int *readers;       /* by value: the last layer that does, or -1 */
    const double *input_squares;
    double *gradients; /* by value: the second moment of its gradient, as far as readers have told */
    int *told;         /* by value: readers that have */
    const struct gaussian *gaussian;
};

/* ---- what kinds of layers there are to the theory ---- */

enum kind { UNKNOWN, AFFINE, ACTIVATION, MOVE, SCALE, NORMALISATION, ADDITION };

static enum kind kind_of(const struct graph_node *node)
{
    static const struct {
        const char *type;
        enum kind kind;
    } kinds[] = {
        {"Linear", AFFINE},
        {"Conv1d", AFFINE},
        {"Conv2d", AFFINE},
        {"Conv3d", AFFINE},
        {"Identity", MOVE},
        {"Flatten", MOVE},
        {"Unflatten", MOVE},
        {"Reshape", MOVE},
        {"Permute", MOVE},
        {"Transpose", MOVE},
        {"Squeeze", MOVE},
        {"Unsqueeze", MOVE},
        {"Scale", SCALE},
        {"BatchNorm1d", NORMALISATION},
        {"BatchNorm2d", NORMALISATION},
        {"LayerNorm", NORMALISATION},
        {"GroupNorm", NORMALISATION},
        {"InstanceNorm1d", NORMALISATION},
        {"InstanceNorm2d", NORMALISATION},
        {"RMSNorm", NORMALISATION},
        {"Add", ADDITION},
    };
    if (node->ops->activation)
        return ACTIVATION;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (strcmp(node->ops->type.type, kinds[i].type) == 0)
            return kinds[i].kind;
    return UNKNOWN;
}

static const struct stability_statistics *parameter_value(const struct stability_layer_report *layer,
                                                          const char *name)
{
    for (size_t k = 0; k < layer->parameter_count; k++)
        if (strcmp(layer->parameters[k].name, name) == 0)
            return layer->parameters[k].value;
    return NULL;
}

static double square_of(const struct stability_statistics *statistics)
{
    return statistics && statistics->all.count > 0 ? statistics->all.rms * statistics->all.rms : NAN;
}

static double measured_forward(const struct forecaster *f, int node)
{
    return square_of(f->report->layers[node].outputs[0].value);
}

static void count_readers(struct forecaster *f)
{
    for (int v = 0; v < f->graph->value_count; v++)
        f->readers[v] = -1;
    for (int i = 0; i < f->graph->node_count; i++) {
        const struct graph_node *node = &f->graph->nodes[i];
        for (int k = 0; k < node->input_count; k++) {
            f->reader_counts[node->inputs[k]]++;
            f->readers[node->inputs[k]] = i;
        }
    }
    for (int k = 0; k < f->graph->loss_input_count; k++)
        f->reader_counts[f->graph->loss_inputs[k]]++;
}

static double attribute_of(const struct graph_node *node, const char *name)
{
    return attributes_product(node->ops->type.attributes, node->attributes, NULL, name);
}

/* The layer that alone reads a node's output, past layers that only move elements or scale them; -1: none.
 * *factor gets what these multiply by. */
static int sole_reader(const struct forecaster *f, int node, double *factor)
{
    *factor = 1;
    for (;;) {
        int value = f->graph->nodes[node].first_output;
        if (f->reader_counts[value] != 1 || f->readers[value] < 0)
            return -1;
        node = f->readers[value];
        enum kind kind = kind_of(&f->graph->nodes[node]);
        if (kind == SCALE)
            *factor *= attribute_of(&f->graph->nodes[node], "factor");
        if (kind != MOVE && kind != SCALE)
            return node;
    }
}

/* The layer that makes what `node` reads first, likewise; -1: a model input. */
static int producer_of(const struct forecaster *f, int node, double *factor)
{
    *factor = 1;
    for (;;) {
        node = f->graph->values[f->graph->nodes[node].inputs[0]].producer;
        enum kind kind = node < 0 ? UNKNOWN : kind_of(&f->graph->nodes[node]);
        if (kind == SCALE)
            *factor *= attribute_of(&f->graph->nodes[node], "factor");
        if (kind != MOVE && kind != SCALE)
            return node;
    }
}

/* ---- forward ---- */

/* The Scale layers that alone read an activation. */
static void describe_activation(const struct forecaster *f, int index)
{
    struct forecast_layer *layer = &f->forecast->layers[index];
    layer->factor = 1;
    layer->shift = 0;
    for (int node = index;;) {
        int value = f->graph->nodes[node].first_output;
        node = f->reader_counts[value] == 1 ? f->readers[value] : -1;
        enum kind kind = node < 0 ? UNKNOWN : kind_of(&f->graph->nodes[node]);
        if (kind != SCALE && kind != MOVE)
            return;
        if (kind == SCALE) {
            double factor = attribute_of(&f->graph->nodes[node], "factor");
            layer->shift = factor * layer->shift + attribute_of(&f->graph->nodes[node], "shift");
            layer->factor *= factor;
        }
    }
}

static void describe_affine(const struct forecaster *f, int index)
{
    const struct stability_layer_report *layer = &f->report->layers[index];
    struct forecast_layer *forecast = &f->forecast->layers[index];
    const struct stability_statistics *weight = parameter_value(layer, "weight");
    const struct stability_statistics *bias = parameter_value(layer, "bias");
    int64_t outputs = layer->parameters[0].shape.sizes[0];
    forecast->affine = true;
    forecast->fan_in = outputs > 0 && weight ? (double)weight->all.count / (double)outputs : NAN;
    forecast->weight_variance = weight ? weight->all.variance : NAN;
    forecast->bias_square = bias ? square_of(bias) : 0;
    forecast->gain = forecast->fan_in * forecast->weight_variance;
    double before, behind;
    producer_of(f, index, &before);
    int reader = sole_reader(f, index, &behind);
    bool activated = reader >= 0 && kind_of(&f->graph->nodes[reader]) == ACTIVATION;
    forecast->activation = activated ? reader : -1;
    forecast->scale = before * (activated ? behind : 1);
    forecast->normalised = reader >= 0 && kind_of(&f->graph->nodes[reader]) == NORMALISATION;
}

/* Second moment of a value; NaN: not known. */
static double forward_of(const struct forecaster *f, int value)
{
    int producer = f->graph->values[value].producer;
    if (producer < 0)
        return f->input_squares[value];
    bool first = f->graph->values[value].output == 0;
    return first ? f->forecast->layers[producer].forward : NAN;
}

static void measure_forward(const struct forecaster *f, int index, const char *reason)
{
    struct forecast_layer *layer = &f->forecast->layers[index];
    layer->forward = measured_forward(f, index);
    layer->forward_measured = true;
    layer->reason = reason;
}

static double of_normalisation(const struct stability_layer_report *layer)
{
    const struct stability_statistics *weight = parameter_value(layer, "weight");
    const struct stability_statistics *bias = parameter_value(layer, "bias");
    return (weight ? square_of(weight) : 1) + (bias ? square_of(bias) : 0);
}

static double of_addition(const struct forecaster *f, const struct graph_node *node)
{
    const struct graph_value *a = &f->graph->values[node->inputs[0]], *b = &f->graph->values[node->inputs[1]];
    bool same = stability_shape_equal(&a->shape, &b->shape) && node->inputs[0] != node->inputs[1];
    return same ? forward_of(f, node->inputs[0]) + forward_of(f, node->inputs[1]) : NAN;
}

static void go_through_activation(const struct forecaster *f, const struct graph_node *node,
                                  struct forecast_layer *layer, double input)
{
    struct expectation expectation = expectation_of(f->gaussian, node, input);
    layer->mean = expectation.mean;
    layer->forward = expectation.square;
    layer->slope_square = expectation.derivative_square;
}

/* The mean of a value; NaN: not known. */
static double mean_of(const struct forecaster *f, int value)
{
    int producer = f->graph->values[value].producer;
    return producer >= 0 && f->graph->values[value].output == 0 ? f->forecast->layers[producer].mean : NAN;
}

static void go_through_scale(const struct forecaster *f, const struct graph_node *node,
                             struct forecast_layer *layer, double input)
{
    double factor = attribute_of(node, "factor"), shift = attribute_of(node, "shift");
    struct expectation expectation = {.mean = shift != 0 ? mean_of(f, node->inputs[0]) : 0, .square = input};
    layer->forward = expectation_scaled(expectation, factor, shift).square;
    layer->mean = factor * mean_of(f, node->inputs[0]) + shift;
}

static void go_forward(const struct forecaster *f, int index)
{
    const struct graph_node *node = &f->graph->nodes[index];
    struct forecast_layer *layer = &f->forecast->layers[index];
    double input = node->input_count > 0 ? forward_of(f, node->inputs[0]) : NAN;
    layer->activation = -1;
    layer->mean = NAN;
    switch (kind_of(node)) {
    case AFFINE:
        describe_affine(f, index);
        layer->forward = layer->gain * input + layer->bias_square;
        layer->mean = 0;
        if (layer->weight_variance == 0)
            layer->forward = NAN; /* all weights are equal, and nothing is independent */
        break;
    case ACTIVATION:
        describe_activation(f, index);
        go_through_activation(f, node, layer, input);
        break;
    case MOVE:
        layer->forward = input;
        layer->mean = mean_of(f, node->inputs[0]);
        break;
    case SCALE:
        go_through_scale(f, node, layer, input);
        break;
    case NORMALISATION:
        layer->forward = f->report->evaluate && strncmp(node->ops->type.type, "Batch", 5) == 0
                             ? NAN
                             : of_normalisation(&f->report->layers[index]);
        break;
    case ADDITION:
        layer->forward = of_addition(f, node);
        break;
    case UNKNOWN:
        measure_forward(f, index, "the theory does not cover this type of layer");
        return;
    }
    if (!isfinite(layer->forward))
        measure_forward(f, index,
                        layer->affine && isfinite(input) ? "the weights are all equal or not finite"
                                                         : "the second moment of its input is not known");
}

/* After go_forward of everything: chi needs that of the activation's input. */
static void follow_chain(const struct forecaster *f, int index)
{
    struct forecast_layer *layer = &f->forecast->layers[index];
    if (!layer->affine)
        return;
    double factor;
    layer->chi = layer->gain * layer->scale * layer->scale *
                 (layer->activation >= 0 ? f->forecast->layers[layer->activation].slope_square : 1);
    layer->chain = log(layer->chi) / 2;
    layer->chain_length = 1;
    int before = producer_of(f, index, &factor);
    if (before >= 0 && kind_of(&f->graph->nodes[before]) == ACTIVATION)
        before = producer_of(f, before, &factor);
    if (before < 0 || !f->forecast->layers[before].affine)
        return;
    const struct forecast_layer *previous = &f->forecast->layers[before];
    int reader = sole_reader(f, previous->activation >= 0 ? previous->activation : before, &factor);
    if (reader != index)
        return;
    layer->chain += previous->chain;
    layer->chain_length += previous->chain_length;
}

/* ---- backward ---- */

/* What a reader makes of the second moment of its output's gradient; NaN: not known. */
static double backward_factor(const struct forecaster *f, int reader, int value)
{
    const struct graph_node *node = &f->graph->nodes[reader];
    const struct forecast_layer *layer = &f->forecast->layers[reader];
    double inputs = (double)f->graph->values[value].count;
    double outputs = (double)f->graph->values[node->first_output].count;
    double forward = forward_of(f, value);
    switch (kind_of(node)) {
    case AFFINE:
        return layer->weight_variance > 0 ? layer->gain * outputs / inputs : NAN;
    case ACTIVATION:
        return layer->slope_square;
    case MOVE:
        return 1;
    case SCALE:
        return pow(attribute_of(node, "factor"), 2);
    case NORMALISATION: {
        const struct stability_statistics *weight = parameter_value(&f->report->layers[reader], "weight");
        return layer->forward_measured ? NAN : (weight ? square_of(weight) : 1) / forward;
    }
    case ADDITION:
        return layer->forward_measured ? NAN : 1;
    case UNKNOWN:
        break;
    }
    return NAN;
}

/* Second moment of the gradient of a node's output, which its readers have told by now; then it tells the
 * layers before it. */
static void go_backward(const struct forecaster *f, int index)
{
    const struct graph_node *node = &f->graph->nodes[index];
    struct forecast_layer *layer = &f->forecast->layers[index];
    int value = node->first_output;
    bool known = f->told[value] > 0 && f->told[value] == f->reader_counts[value];
    layer->backward = known ? f->gradients[value] : NAN;
    if (!isfinite(layer->backward)) {
        layer->backward_measured = true;
        layer->backward = square_of(f->report->layers[index].outputs[0].gradient);
    }
    for (int k = 0; k < node->input_count; k++) {
        f->gradients[node->inputs[k]] += backward_factor(f, index, node->inputs[k]) * layer->backward;
        f->told[node->inputs[k]]++;
    }
}

/* ---- the fixed point ---- */

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof(*values), compare_doubles);
    return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

static bool find_fixed_point(const struct forecaster *f, struct arena *arena)
{
    size_t nodes = (size_t)f->graph->node_count, count = 0;
    double start = NAN;
    double *gains = arena_array(arena, nodes, sizeof(*gains));
    double *biases = arena_array(arena, nodes, sizeof(*biases));
    if (!gains || !biases)
        return false;
    f->forecast->plain = true;
    for (int i = 0; i < f->graph->node_count; i++) {
        const struct forecast_layer *layer = &f->forecast->layers[i];
        enum kind kind = kind_of(&f->graph->nodes[i]);
        f->forecast->plain &= kind != NORMALISATION && kind != ADDITION;
        if (!layer->affine || layer->activation < 0 || !isfinite(layer->gain))
            continue;
        f->forecast->activation = count ? f->forecast->activation : layer->activation;
        start = count ? start : layer->forward;
        gains[count] = layer->gain;
        biases[count++] = layer->bias_square;
    }
    f->forecast->has_fixed_point = count >= 2;
    if (count < 2)
        return true;
    f->forecast->gain = median(gains, count);
    f->forecast->bias_square = median(biases, count);
    const struct forecast_layer *activation = &f->forecast->layers[f->forecast->activation];
    struct signal_map map = {.gaussian = f->gaussian,
                             .activation = &f->graph->nodes[f->forecast->activation],
                             .factor = activation->factor,
                             .shift = activation->shift,
                             .gain = f->forecast->gain,
                             .bias_square = f->forecast->bias_square};
    f->forecast->fixed_point = signal_map_limit(&map, start);
    f->forecast->chi = signal_map_chi(&map, f->forecast->fixed_point);
    f->forecast->depth_scale = 1 / fabs(log(f->forecast->chi));
    return true;
}

bool forecast_make(struct forecast *forecast, const struct graph *graph,
                   const struct stability_report *report, const double *input_squares, struct arena *arena)
{
    *forecast = (struct forecast){
        .layers = arena_array(arena, (size_t)graph->node_count, sizeof(*forecast->layers)), .activation = -1};
    struct forecaster f = {
        .forecast = forecast,
        .graph = graph,
        .report = report,
        .reader_counts = arena_array(arena, (size_t)graph->value_count, sizeof(int)),
        .readers = arena_array(arena, (size_t)graph->value_count, sizeof(int)),
        .input_squares = input_squares,
        .gradients = arena_array(arena, (size_t)graph->value_count, sizeof(double)),
        .told = arena_array(arena, (size_t)graph->value_count, sizeof(int)),
        .gaussian = gaussian_standard(),
    };
    if (!forecast->layers || !f.reader_counts || !f.readers || !f.gradients || !f.told)
        return false;
    count_readers(&f);
    for (int i = 0; i < graph->node_count; i++)
        go_forward(&f, i);
    for (int i = 0; i < graph->node_count; i++)
        follow_chain(&f, i);
    for (int i = graph->node_count - 1; i >= 0; i--)
        go_backward(&f, i);
    return find_fixed_point(&f, arena);
}
