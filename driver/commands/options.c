/* The command line: `hnnc COMMAND FILE [name=value ...] [options]`, read with argp. */
#include "codegen/codegen.h"
#include "driver/commands/commands_priv.h"
#include "driver/manual/manual.h"
#include "passes/passes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- mistakes in the command line ---------------------------------------------------------------------- */

static struct {
  bool json, parsed, said;
  const char *command;
  char text[512];
  DiagCode code;
} usage;

static void usage_json(void) {
  printf("{\"kind\":\"diagnostic\",\"severity\":\"error\",\"code\":\"%s\",\"message\":", diag_code_name(usage.code));
  diag_json_string(stdout, usage.text);
  printf(",\"file\":\"command line\",\"labels\":[],\"help\":[]}\n"
         "{\"kind\":\"summary\",\"file\":\"command line\",\"errors\":1,\"warnings\":0}\n");
}

/* argp ends the process where it is; what it said itself, it said on stderr alone. */
static void at_exit(int status, void *unused) {
  (void)unused;
  if (status != EXIT_USAGE || usage.parsed || !usage.json) return;
  if (!usage.said) {
    snprintf(usage.text, sizeof usage.text, "an unknown option, or an option without its value: `hnnc %s --help` lists the options",
             usage.command);
    usage.code = CODE_unknown_option;
  }
  usage_json();
  fflush(stdout);
}

