/* Answers about flows against numbers: random flows that keep what they claim are changed in one detail, loaded, and
 * what is answered is compared with the Jacobian at random points. A false proof, a false refutation, a flow that is
 * not undone or a wrong log-determinant fails the test and prints the text.
 *
 *   test_claims [-n COUNT] [-s FIRST] [-v] [-p]
 *
 * -v prints the programs whose valid claims are undecided, -p every program before it is loaded. */
#include "tests/common/claims_gen.h"
#include "tests/common/cunit_main.h"
#include "tests/common/often.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PROGRAMS = SANITIZED ? 400 : 2000 };

static uint32_t count = PROGRAMS, first = 0;
static bool verbose, show;

static struct Tally {
  uint32_t programs, refused, unjudged; /* refused by another error; refuted beside one */
  uint32_t proved, refuted, undecided_true, undecided_false, unclear, unclaimed;
  uint32_t clauses; /* refuted for a log-determinant */
  uint32_t false_proofs, false_refutations, not_undone, wrong_logdet, unchanged_refused;
} tally;

/* ---- the truth ---------------------------------------------------------------------------------------------- */

typedef enum { TRUTH_UNCLEAR, TRUTH_HOLDS, TRUTH_FAILS } Truth;
typedef struct Numbers {
  Truth symplectic, volume, undone, logdet;
} Numbers;

typedef struct Verdict {
  int points;
  double worst;
} Verdict;

static Truth truth_of(Verdict v, double rounding, double wrong) {
  if (v.worst > wrong) return TRUTH_FAILS;
  return v.points >= 4 && v.worst <= rounding ? TRUTH_HOLDS : TRUTH_UNCLEAR;
}

static void weigh(Verdict *v, double defect) {
  if (!isfinite(defect)) return;
  v->points++;
  v->worst = fmax(v->worst, defect);
}

/* Points where the numbers say something: nothing on the way is large, so that rounding stays small. */
static bool usable(const Values *j, int s) {
  double size = jacobian_size(j->out, s);
  return isfinite(size) && j->largest[s] < 1e3 && fabs(jacobian_det(j->out, s)) > 1e-4;
}

typedef struct Parts {
  Fn *j, *back, *forth, *logdet;
} Parts;

static Fn *part(const Model *m, const char *what, const char *flow) {
  char name[48];
  snprintf(name, sizeof name, "%s_%s", what, flow);
  return claims_fn(m, name);
}

static void compare(const Parts *p, const MadeFlow *f, uint64_t seed, Verdict *form, Verdict *volume, Verdict *undone,
                    Verdict *logdet) {
  Values j = {0}, back = {0}, forth = {0}, ld = {0};
  bool good = claims_eval(p->j, seed, &j);
  bool has_back = p->back && claims_eval(p->back, seed, &back), has_forth = p->forth && claims_eval(p->forth, seed, &forth),
       has_ld = p->logdet && claims_eval(p->logdet, seed, &ld);
  for (int s = 0; s < POINTS && good; s++) {
    if (!usable(&j, s)) continue;
    double size = jacobian_size(j.out, s), det = jacobian_det(j.out, s);
    if (f->symplectic) weigh(form, defect_symplectic(j.out, s) / (1 + size * size));
    weigh(volume, fabs(fabs(det) - 1) / (1 + size));
    if (has_back && back.largest[s] < 1e3) weigh(undone, claims_away(p->back, &back, seed, s));
    if (has_forth && forth.largest[s] < 1e3) weigh(undone, claims_away(p->forth, &forth, seed, s));
    if (has_ld) weigh(logdet, fabs(claims_value(ld.out, 0, s) - log(fabs(det))));
  }
  if (j.out) claims_values_free(&j);
  if (back.out) claims_values_free(&back);
  if (forth.out) claims_values_free(&forth);
  if (ld.out) claims_values_free(&ld);
}

enum { FEW = 2, MANY = 2000 };

