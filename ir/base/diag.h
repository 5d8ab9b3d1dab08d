/* A collection of messages as it lies in memory: what diag.c collects, for those that draw it or hand it on. */
#ifndef HNNC_IR_BASE_DIAG_H
#define HNNC_IR_BASE_DIAG_H

#include "ir/base/base.h"

enum { DIAG_CAP = 20 }; /* errors shown in one run */

typedef struct DiagNote { /* a label (with its place) or a help line */
  struct DiagNote *next;
  Span at;
  const char *text;
} DiagNote;

struct DiagMsg {
  Arena *mem; /* the collection's */
  DiagCode code;
  Span at;
  const char *text;
  uint32_t order; /* of arrival */
  DiagNote *labels, **labels_end, *helps, **helps_end;
};

struct Diag {
  Source *src;
  Arena *mem;
  VEC(DiagMsg *) msgs;
  int errors, warnings;
  bool strict; /* warnings are shown as errors */
};

DiagLevel diag_shown_level(const Diag *d, const DiagMsg *m);

/* sorted by place, each once; *n of them, *more errors left out; to be freed */
DiagMsg **diag_sorted(const Diag *d, uint32_t *n, int *more);

#endif
