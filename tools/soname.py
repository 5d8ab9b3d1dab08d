"""soname.py COMPILER... LIBRARY: the name under which the loader finds the shared library that -lLIBRARY links; exit code 1: there is none."""
import struct
import subprocess
import sys

path = subprocess.run(sys.argv[1:-1] + [f"-print-file-name=lib{sys.argv[-1]}.so"], stdout=subprocess.PIPE, check=True).stdout.decode().strip()
try:
    with open(path, "rb") as f:
        b = f.read()
except OSError:
    sys.exit(1)
if b[:6] != b"\x7fELF\x02\x01":
    sys.exit(1)
(at,), (size, n) = struct.unpack_from("<Q", b, 40), struct.unpack_from("<HH", b, 58)
sections = [struct.unpack_from("<IIQQQQIIQQ", b, at + k * size) for k in range(n)]
for s in sections:
    if s[1] != 6:                            # SHT_DYNAMIC
        continue
    names = sections[s[6]][4]
    for k in range(s[4], s[4] + s[5], 16):
        tag, value = struct.unpack_from("<qQ", b, k)
        if tag == 14:                        # DT_SONAME
            start = names + value
            print(b[start:b.index(b"\0", start)].decode())
            sys.exit(0)
sys.exit(1)
