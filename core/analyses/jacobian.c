/* Singular values of the Jacobians of each block and of the whole model; how alike tokens become. */
#include "core/jacobian.h"
#include "core/analysis.h"
#include "core/blocks.h"
#include "core/tokens.h"
#include "core/trial.h"

#include <math.h>

struct settings {
    struct jacobian_settings measure;
    double vanishing;
    double exploding;
    double collapse;
};

static const struct stability_attribute rows[] = {
    {"samples", STABILITY_ATTRIBUTE_INTEGER, offsetof(struct settings, measure.samples), .minimum = 1,
     .maximum = 1024, .number = 4,
     .documentation = "samples of the batch that are looked at, the first ones"},
    {"exact", STABILITY_ATTRIBUTE_INTEGER, offsetof(struct settings, measure.exact), .minimum = 1,
     .maximum = 2048, .number = 512,
     .documentation =
         "a Jacobian whose smaller side is no longer than this is decomposed whole; a larger one "
         "by Lanczos' method"},
    {"iterations", STABILITY_ATTRIBUTE_INTEGER, offsetof(struct settings, measure.iterations), .minimum = 1,
     .maximum = 2048, .number = 100, .documentation = "the most steps of Lanczos' method"},
    {"tolerance", STABILITY_ATTRIBUTE_REAL, offsetof(struct settings, measure.tolerance), .minimum = 1e-12,
     .maximum = 0.1, .number = 1e-8,
     .documentation =
         "Lanczos' method ends where its bound on the error of the greatest eigenvalue of J J^T is "
         "this, relatively"},
    {"seed", STABILITY_ATTRIBUTE_INTEGER, offsetof(struct settings, measure.seed), .minimum = 0,
     .maximum = 9007199254740991, .documentation = "of the vectors that Lanczos' method starts with"},
    {"vanishing", STABILITY_ATTRIBUTE_REAL, offsetof(struct settings, vanishing), .minimum = 0,
     .maximum = 1e300, .number = 1e-3,
     .documentation = "vanishing: the largest singular value is below this in every sample"},
    {"exploding", STABILITY_ATTRIBUTE_REAL, offsetof(struct settings, exploding), .minimum = 0,
     .maximum = 1e300, .number = 1e3,
     .documentation = "exploding: the largest singular value of a sample is above this"},
    {"collapse", STABILITY_ATTRIBUTE_REAL, offsetof(struct settings, collapse), .minimum = 0, .maximum = 1,
     .number = 0.1,
     .documentation = "rank collapse: effective_rank - 1 is below this times (the smaller side - 1) in every "
                      "sample"},
    {0},
};

/* Over the samples of one Jacobian. */
struct summary {
    double largest;         /* greatest */
    double smallest;        /* least */
    double condition;       /* greatest */
    double condition_bound; /* greatest that is known to be reached */
    double squares;         /* mean of sum of squares / smaller side */
    double effective_rank;  /* greatest */
    int64_t rank;           /* least */
    bool known;
    bool converged;
    int64_t iterations;
};

static double condition_of(const struct spectrum *spectrum)
{
    return spectrum->largest > 0 ? spectrum->largest / spectrum->smallest : NAN;
}

/* NaN where either is: what is not known of one sample is not known of all. */
static double worse(double a, double b, bool least)
{
    return isnan(a) || isnan(b) ? NAN : (a < b) == least ? a : b;
}

static struct summary summarise(const struct jacobian *j)
{
    double least = (double)(j->rows < j->columns ? j->rows : j->columns);
    struct summary summary = {.known = j->count > 0, .converged = true};
    for (int64_t s = 0; s < j->count; s++) {
        const struct spectrum *spectrum = &j->spectra[s];
        bool first = s == 0;
        summary.known &= !isnan(spectrum->largest);
        summary.converged &= spectrum->converged;
        summary.largest = first ? spectrum->largest : worse(summary.largest, spectrum->largest, false);
        summary.smallest = first ? spectrum->smallest : worse(summary.smallest, spectrum->smallest, true);
        summary.condition =
            first ? condition_of(spectrum) : worse(summary.condition, condition_of(spectrum), false);
        summary.effective_rank =
            first ? spectrum->effective_rank : worse(summary.effective_rank, spectrum->effective_rank, false);
        summary.rank = first || spectrum->rank < summary.rank ? spectrum->rank : summary.rank;
        summary.condition_bound = fmax(summary.condition_bound, spectrum->largest / spectrum->least_seen);
        summary.squares += spectrum->squares / least / (double)j->count;
        summary.iterations =
            spectrum->iterations > summary.iterations ? spectrum->iterations : summary.iterations;
    }
    return summary;
}

