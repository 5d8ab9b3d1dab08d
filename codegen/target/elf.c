/* Objects of the machine that this runs on: what object/image.c has to know to load one. */
#include "codegen/target/target.h"

#include <elf.h>
#include <string.h>

uint16_t cg_elf_machine(void) {
#ifdef __aarch64__
  return EM_AARCH64;
#else
  return EM_X86_64;
#endif
}

void cg_elf_stub(char *at, void *to) {
#ifdef __aarch64__
  static const uint32_t jump[2] = {0x58000050, 0xd61f0200}; /* ldr x16, +8; br x16 */
  memcpy(at, jump, 8), memcpy(at + 8, &to, 8);
#else
  static const unsigned char jump[6] = {0xff, 0x25, 0, 0, 0, 0}; /* jmp *0(%rip) */
  memcpy(at, jump, 6), memcpy(at + 6, &to, 8);
#endif
}

#ifdef __aarch64__
enum { WHOLE = R_AARCH64_ABS64 };
#else
enum { WHOLE = R_X86_64_64 };
#endif

/* Bytes that a reference fills: a pointer in a constant, or part of an instruction. */
uint64_t cg_elf_bytes(uint32_t type) { return type == WHOLE ? 8 : 4; }

static bool fits(int64_t v, int bits) { return v >= -((int64_t)1 << (bits - 1)) && v < (int64_t)1 << (bits - 1); }

/* The bytes at p, which will lie at `at`, come to refer to s. */
const char *cg_elf_refer(char *p, int64_t at, uint32_t type, int64_t s) {
  int64_t d = s - at;
  if (type == WHOLE) return memcpy(p, &s, 8), NULL;
#ifdef __aarch64__
  uint32_t word, field = 0;
  int64_t pages = (s >> 12) - (at >> 12), low = s & 4095;
  memcpy(&word, p, 4);
  switch (type) {
  case R_AARCH64_PREL32:
    if (!fits(d, 32)) return "a place is too far";
    word = 0, field = (uint32_t)d;
    break;
  case R_AARCH64_CALL26:
  case R_AARCH64_JUMP26:
    if (!fits(d, 28)) return "a call is too far";
    field = (uint32_t)(d >> 2) & 0x3ffffff;
    break;
  case R_AARCH64_ADR_PREL_PG_HI21: field = ((uint32_t)pages & 3) << 29 | ((uint32_t)(pages >> 2) & 0x7ffff) << 5; break;
  case R_AARCH64_ADD_ABS_LO12_NC:
  case R_AARCH64_LDST8_ABS_LO12_NC: field = (uint32_t)low << 10; break;
  case R_AARCH64_LDST16_ABS_LO12_NC: field = (uint32_t)(low >> 1) << 10; break;
  case R_AARCH64_LDST32_ABS_LO12_NC: field = (uint32_t)(low >> 2) << 10; break;
  case R_AARCH64_LDST64_ABS_LO12_NC: field = (uint32_t)(low >> 3) << 10; break;
  case R_AARCH64_LDST128_ABS_LO12_NC: field = (uint32_t)(low >> 4) << 10; break;
  default: return "a reference is of an unknown kind";
  }
  word |= field;
  memcpy(p, &word, 4);
#else
  if (type != R_X86_64_PC32 && type != R_X86_64_PLT32) return "a reference is of an unknown kind";
  if (!fits(d, 32)) return "a place is too far";
  int32_t rel = (int32_t)d;
  memcpy(p, &rel, 4);
#endif
  return NULL;
}
