/* Names of a model as identifiers of C and C++. */
#ifndef HNNC_DRIVER_EXPORT_CNAME_PRIV_H
#define HNNC_DRIVER_EXPORT_CNAME_PRIV_H

#include "ir/base/base.h"

/* Letters, digits and `_` stay; Greek letters are spelled (φ is phi), accents dropped, subscript digits are digits, what is
 * left is `uXXXX`, its code point. A name that begins with a digit or with `_`, or has nothing left, gets an `m` in front. */
const char *cname_ascii(Arena *mem, const char *text);

/* Whether C or C++ keep an identifier for themselves: keywords, types and macros of the standard headers, macros that compilers
 * define (linux, unix), main. */
bool cname_kept(const char *name);

/* A text as it may stand in a comment, on one line: what would end or open one, or be a line of its own, is changed. */
const char *cname_comment(Arena *mem, const char *text);

/* A text as a string literal, quotes included. */
const char *cname_string(Arena *mem, const char *text);

#endif
