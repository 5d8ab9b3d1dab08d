#!/usr/bin/env python3
"""The pages, as they lie in the tree: test_docs.py [HNNC]. Links and anchors lead somewhere (anchors are made as GitHub makes them); every page is in the site's
navigation; a fence `hnn from FILE` is word for word in that file, and programs that commands name are there; sources that a page names are in the tree; pictures are
shown, and are small; every word that the compiler's tables know is in the language reference."""
import glob
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PAGES = sorted(glob.glob(os.path.join(ROOT, "docs/**/*.md"), recursive=True) + glob.glob(os.path.join(ROOT, "*.md")) + [os.path.join(ROOT, "bench/README.md")])
PARTS = {"results-notes.md"}                                  # text that tools/results.py puts into a page
FLOORS = "codegen|passes|frontend|runtime|ir|driver|tests|tools|bench|models|docs|python|editors|quickstart|runtests"
PICTURES = 1600 << 10                                         # bytes that all pictures may have
failures, passed = [], 0


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def without_code(text):
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^(```+|~~~+).*?^\1", "", text, flags=re.M | re.S))


def anchors(text):
    """What GitHub calls the headings."""
    found = set(re.findall(r'<a (?:id|name)="([^"]+)"', text))
    for title in re.findall(r"^#{1,6} +(.*?)\s*$", re.sub(r"^(```+|~~~+).*?^\1", "", text, flags=re.M | re.S), re.M):
        title = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title).lower()
        slug = re.sub(r"[^\w\- ]", "", title).replace(" ", "-")
        number = 0
        while (slug if not number else "%s-%d" % (slug, number)) in found:
            number += 1
        found.add(slug if not number else "%s-%d" % (slug, number))
    return found


def test(name, faults):
    global passed                                             # pylint: disable=global-statement
    passed += not faults
    failures.extend("%s: %s" % (name, f) for f in faults)


def links(page):
    text = read(page)
    body = without_code(text)
    for target in re.findall(r"\]\(<?([^)\s>]+)>?(?: \"[^\"]*\")?\)", body) + re.findall(r'<(?:a href|img src)="([^"]+)"', body):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        there = os.path.normpath(os.path.join(os.path.dirname(page), path)) if path else page
        if not os.path.exists(there):
            yield "there is no %s" % target
        elif anchor and there.endswith(".md") and anchor not in anchors(read(there)):
            yield "%s has no heading #%s" % (path or "the page", anchor)


def excerpts(page):
    for name, body in re.findall(r"^```hnn from (\S+)[^\n]*\n(.*?)^```$", read(page), re.M | re.S):
        source = read(os.path.join(ROOT, name))
        for piece in re.split(r"^\s*\.\.\.\s*\n", body, flags=re.M):
            if piece.strip("\n") not in source:
                yield "not in %s as it stands there:\n%s" % (name, piece)


def commands(page):
    """What a command on a page names lies in the tree."""
    for name in re.findall(r"^\$ hnnc [^\n]*?\b((?:models|docs/examples)/\S+\.hnn)", read(page), re.M):
        if not os.path.exists(os.path.join(ROOT, name)):
            yield "a command reads %s, which is not there" % name


def sources(page):
    """`passes/base/copy.c`, and where it is plain enough `base/copy.c` and `copy.c`, is a file; `passes/base` a folder. Capitals stand for a name."""
    for name in re.findall(r"`([\w./*-]+)`", re.sub(r"^(```+|~~~+).*?^\1", "", read(page), flags=re.M | re.S)):
        if re.search(r"[A-Z]{4}", name):
            continue
        here = re.match(r"(?:%s)/" % FLOORS, name)
        if here and not glob.glob(os.path.join(ROOT, name)) or re.fullmatch(r"[\w/-]*\w\.(c|def|inc|y|l)", name) and not tail(name):
            yield "it names `%s`, which is not in the tree" % name


def tail(name, known={}):                                     # pylint: disable=dangerous-default-value
    """There is a source whose path ends so."""
    if not known:
        for floor in FLOORS.split("|"):
            for at, _, names in os.walk(os.path.join(ROOT, floor)):
                for n in names:
                    known.setdefault(n, []).append(os.path.join(at, n))
    return any(path.endswith("/" + name) for path in known.get(os.path.basename(name), []))


def navigation():
    shown = set()
    for page in PAGES:
        for tree in re.findall(r"^```\{toctree\}\n(.*?)^```", read(page), re.M | re.S):
            for line in tree.splitlines():
                entry = re.match(r"(?:.*<(.+)>|([\w/.-]+))$", line.strip())
                if entry and not line.startswith(":"):
                    there = os.path.normpath(os.path.join(os.path.dirname(page), entry.group(1) or entry.group(2)))
                    shown.add(there + ".md")
                    if not os.path.exists(there + ".md"):
                        yield "%s has an entry %s: there is no such page" % (os.path.relpath(page, ROOT), line.strip())
    for page in PAGES:
        inside = os.path.relpath(page, os.path.join(ROOT, "docs"))
        if not inside.startswith("..") and inside != "index.md" and inside not in PARTS and page not in shown:
            yield "docs/%s is in no list of docs/index.md" % inside