/* `loose`: with implicit methods, which are as canonical as their iterations converge. */
static Numbers numbers(const Model *m, const MadeFlow *f, uint64_t seed, bool loose, uint64_t rounds) {
  Verdict form = {0}, volume = {0}, undone = {0}, logdet = {0};
  Parts p = {part(m, "J", f->name), part(m, "back", f->name), part(m, "forth", f->name), part(m, "logdet", f->name)};
  for (uint64_t k = 0; k < rounds && p.j; k++) compare(&p, f, seed + k, &form, &volume, &undone, &logdet);
  ir_fn_destroy(p.j);
  ir_fn_destroy(p.back);
  ir_fn_destroy(p.forth);
  ir_fn_destroy(p.logdet);
  double wide = loose ? 1e3 : 1;
  return (Numbers){truth_of(form, 1e-12, 1e-7 * wide), truth_of(volume, 1e-10, 1e-6 * wide), truth_of(undone, 1e-7, 1e-4 * wide),
                   truth_of(logdet, 1e-7, 1e-5 * wide)};
}

static bool holds(const Numbers *x) {
  return x->undone == TRUTH_HOLDS && x->symplectic == TRUTH_HOLDS && x->volume == TRUTH_HOLDS && x->logdet == TRUTH_HOLDS;
}

static bool fails(const Numbers *x) {
  return x->undone == TRUTH_FAILS || x->symplectic == TRUTH_FAILS || x->volume == TRUTH_FAILS || x->logdet == TRUTH_FAILS;
}

static bool implicit(const Text *t) { return strstr(t->at, "method implicit") || strstr(t->at, "method gauss"); }

static Truth claimed(const Numbers *x, bool symplectic) { return symplectic ? x->symplectic : x->volume; }

/* ---- one program -------------------------------------------------------------------------------------------- */

static void complain(const char *what, uint64_t seed, const char *flow, const char *text, const char *said) {
  printf("\n---- %s: program %llu, flow %s\n%s\n%s\n", what, (unsigned long long)seed, flow, text, said ? said : "");
  fflush(stdout);
}

static const Proof *row(const Model *m, const char *kind, const char *flow) {
  char text[64];
  snprintf(text, sizeof text, "%s %s", kind, flow);
  return claims_proof(m, text);
}

static void judge_claim(const Model *m, const MadeFlow *f, bool symplectic, const Numbers *x, uint64_t seed, const Text *t) {
  const Proof *p = row(m, symplectic ? "symplectic flow" : "volume flow", f->name);
  Truth truth = claimed(x, symplectic);
  if (!p) return;
  if (p->answer == ANSWER_PROVED) {
    tally.proved++;
    if (truth == TRUTH_FAILS) tally.false_proofs++, complain("FALSE PROOF", seed, f->name, t->at, p->text);
  } else if (truth == TRUTH_UNCLEAR) {
    tally.unclear++;
  } else if (truth == TRUTH_FAILS) {
    tally.undecided_false++;
    if (verbose) complain("undecided, but fails", seed, f->name, t->at, p->detail);
  } else {
    tally.undecided_true++;
    if (verbose) complain("undecided", seed, f->name, t->at, p->detail);
  }
}

static void judge_loaded(const Model *m, const Made *made, uint64_t seed, const Text *t) {
  for (uint32_t k = 0; k < made->nflow; k++) {
    const MadeFlow *f = &made->flow[k];
    Numbers x = numbers(m, f, seed, implicit(t), FEW);
    bool symplectic = row(m, "symplectic flow", f->name), volume = row(m, "volume flow", f->name);
    if (symplectic && f->symplectic) judge_claim(m, f, true, &x, seed, t);
    if (volume) judge_claim(m, f, false, &x, seed, t);
    if (!symplectic && !volume) tally.unclaimed++;
    bool open = false, said = false; /* clauses that may be wrong */
    for (uint32_t i = 0; i < m->nproof; i++) {
      open |= m->proof[i].answer != ANSWER_PROVED && !strncmp(m->proof[i].text, "inverse clause", 14);
      said |= m->proof[i].answer != ANSWER_PROVED && !strncmp(m->proof[i].text, "logdet clause", 13);
    }
    if (!open && x.undone == TRUTH_FAILS) tally.not_undone++, complain("NOT UNDONE", seed, f->name, t->at, NULL);
    if (!said && x.logdet == TRUTH_FAILS) tally.wrong_logdet++, complain("WRONG LOGDET", seed, f->name, t->at, NULL);
  }
}

