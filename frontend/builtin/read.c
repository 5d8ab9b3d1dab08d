/* read("file", name = column, ..., window = m, group = column): what is looked for in a data file.
 * Columns are named by position or by the header, so the arguments are not evaluated like others:
 * a bare name that means nothing in the file of the model is a column's. With `missing = nan` each field that has gaps is followed
 * by its mask, a field of the same column. */
#include "frontend/builtin/builtin_priv.h"

#include <string.h>
#include <unistd.h>

typedef struct Read {
  Data *d;
  TableInfo info;
  bool known; /* info was filled in */
  Span path_at;
  const Arg *window, *group, *missing;
  uint32_t room;
  uint32_t *index; /* by field: its column in info */
  bool all;        /* no column is named */
  int64_t rows;    /* of the fields, said first by this one; NULL: none has rows yet */
  const char *rows_of;
} Read;

const char *elab_file(Elab *E, const char *path) {
  if (path[0] == '/' || !strcmp(E->now->frame->module->dir, ".")) return path;
  const char *beside = arena_printf(E->mem, "%s/%s", E->now->frame->module->dir, path);
  return elab_look(E, beside, F_OK) || !elab_look(E, path, F_OK) ? beside : path;
}

/* The reader's message without the path, which is said already: "PATH:3: why" and "cannot open PATH: why". */
const char *elab_file_reason(Elab *E, const char *err, const char *path) {
  const char *at = strstr(err, path);
  size_t n = strlen(path);
  if (!at || at[n] != ':') return err;
  at += n + 1;
  size_t digits = strspn(at, "0123456789");
  if (digits && at[digits] == ':') return arena_printf(E->mem, "line %s", at);
  return at + strspn(at, " ");
}

static bool look(Elab *E, Read *r) {
  char err[512] = "it cannot be opened";
  if (!E->o->table) return true;
  if (E->o->table(E->o->ctx, E->mem, r->d->path, r->d->gaps, &r->info, err, sizeof err)) return r->known = true;
  DiagMsg *m = elab_error(E, CODE_file, r->path_at, "cannot read `%s`: %s", r->d->path, elab_file_reason(E, err, r->d->path));
  if (access(r->d->path, F_OK) != 0)
    elab_help(m, "a path is relative to the directory of the model, then to the working directory");
  return false;
}

static void headers(const Read *r, const char **out, uint32_t *n) {
  *n = 0;
  for (uint32_t i = 0; i < r->info.ncolumn && *n < 128; i++)
    if (r->info.column[i].name) out[(*n)++] = r->info.column[i].name;
}

/* Several columns of one name are taken by their numbers. */
static bool only_one(Elab *E, const Read *r, uint32_t first, Span at) {
  const char *name = r->info.column[first].name;
  for (uint32_t k = first + 1; k < r->info.ncolumn; k++)
    if (r->info.column[k].name && !strcmp(r->info.column[k].name, name)) {
      elab_help(
          elab_error(E, CODE_column, at, "`%s` has several columns `%s`: %u and %u, counted from 0", r->d->path, name, first, k),
          "select one by its number, `read(\"...\", x = %u)`", first);
      return false;
    }
  return true;
}

static const char *listed(Elab *E, const char *const *name, uint32_t n) {
  enum { SHOWN = 12 };
  const char *text = "";
  for (uint32_t i = 0; i < n && i < SHOWN; i++) text = arena_printf(E->mem, "%s%s`%s`", text, i ? ", " : "", name[i]);
  return n <= SHOWN ? text : arena_printf(E->mem, "%s, and %u more", text, n - SHOWN);
}

static bool by_header(Elab *E, const Read *r, const char *header, Span at, uint32_t *out) {
  const char *known[128];
  uint32_t n;
  for (*out = 0; *out < r->info.ncolumn; ++*out)
    if (r->info.column[*out].name && !strcmp(r->info.column[*out].name, header)) return only_one(E, r, *out, at);
  headers(r, known, &n);
  DiagMsg *m = r->info.tree
                   ? elab_error(E, CODE_column, at, "`%s` has no dataset `%s`", r->d->path, header)
                   : elab_error(E, CODE_column, at,
                                n ? "the table has no column `%s`" : "the table has no header, so there is no column `%s`", header);
  if (!r->info.tree) elab_suggest(m, header, known, n);
  if (n) elab_help(m, "it has %s", listed(E, known, n));
  if (!n) elab_help(m, "select columns by number, from 0: `x = 0`");
  return false;
}

