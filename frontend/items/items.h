/* What a file asks for: trainings, reports, expectations, plots, functions to export. */
#ifndef HNNC_FRONTEND_ITEMS_ITEMS_H
#define HNNC_FRONTEND_ITEMS_ITEMS_H

#include "frontend/elab/elab.h"

/* override.c: replaces const values and options of trainings in the trees */
void override_apply(Elab *E);
void train_item(Elab *E, const Item *it);
void train_monitors(Elab *E); /* when all items are elaborated */
void report_item(Elab *E, const Item *it);
void expect_item(Elab *E, const Item *it);
void plot_item(Elab *E, const Item *it);
void save_item(Elab *E, const Item *it);
/* A `use` or `data` of the file was met: if it is data that follows from parameters, it is made here. */
void item_starts(Elab *E, const Item *it, Value v); /* use v from a file */
void item_made(Elab *E, Value v, Span at);
void export_globals(Elab *E);
void ask_item(Elab *E); /* E->o->ask, when all else is elaborated */

#endif
