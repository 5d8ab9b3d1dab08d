/* The command line as a table, and what is made of it: the manual, manual pages, completions of shells. */
#ifndef HNNC_DRIVER_MANUAL_MANUAL_H
#define HNNC_DRIVER_MANUAL_MANUAL_H

#include "driver/driver.h"

#include <argp.h>

enum Key {
  KEY_EMIT = 256,
  KEY_PRINT_AFTER,
  KEY_TIME,
  KEY_VERIFY,
  KEY_CPU,
  KEY_NO_CACHE,
  KEY_JSON,
  KEY_BATCH,
  KEY_THREADS,
  KEY_SEED,
  KEY_PASSES,
  KEY_NO_WARN,
  KEY_WERROR,
  KEY_STEPS,
  KEY_LR,
  KEY_PARAMS,
  KEY_VJP, /* in the order of ProductKind */
  KEY_JVP,
  KEY_HVP,
  KEY_GRAD,
  KEY_COMPARE,
  KEY_SWEEP,
  KEY_SEEDS,
  KEY_JOBS,
  KEY_SLURM,
  KEY_AGAIN,
  KEY_TASK,
  KEY_RANKS,
  KEY_CHECK,
  KEY_PORT,
  KEY_MAN
};

typedef struct ManualOption {
  struct argp_option says;
  const char *commands; /* that it means something to, " a b "; NULL: all. To others it is refused, not ignored */
} ManualOption;

typedef struct ManualCommand {
  const char *name, *takes, *does;
  const char *text;             /* a paragraph */
  int (*run)(const Options *o); /* 0 or the exit code */
} ManualCommand;

extern const ManualOption manual_option[];
extern const ManualCommand manual_command[];
extern const int manual_options, manual_commands;
extern const char manual_exit_codes[];
void manual_version(FILE *out, struct argp_state *state);
bool manual_is_for(const ManualOption *o, const char *command);

/* command_check and so on: 0 or the exit code. */
#define COMMAND(name, takes, does, text) int command_##name(const Options *o);
#include "driver/manual/commands.def"
#undef COMMAND

#endif