static bool by_number(Elab *E, const Read *r, int64_t k, Span at) {
  if (k >= 0 && (!r->known || k < (int64_t)r->info.ncolumn)) return true;
  if (r->known)
    elab_error(E, CODE_column, at, "`%s` has %s, found %lld", r->d->path,
               r->info.ncolumn == 1 ? "one column, number 0" : arena_printf(E->mem, "columns 0 to %u", r->info.ncolumn - 1),
               (long long)k);
  else elab_error(E, CODE_column, at, "the number of a column must be at least 0, found %lld", (long long)k);
  return false;
}

static const char *column_text(Elab *E, const Read *r, uint32_t k) {
  const char *name = r->info.column[k].name;
  return name ? arena_printf(E->mem, "`%s`", name) : arena_printf(E->mem, "column %u, from 0,", k);
}

/* Samples that the column gives: as many as those before it. */
static bool same_rows(Elab *E, Read *r, const char *name, int64_t rows, Span at) {
  if (rows == TABLE_EVERY_ROW) return true;
  if (!r->rows_of) {
    r->rows_of = name;
    r->rows = rows;
  }
  if (r->rows == rows) return true;
  DiagMsg *m = elab_error(E, CODE_unequal_rows, at, "`%s` has %lld samples (its first axis), but `%s` has %lld", name,
                          (long long)rows, r->rows_of, (long long)r->rows);
  if (r->all) elab_help(m, "select arrays that belong together: `read(\"...\", x, y)`");
  else
    elab_help(m, "save a number that all samples share as a 0-d array, and repeat an array for each sample: np.broadcast_to(t, "
                 "(len(x), *t.shape))");
  return false;
}

static bool add_column(Elab *E, Read *r, const char *name, ReadColumn c, Span at) {
  Data *d = r->d;
  int k = c.column;
  uint32_t h = 0;
  for (uint32_t i = 0; i < d->nfield; i++)
    if (!strcmp(d->field[i].name, name)) {
      elab_error(E, CODE_given_twice, at, "the field `%s` is named twice", name);
      return false;
    }
  if (c.header && r->known) {
    if (!by_header(E, r, c.header, at, &h)) return false;
    k = (int)h;
  }
  Type t = type_scalar(false);
  if (r->known) {
    const struct TableColumn *col = &r->info.column[k];
    if (col->fault) {
      DiagMsg *m = elab_error(E, CODE_table_cell, at, "%s of `%s`: %s", column_text(E, r, (uint32_t)k), r->d->path, col->fault);
      if (col->gap) elab_help(m, "`missing = nan` reads gaps as NaN, and adds a field `%s_mask` that is 0 there", name);
      if (r->all) elab_help(m, "if you do not need it, select the columns that you need: `read(\"...\", x, y)`");
      return false;
    }
    if (!same_rows(E, r, name, col->rows, at)) return false;
    t = type_real(false, (int)col->rank, col->dim);
  }
  if (d->nfield == r->room) {
    elab_error(E, CODE_too_large, at, "too many columns");
    return false;
  }
  r->index[d->nfield] = (uint32_t)k;
  d->field[d->nfield++] = (DataField){name, t};
  d->column[d->ncolumn++] = c;
  return true;
}

/* name = 3, name = "header", name = header */
static bool named_column(Elab *E, Read *r, const Arg *a) {
  const Expr *e = a->value;
  ReadColumn c = {.name = a->name, .column = -1};
  if (e->kind == EX_NAME && !elab_known(E, e->name, false)) {
    c.header = e->name;
    return add_column(E, r, a->name, c, e->at);
  }
  Value v = elab_expr(E, e);
  int64_t k;
  if (v.kind == V_POISON) return false;
  if (v.kind == V_STRING) c.header = v.string + (r->info.tree && v.string[0] == '/');
  else if (value_is_int(v, &k)) {
    if (!by_number(E, r, k, e->at)) return false;
    c.column = (int)k;
  } else {
    elab_error(E, CODE_column, e->at, "a column is selected by a number or by its header, found %s", value_kind(E, v));
    return false;
  }
  return add_column(E, r, a->name, c, e->at);
}

/* Of a dataset in a group the field is called as the last part of its path. */
static const char *field_of(Elab *E, const Read *r, const char *header) {
  const char *slash = r->info.tree ? strrchr(header, '/') : NULL;
  return intern(E->m->names, slash ? slash + 1 : header);
}