/* Which flow a message refutes: "... `S1` is not symplectic". */
static bool names(const char *said, const char *flow, bool symplectic) {
  char text[64];
  snprintf(text, sizeof text, "`%s` is not %s", flow, symplectic ? "symplectic" : "volume-preserving");
  return strstr(said, text) != NULL;
}

static bool refutes(const char *said) {
  return strstr(said, "` is not symplectic") || strstr(said, "` is not volume-preserving") ||
         strstr(said, "this does not undo its step") || strstr(said, "this is not the log-determinant of its step");
}

/* A clause that is wrong twice may be right: what the message shows must differ then. */
static bool shows_clause(const char *said) {
  static const char *const part[][2] = {{" comes back as ", ", not "}, {" it is ", ", log|det J| is "}};
  const int k = strstr(said, part[0][0]) ? 0 : 1;
  const char *back = strstr(said, part[k][0]), *want = back ? strstr(back, part[k][1]) : NULL;
  double x = back ? strtod(back + strlen(part[k][0]), NULL) : 0, y = want ? strtod(want + strlen(part[k][1]), NULL) : 0;
  return fabs(x - y) > 1e-4 * (fabs(x) + fabs(y));
}

/* Loaded once more with the refuted left open, for the truth. */
static void judge_refuted(const Made *made, uint64_t seed, const Text *t, const char *said) {
  Loaded l = claims_load(t->at, true);
  bool any = false, wrong[FLOWS_MOST] = {false};
  tally.refuted++;
  tally.clauses += strstr(said, "this is not the log-determinant of its step") != NULL;
  if (!l.m) tally.unjudged++;
  for (uint32_t k = 0; k < made->nflow && l.m; k++) {
    const MadeFlow *f = &made->flow[k];
    Numbers x = numbers(l.m, f, seed, implicit(t), FEW);
    if (!fails(&x)) x = numbers(l.m, f, seed, implicit(t), MANY); /* a case may be rare */
    any |= !holds(&x);
    for (int form = 0; form < 2 && !f->template; form++) wrong[k] |= names(said, f->name, form) && claimed(&x, form) == TRUTH_HOLDS;
    if (wrong[k]) tally.false_refutations++, complain("FALSE REFUTATION", seed, f->name, t->at, said);
  }
  if (l.m && !any && shows_clause(said)) tally.unjudged++;
  else if (l.m && !any) tally.false_refutations++, complain("FALSE REFUTATION", seed, "?", t->at, said);
  claims_unload(&l);
}

static void one_program(uint64_t seed) {
  static Made made;
  static Text text;
  made_flows(&made, seed);
  uint32_t changes = seed % 8 == 0 ? 0 : rng_below(&made.rng, 5) == 0 ? 2 : 1;
  for (uint32_t k = 0; k < changes; k++) made_change(&made);
  made_text(&made, &text);
  if (show) printf("# program %llu\n%s\n", (unsigned long long)seed, text.at), fflush(stdout);
  Loaded l = claims_load(text.at, false);
  tally.programs++;
  if (l.m) {
    judge_loaded(l.m, &made, seed, &text);
  } else {
    char *said = claims_messages(&l);
    if (changes == 0) tally.unchanged_refused++, complain("UNCHANGED, BUT REFUSED", seed, "-", text.at, said);
    if (refutes(said)) judge_refuted(&made, seed, &text, said);
    else tally.refused++;
    free(said);
  }
  claims_unload(&l);
}

