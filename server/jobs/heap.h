/* What the heap keeps of memory that was freed, so that others find it again without fresh pages. */
#ifndef SERVER_JOBS_HEAP_H
#define SERVER_JOBS_HEAP_H

#include <stdint.h>

/* Before `bytes` more are taken: has the heap give back what it keeps, where the process would otherwise
 * outgrow `total` while no more than `reserved` bytes are in use. Cheap where `bytes` are few. */
void heap_settle(int64_t bytes, int64_t reserved, int64_t total);

#endif
