#!/usr/bin/env python3
"""The text of ONNX models without the onnx package: onnx_text.py HNNC FILE.hnn prints the functions that the first line of the program
names, `# onnx: f g`, as one file; a word with a dash is an option.

Reads the wire format of protocol buffers as onnx.proto numbers it, and fails at whatever does not fit."""
import os
import struct
import subprocess
import sys
import tempfile

# message: {number: (name, kind, repeated)}; kind: a message, or int, str, bytes, float
SCHEMA = {
    "Model": {1: ("ir_version", int, 0), 2: ("producer", str, 0), 3: ("version", str, 0), 7: ("graph", "Graph", 0), 8: ("opset", "Opset", 1),
              14: ("entry", "Entry", 1)},
    "Opset": {1: ("domain", str, 0), 2: ("version", int, 0)},
    "Entry": {1: ("key", str, 0), 2: ("value", str, 0)},
    "Graph": {1: ("node", "Node", 1), 2: ("name", str, 0), 5: ("initializer", "Tensor", 1), 11: ("input", "Info", 1), 12: ("output", "Info", 1)},
    "Node": {1: ("input", str, 1), 2: ("output", str, 1), 3: ("name", str, 0), 4: ("op", str, 0), 5: ("attribute", "Attribute", 1)},
    "Attribute": {1: ("name", str, 0), 3: ("i", int, 0), 4: ("s", str, 0), 6: ("g", "Graph", 0), 8: ("ints", int, 1), 20: ("type", int, 0)},
    "Tensor": {1: ("dims", int, 1), 2: ("type", int, 0), 8: ("name", str, 0), 9: ("raw", bytes, 0)},
    "Info": {1: ("name", str, 0), 2: ("type", "Type", 0)},
    "Type": {1: ("tensor", "TensorType", 0)},
    "TensorType": {1: ("elem", int, 0), 2: ("shape", "Shape", 0)},
    "Shape": {1: ("dim", "Dim", 1)},
    "Dim": {1: ("value", int, 0), 2: ("param", str, 0)},
}
ELEM = {1: ("f32", "f"), 7: ("int64", "q"), 9: ("bool", "?"), 11: ("f64", "d")}


def varint(data, at):
    v = shift = 0
    while True:
        v |= (data[at] & 127) << shift
        at, shift = at + 1, shift + 7
        if not data[at - 1] & 128: return (v - (1 << 64) if v >> 63 else v), at


def message(kind, data):
    out = {name: [] for name, _, repeated in SCHEMA[kind].values() if repeated}
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        name, of, repeated = SCHEMA[kind][key >> 3]
        assert key & 7 == (0 if of is int else 2), (kind, name)
        v, at = varint(data, at)
        if of is not int:
            assert at + v <= len(data), (kind, name)
            v, at = data[at:at + v], at + v
            v = message(of, v) if isinstance(of, str) else v.decode() if of is str else v
        if repeated: out[name].append(v)
        else:
            assert name not in out, (kind, name)
            out[name] = v
    return out


def value_type(info):
    t = info["type"]["tensor"]
    return "%s[%s]" % (ELEM[t["elem"]][0], ", ".join(d["param"] if "param" in d else str(d["value"]) for d in t["shape"]["dim"]))


def numbers(t):
    kind, letter = ELEM[t["type"]]
    v = struct.unpack("<%d%s" % (len(t["raw"]) // struct.calcsize(letter), letter), t["raw"])
    count = 1
    for d in t["dims"]: count *= d
    assert len(v) == count, t["name"]
    shown = ", ".join("%.7g" % x for x in v[:12]) + (", ..." if len(v) > 12 else "")
    return "%s%s = %s" % (kind, t["dims"], shown)


def attribute(a, indent):
    if "g" in a: return "%s =\n%s" % (a["name"], graph(a["g"], indent + "    "))
    return "%s = %s" % (a["name"], a["s"] if "s" in a else a["i"] if a["type"] == 2 else a["ints"])


def graph(g, indent):
    lines = ["%s(%s)" % (indent + g["name"], ", ".join("%s: %s" % (i["name"], value_type(i)) for i in g["input"]))]
    lines += [indent + "  %s: %s" % (t["name"], numbers(t)) for t in g["initializer"]]
    seen = set()
    for n in g["node"]:
        assert not seen & set(n["output"]), n["output"]
        seen |= set(n["output"])
        plain = [attribute(a, indent) for a in n["attribute"] if "g" not in a]
        lines.append("%s  %s = %s(%s)%s   # %s" % (indent, ", ".join(n["output"]), n["op"], ", ".join(n["input"]),
                                                 " {%s}" % ", ".join(plain) if plain else "", n["name"]))
        lines += [indent + "    " + attribute(a, indent).lstrip() for a in n["attribute"] if "g" in a]
    lines.append("%s  -> %s" % (indent, ", ".join("%s: %s" % (i["name"], value_type(i)) for i in g["output"])))
    return "\n".join(lines)


def text(path):
    with open(path, "rb") as f: m = message("Model", f.read())
    assert m["ir_version"] == 8 and m["opset"] == [{"domain": "", "version": 18}] and m["producer"] == "hnnc", m["opset"]
    entries = ["%s = %s" % (e["key"], e["value"] if e["key"] != "hnnc.hash" else "...") for e in m["entry"]]
    return "\n".join(entries + [graph(m["graph"], "")])


def main(hnnc, path):
    with open(path) as f: words = f.readline().split("# onnx:")[1].split()
    with tempfile.TemporaryDirectory() as home:
        out = os.path.join(home, "out.onnx")
        p = subprocess.run([hnnc, "compile", path, "--emit=onnx", "-q", "-o", out] + words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        sys.stdout.write(p.stdout)
        if os.path.exists(out): print(text(out))
    return p.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
