#ifndef HNNC_DRIVER_SESSION_PROOFS_H
#define HNNC_DRIVER_SESSION_PROOFS_H

#include "driver/session/session.h"
#include "runtime/rundir/rundir.h"

void proofs_print(const Session *s, FILE *out, bool own); /* a line each; own: without those of imports */
void proofs_lines(const Session *s, FILE *out);           /* as JSON, one object a line */
bool proofs_refuted(const Session *s);                    /* whether a `prove` does not hold: an error for each in s->diag */
RtProof *proofs_list(const Session *s);                   /* model->nproof of them, in the model's arena */
json_t *proofs_json(const Session *s);

#endif
