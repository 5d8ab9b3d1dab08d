/* Bodies that are run many times: how they were in the first turn, in the first one in which something was not finite, and how large values
 * were over the turns. Turns are counted through: those of an inner loop go on where the outer one begins again. */
#include "driver/explore/values.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EACH = POINTS * SHOWN };

Ran ran_create(const Fn *f) {
  return (Ran){.f = f, .seen = base_zeroed(f->inst.n, sizeof(Seen)), .turn = -1, .stride = 1, .bad_turn = -1, .last = UINT32_MAX};
}

void ran_finish(Ran *r) {
  base_free(r->seen);
  base_free(r->first);
  base_free(r->bad);
  base_free(r->size);
}

static double *all_shown(const Ran *r) {
  double *out = base_zeroed((size_t)r->f->inst.n * EACH, sizeof *out);
  for (uint32_t id = 1; id < r->f->inst.n; id++) memcpy(out + (size_t)id * EACH, r->seen[id].shown, sizeof r->seen[id].shown);
  return out;
}

/* Every second of the turns that are kept is forgotten. */
static void thin(Ran *r) {
  for (uint32_t id = 1; id < r->f->inst.n; id++)
    for (int k = 0; k < TURNS_KEPT / 2; k++) r->size[id][k] = r->size[id][2 * k];
  r->stride *= 2;
}

/* A turn is over: what of it is to stay is copied. */
static void turn_ends(Ran *r) {
  if (r->turn == 0) {
    r->first = all_shown(r);
    r->size = base_zeroed(r->f->inst.n, sizeof *r->size);
    for (uint32_t id = 1; id < r->f->inst.n; id++) r->size[id][0] = r->seen[id].now;
  }
  if (r->turn == r->bad_turn && !r->bad) r->bad = all_shown(r);
}

void turns_begin(Ran *r, uint32_t id) {
  const bool begins = r->last == UINT32_MAX || id <= r->last;
  r->last = id;
  if (!begins) return;
  if (r->turn >= 0) turn_ends(r);
  r->turn++;
  if (r->turn / r->stride >= TURNS_KEPT) thin(r);
}

void turns_take(Ran *r, uint32_t id) {
  const Seen *s = &r->seen[id];
  if (s->bad_now && r->bad_turn < 0) r->bad_turn = r->turn;
  if (r->turn > 0 && r->turn % r->stride == 0) r->size[id][r->turn / r->stride] = s->now;
}

static json_t *shown_json(const Ran *r, const double *shown) {
  json_t *out = json_array();
  for (uint32_t id = 1; id < r->f->inst.n; id++) {
    const Seen *s = &r->seen[id];
    json_array_append_new(out, s->n ? explore_shown(shown + (size_t)id * EACH, s->lanes, s->elems, json_array()) : json_null());
  }
  return out;
}

/* To three digits: there are many. */
static json_t *rough(double v) {
  char text[32];
  snprintf(text, sizeof text, "%.3g", v);
  return explore_number(isfinite(v) ? strtod(text, NULL) : v);
}

json_t *turns_json(Ran *r) {
  if (r->turn < 1) return NULL;
  if (r->turn == r->bad_turn) r->bad = all_shown(r);
  const int64_t kept = r->turn / r->stride + 1;
  json_t *size = json_array();
  for (uint32_t id = 1; id < r->f->inst.n; id++) {
    json_t *of = r->seen[id].n ? json_array() : json_null();
    for (int64_t k = 0; r->seen[id].n && k < kept; k++) json_array_append_new(of, rough(sqrt(r->size[id][k])));
    json_array_append_new(size, of);
  }
  return json_pack("{s:I, s:I, s:I, s:o, s:o, s:o}", "count", (json_int_t)(r->turn + 1), "stride", (json_int_t)r->stride, "badTurn",
                   (json_int_t)r->bad_turn, "first", shown_json(r, r->first), "bad", r->bad ? shown_json(r, r->bad) : json_null(),
                   "size", size);
}
