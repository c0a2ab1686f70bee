/* From the bytes of a request to the bytes of its report: what POST /v1/diagnose, POST /v1/gradcheck and
 * `stabilityd check` share. */
#ifndef SERVER_DIAGNOSIS_H
#define SERVER_DIAGNOSIS_H

#include "server/input/request.h"
#include "server/jobs/budget.h"
#include "server/metrics/metrics.h"
#include "server/report_choice.h"

/* What is asked. */
struct diagnosis_call {
    struct input_body body; /* borrowed; may be changed */
    enum input_purpose purpose;
    int threads;                             /* that a gradient check may use */
    const struct stability_helpers *helpers; /* of them; may be NULL */
    struct report_choice choice;             /* with a format */
    bool keep;                               /* the report is wanted in every format */
    struct stability_limits limits;
    struct metrics *metrics; /* that count what came of it; NULL: none */
    struct budget *memory;   /* from which the work's memory is taken; NULL: as much as it likes */
    int64_t held;            /* bytes of it that the request holds already, its body's */
    double started;          /* clock_seconds() from which options.timeout_s counts; 0: the parsing */
    double deadline;         /* clock_seconds() after which the work stops; 0: never */
    int64_t most_flops;      /* what takes more is prepared and not computed; 0: everything is computed */
    const double *waited;    /* seconds that the work was made to wait, which do not count; NULL: none */
    bool (*wanted)(void *context); /* false: nobody waits for the report any more; may be NULL */
    /* Told of every step of the work, by one thread at a time; may be NULL. */
    void (*progress)(void *context, const char *stage, int64_t done, int64_t total);
    void *context;
};

struct prepared;

/* What came of it. Starts zeroed; released by diagnosis_free. */
struct diagnosis {
    struct prepared *prepared; /* what is left to compute, of the same call; NULL: nothing is */
    struct buffer body;        /* the report, in the format chosen */
    struct buffer bundle;      /* the report as server/output/bundle.h has it, where it is to be kept */
    struct buffer model;       /* its model's name, likewise; no data: it has none */
    const char *verdict;       /* likewise; static */
    bool fails; /* by the choice's severity; a gradient check that failed, where anything is gated */
    struct stability_error error;
    struct input_position position; /* of a syntax error */
    double parse_seconds;
    double compute_seconds;
    double format_seconds;
};

/* False with `error` filled in, and no body; or with something prepared, by which running it again, in any
 * thread, goes on. */
bool diagnosis_run(const struct diagnosis_call *call, struct diagnosis *diagnosis);

void diagnosis_free(struct diagnosis *diagnosis);

#endif