static void figures(void) {
  const struct Tally *t = &tally;
  uint32_t valid = t->proved + t->undecided_true;
  printf("\n%u programs: %u refused for another reason, %u refuted (%u for a logdet clause, %u of them not to be judged)\n",
         t->programs, t->refused, t->refuted, t->clauses, t->unjudged);
  printf("claims of the others: %u proved, %u undecided (%u hold, %u fail, %u unclear); %u flows without a claim\n", t->proved,
         t->undecided_true + t->undecided_false + t->unclear, t->undecided_true, t->undecided_false, t->unclear, t->unclaimed);
  printf("false: %u proofs, %u refutations, %u not undone, %u log-determinants; undecided among claims that hold: %.3f %%\n",
         t->false_proofs, t->false_refutations, t->not_undone, t->wrong_logdet, valid ? 100.0 * t->undecided_true / valid : 0.0);
}

static void test_mutations(void) {
  for (uint32_t k = 0; k < count; k++) one_program(first + k);
  figures();
  CU_ASSERT(tally.false_proofs == 0);
  CU_ASSERT(tally.false_refutations == 0);
  CU_ASSERT(tally.not_undone == 0);
  CU_ASSERT(tally.wrong_logdet == 0);
  CU_ASSERT(tally.unchanged_refused == 0);
  CU_ASSERT(tally.proved > count / 8 && tally.refuted > count / 10 && tally.clauses > count / 200); /* it looks at something */
}

/* What the numbers say of flows whose answer is known: this test would not see a false proof otherwise. */
static void test_numbers(void) {
  static const struct {
    const char *body;
    bool symplectic, volume, undone;
  } known[] = {{"p += tanh(q)", true, true, true},
               {"p += [q[1], 2*q[0]]", false, true, true},
               {"q *= exp(0.1)", false, false, true},
               {"q *= exp(0.1)\np /= exp(0.1)", true, true, true},
               {"q, p = q/2, 2.002*p  inverse  2*q, p/2.002", false, false, true},
               {"q, p = p, -q", true, true, true},
               {"q, p = p, q", false, true, true},
               {"q, p = 2*q, p/2  inverse  q/2, 1.999*p", true, true, false},
               {"q, p = exp(q), p*exp(-q)  inverse  log(q), p*q", true, true, true},
               {"q[0] *= exp(p[1])\nq[1] /= exp(p[1])", false, true, true}};
  for (size_t k = 0; k < sizeof known / sizeof *known; k++) {
    static Made made;
    static Text text;
    made = (Made){.nflow = 1, .flow = {{.name = "S0", .call = "S0", .symplectic = true, .n = 2}}};
    text_add(&made.head, "flow S0(q: real[2], p: real[2]) {\n%s\n}\n", known[k].body);
    made_text(&made, &text);
    Loaded l = claims_load(text.at, true);
    CU_ASSERT_FATAL(l.m != NULL);
    Numbers x = numbers(l.m, &made.flow[0], 1, false, FEW);
    CU_ASSERT(x.symplectic == (known[k].symplectic ? TRUTH_HOLDS : TRUTH_FAILS));
    CU_ASSERT(x.volume == (known[k].volume ? TRUTH_HOLDS : TRUTH_FAILS));
    CU_ASSERT(x.undone == (known[k].undone ? TRUTH_HOLDS : TRUTH_FAILS));
    CU_ASSERT(x.logdet == TRUTH_HOLDS);
    claims_unload(&l);
  }
}

static CU_TestInfo *arguments(int argc, char **argv) {
  for (int i = 1; i < argc; i++) {
    if (!strcmp(argv[i], "-v")) verbose = true;
    if (!strcmp(argv[i], "-p")) show = true;
    if (!strcmp(argv[i], "-n") && i + 1 < argc) count = (uint32_t)strtoul(argv[++i], NULL, 10);
    else if (!strcmp(argv[i], "-s") && i + 1 < argc) first = (uint32_t)strtoul(argv[++i], NULL, 10);
  }
  return suite.tests;
}

const Suite suite = {"claims",
                     (CU_TestInfo[]){{"numbers tell", test_numbers},
                                     {"answers about changed flows against numbers", test_mutations},
                                     CU_TEST_INFO_NULL},
                     .arguments = arguments};
