/* Warnings about what is legal and probably not meant. They are given where no error was. */
#ifndef HNNC_FRONTEND_WARN_WARN_H
#define HNNC_FRONTEND_WARN_WARN_H

#include "frontend/elab/elab.h"

void warn_train(Elab *E, const Train *t, const Item *it); /* a training, of its options and data */
void warn_model(Elab *E);                                 /* the file as a whole, once all of it is elaborated */

#endif
