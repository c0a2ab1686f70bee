#include "core/optimizer.h"

#include "core/element.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- settings ---- */

const char optimizer_names[] =
#define OPTIMIZER(type) #type " "
#include "core/optimizers.def"
#undef OPTIMIZER
    ;

static const struct optimizer_ops *ops_of(const struct kernels *kernels,
                                          const struct optimizer_settings *settings)
{
    return kernels->optimizers[settings->type];
}

static bool has_word(const char *words, const char *word)
{
    size_t length = strlen(word);
    for (const char *found = words; (found = strstr(found, word)); found += length)
        if ((found == words || found[-1] == ' ') && (found[length] == ' ' || found[length] == '\0'))
            return true;
    return false;
}

static bool refuse(const char *pointer, const char *name, const char *message, struct stability_error *error)
{
    char whole[sizeof error->pointer];
    strncpy(whole, pointer, sizeof whole - 1);
    whole[sizeof whole - 1] = '\0';
    stability_pointer_append(whole, sizeof whole, name);
    return stability_fail(error, STABILITY_ERROR_INVALID_ATTRIBUTE, whole, "'%s' %s", name, message);
}

/* "is not a setting of Adam, which has betas, eps, weight_decay" */
static void describe_uses(const struct optimizer_ops *ops, char *text, size_t size)
{
    int length = snprintf(text, size, "is not a setting of %s, which has ", ops->name);
    for (const char *word = ops->uses; *word && length < (int)size;) {
        size_t letters = strcspn(word, " ");
        const char *next = word + letters + strspn(word + letters, " ");
        length +=
            snprintf(text + length, size - (size_t)length, "%.*s%s", (int)letters, word, *next ? ", " : "");
        word = next;
    }
}

/* A setting that this optimizer has not would have no effect. */
static bool check_uses(const struct optimizer_settings *settings, const char *pointer,
                       struct stability_error *error)
{
    const struct optimizer_ops *ops = ops_of(kernels_for(STABILITY_PRECISION_FLOAT64), settings);
    const struct {
        const char *name;
        bool given;
    } given[] = {
        {"momentum", settings->momentum.present},
        {"dampening", settings->dampening.present},
        {"nesterov", settings->nesterov},
        {"betas", settings->betas != NULL},
        {"weight_decay", settings->weight_decay.present},
        {"eps", settings->eps.present},
    };
    for (size_t i = 0; i < sizeof(given) / sizeof(given[0]); i++) {
        if (!given[i].given || has_word(ops->uses, given[i].name))
            continue;
        char message[128];
        describe_uses(ops, message, sizeof message);
        return refuse(pointer, given[i].name, message, error);
    }
    return true;
}

static bool read_betas(const struct stability_tensor *tensor, double betas[2])
{
    if (tensor->shape.rank != 1 || tensor->shape.sizes[0] != 2)
        return false;
    stability_convert(tensor->dtype, tensor->data, STABILITY_FLOAT64, betas, 2);
    return betas[0] >= 0 && betas[0] < 1 && betas[1] >= 0 && betas[1] < 1;
}

bool optimizer_check(const struct optimizer_settings *settings, const char *pointer,
                     struct stability_error *error)
{
    double betas[2];
    if (!check_uses(settings, pointer, error))
        return false;
    if (settings->betas && !read_betas(settings->betas, betas))
        return refuse(pointer, "betas", "must be a list of two numbers, each at least 0 and below 1", error);
    if (settings->nesterov && (settings->momentum.value <= 0 || settings->dampening.value != 0))
        return refuse(pointer, "nesterov", "needs a momentum above 0 and no dampening, as in torch.optim.SGD",
                      error);
    return true;
}

static double value_or(struct optional_real real, double otherwise)
{
    return real.present ? real.value : otherwise;
}

