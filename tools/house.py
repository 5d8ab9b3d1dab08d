"""What check_house knows of the sources: files, rooms, what each defines and uses, and the arrows that follow. From the text alone."""
import collections
import os
import re

# A floor may use itself and what stands here. runtime/ knows one header of the house: the calling convention.
BELOW = {
    "ir": [],
    "passes": ["ir"],
    "codegen": ["ir"],
    "frontend": ["passes", "ir"],
    "runtime": ["ir/abi.h", "ir/adaptive.h"],
    "driver": ["frontend", "passes", "codegen", "runtime", "ir"],
}
ENDS = (".c", ".h", ".l", ".y", ".def", ".inc")
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
APART = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
WORD = re.compile(r"[A-Za-z_]\w*")


def without(text, keep):
    """The text with blanks for its comments and strings, lines where they were; keep: "/" leaves comments, '"' leaves strings."""
    def blank(m):
        return m.group() if m.group()[0] in keep else re.sub(r"[^\n]", " ", m.group())
    return APART.sub(blank, text)


class File:
    """path, floor, room ("ir/base"; "" on top of a floor), lines, code (without comments, strings and preprocessor lines), directives
    ([line, text], continued lines joined), comments ([line, text]), functions, data ([line, name, words before it, static]), uses."""

    def __init__(self, path):
        self.path = path
        with open(os.path.join(ROOT, path), encoding="utf-8") as f:
            self.text = f.read()
        self.lines = self.text.split("\n")
        self.floor = path.split("/")[0]
        self.room = "/".join(path.split("/")[:2]) if path.count("/") > 1 else ""
        self.comments = [(self.text.count("\n", 0, m.start()) + 1, m.group()) for m in APART.finditer(self.text) if m.group()[0] == "/"]
        bare = without(self.text, "")
        used = bare.replace("->", " .")
        if path.endswith((".y", ".l")):
            bare = without(grammar_code(self.text), "")
        self.directives = []
        self.code = re.sub(r"^[ \t]*#(?:\\\n|[^\n])*", lambda m: self.directive(bare, m), bare, flags=re.M)
        self.functions, self.data = definitions(self.code, path)
        made = set(self.made_by_macros())
        self.exports = {n for _, n, _, static in self.functions + self.data if not static and n != "main"} | made
        own = {n for _, n, _, _ in self.functions + self.data}
        self.uses = set(re.findall(r"(?<![.\w])[A-Za-z_]\w*", used)) - own - made
        self.uses |= set(self.used_by_macros())

    def includes(self):
        for k, line in enumerate(self.lines, 1):
            m = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
            if m:
                yield k, m.group(1)

    def directive(self, bare, m):
        self.directives.append((bare.count("\n", 0, m.start()) + 1, m.group().replace("\\\n", "\n")))
        return re.sub(r"[^\n]", " ", m.group())

    def used_by_macros(self):
        """Names that a macro over the rows of ops.def puts together."""
        for _, text in self.directives:
            for m in re.finditer(r"\b(\w+_)##name(\w*)", text):
                yield from (m.group(1) + op + m.group(2) for kind in ("EW1", "EW2", "CMP", "LOG", "ST") for op in operators(kind))

    def made_by_macros(self):
        """Names that a macro of the file defines, with the rows of ops.def or its own uses as arguments."""
        for _, text in self.directives:
            m = re.match(r"\s*#\s*define\s+(\w+)\((\w+)", text)
            made = m and re.search(r"^(?!\s*static)[ \w*]*?\b(\w+_)##" + m.group(2) + r"(\w*)\([^{;]*\{", text[m.end():].split(")", 1)[-1], re.M)
            if not made:
                continue
            names = operators(m.group(1)) or re.findall(r"^" + m.group(1) + r"\((\w+)\)", self.code, re.M)
            for name in names:
                yield made.group(1) + name + made.group(2)


def grammar_code(text):
    """The C of a grammar or a lexer: what stands between %{ and %}, and after the last %%."""
    code = [m.span(1) for m in re.finditer(r"^%\{(.*?)^%\}", text, re.S | re.M)]
    last = text.rindex("\n%%") + 3
    return "".join(c if c == "\n" or k >= last or any(a <= k < b for a, b in code) else " " for k, c in enumerate(text))


rows = {}


def operators(macro):
    """The names in rows of ops.def under EW1, EW2, CMP, LOG, ST (ST0 among them); none for another macro."""
    if not rows:
        with open(os.path.join(ROOT, "ir/ops.def"), encoding="utf-8") as f:
            for kind, name in re.findall(r"^(EW1|EW2|CMP|LOG|ST|ST0)\((\w+),", f.read(), re.M):
                rows.setdefault("ST" if kind == "ST0" else kind, []).append(name)
    return rows.get(macro, [])


def definitions(code, path):
    """Functions and data at file scope, and static data of functions: [line, name, the words before the name, static]. A function has
    the line where it ends as well: in the place of the words."""
    functions, data = [], []
    depth = start = 0
    head = None
    for m in re.finditer(r"[{};]", code):
        c = m.group()
        if c == "{":
            if depth == 0:
                head, opened = code[start:m.start()], m.start()
            depth += 1
        elif c == "}":
            depth -= 1
            if depth == 0 and is_function(head):
                line = code.count("\n", 0, start + len(head) - len(head.lstrip())) + 1
                functions.append((line, name_of(head), code.count("\n", 0, m.start()) + 1, is_static(head)))
                data += held(code, opened, m.start())
                start, head = m.end(), None
        elif depth == 0:
            data += declared(code, start, m.start(), head)
            start, head = m.end(), None
    return functions, data


