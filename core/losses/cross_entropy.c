/* Classification: CrossEntropyLoss of logits.
 *
 * The input is (C), (N, C) or (N, C, d1, ...), the target class indices of shape (), (N) or (N, d1, ...), or
 * for CrossEntropyLoss class probabilities of the input's shape. With w the class weights, q the target's
 * distribution (one-hot or given, smoothed by label_smoothing) and p = softmax(x), a row's loss is
 * sum_c q_c w_c (-log p_c); its gradient is p_c * sum_k q_k w_k - q_c w_c. */
#include "core/losses/classes.h"
#include "core/real/functions.h"
#include "core/real/interval.h"
#include "core/real/sums.h"
#include "core/real/transpose.h"

static bool shape_cross_entropy(struct loss_shapes *s)
{
    if (!shape_of_classes(s))
        return false;
    int64_t count = stability_shape_count(&s->inputs[0]);
    s->saved = s->classes ? 2 * (size_t)(count / s->classes) * s->real_size : 0;
    if (target_is_indices(s))
        return true;
    if (!stability_shape_equal(&s->inputs[0], &s->target))
        return fail_target(s, " or class probabilities of the input's shape");
    if (s->ignore_index >= 0)
        return loss_shape_fail(s, "/model/loss/ignore_index",
                               "ignore_index is an index: it cannot be given with class probabilities");
    return true;
}

/* q_c w_c of a row with class probabilities; `start` is the row's in the input, whose shape they share. */
static real soft_weight(const struct layout *l, int64_t start, int64_t c)
{
    real smoothing = (real)l->loss->label_smoothing;
    real q = l->target[start + c * l->inner] * (1 - smoothing) + smoothing / (real)l->classes;
    return q * class_weight(l, c);
}

/* ---- CrossEntropyLoss ------------------------------------------------------------------------------- *
 * Rows are taken in blocks, up to WIDTH of them side by side; where a row's many classes lie side by side
 * (inner is 1), one by one. */

enum { WIDTH = 64, FEW_CLASSES = 64 };

/* log p_c = x_c - greatest - log_sum */
struct block {
    int64_t row;
    int64_t width;
    int64_t row_stride; /* from a row to the next one of the block */
    const real *x;      /* class 0 of the first row */
    real *greatest;
    real *log_sum;
};

/* Goes to the next block; false after the last one. Zeroed but for its width it stands before the first. */
static bool next_block(const struct layout *l, const struct loss_pass *pass, struct block *block)
{
    real *saved = pass->saved;
    block->row += block->width;
    if (block->row == l->rows)
        return false;
    int64_t left = l->inner == 1 ? l->rows - block->row : l->inner - block->row % l->inner;
    int64_t most = l->inner == 1 && l->classes > FEW_CLASSES ? 1 : WIDTH;
    block->width = left < most ? left : most;
    block->row_stride = l->inner == 1 ? l->classes : 1;
    block->x = l->x + row_start(l, block->row);
    block->greatest = saved + block->row;
    block->log_sum = saved + l->rows + block->row;
    return true;
}

static void normalize_row(const struct layout *l, const struct block *block)
{
    enum { CHUNK = 256 };
    real exponentials[CHUNK];
    double sum = 0;
    *block->greatest = greatest_of(block->x, l->classes);
    for (int64_t start = 0; start < l->classes; start += CHUNK) {
        int64_t length = l->classes - start < CHUNK ? l->classes - start : CHUNK;
        for (int64_t k = 0; k < length; k++)
            exponentials[k] = real_exp(block->x[start + k] - *block->greatest);
        sum += sum_of(exponentials, length);
    }
    *block->log_sum = (real)log(sum);
}

/* Class c of all rows side by side, in whole vectors: rows that the block does not have are 0. `room` holds
 * one class, or where the rows' classes lie side by side, all: they are there then. */
static const real *class_values(const struct layout *l, const struct block *block, int64_t c, real *room)
{
    if (l->inner == 1)
        return room + c * WIDTH;
    for (int64_t j = 0; j < block->width; j++)
        room[j] = block->x[c * l->inner + j];
    return room;
}

static void normalize_rows(const struct layout *l, const struct block *block)
{
    real greatest[WIDTH], room[FEW_CLASSES * WIDTH];
    double sums[WIDTH];
    int64_t width = (block->width + 7) / 8 * 8; /* whole vectors */
    for (int64_t j = 0; j < WIDTH; j++) {
        greatest[j] = -(real)INFINITY;
        sums[j] = 0;
    }
    for (int64_t c = 0; c < (l->inner == 1 ? l->classes : 1); c++)
        for (int64_t j = block->width; j < width; j++)
            room[c * WIDTH + j] = 0;
    if (l->inner == 1)
        transpose(block->x, l->classes, block->width, l->classes, room, WIDTH);
    for (int64_t c = 0; c < l->classes; c++)
        greater_of_each(greatest, class_values(l, block, c, room), width);
    for (int64_t c = 0; c < l->classes; c++) {
        const real *values = class_values(l, block, c, room);
        for (int64_t j = 0; j < width; j++)
            sums[j] += (double)real_exp(values[j] - greatest[j]);
    }
    /* Sums in float64: of float32, too, a small loss is not lost in a sum near 1. */
    for (int64_t j = 0; j < block->width; j++) {
        block->greatest[j] = greatest[j];
        block->log_sum[j] = REAL_BITS == 64 ? real_log((real)sums[j]) : (real)log(sums[j]);
    }
}

