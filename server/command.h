/* The commands of stabilityd. Each takes the arguments behind its name and returns the exit status. */
#ifndef SERVER_COMMAND_H
#define SERVER_COMMAND_H

/* Exit statuses of all commands. */
enum command_status {
    COMMAND_SUCCESS = 0,
    COMMAND_FINDINGS = 1, /* check: findings at or over the threshold; healthcheck: not healthy */
    COMMAND_USAGE = 2     /* bad input or usage */
};

int command_serve(int count, char *const *arguments);
int command_check(int count, char *const *arguments);
int command_healthcheck(int count, char *const *arguments);
int command_completion(int count, char *const *arguments);
int command_version(int count, char *const *arguments);

#endif
