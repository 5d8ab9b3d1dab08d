/* Between the files of the plan. */
#ifndef HNNC_CODEGEN_PLAN_PLAN_PRIV_H
#define HNNC_CODEGEN_PLAN_PLAN_PRIV_H

#include "codegen/plan/plan.h"

/* `like`: an outline of the plan: arena, function, form, target, lanes, and in a body what is around it. */
Plan *plan_walk(const Plan *like);
bool plan_in_place(const Plan *p, uint32_t carry); /* plan_carry.c: of the loop p; all homes are known */
/* plan_carry.c: vectors of a carry with one buffer that one sweep alone reads and writes, all of them written out; 0: another. */
int64_t plan_carry_vectors(const Plan *p, uint32_t carry);
bool plan_sweep_in_place(const Plan *p, uint32_t group, Val old); /* a sweep may store where it reads `old` */
void plan_fuse(Plan *p);                                          /* plan_sweep.c: loops that read each other shifted become one */
/* v is going to be stored: true if its group is now one that computes or reads what is inside, and leaves v as ROOT_AROUND. */
bool plan_around(Plan *p, Val v);
void plan_sums(Plan *p);        /* plan_sums.c */
void plan_cut(Plan *p);         /* plan_cut.c */
void plan_refill(Plan *p);      /* adaptive/plan_refill.c: groups have times, and the tile its pieces */
void plan_parts(Plan *p);       /* plan_parts.c: which values lie inside others; times are known */
void plan_parts_place(Plan *p); /* and where, once those have places */
/* plan_pack.c: writes *off of each; returns the bytes of all. `order`: among those of one size. */
typedef struct PlanItem {
  int64_t bytes, *off;
  uint32_t t0, t1, order;
} PlanItem;
int64_t plan_pack(PlanItem *item, uint32_t n);
void plan_finish(Plan *p); /* plan_store.c: homes, what is stored, scratch */

#endif
