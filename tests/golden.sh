#!/bin/sh
# golden.sh FOLDER TOOL [ARGUMENT...]: runs the tool on every program of the folder and compares what it prints with what is
# expected. BLESS=1 writes that instead. A crash fails in either case.
#   x.hnn   is given to the tool, in the folder; what is expected is x.out.
#   x.hir   has both: what stands above the line `# gives` is given to the tool, with the passes that the line
#           `# passes: LIST` names; what stands below is expected.
folder=$1
tool=$(realpath "$2") || exit 2
shift 2
cd "$folder" || exit 2
export HNNC_PATIENCE=100000      # what takes long depends on the machine
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
failed=0
count=0
seen=0

# whole: what the file with what is expected would be, of what the tool prints now.
run_hnn() {
  input=$1
  shift
  "$tool" "$@" "$input" >"$work/whole" 2>&1
}

run_hir() {
  input=$1
  shift
  passes=$(sed -n 's/^# passes: //p' "$input")
  [ -n "$passes" ] || { echo "no line \`# passes: LIST\`" >"$work/whole"; return 2; }
  sed '/^# gives$/,$d' "$input" >"$work/$input"
  (cd "$work" && "$tool" "$@" --passes="$passes" "$input") >"$work/got" 2>&1
  code=$?
  { cat "$work/$input"; echo "# gives"; cat "$work/got"; } >"$work/whole"
  return $code
}

for input in *.hnn *.hir; do
  [ -e "$input" ] || continue
  seen=$((seen + 1))
  [ -n "$HNNC_SLOWER" ] && [ $((seen % 3)) -ne 1 ] && continue   # each third where all takes longer: under sanitizers
  count=$((count + 1))
  case $input in
    *.hnn) expected=${input%.hnn}.out; run_hnn "$input" "$@" ;;
    *.hir) expected=$input; run_hir "$input" "$@" ;;
  esac
  code=$?
  if [ $code -gt 1 ]; then
    echo "$input: exit code $code"
    cat "$work/whole"
    failed=$((failed + 1))
  elif [ -n "$BLESS" ]; then
    cp "$work/whole" "$expected"
  elif ! diff -u "$expected" "$work/whole"; then
    failed=$((failed + 1))
  fi
done
for expected in *.out; do
  [ -e "$expected" ] || continue
  [ -e "${expected%.out}.hnn" ] || { echo "$expected has no program"; failed=$((failed + 1)); }
done
[ $count -gt 0 ] || { echo "no programs in $folder"; exit 1; }
echo "$count programs, $failed failed"
[ $failed -eq 0 ]
