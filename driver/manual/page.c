/* The manual of a command: for a terminal, or as the source of a manual page. */
#include "driver/manual/manual.h"

#include <string.h>

typedef struct Page {
  FILE *out;
  bool roff;
} Page;

/* Text of one paragraph; in roff what begins a line or escapes is guarded, and `x` is bold. */
static void text(const Page *p, const char *s) {
  bool bold = false;
  int column = 0;
  for (; *s; s++) {
    if (p->roff && *s == '`') fputs((bold = !bold) ? "\\fB" : "\\fR", p->out);
    else if (p->roff && (*s == '-' || *s == '\\')) fputs(*s == '-' ? "\\-" : "\\e", p->out);
    else if (!p->roff && *s == ' ' && column + 1 + (int)strcspn(s + 1, " ") > 96) fputs("\n  ", p->out), column = 0;
    else fputc(*s, p->out), column++;
  }
  fputc('\n', p->out);
}

static void head(const Page *p, const char *title) { fprintf(p->out, p->roff ? ".SH %s\n" : "\n%s\n", title); }

/* `-o PATH, --out=PATH` */
static void names(const Page *p, const struct argp_option *o) {
  char line[128];
  size_t n = 0;
  if (o->key > ' ' && o->key < 127)
    n += (size_t)snprintf(line, sizeof line, "-%c%s%s", o->key, o->arg && !o->name ? " " : "", o->arg && !o->name ? o->arg : "");
  if (o->name) snprintf(line + n, sizeof line - n, "%s--%s%s%s", n ? ", " : "", o->name, o->arg ? "=" : "", o->arg ? o->arg : "");
  if (p->roff) fputs(".TP\n.B ", p->out);
  else fputs("  ", p->out);
  Page plain = *p;
  text(&plain, line);
}

/* A text that begins `run: ` and is of that command alone, without these words. */
static const char *without_command(const char *doc) {
  const char *colon = strstr(doc, ": ");
  if (!colon || strstr(colon + 1, ": ")) return doc;
  for (int i = 0; i < manual_commands; i++)
    if (strlen(manual_command[i].name) == (size_t)(colon - doc) && !strncmp(doc, manual_command[i].name, (size_t)(colon - doc)))
      return colon + 2;
  return doc;
}

static void options(const Page *p, const char *command) {
  bool any = false;
  for (int i = 0; i < manual_options; i++) {
    const ManualOption *o = &manual_option[i];
    if (!o->commands || !manual_is_for(o, command) || (o->says.flags & OPTION_HIDDEN) || !o->says.doc) continue;
    if (!any) head(p, "OPTIONS");
    any = true;
    names(p, &o->says);
    const char *doc = without_command(o->says.doc);
    if (!p->roff) fputs("      ", p->out);
    text(p, doc);
  }
}

static void page(const Page *p, const ManualCommand *c) {
  if (p->roff) fprintf(p->out, ".TH HNNC-%s 1 \"\" \"hnnc %s\"\n", c->name, HNNC_VERSION);
  head(p, "NAME");
  fprintf(p->out, p->roff ? "hnnc\\-%s \\- " : "  hnnc %s - ", c->name);
  text(p, c->does);
  head(p, "SYNOPSIS");
  fprintf(p->out, p->roff ? ".B hnnc %s\n" : "  hnnc %s ", c->name);
  text(p, *c->takes ? c->takes : "");
  head(p, "DESCRIPTION");
  if (!p->roff) fputs("  ", p->out);
  text(p, c->text);
  options(p, c->name);
  head(p, "EXIT CODES");
  if (!p->roff) fputs("  ", p->out);
  text(p, manual_exit_codes);
}

static void all(const Page *p) {
  if (p->roff) fprintf(p->out, ".TH HNNC 1 \"\" \"hnnc %s\"\n", HNNC_VERSION);
  head(p, "NAME");
  fputs(p->roff ? "hnnc \\- " : "  hnnc - ", p->out);
  text(p, "a compiler for physics-structured learning");
  head(p, "SYNOPSIS");
  fputs(p->roff ? ".B hnnc\nCOMMAND ...\n" : "  hnnc COMMAND ...\n", p->out);
  head(p, "COMMANDS");
  for (int i = 0; i < manual_commands; i++) {
    fprintf(p->out, p->roff ? ".TP\n.B %s\n" : "  %-12s", manual_command[i].name);
    text(p, manual_command[i].does);
  }
  head(p, "EXIT CODES");
  if (!p->roff) fputs("  ", p->out);
  text(p, manual_exit_codes);
  if (!p->roff) fputs("\n`hnnc help COMMAND` prints the manual of a command.\n", p->out);
}

int command_help(const Options *o) {
  const Page p = {stdout, o->man};
  const char *names_of[64];
  for (int i = 0; i < manual_commands; i++) {
    names_of[i] = manual_command[i].name;
    if (o->file && !strcmp(o->file, manual_command[i].name)) return page(&p, &manual_command[i]), 0;
  }
  if (!o->file) return all(&p), 0;
  const char *near = diag_nearest(o->file, names_of, (size_t)manual_commands);
  fprintf(stderr, "hnnc: there is no command `%s`%s%s%s\n", o->file, near ? ": did you mean `" : "; try `hnnc help`",
          near ? near : "", near ? "`?" : "");
  return EXIT_USAGE;
}
