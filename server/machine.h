/* What the machine, or the container on it, lets this process use. */
#ifndef SERVER_MACHINE_H
#define SERVER_MACHINE_H

#include <stdint.h>

/* Threads that run at once: the CPUs that the scheduler may use, or the control group's CPU quota (version 2
 * or 1, the group's ancestors too) rounded up where that is less. At least 1. `root` is "" but in tests: a
 * directory that holds proc/ and sys/. */
int machine_threads(const char *root);

/* Bytes of memory: the physical memory, or the control group's limit where that is less. */
int64_t machine_memory(const char *root);

/* Bytes of this process that are in memory; 0 where the system does not tell. */
int64_t machine_resident(void);

#endif