static const char *state_of(const struct jacobian *j, const struct summary *summary,
                            const struct settings *settings)
{
    int64_t least = j->rows < j->columns ? j->rows : j->columns;
    if (!summary->known)
        return NULL;
    if (summary->largest == 0)
        return "zero";
    if (summary->largest < settings->vanishing)
        return "vanishing";
    if (least > 1 && summary->effective_rank - 1 < settings->collapse * (double)(least - 1))
        return "rank-collapse";
    return summary->largest > settings->exploding ? "exploding" : "regular";
}

static void add_rank(struct analysis_context *context, struct stability_result *parent, int64_t rank)
{
    result_number(context, parent, "rank", rank < 0 ? NAN : (double)rank);
}

static void add_samples(struct analysis_context *context, struct stability_result *parent,
                        const struct jacobian *j)
{
    struct stability_result *list = result_list(context, parent, "samples");
    for (int64_t s = 0; s < j->count; s++) {
        const struct spectrum *spectrum = &j->spectra[s];
        struct stability_result *sample = result_object(context, list, "");
        result_integer(context, sample, "index", spectrum->sample);
        result_number(context, sample, "largest_singular_value", spectrum->largest);
        result_number(context, sample, "smallest_singular_value", spectrum->smallest);
        result_number(context, sample, "condition_number", condition_of(spectrum));
        result_number(context, sample, "effective_rank", spectrum->effective_rank);
        add_rank(context, sample, spectrum->rank);
    }
}

static void add_jacobian(struct analysis_context *context, struct stability_result *parent,
                         const struct jacobian *j)
{
    struct summary summary = summarise(j);
    result_boolean(context, parent, "per_sample", j->input_axis >= 0);
    result_integer(context, parent, "input_size", j->columns);
    result_integer(context, parent, "output_size", j->rows);
    result_text(context, parent, "state", state_of(j, &summary, context->settings));
    result_number(context, parent, "largest_singular_value", summary.largest);
    result_number(context, parent, "smallest_singular_value", summary.smallest);
    result_number(context, parent, "condition_number", summary.condition);
    result_number(context, parent, "mean_squared_singular_value", summary.squares);
    result_number(context, parent, "effective_rank", summary.effective_rank);
    add_rank(context, parent, summary.rank);
    result_text(context, parent, "method", j->exact ? "exact" : "lanczos");
    if (!j->exact) {
        result_number(context, parent, "condition_number_at_least",
                      summary.known ? summary.condition_bound : NAN);
        result_integer(context, parent, "iterations", summary.iterations);
        result_boolean(context, parent, "converged", summary.converged);
        result_number(context, parent, "product_error", j->push_error);
    }
    add_samples(context, parent, j);
}

/* ---- tokens ---- */

/* Values (samples, tokens, features), or (tokens, samples, features) where samples lie along the second
 * dimension of what the model reads. */
static bool add_tokens(struct analysis_context *context, struct stability_result *parent,
                       const struct trial *trial, bool tokens_first)
{
    struct stability_result *list = result_list(context, parent, "tokens");
    for (int i = 0; i < trial->graph.node_count; i++) {
        const struct graph_node *node = &trial->graph.nodes[i];
        const struct graph_value *value = &trial->graph.values[node->first_output];
        if (value->integer || value->count == 0 || value->shape.rank != 3 || value->feature_dim != 2 ||
            value->shape.sizes[tokens_first ? 0 : 1] < 2)
            continue;
        double *scratch = arena_array(context->arena, (size_t)value->shape.sizes[2], sizeof(*scratch));
        if (!scratch)
            return false;
        struct token_similarity similarity =
            token_similarity_of(&trial->run.values[node->first_output], tokens_first, scratch);
        struct stability_result *layer = result_object(context, list, "");
        result_text(context, layer, "layer", node->name);
        result_number(context, layer, "mean_cosine", similarity.cosine);
        result_number(context, layer, "rank_one_residual", similarity.residual);
    }
    return true;
}

/* ---- the analysis ---- */

static const struct trial_options float64 = {
    .flags = RUN_NO_DROPS, .change_precision = true, .precision = STABILITY_PRECISION_FLOAT64};

static void add_names(struct analysis_context *context, struct stability_result *parent,
                      const struct graph *graph, const struct block *block)
{
    result_text(context, parent, "input", graph->values[block->from].name);
    result_text(context, parent, "output", graph->values[block->to].name);
    struct stability_result *layers = result_list(context, parent, "layers");
    for (int i = 0; i < block->node_count; i++)
        result_text(context, layers, "", graph->nodes[block->nodes[i]].name);
}

