#include "server/jobs/budget.h"

#include "server/jobs/heap.h"

bool budget_reserve(struct budget *budget, int64_t bytes)
{
    int64_t reserved = atomic_load(&budget->reserved);
    do {
        if (bytes > budget->total - reserved) {
            return false;
        }
    } while (!atomic_compare_exchange_weak(&budget->reserved, &reserved, reserved + bytes));
    heap_settle(bytes, reserved, budget->total);
    return true;
}

void budget_release(struct budget *budget, int64_t bytes)
{
    atomic_fetch_sub(&budget->reserved, bytes);
}

bool claim_take(struct claim *claim, int64_t bytes, struct stability_error *error)
{
    if (claim->budget != NULL && !budget_reserve(claim->budget, bytes)) {
        int64_t total = claim->budget->total;
        int64_t held = claim->bytes + claim->beside;
        if (bytes > total - held) {
            return stability_fail(error, STABILITY_ERROR_MODEL_TOO_LARGE, NULL,
                                  "the request needs at least %lld bytes of memory, and the server has %lld",
                                  (long long)(held + bytes), (long long)total);
        }
        return stability_fail(
            error, STABILITY_ERROR_OUT_OF_MEMORY, NULL,
            "the request needs %lld bytes of memory more, and other requests leave less free "
            "of %lld",
            (long long)bytes, (long long)total);
    }
    claim->bytes += bytes;
    return true;
}

void claim_return(struct claim *claim, int64_t bytes)
{
    if (claim->budget != NULL) {
        budget_release(claim->budget, bytes);
    }
    claim->bytes -= bytes;
}

void claim_release(struct claim *claim)
{
    claim_return(claim, claim->bytes);
}
