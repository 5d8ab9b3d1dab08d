# Sourced by quickstart and runtests: installs what the build needs and is missing (Debian, Ubuntu),
# and says plainly what it could not do.

packages="gcc g++ meson ninja-build pkg-config flex bison python3 llvm-19-dev libpolly-19-dev libz3-dev libzstd-dev
libxml2-dev libjansson-dev libxxhash-dev libzip-dev zlib1g-dev libcunit1-dev"
plotting="gnuplot-nox"                      # draws plots; without it hnnc writes their numbers and scripts
package="python3-dev python3-numpy"         # for the Python package, and for its tests
site="python3-sphinx python3-myst-parser furo"                # for the pages as a site, which a test builds

editors="libtree-sitter-dev libonig5 vim nodejs zsh fish"        # what runs the grammars and completions, for their tests

ranks="openmpi-bin libopenmpi-dev mpich libmpich-dev"        # runs under mpirun; each of the two MPIs by itself is enough

compilers="clang-19 libclang-rt-19-dev clang-format-19"       # the other compiler, libFuzzer, the format of the sources

say() { printf '%s\n' "$*" >&2; }

missing_packages() {
  for p in $packages; do
    dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'install ok installed' || printf '%s ' "$p"
  done
}

# as_root COMMAND...: fails where one is neither root nor may become it without a password.
as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif command -v sudo >/dev/null 2>&1; then sudo -n "$@"
  else echo "this needs root, and there is no sudo"; return 1; fi
}

apt() {
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=120 "$@"
}

# Nothing to do is the common case: no root, no network, no time needed.
install_missing() {
  if ! command -v dpkg-query >/dev/null 2>&1; then
    say "setup: this is not Debian or Ubuntu; if the build fails, install what these packages hold:"
    say "$packages"
    return 0
  fi
  missing=$(missing_packages)
  [ -n "$missing" ] || return 0
  say "setup: installing $(echo "$missing" | wc -w) packages (about a minute): ${missing% }"
  log=$(mktemp)
  # An update may fail for a repository that has nothing to do with us: what counts is the installation.
  apt update </dev/null >"$log" 2>&1 || true
  # shellcheck disable=SC2086
  if apt install -y --no-install-recommends $missing </dev/null >"$log" 2>&1; then
    rm -f "$log"
    return 0
  fi
  say "setup: could not install them. The last lines said:"
  tail -n 5 "$log" | sed 's/^/    /' >&2
  say "setup: as root, with a network: apt-get update && apt-get install --no-install-recommends ${missing% }"
  rm -f "$log"
  return 1
}

# install_optional PACKAGE...: once what must be there is there; a failure is said and is none.
install_optional() {
  command -v dpkg-query >/dev/null 2>&1 || return 0
  wanted=""
  added=""
  for p in "$@"; do
    dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'install ok installed' || wanted="$wanted $p"
  done
  [ -n "$wanted" ] || return 0
  apt update </dev/null >/dev/null 2>&1 || true
  for p in $wanted; do
    apt install -y --no-install-recommends "$p" </dev/null >/dev/null 2>&1 && added="$added $p" && continue
    case $p in
    *mpi*) say "setup: $p is not installed and could not be: hnnc is built without that MPI, and not tested under it" ;;
    *sphinx|*myst*|furo) say "setup: $p is not installed and could not be: the site is not tested" ;;
    libtree*|libonig*|vim|nodejs|zsh|fish) say "setup: $p is not installed and could not be: grammars and completions are not tested with it" ;;
    gnuplot*) say "setup: gnuplot is not installed and could not be: plots will be numbers and scripts, without pictures" ;;
    *) say "setup: $p is not installed and could not be: the Python package is not built or not tested" ;;
    esac
  done
}

# clang_with SANITIZER: prints the newest clang that has it (fuzzer, address, undefined), installing one where that can be done.
clang_with() {
  for try in once again; do
    for c in clang-19 clang; do
      command -v $c >/dev/null 2>&1 || continue
      probe=$(mktemp -d)
      echo 'int LLVMFuzzerTestOneInput(const char *d, unsigned long n) { return d && n > 3; }' >"$probe/f.c"
      [ "$1" = fuzzer ] || echo 'int main(void) { return 0; }' >"$probe/f.c"
      if $c -fsanitize="$1" -o "$probe/f" "$probe/f.c" >/dev/null 2>&1; then rm -rf "$probe"; echo $c; return 0; fi
      rm -rf "$probe"
    done
    [ $try = once ] || return 1
    command -v dpkg-query >/dev/null 2>&1 || return 1
    say "setup: installing $compilers (about a minute)"
    { apt update || true; apt install -y --no-install-recommends $compilers || return 1; } </dev/null >/dev/null 2>&1
  done
}

# configure DIR OPTIONS...: at first, or again with the same options. What was installed since (`added`) is looked for.
configure() {
  dir=$1; shift
  if ! mkdir -p "$dir" 2>/dev/null || ! [ -w "$dir" ]; then
    say "setup: $(pwd)/$dir cannot be written to by $(id -un); did another user make it?"
    return 1
  fi
  if [ -f "$dir/build.ninja" ]; then
    if [ -n "${added:-}" ]; then meson setup --reconfigure "$dir" "$@" </dev/null >/dev/null 2>&1 && return 0
    elif meson configure "$dir" "$@" >/dev/null 2>&1; then return 0; fi
  fi
  log=$(mktemp)
  rm -rf "$dir"
  meson setup "$dir" "$@" </dev/null >"$log" 2>&1 || { tail -n 30 "$log" >&2; say "setup: meson could not configure $dir"
                                                       rm -f "$log"; return 1; }
  rm -f "$log"
}

# build DIR TARGETS...: silent unless it fails or warns.
build() {
  dir=$1; shift
  log=$(mktemp)
  ninja -C "$dir" "$@" </dev/null >"$log" 2>&1 || { grep -v '^\[' "$log" | tail -n 40 | cut -c 1-400 >&2
                                                    say "setup: the build in $dir failed"; rm -f "$log"; return 1; }
  grep 'warning:' "$log" >&2 || true
  rm -f "$log"
}