static bool measure(struct analysis_context *context, struct stability_result *result,
                    const struct trial *trial, const struct blocks *blocks)
{
    const struct settings *settings = context->settings;
    struct jacobian_context measuring = {.run = &trial->run,
                                         .settings = &settings->measure,
                                         .options = &context->plan->graph.request->options,
                                         .total = blocks->count + 1,
                                         .arena = context->arena,
                                         .error = context->error};
    struct jacobian whole = {.input_axis = 0};
    struct stability_result *object = NULL;
    if (blocks->count > 0) {
        if (!jacobian_measure(&whole, &measuring, blocks->from, blocks->to, 0))
            return false;
        object = result_object(context, result, "whole");
        result_text(context, object, "input", trial->graph.values[blocks->from].name);
        result_text(context, object, "output", trial->graph.values[blocks->to].name);
        add_jacobian(context, object, &whole);
    }
    struct stability_result *list = result_list(context, result, "blocks");
    for (int b = 0; b < blocks->count; b++) {
        const struct block *block = &blocks->items[b];
        struct jacobian jacobian = whole;
        if (blocks->count > 1 && !jacobian_measure(&jacobian, &measuring, block->from, block->to,
                                                   whole.input_axis < 0 ? 0 : whole.input_axis))
            return false;
        object = result_object(context, list, "");
        add_names(context, object, &trial->graph, block);
        add_jacobian(context, object, &jacobian);
    }
    return add_tokens(context, result, trial, whole.input_axis == 1) && !context->failed;
}

static bool run(struct analysis_context *context, struct stability_result *result)
{
    struct trial trial;
    struct blocks blocks;
    bool done = trial_plan(&trial, context->plan->graph.request, &float64, context->error);
    trial.stage = "jacobian";
    done = done && trial_open(&trial, context->error) && trial_forward(&trial, NULL, context->error);
    if (done && !blocks_find(&blocks, &trial.graph, &trial.graph.arena)) {
        context->failed = true;
        done = false;
    }
    done = done && measure(context, result, &trial, &blocks);
    trial_close(&trial);
    return done;
}

/* The most that one Jacobian takes; -1 where there is no memory to tell. */
static double most_bytes(struct graph *graph, const struct blocks *blocks,
                         const struct jacobian_settings *settings)
{
    double most =
        blocks->count ? jacobian_bytes(graph, blocks->from, blocks->to, settings, &graph->arena) : 0;
    for (int b = 0; most >= 0 && b < blocks->count; b++) {
        const struct block *block = &blocks->items[b];
        double bytes = jacobian_bytes(graph, block->from, block->to, settings, &graph->arena);
        most = bytes < 0 ? -1 : fmax(most, bytes);
    }
    return most;
}

static double bytes(const struct stability_plan *plan, const void *settings, struct stability_error *error)
{
    struct trial trial;
    struct blocks blocks;
    double most = -1;
    if (trial_plan(&trial, plan->graph.request, &float64, error)) {
        if (blocks_find(&blocks, &trial.graph, &trial.graph.arena))
            most = most_bytes(&trial.graph, &blocks, &((const struct settings *)settings)->measure);
        if (most >= 0)
            most += trial_bytes(&trial);
        else
            stability_fail(error, STABILITY_ERROR_OUT_OF_MEMORY, NULL, "no memory for the plan");
    }
    trial_close(&trial);
    return most;
}

ANALYSIS_OPS(jacobian) = {
    .type =
        {.name = "jacobian",
         .settings = rows,
         .documentation =
             "In float64, with dropout off: the singular values of the Jacobian of the model from its input "
             "to what the loss reads (whole), and of each block: a layer with weights with what follows it "
             "without, or all that a residual connection bridges. For each sample by itself where the "
             "layers treat samples independently (per_sample; a BatchNorm in training does not), else of "
             "the whole batch. largest, condition_number and effective_rank are the greatest over the "
             "samples, smallest and rank the least. state: zero; vanishing, all singular values are small; "
             "rank-collapse, few are not; exploding; or regular. What Lanczos' method cannot tell is null; "
             "condition_number_at_least is a bound then. tokens: through the depth of a model of sequences, "
             "how alike tokens are.",
         .source =
             "Saxe, McClelland, Ganguli 2014, Exact solutions to the nonlinear dynamics of learning in deep "
             "linear neural networks; Pennington, Schoenholz, Ganguli 2017, Resurrecting the sigmoid in deep "
             "learning through dynamical isometry; Roy, Vetterli 2007, The effective rank; Dong, Cordonnier, "
             "Loukas 2021, Attention is not all you need"},
    .settings_size = sizeof(struct settings),
    .bytes = bytes,
    .run = run,
};