static bool plain_column(Elab *E, Read *r, const Arg *a) {
  const Expr *e = a->value;
  if (e->kind != EX_NAME && e->kind != EX_STRING) {
    elab_help(elab_error(E, CODE_column, e->at, "expected the name of a column"), "`name = 2` selects a column by number");
    return false;
  }
  const char *header = r->info.tree && e->name[0] == '/' ? e->name + 1 : e->name, *name = field_of(E, r, header);
  return add_column(E, r, name, (ReadColumn){.name = name, .column = -1, .header = header}, e->at);
}

/* Names are looked up for each column: more than this are not all meant. */
enum { MOST_COLUMNS = 4096 };

static bool all_of_them(Elab *E, const Read *r, const Expr *call) {
  uint32_t named = 0, numbers = 0;
  for (uint32_t i = 0; i < r->info.ncolumn; i++) {
    named += r->info.column[i].name != NULL;
    numbers += r->info.column[i].number;
  }
  if (!named)
    elab_help(elab_error(E, CODE_column, call->at, "`%s` has no header, so you must name its columns", r->d->path),
              "write `read(\"...\", x = 0, y = 1)`");
  const bool many = numbers > MOST_COLUMNS || r->info.ncolumn > 16 * MOST_COLUMNS;
  if (named && many)
    elab_help(
        elab_error(E, CODE_column, call->at, "`%s` has %u columns: select the ones that you need", r->d->path, r->info.ncolumn),
        "write `read(\"...\", x = 0, y = 1)`");
  return named && !many;
}

/* No column is named: all of the header's that hold numbers. One that holds others, too, is no column to be passed over. */
static bool all_columns(Elab *E, Read *r, const Expr *call) {
  if (!r->known) {
    elab_error(E, CODE_column, call->at, "select the columns by name here: hnnc did not look into the file");
    return false;
  }
  if (!all_of_them(E, r, call)) return false;
  r->all = true;
  for (uint32_t i = 0; i < r->info.ncolumn; i++) {
    const struct TableColumn *c = &r->info.column[i];
    if (!c->number) continue;
    if (!c->name) {
      elab_help(elab_error(E, CODE_column, call->at, "%s of `%s` has no name in the header, so you must select columns",
                           column_text(E, r, i), r->d->path),
                "write `read(\"...\", x = %u)`", i);
      return false;
    }
    const char *name = arena_strdup(E->mem, c->name);
    if (only_one(E, r, i, call->at) &&
        add_column(E, r, field_of(E, r, name), (ReadColumn){.name = name, .column = (int)i, .header = name}, call->at))
      continue;
    return false;
  }
  return true;
}

static bool constant(const Read *r, uint32_t field) { return r->known && r->info.column[r->index[field]].rows == TABLE_EVERY_ROW; }

static bool window_length(Elab *E, const Read *r, int64_t *n) {
  const Span at = r->window->value->at;
  if (!elab_int(E, r->window->value, "`window`", n)) return false;
  if (*n < 1) elab_error(E, CODE_window, at, "a window needs at least one row, found %lld", (long long)*n);
  else if (r->known && *n > r->rows)
    elab_error(E, CODE_window, at, "a window of %lld rows is longer than the table, which has %lld", (long long)*n,
               (long long)r->rows);
  else if (*n > 1 << 20) elab_error(E, CODE_window, at, "a window has at most %d rows, found %lld", 1 << 20, (long long)*n);
  else return true;
  return false;
}

/* Fields get a first axis; one value for every sample is one for every window. */
static bool window_arg(Elab *E, Read *r) {
  int64_t n;
  if (!r->window) return true;
  if (!window_length(E, r, &n)) return false;
  r->d->read_window = (uint32_t)n;
  for (uint32_t i = 0; i < r->d->nfield; i++) {
    Type t = r->d->field[i].type;
    if (constant(r, i)) continue;
    if (t.rank == IR_MAX_RANK) {
      elab_error(E, CODE_too_large, r->window->value->at, "a tensor has at most %d axes", IR_MAX_RANK);
      return false;
    }
    uint32_t dim[IR_MAX_RANK] = {(uint32_t)n};
    memcpy(dim + 1, t.dim, sizeof *dim * t.rank);
    r->d->field[i].type = type_real(false, t.rank + 1, dim);
  }
  return true;
}

/* Masks stand behind the fields, in their order. */
static bool has_mask(const Read *r, uint32_t k) {
  for (uint32_t i = k + 1; i < r->d->nfield; i++)
    if (r->d->column[i].mask && r->index[i] == r->index[k]) return true;
  return false;
}

