#include "server/output/html_page.h"

#include "server/output/escape.h"
#include "server/output/html_style.h"
#include "server/output/phrases.h"

static const char *title_of(const char *model)
{
    return model != NULL ? model : "Model";
}

void html_page_begin(struct buffer *out, const char *model, const char *verdict)
{
    buffer_append_text(out,
                       "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
                       "<meta http-equiv=\"Content-Security-Policy\" "
                       "content=\"default-src 'none'; style-src 'unsafe-inline'\"/>\n"
                       "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<title>");
    html_text(out, title_of(model));
    buffer_format(out, ": %s - stabilityd</title>\n<style>\n", verdict);
    buffer_append_text(out, html_style);
    buffer_append_text(out, "</style>\n</head>\n<body>\n<main>\n");
}

void html_page_end(struct buffer *out, void (*phrase)(struct buffer *out, const void *report),
                   const void *report)
{
    buffer_append_text(out, "<footer class=\"quiet\">");
    size_t start = out->length;
    phrase(out, report);
    escape_tail(out, ESCAPE_MARKUP, start);
    buffer_append_text(out, "</footer>\n</main>\n</body>\n</html>\n");
}

void html_header(struct buffer *out, const char *model, const char *class, const char *symbol,
                 const char *verdict)
{
    buffer_append_text(out, "<header>\n<h1>");
    html_text(out, title_of(model));
    buffer_format(out, "</h1>\n<p><strong class=\"verdict %s\">%s %s</strong> ", class, symbol, verdict);
}

void html_text(struct buffer *out, const char *text)
{
    escape_text(out, ESCAPE_MARKUP, text);
}

void html_sentence(struct buffer *out, const char *text)
{
    size_t start = out->length;
    phrase_sentence(out, text);
    escape_tail(out, ESCAPE_MARKUP, start);
}

void html_code(struct buffer *out, const char *text)
{
    buffer_append_text(out, "<code>");
    html_text(out, text);
    buffer_append_text(out, "</code>");
}

void html_fact(struct buffer *out, const char *name)
{
    buffer_format(out, "<div><dt>%s</dt><dd>", name);
}

void html_fact_end(struct buffer *out)
{
    buffer_append_text(out, "</dd></div>\n");
}
