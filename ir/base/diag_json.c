/* Diagnostics as JSON, one object a line. The format is told in docs/messages.md; whatever the source holds, the text is UTF-8:
 * a byte that is not becomes U+FFFD. */
#include "ir/base/diag.h"

#include <stdlib.h>
#include <string.h>

void diag_json_string(FILE *out, const char *s) {
  uint32_t len = (uint32_t)strlen(s);
  fputc('"', out);
  for (uint32_t i = 0, n; i < len; i += n) {
    int32_t code;
    n = source_char(s, len, i, &code);
    if (code < 0) fputs("\\ufffd", out);
    else if (code == '"' || code == '\\') fprintf(out, "\\%c", code);
    else if (code < 0x20 || code == 0x7f) fprintf(out, "\\u%04x", (unsigned)code);
    else fwrite(s + i, 1, n, out);
  }
  fputc('"', out);
}

static void put_point(FILE *out, const Source *src, uint32_t file, uint32_t byte) {
  uint32_t line, column;
  source_place(src, (Span){file, byte, byte}, &line, &column);
  fprintf(out, "{\"line\":%u,\"column\":%u,\"byte\":%u}", line, column, byte);
}

void diag_json_place(const Source *src, Span at, FILE *out) {
  const SourceFile *f = source_file(src, at.file);
  fputs("\"file\":", out);
  if (!f) {
    fputs("null", out);
    return;
  }
  diag_json_string(out, f->name);
  fputs(",\"begin\":", out);
  put_point(out, src, at.file, at.begin);
  fputs(",\"end\":", out);
  put_point(out, src, at.file, at.end);
}

static void put_message(FILE *out, const Diag *d, const char *file, const DiagMsg *m) {
  const Source *src = d->src;
  fprintf(out, "{\"kind\":\"diagnostic\",\"severity\":\"%s\",\"code\":\"%s\",\"message\":", diag_level_name(diag_shown_level(d, m)),
          diag_code_name(m->code));
  diag_json_string(out, m->text);
  fputc(',', out);
  if (file && !source_file(src, m->at.file)) {
    fputs("\"file\":", out);
    diag_json_string(out, file);
  } else diag_json_place(src, m->at, out);
  fputs(",\"labels\":[", out);
  for (const DiagNote *l = m->labels; l; l = l->next) {
    fputs("{\"message\":", out);
    diag_json_string(out, l->text);
    fputc(',', out);
    diag_json_place(src, l->at, out);
    fputs(l->next ? "}," : "}", out);
  }
  fputs("],\"help\":[", out);
  for (const DiagNote *h = m->helps; h; h = h->next) {
    diag_json_string(out, h->text);
    if (h->next) fputc(',', out);
  }
  fputs("]}\n", out);
}

void diag_json(const Diag *d, const char *file, FILE *out) {
  uint32_t n;
  int more;
  DiagMsg **msgs = diag_sorted(d, &n, &more);
  for (uint32_t i = 0; i < n; i++) put_message(out, d, file, msgs[i]);
  if (more) fprintf(out, "{\"kind\":\"more\",\"errors\":%d}\n", more);
  base_free(msgs);
}
