/* LSTM, GRU and RNN. ONNX keeps the parameters of both directions in one tensor, the two biases behind each
 * other, and the gates in another order than PyTorch. */
#include "server/input/onnx/operators.h"

#include <inttypes.h>
#include <string.h>

#define MOST_GATES 4

struct recurrent {
    const char *type;
    int gates;
    int order[MOST_GATES];   /* for each of PyTorch's gates, ONNX's */
    int states;              /* outputs behind the first: h, c */
    const char *activations; /* of one direction, in lower case */
};

/* i, o, f, c become i, f, g, o. */
static const struct recurrent lstm = {"LSTM", 4, {0, 2, 3, 1}, 2, "sigmoid tanh tanh"};
/* z, r, h become r, z, n. */
static const struct recurrent gru = {"GRU", 3, {1, 0, 2}, 1, "sigmoid tanh"};
static const struct recurrent rnn = {"RNN", 1, {0}, 1, "tanh"};

struct cell {
    const struct recurrent *kind;
    int64_t directions;
    int64_t input;
    int64_t hidden;
    bool backwards;   /* the only direction runs from the last step to the first */
    bool batch_first; /* layout 1 */
    bool bias;
    const char *nonlinearity;      /* of an RNN */
    struct onnx_value *weights[3]; /* W, R, B */
};

/* ---- what is supported ---- */

static bool same_word(const char *word, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        char c = word[i] >= 'A' && word[i] <= 'Z' ? (char)(word[i] - 'A' + 'a') : word[i];
        if (c == '\0' || c != text[i]) {
            return false;
        }
    }
    return word[length] == '\0';
}

static bool check_activations(struct onnx_import *import, struct cell *cell)
{
    const struct onnx_attribute *given = onnx_attribute(import, "activations");
    if (given == NULL || given->type != ONNX_STRINGS) {
        return true;
    }
    const char *expected = cell->kind->activations;
    for (size_t i = 0; i < given->count; i++) {
        size_t length = strcspn(expected, " ");
        if (cell->kind->gates == 1 && same_word(given->texts[i], "relu", 4) &&
            (i == 0 || strcmp(cell->nonlinearity, "relu") == 0)) {
            cell->nonlinearity = "relu";
        } else if (!same_word(given->texts[i], expected, length)) {
            return onnx_refuse(import, "the activation '%.32s'", given->texts[i]);
        }
        expected = expected[length] == '\0' ? cell->kind->activations : expected + length + 1;
    }
    return true;
}

static bool is_zero(const struct onnx_value *value)
{
    size_t bytes =
        (size_t)stability_shape_count(&value->tensor.shape) * stability_dtype_size(value->tensor.dtype);
    const char *data = value->tensor.data;
    for (size_t i = 0; i < bytes; i++) {
        if (data[i] != 0) {
            return false;
        }
    }
    return true;
}

/* Every sequence must have all steps. */
static bool check_lengths(struct onnx_import *import, int64_t steps)
{
    struct onnx_value *lengths = onnx_input(import, 4);
    if (lengths == NULL) {
        return true;
    }
    if (!onnx_known(import, lengths, "the lengths of its sequences")) {
        return false;
    }
    for (int64_t i = 0; i < stability_shape_count(&lengths->tensor.shape); i++) {
        int64_t length;
        const char *bytes = lengths->tensor.data;
        stability_convert(lengths->tensor.dtype,
                          bytes + (size_t)i * stability_dtype_size(lengths->tensor.dtype), STABILITY_INT64,
                          &length, 1);
        if (length != steps) {
            return onnx_refuse(import, "sequences of different lengths");
        }
    }
    return true;
}

static bool check_states(struct onnx_import *import, const struct cell *cell)
{
    for (size_t k = 5; k < 5 + (size_t)cell->kind->states; k++) {
        struct onnx_value *state = onnx_input(import, k);
        if (state == NULL) {
            continue;
        }
        bool known = state->known || (state->is_input && state->tensor.data != NULL);
        if (!known || !is_zero(state)) {
            return onnx_refuse(import, "an initial state that is not zero");
        }
    }
    return onnx_input(import, 7) == NULL || onnx_refuse(import, "peepholes");
}

/* ---- reading ---- */

static bool read_direction(struct onnx_import *import, struct cell *cell)
{
    const char *direction = "forward";
    int64_t layout = 0;
    if (!onnx_text(import, "direction", &direction) || !onnx_integer(import, "layout", &layout)) {
        return false;
    }
    cell->backwards = strcmp(direction, "reverse") == 0;
    cell->directions = strcmp(direction, "bidirectional") == 0 ? 2 : 1;
    cell->batch_first = layout != 0;
    return true;
}

