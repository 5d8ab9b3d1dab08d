/* The command line: `hnnc COMMAND FILE [name=value ...] [options]`, read with argp. */
#include "driver/driver.h"

#include <argp.h>
#include <stdlib.h>
#include <string.h>

enum Key { KEY_EMIT = 256, KEY_PRINT_AFTER, KEY_TIME, KEY_VERIFY, KEY_CPU, KEY_NO_CACHE, KEY_JSON, KEY_BATCH,
           KEY_THREADS, KEY_SEED, KEY_PASSES, KEY_NO_WARN, KEY_WERROR };

static const struct argp_option option_table[] = {
  {"out", 'o', "PATH", 0, "run: make PATH itself the run directory; compile: write the library there", 1},
  {"threads", KEY_THREADS, "N", 0, "threads (default: all cores; results do not depend on it)", 1},
  {"seed", KEY_SEED, "S", 0, "change every seed of the file together (default 0: as written)", 1},
  {"quiet", 'q', NULL, 0, "no progress, only results and errors", 1},
  {"batch", KEY_BATCH, "N", 0, "bench: samples in a step", 2},
  {"json", KEY_JSON, NULL, 0, "check, bench, diagnose: print JSON", 2},
  {"no-warn", KEY_NO_WARN, "LIST", 0, "no warnings of these names, or all", 2},
  {"werror", KEY_WERROR, NULL, 0, "warnings are errors", 2},
  {NULL, 'h', NULL, OPTION_HIDDEN, NULL, -1},
  {"emit", KEY_EMIT, "KIND", 0, "compile: ast, ir, flops, kernels, llvm, asm, dot, obj, so, header", 3},
  {"print-after", KEY_PRINT_AFTER, "PASS", 0, "print the IR after a pass (derive, simplify, split, ... or all)", 3},
  {"passes", KEY_PASSES, "LIST", 0, "opt: passes to run on a file of IR text", 3},
  {"time-passes", KEY_TIME, NULL, 0, "say where the compile time goes", 3},
  {"verify-each", KEY_VERIFY, NULL, 0, "verify the IR after every pass", 3},
  {"cpu", KEY_CPU, "NAME", 0, "compile for this processor (default: the host)", 4},
  {NULL, 'O', "LEVEL", 0, "code generation level 0, 1 or 2 (default 1)", 4},
  {"no-cache", KEY_NO_CACHE, NULL, 0, "do not read or write compiled objects", 4},
  {0}
};

/* What a command takes, and what it does. */
static const struct { const char *name, *takes, *does; } command_row[] = {
  {"check", "FILE [name=value ...]", "names, shapes, claims; many errors a run"},
  {"compile", "FILE [name=value ...]", "write FILE's native model: a .so and a .h (or what --emit says)"},
  {"run", "FILE [name=value ...]", "train, report, expect, from top to bottom, into runs/NAME/"},
  {"resume", "DIR", "go on where a stopped run was, bit for bit"},
  {"bench", "FILE [name=value ...]", "time, FLOP and share of the machine's peak of a training step"},
  {"diagnose", "FILE [name=value ...]", "gradients against differences; flows: round trips, defects"},
  {"explain", "[CODE]", "what `error[CODE]` means, with a program mended; alone: all codes"},
  {"cache", "[show|verify|trim|clear]", "what is kept of earlier compilations"},
  {"opt", "FILE", "run passes on IR text"},
};
enum { NCOMMANDS = sizeof command_row / sizeof *command_row };

static bool whole_number(const char *text, int64_t low, int64_t *out) {
  char *end;
  int64_t v = strtoll(text, &end, 10);
  if (end == text || *end || v < low) return false;
  return *out = v, true;
}

static void take_number(struct argp_state *state, const char *option, const char *text, int64_t low, int64_t *out) {
  if (!whole_number(text, low, out))
    argp_error(state, "%s needs a whole number of at least %lld, found `%s`", option, (long long)low, text);
}

static const char *take_pass(struct argp_state *state, const char *name) {
  static const char *const passes[] = {"all", "derive", "expand", "gradient", "mean", "means", "optimizer", "rescale", "simplify", "split", "unmap"};
  enum { N = sizeof passes / sizeof *passes };
  for (int i = 0; i < N; i++)
    if (!strcmp(passes[i], name)) return name;
  const char *near = diag_nearest(name, passes, N);
  argp_error(state, "--print-after does not know `%s`%s%s%s", name, near ? ", did you mean `" : "", near ? near : "", near ? "`?" : "");
  return name;
}