static struct optimizer_values values_of(const struct optimizer_settings *settings,
                                         const struct optimizer_ops *ops,
                                         const struct stability_options *options)
{
    bool has_own = ops->learning_rate > 0 && !options->learning_rate_given;
    struct optimizer_values values = {
        .learning_rate =
            value_or(settings->learning_rate, has_own ? ops->learning_rate : options->learning_rate),
        .momentum = value_or(settings->momentum, 0),
        .dampening = value_or(settings->dampening, 0),
        .nesterov = settings->nesterov,
        .weight_decay = value_or(settings->weight_decay, ops->weight_decay),
        .betas = {0.9, 0.999},
        .eps = value_or(settings->eps, 1e-8),
    };
    if (settings->betas)
        read_betas(settings->betas, values.betas);
    return values;
}

/* ---- memory ---- */

static bool is_trained(const struct graph *graph, int node, int parameter)
{
    const struct graph_parameter *p = &graph->nodes[node].parameters[parameter];
    return p->present && !p->row->buffer && p->shared_node < 0;
}

static size_t aligned(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

double optimizer_bytes(const struct graph *graph, const struct optimizer_settings *settings)
{
    const struct optimizer_ops *ops = ops_of(graph->kernels, settings);
    struct optimizer_values values = values_of(settings, ops, &graph->request->options);
    double bytes = 0;
    for (int i = 0; i < graph->node_count; i++)
        for (int k = 0; k < graph->nodes[i].parameter_count; k++)
            if (is_trained(graph, i, k))
                bytes +=
                    (double)aligned((size_t)graph->nodes[i].parameters[k].count * graph->kernels->real_size) *
                        ops->states(&values) +
                    (double)sizeof(struct optimized);
    return bytes;
}

static bool list_parameters(struct optimizer *optimizer)
{
    struct trial *trial = optimizer->trial;
    optimizer->parameters =
        arena_array(&optimizer->arena, (size_t)trial->graph.parameter_slots, sizeof(struct optimized));
    for (int i = 0; optimizer->parameters && i < trial->graph.node_count; i++)
        for (int k = 0; k < trial->graph.nodes[i].parameter_count; k++) {
            int slot = graph_slot(&trial->graph, i, k);
            if (trial_is_trained(trial, i, k))
                optimizer->parameters[optimizer->count++] =
                    (struct optimized){.node = i,
                                       .parameter = k,
                                       .tensor = &trial->run.parameters[slot],
                                       .gradient = &trial->run.parameter_gradients[slot]};
        }
    return optimizer->parameters != NULL;
}

/* The states lie one after the other. */
static bool take_states(struct optimizer *optimizer)
{
    int states = optimizer->ops->states(&optimizer->values);
    size_t real_size = optimizer->trial->graph.kernels->real_size;
    for (int i = 0; i < optimizer->count; i++)
        optimizer->memory_bytes +=
            (size_t)states * aligned((size_t)optimizer->parameters[i].tensor->count * real_size);
    optimizer->memory = malloc(optimizer->memory_bytes + 1);
    char *next = optimizer->memory;
    for (int i = 0; next && i < optimizer->count; i++)
        for (int k = 0; k < states; k++) {
            optimizer->parameters[i].states[k] = next;
            next += aligned((size_t)optimizer->parameters[i].tensor->count * real_size);
        }
    return next != NULL;
}

bool optimizer_open(struct optimizer *optimizer, struct trial *trial,
                    const struct optimizer_settings *settings, struct stability_error *error)
{
    const struct optimizer_ops *ops = ops_of(trial->graph.kernels, settings);
    *optimizer = (struct optimizer){
        .trial = trial,
        .settings = *settings,
        .values = values_of(settings, ops, &trial->request.options),
        .ops = ops,
    };
    if (!list_parameters(optimizer) || !take_states(optimizer))
        return stability_fail(error, STABILITY_ERROR_OUT_OF_MEMORY, NULL, "no memory for an optimizer");
    optimizer_reset(optimizer);
    return true;
}

void optimizer_reset(struct optimizer *optimizer)
{
    optimizer->steps = 0;
    memset(optimizer->memory, 0, optimizer->memory_bytes);
}

void optimizer_close(struct optimizer *optimizer)
{
    free(optimizer->memory);
    arena_free(&optimizer->arena);
}

/* ---- gradients ---- */

static double gradient_norm(const struct optimizer *optimizer)
{
    double squares = 0;
    for (int i = 0; i < optimizer->count; i++)
        squares += optimizer->trial->graph.kernels->square_sum(optimizer->parameters[i].gradient->data,
                                                               optimizer->parameters[i].gradient->count);
    return sqrt(squares);
}

static void multiply_gradients(const struct optimizer *optimizer, double factor)
{
    for (int i = 0; i < optimizer->count; i++)
        optimizer->trial->graph.kernels->multiply(optimizer->parameters[i].gradient->data, factor,
                                                  optimizer->parameters[i].gradient->count);
}

/* torch.nn.utils.clip_grad_norm_: gradients are multiplied by max_norm / (norm + 1e-6) where that is below 1.
 * A norm that is NaN makes all of them NaN. */
static bool clip_norm(const struct optimizer *optimizer, double norm)
{
    if (!optimizer->settings.clip_grad_norm.present)
        return false;
    double factor = optimizer->settings.clip_grad_norm.value / (norm + 1e-6);
    if (factor >= 1)
        return false;
    multiply_gradients(optimizer, factor);
    return true;
}

static bool clip_value(const struct optimizer *optimizer)
{
    if (!optimizer->settings.clip_grad_value.present)
        return false;
    bool clipped = false;
    for (int i = 0; i < optimizer->count; i++)
        clipped |= optimizer->trial->graph.kernels->clamp(optimizer->parameters[i].gradient->data,
                                                          optimizer->settings.clip_grad_value.value,
                                                          optimizer->parameters[i].gradient->count);
    return clipped;
}

/* ---- steps ---- */

enum { STRETCH = 2048 }; /* elements, of which the values before a step are remembered */

static void step_parameter(const struct optimizer *optimizer, struct optimized *p)
{
    const struct kernels *kernels = optimizer->trial->graph.kernels;
    size_t size = kernels->real_size;
    _Alignas(64) char before[STRETCH * sizeof(double)];
    double changes = 0, squares = 0;
    for (int64_t start = 0; start < p->tensor->count; start += STRETCH) {
        int64_t count = p->tensor->count - start < STRETCH ? p->tensor->count - start : STRETCH;
        size_t offset = (size_t)start * size;
        struct optimizer_pass pass = {
            .values = &optimizer->values,
            .step = optimizer->steps,
            .count = count,
            .parameter = (char *)p->tensor->data + offset,
            .gradient = (const char *)p->gradient->data + offset,
        };
        for (int k = 0; k < OPTIMIZER_STATES; k++)
            pass.states[k] = p->states[k] ? (char *)p->states[k] + offset : NULL;
        memcpy(before, pass.parameter, (size_t)count * size);
        optimizer->ops->step(&pass);
        changes += kernels->square_distance(pass.parameter, before, count);
        squares += kernels->square_sum(before, count);
    }
    p->change = sqrt(changes);
    p->norm = sqrt(squares);
}

void optimizer_step(struct optimizer *optimizer, struct optimizer_taken *taken)
{
    *taken = (struct optimizer_taken){.gradient_norm = gradient_norm(optimizer)};
    double norm = taken->gradient_norm;
    if (optimizer->settings.normalize_gradients && norm > 0) {
        multiply_gradients(optimizer, 1 / norm);
        norm = gradient_norm(optimizer);
    }
    taken->clipped = clip_norm(optimizer, norm);
    taken->clipped |= clip_value(optimizer);
    optimizer->steps++;
    double squares = 0;
    for (int i = 0; i < optimizer->count; i++) {
        step_parameter(optimizer, &optimizer->parameters[i]);
        squares += optimizer->parameters[i].change * optimizer->parameters[i].change;
    }
    taken->change = sqrt(squares);
}
