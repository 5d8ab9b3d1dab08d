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
void export_globals(Elab *E);

#endif
