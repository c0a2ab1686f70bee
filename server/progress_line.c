#include "server/progress_line.h"

#include "server/clock.h"

#include <inttypes.h>
#include <stdio.h>

#define PERIOD_SECONDS 0.1
#define PATIENCE_SECONDS 0.2 /* what ends sooner shows nothing */
#define ERASE_LINE "\r\x1b[K"

void progress_line_show(void *context, const char *stage, int64_t done, int64_t total)
{
    struct progress_line *line = context;
    double now = line->enabled ? clock_seconds() : 0;
    if (line->enabled && line->next == 0) {
        line->next = now + PATIENCE_SECONDS;
    }
    if (!line->enabled || now < line->next) {
        return;
    }
    fprintf(stderr, ERASE_LINE "%s", stage);
    if (total > 0) {
        fprintf(stderr, " %" PRId64 " of %" PRId64, done, total);
    }
    fflush(stderr);
    line->shown = true;
    line->next = now + PERIOD_SECONDS;
}

void progress_line_clear(struct progress_line *line)
{
    if (line->shown) {
        fputs(ERASE_LINE, stderr);
        fflush(stderr);
        line->shown = false;
    }
}
