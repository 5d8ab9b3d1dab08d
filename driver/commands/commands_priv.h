/* The command line, and a function a command: 0 or the exit code. */
#ifndef HNNC_DRIVER_COMMANDS_COMMANDS_PRIV_H
#define HNNC_DRIVER_COMMANDS_COMMANDS_PRIV_H

#include "driver/driver.h"

/* Fills o from the command line. Returns -1 to go on, or the exit code. */
int options_parse(Options *o, int argc, char **argv);

int command_check(const Options *o);
int command_explain(const Options *o);
int command_compile(const Options *o);
int command_run(const Options *o);
int command_eval(const Options *o);
int command_resume(const Options *o);
int command_bench(const Options *o);
int command_cache(const Options *o);
int command_diagnose(const Options *o);
int command_runs(const Options *o);
int command_opt(const Options *o);
int command_explore(const Options *o);
int command_report(const Options *o);
int command_view(const Options *o);

/* sweep.c: run with --sweep or --seeds; resume of the folder of one. */
int sweep_run(const Options *o);
bool sweep_asked(const Options *o); /* of `run` */
bool sweep_is(const char *dir);
int sweep_resume(const Options *o);

#endif
