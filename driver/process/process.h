/* What this process shows around its work: how it ends, what it writes to, what it waits for. */
#ifndef HNNC_DRIVER_PROCESS_PROCESS_H
#define HNNC_DRIVER_PROCESS_PROCESS_H

#include "ir/base/base.h"

#include <sys/types.h>

/* ---- stop.c, outfile.c ---- */

/* SIGINT, SIGTERM and SIGHUP end the command at once; what is half made then goes first. */
void stop_catch(void);
void stop_removes(const char *path); /* a file or a folder that goes then */
void stop_keeps(const char *path);   /* not any more: it is whole, or gone */
void stop_child(pid_t pid);          /* ends then, with the group that it leads; 0: there is none */
void stop_clean(void);               /* all of this, in a handler */
/* Between these two a signal waits; then whoever catches it by now gets it. */
void stop_hold(void);
void stop_release(void);

/* A file that comes under its name when it is whole. path NULL: the standard output. */
typedef struct OutFile {
  FILE *f;
  const char *path, *made;
  char *own;
  struct Kept *kept;
} OutFile;
void out_folders(const char *path);           /* makes those above the file; whoever opens it meets what fails */
void out_begin(OutFile *o, const char *path); /* whoever writes it opens o->made */
FILE *out_open(OutFile *o, const char *path); /* NULL and errno: nothing to end */
/* The standard output as a stream that keeps why it failed first: errno is another one's when a command ends. */
void out_stdout(void);
int out_stdout_error(void);          /* an errno; ENOSPC if nothing is known */
bool out_end(OutFile *o, bool keep); /* false and errno: it is not there */

/* ---- own.c ---- */

#define OWN_PROGRAM "/proc/self/exe"
/* The path of the program that runs; false, and "", if it is not known or longer than that. */
bool own_program(char *path, size_t size);

/* ---- waiting.c ---- */

/* Between these two, whoever waits long for the compiler is told on stderr what it is at. */
void waiting_begin(const char *command, Source *const *src);
void waiting_at(const char *what, const char *name, Span at);  /* from any thread; "": it is not the compiler now */
void waiting_run(const char *what, const char *name, Span at); /* the same, of what the program does */
void waiting_code(const char *symbol);                         /* the same, if it is the compiler that is waited for */
void waiting_end(void);

#endif