static bool group_arg(Elab *E, Read *r) {
  const char *known[64];
  uint32_t n = 0;
  if (!r->group) return true;
  const Expr *e = r->group->value;
  for (; n < r->d->nfield && n < 64; n++) {
    known[n] = r->d->field[n].name;
    if ((e->kind == EX_NAME || e->kind == EX_STRING) && !strcmp(known[n], e->name)) r->d->group = (int)n;
  }
  if (r->d->group >= 0) {
    const uint32_t group = (uint32_t)r->d->group;
    if (has_mask(r, group)) {
      elab_error(E, CODE_column, e->at, "`group` needs one number per row, but `%s` has gaps", r->d->field[group].name);
      return false;
    }
    if (r->d->field[group].type.rank == (r->window && !constant(r, group))) return true;
    elab_error(E, CODE_column, e->at, "`group` needs one number per row, but `%s` has more", r->d->field[r->d->group].name);
    return false;
  }
  DiagMsg *m = elab_error(E, CODE_column, e->at, "`group` must be one of the fields that are read");
  if (e->kind == EX_NAME) elab_suggest(m, e->name, known, n);
  return false;
}

static const Arg **option(Read *r, const Arg *a) {
  if (!a->name) return NULL;
  return !strcmp(a->name, "window")    ? &r->window
         : !strcmp(a->name, "group")   ? &r->group
         : !strcmp(a->name, "missing") ? &r->missing
                                       : NULL;
}

static bool missing_arg(Elab *E, Read *r) {
  if (!r->missing) return true;
  const Expr *e = r->missing->value;
  if ((r->d->gaps = e->kind == EX_NAME && !strcmp(e->name, "nan"))) return true;
  elab_help(
      elab_error(E, CODE_wrong_kind, e->at, "`missing` must be `nan`, which reads gaps as NaN; without it, a gap is an error"),
      "for another value, write `where(x_mask > 0, x, 0)` in the program; read a column `missing` as `m = \"missing\"`");
  return false;
}

/* The mask of field k, behind all. */
static bool add_mask(Elab *E, Read *r, uint32_t k, Span at) {
  Data *d = r->d;
  const char *of = d->field[k].name, *name = intern(E->m->names, arena_printf(E->mem, "%s_mask", of));
  for (uint32_t i = 0; i < d->nfield; i++)
    if (!strcmp(d->field[i].name, name)) {
      elab_help(elab_error(E, CODE_given_twice, at, "`%s` has gaps, and their mask `%s` has the name of another field", of, name),
                "give one of them another name, `%s1 = %s`", of, d->column[k].header ? d->column[k].header : "0");
      return false;
    }
  r->index[d->nfield] = r->index[k];
  d->field[d->nfield++] = (DataField){name, d->field[k].type};
  d->column[d->ncolumn] = d->column[k];
  d->column[d->ncolumn].name = name;
  d->column[d->ncolumn++].mask = true;
  return true;
}

static bool masks(Elab *E, Read *r, Span at) {
  char err[512];
  const uint32_t n = r->d->nfield;
  if (!r->known || !r->d->gaps || !E->o->gaps) return true;
  int *column = ARENA_ARRAY(E->mem, int, n + 1);
  bool *gap = ARENA_ARRAY(E->mem, bool, n + 1), good = true;
  for (uint32_t k = 0; k < n; k++) column[k] = (int)r->index[k];
  if (!E->o->gaps(E->o->ctx, r->d->path, column, n, gap, err, sizeof err)) {
    elab_error(E, CODE_table_cell, at, "cannot read `%s`: %s", r->d->path, elab_file_reason(E, err, r->d->path));
    return false;
  }
  for (uint32_t k = 0; k < n; k++) good = good && (!gap[k] || add_mask(E, r, k, at));
  return good;
}

static bool read_columns(Elab *E, Read *r, const Expr *call) {
  bool good = true;
  for (const Arg *a = call->args->next; a; a = a->next)
    if (!option(r, a)) good &= a->name ? named_column(E, r, a) : plain_column(E, r, a);
  if (good && r->d->nfield == 0) good = all_columns(E, r, call);
  if (good && r->d->nfield == 0) elab_error(E, CODE_column, call->at, "`%s` has no column of numbers", r->d->path), good = false;
  if (good && r->known && !r->rows_of) {
    elab_help(elab_error(E, CODE_unequal_rows, call->at,
                         "`%s` is one value for all samples, and no array says how many samples there are", r->d->field[0].name),
              "read it together with an array whose first axis runs over samples, or save it with such an axis, x.reshape(1, ...)");
    good = false;
  }
  if (good && r->known && !r->group) r->d->rows = r->rows;
  return good;
}

