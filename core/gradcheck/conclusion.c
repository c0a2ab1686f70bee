/* From numerical and given gradients to errors, levels, patterns and suspects. */
#include "core/fingerprint.h"
#include "core/gradcheck/check.h"
#include "core/gradcheck/pattern.h"

#include <math.h>

static const struct {
    const char *name;
    double below; /* relative error */
} levels[] = {
    [STABILITY_GRADCHECK_CORRECT] = {"correct", 1e-7},
    [STABILITY_GRADCHECK_ACCEPTABLE] = {"acceptable", 1e-4},
    [STABILITY_GRADCHECK_SUSPICIOUS] = {"suspicious", 1e-2},
    [STABILITY_GRADCHECK_WRONG] = {"wrong", INFINITY},
};

const char *stability_gradcheck_level_name(enum stability_gradcheck_level level)
{
    return levels[level].name;
}

double stability_gradcheck_level_bound(enum stability_gradcheck_level level)
{
    return levels[level].below;
}

static enum stability_gradcheck_level level_of(double relative_error)
{
    enum stability_gradcheck_level level = STABILITY_GRADCHECK_CORRECT;
    while (level < STABILITY_GRADCHECK_WRONG && !(relative_error < levels[level].below))
        level++;
    return level;
}

/* ---- comparison ---- */

/* Errors of `given` against the numerical gradient over all items. */
struct comparison {
    double relative; /* of L2 norms */
    double judged;   /* the same without elements that differ by no more than their uncertainty: decides the
                        level */
    double greatest; /* relative error of an element */
    int64_t worst;   /* its item, or -1 */
    int64_t excused; /* items that differ, by no more than their uncertainty */
    int64_t skipped;
    int64_t non_finite;
};

static double relative_error(double difference, double a, double b, double uncertainty)
{
    a = fabs(a);
    b = fabs(b);
    if (a <= uncertainty && b <= uncertainty)
        return 0;
    return isfinite(difference) ? difference / (a + b) : 1;
}

static struct comparison compare(const struct subject *s, const double *given)
{
    struct comparison result = {.worst = -1};
    double numerical = 0, other = 0, difference = 0, judged = 0, uncertainty = 0; /* sums of squares */
    for (int64_t i = 0; i < s->items; i++) {
        result.skipped += s->status[i] == AT_KINK;
        if (s->status[i] != TAKEN)
            continue;
        double apart = fabs(s->numerical[i] - given[i]);
        bool excused = apart <= s->uncertainty[i];
        double error = relative_error(apart, s->numerical[i], given[i], s->uncertainty[i]);
        result.non_finite += !isfinite(given[i]);
        result.excused += excused && apart > 0;
        numerical += s->numerical[i] * s->numerical[i];
        other += given[i] * given[i];
        uncertainty += s->uncertainty[i] * s->uncertainty[i];
        difference += apart * apart;
        judged += excused ? 0 : apart * apart;
        if (error > result.greatest || (result.worst < 0 && error >= result.greatest)) {
            result.greatest = error;
            result.worst = i;
        }
    }
    result.relative = relative_error(sqrt(difference), sqrt(numerical), sqrt(other), sqrt(uncertainty));
    result.judged = relative_error(sqrt(judged), sqrt(numerical), sqrt(other), sqrt(uncertainty));
    return result;
}

static void set_worst(const struct check *c, const struct subject *s, const struct comparison *comparison)
{
    struct stability_gradcheck_parameter *result = s->result;
    if (comparison->worst < 0 || (c->options->mode == STABILITY_GRADCHECK_DIRECTIONAL && s->reaches_loss))
        return;
    int64_t flat = s->elements ? s->elements[comparison->worst] : comparison->worst;
    result->has_worst = true;
    for (int d = result->shape.rank - 1; d >= 0; d--) {
        result->worst_index[d] = flat % result->shape.sizes[d];
        flat /= result->shape.sizes[d];
    }
    result->worst_given = s->item_given[comparison->worst];
    result->worst_numerical = s->numerical[comparison->worst];
    result->worst_uncertainty = s->uncertainty[comparison->worst];
}

/* The chance that every one of the directions would have shown less than what can be told from 0, for an
 * error of the size that was found or, where none was, of the size that would be suspicious. By Paley and
 * Zygmund's inequality a sum with random signs exceeds a fraction t of its norm with probability (1 - t^2)^2
 * / 3 or more. */
static double miss_probability(const struct subject *s, const struct comparison *comparison)
{
    double numerical = 0, uncertainty = 0;
    for (int64_t i = 0; i < s->items; i++) {
        numerical += s->numerical[i] * s->numerical[i];
        uncertainty += s->uncertainty[i] * s->uncertainty[i];
    }
    double size =
        fmax(comparison->judged, levels[STABILITY_GRADCHECK_ACCEPTABLE].below) * 2 * sqrt(numerical);
    double t = size > 0 ? sqrt(uncertainty) / size : 1;
    double shown = t < 1 ? (1 - t * t) * (1 - t * t) / 3 : 0;
    return pow(1 - shown, (double)s->items);
}

