/* The text form: what is printed reads back as the same function; what is wrong is told at its place;
 * the verifier finds what is broken in memory. */
#include <stdlib.h>
#include <string.h>

#include "tests/common/cunit_main.h"
#include "tests/common/random_fn.h"
#include "tests/common/often.h"

static bool same_inst(const Fn *f, const Inst *a, const Fn *g, const Inst *b) {
  bool same = a->op == b->op && a->nargs == b->nargs && a->nattr == b->nattr && a->sub == b->sub && type_eq(a->type, b->type);
  for (uint32_t k = 0; same && k < a->nargs; k++) same = ir_arg(f, a, k).id == ir_arg(g, b, k).id;
  same = same && ir_same_attrs(f, a, g, b);
  return same;
}

static bool same_name(const char *a, const char *b) { return a && b ? !strcmp(a, b) : a == b; }

static bool same_fn(const Fn *f, const Fn *g) {
  bool same = f->f64 == g->f64 && same_name(f->name, g->name) && f->inst.n == g->inst.n && f->in.n == g->in.n &&
              f->out.n == g->out.n && f->sub.n == g->sub.n && f->table.n == g->table.n;
  for (uint32_t k = 1; same && k < f->inst.n; k++) same = same_inst(f, &f->inst.at[k], g, &g->inst.at[k]);
  for (uint32_t k = 0; same && k < f->in.n; k++)
    same = same_name(f->in.at[k].name, g->in.at[k].name) && f->in.at[k].kind == g->in.at[k].kind &&
           f->in.at[k].index == g->in.at[k].index && type_eq(f->in.at[k].type, g->in.at[k].type);
  for (uint32_t k = 0; same && k < f->out.n; k++)
    same = f->out.at[k].id == g->out.at[k].id && same_name(f->outname.at[k], g->outname.at[k]);
  for (uint32_t k = 0; same && k < f->table.n; k++)
    same = type_eq(f->table.at[k].type, g->table.at[k].type) &&
           !memcmp(f->table.at[k].v, g->table.at[k].v, sizeof(double) * (size_t)type_count(f->table.at[k].type));
  for (uint32_t k = 0; same && k < f->sub.n; k++) same = same_fn(f->sub.at[k], g->sub.at[k]);
  return same;
}

/* parse(text); the messages, as rendered, are left in *said (free). */
static Fn *parsed(const char *text, char **said) {
  size_t size;
  Source *src = source_create();
  Diag *diag = diag_create(src);
  Fn *f = ir_parse(src, source_add(src, "t.hir", text, strlen(text)), diag);
  FILE *out = open_memstream(said, &size);
  diag_render(diag, out, false);
  fclose(out);
  diag_destroy(diag);
  source_destroy(src);
  return f;
}

static void round_trip(const Fn *f) {
  char *text = ir_text(f), *said;
  Fn *g = parsed(text, &said);
  CU_ASSERT_PTR_NOT_NULL(g);
  if (!g) fprintf(stderr, "%s\n%s\n", text, said);
  if (g) {
    char *again = ir_text(g);
    CU_ASSERT_STRING_EQUAL(text, again);
    CU_ASSERT(same_fn(f, g));
    base_free(again);
  }
  ir_fn_destroy(g);
  base_free(text);
  free(said);
}

static void test_round_trip(void) {
  for (uint64_t seed = 1; seed <= OFTEN(200); seed++) {
    RandomSpec spec = {
      .seed = seed, .size = 10 + (int)(seed % 40), .f64 = seed % 3, .scans = true, .draws = true, .fold = seed % 2};
    Fn *f = random_fn(&spec);
    CU_ASSERT_EQUAL(ir_verify(f, stderr), 0);
    round_trip(f);
    ir_fn_destroy(f);
  }
}

