/* A checked and planned request. */
#ifndef CORE_PLAN_H
#define CORE_PLAN_H

#include "core/run.h"

struct analysis_ops;

/* Analyses to be run, those that always run and those that the request names, with their settings. */
struct analyses {
    size_t count;
    const struct analysis_ops **ops;
    void **settings;
    size_t requested_count;
    const char **requested; /* names of those that the request names, in the order of the report */
};

struct stability_plan {
    struct graph graph;
    struct run_plan run;
    struct analyses analyses;
    double **thresholds; /* by rule, by row */
    int64_t bytes;
    int64_t flops;
};

#endif