def pictures():
    everything = "".join(map(read, PAGES))
    found = glob.glob(os.path.join(ROOT, "docs/pictures/*"))
    for path in found:
        if os.path.basename(path) not in everything:
            yield "%s is shown nowhere" % os.path.relpath(path, ROOT)
    if sum(map(os.path.getsize, found)) > PICTURES:
        yield "the pictures have %d bytes, more than %d" % (sum(map(os.path.getsize, found)), PICTURES)


def functions():
    """Every function of the language has an example that runs."""
    page = read(os.path.join(ROOT, "docs/functions.md"))
    for name in re.findall(r'^\s*\{"(\w+)",', read(os.path.join(ROOT, "frontend/builtin/builtin.c")), re.M):
        if not re.search(r"\b%s\b" % name, page):
            yield "docs/functions.md has no example of `%s`" % name


# Where the compiler lists the words of the language: a file, where its table begins, and how a row names its word.
ROW, ALONE = r'\{"(\w+)",', r'"(\w+)"'
TABLES = (("frontend/syntax/tokens.c", "} words[] = {", ROW), ("frontend/syntax/tokens.c", "clauses[] = {", ALONE),
          ("frontend/builtin/builtin.c", "builtin_rows[] = {", ROW), ("frontend/builtin/builtin.c", "paddings[] = {", ALONE),
          ("frontend/builtin/option.c", "OptionRow rows[] = {", ROW),
          ("frontend/builtin/option.def", "/* train */", r'^OPTION\("[^"]*", "(\w+)"'),
          ("frontend/builtin/option.c", "known[] = {", ALONE), ("frontend/builtin/data.c", "form_option(Elab", ALONE),
          ("frontend/builtin/data.c", "program_args(Elab", ALONE), ("frontend/builtin/net.c", "starts[] = {", ALONE),
          ("frontend/builtin/read.c", "!strcmp(a->name", ALONE), ("frontend/items/train.c", "} options[] = {", ROW),
          ("frontend/items/plot_option.c", "rows[] = {", ROW), ("frontend/items/plot_option.c", "plot_kind_name[PLOT_KINDS] = {", ALONE),
          ("frontend/motion/traj.c", "(TrajOption[]){", ROW), ("frontend/motion/iterate.c", "(TrajOption[]){", ROW),
          ("frontend/motion/section.c", "TrajOption option[] = {", ROW), ("ir/core/method.c", "ir_method[M_count] = {", ROW),
          ("frontend/syntax/ast.c", "known[] = {", ALONE), ("frontend/model/model.c", "known[] = {", ALONE))


def reference():
    """What the compiler knows is in the code of the reference's pages."""
    pages = "".join(map(read, glob.glob(os.path.join(ROOT, "docs/language/*.md"))))
    fences = r"^```[^\n]*\n(.*?)^```$"
    code = set(re.findall(r"\w+", " ".join(re.findall(fences, pages, re.M | re.S) + re.findall(r"`([^`\n]+)`", re.sub(fences, "", pages, flags=re.M | re.S)))))
    for name, begin, row in TABLES:
        table = read(os.path.join(ROOT, name)).partition(begin)[2].partition("};")[0]
        found = " ".join(re.findall(row, table, re.M)).split()
        if not found:
            yield "%s has no table that begins `%s`" % (name, begin)
        for word in found:
            if word not in code:
                yield "docs/language has no `%s` (of %s)" % (word, name)


def rooms():
    """The page of the architecture has each folder of the floors."""
    page = read(os.path.join(ROOT, "docs/architecture.md"))
    for floor in "driver", "frontend", "passes", "codegen", "runtime", "ir":
        part = re.search(r"^\*\*%s\*\*.*?(?=^\*\*|^`tools)" % floor, page, re.M | re.S).group()
        for room in sorted(os.listdir(os.path.join(ROOT, floor))):
            if glob.glob(os.path.join(ROOT, floor, room, "*.[ch]")) and "`%s`" % room not in part:
                yield "docs/architecture.md has no room `%s` of %s" % (room, floor)


def notes():
    """The page that tools/results.py writes ends with its notes as they are."""
    if not read(os.path.join(ROOT, "docs/results.md")).endswith(read(os.path.join(ROOT, "docs/results-notes.md"))):
        yield "docs/results.md does not end with docs/results-notes.md"


