/* The command line; the commands themselves are declared in driver/manual/manual.h. */
#ifndef HNNC_DRIVER_COMMANDS_COMMANDS_PRIV_H
#define HNNC_DRIVER_COMMANDS_COMMANDS_PRIV_H

#include "driver/manual/manual.h"

/* Fills o from the command line. Returns -1 to go on, or the exit code. */
int options_parse(Options *o, int argc, char **argv);

/* sweep.c: run with --sweep or --seeds; resume of the folder of one. */
int sweep_run(const Options *o);
bool sweep_asked(const Options *o); /* of `run` */
bool sweep_is(const char *dir);
int sweep_resume(const Options *o);

#endif
