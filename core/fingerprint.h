#ifndef CORE_FINGERPRINT_H
#define CORE_FINGERPRINT_H

#include <stddef.h>

/* 16 hex digits: FNV-1a over what kind of finding it is and the names that it is about, in their order. The
 * same finding in two runs has the same one. */
void fingerprint_write(char fingerprint[17], const char *kind, const char *const *names, size_t count);

#endif
