/* What is known of a name without evaluating anything: the head of its definition with the comment above it, or the row of the table of
 * functions (frontend/builtin). */
#include "driver/editor/server_priv.h"
#include "frontend/builtin/builtin.h"

#include <string.h>

const char *lexeme_text(const FileNames *f, uint32_t lex, Arena *mem) {
  return lex < f->n ? arena_strndup(mem, f->text + f->lex[lex].begin, f->lex[lex].end - f->lex[lex].begin) : "";
}

/* Text between two lexemes, on one line, without comments. */
static const char *squeezed(const FileNames *f, uint32_t begin, uint32_t end, Arena *mem) {
  const char *out = "";
  for (uint32_t k = begin; k < end; k++) {
    if (f->lex[k].kind == LEX_COMMENT) continue;
    const bool gap = k > begin && f->lex[k].begin > f->lex[k - 1].end;
    out = arena_printf(mem, "%s%s%s", out, gap ? " " : "", lexeme_text(f, k, mem));
  }
  return out;
}

/* The lines of comment right above a lexeme that begins a line, or behind it in the same line. */
static const char *comment(const FileNames *f, uint32_t begin, uint32_t end, Arena *mem) {
  uint32_t first = begin;
  const char *out = "";
  while (first && f->lex[first - 1].kind == LEX_COMMENT) {
    uint32_t lines = 0;
    for (uint32_t i = f->lex[first - 1].end; i < f->lex[first].begin; i++) lines += f->text[i] == '\n';
    const bool alone = first < 2 || memchr(f->text + f->lex[first - 2].end, '\n', f->lex[first - 1].begin - f->lex[first - 2].end);
    if (lines != 1 || !alone) break;
    first--;
  }
  for (uint32_t k = first; k < begin; k++) {
    const char *line = lexeme_text(f, k, mem);
    line += strspn(line, "# ");
    out = arena_printf(mem, "%s%s%s", out, *out ? "\n" : "", line);
  }
  if (*out || end >= f->n || f->lex[end].kind != LEX_COMMENT || !end) return out;
  if (memchr(f->text + f->lex[end - 1].end, '\n', f->lex[end].begin - f->lex[end - 1].end)) return out;
  const char *behind = lexeme_text(f, end, mem);
  return behind + strspn(behind, "# ");
}

Described describe_def(const FileNames *f, const Def *d, Arena *mem) {
  enum { MOST = 60 }; /* lexemes of a head that has no body */
  uint32_t end = d->begin, depth = 0;
  const bool whole = d->kind == DEF_CONST || d->kind == DEF_USE || d->kind == DEF_LET || d->kind == DEF_VAR ||
                     d->kind == DEF_PARAM || d->kind == DEF_LOCAL_USE || d->kind == DEF_RUNNING || d->kind == DEF_REPORT;
  const bool piece = d->kind == DEF_FORMAL || d->kind == DEF_SIZE || d->kind == DEF_TURN || d->kind == DEF_FIELD;
  if (piece) {
    const char *doc = arena_printf(mem, "%s%s%s", d->kind == DEF_FORMAL ? "a parameter of `" : def_word[d->kind],
                                   d->kind == DEF_FORMAL ? lexeme_text(f, d->owner, mem) : "", d->kind == DEF_FORMAL ? "`" : "");
    return (Described){lexeme_text(f, d->at, mem), doc};
  }
  for (; end < f->n && (end == d->begin || !f->lex[end].first || f->lex[end].kind == LEX_COMMENT || depth); end++) {
    if (f->lex[end].kind == LEX_COMMENT && !depth) break;
    if (!depth && (names_text(f, end, "{") || (!whole && names_text(f, end, "=")))) break;
    depth += f->lex[end].kind == LEX_OPENER;
    depth -= f->lex[end].kind == LEX_CLOSER && depth;
    if (end - d->begin > MOST) break;
  }
  return (Described){squeezed(f, d->begin, end, mem), comment(f, d->begin, end, mem)};
}

static bool is_option(const char *whose, const char *name, size_t n) {
  const OptionText *t;
  for (uint32_t k = 0; (t = option_text(whose, k)); k++)
    if (strlen(t->name) == n && !strncmp(t->name, name, n)) return true;
  return false;
}