static void take_argument(Options *o, struct argp_state *state, const char *arg) {
  if (!o->file) o->file = arg;
  else if (strchr(arg, '=')) *vec_push(&o->override_) = arg;
  else argp_error(state, "unexpected argument `%s`: one FILE, then name=value", arg);
}

static void take_cache_action(const Options *o, struct argp_state *state) {
  static const char *const actions[] = {"show", "verify", "trim", "clear"};
  bool known = !o->file;
  for (size_t i = 0; !known && i < sizeof actions / sizeof *actions; i++) known = !strcmp(actions[i], o->file);
  if (!known || o->override_.n) argp_error(state, "`hnnc cache` takes show, verify, trim or clear, found `%s`", known ? o->override_.at[0] : o->file);
}

/* Options that mean something to some commands alone; elsewhere they are refused, not ignored. */
static const struct { int key; const char *option, *commands; } row[] = {
  {'o', "--out", " run compile "}, {'q', "--quiet", " run resume compile "}, {KEY_BATCH, "--batch", " bench "},
  {KEY_JSON, "--json", " check bench diagnose "}, {KEY_EMIT, "--emit", " compile "}, {KEY_PASSES, "--passes", " opt "},
  {KEY_SEED, "--seed", " run compile bench diagnose check "},
  {KEY_NO_WARN, "--no-warn", " check compile run resume bench diagnose "}, {KEY_WERROR, "--werror", " check compile run bench diagnose "},
  {KEY_THREADS, "--threads", " run resume compile bench diagnose check "},
  {'O', "-O", " check compile run resume bench diagnose opt cache "}, {KEY_CPU, "--cpu", " check compile run resume bench diagnose opt cache "},
  {KEY_PRINT_AFTER, "--print-after", " check compile run resume bench diagnose opt cache "},
  {KEY_TIME, "--time-passes", " check compile run resume bench diagnose opt cache "},
  {KEY_VERIFY, "--verify-each", " check compile run resume bench diagnose opt cache "},
  {KEY_NO_CACHE, "--no-cache", " check compile run resume bench diagnose opt cache "}};

/* NULL: it matters; else the row that says to whom it does. */
static const char *matters_to(int key, const char *command, const char **option) {
  for (size_t i = 0; command && i < sizeof row / sizeof *row; i++) {
    char word[32];
    snprintf(word, sizeof word, " %s ", command);
    if (row[i].key == key && !strstr(row[i].commands, word)) return *option = row[i].option, row[i].commands;
  }
  return NULL;
}

static void must_matter(int key, const Options *o, struct argp_state *state) {
  const char *option, *commands = matters_to(key, o->command, &option);
  if (commands) argp_error(state, "%s does nothing for `hnnc %s`: it belongs to%s", option, o->command, commands);
}

/* LIST of --no-warn: codes of warnings, or all. */
static void take_no_warn(Options *o, struct argp_state *state, char *list) {
  for (char *next, *name = list; name; name = next) {
    DiagCode code;
    if ((next = strchr(name, ','))) *next++ = 0;
    if (!strcmp(name, "all")) memset(o->no_warn, true, sizeof o->no_warn);
    else if (diag_code_find(name, &code) && diag_code_level(code) == DIAG_WARNING) o->no_warn[code] = true;
    else argp_error(state, "--no-warn knows no warning `%s`: `hnnc explain` lists them", name);
  }
}

