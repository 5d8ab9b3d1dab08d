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
  {"check", "FILE [name=value ...]", "check FILE without running it: names, shapes, claims",
   "Reads FILE and its imports, and reports everything that can be known without running: errors in names and shapes, "
   "warnings, claims, proofs. One run reports many errors. Each error has its place, what was expected and found, and what "
   "to write instead. A comment `# allow: NAME` switches a warning off on its line, or on the line below it."},
  {"compile", "FILE [name=value ...]", "write a shared library and a C header for FILE",
   "Writes FILE.so and FILE.h: the functions, gradients, losses and trainings of FILE as native code, which needs neither "
   "hnnc nor LLVM. With --emit, writes an intermediate result instead: the syntax tree, IR, operation counts, kernels, LLVM "
   "IR or assembly. With --emit=onnx, writes the named functions as an ONNX file."},
  {"run", "FILE [name=value ...]", "run FILE: train, report, expect, plot, save",
   "Executes FILE from top to bottom: trains, reports, expects, plots, saves. The results go into a new run directory, "
   "runs/NAME/DATE, with the model, its overrides, metrics and checkpoints. The link runs/NAME/latest points to the newest. "
   "name=value overrides a value of the file: n=5, train.steps=100. The first Ctrl-C finishes the step and keeps the run, "
   "which `hnnc resume` continues."},
  {"resume", "DIR", "continue a stopped run, bit for bit",
   "Continues the run in DIR. The results have the same bits as without the stop. If DIR is a sweep, runs those of its runs "
   "that are not finished; with --again, also those that failed."},
  {"eval", "RUN FUNCTION [DATA]", "evaluate a function or expression of a trained run",
   "Evaluates FUNCTION, which is a function, report or expression of the file, with the final parameters of RUN, on the "
   "arrays in DATA (.npy, .npz, tables). Prints the result, or writes it with --out."},
  {"runs", "[DIR]", "list runs, or show what differs between them",
   "Lists the runs in DIR (default: runs) with their overrides and reports. With --compare RUN RUN ..., shows what differs "
   "between them."},
  {"report", "RUN [RUN ...]", "write an HTML page about a run, or several runs",
   "Writes one HTML file about a run, which works offline: curves, plots, reports, expectations, proofs, times, the machine, "
   "and how to cite the run. Several runs are shown side by side. `-o` names the file."},
  {"view", "RUN", "serve the page of a run while it trains",
   "Serves the page of a run on the loopback interface while it trains, and prints its address, which contains a token. Only "
   "this run is served, and nothing can be changed. Ctrl-C stops the server."},
  {"bench", "FILE [name=value ...]", "measure a training step: time, FLOP, share of the peak",
   "Measures a training step of the first training in FILE: its time, its floating-point operations, and its share of the "
   "machine's peak. With --ranks N, runs on N ranks and also shows the time for exchange and for waiting."},
  {"diagnose", "FILE [name=value ...]", "compare gradients with differences, and test flows",
   "Compares the gradients of each loss, by the parameters and in mixed second derivatives, with finite differences. For "
   "each flow, shows the error of the round trip, and how far its Jacobian is from symplectic."},
  {"fmt", "FILE ...", "format files, or check their format",
   "Formats programs in the standard style, in place. `-` reads standard input and writes to standard output. Comments, line "
   "breaks and meaning are kept. A file with syntax errors is reported and left unchanged; the other files are still "
   "formatted. With --check, writes nothing, and names the files that would change."},
  {"lsp", "", "start a language server for editors",
   "Speaks the Language Server Protocol on standard input and output: diagnostics while you type, shapes, definitions, "
   "references, completion, renaming, quick fixes, colours, formatting. Your editor starts it."},
  {"explore", "FILE [name=value ...]", "write an HTML page of IR, code, values and derivatives",
   "Writes one HTML file, which works offline: source, syntax tree, IR after each pass, kernels and assembly side by side, "
   "linked by source line. It also has each derivative with its rule, its values at some samples, and its error against "
   "finite differences; sparsity patterns; and proofs."},
  {"explain", "[CODE]", "explain an error or a warning; alone: list all",
   "Prints what a message with this code means, a program that causes it, and the corrected program."},
  {"cache", "[ACTION]", "show, verify, trim or clear the cache of compiled code",
   "Shows (the default), verifies, trims or clears the cache of compiled code, in $HNNC_CACHE_DIR, $XDG_CACHE_HOME/hnnc or "
   "~/.cache/hnnc."},
  {"opt", "FILE", "run compiler passes on IR text",
   "Reads a function as IR text and runs passes on it. It is meant for work on the compiler."},
  {"help", "[COMMAND]", "print the manual of a command",
   "Prints the manual of a command, or a list of all commands. With --man, prints the source of a manual page."},
  {"completion", "SHELL", "print completions for bash, zsh or fish",
   "Prints a script that completes commands, options and files in your shell. For bash, write it to "
   "~/.local/share/bash-completion/completions/hnnc; for zsh, to a file _hnnc on $fpath; for fish, to "
   "~/.config/fish/completions/hnnc.fish."},
};
const int manual_commands = sizeof manual_command / sizeof *manual_command;

const char manual_exit_codes[] = "0 success; 1 errors in the file; 2 wrong usage; 3 a failed expect, a refuted prove, or numbers "
                                 "that are not finite; 4 an error "
                                 "of a file or device; 70 a bug in the compiler.";

bool manual_is_for(const ManualOption *o, const char *command) {
  char word[32];
  snprintf(word, sizeof word, " %s ", command);
  return !o->commands || strstr(o->commands, word);
}
