"""Sums meson's test logs into one line, `N passed, N failed`. A test program counts as its cases where
it says how many it had: CUnit's summary, `N programs, N failed` (golden files), `N passed, N failed`
(unittest-like scripts). Any other counts as one; one that dies without a summary has failed once."""
import json
import re
import sys

CUNIT = re.compile(r"^\s*tests\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s*$", re.M)
GOLDEN = re.compile(r"^(\d+) programs, (\d+) failed$", re.M)
PLAIN = re.compile(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$", re.M)


def cases(text):
    """(passed, failed, skipped) as the program's own summaries say, or None."""
    rows = [(int(ran), int(failed)) for _, ran, _, failed, _ in CUNIT.findall(text)]
    rows += [(int(n), int(failed)) for n, failed in GOLDEN.findall(text)]
    found = [(ran - failed, failed, 0) for ran, failed in rows]
    found += [(int(p), int(f), int(s or 0)) for p, f, s in PLAIN.findall(text)]
    return [sum(column) for column in zip(*found)] if found else None


total = [0, 0, 0]
for path in sys.argv[1:]:
    with open(path, encoding="utf-8") as log:
        for line in log:
            test = json.loads(line)
            ok = test["result"] in ("OK", "EXPECTEDFAIL")
            if test["result"] == "SKIP":
                total[2] += 1
                continue
            passed, failed, skipped = cases(test.get("stdout") or "") or (int(ok), 0, 0)
            if not ok and not failed:
                failed = 1
            total = [total[0] + passed, total[1] + failed, total[2] + skipped]
print(f"{total[0]} passed, {total[1]} failed" + (f", {total[2]} skipped" if total[2] else ""))
sys.exit(1 if total[1] or not total[0] else 0)
