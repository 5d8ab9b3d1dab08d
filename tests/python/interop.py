#!/usr/bin/env python3
"""hnnc beside what others have written: interop.py FOLDER [WORD ...] (run by tools/test_interop, which sets up what they need). Tests whose names hold a word."""
import importlib
import os
import sys
import time
import traceback

sys.path[:0] = [sys.argv[1], os.path.dirname(os.path.abspath(__file__))]
passed, failed, skipped = 0, 0, []
for module in ("interop_frameworks", "interop_scipy", "interop_samplers", "interop_documents"):
    for test in importlib.import_module(module).tests:
        if sys.argv[2:] and not any(w in test.__name__ for w in sys.argv[2:]): continue
        began = time.time()
        try:
            print("ok   %s (%.0f s)" % (test(), time.time() - began), flush=True)
            passed += 1
        except ImportError as e:
            print("skipped: %s: %s" % (test.__name__, e))
            skipped.append(test.__name__)
        except Exception:
            traceback.print_exc()
            print("FAIL %s" % test.__name__, flush=True)
            failed += 1
print("%d passed, %d failed, %d skipped" % (passed, failed, len(skipped)))
sys.exit(1 if failed or not passed else 0)