static real negative_log(const struct layout *l, const struct block *block, int64_t j, int64_t c)
{
    return block->log_sum[j] - (block->x[j * block->row_stride + c * l->inner] - block->greatest[j]);
}

static double loss_of_row(const struct layout *l, const struct block *block, int64_t j)
{
    int64_t row = block->row + j;
    double smoothing = l->loss->label_smoothing, all = 0;
    if (l->probabilities) {
        for (int64_t c = 0; c < l->classes; c++)
            all += (double)(soft_weight(l, row_start(l, row), c) * negative_log(l, block, j, c));
        return all;
    }
    if (is_ignored(l, row))
        return 0;
    int64_t target = (int64_t)l->target[row];
    double one = (double)(class_weight(l, target) * negative_log(l, block, j, target));
    if (smoothing == 0)
        return one;
    for (int64_t c = 0; c < l->classes; c++)
        all += (double)(class_weight(l, c) * negative_log(l, block, j, c));
    return (1 - smoothing) * one + smoothing / (double)l->classes * all;
}

/* The losses of all rows are summed up, and kept where `losses` is not NULL. */
static double sum_of_rows(const struct layout *l, const struct loss_pass *pass, double *losses)
{
    double sum = 0;
    for (struct block block = {0}; next_block(l, pass, &block);) {
        (l->inner == 1 && block.width == 1 ? normalize_row : normalize_rows)(l, &block);
        for (int64_t j = 0; j < block.width; j++) {
            double loss = loss_of_row(l, &block, j);
            sum += loss;
            if (losses)
                losses[block.row + j] = loss;
        }
    }
    return sum;
}

static double row_losses_of_cross_entropy(const struct loss_pass *pass, double *losses)
{
    struct layout l = layout_of(pass);
    if (pass->inputs[0].shape.rank > 2)
        return 0;
    sum_of_rows(&l, pass, losses);
    return divisor(&l);
}

static double forward_cross_entropy(const struct loss_pass *pass)
{
    struct layout l = layout_of(pass);
    double sum = sum_of_rows(&l, pass, NULL);
    double rows = divisor(&l);
    return rows != 0 ? sum / rows : NAN; /* 0/0, whatever smoothing gives to classes that no target names */
}

/* scale * sum_c q_c w_c; times p it shows a NaN of an ignored row too */
static real scaled_mass(const struct layout *l, int64_t row, real scale)
{
    real smoothing = (real)l->loss->label_smoothing, mass = 0;
    if (is_ignored(l, row))
        return 0;
    if (!l->probabilities)
        return scale * ((1 - smoothing) * class_weight(l, (int64_t)l->target[row]) +
                        smoothing / (real)l->classes * l->weight_sum);
    for (int64_t c = 0; c < l->classes; c++)
        mass += soft_weight(l, row_start(l, row), c);
    return scale * mass;
}

/* dx_c = p_c * scale * mass, for all rows of a block */
static void spread_mass(const struct layout *l, const struct block *block, real scale, real *dx)
{
    real masses[WIDTH];
    for (int64_t j = 0; j < block->width; j++)
        masses[j] = scaled_mass(l, block->row + j, scale);
    if (l->inner == 1) {
        for (int64_t j = 0; j < block->width; j++) {
            int64_t start = j * l->classes;
            real shift = block->greatest[j], log_sum = block->log_sum[j], mass = masses[j];
            for (int64_t c = start; c < start + l->classes; c++)
                dx[c] = real_exp(block->x[c] - shift - log_sum) * mass;
        }
        return;
    }
    for (int64_t c = 0; c < l->classes; c++)
        for (int64_t j = 0; j < block->width; j++)
            dx[c * l->inner + j] =
                real_exp(block->x[c * l->inner + j] - block->greatest[j] - block->log_sum[j]) * masses[j];
}

/* dx_c -= scale * q_c w_c, for one row */
static void take_target(const struct layout *l, int64_t row, real scale, real *dx)
{
    real smoothing = (real)l->loss->label_smoothing;
    real share = smoothing / (real)l->classes;
    if (l->probabilities) {
        for (int64_t c = 0; c < l->classes; c++)
            dx[c * l->inner] -= soft_weight(l, row_start(l, row), c) * scale;
        return;
    }
    if (is_ignored(l, row))
        return;
    int64_t target = (int64_t)l->target[row];
    dx[target * l->inner] -= (1 - smoothing) * class_weight(l, target) * scale;
    for (int64_t c = 0; share != 0 && c < l->classes; c++)
        dx[c * l->inner] -= share * class_weight(l, c) * scale;
}

