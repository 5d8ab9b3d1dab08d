/* The command line as a table: what --help, the manual, the manual pages and completions are made of. */
#include "driver/manual/manual.h"

#include <string.h>

const ManualOption manual_option[] = {
  {{"out", 'o', "PATH", 0,
    "run: make PATH itself the run directory; compile: write the library there; eval: the arrays (.npz, .npy, text); explore, "
    "report: the page",
    1},
   " run compile eval explore report "},
  {{"vjp", KEY_VJP, "F", 0, "compile: with F_vjp, cotangents of the arguments and parameters of F from those of its results", 2},
   " compile "},
  {{"jvp", KEY_JVP, "F", 0, "compile: with F_jvp, tangents of the results of F from those of its arguments", 2}, " compile "},
  {{"hvp", KEY_HVP, "F", 0, "compile: with F_hvp, the Hessian of a scalar F times a tangent", 2}, " compile "},
  {{"grad", KEY_GRAD, "F", 0, "compile: with F_grad, a scalar F and its gradient by each argument", 2}, " compile "},
  {{"params", KEY_PARAMS, "FROM", 0, "start from the parameters of a run, or of FILE.safetensors", 1},
   " run compile eval explore "},
  {{"threads", KEY_THREADS, "N", 0, "threads (default: all cores; results do not depend on it)", 1},
   " run resume compile eval bench diagnose check explore "},
  {{"seed", KEY_SEED, "S", 0, "change every seed of the file together (default 0: as written); eval: of draws", 1},
   " run compile eval bench diagnose check explore "},
  {{"quiet", 'q', NULL, 0, "no progress, only results and errors", 1}, " run resume compile eval explore report "},
  {{"batch", KEY_BATCH, "N", 0, "bench: samples in a step", 2}, " bench "},
  {{"ranks", KEY_RANKS, "N", 0, "bench: on N ranks, started by mpirun: computing, exchange and waiting", 2}, " bench "},
  {{"json", KEY_JSON, NULL, 0, "check, bench, diagnose, runs, explore, report: JSON", 2},
   " check bench diagnose runs explore report "},
  {{"compare", KEY_COMPARE, NULL, 0, "runs: what differs between RUN RUN ...", 2}, " runs "},
  {{"sweep", KEY_SWEEP, "NAME=[A, B, ...]", 0, "run: a run for each value of this override; several make a grid", 2}, " run "},
  {{"seeds", KEY_SEEDS, "A:B", 0, "run: a run for each seed A, ..., B - 1", 2}, " run "},
  {{"jobs", KEY_JOBS, "N", 0, "run, resume: so many runs of a sweep at a time (default 1)", 2}, " run resume "},
  {{"slurm", KEY_SLURM, "OPTIONS", OPTION_ARG_OPTIONAL, "run, resume: the runs as a job array of Slurm; OPTIONS of sbatch", 2},
   " run resume "},
  {{"again", KEY_AGAIN, NULL, 0, "resume: the runs of a sweep that failed, too", 2}, " resume "},
  {{"task", KEY_TASK, "K", 0, "resume: run K of a sweep alone, as a task of a job array", 2}, " resume "},
  {{"check", KEY_CHECK, NULL, 0, "fmt: write nothing; names of files in another layout, and exit code 1", 2}, " fmt "},
  {{"port", KEY_PORT, "N", 0, "view: the port of the loopback (default: any that is free)", 2}, " view "},
  {{"man", KEY_MAN, NULL, 0, "help: as the source of a manual page", 2}, " help "},
  {{"no-warn", KEY_NO_WARN, "LIST", 0, "no warnings of these names, or all", 2},
   " check compile run resume bench diagnose explore "},
  {{"werror", KEY_WERROR, NULL, 0, "warnings are errors", 2}, " check compile run bench diagnose explore "},
  {{NULL, 'h', NULL, OPTION_HIDDEN, NULL, -1}, NULL},
  {{"steps", KEY_STEPS, "N", OPTION_HIDDEN, NULL, -1}, NULL}, /* often tried: they are overrides */
  {{"lr", KEY_LR, "RATE", OPTION_HIDDEN, NULL, -1}, NULL},
  {{"emit", KEY_EMIT, "KIND", 0, "compile: ast, ir, flops, kernels, llvm, asm, dot, obj, so, header, onnx", 3}, " compile "},
  {{"print-after", KEY_PRINT_AFTER, "PASS", 0, "print the IR after a pass (derive, simplify, split, ... or all)", 3},
   " check compile run resume eval bench diagnose explore opt cache "},
  {{"passes", KEY_PASSES, "LIST", 0, "opt: passes to run on a file of IR text", 3}, " opt "},
  {{"time-passes", KEY_TIME, NULL, 0, "say where the compile time goes", 3},
   " check compile run resume eval bench diagnose explore opt cache "},
  {{"verify-each", KEY_VERIFY, NULL, 0, "verify the IR after every pass", 3},
   " check compile run resume eval bench diagnose explore opt cache "},
  {{"cpu", KEY_CPU, "NAME", 0, "compile for this processor (default: the host)", 4},
   " check compile run resume eval bench diagnose explore opt cache "},
  {{NULL, 'O', "LEVEL", 0, "code generation level 0, 1 or 2 (default 1)", 4},
   " check compile run resume eval bench diagnose explore opt cache "},
  {{"no-cache", KEY_NO_CACHE, NULL, 0, "do not read or write compiled objects", 4},
   " check compile run resume eval bench diagnose explore opt cache "},
};
const int manual_options = sizeof manual_option / sizeof *manual_option;