Value data_read(Elab *E, const Expr *call, const char *name) {
  Scratch s;
  Read r = {.room = 4096};
  const char *path = NULL;
  if (!call->args || call->args->name) {
    elab_help(elab_error(E, CODE_missing_argument, call->at, "`read` needs the path of a file first"),
              "write `read(\"data.csv\", x = 0, y = 1)`");
    return POISON;
  }
  scratch_begin(E, &s);
  Actual first = {.v = elab_expr(E, call->args->value), .at = call->args->value->at};
  bool good = need_string(E, &first, "a path", &path);
  if (good) {
    r.d = data_new(E, name, DATA_READ, call->at);
    r.d->path = elab_file(E, path);
    r.path_at = first.at;
    for (const Arg *a = call->args->next; a; a = a->next)
      if (option(&r, a)) *option(&r, a) = a;
    good = missing_arg(E, &r) && look(E, &r);
    r.room = call->nargs + (r.known ? r.info.ncolumn : 0);
    r.d->field = ARENA_ARRAY(E->mem, DataField, 2 * r.room + 1);
    r.d->column = ARENA_ARRAY(E->mem, ReadColumn, 2 * r.room + 1);
    r.index = ARENA_ARRAY(E->mem, uint32_t, 2 * r.room + 1);
    good = good && read_columns(E, &r, call) && masks(E, &r, call->at) && window_arg(E, &r) && group_arg(E, &r);
  }
  scratch_end(E, &s, POISON, call->at);
  return good ? (Value){.kind = V_DATA, .data = r.d} : POISON;
}

/* ---- constants ---------------------------------------------------------------------------------------------- */

static bool array_name(Elab *E, const Expr *call, const char **name) {
  const Arg *a = call->args->next;
  *name = NULL;
  if (!a) return true;
  if (a->next || a->name || (a->value->kind != EX_NAME && a->value->kind != EX_STRING)) {
    elab_help(elab_error(E, CODE_column, (a->next ? a->next : a)->value->at, "a constant takes one array of a file"),
              "write `const A = read(\"A.npy\")` or `const A = read(\"arrays.npz\", A)`");
    return false;
  }
  *name = a->value->name;
  return true;
}

Value data_constant(Elab *E, const Expr *call) {
  const char *path, *name;
  const double *v;
  char err[512] = "it cannot be opened";
  Type t;
  if (!call->args || call->args->name) {
    elab_help(elab_error(E, CODE_missing_argument, call->at, "`read` needs the path of a file first"),
              "write `const A = read(\"A.npy\")`");
    return POISON;
  }
  Actual first = {.v = elab_expr(E, call->args->value), .at = call->args->value->at};
  if (!need_string(E, &first, "a path", &path) || !array_name(E, call, &name)) return POISON;
  path = elab_file(E, path);
  *vec_push(&E->made.files) = path;
  if (!E->o->array || !E->o->array(E->o->ctx, E->mem, path, name, &t, &v, err, sizeof err)) {
    DiagMsg *m = elab_error(E, CODE_file, first.at, "cannot read `%s`: %s", path, elab_file_reason(E, err, path));
    if (access(path, F_OK) != 0) elab_help(m, "a path is relative to the directory of the model, then to the working directory");
    else if (!name) elab_help(m, "name the array of an archive: `read(\"arrays.npz\", A)`");
    return POISON;
  }
  if (type_count(t) == 0) {
    elab_error(E, CODE_file, first.at, "the array in `%s` has no elements", path);
    return POISON;
  }
  if (type_count(t) > ELAB_ELEMENTS) {
    elab_help(elab_error(E, CODE_too_large, call->at, "a constant has at most %d elements, found %lld", (int)ELAB_ELEMENTS,
                         (long long)type_count(t)),
              "read a large array as data: `data d = read(...)`");
    return POISON;
  }
  if (!t.rank) return value_num(v[0]);
  Num *at = ARENA_ARRAY(E->mem, Num, (size_t)type_count(t) + 1);
  for (int64_t i = 0; i < type_count(t); i++) at[i] = num_of(v[i]);
  return value_array(E, t.rank, t.dim, at);
}