/* `x, axis?, =shape, @stop, ...` as it is called; what stands in the table of options comes from there. */
static const char *as_called(const char *whose, const char *params, Arena *mem) {
  const char *out = "";
  while (*params) {
    const size_t n = strcspn(params, ",");
    const bool named = *params == '=' || *params == '@', optional = n && params[n - 1] == '?';
    const char *name = arena_strndup(mem, params + named, n - named - optional);
    if (!named || !is_option(whose, name, strlen(name)))
      out = arena_printf(mem, "%s%s%s%s", out, *out ? ", " : "", name, named || optional ? " = ..." : "");
    params += n + (params[n] == ',');
    params += strspn(params, " ");
  }
  return options_list(whose, out, mem);
}

/* Where the methods are from. */
static const char *const method_source[M_count] = {
  [M_EULER] = "x + h f(x)",
  [M_RK4] = "Kutta, Z. Math. Phys. 46 (1901)",
  [M_SYMPLECTIC_EULER] = "p <- p - h dH/dq, q <- q + h dH/dp: Hairer, Lubich & Wanner, Geometric Numerical Integration, VI.3",
  [M_LEAPFROG] = "drift h/2, kick h, drift h/2: Verlet, Phys. Rev. 159 (1967)",
  [M_YOSHIDA4] = "three leapfrogs: Yoshida, Phys. Lett. A 150 (1990)",
  [M_YOSHIDA6] = "seven leapfrogs: Yoshida, Phys. Lett. A 150 (1990)",
  [M_YOSHIDA8] = "fifteen leapfrogs: Yoshida, Phys. Lett. A 150 (1990)",
  [M_IMPLICIT_MIDPOINT] = "x' = x + h f((x + x')/2)",
  [M_GAUSS4] = "Gauss collocation of 2 stages: Butcher, Math. Comp. 18 (1964)",
  [M_GAUSS6] = "Gauss collocation of 3 stages: Butcher, Math. Comp. 18 (1964)",
  [M_GAUSS16] = "Gauss collocation of 8 stages: Butcher, Math. Comp. 18 (1964)",
  [M_DOPRI5] = "Dormand & Prince, J. Comput. Appl. Math. 6 (1980)",
  [M_DOP853] = "Hairer, Norsett & Wanner, Solving Ordinary Differential Equations I, II.5",
  [M_TSIT5] = "Tsitouras, Comput. Math. Appl. 62 (2011)",
  [M_TAYLOR] = "series of the solution: Jorba & Zou, Exp. Math. 14 (2005)",
};

static Described method(int m, Arena *mem) {
  const MethodInfo *i = &ir_method[m];
  const char *order = i->order ? arena_printf(mem, "of order %d", i->order) : "whose order `rtol` chooses";
  return (Described){i->adaptive ? arena_printf(mem, "%s(%s)", i->name, options_list(i->name, "", mem)) : i->name,
                     arena_printf(mem, "an integrator %s, %s%s%s. %s", order,
                                  i->adaptive ? "that chooses its steps" : "of given steps", i->symplectic ? ", symplectic" : "",
                                  i->separable ? ", for H = T(p) + V(q)" : "", method_source[m])};
}

bool describe_word(const char *name, Arena *mem, Described *out) {
  const OptionRow *row = option_row(name);
  if (!row) return false;
  const char *args = options_list(name, "", mem);
  return *out = (Described){*args ? arena_printf(mem, "%s(%s)", name, args) : name, row->doc}, true;
}

bool describe_language(const char *name, Arena *mem, Described *out) {
  const Builtin *b = builtin_find(name);
  if (b) return *out = (Described){arena_printf(mem, "%s(%s)", name, as_called(name, b->params, mem)), b->doc}, true;
  for (int m = 0; m < M_count; m++)
    if (!strcmp(ir_method[m].name, name)) return *out = method(m, mem), true;
  if (!strcmp(name, "pi")) return *out = (Described){"pi", "3.14159265358979"}, true;
  if (!strcmp(name, "inf")) return *out = (Described){"inf", "infinity"}, true;
  return false;
}

uint32_t describe_params(const char *head, uint32_t list, uint32_t (*place)[2], uint32_t most) {
  uint32_t n = 0, lists = 0, depth = 0, begin = 0;
  for (uint32_t i = 0; head[i]; i++) {
    const char c = head[i];
    if (c == '(' && depth == 0) begin = i + 1;
    depth += c == '(' || c == '[';
    if ((c == ')' || c == ']') && depth) depth--;
    const bool end = c == ')' && depth == 0;
    if ((!end && !(c == ',' && depth == 1)) || lists > list) continue;
    while (head[begin] == ' ') begin++;
    if (lists == list && begin < i && n < most) place[n][0] = begin, place[n][1] = i, n++;
    begin = i + 1;
    lists += end;
  }
  return n;
}
