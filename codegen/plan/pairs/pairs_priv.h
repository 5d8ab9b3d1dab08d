/* Between the files of sums over pairs: plan_pairs.c finds them and decides, block.c writes the matrix. */
#ifndef HNNC_CODEGEN_PLAN_PAIRS_PAIRS_PRIV_H
#define HNNC_CODEGEN_PLAN_PAIRS_PAIRS_PRIV_H

#include "codegen/plan/plan_priv.h"

enum { PAIRS_MAPS = 64, PAIRS_TERMS = 256 };

typedef struct Around {
  const Fn *f;
  const Inst *call;
  const struct Around *up;
} Around; /* where a body stands */

typedef struct Term {
  Val v;
  bool neg;
  uint32_t at; /* the row where it begins */
  Val in;      /* the concatenation that it is a part of, or none */
} Term;

typedef struct Member {
  Val scan;
  uint32_t first, n, row; /* the rows that are mapped over; the one that is given */
  bool here;              /* part of the block */
} Member;

typedef struct Pairs {
  const Around *at;
  const CgTarget *target;
  unsigned vl;
  Val root, x; /* the sum; the bodies */
  Term term[PAIRS_TERMS];
  uint32_t nterm;
  Member member[PAIRS_MAPS];
  uint32_t n, count, dim;   /* members; bodies, and numbers of one */
  uint32_t xs, over, given; /* inputs of the body: the row that is mapped over, the one that is given */
  bool neg;
  uint32_t size; /* of the block */
} Pairs;

Val plan_pairs_result_of(const Fn *f, Val v, uint32_t *k);                /* of which scan v is result k, through a reshape */
const Member *plan_pairs_member(const Pairs *p, Val scan);                /* or NULL */
bool plan_pairs_numbers(const Around *a, Val v, uint32_t n, double *out); /* the n constants that v is */
void plan_pairs_copy_body(Build *b, const Fn *body, const Val *in, Val *map);

/* The sum with its block, in a copy of f; map: by id of f. None: a pair has two maps. */
Val plan_pairs_rewritten(const Pairs *p, Build *b, const Val *map);

#endif
