#include "server/routes/routes.h"
#include "server/web/assets.h"

/* The page loads its own files and talks to this server, and to nobody else; no script stands in it. */
static const char policy[] = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
                             "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

static void answer(const struct http_request *request, const char *name, struct http_response *response)
{
    const struct web_asset *asset = web_asset_find(name);
    struct stability_error error = {0};
    if (asset == NULL) {
        stability_fail(&error, STABILITY_ERROR_NOT_FOUND, NULL, "the page has no file '%s'", name);
        http_response_fail(response, &error, NULL, request->id);
        return;
    }
    response->status = 200;
    response->media_type = asset->media_type;
    http_response_header(response, "Cache-Control", "no-cache");
    http_response_header(response, "Content-Security-Policy", "%s", policy);
    buffer_append(&response->body, (const char *)asset->bytes, asset->length);
}

void route_page(const struct http_request *request, struct http_response *response)
{
    answer(request, "index.html", response);
}

void route_page_file(const struct http_request *request, struct http_response *response)
{
    answer(request, request->resource, response);
}