static void test_numbers(void) {
  static const double odd[] = {0.0, -0.0, 1e-320, 1.7976931348623157e308, 0.1, 1.0 / 3, -2.5e-7, 9007199254740993.0};
  uint64_t payload = UINT64_C(0xfff8000000000123);
  double nan_bits;
  memcpy(&nan_bits, &payload, sizeof payload);
  uint32_t dim[] = {8};
  Fn *f = ir_fn_create("odd name \"\\\n", true);
  Build b;
  ir_build_init(&b, f);
  b.fold = b.number = false;
  for (size_t k = 0; k < sizeof odd / sizeof *odd; k++) ir_output(&b, ir_const(&b, odd[k]), "a \"b\" \\ \x01");
  ir_output(&b, ir_const(&b, nan_bits), "");
  ir_output(&b, ir_const(&b, 1 / 0.0), NULL);
  ir_output(&b, ir_const_exact(&b, 1.0 / 3, 1, 3), NULL);
  ir_output(&b, ir_const_exact(&b, 0.25, -1, 3), NULL);
  ir_output(&b, ir_const_exact(&b, 9007199254740993.0, INT64_MAX, INT64_MAX - 1), NULL);
  ir_output(&b, ir_table(&b, type_real(false, 1, dim), odd), NULL);
  ir_build_finish(&b);
  round_trip(f);
  ir_fn_destroy(f);
}

/* ---- what is wrong ---- */

#define HEAD "fn f64 @f(\"x\" field 0: f64[B,3]) {\n%1 = in {index=0} : f64[B,3]\n"