const ManualCommand manual_command[] = {
  {"check", "FILE [name=value ...]", "names, shapes, claims; many errors a run",
   "Reads FILE and what it imports, and says everything that can be known without running: names, shapes, claims and proofs. Many "
   "errors are found in one run, each with its place, what was expected and found, and what to write. `# allow: NAME` on a line, "
   "or above it, switches a warning off there."},
  {"compile", "FILE [name=value ...]", "write FILE's native model: a .so and a .h (or what --emit says)",
   "Writes FILE.so and FILE.h: functions, gradients, losses and trainings of the file as native code that needs neither hnnc nor "
   "LLVM. With --emit, what the compiler has on the way: the syntax tree, IR, operation counts, kernels, LLVM IR, assembly; or the "
   "functions that are named as an ONNX file."},
  {"run", "FILE [name=value ...]", "train, report, expect, from top to bottom, into runs/NAME/",
   "Does what FILE says from top to bottom: trains, reports, expects, plots, saves. All of it goes into a new folder, "
   "runs/NAME/DATE, with the model, its overrides, metrics and checkpoints; runs/NAME/latest leads to the newest. name=value puts "
   "another value in the place of one in the file: n=5, train.steps=100. The first Ctrl-C stops after the step and keeps it."},
  {"resume", "DIR", "go on where a stopped run was, bit for bit",
   "Goes on where the run in DIR was stopped, with the same bits as if it had not been; or with the runs of a sweep that are not "
   "done, with --again those that failed, too."},
  {"eval", "RUN FUNCTION [DATA]", "a function, report or expression of a trained run, on arrays",
   "Evaluates FUNCTION, a function, report or expression of the file, with the parameters that RUN ended with, on arrays of DATA "
   "(.npy, .npz, tables), and prints the result or writes it with --out."},
  {"runs", "[DIR]", "the runs of a folder, or --compare RUN RUN",
   "Lists the runs of DIR (runs by default) with their overrides and reports; with --compare, what differs between some."},
  {"report", "RUN [RUN ...]", "a page of a run, or of several beside one another",
   "Writes one HTML file, which needs no network, of a run: curves, plots, reports, expectations, proofs, times, the machine, and "
   "how to cite it; "
   "of several runs the same side by side. A folder stands for the runs in it. `-o` names the file."},
  {"view", "RUN", "shows the page of a run while it trains, on this machine alone",
   "Serves the page of a run on the loopback while it trains, and says its address, which has a token in it. Nothing but that run "
   "is served, and "
   "nothing can be changed. Ctrl-C ends it."},
  {"bench", "FILE [name=value ...]", "time, FLOP and share of the machine's peak of a training step",
   "Measures the training step of the first training of FILE: time, floating-point operations, and the share of the peak of the "
   "machine. With "
   "--ranks N, on N ranks: also what of a step is exchange, and what is waiting."},
  {"diagnose", "FILE [name=value ...]", "gradients against differences; flows: round trips, defects",
   "Compares the gradients of each loss, by parameters and in mixed second derivatives, with differences; and of each flow the "
   "round trip and how far its Jacobian is from symplectic."},
  {"fmt", "FILE ...", "lay out files in the one style, or see with --check whether they are",
   "Lays programs out in the one style and replaces the files; `-` reads the standard input and writes to the standard output. "
   "Comments, line breaks and meaning stay. A file with syntax errors is told of and left as it is; the others are laid out all "
   "the same. With --check nothing is written, and the files that would change are named."},
  {"lsp", "", "a language server on the standard input and output, for editors",
   "Speaks the Language Server Protocol on the standard input and output: messages while typing, shapes, definitions, references, "
   "completion, other names, mends, colours, layout. An editor starts it."},
  {"explore", "FILE [name=value ...]", "a page of source, IR after each pass, code, numbers, derivatives",
   "Writes one HTML file, which needs no network: source, syntax tree, IR after each pass, kernels and assembly side by side, "
   "linked by place; each "
   "derivative with its rule, its numbers at some samples, and its error against differences; sparsity patterns; proofs."},
  {"explain", "[CODE]", "what `error[CODE]` means, with a program mended; alone: all codes",
   "Prints the page of a kind of message: what it means, a program that gives it, and the same mended."},
  {"cache", "[ACTION]", "what is kept of earlier compilations: show (default), verify, trim, clear",
   "Shows, verifies, trims or clears what is kept of earlier compilations, in $HNNC_CACHE_DIR, $XDG_CACHE_HOME/hnnc or "
   "~/.cache/hnnc."},
  {"opt", "FILE", "run passes on IR text",
   "Reads a function as IR text and runs passes on it: for those who work on the compiler."},
  {"help", "[COMMAND]", "what a command does, its arguments and options",
   "Prints the manual of a command, or a list of all. With --man, as the source of a manual page."},
  {"completion", "SHELL", "a script that completes commands, options and files: bash, zsh, fish",
   "Prints what a shell needs to complete the words of a command line: `hnnc completion bash "
   ">~/.local/share/bash-completion/completions/hnnc`, or for zsh a file _hnnc on $fpath, or for fish "
   "~/.config/fish/completions/hnnc.fish."},
};
const int manual_commands = sizeof manual_command / sizeof *manual_command;

const char manual_exit_codes[] =
    "0; 1 errors in the file; 2 usage; 3 a failed expect, a refuted prove or numbers that are not finite; 4 files or device; 70 a "
    "fault of the compiler.";

bool manual_is_for(const ManualOption *o, const char *command) {
  char word[32];
  snprintf(word, sizeof word, " %s ", command);
  return !o->commands || strstr(o->commands, word);
}
