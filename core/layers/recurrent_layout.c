#include "core/layers/recurrent_layout.h"

struct recurrent_sizes VARIANT(recurrent_sizes)(const struct recurrent *r, const struct stability_shape *x)
{
    struct recurrent_sizes s = {
        .swapped = r->batch_first && x->rank == 3,
        .batch = 1,
        .input = r->input_size,
        .hidden = r->hidden_size,
        .layers = r->num_layers,
        .directions = r->bidirectional ? 2 : 1,
    };
    s.steps = x->sizes[s.swapped ? 1 : 0];
    if (x->rank == 3)
        s.batch = x->sizes[s.swapped ? 0 : 1];
    if (s.batch == 0)
        s.steps = 0; /* nothing to step through, however long it is */
    s.rows = s.steps * s.batch;
    s.width = s.directions * s.hidden;
    return s;
}

static int64_t take(int64_t *total, int64_t count)
{
    int64_t start = *total;
    *total += (count + 15) / 16 * 16;
    return start;
}

struct recurrent_layout VARIANT(recurrent_layout)(const struct recurrent *r,
                                                  const struct recurrent_cell *cell,
                                                  const struct recurrent_sizes *s)
{
    struct recurrent_layout l = {0};
    int64_t strands = s->layers * s->directions, gates = cell->gates * s->hidden;
    l.kept = take(&l.saved, strands * s->rows * cell->slots * s->hidden);
    l.states = take(&l.saved, cell->has_state ? strands * s->rows * s->hidden : 0);
    l.outputs = take(&l.saved, (s->swapped ? s->layers : s->layers - 1) * s->rows * s->width);
    l.x = take(&l.saved, s->swapped ? s->rows * s->input : 0);

    int64_t common = 0;
    l.zeros = take(&common, s->batch * s->hidden);
    l.dropped = take(&common, r->dropout > 0 && s->layers > 1 ? s->rows * s->width : 0);

    l.forward_workspace = common;
    l.bias = take(&l.forward_workspace, gates);
    l.recurring = take(&l.forward_workspace, cell->apart ? s->batch * gates : 0);

    l.backward_workspace = common;
    l.carried = take(&l.backward_workspace, s->batch * s->hidden);
    l.carried_state = take(&l.backward_workspace, cell->has_state ? s->batch * s->hidden : 0);
    l.gates_gradient = take(&l.backward_workspace, s->rows * gates);
    l.recurring_gradient = cell->apart ? take(&l.backward_workspace, s->rows * gates) : l.gates_gradient;
    int64_t widest = s->swapped && s->input > s->width ? s->input : s->width;
    for (int i = 0; i < 2; i++)
        l.layer_gradients[i] =
            take(&l.backward_workspace, s->swapped || s->layers > 1 ? s->rows * widest : 0);
    return l;
}