static const struct {
  const char *text, *line, *message;
} wrong[] = {
  {"", ":1:1", "expected a function: `fn f64 @name(...) {`"},
  {"fn f16 @f() { return }", ":1:4", "expected f64 or f32"},
  {"fn f64 f() { return }", ":1:8", "expected `@`"},
  {"fn f64 @f(x) { return }", ":1:11", "expected a name in quotes"},
  {"fn f64 @f(\"x) {", ":1:11", "a name without its closing quote"},
  {"fn f64 @f(\"x\\q\" field 0: f64) { return }", ":1:11", "unknown escape in a name"},
  {"fn f64 @f(\"x\" thing 0: f64) { return }", ":1:15",
   "expected the kind of the input: param, field, weight, scalar, state or other"},
  {"fn f64 @f(\"x\" field -1: f64) { return }", ":1:21", "integer out of range [0, 4294967295]"},
  {"fn f64 @f(\"x\" field 0: f32) { return }", ":1:24", "expected a type, f64[...] or bool[...]"},
  {"fn f64 @f(\"x\" field 0: f64[0]) { return }", ":1:28", "integer out of range [1, 2147483647]"},
  {"fn f64 @f(\"x\" field 0: f64[70000,70000]) { return }", ":1:24", "a value of this type has more than 2^31 elements"},
  {"fn f64 @f(\"x\" field 0: f64[1,1,1,1,1,1,1,1,1]) { return }", ":1:24", "a type has at most 8 axes"},
  {HEAD "return %1 }\nfn", ":4:1", "expected the end of the file"},
  {HEAD "return %2 }", ":3:8", "there is no value %2 above this line"},
  {HEAD "return %0 }", ":3:8", "there is no value %0 above this line"},
  {HEAD "%3 = neg %1 : f64[B,3]\nreturn }", ":3:1", "the next value is %2, found %3"},
  {HEAD "%2 = frob %1 : f64[B,3]\nreturn }", ":3:6", "unknown op `frob`"},
  {HEAD "%2 = neg %1 : f64[3]\nreturn }", ":3:15", "the type is f64[B,3], not f64[3]"},
  {HEAD "%2 = neg %1\nreturn }", ":4:1", "expected `:`"},
  {HEAD "%2 = neg %2 : f64\nreturn }", ":3:10", "there is no value %2 above this line"},
  {HEAD "%2 = add %1 : f64[B,3]\nreturn }", ":3:1", "operands, attributes or sub-function of `add` are not as its row says"},
  {HEAD "%2 = slice %1 {axis=0} : f64[B,3]\nreturn }", ":3:22", "expected `,`"},
  {HEAD "%2 = slice %1 {axe=0} : f64[B,3]\nreturn }", ":3:16", "expected the attribute `axis`"},
  {HEAD "%2 = slice %1 {axis=0, start=9223372036854775807, n=9223372036854775807, "
        "step=9223372036854775807} : f64[B,3]\nreturn }",
   ":3:1", NULL},
  {HEAD "%2 = expand %1 {axis=0, n=99999999999999999999} : f64[B,3]\nreturn }", ":3:27",
   "integer out of range [-9223372036854775808, 9223372036854775807]"},
  {HEAD "%2 = expand %1 {axis=0, n=2147483647} : f64[B,2147483647,3]\nreturn }", ":3:41",
   "a value of this type has more than 2^31 elements"},
  {HEAD "%2 = reshape %1 {dims=[4]} : f64[B,4]\nreturn }", ":3:1", NULL},
  {HEAD "%2 = in {index=1} : f64\nreturn }", ":3:1", NULL},
  {HEAD "%2 = table {table=0} : f64\nreturn }", ":3:1", NULL},
  {HEAD "%2 = const {x} : f64\nreturn }", ":3:13", "expected an integer"},
  {HEAD "%2 = const {1/0} : f64\nreturn }", ":3:15", "integer out of range [1, 9223372036854775807]"},
  {HEAD "%2 = dot %1, %1 {a->} : f64[B]\nreturn }", ":3:19", "expected `,`"},
  {HEAD "%2 = proj %1 {index=0} : f64[B,3]\nreturn }", ":3:11", "%1 has one result"},
  {HEAD "%2 = batch_sum %1 : f64[3]\n%3 = batch_sum %2 : f64[3]\nreturn %3 }", ":4:1", NULL},
  {"fn f64 @f() { table 1 : f64 = [0] return }", ":1:21", "the next table is 0"},
  {"fn f64 @f() { table 0 : f64[3] = [0, 1] return }", ":1:39", "expected `,`"},
  {"fn f64 @f() { table 0 : f64[1000000] = [0] return }", ":1:21", "the table ends early"},
  {"fn f64 @f() { sub 2 @g() { return } return }", ":1:44", "sub-function 1 is missing"},
  {"fn f64 @f() { sub 1 @g() { return } sub 1 @h() { return } return }", ":1:41", "sub-function 1 is defined twice"},
  {HEAD "%2 = scan %1 {n=2, carry=1, xs=0, ys=0, zs=0, reverse=0, converge=0} @1 : (f64[B,3])\nreturn }", ":3:71",
   "integer out of range [1, 0]"},
  {HEAD "sub 1 @g() { return }\n%2 = scan %1 {n=2, carry=1, xs=0, ys=0, zs=0, reverse=0, converge=0} @1 : "
        "(f64[B,3])\nreturn }",
   ":4:1", NULL},
  {HEAD "sub 1 @g(\"x\" field 0: f64[B,3]) {\n%1 = in {index=0} : f64[B,3]\nreturn %1 }\n"
        "%2 = integrate %1 {method=magic, states=1, steps=2, every=1} @1 : (f64[B,3])\nreturn }",
   ":6:27", "unknown method"},
  {HEAD "sub 1 @g(\"x\" state 0: f64[B,3], \"s\" other 0: f64[3]) {\n%1 = in {index=0} : f64[B,3]\n%2 = in "
        "{index=1} : f64[3]\n"
        "%3 = batch_sum %1 : f64[3]\n%4 = add %1, %3 : f64[B,3]\nreturn %4 }\n%2 = const {0} : f64[3]\n"
        "%3 = scan %1, %2 {n=2, carry=1, xs=0, ys=0, zs=0, reverse=0, converge=0} @1 : (f64[B,3])\nreturn }",
   ":7:1", "inside a loop, only linear ops may follow a sum over the batch"},
};

