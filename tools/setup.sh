# Sourced by quickstart and runtests: installs what the build needs and is missing (Debian, Ubuntu),
# and says plainly what it could not do.

packages="llvm-19-dev libpolly-19-dev libzstd-dev libxml2-dev libz3-dev flex bison libcunit1-dev meson ninja-build
pkg-config libjansson-dev libzip-dev libxxhash-dev gcc g++ python3"

say() { printf '%s\n' "$*" >&2; }

missing_packages() {
  for p in $packages; do
    dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'install ok installed' || printf '%s ' "$p"
  done
}

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; elif command -v sudo >/dev/null 2>&1; then sudo -n "$@"; else return 1; fi
}

install_missing() {
  if ! command -v dpkg-query >/dev/null 2>&1; then
    say "setup: this is not a Debian-like system; install these by hand: $packages"
    return 0
  fi
  missing=$(missing_packages)
  [ -n "$missing" ] || return 0
  say "setup: installing $missing"
  log=$(mktemp)
  if ! { as_root apt-get update -qq && as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
         --no-install-recommends $missing; } >"$log" 2>&1 </dev/null; then
    say "setup: could not install: $missing"
    say "setup: the last lines of apt-get were:"
    tail -n 5 "$log" >&2
    say "setup: run 'apt-get install $missing' as root, then try again"
    rm -f "$log"
    return 1
  fi
  rm -f "$log"
}

# build_in DIR OPTIONS...: configures once, then builds.
build_in() {
  dir=$1; shift
  log=$(mktemp)
  if [ -f "$dir/build.ninja" ]; then
    meson configure "$dir" "$@" >"$log" 2>&1 || { cat "$log" >&2; return 1; }
  else
    rm -rf "$dir"
    meson setup "$dir" "$@" >"$log" 2>&1 || { cat "$log" >&2; return 1; }
  fi
  ninja -C "$dir" >"$log" 2>&1 || { tail -n 60 "$log" >&2; say "setup: the build in $dir failed"; return 1; }
  ln -sf driver/hnnc "$dir/hnnc"
  if grep -q 'warning:' "$log"; then grep 'warning:' "$log" >&2; fi
  rm -f "$log"
}