static void conclude(struct check *c, struct subject *s, struct stability_gradcheck_report *report)
{
    struct comparison comparison = compare(s, s->item_given), engine = compare(s, s->item_engine);
    struct stability_gradcheck_parameter *result = s->result;
    bool directional = c->options->mode == STABILITY_GRADCHECK_DIRECTIONAL && s->reaches_loss;
    result->from_client = s->from_client;
    result->checked = s->items - comparison.skipped;
    result->skipped_at_kink = comparison.skipped;
    result->within_uncertainty = comparison.excused;
    result->mostly_skipped = comparison.skipped * 10 > s->items;
    result->non_finite = comparison.non_finite;
    result->step = s->scheme.step;
    result->relative_error = comparison.relative;
    result->max_relative_error = comparison.greatest;
    result->level = comparison.non_finite ? STABILITY_GRADCHECK_WRONG : level_of(comparison.judged);
    result->miss_probability = directional ? miss_probability(s, &comparison) : NAN;
    set_worst(c, s, &comparison);
    if (result->level > report->level)
        report->level = result->level;
    if (level_of(engine.judged) > report->engine_level)
        report->engine_level = level_of(engine.judged);
    if (engine.relative > report->engine_max_relative_error)
        report->engine_max_relative_error = engine.relative;
}

/* ---- the report ---- */

static bool recognise_patterns(struct check *c)
{
    struct gradient_pair *pairs = arena_array(&c->scratch, (size_t)c->subject_count, sizeof(*pairs));
    if (!pairs)
        return check_out_of_memory(c);
    for (int i = 0; i < c->subject_count; i++) {
        const struct subject *s = &c->subjects[i];
        pairs[i] = (struct gradient_pair){
            .name = s->description->key,
            .shape = s->description->shape,
            .count = s->description->count,
            .given = s->given,
            .numerical = s->numerical,
            .uncertainty = s->uncertainty,
        };
    }
    for (int i = 0; i < c->subject_count; i++)
        if (c->subjects[i].result->level >= STABILITY_GRADCHECK_SUSPICIOUS &&
            !pattern_recognise(pairs, (size_t)c->subject_count, (size_t)i, &c->arena, c->subjects[i].result))
            return check_out_of_memory(c);
    return true;
}

/* Layers with a wrong gradient, the one whose backward pass runs first in front: what lies behind it in the
 * backward pass may only have been given what it got wrong. */
static bool rank_suspects(struct check *c, struct stability_gradcheck_report *report)
{
    const char **suspects = arena_array(&c->arena, (size_t)c->subject_count, sizeof(*suspects));
    if (!suspects)
        return check_out_of_memory(c);
    for (int i = c->subject_count - 1; i >= 0; i--) {
        const struct stability_gradcheck_parameter *result = c->subjects[i].result;
        if (result->level >= STABILITY_GRADCHECK_SUSPICIOUS &&
            (report->suspect_count == 0 || suspects[report->suspect_count - 1] != result->layer))
            suspects[report->suspect_count++] = result->layer;
    }
    report->suspect_layers = suspects;
    return true;
}

bool conclusion_frame(struct check *c, struct stability_gradcheck_report *report)
{
    struct stability_gradcheck_parameter *results =
        arena_array(&c->arena, (size_t)c->subject_count, sizeof(*results));
    const char *layer = NULL;
    int node = -1;
    if (!results)
        return check_out_of_memory(c);
    for (int i = 0; i < c->subject_count; i++) {
        struct subject *s = &c->subjects[i];
        if (s->node != node)
            layer = arena_string(&c->arena, c->trial.graph.nodes[s->node].name);
        node = s->node;
        results[i] = (struct stability_gradcheck_parameter){
            .name = arena_string(&c->arena, s->description->key),
            .layer = layer,
            .shape = s->description->shape,
            .count = s->description->count,
            .pattern_factor = NAN,
            .miss_probability = NAN,
        };
        s->result = &results[i];
        if (!layer || !results[i].name)
            return check_out_of_memory(c);
        fingerprint_write(results[i].fingerprint, "gradient", &results[i].name, 1);
    }
    const char *model = c->trial.request.model.name;
    report->model = model ? arena_string(&c->arena, model) : NULL;
    report->parameters = results;
    report->parameter_count = (size_t)c->subject_count;
    report->mode = c->options->mode;
    report->loss = c->trial.run.loss;
    return !model || report->model || check_out_of_memory(c);
}

bool conclusion_draw(struct check *c, struct stability_gradcheck_report *report)
{
    for (int i = 0; i < c->subject_count; i++)
        conclude(c, &c->subjects[i], report);
    report->failed = report->level >= STABILITY_GRADCHECK_SUSPICIOUS;
    if (c->options->mode == STABILITY_GRADCHECK_FULL && !recognise_patterns(c))
        return false;
    return rank_suspects(c, report);
}
