"""Prints a C header with a hash of the files named: the generation of the code generator."""
import hashlib
import sys

digest = hashlib.sha256()
for path in sys.argv[1:]:
    with open(path, "rb") as f:
        digest.update(f.read())
print(f'#define CG_GENERATION "{digest.hexdigest()[:32]}"')
