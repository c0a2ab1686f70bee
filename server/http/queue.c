#define _GNU_SOURCE /* RTLD_NEXT */

#include "server/http/queue.h"

#include "server/http/refusal.h"

#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

/* What libmicrohttpd 0.9 cannot parse, it answers by itself: with a page of HTML, before any callback, and no
 * option says otherwise. It queues that page as anyone would, with MHD_queue_response, and the calls inside
 * of the library go by that name. The program's own definition comes first there: so this one is told of such
 * a page, its connection and its status, and a problem document goes out before it. Were the library built so
 * that its calls stay inside, clients would get its pages again, and tests/http/test_framing.py would fail.
 */

typedef enum MHD_Result queue_function(struct MHD_Connection *, unsigned, struct MHD_Response *);

static pthread_once_t once = PTHREAD_ONCE_INIT;
static queue_function *library;

static void find(void)
{
    void *found = dlsym(RTLD_NEXT, "MHD_queue_response");
    memcpy(&library, &found, sizeof(library));
}

enum MHD_Result queue_response(struct MHD_Connection *handle, unsigned status, struct MHD_Response *response)
{
    pthread_once(&once, find);
    return library == NULL ? MHD_NO : library(handle, status, response);
}

__attribute__((visibility("default"))) enum MHD_Result
MHD_queue_response(struct MHD_Connection *handle, unsigned status, struct MHD_Response *page)
{
    refusal_answer(handle, status);
    return queue_response(handle, status, page);
}
