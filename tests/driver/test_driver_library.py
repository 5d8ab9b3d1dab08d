#!/usr/bin/env python3
"""Exported libraries: names, paths, sizes, processors, trainings. test_driver_library.py HNNC [TEST...]"""
import os
import shutil
import struct
import subprocess
import sys

from driver_util import check, environment, HNNC, hnnc, last, lines, main, models, read, tensors, write

STRICT = ["-Wall", "-Wextra", "-pedantic", "-Werror"]


def run(*args, code=0, **more):
    p = subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True, timeout=120, **more)
    check(p.returncode == code, " ".join(args), p.returncode, p.stdout)
    return p.stdout


def compilers():
    """Each compiler that is here, with its options: C and C++ of gcc and clang."""
    found = [[c, "-x", language, *more] for c, language, more in (
        ("gcc", "c", ["-std=c11"]), ("gcc", "c", ["-std=gnu17"]), ("clang", "c", ["-std=c11"]), ("g++", "c++", ["-std=c++11"]),
        ("g++", "c++", ["-std=gnu++20"]), ("clang++", "c++", ["-std=c++11"])) if shutil.which(c)]
    check(found, "there is no compiler")
    return found


def headers_compile(path):
    """Behind the headers of C, whose macros and functions are there then."""
    others = [x for h in ("stdio", "stdlib", "string", "strings", "math", "limits", "signal", "time", "errno") for x in ("-include", h + ".h")]
    for c in compilers():
        run(*c, *STRICT, *others, "-fsyntax-only", path)


def program(text, library, name="use"):
    """What a C program that uses the library prints."""
    write(name + ".c", text)
    run("gcc", "-std=c11", *STRICT, name + ".c", "./" + library + ".so", "-Wl,-rpath,.", "-o", name, "-lm", "-lpthread")
    return run("./" + name)


# ---- names ----------------------------------------------------------------------------------------------------

HOSTILE = """\
fn φ(x: real) = 2*x
fn ψ(x: real) = 3*x
fn phi(x: real) = 4*x
fn create(a: real) = a
fn error(a: real) = a
fn param_name(a: real) = a
fn pattern_x_rows(a: real) = a
fn double(linux: real, unix: real, int: real, I: real, complex: real) = linux + unix + int + I + complex
fn F(m: real, n: real, lr: real, loss: real, out: real, out_: real, out0: real, _x: real) = m + n + lr + loss + out + out_ + out0 + _x
fn main(φ: real, phi: real, ϕ: real, q̂: real, x₁: real, x1: real, é: real) = φ + phi + ϕ + q̂ + x₁ + x1 + é
fn EOF(NULL: real, PI: real, size_t: real, errno: real, class: real) = NULL + PI + size_t + errno + class
fn Ж(Ж: real, ℏ: real) = Ж*ℏ
fn limits(INT32_MAX: real, SIG_ATOMIC_MIN: real, UINT_FAST8_MAX: real, WCHAR_WIDTH: real, INT64_C: real) = INT32_MAX + SIG_ATOMIC_MIN + UINT_FAST8_MAX + WCHAR_WIDTH + INT64_C
"""


def test_hostile_names():
    names = ["double", "int", "main", "linux", "class", "lib", "rt", "rt_fn", "hnnc_fn", "pthread", "timer", "0day", "a b", "-x", "φ",
             "x*y", "q'", "new\"", "size_t", "in", "whole", "params", "EOF", "train", "std", "printf", "malloc", "index", "y0", "signal", "INT64_MAX"]
    for name in names:
        path = os.path.join("d", name + ".hnn")
        write(path, HOSTILE)
        hnnc("compile", path, "-q")
        headers_compile(os.path.join("d", name + ".h"))
        soname = run("readelf", "-d", os.path.join("d", name + ".so"))
        check("[%s.so]" % name in soname, "the SONAME", name, soname)
    exported = run("nm", "-D", "--defined-only", "d/params.so")
    for f in "phi psi phi_2 create_2 error_2 param_name_2 double main EOF u0416 create error".split():
        check(" params_%s\n" % f in exported + "\n", "there is no params_" + f, exported)
    check("lib_" not in exported and "rt_" not in exported and "hnnc_" not in exported, "the engine is hidden", exported)


