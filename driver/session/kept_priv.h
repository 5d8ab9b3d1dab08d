/* What is kept between processes: in the folder of compiled objects, each with a checksum. */
#ifndef HNNC_DRIVER_SESSION_KEPT_PRIV_H
#define HNNC_DRIVER_SESSION_KEPT_PRIV_H

#include "driver/session/native.h"

void kept_refused(const char *path); /* a file of that folder that others can write to: said once */
/* Now and then: the objects used last stay, up to kept_limit(quiet). */
void kept_tidy(const char *dir, bool quiet);

/* proved.c: pass_decide, or what it said before and `dir` kept (NULL: nothing). may(ctx) false: what is not kept stays undecided. */
FieldAnswer proved_decide(PassRun *run, const char *dir, const Fn *a, const Fn *b, FieldReport *r, bool (*may)(void *), void *ctx);

/* ---- kept.c ---- */

/* The model of s->opt->file (text NULL) or of a text, as it was made before of the same: with it come s->src, and s->diag
 * with the messages of then. NULL: it has to be made. */
Model *kept_model(Session *s, const char *text, size_t len);
void kept_put_model(Session *s);
/* Before the frontend looks into a data file. */
void kept_table(Session *s, Arena *mem, const char *path);

/* The same for what lowering makes of a job: its native's fn, split, memory and running. After false `k` is for
 * kept_put_lowered, which frees it. */
typedef struct KeptKey {
  char *p;
  size_t n;
} KeptKey;
bool kept_lowered(const Session *s, const NativeJob *j, KeptKey *k);
void kept_put_lowered(const Session *s, const NativeJob *j, KeptKey *k);

#endif
