"""Colours as an editor makes them of a TextMate grammar that has `match` rules alone: in each line, at each place, the first rule of those that match
earliest. The expressions are run by Oniguruma, as in VS Code, through ctypes."""
import ctypes
import ctypes.util
import json


class Region(ctypes.Structure):
    _fields_ = [("allocated", ctypes.c_int), ("n", ctypes.c_int), ("begin", ctypes.POINTER(ctypes.c_int)), ("end", ctypes.POINTER(ctypes.c_int)), ("root", ctypes.c_void_p)]


def library():
    """None where Oniguruma is not installed."""
    path = ctypes.util.find_library("onig")
    if not path:
        return None
    onig = ctypes.CDLL(path)
    onig.onig_region_new.restype = ctypes.POINTER(Region)
    return onig


class Regex:
    def __init__(self, onig, source):
        self.onig, self.of = onig, ctypes.c_void_p()
        text = source.encode()
        self.keep = ctypes.create_string_buffer(text, len(text))
        at, why = ctypes.addressof(self.keep), ctypes.create_string_buffer(256)
        code = onig.onig_new(ctypes.byref(self.of), ctypes.c_void_p(at), ctypes.c_void_p(at + len(text)), ctypes.c_uint(1 << 8), ctypes.byref(ctypes.c_char.in_dll(onig, "OnigEncodingUTF8")),
                             ctypes.c_void_p.in_dll(onig, "OnigDefaultSyntax"), why)     # capture groups as vscode-oniguruma has them
        if code:
            raise ValueError("Oniguruma does not take %s: %d" % (source, code))

    def search(self, line, begin):
        """Spans of the groups in bytes of `line`, a ctypes buffer; None: no match."""
        at, n, region = ctypes.addressof(line), ctypes.sizeof(line), self.onig.onig_region_new()
        found = self.onig.onig_search(self.of, ctypes.c_void_p(at), ctypes.c_void_p(at + n), ctypes.c_void_p(at + begin), ctypes.c_void_p(at + n), region, ctypes.c_uint(0))
        spans = [(region[0].begin[k], region[0].end[k]) for k in range(region[0].n)] if found >= 0 else None
        self.onig.onig_region_free(region, 1)
        return spans


class Grammar:
    def __init__(self, path, onig):
        with open(path, encoding="utf-8") as f:
            rules = json.load(f)["patterns"]
        if any(set(r) - {"match", "name", "captures"} for r in rules):
            raise ValueError("rules other than `match` are not played here")
        self.rows = [(Regex(onig, r["match"]), r) for r in rules]

    def line(self, text):
        """(begin, end, scope) in characters."""
        data = text.encode() + b"\n"
        buffer, at = ctypes.create_string_buffer(data, len(data)), 0
        def chars(byte):
            return len(data[:byte].decode())
        next_of = [None]*len(self.rows)                      # what each rule finds next, kept while it lies ahead
        while at < len(data):
            best = None
            for k, (regex, _) in enumerate(self.rows):
                if next_of[k] is None or (next_of[k] and next_of[k][0][0] < at):
                    next_of[k] = regex.search(buffer, at) or False
                if next_of[k] and next_of[k][0][1] > next_of[k][0][0] and (best is None or next_of[k][0][0] < next_of[best][0][0]):
                    best = k
            if best is None:
                return
            spans, rule = next_of[best], self.rows[best][1]
            if "name" in rule:
                yield chars(spans[0][0]), chars(spans[0][1]), rule["name"]
            for number, of in rule.get("captures", {}).items():
                if spans[int(number)][0] >= 0:
                    yield chars(spans[int(number)][0]), chars(spans[int(number)][1]), of["name"]
            at = spans[0][1]
            next_of[best] = None

    def __call__(self, text):
        start = 0
        for line in text.split("\n"):
            for begin, end, scope in self.line(line):
                yield start + begin, start + end, scope
            start += len(line) + 1
