/* Names of other languages: what is written here instead. */
#include "frontend/syntax/synonym.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

const char *synonym_among(const char *name, const char *const *candidates, size_t n) {
  static const struct {
    const char *name, *here;
  } row[] = {
#define ALIAS(name, here) {name, here},
#define SYN(name, help)
#include "frontend/syntax/synonyms.def"
#undef ALIAS
#undef SYN
  };
  for (size_t i = 0; i < sizeof row / sizeof *row; i++)
    for (size_t k = 0; k < n && !strcasecmp(row[i].name, name); k++)
      if (candidates[k] && !strcmp(row[i].here, candidates[k])) return candidates[k];
  return NULL;
}

const char *synonym(const char *name) {
  static const struct {
    const char *name, *help;
  } row[] = {
#define ALIAS(name, here)
#define SYN(name, help) {name, help},
#include "frontend/syntax/synonyms.def"
#undef ALIAS
#undef SYN
  };
  for (size_t i = 0; i < sizeof row / sizeof *row; i++)
    if (!strcasecmp(row[i].name, name)) return row[i].help;
  return NULL;
}

const char *synonym_letter(const char *name, const char *const *candidates, size_t n) {
  static const struct {
    const char *greek, *latin, *spelled;
  } row[] = {{"α", "a", "alpha"}, {"β", "b", "beta"},  {"γ", "y", "gamma"},  {"δ", "d", "delta"}, {"ε", "e", "epsilon"},
             {"ζ", "z", "zeta"},  {"η", "n", "eta"},   {"θ", "th", "theta"}, {"κ", "k", "kappa"}, {"λ", "l", "lambda_"},
             {"μ", "u", "mu"},    {"µ", "u", "mu"},    {"ν", "v", "nu"},     {"ξ", "xi", "xi"},   {"ρ", "p", "rho"},
             {"σ", "s", "sigma"}, {"τ", "t", "tau"},   {"φ", "f", "phi"},    {"ϕ", "f", "phi"},   {"χ", "x", "chi"},
             {"ψ", "psi", "psi"}, {"ω", "w", "omega"}, {"Δ", "D", "Delta"},  {"Ω", "O", "Omega"}, {"Φ", "F", "Phi"},
             {"Σ", "S", "Sigma"}};
  for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
    const char *all[] = {row[i].greek, row[i].latin, row[i].spelled};
    bool one = false;
    for (int k = 0; k < 3; k++) one |= !strcmp(name, all[k]);
    for (size_t c = 0; one && c < n; c++)
      for (int k = 0; candidates[c] && k < 3; k++)
        if (strcmp(name, all[k]) && !strcmp(candidates[c], all[k]) && (k == 0 || !strcmp(name, row[i].greek))) return candidates[c];
  }
  return NULL;
}