def test_names_mean_their_function():
    """A name that had to change still calls its own function."""
    write("m.hnn", HOSTILE)
    hnnc("compile", "m.hnn", "-q")
    said = program("""#include <complex.h>
#include <errno.h>
#include <stdio.h>
#include "m.h"
int main(void) {
  double x = 10, out = 0;
  m *l = m_create();
  if (!l || *m_error(0)) return 1;
  m_phi(l, 1, &x, &out), printf("%g ", out);
  m_psi(l, 1, &x, &out), printf("%g ", out);
  m_phi_2(l, 1, &x, &out), printf("%g ", out);
  m_create_2(l, 1, &x, &out), printf("%g\\n", out);
  m_destroy(l);
  return 0;
}
""", "m")
    check(said == "40 30 20 10\n", "the functions", said)


def test_models_have_headers():
    for path in models():
        name = os.path.splitext(os.path.basename(path))[0]
        hnnc("compile", path, "--emit=header", "-o", name + ".h")
        headers_compile(name + ".h")


def test_paths_are_text():
    """Nothing of a path is ever code, and a directory is a place."""
    for folder in "b*/ int x = 1; /*", "a ?" + "?/ b", "-Wl,evil", "x\\", "new\nline", "q\"uote'":
        path = os.path.join(folder, "m.hnn")
        write(path, "fn f(x: real) = 2*x\n")
        hnnc("compile", path if not path.startswith("-") else "./" + path, "-q")
        headers_compile(os.path.join(".", folder, "m.h"))
    os.mkdir("out")
    hnnc("compile", "./-Wl,evil/m.hnn", "-o", "out/", "-q")
    hnnc("compile", "./-Wl,evil/m.hnn", "-o", "out", "-q")
    check(sorted(os.listdir("out")) == ["m.h", "m.so"], "the files", os.listdir("out"))
    check(not os.path.exists("out.so"), "a directory is no name")
    hnnc("compile", "./-Wl,evil/m.hnn", "-o", "./-Wl,evil/m.hnn/", code=4, says="cannot write")


# ---- the file -------------------------------------------------------------------------------------------------

def test_without_a_compiler():
    """Nothing but hnnc makes a library, the same one every time. Tools that read it find it sound."""
    write("m.hnn", HOSTILE + "net lin(x: real[2]) -> real {\n  param w: real[2] ~ normal(0, 1)\n  return dot(w, x)\n}\n")
    hnnc("compile", "m.hnn", "-q")
    hnnc("compile", "m.hnn", "-q", "-o", "alone/", env=environment(PATH="/nowhere"))
    check(read("m.so") == read("alone/m.so") and read("m.h") == read("alone/m.h"), "the same without a compiler")
    check(os.stat("m.so").st_mode & 0o111, "it can be run by its rights")
    sound = run("readelf", "-aW", "m.so")
    check("Warning" not in sound and "Error" not in sound, "what readelf says", sound[-2000:])
    undefined = [w.split()[-1] for w in run("nm", "-D", "--undefined-only", "m.so").splitlines()]
    check(not [w for w in undefined if w.startswith(("lib_", "rt_", "m_", "hnnc_"))], "what it takes from elsewhere", undefined)
    use = """#include "m.h"
#include <stdio.h>
int main(void) {
  double x = 10, out = 0;
  m *l = m_create();
  if (!l || m_phi(l, 1, &x, &out)) return 1;
  printf("%g %s %lld\\n", out, m_param_name(0), (long long)m_param_size(0));
  return m_param_name(1) || m_param_size(-1) ? 2 : (m_destroy(l), 0);
}
"""
    check(program(use, "m") == "40 lin/w 2\n", "calls")
    for strip in ["--strip-all"], ["--strip-debug"]:
        run("strip", *strip, "m.so")
        check(run("./use") == "40 lin/w 2\n", "calls of a stripped library", strip)


