/* What the commands say to whoever typed them. */
#ifndef SERVER_USAGE_H
#define SERVER_USAGE_H

#include "server/config.h"

/* Reads the arguments of a command. False where there is nothing left to do: --help was printed, or a
 * message; `status` is then the exit status. */
bool usage_read(struct config *config, enum config_command command, int count, char *const *arguments,
                int *status);

/* Prints "stabilityd: FILE: MESSAGE (at POINTER)" on standard error; a NULL file and an empty pointer are
 * left out. Returns COMMAND_USAGE. */
int usage_fail(const char *file, const struct stability_error *error);

#endif
