/* The command line as a table: what --help, the manual, the manual pages and completions are made of. */
#include "driver/manual/manual.h"

#include <string.h>

const ManualOption manual_option[] = {
  {{"out", 'o', "PATH", 0,
    "run: use PATH as the run directory; compile: write the library to PATH; eval: write the arrays (.npz, .npy, text); explore, "
    "report: write the page",
    1},
   " run compile eval explore report "},
  {{"vjp", KEY_VJP, "F", 0, "compile: add F_vjp, from cotangents of the results of F to those of its arguments and parameters", 2},
   " compile "},
  {{"jvp", KEY_JVP, "F", 0, "compile: add F_jvp, from tangents of the arguments of F to those of its results", 2}, " compile "},
  {{"hvp", KEY_HVP, "F", 0, "compile: add F_hvp, the Hessian of a scalar F times a tangent", 2}, " compile "},
  {{"grad", KEY_GRAD, "F", 0, "compile: add F_grad, the value of a scalar F and its gradient by each argument", 2}, " compile "},
  {{"params", KEY_PARAMS, "FROM", 0, "start from the parameters in a run directory or a .safetensors file", 1},
   " run compile eval explore "},
  {{"threads", KEY_THREADS, "N", 0, "number of threads (default: all cores); does not change results", 1},
   " run resume compile eval bench diagnose check explore "},
  {{"seed", KEY_SEED, "S", 0, "vary all seeds of the file together (default 0: as written); eval: seed of the draws", 1},
   " run compile eval bench diagnose check explore "},
  {{"quiet", 'q', NULL, 0, "show no progress, only results and errors", 1}, " run resume compile eval explore report "},
  {{"batch", KEY_BATCH, "N", 0, "bench: samples per step", 2}, " bench "},
  {{"ranks", KEY_RANKS, "N", 0, "bench: use N ranks, started by mpirun, and show the time for computing, exchange and waiting", 2},
   " bench "},
  {{"json", KEY_JSON, NULL, 0, "check, bench, diagnose, runs, explore, report: print JSON", 2},
   " check bench diagnose runs explore report "},
  {{"compare", KEY_COMPARE, NULL, 0, "runs: show what differs between two or more runs", 2}, " runs "},
  {{"sweep", KEY_SWEEP, "NAME=[A, B, ...]", 0, "run: one run per value of this override; several of them make a grid", 2}, " run "},
  {{"seeds", KEY_SEEDS, "A:B", 0, "run: one run per seed A, ..., B - 1", 2}, " run "},
  {{"jobs", KEY_JOBS, "N", 0, "run, resume: number of runs of a sweep at a time (default 1)", 2}, " run resume "},
  {{"slurm", KEY_SLURM, "OPTIONS", OPTION_ARG_OPTIONAL, "run, resume: submit the runs as a Slurm job array, with OPTIONS of sbatch",
    2},
   " run resume "},
  {{"again", KEY_AGAIN, NULL, 0, "resume: repeat the failed runs of a sweep, too", 2}, " resume "},
  {{"task", KEY_TASK, "K", 0, "resume: only run K of a sweep, as a task of a job array", 2}, " resume "},
  {{"check", KEY_CHECK, NULL, 0, "fmt: write nothing; name the files that would change, with exit code 1", 2}, " fmt "},
  {{"port", KEY_PORT, "N", 0, "view: port on the loopback interface (default: any free port)", 2}, " view "},
  {{"man", KEY_MAN, NULL, 0, "help: print the source of a manual page", 2}, " help "},
  {{"no-warn", KEY_NO_WARN, "LIST", 0, "switch off the warnings with these names, or all", 2},
   " check compile run resume bench diagnose explore "},
  {{"werror", KEY_WERROR, NULL, 0, "treat warnings as errors", 2}, " check compile run bench diagnose explore "},
  {{NULL, 'h', NULL, OPTION_HIDDEN, NULL, -1}, NULL},
  {{"steps", KEY_STEPS, "N", OPTION_HIDDEN, NULL, -1}, NULL}, /* often tried: they are overrides */
  {{"lr", KEY_LR, "RATE", OPTION_HIDDEN, NULL, -1}, NULL},
  {{"emit", KEY_EMIT, "KIND", 0, "compile: ast, ir, flops, kernels, llvm, asm, dot, obj, so, header, onnx", 3}, " compile "},
  {{"print-after", KEY_PRINT_AFTER, "PASS", 0, "print the IR after a pass (derive, simplify, split, ... or all)", 3},
   " check compile run resume eval bench diagnose explore opt cache "},
  {{"passes", KEY_PASSES, "LIST", 0, "opt: the passes to run", 3}, " opt "},
  {{"time-passes", KEY_TIME, NULL, 0, "print where the compile time goes", 3},
   " check compile run resume eval bench diagnose explore opt cache "},
  {{"verify-each", KEY_VERIFY, NULL, 0, "verify the IR after every pass", 3},
   " check compile run resume eval bench diagnose explore opt cache "},
  {{"cpu", KEY_CPU, "NAME", 0, "compile for this processor (default: the host)", 4},
   " check compile run resume eval bench diagnose explore opt cache "},
  {{NULL, 'O', "LEVEL", 0, "code generation level 0, 1 or 2 (default 1)", 4},
   " check compile run resume eval bench diagnose explore opt cache "},
  {{"no-cache", KEY_NO_CACHE, NULL, 0, "do not use the cache of compiled code", 4},
   " check compile run resume eval bench diagnose explore opt cache "},
};
const int manual_options = sizeof manual_option / sizeof *manual_option;

const ManualCommand manual_command[] = {
#define COMMAND(name, takes, does, text) {#name, takes, does, text, command_##name},
#include "driver/manual/commands.def"
#undef COMMAND
};
const int manual_commands = sizeof manual_command / sizeof *manual_command;

const char manual_exit_codes[] =
    "0 success; 1 errors in the file; 2 wrong usage; 3 a failed expect, a refuted prove, a wrong "
    "derivative, or numbers that are not finite; 4 an error of a file or device; 70 a bug in the compiler.";

bool manual_is_for(const ManualOption *o, const char *command) {
  char word[32];
  snprintf(word, sizeof word, " %s ", command);
  return !o->commands || strstr(o->commands, word);
}
