/* Bytes that the process has to give away: whoever is about to take a lot of memory reserves it here first.
 */
#ifndef SERVER_JOBS_BUDGET_H
#define SERVER_JOBS_BUDGET_H

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

#endif
