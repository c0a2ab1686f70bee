/* Bytes that the process has to give away: whoever is about to take a lot of memory reserves it here first.
 */
#ifndef SERVER_JOBS_BUDGET_H
#define SERVER_JOBS_BUDGET_H

#include <stability/error.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Starts as `struct budget budget = {.total = bytes}`. Functions may be called from several threads. */
struct budget {
    int64_t total;
    _Atomic int64_t reserved;
};

/* Takes `bytes` (not negative) where that much is left; false, and nothing taken, where it is not. */
bool budget_reserve(struct budget *budget, int64_t bytes);
/* Gives back what was taken. */
void budget_release(struct budget *budget, int64_t bytes);

/* What one request has taken of a budget. Starts as `struct claim claim = {.budget = budget}`; without a
 * budget it gets whatever it asks for. Used by one thread at a time. */
struct claim {
    struct budget *budget;
    int64_t bytes;
    int64_t beside; /* what the request holds already, outside of this claim */
};

/* Takes `bytes` (not negative) more. False with OUT_OF_MEMORY where others leave less, or with
 * MODEL_TOO_LARGE where the request would need more than there is at all. */
bool claim_take(struct claim *claim, int64_t bytes, struct stability_error *error);
/* Gives some of it back, or everything. */
void claim_return(struct claim *claim, int64_t bytes);
void claim_release(struct claim *claim);

#endif
