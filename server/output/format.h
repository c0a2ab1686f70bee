/* The forms in which reports of both kinds are written: formats.def lists them. */
#ifndef SERVER_OUTPUT_FORMAT_H
#define SERVER_OUTPUT_FORMAT_H

#include "server/buffer.h"
#include "server/report_findings.h"

#include <stability/gradcheck.h>
#include <stability/report.h>

struct format {
    const char *name;       /* as ?format= and --format take it */
    const char *media_type; /* as Content-Type names it, parameters included */
    /* Each appends the whole body. Allocation failures are the buffer's (`failed`). A diagnosis tells what is
     * new since its baseline, where that is not NULL. */
    void (*write)(const struct stability_report *report, const struct report_findings *baseline,
                  struct buffer *buffer);
    void (*write_gradcheck)(const struct stability_gradcheck_report *report, struct buffer *buffer);
};

/* The formats in the order of the table; the first is the default. */
size_t format_count(void);
const struct format *format_at(size_t index);

/* Finds a format by its name; NULL where there is none. */
const struct format *format_find(const char *name);

/* Picks the format that an Accept header (RFC 9110, section 12.5.1) prefers: by q, then by how exactly it is
 * named, then by the order in the header. NULL or nothing but blanks accepts everything, and gives the
 * default. NULL is returned where no format is acceptable; entries that are malformed count for nothing. */
const struct format *format_accept(const char *accept);

/* Appends `report` to `buffer` as `format` has it. False where memory does not suffice. */
bool report_format(const struct format *format, const struct stability_report *report,
                   const struct report_findings *baseline, struct buffer *buffer);
bool gradcheck_format(const struct format *format, const struct stability_gradcheck_report *report,
                      struct buffer *buffer);

/* The writers that the table names. */
#define FORMAT(name, media_type, write, write_gradcheck)                                      \
    void write(const struct stability_report *report, const struct report_findings *baseline, \
               struct buffer *buffer);                                                        \
    void write_gradcheck(const struct stability_gradcheck_report *report, struct buffer *buffer);
#include "server/output/formats.def"
#undef FORMAT

#endif
