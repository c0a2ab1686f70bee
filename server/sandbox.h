/* Gives up what a running server does not need. */
#ifndef SERVER_SANDBOX_H
#define SERVER_SANDBOX_H

#include "server/config.h"

/* Where the kernel can do that; the log notes what it cannot. Builds with sanitizers do neither: they need
 * what is taken away here. */

/* Puts files out of reach of threads that start from now on, but for what the configuration names and what
 * libraries read (Landlock). */
void sandbox_files(const struct config *config);

/* Takes system calls from all threads that nothing needs once the server listens: starting a program, looking
 * into another process, changing the system (seccomp). */
void sandbox_calls(void);

#endif
