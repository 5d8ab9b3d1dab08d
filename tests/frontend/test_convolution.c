/* conv and conv_transpose of every padding, stride, kernel and number of axes: exactly (in the finite field) what their
 * definition says, written out term by term here, and exactly each other's adjoint. */
#include "ir/field/field.h"
#include "tests/common/claims_util.h"
#include "tests/common/cunit_main.h"
#include "tests/common/often.h"

enum { AXES = 3, CHANNELS = 2, OUT = 2 };
enum { SAME, VALID, PERIODIC };
static const char *const padding_name[] = {"same", "valid", "periodic"};

typedef struct Conv {
  int axes, padding, stride, n[AXES], k[AXES], m[AXES], low[AXES];
} Conv;

/* The sizes of language-next: what is missing of (m - 1) s + k is put half before, rounded down, half behind. */
static void sizes(Conv *c) {
  for (int a = 0; a < c->axes; a++) {
    if (c->padding == VALID) {
      c->m[a] = (c->n[a] - c->k[a]) / c->stride + 1, c->low[a] = 0;
      continue;
    }
    c->m[a] = (c->n[a] + c->stride - 1) / c->stride;
    int missing = (c->m[a] - 1) * c->stride + c->k[a] - c->n[a];
    c->low[a] = missing > 0 ? missing / 2 : 0;
  }
}

static int product(const int *n, int axes) { return axes ? n[0] * product(n + 1, axes - 1) : 1; }

/* The index of element `flat` of an array of sizes n. */
static void index_of(int flat, const int *n, int axes, int *out) {
  for (int a = axes - 1; a >= 0; flat /= n[a--]) out[a] = flat % n[a];
}

/* Where tap j of place i lies in x; false where zeros were put. */
static bool place(const Conv *c, const int *i, const int *j, int *at) {
  for (int a = 0; a < c->axes; a++) {
    at[a] = i[a] * c->stride + j[a] - c->low[a];
    if (c->padding == PERIODIC) at[a] = (at[a] + c->n[a]) % c->n[a];
    if (at[a] < 0 || at[a] >= c->n[a]) return false;
  }
  return true;
}

static void add_index(Text *t, const int *at, int axes) {
  for (int a = 0; a < axes; a++) text_add(t, ", %d", at[a]);
}

/* Values one behind the other, and the same as an array again: `[...]` of all, then reshape. */
static void add_shape(Text *t, int first, const int *n, int axes) {
  text_add(t, ", %d", first);
  add_index(t, n, axes);
  text_add(t, ")\n");
}

static void add_plain(Text *t, const Conv *c) {
  const int places = product(c->m, c->axes), taps = product(c->k, c->axes);
  text_add(t, " = reshape([");
  for (int o = 0; o < OUT; o++)
    for (int p = 0; p < places; p++) {
      int i[AXES], j[AXES], at[AXES];
      index_of(p, c->m, c->axes, i);
      text_add(t, "%s0", o + p ? ", " : "");
      for (int e = 0; e < CHANNELS * taps; e++) {
        index_of(e % taps, c->k, c->axes, j);
        if (!place(c, i, j, at)) continue;
        text_add(t, " + W[%d, %d", o, e / taps), add_index(t, j, c->axes), text_add(t, "]*x[%d", e / taps);
        add_index(t, at, c->axes), text_add(t, "]");
      }
    }
  text_add(t, "]");
  add_shape(t, OUT, c->m, c->axes);
}

static void add_head(Text *t, const Conv *c, const char *name) {
  text_add(t, "fn %s(x: real[%d", name, CHANNELS), add_index(t, c->n, c->axes);
  text_add(t, "], W: real[%d, %d", OUT, CHANNELS), add_index(t, c->k, c->axes);
  text_add(t, "], y: real[%d", OUT), add_index(t, c->m, c->axes), text_add(t, "])");
}

/* There is a conv_transpose of these sizes: the input has `stride` times as many elements, or just as many as windows take. */
static bool has_transpose(const Conv *c) {
  bool same = true;
  for (int a = 0; a < c->axes; a++)
    same &= c->n[a] == (c->padding == VALID ? (c->m[a] - 1) * c->stride + c->k[a] : c->m[a] * c->stride);
  return same;
}

