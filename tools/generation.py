"""Prints a C header that defines the name given as a hash of the files given: the generation of a part of the compiler."""
import hashlib
import sys

digest = hashlib.sha256()
for path in sys.argv[2:]:
    with open(path, "rb") as f:
        digest.update(f.read())
print(f'#define {sys.argv[1]} "{digest.hexdigest()[:32]}"')