/* Says what is wrong on stderr, for --json on stdout too, and ends with exit code 2. */
static void usage_error(struct argp_state *state, DiagCode code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static void usage_error(struct argp_state *state, DiagCode code, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(usage.text, sizeof usage.text, fmt, ap);
  va_end(ap);
  usage.code = code;
  usage.said = true;
  argp_error(state, "%s", usage.text);
}

static bool whole_number(const char *text, int64_t low, int64_t *out) {
  char *end;
  errno = 0;
  int64_t v = strtoll(text, &end, 10);
  if (end == text || *end || errno == ERANGE || v < low) return false;
  return *out = v, true;
}

static void take_number(struct argp_state *state, const char *option, const char *text, int64_t low, int64_t *out) {
  if (whole_number(text, low, out)) return;
  if (errno == ERANGE) usage_error(state, CODE_whole_number, "%s needs a whole number below 2^63, found `%s`", option, text);
  usage_error(state, CODE_whole_number, "%s needs a whole number of at least %lld, found `%s`", option, (long long)low, text);
}

static bool same_file(const char *a, const char *b) {
  struct stat x, y;
  return stat(a, &x) == 0 && stat(b, &y) == 0 && S_ISREG(x.st_mode) && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static void check_out(const Options *o, struct argp_state *state) {
  if (o->out && !*o->out) usage_error(state, CODE_missing_argument, "-o needs the name of a file or directory, found an empty one");
  if (o->out && o->file && same_file(o->out, o->file))
    usage_error(state, CODE_output, "-o `%s` would replace the program itself", o->out);
  if (o->out && o->data && same_file(o->out, o->data)) usage_error(state, CODE_output, "-o `%s` would replace the data", o->out);
}

static const char *take_pass(struct argp_state *state, const char *name) {
  const char *passes[PASS_NAMES + 1] = {"all"};
  const int n = 1 + (int)pass_names(PASS_REPORTED, passes + 1);
  for (int i = 0; i < n; i++)
    if (!strcmp(passes[i], name)) return name;
  const char *near = diag_nearest(name, passes, n);
  usage_error(state, CODE_unknown_option, "--print-after does not know `%s`%s%s%s", name, near ? ", did you mean `" : "",
              near ? near : "", near ? "`?" : "");
  return name;
}

/* `m` where only m.hnn is there. */
static const char *with_suffix(const char *path, char *buf, size_t size) {
  snprintf(buf, size, "%s.hnn", path);
  return access(path, F_OK) && !access(buf, R_OK) ? buf : NULL;
}

static void take_argument(Options *o, struct argp_state *state, const char *arg) {
  const bool eval = !strcmp(o->command, "eval");
  const bool runs = !strcmp(o->command, "runs") || !strcmp(o->command, "fmt") || !strcmp(o->command, "report");
  if (!o->file) o->file = arg;
  else if (runs) *vec_push(&o->more) = arg;
  else if (eval && !o->function) o->function = arg;
  else if (eval && !o->data) o->data = arg;
  else if (eval)
    usage_error(state, CODE_unknown_option,
                "unexpected argument `%s`: expected RUN, FUNCTION and DATA; put an expression in quotes", arg);
  else if (strchr(arg, '=')) *vec_push(&o->override_) = arg;
  else if (!strcmp(o->command, "compile")) *vec_push(&o->more) = arg; /* check_functions: functions of an ONNX file */
  else usage_error(state, CODE_unknown_option, "unexpected argument `%s`: expected one FILE, then name=value", arg);
}

static void take_cache_action(const Options *o, struct argp_state *state) {
  static const char *const actions[] = {"show", "verify", "trim", "clear"};
  bool known = !o->file;
  for (size_t i = 0; !known && i < sizeof actions / sizeof *actions; i++) known = !strcmp(actions[i], o->file);
  if (!known || o->override_.n)
    usage_error(state, CODE_unknown_option, "`hnnc cache` takes show, verify, trim or clear, found `%s`",
                known ? o->override_.at[0] : o->file);
}

static void check_runs(const Options *o, struct argp_state *state) {
  if (o->compare && !o->more.n)
    usage_error(state, CODE_missing_argument, "--compare needs two runs or more: `hnnc runs --compare RUN RUN`");
  if (!o->compare && o->more.n)
    usage_error(state, CODE_unknown_option, "unexpected argument `%s`: expected one DIR, or --compare RUN RUN ...", o->more.at[0]);
}

static void check_functions(const Options *o, struct argp_state *state) {
  if (!o->more.n || (o->emit && !strcmp(o->emit, "onnx"))) return;
  usage_error(state, CODE_unknown_option,
              "unexpected argument `%s`: expected one FILE, then name=value; functions are only for --emit=onnx", o->more.at[0]);
}

/* What the command takes first, unless it can do without. */
static void check_file(const Options *o, struct argp_state *state) {
  for (int i = 0; i < manual_commands; i++) {
    const char *takes = manual_command[i].takes;
    if (!strcmp(manual_command[i].name, o->command) && *takes && *takes != '[')
      usage_error(state, CODE_missing_argument, "which %.*s?", (int)strcspn(takes, " "), takes);
  }
}

/* The row of an option that means nothing to the command; -1: it may be given. */
static int row_against(int key, const char *command) {
  for (int i = 0; i < manual_options; i++)
    if (manual_option[i].says.key == key && !manual_is_for(&manual_option[i], command)) return i;
  return -1;
}

/* " a b c " as "a, b and c", in buf[128]. */
static const char *commas(const char *words, char *buf) {
  size_t n = 0;
  for (const char *w = words + 1; *w; w += strcspn(w, " ") + 1) {
    const int len = (int)strcspn(w, " ");
    n += (size_t)snprintf(buf + n, 128 - n, "%s%.*s", w == words + 1 ? "" : w[len + 1] ? ", " : " and ", len, w);
  }
  return buf;
}

static void must_matter(int key, const Options *o, struct argp_state *state) {
  const int row = o->command ? row_against(key, o->command) : -1;
  if (row < 0) return;
  char list[128], letter[2] = {(char)key, 0};
  const char *name = manual_option[row].says.name;
  usage_error(state, CODE_unknown_option, "%s%s has no effect on `hnnc %s`: it is an option of %s", name ? "--" : "-",
              name ? name : letter, o->command, commas(manual_option[row].commands, list));
}

/* LIST of --no-warn: codes of warnings, or all. */
static void take_no_warn(Options *o, struct argp_state *state, char *list) {
  for (char *next, *name = list; name; name = next) {
    DiagCode code;
    if ((next = strchr(name, ','))) *next++ = 0;
    if (!strcmp(name, "all")) memset(o->no_warn, true, sizeof o->no_warn);
    else if (diag_code_find(name, &code) && diag_code_level(code) == DIAG_WARNING) o->no_warn[code] = true;
    else usage_error(state, CODE_unknown_option, "--no-warn: there is no warning `%s`: `hnnc explain` lists them", name);
  }
}

static bool takes_model(const char *command) {
  for (int i = 0; i < manual_commands; i++)
    if (!strcmp(manual_command[i].name, command)) return !strncmp(manual_command[i].takes, "FILE [", 6);
  return false;
}

/* Of many runs and ranks; false: it is another option. */
static bool take_of_runs(int key, char *arg, Options *o, struct argp_state *state) {
  int64_t v = 0;
  switch (key) {
  case KEY_COMPARE: o->compare = true; break;
  case KEY_SWEEP: *vec_push(&o->sweep) = arg; break;
  case KEY_SEEDS: o->seeds = arg; break;
  case KEY_JOBS:
    take_number(state, "--jobs", arg, 1, &v);
    o->jobs = v > 1024 ? 1024 : (int)v;
    break;
  case KEY_SLURM:
    o->slurm = arg ? arg : "";
    if (strchr(o->slurm, '\n')) usage_error(state, CODE_unknown_option, "--slurm needs options of sbatch on one line");
    break;
  case KEY_RANKS:
    take_number(state, "--ranks", arg, 1, &v);
    o->start_ranks = v > 65536 ? 65536 : (int)v;
    break;
  case KEY_AGAIN: o->again = true; break;
  case KEY_TASK: take_number(state, "--task", arg, 0, &o->task); break;
  case KEY_PORT:
    take_number(state, "--port", arg, 0, &v);
    if (v > 65535) usage_error(state, CODE_out_of_range, "--port takes a number of at most 65535, found %lld", (long long)v);
    o->port = (int)v;
    break;
  default: return false;
  }
  return true;
}

static error_t take(int key, char *arg, struct argp_state *state) {
  Options *o = state->input;
  int64_t v = 0;
  must_matter(key, o, state);
  if (key >= KEY_VJP && key <= KEY_GRAD) return *vec_push(&o->product) = (struct Product){key - KEY_VJP, arg}, 0;
  switch (key) {
  case 'o': o->out = arg; break;
  case 'q': o->quiet = true; break;
  case 'O':
    if (!whole_number(arg, 0, &v) || v > 2) usage_error(state, CODE_out_of_range, "-O takes 0, 1 or 2, found `%s`", arg);
    o->opt = (int)v;
    break;
  case KEY_THREADS:
    take_number(state, "--threads", arg, 1, &v);
    o->threads = v > 1024 ? 1024 : (int)v;
    break;
  case KEY_SEED:
    take_number(state, "--seed", arg, 0, &v);
    o->seed = (uint64_t)v;
    break;
  case KEY_PARAMS: o->params = arg; break;
  case KEY_CHECK: o->check = true; break;
  case KEY_MAN: o->man = true; break;
  case KEY_BATCH: take_number(state, "--batch", arg, 1, &o->batch); break;
  case KEY_EMIT: o->emit = arg; break;
  case KEY_PRINT_AFTER: o->print_after = take_pass(state, arg); break;
  case KEY_PASSES: o->passes = arg; break;
  case KEY_CPU:
    if (!cg_cpu_known(arg)) usage_error(state, CODE_unknown_option, "--cpu does not know `%s`: " CG_CPU_NAMES, arg);
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
    check_out(o, state);
    if (!strcmp(o->command, "cache")) take_cache_action(o, state);
    else if (!strcmp(o->command, "runs")) check_runs(o, state);
    else if (!strcmp(o->command, "compile")) check_functions(o, state);
    if (!o->file) check_file(o, state);
    if (!strcmp(o->command, "eval") && (!o->function || !*o->function))
      usage_error(state, CODE_missing_argument, "which function? `hnnc eval RUN FUNCTION DATA`");
    char model[4096];
    if (o->file && takes_model(o->command) && with_suffix(o->file, model, sizeof model))
      usage_error(state, CODE_file, "there is no file `%s`: did you mean `%s`?", o->file, model);
    if (o->override_.n && !strcmp(o->command, "resume"))
      usage_error(state, CODE_unknown_option,
                  "a run is resumed with its own options, without `%s`: for other options, start a new run", o->override_.at[0]);
    break;
  case KEY_STEPS:
  case KEY_LR: {
    const bool steps = key == KEY_STEPS;
    usage_error(state, CODE_unknown_option, "--%s is not an option: to override a training, write `train.%s%s%s`",
                steps ? "steps" : "lr", steps ? "steps=" : "optimizer=adam(lr = ", arg, steps ? "" : ")");
    break;
  }
  default: return take_of_runs(key, arg, o, state) ? 0 : ARGP_ERR_UNKNOWN;
  }
  return 0;
}

static int known_command(const char *name) {
  for (int i = 0; i < manual_commands; i++)
    if (!strcmp(manual_command[i].name, name)) return i;
  return -1;
}

static int no_command(const char *name) {
  const char *names[64];
  for (int i = 0; i < manual_commands; i++) names[i] = manual_command[i].name;
  const char *near = diag_nearest(name, names, manual_commands);
  snprintf(usage.text, sizeof usage.text, "there is no command `%s`%s%s%s", name, near ? ": did you mean `" : "", near ? near : "",
           near ? "`?" : "");
  usage.code = CODE_unknown_option;
  usage.said = true;
  fprintf(stderr, "hnnc: %s%s\n", usage.text, near ? "" : "; try `hnnc --help`");
  return EXIT_USAGE; /* and at_exit says it as JSON */
}

/* What --help says around the options: of one command, or of all (command < 0). */
static const char *help_text(int command, char *buf, size_t size) {
  size_t n = (size_t)snprintf(buf, size, "%s\v",
                              command < 0 ? "hnnc: a compiler for physics-structured learning" : manual_command[command].does);
  for (int i = 0; command < 0 && i < manual_commands; i++) {
    char head[48];
    const char *takes = manual_command[i].takes;
    snprintf(head, sizeof head, "%s %.*s", manual_command[i].name, takes[0] == '[' ? (int)strlen(takes) : (int)strcspn(takes, " "),
             takes);
    n += (size_t)snprintf(buf + n, size - n, "%s  %-17s%s\n", i ? "" : "Commands:\n", head, manual_command[i].does);
  }
  snprintf(buf + n, size - n, "%sFILE `-` is standard input. Exit codes: %s", command < 0 ? "\n" : "", manual_exit_codes);
  return buf;
}

int options_parse(Options *o, int argc, char **argv) {
  static char text[4096], title[64];
  static struct argp_option shown[128]; /* zeros end it */
  const int command = argc > 1 ? known_command(argv[1]) : -1;
  *o = (Options){.opt = 1, .task = -1};
  usage.command = argc > 1 ? argv[1] : "";
  for (int i = 1; i < argc && strcmp(argv[i], "--"); i++) usage.json |= !strcmp(argv[i], "--json");
  on_exit(at_exit, NULL);
  argp_err_exit_status = EXIT_USAGE;
  argp_program_version_hook = manual_version;
  if (argc < 2) {
    fprintf(stderr, "usage: hnnc COMMAND FILE [name=value ...] [options]; `hnnc --help` lists them\n");
    return usage.parsed = true, EXIT_USAGE;
  }
  if (command < 0 && argv[1][0] != '-') return no_command(argv[1]);
  for (int i = 0; i < manual_options; i++) {
    shown[i] = manual_option[i].says;
    if (command >= 0 && row_against(shown[i].key, argv[1]) >= 0) shown[i].flags |= OPTION_HIDDEN;
  }
  struct argp argp = {shown,
                      take,
                      command < 0 ? "COMMAND FILE [name=value ...]" : manual_command[command].takes,
                      help_text(command, text, sizeof text),
                      NULL,
                      NULL,
                      NULL};
  if (command < 0) { /* --help, --version */
    argp_parse(&argp, argc, argv, ARGP_NO_ARGS, NULL, o);
    return EXIT_USAGE;
  }
  o->command = argv[1];
  o->run = manual_command[command].run;
  snprintf(title, sizeof title, "hnnc %s", argv[1]);
  argv[1] = title;
  argp_parse(&argp, argc - 1, argv + 1, 0, NULL, o);
  usage.parsed = true;
  return -1;
}
