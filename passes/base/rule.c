/* Partial derivatives of the op table as mathematics: the postfix text of partial.c in the usual notation. */
#include "passes/base/pass.h"

#include <stdlib.h>
#include <string.h>

/* A text and how strongly it holds together: of a sum, a product, a power, a name. */
enum { CHOICE, COMPARES, SUM, PRODUCT, POWER, NAME };
typedef struct Part {
  char *text;
  int binds;
} Part;

static Part part(Arena *mem, int binds, const char *fmt, const char *a, const char *b, const char *c) {
  return (Part){arena_printf(mem, fmt, a, b, c), binds};
}

static const char *inside(Arena *mem, Part p, int least) { return p.binds >= least ? p.text : arena_printf(mem, "(%s)", p.text); }

static Part binary(Arena *mem, char letter, Part x, Part y) {
  switch (letter) {
  case '+': return part(mem, SUM, "%s + %s", inside(mem, x, SUM), inside(mem, y, SUM), "");
  case '-': return part(mem, SUM, "%s − %s", inside(mem, x, SUM), inside(mem, y, PRODUCT), "");
  case '*':
    if (!strcmp(x.text, y.text)) return part(mem, POWER, "%s²", inside(mem, x, NAME), "", "");
    return part(mem, PRODUCT, "%s·%s", inside(mem, x, PRODUCT), inside(mem, y, PRODUCT), "");
  case '/': return part(mem, PRODUCT, "%s/%s", inside(mem, x, PRODUCT), inside(mem, y, POWER), "");
  case '^': return part(mem, POWER, "%s^%s", inside(mem, x, NAME), inside(mem, y, NAME), "");
  case 'p': return part(mem, PRODUCT, "%s^%s·log %s", inside(mem, x, NAME), inside(mem, y, NAME), inside(mem, x, NAME));
  case 'P': return part(mem, PRODUCT, "%s^%s·(log %s)²", inside(mem, x, NAME), inside(mem, y, NAME), inside(mem, x, NAME));
  case '<': return part(mem, COMPARES, "%s < %s", inside(mem, x, SUM), inside(mem, y, SUM), "");
  case 'L': return part(mem, COMPARES, "%s ≤ %s", inside(mem, x, SUM), inside(mem, y, SUM), "");
  case '=': return part(mem, COMPARES, "%s = %s", inside(mem, x, SUM), inside(mem, y, SUM), "");
  case '&': return part(mem, COMPARES, "%s and %s", inside(mem, x, COMPARES), inside(mem, y, COMPARES), "");
  default: return part(mem, COMPARES, "%s or %s", inside(mem, x, COMPARES), inside(mem, y, COMPARES), "");
  }
}

static const char *const named[128] = {['e'] = "exp",  ['l'] = "log",     ['s'] = "sin",  ['c'] = "cos",  ['h'] = "sinh",
                                       ['H'] = "cosh", ['g'] = "sigmoid", ['S'] = "sign", ['o'] = "round"};

static Part unary(Arena *mem, char letter, Part x) {
  switch (letter) {
  case 'n': return part(mem, PRODUCT, "−%s", inside(mem, x, PRODUCT), "", "");
  case 'a': return part(mem, NAME, strchr(x.text, '|') ? "abs(%s)" : "|%s|", x.text, "", "");
  case 'r': return part(mem, PRODUCT, "1/√%s", inside(mem, x, NAME), "", "");
  case 'R': return part(mem, PRODUCT, "1/√(%s)³", x.text, "", "");
  default: return part(mem, NAME, "%s(%s)", named[(unsigned char)letter & 127], x.text, "");
  }
}

/* A constant as its text has it, with the irrational ones of the table by name. */
static Part constant(Arena *mem, const char *from, size_t len) {
  static const struct {
    double v;
    const char *name;
  } known[] = {{M_LOG2E, "1/log 2"}, {M_LOG10E, "1/log 10"}, {M_2_SQRTPI, "2/√π"}, {0.5, "½"}, {INFINITY, "∞"}};
  const double v = strtod(from, NULL);
  for (size_t k = 0; k < sizeof known / sizeof *known; k++)
    if (v == known[k].v) return (Part){arena_strdup(mem, known[k].name), k < 3 ? PRODUCT : NAME};
  char *text = arena_strndup(mem, from, len);
  return *text == '-' ? part(mem, PRODUCT, "−%s", text + 1, "", "") : (Part){text, NAME};
}

static bool same(Part a, const char *text) { return !strcmp(a.text, text); }

/* `a if c, else b`; what is a branch of another choice reads on. */
static Part choice(Arena *mem, Part c, Part a, Part b) {
  if (same(a, b.text)) return a;
  return part(mem, CHOICE, "%s if %s, else %s", inside(mem, a, COMPARES), c.text, b.text);
}

const char *pass_rule_text(Op op, uint32_t k, char *buf, size_t size) {
  Part st[16];
  int n = 0;
  const char *text = k < 2 ? pass_partial_text(op, k) : NULL;
  if (!text) return NULL;
  Arena *mem = arena_create();
  for (const char *p = text; *p; p++) {
    if (*p == 'x' || *p == 'y' || *p == 'z') st[n++] = (Part){arena_strndup(mem, p, 1), NAME};
    else if (*p == 't') st[n++] = (Part){arena_strdup(mem, "ε"), NAME};
    else if (*p == '#') {
      const size_t len = strcspn(p + 1, " ");
      st[n++] = constant(mem, p + 1, len);
      p += len + 1;
    } else if (*p == '?') {
      n -= 2;
      st[n - 1] = choice(mem, st[n - 1], st[n], st[n + 1]);
    } else if (strchr("+-*/^<LpP=&|", *p)) {
      n--;
      st[n - 1] = binary(mem, *p, st[n - 1], st[n]);
    } else st[n - 1] = unary(mem, *p, st[n - 1]);
  }
  snprintf(buf, size, "%s", st[0].text);
  arena_destroy(mem);
  return buf;
}
