/* Of items alone. */
#ifndef HNNC_FRONTEND_ITEMS_ITEMS_PRIV_H
#define HNNC_FRONTEND_ITEMS_ITEMS_PRIV_H

#include "frontend/items/items.h"

bool item_option_twice(Elab *E, const Item *it, const Arg *o); /* o stands in its options before: the error */
bool train_option(const char *name);
const char *train_options(Elab *E); /* "optimizer, schedule, ..." */
/* sum.c: the losses, of which train_read says whether all could be read; options that are for all of them, or for each; at last, what
 * does not fit together. */
void sum_losses(Elab *E, Train *t, const Item *it);
bool train_read(const Train *t);
void sum_batch(Elab *E, Train *t, const OptionArg *w);
void sum_test(Elab *E, Train *t, const OptionArg *w);
void sum_check(Elab *E, const Train *t, const Item *it);
bool option_count(Elab *E, const OptionArg *w, int64_t low, int64_t *out);
/* moved.c: the parameters that t moves; at: of the option `only`. */
void moved_all(Elab *E, Train *t, const Item *it);
const char *moved_no_derivative(const Fn *f); /* what of a loss has none by its parameters; NULL: all has */
void moved_only(Elab *E, Train *t, Value v, Span at);
/* A name that becomes a file's, or that of a member of an archive: an error if it is too long for one. */
void item_file_name(Elab *E, const char *name, Span at, const char *what);
/* Data that an item at this place needs: what follows from parameters was made above, or is made before it. False after an error. */
bool item_place(Elab *E, Data *d, Span at);
/* export.c: the types of the arguments of f, which the file defines as g. *declared: all stand in the file; otherwise they are those of
 * the first call. False: they are not known. */
bool item_argument_types(Elab *E, const Global *g, const Func *f, Type *t, uint32_t *n, bool *declared);
/* save.c: all that the item saves, and v as the array of key k; false after an error. */
bool item_arrays(Elab *E, const Item *it, Save *s);
bool item_array(Elab *E, const char *name, Value v, Span at, Save *s, uint32_t k);
/* Reports above may be named: a plain name is the mean. A name that the file or the language has keeps its meaning, unless `hides`; the
 * statistics of such a report still find it. Then begins an inner frame. */
void item_reports(Elab *E, Root *root, bool hides);
/* The data that an item stands `on`, with its fields in scope; NULL after an error. */
Data *item_data(Elab *E, Root *root, const Item *it);

#endif