static error_t take(int key, char *arg, struct argp_state *state) {
  Options *o = state->input;
  int64_t v = 0;
  must_matter(key, o, state);
  switch (key) {
    case 'o': o->out = arg; break;
    case 'q': o->quiet = true; break;
    case 'O': take_number(state, "-O", arg, 0, &v); o->opt = v > 2 ? 2 : (int)v; break;
    case KEY_THREADS: take_number(state, "--threads", arg, 1, &v); o->threads = v > 1024 ? 1024 : (int)v; break;
    case KEY_SEED: take_number(state, "--seed", arg, 0, &v); o->seed = (uint64_t)v; break;
    case KEY_BATCH: take_number(state, "--batch", arg, 1, &o->batch); break;
    case KEY_EMIT: o->emit = arg; break;
    case KEY_PRINT_AFTER: o->print_after = take_pass(state, arg); break;
    case KEY_PASSES: o->passes = arg; break;
    case KEY_CPU:
      if (!cg_cpu_known(arg)) argp_error(state, "--cpu does not know `%s`: x86-64, x86-64-v3, haswell, znver4, ...", arg);
      o->cpu = arg;
      break;
    case KEY_TIME: o->time_passes = true; break;
    case KEY_VERIFY: o->verify_each = true; break;
    case KEY_NO_CACHE: o->no_cache = true; break;
    case KEY_JSON: o->json = true; break;
    case KEY_NO_WARN: take_no_warn(o, state, arg); break;
    case KEY_WERROR: o->werror = true; break;
    case 'h': argp_state_help(state, state->out_stream, ARGP_HELP_STD_HELP); break;
    case ARGP_KEY_ARG: take_argument(o, state, arg); break;
    case ARGP_KEY_END:
      if (!strcmp(o->command, "cache")) take_cache_action(o, state);
      else if (!o->file && strcmp(o->command, "explain")) argp_error(state, "which %s?", !strcmp(o->command, "resume") ? "DIR" : "FILE");
      if (o->override_.n && !strcmp(o->command, "resume"))
        argp_error(state, "a run is resumed as it was started, without `%s`: for other options start a new run", o->override_.at[0]);
      break;
    default: return ARGP_ERR_UNKNOWN;
  }
  return 0;
}

static const char behind[] =
  "FILE `-` is the standard input. Exit codes: 0; 1 errors in the file; 2 usage; 3 a failed expect, a refuted prove or numbers that are "
  "not finite; 4 files or device; 70 a fault of the compiler.";

static int known_command(const char *name) {
  for (int i = 0; i < NCOMMANDS; i++)
    if (!strcmp(command_row[i].name, name)) return i;
  return -1;
}

static int no_command(const char *name) {
  const char *names[NCOMMANDS];
  for (int i = 0; i < NCOMMANDS; i++) names[i] = command_row[i].name;
  const char *near = diag_nearest(name, names, NCOMMANDS);
  fprintf(stderr, "hnnc: there is no command `%s`%s%s%s; try `hnnc --help`\n", name, near ? ", did you mean `" : "",
          near ? near : "", near ? "`?" : "");
  return EXIT_USAGE;
}

/* What --help says around the options: of one command, or of all (command < 0). */
static const char *help_text(int command, char *buf, size_t size) {
  size_t n = (size_t)snprintf(buf, size, "%s\v", command < 0 ? "hnnc: a compiler for physics-structured learning" : command_row[command].does);
  for (int i = 0; command < 0 && i < NCOMMANDS; i++) {
    char head[48];
    snprintf(head, sizeof head, "%s %.*s", command_row[i].name, (int)strcspn(command_row[i].takes, " |"), command_row[i].takes);
    n += (size_t)snprintf(buf + n, size - n, "%s  %-16s%s\n", i ? "" : "Commands:\n", head, command_row[i].does);
  }
  snprintf(buf + n, size - n, "%s%s", command < 0 ? "\n" : "", behind);
  return buf;
}

int options_parse(Options *o, int argc, char **argv) {
  static char text[4096], title[64];
  static struct argp_option shown[sizeof option_table / sizeof *option_table];
  const int command = argc > 1 ? known_command(argv[1]) : -1;
  const char *option;
  *o = (Options){.opt = 1};
  argp_err_exit_status = EXIT_USAGE;
  argp_program_version = "hnnc " HNNC_VERSION;
  if (argc < 2) {
    fprintf(stderr, "usage: hnnc COMMAND FILE [name=value ...] [options]; `hnnc --help` lists them\n");
    return EXIT_USAGE;
  }
  if (command < 0 && argv[1][0] != '-') return no_command(argv[1]);
  memcpy(shown, option_table, sizeof shown);
  for (struct argp_option *s = shown; command >= 0 && (s->name || s->key); s++)
    if (matters_to(s->key, argv[1], &option)) s->flags |= OPTION_HIDDEN;
  struct argp argp = {shown, take, command < 0 ? "COMMAND FILE [name=value ...]" : command_row[command].takes,
                      help_text(command, text, sizeof text), NULL, NULL, NULL};
  if (command < 0) {                       /* --help, --version */
    argp_parse(&argp, argc, argv, ARGP_NO_ARGS, NULL, o);
    return EXIT_USAGE;
  }
  o->command = argv[1];
  snprintf(title, sizeof title, "hnnc %s", argv[1]);
  argv[1] = title;
  argp_parse(&argp, argc - 1, argv + 1, 0, NULL, o);
  return -1;
}
