/* Groups of a plan as LLVM IR: between the files gen_*.c. */
#ifndef HNNC_CODEGEN_GEN_GEN_PRIV_H
#define HNNC_CODEGEN_GEN_GEN_PRIV_H

#include "codegen/adaptive/adaptive.h"
#include "codegen/element/element.h"
#include "codegen/matrix/matrix.h"

/* Where a piece of a tile finds its values (gen_piece.c), and a group written once for several (gen_outline.c). */
extern const Scope gen_piece_scope, gen_outline_scope;

/* ---- gen_roots.c: what groups leave behind -------------------------------------------------------------------------- */

void gen_open_roots(Gen *g, Frame *fr, const Group *gr);
unsigned gen_rolled_sums(Gen *g, Frame *fr, const Group *gr, CgSums when, LLVMValueRef *v); /* number of vectors */
void gen_roots(Gen *g, Frame *fr, const Group *gr, Idx *at);                                /* inside the loops */
void gen_tiny_roots(Gen *g, Frame *fr, const Group *gr);                                    /* of straight code */
void gen_close_roots(Gen *g, Frame *fr, const Group *gr);

/* ---- gen_group.c, gen_product.c, gen_fill.c, gen_scan.c, gen_ode.c: groups ------------------------------------- */

void gen_groups(Gen *g, Frame *fr, Section s);
void gen_group(Gen *g, Frame *fr, uint32_t k);
void gen_group_code(Gen *g, Frame *fr, uint32_t k); /* here, whatever else is like it */

/* gen_piece.c: tiles in pieces */
void gen_piece_calls(Gen *g, const Plan *p, const char *symbol); /* one after the other, for g->tile, and those of this share */
void gen_pieces(Gen *g, const Plan *p, const char *symbol);      /* those of this share */

/* gen_outline.c: groups that are alike, written once */
void gen_outlines_init(Gen *g, const Plan *p);
void gen_outlines_finish(Gen *g);
bool gen_outlined(Gen *g, Frame *fr, uint32_t k); /* false: not done, the group is to be written here */
/* gen_sums.c: sums over the tiles of a call */
void gen_open_sums(Gen *g, Frame *fr);
/* Zeros where they are added up in place: those that the first tile sets only if there is no tile. */
void gen_zero_sums(Gen *g, Frame *fr, bool first_sets);
void gen_close_sums(Gen *g, Frame *fr);

void gen_close_sum(Gen *g, LLVMValueRef acc, int64_t n, LLVMValueRef dst); /* gen_sums.c: n accumulators to dst */

void gen_gemm(Gen *g, Frame *fr, const Group *gr);
void gen_dot_loops(Gen *g, Frame *fr, const Group *gr);
void gen_gemv(Gen *g, Frame *fr, const Group *gr); /* gen_single.c; a big result to the group's scratch */
void gen_outer(Gen *g, Frame *fr, uint32_t group);
void gen_dw(Gen *g, Frame *fr, uint32_t group);

void gen_concat(Gen *g, Frame *fr, const Group *gr);
void gen_put(Gen *g, Frame *fr, const Group *gr);
void gen_around_open(Gen *g, Frame *fr, Val v); /* its zeros */
void gen_around(Gen *g, Frame *fr, Val v, Idx *at);
void gen_scatter(Gen *g, Frame *fr, const Group *gr); /* gen_scatter.c */
void gen_rand(Gen *g, Frame *fr, const Group *gr);    /* gen_draw.c */

void gen_scan(Gen *g, Frame *fr, const Group *gr);
void gen_turns(Gen *g, Frame *fr, const Group *gr); /* of a map, as lanes */
void gen_ode(Gen *g, Frame *fr, const Group *gr);
/* The same where lanes are refilled: of each of the tiles that wait, by its number; the steps, of all; of each of them. */
LLVMValueRef gen_ode_rates(Gen *g, Frame *fr, const Group *gr); /* and what all samples share */
void gen_ode_begin(Gen *g, Frame *fr, const Group *gr, LLVMValueRef rates, LLVMValueRef number);
void gen_ode_steps(Gen *g, Frame *fr, const Group *gr, LLVMValueRef rates, LLVMValueRef tiles);
void gen_ode_end(Gen *g, Frame *fr, const Group *gr, LLVMValueRef number);

#endif
