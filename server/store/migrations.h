/* The files of store/migrations, embedded when the program is built. */
#ifndef SERVER_STORE_MIGRATIONS_H
#define SERVER_STORE_MIGRATIONS_H

#include "server/store/backend.h"

/* In the order of their numbers; the last one has no name. */
extern const struct store_migration sqlite_migrations[];
extern const struct store_migration postgresql_migrations[];

#endif