def versions():
    """One version everywhere, and it is the changelog's."""
    said = {name: re.search(pattern, read(os.path.join(ROOT, name)), re.M).group(1) for name, pattern in (
        ("meson.build", r"version: '([^']+)'"), ("CHANGELOG.md", r"^## ([\d.]+)"), ("editors/vscode/package.json", r'"version": "([^"]+)"'),
        ("editors/tree-sitter-hnn/package.json", r'"version": "([^"]+)"'))}
    if len(set(said.values())) > 1:
        yield "the version is not the same everywhere: %s" % said
    for path in ("pyproject.toml", "driver/driver.h"):
        if said["meson.build"] in read(os.path.join(ROOT, path)):
            yield "%s has the version of meson.build a second time" % path
    language = int(re.search(r"FRONT_LANGUAGE = (\d+)", read(os.path.join(ROOT, "frontend/syntax/ast.h"))).group(1))
    yield from changelog(read(os.path.join(ROOT, "CHANGELOG.md")), language)
    yield from meanings(read(os.path.join(ROOT, "frontend/syntax/meanings.def")), read(os.path.join(ROOT, "docs/versions.md")), said["meson.build"], language)


def changelog(text, language):
    """Releases, newest first, each with its day, but for the one on top, which is not yet released; each says its version of the language."""
    numbers, days, languages = [], [], []
    parts = re.split(r"^## (.*)\n", text, flags=re.M)[1:]
    for k, (head, body) in enumerate(zip(parts[::2], parts[1::2])):
        m = re.fullmatch(r"(\d+)\.(\d+)\.(\d+), (?:(\d{4}-\d\d-\d\d)|not yet released)", head)
        if not m:
            yield "CHANGELOG.md: `## %s` is neither `## 1.2.3, 2026-12-31` nor `## 1.2.3, not yet released`" % head
            continue
        numbers.append(tuple(map(int, m.groups()[:3])))
        if m[4]:
            days.append(m[4])
        if (m[4] is None) != (k == 0):
            yield "CHANGELOG.md: %s: the section on top is not yet released, all others have their day" % head
        said = re.search(r"\A\s*Language version (\d+)\.$", body, re.M)
        languages.append(int(said[1]) if said else 0)
        if not said:
            yield "CHANGELOG.md: %s does not begin with `Language version N.`" % head
        if not re.search(r"^- ", body, re.M):
            yield "CHANGELOG.md: %s lists nothing" % head
    if not numbers or numbers != sorted(set(numbers), reverse=True) or days != sorted(days, reverse=True) or languages != sorted(languages, reverse=True):
        yield "CHANGELOG.md: the newest stands first, each version once"
    elif languages[0] != language:
        yield "CHANGELOG.md: the section on top has version %d of the language, the compiler %d" % (languages[0], language)


def meanings(rows, page, version, language):
    """Changes of meaning are on the page, and are warned of for one release."""
    listed = re.findall(r"^\| (\d+) \| (.*) \|$", page, re.M)
    made = []
    for name, since, release, rest in re.findall(r'^MEANING\((\w+), (\d+), "([\d.]+)", (.*)\)$', rows, re.M):
        form, was, means, write = re.findall(r'"((?:[^"\\\\]|\\\\.)*)"', rest)
        made.append((since, " | ".join((form, was, means, write))))
        if release != version.rpartition(".")[0]:
            yield "frontend/syntax/meanings.def: %s was warned of in %s: %s" % (name, release, "raise FRONT_LANGUAGE" if int(since) > language else "the row goes")
    if made != listed:
        yield "docs/versions.md: the table of changes is not frontend/syntax/meanings.def: %s" % (set(made) ^ set(listed))


assert anchors("# A, b-c: `d`\n## A\n## A\n```\n# no\n```\n") == {"a-b-c-d", "a", "a-1"}
GOOD = "# Changelog\n\n## 0.2.0, not yet released\n\nLanguage version 2.\n\n- a\n\n## 0.1.0, 2026-12-01\n\nLanguage version 1.\n\n- b\n"
assert not list(changelog(GOOD, 2))
for old, new in (("not yet released", "2026-12-02"), (", 2026-12-01", ", not yet released"), ("0.1.0", "0.3.0"), ("Language version 1", "Version 1"), ("- b", "b"), ("version 2", "version 1"), ("2026-12-01", "1 December")):
    assert list(changelog(GOOD.replace(old, new), 2)), new
ROW = 'MEANING(a, 2, "0.2", "`x`", "this", "that", "`y`")'
for rows, page, version, faults in ((ROW, "| 2 | `x` | this | that | `y` |\n", "0.2.1", 0), (ROW, "| 2 | `x` | that | this | `y` |\n", "0.2.1", 1), (ROW, "| 2 | `x` | this | that | `y` |\n", "0.3.0", 1), ("", "| 2 | `x` | this | that | `y` |\n", "0.2.1", 1)):
    assert len(list(meanings(rows, page, version, 2))) == faults, (rows, page, version)
for p in PAGES:
    test(os.path.relpath(p, ROOT), list(links(p)) + list(excerpts(p)) + list(commands(p)) + list(sources(p)))
test("navigation", list(navigation()))
test("pictures", list(pictures()))
test("functions", list(functions()))
test("reference", list(reference()))
test("rooms", list(rooms()))
test("notes", list(notes()))
test("versions", list(versions()))
for failure in failures:
    print(failure)
print("%d passed, %d failed" % (passed, len(failures)))
sys.exit(1 if failures else 0)
