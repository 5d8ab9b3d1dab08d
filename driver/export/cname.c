#include "driver/export/cname_priv.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

typedef struct Spelling {
  uint32_t code;
  const char *as;
} Spelling;

/* Beside the Greek block, which `greek` has in order. */
static const Spelling spelling[] = {
  {0x03c2, "sigma"},   {0x03d0, "beta"}, {0x03d1, "theta"}, {0x03d5, "phi"},  {0x03d6, "pi"}, {0x03f0, "kappa"}, {0x03f1, "rho"},
  {0x03f5, "epsilon"}, {0x00c6, "AE"},   {0x00e6, "ae"},    {0x00d8, "O"},    {0x00f8, "o"},  {0x00df, "ss"},    {0x0152, "OE"},
  {0x0153, "oe"},      {0x0131, "i"},    {0x0141, "L"},     {0x0142, "l"},    {0x0110, "D"},  {0x0111, "d"},     {0x0126, "H"},
  {0x0127, "hbar"},    {0x00d0, "D"},    {0x00f0, "d"},     {0x00de, "Th"},   {0x00fe, "th"}, {0x0302, "hat"},   {0x0303, "tilde"},
  {0x0304, "bar"},     {0x0305, "bar"},  {0x0307, "dot"},   {0x0308, "ddot"}, /* combining */
};

static const char *const greek[] = {/* from U+0391 and, in small letters, U+03B1; U+03A2 is no letter */
                                    "Alpha", "Beta",   "Gamma",   "Delta", "Epsilon", "Zeta",    "Eta",  "Theta", "Iota",
                                    "Kappa", "Lambda", "Mu",      "Nu",    "Xi",      "Omicron", "Pi",   "Rho",   "",
                                    "Sigma", "Tau",    "Upsilon", "Phi",   "Chi",     "Psi",     "Omega"};
enum { NGREEK = sizeof greek / sizeof *greek };

/* Letters of U+00C0 to U+00FF and U+0100 to U+017F without their accents; `?` where `spelling` has it or there is none. */
static const char latin1[] = "AAAAAA?CEEEEIIII?NOOOOO??UUUUY??aaaaaa?ceeeeiiii?nooooo??uuuuy?y";
static const char latin_a[] = "AaAaAaCcCcCcCcDd??EeEeEeEeEeGgGgGgGgHh??IiIiIiIiI?IiJjKk?LlLlLlLl??NnNnNn???OoOoOo??"
                              "RrRrRrSsSsSsSsTtTt??UuUuUuUuUuUuWwYyYZzZzZzs";

/* What a code point is written as; `hold` has room for it. */
static const char *spelled(uint32_t c, char hold[16]) {
  for (size_t k = 0; k < sizeof spelling / sizeof *spelling; k++)
    if (spelling[k].code == c) return spelling[k].as;
  const uint32_t small = c >= 0x3b1 && c < 0x3b1 + NGREEK;
  const uint32_t letter = small ? c - 0x3b1 : c - 0x391;
  const char *base = c >= 0xc0 && c <= 0xff ? &latin1[c - 0xc0] : c >= 0x100 && c <= 0x17f ? &latin_a[c - 0x100] : NULL;
  if (c < 0x80 && (isalnum((int)c) || c == '_')) snprintf(hold, 16, "%c", (int)c);
  else if (c < 0x80) snprintf(hold, 16, "_");
  else if (c >= 0x2080 && c <= 0x2089) snprintf(hold, 16, "%u", c - 0x2080);
  else if (c >= 0x391 && letter < NGREEK && *greek[letter]) {
    snprintf(hold, 16, "%s", greek[letter]);
    if (small) hold[0] = (char)tolower((unsigned char)hold[0]);
  } else if (base && *base != '?') snprintf(hold, 16, "%c", *base);
  else snprintf(hold, 16, "u%04X", c);
  return hold;
}