static void program(Text *t, const Conv *c) {
  char options[64];
  snprintf(options, sizeof options, "stride = %d, padding = %s", c->stride, padding_name[c->padding]);
  text_add(t, "precision f64\n");
  add_head(t, c, "written"), text_add(t, " = conv(x, W, %s)\n", options);
  add_head(t, c, "plain"), add_plain(t, c);
  add_head(t, c, "by_x"), text_add(t, " = grad(sum(y*conv(x, W, %s)), x)\n", options);
  add_head(t, c, "plain_by_x"), text_add(t, " = grad(sum(y*plain(x, W, y)), x)\n");
  add_head(t, c, "by_W"), text_add(t, " = grad(sum(y*conv(x, W, %s)), W)\n", options);
  add_head(t, c, "plain_by_W"), text_add(t, " = grad(sum(y*plain(x, W, y)), W)\n");
  if (!has_transpose(c)) return;
  add_head(t, c, "transpose"), text_add(t, " = conv_transpose(y, W, %s)\n", options);
  add_head(t, c, "adjoint"), text_add(t, " = sum(x*conv_transpose(y, W, %s)) + 0*sum(x)\n", options);
  add_head(t, c, "pairing"), text_add(t, " = sum(y*conv(x, W, %s))\n", options);
}

static void equal(const Model *m, const char *one, const char *other, const Conv *c) {
  FieldReport r;
  Fn *f = claims_fn(m, one), *g = claims_fn(m, other);
  CU_ASSERT_FATAL(f && g);
  FieldAnswer answer = ir_field_equal(f, g, FIELD_QUICK, 7, &r);
  CU_ASSERT_EQUAL(answer, FIELD_EQUAL);
  if (answer != FIELD_EQUAL)
    printf("\n%s and %s, %d axes, %s, stride %d, n %d, k %d: %s\n", one, other, c->axes, padding_name[c->padding], c->stride,
           c->n[0], c->k[0], r.reason);
  ir_fn_destroy(f);
  ir_fn_destroy(g);
}

static void check(Conv c) {
  static Text t;
  t = (Text){.n = 0};
  sizes(&c);
  program(&t, &c);
  Loaded l = claims_load(t.at, false);
  if (!l.m) printf("\n%s\n", t.at), diag_render(l.diag, stdout, false);
  CU_ASSERT_FATAL(l.m != NULL);
  equal(l.m, "written", "plain", &c);
  equal(l.m, "by_x", "plain_by_x", &c);
  equal(l.m, "by_W", "plain_by_W", &c);
  if (has_transpose(&c)) equal(l.m, "transpose", "by_x", &c), equal(l.m, "adjoint", "pairing", &c);
  claims_unload(&l);
}

/* Sizes 1 to 7, so that kernels are longer than inputs, fit, and leave elements that no window takes. */
static void test_line(void) {
  for (int padding = SAME; padding <= PERIODIC; padding++)
    for (int stride = 1; stride <= 3; stride++)
      for (int k = 1; k <= 5; k += SANITIZED ? 2 : 1)
        for (int n = 1; n <= 7; n += SANITIZED ? 3 : 1) {
          Conv c = {1, padding, stride, {n}, {k}, {0}, {0}};
          if (padding == VALID ? k <= n : padding == SAME || k <= n) check(c);
        }
}

static void test_plane_and_space(void) {
  static const int kernel[][AXES] = {{1, 2, 3}, {2, 1, 2}, {3, 3, 1}, {2, 3, 2}};
  for (int axes = 2; axes <= AXES; axes++)
    for (int padding = SAME; padding <= PERIODIC; padding++)
      for (int stride = 1; stride <= 3; stride++)
        for (int which = 0; which < 4; which++) {
          Conv c = {axes, padding, stride, {3, axes == 2 ? 4 : 3, 3}, {0}, {0}, {0}};
          for (int a = 0; a < axes; a++) c.k[a] = kernel[which][a];
          check(c);
          for (int a = 0; a < axes; a++) c.n[a] = stride == 3 ? 3 : 4 - stride % 2; /* even and odd */
          check(c);
        }
}

const Suite suite = {"convolution",
                     (CU_TestInfo[]){{"one axis", test_line}, {"two and three axes", test_plane_and_space}, CU_TEST_INFO_NULL}};