def test_from_any_directory():
    """Linked by its SONAME, which LD_LIBRARY_PATH or an rpath beside the program finds."""
    write("m.hnn", "fn f(x: real) = 2*x\n")
    hnnc("compile", "m.hnn", "-q", "-o", "lib/libm_of_mine.so")
    write("use.c", """#include "libm_of_mine.h"
#include <stdio.h>
int main(void) {
  double x = 21, out = 0;
  libm_of_mine *l = libm_of_mine_create();
  if (!l || libm_of_mine_f(l, 1, &x, &out)) return 1;
  printf("%g\\n", out);
  libm_of_mine_destroy(l);
  return 0;
}
""")
    run("gcc", *STRICT, "-Ilib", "use.c", "-Llib", "-lm_of_mine", "-Wl,-rpath,$ORIGIN/lib", "-o", "use")
    run("gcc", *STRICT, "-no-pie", "-Ilib", "use.c", "-Llib", "-lm_of_mine", "-o", "plain")
    os.mkdir("elsewhere")
    check(run(os.path.abspath("use"), cwd="elsewhere") == "42\n", "by an rpath")
    check(run(os.path.abspath("plain"), cwd="elsewhere", env=environment(LD_LIBRARY_PATH=os.path.abspath("lib"))) == "42\n", "by the environment")
    p = subprocess.run([os.path.abspath("plain")], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
    check(p.returncode and "libm_of_mine.so" in p.stdout, "it is asked for by its SONAME", p.stdout)


# ---- processors ----------------------------------------------------------------------------------------------

def test_processor():
    """A processor that lacks what the code needs is told so. Here the library asks for what no processor has."""
    write("m.hnn", "fn f(x: real) = 2*x\n")
    use = """#include "m.h"
#include <stdio.h>
int main(void) {
  m *l = m_create();
  printf("%s: %s\\n", l ? "made" : "none", m_error(0));
  m_destroy(l);
  return 0;
}
"""
    hnnc("compile", "m.hnn", "--cpu=haswell", "-q")
    check("for haswell." in read("m.h").decode(), "the header names the processor")
    image = read("m.so")
    check(image.count(b" avx2 fma ") == 1, "what it needs")
    check(program(use, "m") == "made: \n", "this processor has all of it")
    write("m.so", image.replace(b" avx2 fma ", b" avx9 fma "))
    said = program(use, "m")
    check(said.startswith("none: compiled for haswell, which has avx9; this processor does not"), "why", said)
    hnnc("compile", "m.hnn", "--cpu=x86-64", "-q")
    check(b"sse4.2 popcnt" not in read("m.so") and program(use, "m") == "made: \n", "plain x86-64 needs nothing")
    hnnc("compile", "m.hnn", "-q")
    check(program(use, "m") == "made: \n", "this processor is one that it was compiled for")


# ---- sizes and steps -----------------------------------------------------------------------------------------

FIT = """\
precision PRECISION
import "std/nets"
use e = mlp([8], 1)
data d {
  let a = uniform(0, 1)
  yield x = [a], y = a^2
}
use s = d(count = 20)
loss l(x, y) = SCALE*(e(x)[0] - y)^2
train l on s { optimizer = OPTIMIZER, steps = 5, every = 1 }
"""
STEPS = """#include "m.h"
#include <math.h>
#include <stdio.h>
#include <string.h>
typedef REAL real;
static real before[4][64];
static void keep(m *l) {
  for (int k = 0; k < M_PARAMS; k++) memcpy(before[k], m_param(l, k), sizeof(real)*(size_t)m_param_size(k));
}
static int same(m *l) {
  int ok = 1;
  for (int k = 0; k < M_PARAMS; k++) ok &= !memcmp(before[k], m_param(l, k), sizeof(real)*(size_t)m_param_size(k));
  return ok;
}
int main(void) {
  real x[20], y[20];
  double loss = 0;
  m *l = m_create();
  if (!l) return 1;
  keep(l);
  if (!same(l)) return 3;
  for (int k = 0; k < 20; k++) x[k] = (real)k/20, y[k] = x[k]*x[k];
  BODY
  m_destroy(l);
  return 0;
}
"""


def steps(body, precision="f64", optimizer="adam()", scale="1"):
    write("m.hnn", FIT.replace("PRECISION", precision).replace("OPTIMIZER", optimizer).replace("SCALE", scale))
    hnnc("compile", "m.hnn", "-q")
    return program(STEPS.replace("REAL", "double" if precision == "f64" else "float").replace("BODY", body), "m")


def test_sizes():
    said = steps("""
  int64_t n[] = {0, -1, INT64_MIN, INT64_MAX, (int64_t)1 << 62, (int64_t)1 << 58, (int64_t)1 << 55};
  for (int k = 0; k < 7; k++) printf("%d ", m_train_l(l, n[k], x, y, 0, &loss));
  printf("%d", m_train_l(l, 20, x, y, 0, &loss));
""")
    check(said == "-1 -1 -1 -1 -1 -1 -1 0", "sizes that cannot be", said)


STRIPS = """\
precision %s
fn f(A: real[%d, 7], b: real[7], c: real) = (A.T @ (A @ b)*c, sum(A), c)
"""
STRIPS_C = """#include "%(lib)s.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
typedef %(real)s real;
enum { N = %(n)d, A = %(rows)d*7 };
static real in[A*N], b[7*N], c[N], x[7*N], y[N], z[N], x1[7*N], y1[N], z1[N];
int main(void) {
  %(lib)s *m = %(lib)s_create();
  for (int i = 0; i < A*N; i++) in[i] = (real)((i*2654435761u %% 1024)/512.0 - 1);
  for (int i = 0; i < 7*N; i++) b[i] = (real)((i*40503u %% 1024)/512.0 - 1);
  for (int i = 0; i < N; i++) c[i] = (real)(1 + i %% 5);
  int differ = 0;
  if (%(lib)s_f(m, N, in, b, c, x, y, z)) return 1;
  for (int s = 0; s < N; s += %(piece)d) {
    int n = N - s < %(piece)d ? N - s : %(piece)d;
    if (%(lib)s_f(m, n, in + A*s, b + 7*s, c + s, x1 + 7*s, y1 + s, z1 + s)) return 1;
  }
  differ |= memcmp(x, x1, sizeof x) || memcmp(y, y1, sizeof y) || memcmp(z, z1, sizeof z);
  for (int i = 0; i < N; i++) differ |= z[i] != c[i];
  printf("%%d\\n", differ);
  %(lib)s_destroy(m);
  return 0;
}
"""


def test_strips():
    """Many samples are done in strips: the bits of each are those of a call with fewer."""
    for precision, real in ("f64", "double"), ("f32", "float"):
        for rows in 7, 30:
            lib = "strips_%s_%d" % (precision, rows)
            write(lib + ".hnn", STRIPS % (precision, rows))
            hnnc("compile", lib + ".hnn", "-q")
            for n, piece in (1001, 64), (4096, 96), (517, 77):
                text = STRIPS_C % {"lib": lib, "real": real, "n": n, "rows": rows, "piece": piece}
                check(program(text, lib) == "0\n", "strips differ", precision, rows, n, piece)


ALONE = """\
precision %s
fn f(q: real[200], k: real) = (roll(q, 1) - k*q, sum(q), k)
"""
ALONE_C = """#include "alone.h"
#include <stdio.h>
#include <string.h>
typedef %(real)s real;
enum { N = 5 };
static real q[200*N], k[N], x[200*N], s[N], c[N], x1[200], s1, c1;
int main(void) {
  alone *m = alone_create();
  for (int i = 0; i < 200*N; i++) q[i] = (real)((i*2654435761u %% 1024)/512.0 - 1);
  for (int i = 0; i < N; i++) k[i] = (real)(1 + i);
  int differ = alone_f(m, N, q, k, x, s, c);
  for (int i = 0; i < N; i++) {
    differ |= alone_f(m, 1, q + 200*i, k + i, x1, &s1, &c1);
    differ |= memcmp(x1, x + 200*i, sizeof x1) || s1 != s[i] || c[i] != c1 || c1 != k[i];
    for (int j = 0; j < 200; j++) differ |= x1[j] != (real)(q[200*i + (j + 199) %% 200] - k[i]*q[200*i + j]);
  }
  printf("%%d\\n", differ);
  alone_destroy(m);
  return 0;
}
"""


def test_alone():
    """A sample whose elements are the lanes is read and written where it is, one of several, too. Products of these numbers are exact."""
    for precision, real in ("f64", "double"), ("f32", "float"):
        write("alone.hnn", ALONE % precision)
        hnnc("compile", "alone.hnn", "-q")
        check(program(ALONE_C % {"real": real}, "alone") == "0\n", "one sample in place", precision)


def test_trajectories():
    """What LLVM calls unasked for loops of copies, and for rounding, is there: of each method, until it stops, on the baseline as well."""
    write("m.hnn", """\
hamiltonian H(q: real[2], p: real[2]) = dot(p, p)/2 - cos(q[0]) - cos(q[1])
""" + "".join("""\
fn free_%d(q: real[2]) { let (x, y) = trajectory(H, q, [0, 2], times = [0, 1, 2], method = %s); return x[-1] }
fn stops_%d(q: real[2]) { let (x, y) = trajectory(H, q, [0, 2], times = linspace(0, 4, 9), method = %s, stop = q[1] - 1.5); return x[-1] }
""" % (k, m, k, m) for k, m in enumerate(("tsit5(rtol = 1e-8)", "dop853(rtol = 1e-8)", "taylor(rtol = 1e-8)"))))
    hnnc("compile", "m.hnn")
    free, stops = ([float(x) for x in program("""\
#include "m.h"
#include <stdio.h>
int main(void) {
  double q[6] = {0.5, 0, 1, -1, 0, 1}, x[6];
  m *l = m_create();
  if (%s) return 1;
  for (int k = 0; k < 6; k++) printf("%%.9g\\n", x[k]);
  m_destroy(l);
}
""" % " || ".join("m_%s_%d(l, 3, q, x)" % (name, k) for k in range(3)), "m").split()] for name in ("free", "stops"))
    check(max(abs(stops[k] - 1.5) for k in (1, 3, 5)) < 1e-6 and max(abs(free[k] - stops[k]) for k in range(6)) > 0.1, "values", free, stops)
    if os.uname().machine == "x86_64":
        hnnc("compile", "m.hnn", "--cpu=x86-64")


def test_step_all_or_nothing():
    """A step whose rate, gradient or result is not finite changes nothing, and the next one is as if it had not been."""
    for precision in "f32", "f64":
        for optimizer in "adam()", "adamw()", "sgd(momentum = 0.9)", "rmsprop()", "lbfgs()":
            said = steps("""
  m *other = m_create();
  const double bad[] = {INFINITY, NAN};
  for (int k = 0; k < 2; k++) {
    keep(l);
    printf("%d%d ", m_train_l(l, 20, x, y, bad[k], &loss), same(l));
  }
  x[3] = NAN, keep(l);
  printf("%d%d ", m_train_l(l, 20, x, y, 0, &loss), same(l));
  x[3] = 3.0f/20;
  if (m_train_l(l, 20, x, y, 0, &loss) || m_train_l(other, 20, x, y, 0, &loss)) return 2;
  keep(l);
  printf("%d", same(other));
  m_destroy(other);
""", precision, optimizer)
            check(said == "11 11 11 1", "%s, %s" % (precision, optimizer), said)


def test_step_overflow():
    """What overflows in the optimizer alone: the square of a gradient, a rate times it."""
    for optimizer, scale, lr in ("adam()", "1e25", 0), ("rmsprop()", "1e25", 0), ("sgd()", "1e20", 1e30), ("sgd()", "1", 1e39):
        said = steps("keep(l); printf(\"%%d%%d\", m_train_l(l, 20, x, y, %r, &loss), same(l));" % lr, "f32", optimizer, scale)
        check(said == "11", "%s with a loss times %s, rate %g" % (optimizer, scale, lr), said)
    write("m.hnn", FIT.replace("PRECISION", "f32").replace("OPTIMIZER", "adam()").replace("SCALE", "1e25"))
    hnnc("run", "m.hnn", "--out", "r", code=3, says="the update is not finite at step 1")


def test_lbfgs_is_exported():
    """The library takes the same steps as `hnnc run`, bit for bit."""
    write("m.hnn", FIT.replace("PRECISION", "f64").replace("OPTIMIZER", "lbfgs()").replace("SCALE", "1").replace(
        "data d {\n  let a = uniform(0, 1)\n  yield x = [a], y = a^2\n}\nuse s = d(count = 20)",
        "data t = read(\"t.csv\")\ndata d on t { yield x = [a], y = a^2 }\nuse s = d()"))
    write("t.csv", "a\n" + "".join("%r\n" % (k/20) for k in range(20)))
    hnnc("run", "m.hnn", "--out", "r", "-q")
    hnnc("compile", "m.hnn", "-q")
    said = program(STEPS.replace("REAL", "double").replace("BODY", """
  for (int k = 0; k < 5; k++) if (m_train_l(l, 20, x, y, 0, &loss)) return 2;
  keep(l);
  for (int k = 0; k < M_PARAMS; k++)
    for (int i = 0; i < m_param_size(k); i++) printf("%s %a\\n", m_param_name(k), before[k][i]);
  printf("%d\\n", same(l));
"""), "m")
    want = []
    for name, (_, _, b) in sorted(tensors(last("r"))[0].items()):
        if "/" in name and not name.startswith("state"):
            want += ["%s %r" % (name, v) for v in struct.unpack("<%dd" % (len(b)//8), b)]
    got = ["%s %r" % (x.split()[0], float.fromhex(x.split()[1])) for x in said.splitlines()[:-1]]
    check(sorted(got) == sorted(w for w in want if w.split()[0] in {g.split()[0] for g in got}), "parameters", got, want)
    check(lines("r/metrics.jsonl")[-1]["loss"] < 1e-3, "it learns")


sys.exit(main(globals()))
