"""Sums meson's test logs. A test program that prints `N passed, N failed` counts as its N cases,
any other as one. The last line printed is the total."""
import json
import re
import sys

LINE = re.compile(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$", re.M)


def add(path, total):
    with open(path, encoding="utf-8") as log:
        for line in log:
            test = json.loads(line)
            cases = LINE.findall(test.get("stdout") or "")
            ok = test["result"] in ("OK", "EXPECTEDFAIL")
            if test["result"] == "SKIP":
                total[2] += 1
            elif cases:
                total[0] += sum(int(c[0]) for c in cases)
                failed = sum(int(c[1]) for c in cases)
                total[1] += failed if failed or ok else 1
                total[2] += sum(int(c[2] or 0) for c in cases)
            else:
                total[0 if ok else 1] += 1


total = [0, 0, 0]
for path in sys.argv[1:]:
    add(path, total)
print(f"{total[0]} passed, {total[1]} failed" + (f", {total[2]} skipped" if total[2] else ""))
sys.exit(1 if total[1] or not total[0] else 0)
