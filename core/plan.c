#include "core/plan.h"

#include "core/analysis.h"
#include "core/rule.h"

#include <stability/stability.h>
#include <stdlib.h>

/* Statistics that the report will hold. */
static int64_t report_bytes(const struct graph *graph)
{
    int64_t tensors = 0;
    for (int i = graph->model_input_count; i < graph->value_count; i++)
        tensors += 1 + graph->values[i].wants_gradient;
    for (int i = 0; i < graph->node_count; i++)
        for (int k = 0; k < graph->nodes[i].parameter_count; k++)
            tensors += graph->nodes[i].parameters[k].present ? 2 : 0;
    return tensors * (int64_t)sizeof(struct stability_statistics);
}

static int64_t run_table_bytes(const struct graph *graph)
{
    int64_t tensors = 2 * (int64_t)graph->value_count + 3 * (int64_t)graph->parameter_slots;
    for (int i = 0; i < graph->node_count; i++)
        tensors += 2 * graph->nodes[i].input_count;
    return tensors * (int64_t)sizeof(struct tensor) + graph->node_count * (int64_t)sizeof(struct layer_pass);
}

/* The run is over when the analyses begin, which run one after the other. */
static bool plan_bytes(struct stability_plan *plan, struct stability_error *error)
{
    const struct graph *graph = &plan->graph;
    int64_t limit = graph->request->options.limits.bytes;
    int64_t kept = report_bytes(graph) + run_table_bytes(graph);
    plan->bytes = (int64_t)plan->run.memory.total + kept;
    if (limit > 0 && plan->bytes > limit)
        return stability_fail(error, STABILITY_ERROR_MODEL_TOO_LARGE, "/model",
                              "the request needs %lld bytes of memory, the limit is %lld",
                              (long long)plan->bytes, (long long)limit);
    double analyses = analyses_bytes(plan, (double)kept, error);
    if (analyses > (double)plan->bytes)
        plan->bytes = analyses < 9e18 ? (int64_t)analyses : INT64_MAX;
    return analyses >= 0;
}

static void plan_flops(struct stability_plan *plan)
{
    const struct graph *graph = &plan->graph;
    double flops = 0;
    for (int i = 0; i < graph->node_count; i++)
        flops += graph->nodes[i].flops * (graph->nodes[i].backward ? 3 : 1);
    plan->flops = flops < 9e18 ? (int64_t)flops : INT64_MAX;
}

struct stability_plan *stability_plan_new(const struct stability_request *request,
                                          struct stability_error *error)
{
    struct stability_plan *plan = calloc(1, sizeof(*plan));
    if (!plan) {
        stability_fail(error, STABILITY_ERROR_OUT_OF_MEMORY, NULL, "no memory for a plan");
        return NULL;
    }
    if (graph_build(&plan->graph, request, error) &&
        (plan->thresholds = rules_read_thresholds(&plan->graph, &plan->graph.arena, error)) &&
        analyses_read(&plan->analyses, &request->options, &plan->graph.arena, error) &&
        run_plan_make(&plan->run, &plan->graph, RUN_ONCE, &plan->graph.arena, error) &&
        plan_bytes(plan, error)) {
        plan_flops(plan);
        return plan;
    }
    stability_plan_free(plan);
    return NULL;
}

void stability_plan_free(struct stability_plan *plan)
{
    if (plan)
        graph_free(&plan->graph);
    free(plan);
}

int64_t stability_plan_bytes(const struct stability_plan *plan)
{
    return plan->bytes;
}

int64_t stability_plan_flops(const struct stability_plan *plan)
{
    return plan->flops;
}
