/* A checked and planned request. */
#ifndef CORE_PLAN_H
#define CORE_PLAN_H

#include "core/run.h"

struct stability_plan {
    struct graph graph;
    struct run_plan run;
    double **thresholds; /* by rule, by row */
    int64_t bytes;
    int64_t flops;
};

#endif