static bool read_weight(struct onnx_import *import, struct cell *cell, size_t k,
                        struct stability_shape expected)
{
    struct onnx_value *value = onnx_input(import, k + 1);
    char wanted[STABILITY_SHAPE_TEXT];
    char found[STABILITY_SHAPE_TEXT];
    cell->weights[k] = value;
    if (value == NULL) {
        return k == 2 || onnx_required(import, k + 1) != NULL;
    }
    if (!onnx_known(import, value, "a parameter")) {
        return false;
    }
    return stability_shape_equal(&value->tensor.shape, &expected) ||
           onnx_fail(import, STABILITY_ERROR_SHAPE_MISMATCH, "'%.128s' must have shape %s, it has %s",
                     value->name, stability_shape_text(&expected, wanted),
                     stability_shape_text(&value->tensor.shape, found));
}

static bool read_cell(struct onnx_import *import, const struct stability_shape *x, struct cell *cell)
{
    const struct onnx_value *hidden = onnx_required(import, 2);
    cell->nonlinearity = "tanh";
    if (hidden == NULL || !read_direction(import, cell) || !check_activations(import, cell)) {
        return false;
    }
    const struct stability_shape *shape = onnx_shape(hidden);
    if (x->rank != 3 || shape->rank != 3 || shape->sizes[2] < 1) {
        return onnx_fail(import, STABILITY_ERROR_SHAPE_MISMATCH,
                         "its input and its weights must have three dimensions");
    }
    cell->input = x->sizes[2];
    cell->hidden = shape->sizes[2];
    int64_t rows = cell->kind->gates * cell->hidden;
    cell->bias = onnx_input(import, 3) != NULL;
    return read_weight(import, cell, 0, (struct stability_shape){3, {cell->directions, rows, cell->input}}) &&
           read_weight(import, cell, 1,
                       (struct stability_shape){3, {cell->directions, rows, cell->hidden}}) &&
           read_weight(import, cell, 2, (struct stability_shape){2, {cell->directions, 2 * rows}}) &&
           check_lengths(import, x->sizes[cell->batch_first ? 1 : 0]) && check_states(import, cell);
}

/* ---- parameters ---- */

/* Rows `first` to `first` + gates * hidden of a tensor, `columns` wide, with the gates in PyTorch's order. */
static bool take_gates(struct onnx_import *import, const struct cell *cell, const struct onnx_value *value,
                       int64_t first, int64_t columns, const char *parameter, struct onnx_draft *draft)
{
    // NOLINTNEXTLINE(clang-analyzer-core.NullDereference): a cell has its weights, or was refused
    size_t size = stability_dtype_size(value->tensor.dtype);
    size_t block = (size_t)(cell->hidden * columns) * size;
    int64_t rows = cell->kind->gates * cell->hidden;
    char *bytes = onnx_allocate(&import->memory, (size_t)cell->kind->gates, block);
    const char *source = (const char *)value->tensor.data + (size_t)(first * columns) * size;
    bool vector = value->tensor.shape.rank == 2;
    struct stability_shape shape = {vector ? 1 : 2, {rows, vector ? 0 : columns}};
    if (bytes == NULL) {
        return false;
    }
    for (int g = 0; g < cell->kind->gates; g++) {
        memcpy(bytes + (size_t)g * block, source + (size_t)cell->kind->order[g] * block, block);
    }
    draft_own_weight(draft, parameter, value->name,
                     &(struct stability_tensor){value->tensor.dtype, shape, bytes});
    return true;
}

static bool draft_parameters(struct onnx_import *import, const struct cell *cell, struct onnx_draft *draft)
{
    static const char *const names[2][4] = {
        {"weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"},
        {"weight_ih_l0_reverse", "weight_hh_l0_reverse", "bias_ih_l0_reverse", "bias_hh_l0_reverse"}};
    int64_t rows = cell->kind->gates * cell->hidden;
    for (int d = 0; d < cell->directions; d++) {
        if (!take_gates(import, cell, cell->weights[0], d * rows, cell->input, names[d][0], draft) ||
            !take_gates(import, cell, cell->weights[1], d * rows, cell->hidden, names[d][1], draft)) {
            return false;
        }
        for (int half = 0; cell->bias && half < 2; half++) {
            if (!take_gates(import, cell, cell->weights[2], (2 * d + half) * rows, 1, names[d][2 + half],
                            draft)) {
                return false;
            }
        }
    }
    return true;
}