static void test_wrong(void) {
  for (size_t k = 0; k < sizeof wrong / sizeof *wrong; k++) {
    char *said, line[64];
    Fn *f = parsed(wrong[k].text, &said);
    snprintf(line, sizeof line, "--> t.hir%s\n", wrong[k].line);
    char *end = strchr(said, '\n');
    bool good = !f && end && !strncmp(said, "error[ir_text]: ", 16) && strstr(said, line);
    if (good && wrong[k].message)
      good =
          strlen(wrong[k].message) == (size_t)(end - said) - 16 && !strncmp(said + 16, wrong[k].message, strlen(wrong[k].message));
    CU_ASSERT(good);
    if (!good)
      fprintf(stderr, "\ncase %zu: %s\nwanted %s: %s\nsaid %s\n", k, wrong[k].text, wrong[k].line,
              wrong[k].message ? wrong[k].message : "an error", said);
    free(said);
    ir_fn_destroy(f);
  }
}

static void test_deep(void) {
  char text[4000] = "fn f64 @f() {";
  for (int k = 0; k < 200; k++) strcat(text, "sub 1 @g() {");
  char *said;
  CU_ASSERT_PTR_NULL(parsed(text, &said));
  CU_ASSERT_PTR_NOT_NULL(strstr(said, "sub-functions are nested too deeply"));
  free(said);
}

/* ---- what is broken in memory ---- */

static void damaged(uint32_t kind, const char *expected) {
  Fn *f = ir_fn_create("f", true);
  Build b;
  char *said = NULL;
  size_t size;
  uint32_t dim[] = {3};
  ir_build_init(&b, f);
  Val x = ir_input(&b, "x", IN_FIELD, 0, type_real(true, 1, dim)), y = ir_sin(&b, x), z = ir_add(&b, x, y);
  ir_output(&b, z, NULL);
  ir_build_finish(&b);
  CU_ASSERT_EQUAL(ir_verify(f, stderr), 0);
  Inst *i = &f->inst.at[z.id];
  switch (kind) {
  case 0: i->op = 999; break;
  case 1: i->type.dim[0] = 4; break;
  case 2: f->pool.at[i->args] = z; break;
  case 3: f->pool.at[i->args] = (Val){77}; break;
  case 4: i->nargs = 1; break;
  case 5: i->args = 1000000; break;
  case 6: i->sub = 7; break;
  case 7: f->out.at[0] = (Val){1000}; break;
  case 8: i->type.rank = 9; break;
  default: f->outname.n = 0; break;
  }
  FILE *out = open_memstream(&said, &size);
  CU_ASSERT(ir_verify(f, out) > 0);
  fclose(out);
  CU_ASSERT_PTR_NOT_NULL(strstr(said, expected));
  if (!strstr(said, expected)) fprintf(stderr, "damage %u: wanted `%s`, said\n%s\n", kind, expected, said);
  free(said);
  ir_fn_destroy(f);
}

static void test_verify(void) {
  static const char *const expected[] = {"unknown op 999",
                                         "type is f64[B,4], inferred f64[B,3]",
                                         "which stands behind its user",
                                         "operand 0 is %77, which does not exist",
                                         "of `add` are not as its row says",
                                         "of `add` are not as its row says",
                                         "of `add` are not as its row says",
                                         "output 0 is %1000, which does not exist",
                                         "type has a wrong rank or size",
                                         "1 outputs have 0 names"};
  for (uint32_t k = 0; k < sizeof expected / sizeof *expected; k++) damaged(k, expected[k]);
}

static void test_dot_graph(void) {
  RandomSpec spec = {.seed = 4, .size = 30, .f64 = true, .scans = true};
  Fn *f = random_fn(&spec);
  char *text = NULL;
  size_t size;
  FILE *out = open_memstream(&text, &size);
  ir_dot_graph(out, f);
  fclose(out);
  CU_ASSERT(!strncmp(text, "digraph \"random\" {", 18));
  CU_ASSERT(size > 2 && !strcmp(text + size - 2, "}\n"));
  free(text);
  ir_fn_destroy(f);
}

const Suite suite = {"text", (CU_TestInfo[]){{"round trip", test_round_trip},
                                             {"numbers", test_numbers},
                                             {"wrong texts", test_wrong},
                                             {"deep nesting", test_deep},
                                             {"verifier", test_verify},
                                             {"dot graph", test_dot_graph},
                                             CU_TEST_INFO_NULL}};