static void backward_cross_entropy(const struct loss_pass *pass)
{
    struct layout l = layout_of(pass);
    real *dx = pass->input_gradients[0].data;
    real scale = (real)(1 / divisor(&l));
    for (struct block block = {0}; dx && next_block(&l, pass, &block);) {
        int64_t start = row_start(&l, block.row);
        spread_mass(&l, &block, scale, dx + start);
        for (int64_t j = 0; j < block.width; j++)
            take_target(&l, block.row + j, scale, dx + start + j * block.row_stride);
    }
}

static const struct stability_attribute cross_entropy_attributes[] = {
    CLASS_ROWS,
    {"label_smoothing", STABILITY_ATTRIBUTE_REAL, offsetof(struct cross_entropy, label_smoothing),
     .maximum = 1, .documentation = "how much of the target is spread evenly over all classes"},
    {0},
};

/* The row's class that its loss is told by: the target's, or with probabilities the first. */
static int64_t told_class(const struct layout *l, int64_t row)
{
    return l->probabilities ? 0 : (int64_t)l->target[row];
}

static bool explain_cross_entropy(const struct loss_pass *pass, const struct layer_place *place,
                                  struct layer_cause *cause)
{
    struct layout l = layout_of(pass);
    if (explain_divisor(&l, cause))
        return true;
    if (place->backward)
        return false;
    for (struct block block = {0}; next_block(&l, pass, &block);)
        for (int64_t j = 0; j < block.width; j++) {
            if (isfinite(loss_of_row(&l, &block, j)))
                continue;
            int64_t row = block.row + j;
            int64_t at = row_start(&l, row) + told_class(&l, row) * l.inner;
            double x = explain_operand(cause, "input", &pass->inputs[0], at);
            return explain_say(cause,
                               "-log softmax(x) of row %lld, with x = %.6g and %.6g the greatest of the row, "
                               "is not finite: %s",
                               (long long)row, x, (double)block.greatest[j],
                               isinf(block.greatest[j]) ? "inf - inf" : "the distance overflows " REAL_NAME);
        }
    return false;
}

/* dx = p mass - q w, with p in [0, 1] whatever the input is. */
static void bound_row(const struct layout *l, int64_t row, real scale, const struct interval_tensor *dx)
{
    int64_t start = row_start(l, row);
    real mass = scaled_mass(l, row, scale);
    double error = 32 * (double)REAL_EPSILON * fabs((double)mass) + (double)REAL_MIN;
    for (int64_t c = 0; c < l->classes; c++) {
        ((real *)dx->low.data)[start + c * l->inner] = mass < 0 ? mass : 0;
        ((real *)dx->high.data)[start + c * l->inner] = mass < 0 ? 0 : mass;
    }
    take_target(l, row, scale, (real *)dx->low.data + start);
    take_target(l, row, scale, (real *)dx->high.data + start);
    for (int64_t c = 0; c < l->classes; c++) {
        int64_t i = start + c * l->inner;
        interval_store(dx, i, span_at(dx, i),
                       error + 32 * (double)REAL_EPSILON * span_magnitude(span_at(dx, i)));
    }
}

/* -log p is at most the distance from the least to the greatest element plus log(classes). */
static bool bound_cross_entropy(struct loss_intervals *intervals)
{
    struct loss_pass pass = intervals->pass;
    struct span x = span_of(&intervals->inputs[0]);
    pass.inputs = &intervals->inputs[0].low;
    struct layout l = layout_of(&pass);
    double divided = divisor(&l), most = x.high - x.low, sum = 0;
    most = most > (double)REAL_MAX ? INFINITY : (most + log((double)l.classes + 1)) * (1 + 1e-5);
    for (int64_t row = 0; row < l.rows; row++) {
        sum += fabs((double)scaled_mass(&l, row, 1)) * (1 + 1e-5);
        if (intervals->input_gradients[0].low.data)
            bound_row(&l, row, (real)(1 / divided), &intervals->input_gradients[0]);
    }
    bool positive = true;
    for (int64_t c = 0; c < l.classes; c++)
        positive &= class_weight(&l, c) >= 0;
    for (int64_t i = 0; l.probabilities && i < pass.target.count; i++)
        positive &= l.target[i] >= 0;
    intervals->high = divided == 0 || !positive ? INFINITY : most * sum / fabs(divided);
    intervals->low = divided == 0 || !positive
                         ? -INFINITY
                         : -(1e-3 + 4 * (double)REAL_EPSILON * most) * sum / fabs(divided);
    return true;
}

LOSS_OPS(CrossEntropyLoss) = {
    .type = {.type = "CrossEntropyLoss",
             .torch = "torch.nn.CrossEntropyLoss",
             .documentation = "negative log-likelihood of class indices or probabilities under softmax(x)",
             .inputs = 1,
             .attributes = cross_entropy_attributes},
    .attributes_size = sizeof(struct cross_entropy),
    .shape = shape_cross_entropy,
    .forward = forward_cross_entropy,
    .backward = backward_cross_entropy,
    .row_losses = row_losses_of_cross_entropy,
    .explain = explain_cross_entropy,
    .bounds = bound_cross_entropy,
};
