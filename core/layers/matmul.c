/* torch.matmul: products of the last two dimensions, the dimensions before them broadcast. A vector on the
 * left is a row, on the right a column, and that dimension is missing from the output. */
#include "core/layers/broadcast.h"
#include "core/layers/explain.h"
#include "core/real/blas.h"
#include "core/real/interval.h"

/* y (rows, columns) = a (rows, inner) b (inner, columns), in each matrix of the batch. */
struct product {
    int64_t rows;
    int64_t inner;
    int64_t columns;
    struct stability_shape batch; /* of the output */
    struct stability_shape batch_a;
    struct stability_shape batch_b;
};

/* The dimensions before the last two. */
static struct stability_shape batch_of(const struct stability_shape *shape)
{
    struct stability_shape batch = *shape;
    batch.rank = shape->rank > 2 ? shape->rank - 2 : 0;
    return batch;
}

static struct product product_of(const struct stability_shape *a, const struct stability_shape *b,
                                 const struct stability_shape *y)
{
    struct product product = {.rows = a->rank > 1 ? a->sizes[a->rank - 2] : 1,
                              .inner = a->sizes[a->rank - 1],
                              .columns = b->rank > 1 ? b->sizes[b->rank - 1] : 1,
                              .batch = *y,
                              .batch_a = batch_of(a),
                              .batch_b = batch_of(b)};
    product.batch.rank -= (a->rank > 1) + (b->rank > 1);
    return product;
}

static bool fail_shapes(struct layer_shapes *s, const char *what)
{
    char a[STABILITY_SHAPE_TEXT], b[STABILITY_SHAPE_TEXT];
    return layer_shape_fail(s, "inputs", "%s, got %s and %s", what, stability_shape_text(&s->inputs[0], a),
                            stability_shape_text(&s->inputs[1], b));
}

/* The batch's shape by broadcasting. */
static bool broadcast_batches(struct layer_shapes *s)
{
    const struct stability_shape inputs[] = {batch_of(&s->inputs[0]), batch_of(&s->inputs[1])};
    struct layer_shapes batches = *s;
    batches.inputs = inputs;
    if (!layer_shape_broadcast(&batches))
        return false;
    s->outputs[0] = batches.outputs[0];
    return true;
}

static bool shape(struct layer_shapes *s)
{
    const struct stability_shape *a = &s->inputs[0];
    const struct stability_shape *b = &s->inputs[1];
    struct stability_shape *y = &s->outputs[0];
    if (a->rank == 0 || b->rank == 0)
        return fail_shapes(s, "both inputs must have at least one dimension");
    if (a->sizes[a->rank - 1] != b->sizes[b->rank > 1 ? b->rank - 2 : 0])
        return fail_shapes(s, "the first input's last dimension must equal the second's last but one");
    if (!broadcast_batches(s))
        return false;
    if (a->rank > 1)
        y->sizes[y->rank++] = a->sizes[a->rank - 2];
    if (b->rank > 1)
        y->sizes[y->rank++] = b->sizes[b->rank - 1];
    s->feature_dim = y->rank > 0 ? y->rank - 1 : 0;
    int64_t count = stability_shape_count(y);
    s->flops = 2.0 * (double)(count < 0 ? 0 : count) * (double)a->sizes[a->rank - 1];
    return true;
}

/* One product serves the whole batch where only `a` has one: its rows follow each other. */
static void fold_rows(struct product *product)
{
    if (stability_shape_count(&product->batch_b) != 1)
        return;
    product->rows *= stability_shape_count(&product->batch);
    product->batch.rank = product->batch_a.rank = product->batch_b.rank = 0;
}

static struct product product_of_pass(const struct layer_pass *pass)
{
    struct product product =
        product_of(&pass->inputs[0].shape, &pass->inputs[1].shape, &pass->outputs[0].shape);
    fold_rows(&product);
    return product;
}

/* The matrices of one product of the batch. */
struct matrices {
    int64_t a;
    int64_t b;
    int64_t y;
};

/* Calls `multiply` for each product, with the offsets of its matrices. */
static void for_each_product(const struct layer_pass *pass, const struct product *p,
                             void (*multiply)(const struct layer_pass *pass, const struct product *product,
                                              const struct matrices *at))
{
    struct broadcast walk;
    for (bool more = broadcast_first(&walk, &p->batch, &p->batch_a, &p->batch_b); more;
         more = broadcast_next(&walk))
        for (int64_t i = 0; i < walk.row; i++) {
            struct matrices at = {(walk.operand[0] + i * walk.step[0]) * p->rows * p->inner,
                                  (walk.operand[1] + i * walk.step[1]) * p->inner * p->columns,
                                  (walk.whole + i) * p->rows * p->columns};
            multiply(pass, p, &at);
        }
}

