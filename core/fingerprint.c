#include "core/fingerprint.h"

#include <stdint.h>
#include <stdio.h>

void fingerprint_write(char fingerprint[17], const char *kind, const char *const *names, size_t count)
{
    uint64_t hash = 0xcbf29ce484222325u;
    const char *name = kind;
    for (size_t i = 0;; name = names[i++]) {
        for (const char *c = name; *c; c++)
            hash = (hash ^ (unsigned char)*c) * 0x100000001b3u;
        hash = (hash ^ 0xff) * 0x100000001b3u; /* no byte of UTF-8: keeps names apart */
        if (i == count)
            break;
    }
    snprintf(fingerprint, 17, "%016llx", (unsigned long long)hash);
}
