#include "server/web/assets.h"

#include <string.h>

const struct web_asset *web_asset_find(const char *name)
{
    for (const struct web_asset *asset = web_assets; asset->name != NULL; asset++) {
        if (strcmp(asset->name, name) == 0) {
            return asset;
        }
    }
    return NULL;
}
