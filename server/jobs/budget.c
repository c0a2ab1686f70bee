#include "server/jobs/budget.h"

bool budget_reserve(struct budget *budget, int64_t bytes)
{
    int64_t reserved = atomic_load(&budget->reserved);
    do {
        if (bytes > budget->total - reserved) {
            return false;
        }
    } while (!atomic_compare_exchange_weak(&budget->reserved, &reserved, reserved + bytes));
    return true;
}

void budget_release(struct budget *budget, int64_t bytes)
{
    atomic_fetch_sub(&budget->reserved, bytes);
}
