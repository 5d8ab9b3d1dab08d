#!/bin/sh
# golden.sh FOLDER TOOL [ARGUMENT...]: runs the tool on every x.hnn of the folder, in the folder, and
# compares what it prints with x.out. BLESS=1 writes x.out instead. A crash fails in either case.
folder=$1
tool=$(realpath "$2") || exit 2
shift 2
cd "$folder" || exit 2
export HNNC_PATIENCE=100000      # what takes long depends on the machine
got=$(mktemp) || exit 2
trap 'rm -f "$got"' EXIT
failed=0
count=0
for input in *.hnn; do
  expected=${input%.hnn}.out
  "$tool" "$@" "$input" >"$got" 2>&1
  code=$?
  count=$((count + 1))
  if [ $code -gt 1 ]; then
    echo "$input: exit code $code"
    cat "$got"
    failed=$((failed + 1))
  elif [ -n "$BLESS" ]; then
    cp "$got" "$expected"
  elif ! diff -u "$expected" "$got"; then
    failed=$((failed + 1))
  fi
done
for expected in *.out; do
  [ -e "${expected%.out}.hnn" ] || { echo "$expected has no program"; failed=$((failed + 1)); }
done
[ $count -gt 0 ] || { echo "no programs in $folder"; exit 1; }
echo "$count programs, $failed failed"
[ $failed -eq 0 ]
