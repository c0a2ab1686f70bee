/* A run in a narrower format, emulated: parameters, inputs, the output of every layer and every gradient are
 * rounded to it as soon as they are there; what a layer computes in between is float64. Beside it the same
 * run without rounding. */
#ifndef CORE_EMULATION_H
#define CORE_EMULATION_H

#include "core/trial.h"

struct emulation {
    struct trial exact;
    struct trial rounded;
};

/* Relative differences |rounded - exact| / |exact|, L2 over a tensor; Infinity where the rounded one has a
 * NaN or an infinity that the other has not; NaN where there is none. */
struct emulated_layer {
    double forward;    /* of its first output */
    double backward;   /* of that one's gradient */
    double parameters; /* of the gradients of its parameters, all together */
};

/* Checks and plans both runs; emulation_close in both cases. */
bool emulation_plan(struct emulation *emulation, const struct stability_request *request,
                    struct stability_error *error);
double emulation_bytes(const struct emulation *emulation);
/* Takes the memory and runs without rounding. */
bool emulation_open(struct emulation *emulation, struct stability_error *error);
/* Runs in a format, with the loss, and so all gradients, times 2^scale. `layers` has one for each node. The
 * loss is that of emulation.rounded.run. */
bool emulation_run(struct emulation *emulation, enum stability_format format, int scale,
                   struct emulated_layer *layers, struct stability_error *error);
void emulation_close(struct emulation *emulation);

#endif