/* ---- the layer, and ONNX's shapes around it ---- */

static bool reverse(struct onnx_import *import, const struct cell *cell, const char *role,
                    struct onnx_flow *x)
{
    int steps = cell->batch_first ? 1 : 0;
    return !cell->backwards || onnx_slice(import, role, x, steps, x->shape.sizes[steps] - 1, -1, -1, x);
}

/* (steps, batch, directions * hidden) becomes (steps, directions, batch, hidden); with the batch first
 * (batch, steps, directions, hidden). */
static bool split_directions(struct onnx_import *import, const struct cell *cell, struct onnx_flow *y)
{
    static const int order[] = {0, 2, 1, 3};
    struct stability_shape shape = {4,
                                    {y->shape.sizes[0], y->shape.sizes[1], cell->directions, cell->hidden}};
    return onnx_reshape(import, "directions", y, &shape, y) &&
           (cell->batch_first || onnx_permute(import, "order", y, order, y));
}

static bool give_states(struct onnx_import *import, const struct cell *cell, struct onnx_flow *outputs)
{
    static const int swapped[] = {1, 0, 2};
    static const char *const roles[] = {NULL, "h", "c"};
    for (int k = 1; k <= cell->kind->states; k++) {
        const struct onnx_value *value = onnx_output(import, (size_t)k);
        if (value == NULL || value->readers == 0) {
            continue;
        }
        if (cell->batch_first && !onnx_permute(import, roles[k], &outputs[k], swapped, &outputs[k])) {
            return false;
        }
        onnx_set_flow(import, (size_t)k, &outputs[k]);
    }
    return true;
}

static bool same_owner(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool emit(struct onnx_import *import, const struct cell *cell, struct onnx_flow *x)
{
    struct onnx_flow outputs[STABILITY_MAX_OUTPUTS];
    struct onnx_draft draft = {.type = cell->kind->type, .inputs = x, .input_count = 1};
    draft_integer(&draft, "input_size", cell->input);
    draft_integer(&draft, "hidden_size", cell->hidden);
    draft_boolean(&draft, "bias", cell->bias);
    draft_boolean(&draft, "bidirectional", cell->directions == 2);
    draft_boolean(&draft, "batch_first", cell->batch_first);
    if (cell->kind->gates == 1) {
        draft_text(&draft, "nonlinearity", cell->nonlinearity);
    }
    draft.weights_from = cell->weights[0] != NULL ? cell->weights[0]->owner : NULL;
    for (int k = 0; k < 3; k++) {
        const struct onnx_value *value = cell->weights[k];
        if (value != NULL && !same_owner(value->owner, draft.weights_from)) {
            return onnx_refuse(import, "it shares some of its weights with another node, and not all");
        }
    }
    if ((draft.weights_from == NULL && !draft_parameters(import, cell, &draft)) ||
        !reverse(import, cell, "reversed", x) || !draft_emit_all(import, &draft, NULL, outputs) ||
        !give_states(import, cell, outputs)) {
        return false;
    }
    for (int k = 0; k < 3; k++) {
        if (cell->weights[k] != NULL) {
            cell->weights[k]->owner = outputs[0].name;
            cell->weights[k]->parameter = "";
        }
    }
    const struct onnx_value *sequence = onnx_output(import, 0);
    if (sequence == NULL || sequence->readers == 0) {
        return true;
    }
    return onnx_finish(
        import, reverse(import, cell, "restored", &outputs[0]) && split_directions(import, cell, &outputs[0]),
        &outputs[0]);
}

static bool translate(struct onnx_import *import, const struct recurrent *kind)
{
    struct cell cell = {.kind = kind};
    struct onnx_flow x;
    return onnx_operand_at(import, 0, &x) && read_cell(import, &x.shape, &cell) && emit(import, &cell, &x);
}

bool onnx_lstm(struct onnx_import *import)
{
    int64_t coupled = 0;
    if (!onnx_integer(import, "input_forget", &coupled)) {
        return false;
    }
    return coupled != 0 ? onnx_refuse(import, "coupled input and forget gates") : translate(import, &lstm);
}

bool onnx_gru(struct onnx_import *import)
{
    int64_t after = 0;
    if (!onnx_integer(import, "linear_before_reset", &after)) {
        return false;
    }
    return after == 0 ? onnx_refuse(import, "linear_before_reset 0, which torch.nn.GRU does not have")
                      : translate(import, &gru);
}

bool onnx_rnn(struct onnx_import *import)
{
    return translate(import, &rnn);
}