def is_static(head):
    return bool(re.search(r"\bstatic\b", head))


def is_function(head):
    return head is not None and "(" in head and "=" not in head and not re.match(r"\s*(typedef|extern)\b", head)


def name_of(head):
    head = re.sub(r"__attribute__\s*\(\(.*?\)\)", " ", head)
    head = re.sub(r"^[A-Z][A-Z_0-9]*\([^()]*\)[ \t]*$", " ", head, flags=re.M)  # LINEAR_RULE(flip)
    m = re.search(r"(\w+)\s*\(", head)
    return m.group(1) if m else ""


def declared(code, start, end, head):
    """The data that code[start:end], one declaration at file scope, defines: a list of one or none."""
    text = code[start:end]
    words = re.sub(r"^[A-Z][A-Z_0-9]*\([^()]*\)[ \t]*$", " ", re.sub(r"\{.*", "", text, flags=re.S), flags=re.M).split("=")[0]
    words = re.sub(r"__attribute__\s*\(\(.*?\)\)", " ", words)
    if not words.strip() or re.match(r"\s*(typedef|extern|_Static_assert|__asm__|%)", words):
        return []
    if re.match(r"\s*enum\b", words):
        return []
    if head is not None and "=" not in text.replace(head, "").split("}")[0] and re.search(r"\b(struct|union)\s*\w*\s*$", head):  # struct X {...}; or struct X {...} x;
        after = text[text.rindex("}") + 1:]
        if not WORD.search(after):
            return []
        words = re.sub(r"\{.*", "", text, flags=re.S) + " " + after
    if head is None and "(" in words and not re.search(r"\(\s*\*", words):
        return []  # a prototype
    if re.match(r"\s*(struct|union|enum)\s+\w+\s*$", words):
        return []
    line = code.count("\n", 0, start + len(text) - len(text.lstrip())) + 1
    m = re.search(r"\(\s*\*\s*(?:const\s+)?(\w+)", words) or re.search(r"(\w+)\s*(?:\[[^=]*)?$", words.strip())
    return [(line, m.group(1), words, is_static(words))] if m else []


def held(code, start, end):
    """Static data of a function's body."""
    for m in re.finditer(r"(?<=[{};])\s*((?:static|_Thread_local)\b[^;{=]*)", code[start:end]):
        words = m.group(1)
        n = re.search(r"\(\s*\*\s*(?:const\s+)?(\w+)", words) or re.search(r"(\w+)\s*(?:\[.*)?$", words.strip(), re.S)
        yield code.count("\n", 0, start + m.start(1)) + 1, n.group(1), words, True


def constant(words):
    """Whether data declared with these words cannot change, or is what threads meet once at."""
    if re.search(r"\b(pthread_once_t|once_flag)\b", words):
        return True
    return bool(re.search(r"\bconst\b", words.rsplit("*", 1)[1] if "*" in words else words))


def sources():
    found = []
    for floor in BELOW:
        for folder, _, names in sorted(os.walk(os.path.join(ROOT, floor))):
            found += [os.path.relpath(os.path.join(folder, n), ROOT) for n in sorted(names) if n.endswith(ENDS)]
    return [File(p) for p in found]


def all_paths():
    """Of the repository, without what is built."""
    for folder, below, names in os.walk(ROOT):
        if folder == ROOT:
            below[:] = [b for b in below if not b.startswith(("build", "."))]
        yield from (os.path.relpath(os.path.join(folder, n), ROOT) for n in names)


def may_use(floor, path):
    """Whether a file of the floor may use what stands in the file of this path."""
    return path.split("/")[0] == floor or any(path == b or path.startswith(b + "/") for b in BELOW[floor])


def is_source(f):
    return f.path.endswith((".c", ".l", ".y"))


def arrows(files):
    """{(path, path): names that the first uses and the second defines, or "#include"}: of functions, data and headers."""
    where = {}
    for f in files:
        if is_source(f):
            for n in f.exports:
                where[n] = f.path
    of = collections.defaultdict(set)
    paths = {f.path for f in files}
    for f in files:
        for _, to in f.includes():
            if to in paths:
                of[f.path, to].add("#include")
        if not is_source(f):
            continue
        for n in f.uses:
            if n in where and where[n] != f.path:
                of[f.path, where[n]].add(n)
    return of


def between_rooms(files, of):
    """{(room, room): [(path, path, names)]}."""
    room = {f.path: f.room for f in files}
    out = collections.defaultdict(list)
    for (a, b), names in sorted(of.items()):
        if room.get(a) and room.get(b) and room[a] != room[b]:
            out[room[a], room[b]].append((a, b, sorted(names)))
    return out


def circles(pairs):
    """The sets of more than one that reach each other, sorted."""
    to = collections.defaultdict(set)
    for a, b in pairs:
        to[a].add(b)
    reach = {a: set(b) for a, b in to.items()}
    for k in list(reach):
        for a in reach:
            if k in reach[a]:
                reach[a] |= reach[k]
    return sorted({tuple(sorted(b for b in reach[a] if a in reach.get(b, ()))) for a in reach if a in reach[a]})
