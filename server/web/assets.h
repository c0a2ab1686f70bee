/* The page's own files, which the build puts into the program (cmake/embed_assets.cmake). */
#ifndef SERVER_WEB_ASSETS_H
#define SERVER_WEB_ASSETS_H

#include <stddef.h>

struct web_asset {
    const char *name; /* "page.css" */
    const char *media_type;
    const unsigned char *bytes;
    size_t length;
};

/* Ends with a row without a name. */
extern const struct web_asset web_assets[];

/* NULL: there is none of this name. */
const struct web_asset *web_asset_find(const char *name);

#endif
