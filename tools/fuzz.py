"""Runs what tools/fuzz built: fuzz.py BUILD PREFIX MINUTES [TARGET...]. Each job has its share of the time; as many run at once as there are cores."""
import concurrent.futures
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CORPUS = os.path.join(ROOT, "tests/fuzz/corpus")
FINDINGS = os.path.join(ROOT, "fuzz-findings")
MEMORY = 2048                  # MB, for an input
LONGEST = 10                   # seconds, for an input
# Share of the time, and where inputs come from. `runs` damages files of runs, `programs` compares with the reference, `data` writes known tables.
JOBS = {
    "source": (8, ["corpus/source", "corpus/model", "golden/check"]),
    "format": (6, ["corpus/source", "corpus/model", "golden/claims"]),
    "model": (24, ["corpus/model", "golden/claims", "faults"]),
    "ir": (6, ["corpus/ir", "faults"]),
    "passes": (16, ["corpus/ir", "faults"]),
    "checkpoint": (5, ["corpus/checkpoint"]),
    "manifest": (4, ["corpus/manifest"]),
    "table": (5, ["corpus/table"]),
    "object": (3, ["corpus/object"]),
    "data": (4, None),
    "runs": (12, None),
    "programs": (13, None),
}


class Job:
    def __init__(self, name, build, prefix, seconds):
        self.name, self.build, self.seconds = name, build, seconds
        self.engine = prefix == "libfuzzer_"
        self.program = os.path.join(build, "tests", prefix + name)
        self.seed = int(time.time()) % 1000000
        self.executions, self.restarts, self.slow, self.found, self.why = 0, 0, 0, [], {}
        self.folder = os.path.join(FINDINGS, name)

    def inputs(self):
        """The files that a target may start from, gathered in a folder: other kinds stay out."""
        kind = {"source": ".hnn", "model": ".hnn", "ir": ".hir", "passes": ".hir"}.get(self.name, "")
        folder = os.path.join(self.folder, "seeds")
        os.makedirs(folder, exist_ok=True)
        for place in JOBS[self.name][1]:
            place = os.path.join(ROOT, "tests", place.replace("corpus/", "fuzz/corpus/"))
            for f in sorted(os.listdir(place)) if os.path.isdir(place) else []:
                if f.endswith(kind) and os.path.isfile(os.path.join(place, f)):
                    shutil.copy(os.path.join(place, f), os.path.join(folder, os.path.basename(place) + "-" + f))
        return folder

    def environment(self):
        return dict(os.environ, ASAN_OPTIONS="detect_leaks=1:allocator_may_return_null=1:handle_abort=1", HNNC_VERIFY_EACH="1",
                    UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1", HNNC_CACHE_DIR="")

    def left(self):
        return self.seconds - (time.time() - self.begin)

    def only_slow(self, path):
        """Whether an input that took too long under sanitizers does not without them."""
        try:
            return subprocess.run([os.path.join(ROOT, "build/tests/fuzz_" + self.name), "-q", path], env=self.environment(), timeout=LONGEST,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0
        except subprocess.TimeoutExpired:
            return False

    def keep(self, path, text):
        """A finding, unless one that failed at the same place is there already."""
        if "timeout" in text and os.path.isfile(path) and self.only_slow(path):
            self.slow += 1
            os.remove(path)
            return
        place = " ".join(re.findall(r"(?:SUMMARY|internal error|timeout): *(.*)|#[0-6] 0x\w+ in (\w+)", text)[0:1][0]) if re.search(
            r"SUMMARY|internal error|timeout|#0 0x", text) else text[-200:]
        frames = re.findall(r"#\d+ 0x\w+ in (\w+) \S*/(?:ir|passes|frontend|codegen|runtime|driver)/", text)
        mark = hashlib.sha1(("".join(frames[:2]) or place).encode()).hexdigest()[:8]
        self.why[mark] = self.why.get(mark, 0) + 1
        if self.why[mark] > 1 or not os.path.isfile(path):
            if os.path.isfile(path):
                os.remove(path)
            return
        to = os.path.join(self.folder, "%s-%s" % ("hang" if "timeout" in text else "crash", mark))
        shutil.move(path, to)
        with open(to + ".log", "w", encoding="utf-8") as f:
            f.write(text[-20000:])
        said = [l for l in text.splitlines() if re.search(r"SUMMARY|runtime error|internal error|timeout|Assertion", l)]
        replay = "%s %s" % (self.program, to) if self.engine else "%s -q %s" % (self.program, to)
        self.found.append("%s\n    %s" % (replay, said[0].strip()[:200] if said else "see %s.log" % to))

    def target(self):
        seeds, corpus = self.inputs(), os.path.join(self.folder, "corpus")
        os.makedirs(corpus, exist_ok=True)
        while self.left() > 1 and self.restarts < 200:
            self.restarts += 1
            mark = os.path.join(self.folder, "input-")
            if self.engine:
                command = [self.program, "-max_total_time=%d" % max(1, self.left()), "-timeout=%d" % LONGEST, "-rss_limit_mb=%d" % MEMORY, "-seed=%d" % self.seed,
                           "-artifact_prefix=" + mark, "-print_final_stats=1", "-max_len=30000", "-verbosity=0", "-close_fd_mask=0", corpus, seeds]
            else:
                command = [self.program, "-t", "%d" % max(1, self.left()), "-s", str(self.seed), "-o", self.folder, seeds]
            self.seed += 1
            p = subprocess.run(command, env=self.environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=ROOT)
            text = p.stdout.decode("utf-8", "replace")
            n = re.findall(r"number_of_executed_units: (\d+)|(\d+) executions|failed on mutation (\d+)", text)
            self.executions += sum(int(x) for t in n[:1] for x in t if x)
            if p.returncode:
                left = sorted(f for f in os.listdir(self.folder) if f.startswith("input-"))
                self.keep(os.path.join(self.folder, left[-1]) if left else "", text)
                for f in left[:-1]:
                    os.remove(os.path.join(self.folder, f))
        shutil.rmtree(seeds)

    def script(self, command, said):
        p = subprocess.run(command, env=self.environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=ROOT)
        text = p.stdout.decode("utf-8", "replace")
        n = re.findall(said, text)
        self.executions = int(n[-1]) if n else 0
        if p.returncode:
            log = os.path.join(self.folder, "log")
            with open(log, "w", encoding="utf-8") as f:
                f.write(text)
            self.found.append("%s\n    see %s" % (" ".join(command), log))

    def run(self):
        self.begin = time.time()
        os.makedirs(self.folder, exist_ok=True)
        tests, t = os.path.join(ROOT, "tests"), str(int(self.seconds) + 1)
        if self.name == "data":
            self.script([os.path.join(self.build, "tests/fuzz_data"), "-t", t, "-s", str(self.seed)], r"(\d+) tables;")
        elif self.name == "runs":
            self.script([sys.executable, os.path.join(tests, "fuzz/runs.py"), os.path.join(self.build, "driver/hnnc"), "--seconds", t, "--seed", str(self.seed),
                         "--out", self.folder], r"(\d+) executions")
        elif self.name == "programs":
            self.script([sys.executable, os.path.join(tests, "differential/run.py"), os.path.join(ROOT, "build/driver/hnnc"), "--seconds", t, "--no-shrink",
                         "--first", str(1000 * self.seed)], r"(\d+) programs,")
        else:
            self.target()
        return self


def main():
    build, prefix, minutes = os.path.abspath(sys.argv[1]), sys.argv[2], float(sys.argv[3])
    names = sys.argv[4:] or list(JOBS)
    for n in names:
        if n not in JOBS:
            sys.exit("fuzz: there is no target `%s`: %s" % (n, ", ".join(JOBS)))
    cores = min(len(os.sched_getaffinity(0)), len(names))
    total = 60 * minutes * cores / sum(JOBS[n][0] for n in names)
    jobs = [Job(n, build, prefix, total * JOBS[n][0]) for n in sorted(names, key=lambda n: -JOBS[n][0])]
    os.makedirs(FINDINGS, exist_ok=True)
    found = 0
    print("%-12s %12s %8s %6s %9s" % ("target", "executions", "a second", "slow", "findings"))
    with concurrent.futures.ThreadPoolExecutor(cores) as pool:
        for job in concurrent.futures.as_completed([pool.submit(j.run) for j in jobs]):
            j = job.result()
            found += len(j.found)
            print("%-12s %12d %8.0f %6d %9d" % (j.name, j.executions, j.executions / max(1, time.time() - j.begin), j.slow, len(j.found)), flush=True)
            for f in j.found:
                print("  " + f, flush=True)
    print("%d findings%s" % (found, ", in %s" % FINDINGS if found else ""))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
