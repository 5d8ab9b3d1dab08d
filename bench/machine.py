"""What the figures were taken on, and how busy it was."""
import datetime
import os
import platform
import subprocess


def cpu_model():
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        for line in f:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor()


def vector_units():
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        flags = next((line for line in f if line.startswith("flags")), "").split()
    return "AVX-512" if "avx512f" in flags else "AVX2" if "avx2" in flags else "SSE2"


def cache_sizes():
    base, found = "/sys/devices/system/cpu/cpu0/cache", []
    for index in sorted(os.listdir(base)) if os.path.isdir(base) else []:
        if not index.startswith("index"):
            continue
        def read(name, index=index):
            with open(os.path.join(base, index, name), encoding="ascii") as f:
                return f.read().strip()
        if read("type") != "Instruction":
            found.append(f"L{read('level')} {read('size')}")
    return ", ".join(found)


def first_line(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[0]
    except (OSError, subprocess.CalledProcessError, IndexError):
        return "unknown"


def describe(hnnc):
    cores = sorted(os.sched_getaffinity(0))
    return {"cpu": cpu_model(), "vector": vector_units(), "cores": len(cores), "caches": cache_sizes(),
            "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
            "kernel": platform.release(), "date": datetime.date.today().isoformat(),
            "hnnc": first_line(hnnc, "--version"),
            "commit": first_line("git", "-C", os.path.dirname(os.path.abspath(__file__)), "describe", "--always", "--dirty"),
            "python": platform.python_version()}


def load():
    return os.getloadavg()[0]
