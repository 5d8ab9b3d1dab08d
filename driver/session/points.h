#ifndef HNNC_DRIVER_SESSION_POINTS_H
#define HNNC_DRIVER_SESSION_POINTS_H

#include "driver/session/session.h"

enum { POINTS = 4 };

EvalEnv points_environment(void);
/* An input at its values: parameters as they are, fields of the set or drawn; v is allocated. */
void points_fill(Session *s, const Input *in, const RtSet *set, Tensor *t);

#endif
