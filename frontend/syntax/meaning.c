/* Changes of meaning, told where they matter (meanings.def). */
#include "frontend/syntax/meaning.h"
#include "frontend/syntax/ast.h"

static const Meaning rows[] = {
#define MEANING(name, version, release, form, was, is, write) {version, release, form, was, is, write},
#include "frontend/syntax/meanings.def"
#undef MEANING
};

static void old_meaning(DiagMsg *m, const Meaning *row, const char *mend) {
  if (mend) diag_help(m, "`%s` here means %s", mend, row->was);
  else diag_help(m, "%s means %s", row->write, row->was);
}

static void announce(Diag *d, const Meaning *row, Span at, const char *mend) {
  DiagMsg *m =
      diag_add(d, CODE_meaning, at, "%s will mean %s from version %d of the language on", row->form, row->is, row->version);
  diag_label(m, at, "now it means %s", row->was);
  old_meaning(m, row, mend);
}

static void changed(Diag *d, const Meaning *row, Span at, const char *mend) {
  DiagMsg *m = diag_add(d, CODE_meaning, at, "%s means %s from version %d of the language on", row->form, row->is, row->version);
  diag_label(m, at, "before it meant %s", row->was);
  old_meaning(m, row, mend);
  diag_help(m, "a file with the line `language %d` means the new thing", row->version);
}

static void refuse(Diag *d, const Meaning *row, int said, Span at, const char *mend) {
  DiagMsg *m =
      diag_add(d, CODE_language, at, "%s means %s from version %d of the language on, and the file is written for version %d",
               row->form, row->is, row->version, said);
  diag_label(m, at, "there it means %s", row->was);
  old_meaning(m, row, mend);
  diag_help(m, "if the new thing is meant, the file says `language %d`", row->version);
}

bool meaning_tell(Diag *d, const Source *src, const Meaning *row, int now, Span at, const char *mend) {
  const SourceFile *f = source_file(src, at.file);
  const int said = f ? f->language : now;
  if (row->version > now) announce(d, row, at, mend);
  else if (!said) changed(d, row, at, mend);
  else if (said < row->version) refuse(d, row, said, at, mend);
  return row->version <= now;
}

bool meaning_changed(Diag *d, const Source *src, MeaningId id, Span at, const char *mend) {
  return meaning_tell(d, src, &rows[id], FRONT_LANGUAGE, at, mend);
}
