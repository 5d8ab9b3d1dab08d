/* What the files of the library share: a model that is open, and how a call enters it. */
#ifndef HNNC_DRIVER_LIBRARY_MODEL_H
#define HNNC_DRIVER_LIBRARY_MODEL_H

#include "driver/library/hnnc.h"
#include "driver/run/recorded.h"
#include "driver/run/runner.h"
#include "frontend/model/tree.h"

#include <locale.h>

struct hnnc_model {
  BaseHeap *heap; /* of all that the compiler takes for it */
  Arena *mem;     /* what is given out */
  Options opt;
  Session s;
  Tree tree; /* mem NULL: none was asked for */
  hnnc_status state;
  bool broken;     /* a fault ended a call, or there was no opening: nothing of the session may be used */
  char fault[512]; /* why */
  char shown[600]; /* as the command would say it */
  hnnc_message last;
  bool busy;            /* a call is under way, and perhaps in a function of the caller */
  BaseHeap *outer_heap; /* of the caller of this call */
  locale_t plain, outer_locale;
  volatile int stop;   /* by any thread */
  Recorded recorded;   /* of hnnc_open_run; run NULL: it is none */
  Runner runner;       /* of the last run; s NULL: there was none */
  const char *run_dir; /* of it; NULL: it has none */
  struct Calls *calls; /* NULL until functions are asked for */
  bool (*import_text)(void *ctx, const char *path, const char **text, size_t *len);
  void *ctx;
  /* given out, NULL until asked for */
  hnnc_param *param;
  hnnc_function *function;
  hnnc_left *left;
  hnnc_claim *claim;
  hnnc_node *node;
  hnnc_report *report;
  hnnc_expect *expect;
  size_t nparam, nfunction, nleft, nclaim, nreport, nexpect;
  Arena *said; /* messages as given out last */
  char *drawn; /* hnnc_messages_text; of the system */
};

/* Does f(m, arg) in the model's heap and the C locale; what ends in a fault is HNNC_FAULT, and nothing is done with a model that
 * had one, nor inside of another call. */
hnnc_status library_call(hnnc_model *m, hnnc_status (*f)(hnnc_model *m, void *arg), void *arg);
/* hnnc_open, _text, _run: text NULL: path is a file, or a run. */
hnnc_model *library_make(const char *path, const char *text, size_t len, bool run, const hnnc_options *o);
hnnc_status library_open_run(hnnc_model *m, const char *dir); /* when m->opt are this call's */
/* Around a function of the caller's: in its heap and locale. */
void library_leave(hnnc_model *m);
void library_return(hnnc_model *m);
/* Copies what a caller gives, by an older header or a newer one: what an older one does not have stays zero, what a newer one has
 * more must be. `first`: the size that the first header had. */
bool library_options(void *out, size_t size, size_t first, const void *given);
hnnc_place library_place(const hnnc_model *m, Span at);
/* Of an exit code of the command. */
hnnc_status library_status(int code);

#endif
