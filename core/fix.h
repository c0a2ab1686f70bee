/* What a kind of fix is: from a finding to changed requests that might cure it. One const struct each, in a
 * file of its own under fixes/, listed in fixes.def. Whether a change helps is not its business: every one
 * that is offered is run and diagnosed again, and kept only where it does. */
#ifndef CORE_FIX_H
#define CORE_FIX_H

#include "core/plan.h"
#include "core/revision.h"
#include "core/rule.h"

#include <stability/registry.h>

struct fix_search;

/* A request that was run, and what is known of it. */
struct fix_context {
    const struct graph *graph;
    const struct stability_report *report;
    const struct observations *observations;
    const struct stability_finding *finding; /* of this report */
    const struct revision *revision;         /* how that request came about */
    struct arena *arena;                     /* of the search */
    struct fix_search *search;
};

struct fix_ops {
    struct stability_fix_type type;
    /* Offers changes with fix_offer. */
    void (*propose)(const struct fix_context *context);
};

#define FIX_OPS(identifier) const struct fix_ops fix_##identifier

/* A revision to be changed, of the request in `context`. */
struct revision fix_begin(const struct fix_context *context);
/* Tries a revision, unless it changes nothing, was tried before, or too many were. `summary` is a clause
 * without a full stop. */
void fix_offer(const struct fix_context *context, const struct revision *revision, const char *summary, ...)
    __attribute__((format(printf, 3, 4)));
/* The root mean square of what a layer puts out in a revision, by node of the revision's graph, in the
 * search's memory; counts as a trial. NULL where it cannot run, or too many were tried. */
const double *fix_measure(const struct fix_context *context, const struct revision *revision);

/* To that many digits, so that it reads well. */
double fix_rounded(double number, int digits);

/* ---- what the kinds ask of a graph ---- */

/* Whether the loss reads a value of the node. */
bool fix_is_last(const struct graph *graph, int node);
/* The only node that reads the first output of `node`; -1: none, several, or the loss. */
int fix_only_reader(const struct graph *graph, int node);
/* The node that gives a node's input `index`, or -1: a model input. */
int fix_producer(const struct graph *graph, int node, int index);
bool fix_is_type(const struct graph *graph, int node, const char *type);
/* Linear and Conv layers that an activation, or another such layer, follows: not the one that the loss reads,
 * and not one that a normalisation follows. */
bool fix_is_hidden(const struct fix_context *context, int node);
/* Layers whose parameters are no other layer's. */
bool fix_owns_parameters(const struct graph *graph, int node);

#endif