const char *cname_ascii(Arena *mem, const char *text) {
  char hold[16], *out = arena_alloc(mem, strlen(text) * 8 + 2), *to = out + 1; /* 8: Epsilon, uXXXX of two bytes and more */
  const uint32_t len = (uint32_t)strlen(text);
  int32_t code;
  for (uint32_t at = 0; at < len;) {
    const uint32_t n = source_char(text, len, at, &code);
    const char *s = spelled(code < 0 ? (unsigned char)text[at] : (uint32_t)code, hold); /* a path may be no UTF-8 */
    memcpy(to, s, strlen(s));
    to += strlen(s), at += n;
  }
  *to = 0;
  out[0] = 'm';
  return isalpha((unsigned char)out[1]) ? out + 1 : out;
}

bool cname_kept(const char *name) {
  static const char *const words[] = {
    /* keywords of C to C23 and of C++ to C++23 */
    "alignas", "alignof", "and", "and_eq", "asm", "auto", "bitand", "bitor", "bool", "break", "case", "catch", "char", "char16_t",
    "char32_t", "char8_t", "class", "co_await", "co_return", "co_yield", "compl", "concept", "const", "const_cast", "consteval",
    "constexpr", "constinit", "continue", "decltype", "default", "delete", "do", "double", "dynamic_cast", "else", "enum",
    "explicit", "export", "extern", "false", "float", "for", "friend", "goto", "if", "inline", "int", "long", "mutable",
    "namespace", "new", "noexcept", "not", "not_eq", "nullptr", "operator", "or", "or_eq", "private", "protected", "public",
    "register", "reinterpret_cast", "requires", "restrict", "return", "short", "signed", "sizeof", "static", "static_assert",
    "static_cast", "struct", "switch", "template", "this", "thread_local", "throw", "true", "try", "typedef", "typeid", "typename",
    "typeof", "typeof_unqual", "union", "unsigned", "using", "virtual", "void", "volatile", "wchar_t", "while", "xor", "xor_eq",
    /* macros that compilers define without underscores; macros and functions that headers bring along */
    "linux", "unix", "i386", "arm", "sparc", "mips", "vax", "sun", "near", "far", "min", "max", "small", "interface", "major",
    "minor", "makedev", "assert", "complex", "imaginary", "errno", "stdin", "stdout", "stderr", "signals", "slots", "emit",
    "offsetof", "isnan", "isinf", "isfinite", "isnormal", "signbit", "alloca", "noreturn", "unreachable", "va_arg", "va_copy",
    "va_end", "va_list", "va_start", "setjmp", "I", "main", "std", "EOF", "NULL", "BUFSIZ", "NAN", "INFINITY", "HUGE_VAL", "TRUE",
    "FALSE"};
  size_t n = strlen(name);
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (!strcmp(words[i], name)) return true;
  static const char *const ends[] = {"_t", "_MAX", "_MIN", "_WIDTH"}; /* int8_t, PTRDIFF_MAX, ...: POSIX keeps them all */
  for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
    if (n > strlen(ends[i]) && !strcmp(name + n - strlen(ends[i]), ends[i])) return true;
  return false;
}

const char *cname_comment(Arena *mem, const char *text) {
  char *out = arena_strdup(mem, text);
  for (char *c = out; *c; c++) {
    if ((unsigned char)*c < ' ' || *c == 0x7f || *c == '\\') *c = '?';
    if (c > out && ((c[-1] == '*' && *c == '/') || (c[-1] == '/' && *c == '*') || (c[-1] == '?' && *c == '?'))) *c = '_';
  }
  return out;
}

const char *cname_string(Arena *mem, const char *text) {
  char *out = arena_alloc(mem, strlen(text) * 4 + 3), *to = out;
  *to++ = '"';
  for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
    bool plain = *c >= ' ' && *c != 0x7f && *c != '"' && *c != '\\' && *c != '?';
    if (plain) *to++ = (char)*c;
    else to += sprintf(to, "\\%03o", *c);
  }
  *to++ = '"';
  *to = 0;
  return out;
}
