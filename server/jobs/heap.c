#include "server/jobs/heap.h"

#include "server/machine.h"

#include <malloc.h>

#define FEW_BYTES (1 << 20) /* too few to look for */
#define KEPT_PART 16 /* this part of the total may be kept, so that not every large block starts a search */

void heap_settle(int64_t bytes, int64_t reserved, int64_t total)
{
    if (bytes < FEW_BYTES) {
        return;
    }
    int64_t resident = machine_resident();
    if (resident + bytes > total && resident - reserved > total / KEPT_PART) {
        malloc_trim(0);
    }
}