static void multiply(const struct layer_pass *pass, const struct product *p, const struct matrices *at)
{
    const real *a = (const real *)pass->inputs[0].data + at->a;
    const real *b = (const real *)pass->inputs[1].data + at->b;
    gemm(PLAIN, PLAIN, p->rows, p->columns, p->inner, a, b, 0, (real *)pass->outputs[0].data + at->y);
}

static void clear(const struct tensor *tensor)
{
    for (int64_t i = 0; i < tensor->count; i++)
        ((real *)tensor->data)[i] = 0;
}

/* Sums of nothing are 0, and no batch of them is walked through, however long it is. */
static bool is_empty(const struct product *p, const struct tensor *result)
{
    if (p->rows > 0 && p->inner > 0 && p->columns > 0)
        return false;
    clear(result);
    return true;
}

static void forward(const struct layer_pass *pass)
{
    struct product product = product_of_pass(pass);
    if (!is_empty(&product, &pass->outputs[0]))
        for_each_product(pass, &product, multiply);
}

/* Gradients of a matrix that several products share are added up, from 0. */
static bool is_shared(const struct product *p, const struct stability_shape *batch)
{
    return stability_shape_count(batch) != stability_shape_count(&p->batch);
}

/* da = dy bᵀ */
static void multiply_for_a(const struct layer_pass *pass, const struct product *p, const struct matrices *at)
{
    const real *dy = (const real *)pass->output_gradients[0].data + at->y;
    const real *b = (const real *)pass->inputs[1].data + at->b;
    gemm(PLAIN, TRANSPOSED, p->rows, p->inner, p->columns, dy, b, is_shared(p, &p->batch_a),
         (real *)pass->input_gradients[0].data + at->a);
}

/* db = aᵀ dy */
static void multiply_for_b(const struct layer_pass *pass, const struct product *p, const struct matrices *at)
{
    const real *dy = (const real *)pass->output_gradients[0].data + at->y;
    const real *a = (const real *)pass->inputs[0].data + at->a;
    gemm(TRANSPOSED, PLAIN, p->inner, p->columns, p->rows, a, dy, is_shared(p, &p->batch_b),
         (real *)pass->input_gradients[1].data + at->b);
}

static void backward(const struct layer_pass *pass)
{
    struct product product = product_of_pass(pass);
    const struct tensor *da = &pass->input_gradients[0];
    const struct tensor *db = &pass->input_gradients[1];
    if (da->data && is_shared(&product, &product.batch_a))
        clear(da);
    if (da->data && !is_empty(&product, da))
        for_each_product(pass, &product, multiply_for_a);
    if (db->data && is_shared(&product, &product.batch_b))
        clear(db);
    if (db->data && !is_empty(&product, db))
        for_each_product(pass, &product, multiply_for_b);
}

/* Forward; of a gradient, told from the extremes. */
static bool explain(const struct layer_pass *pass, const struct layer_place *place, struct layer_cause *cause)
{
    const struct tensor *a = &pass->inputs[0], *b = &pass->inputs[1];
    struct product p = product_of(&a->shape, &b->shape, &pass->outputs[0].shape);
    int64_t matrix = place->element / (p.rows * p.columns), at = place->element % (p.rows * p.columns);
    if (place->backward)
        return explain_extremes(cause, OUTPUT_GRADIENT, &pass->output_gradients[0],
                                place->tensor == 0 ? "input 1" : "input 0", place->tensor == 0 ? b : a);
    int64_t matrix_a = broadcast_offset(&p.batch, &p.batch_a, matrix);
    int64_t matrix_b = broadcast_offset(&p.batch, &p.batch_b, matrix);
    struct explain_factor left = {"input 0", a, (matrix_a * p.rows + at / p.columns) * p.inner, 1};
    struct explain_factor right = {"input 1", b, matrix_b * p.inner * p.columns + at % p.columns, p.columns};
    return explain_products(cause, p.inner, &left, &right);
}

static const struct layer_bounds bounds = {.forward = interval_product_forward,
                                           .backward = interval_product_backward};

LAYER_OPS(MatMul) = {
    .type = {"MatMul", "torch.matmul", "matrix product over the last two dimensions, the others broadcast",
             .minimum_inputs = 2, .maximum_inputs = 2},
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .unread = LAYER_UNREAD_OUTPUTS,
    .explain = explain,
    .bounds = &bounds,
};
