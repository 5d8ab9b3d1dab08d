/* Scripts that complete a command line: its commands, the options of each, files. */
#include "driver/manual/manual.h"

#include <string.h>

static bool shown(const ManualOption *o, const char *command) {
  return o->commands && manual_is_for(o, command) && !(o->says.flags & OPTION_HIDDEN) && o->says.name;
}

/* Files that the first word behind a command can be: a suffix; "/": folders; "": no files. */
static const char *files_of(const ManualCommand *c) {
  if (!strncmp(c->takes, "FILE", 4)) return !strcmp(c->name, "opt") ? ".hir" : ".hnn";
  return strstr(c->takes, "DIR") || !strncmp(c->takes, "RUN", 3) ? "/" : "";
}

/* Words that the first argument can be; NULL: any. */
static const char *words_of(const char *command) {
  if (!strcmp(command, "cache")) return "show verify trim clear";
  return !strcmp(command, "completion") ? "bash zsh fish" : NULL;
}

static void codes(FILE *out) {
  for (int k = 0; k < DIAG_CODES; k++) fprintf(out, "%s%s", k ? " " : "", diag_code_name((DiagCode)k));
}

static void commands(FILE *out) {
  for (int i = 0; i < manual_commands; i++) fprintf(out, "%s%s", i ? " " : "", manual_command[i].name);
}

static void first_words(FILE *out, const ManualCommand *c) {
  if (!strcmp(c->name, "explain")) codes(out);
  else if (!strcmp(c->name, "help")) commands(out);
  else if (words_of(c->name)) fputs(words_of(c->name), out);
}

static void bash(FILE *out) {
  fputs("# hnnc's commands and options for bash.\n_hnnc() {\n  local word=${COMP_WORDS[COMP_CWORD]} words= files=\n  COMPREPLY=()\n"
        "  if ((COMP_CWORD == 1)); then\n    words='",
        out);
  commands(out);
  fputs("'\n  else\n    case ${COMP_WORDS[1]} in\n", out);
  for (int i = 0; i < manual_commands; i++) {
    const ManualCommand *c = &manual_command[i];
    fprintf(out, "    %s)\n      words='", c->name);
    first_words(out, c);
    for (int k = 0; k < manual_options; k++)
      if (shown(&manual_option[k], c->name))
        fprintf(out, " --%s%s", manual_option[k].says.name, manual_option[k].says.arg ? "=" : "");
    fprintf(out, "'\n      files='%s' ;;\n", files_of(c));
  }
  fputs("    esac\n  fi\n  COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
        "  case $files in\n    /) COMPREPLY+=($(compgen -d -- \"$word\")) ;;\n"
        "    ?*) COMPREPLY+=($(compgen -f -X \"!*$files\" -- \"$word\") $(compgen -d -S / -- \"$word\")) ;;\n  esac\n"
        "  [[ ${COMPREPLY[0]} == *[=/] ]] && compopt -o nospace\n}\ncomplete -F _hnnc hnnc\n",
        out);
}

/* A text in single quotes: for zsh without what its lists of choices read as their own. */
static void quoted(FILE *out, const char *s, const char *drop) {
  for (; *s; s++) {
    if (*s == '\'') fputs("'\\''", out);
    else if (!strchr(drop, *s)) fputc(*s, out);
  }
}

static void zsh(FILE *out) {
  fputs("#compdef hnnc\n# hnnc's commands and options for zsh.\n_hnnc() {\n  if ((CURRENT == 2)); then\n    local -a commands=(\n",
        out);
  for (int i = 0; i < manual_commands; i++) {
    fprintf(out, "      '%s:", manual_command[i].name);
    quoted(out, manual_command[i].does, ":");
    fputs("'\n", out);
  }
  fputs("    )\n    _describe command commands\n    return\n  fi\n  case $words[2] in\n", out);
  for (int i = 0; i < manual_commands; i++) {
    const ManualCommand *c = &manual_command[i];
    const char *files = files_of(c);
    fprintf(out, "  %s)\n    shift words; ((CURRENT--))\n    _arguments", c->name);
    for (int k = 0; k < manual_options; k++) {
      const struct argp_option *o = &manual_option[k].says;
      if (!shown(&manual_option[k], c->name)) continue;
      fprintf(out, " \\\n      '*--%s%s[", o->name, o->arg ? "=" : "");
      quoted(out, o->doc, "[]:");
      fputc(']', out);
      if (o->arg) fputs(": :_files", out);
      fputc('\'', out);
    }
    if (*files == '.') fprintf(out, " \\\n      '*:file:_files -g \"*%s\"'", files);
    else if (*files) fputs(" \\\n      '*:folder:_files -/'", out);
    else if (words_of(c->name) || !strcmp(c->name, "explain") || !strcmp(c->name, "help")) {
      fputs(" \\\n      '1:word:(", out);
      first_words(out, c);
      fputs(")'", out);
    }
    fputs(" ;;\n", out);
  }
  fputs("  esac\n}\n_hnnc \"$@\"\n", out);
}

static void fish(FILE *out) {
  fputs("# hnnc's commands and options for fish.\ncomplete -c hnnc -f\n", out);
  for (int i = 0; i < manual_commands; i++) {
    const ManualCommand *c = &manual_command[i];
    const char *files = files_of(c);
    fprintf(out, "complete -c hnnc -n __fish_use_subcommand -a %s -d '", c->name);
    quoted(out, c->does, "");
    fputs("'\n", out);
    for (int k = 0; k < manual_options; k++) {
      const struct argp_option *o = &manual_option[k].says;
      if (!shown(&manual_option[k], c->name)) continue;
      fprintf(out, "complete -c hnnc -n '__fish_seen_subcommand_from %s' -l %s%s -d '", c->name, o->name, o->arg ? " -r" : "");
      quoted(out, o->doc, "");
      fputs("'\n", out);
    }
    fprintf(out, "complete -c hnnc -n '__fish_seen_subcommand_from %s' -a '", c->name);
    if (*files == '.') fprintf(out, "(__fish_complete_suffix %s)", files);
    else if (*files) fputs("(__fish_complete_directories)", out);
    else first_words(out, c);
    fputs("'\n", out);
  }
}

int command_completion(const Options *o) {
  if (!strcmp(o->file, "bash")) bash(stdout);
  else if (!strcmp(o->file, "zsh")) zsh(stdout);
  else if (!strcmp(o->file, "fish")) fish(stdout);
  else return fprintf(stderr, "hnnc: there are completions for bash, zsh and fish, found `%s`\n", o->file), EXIT_USAGE;
  return 0;
}
