"""Makes the program of a difference smaller while it stays one."""


def lines_left(text, still, tries=400):
    """The text with as many lines left out as possible; still(text) says whether it shows the same."""
    lines = text.split("\n")
    size = max(1, len(lines) // 2)
    while size:
        at = 0
        while at < len(lines) and tries:
            smaller = lines[:at] + lines[at + size:]
            tries -= 1
            if smaller and still("\n".join(smaller)):
                lines = smaller
            else:
                at += size
        size //= 2
    return "\n".join(lines)


def returned(text, still):
    """Each `return a, b, c` with one of its values, if that is enough."""
    lines = text.split("\n")
    for k, line in enumerate(lines):
        if not line.strip().startswith("return ") or "," not in line:
            continue
        indent = line[:len(line) - len(line.lstrip())]
        for value in line.strip()[7:].split(", "):
            smaller = "\n".join(lines[:k] + [indent + "return " + value] + lines[k + 1:])
            if value.isidentifier() and still(smaller):
                lines[k] = indent + "return " + value
                break
    return "\n".join(lines)


def pieces(line):
    """Spans of the line in brackets, with what calls them, from the longest."""
    out, stack = [], []
    for k, ch in enumerate(line):
        if ch in "([":
            stack.append(k)
        elif ch in ")]" and stack:
            start = stack.pop()
            inside = line[start + 1:k]
            while start and (line[start - 1].isalnum() or line[start - 1] in "_."):
                start -= 1
            out.append((start, k + 1, inside))
    return sorted(out, key=lambda p: p[0] - p[1])


def parts(inside):
    """The arguments and operands in a pair of brackets, as texts."""
    out, depth, last = [inside], 0, 0
    for k, ch in enumerate(inside):
        depth += (ch in "([{") - (ch in ")]}")
        if depth == 0 and ch in ",+-*/@<>" and k:
            out.append(inside[last:k].strip())
            last = k + 1
    out.append(inside[last:].strip())
    return [p for p in dict.fromkeys(out) if p and " for " not in p and "=" not in p]


def expressions(text, still, tries=600):
    """Calls and brackets replaced by one of their parts."""
    again = True
    while again and tries > 0:
        again = False
        lines = text.split("\n")
        for k, line in enumerate(lines):
            if line.lstrip().startswith(("fn ", "hamiltonian ", "net ", "flow ")) and "=" not in line:
                continue
            for start, end, inside in pieces(line):
                for part in parts(inside):
                    tries -= 1
                    if tries <= 0:
                        return text
                    new = line[:start] + part + line[end:]
                    smaller = "\n".join(lines[:k] + [new] + lines[k + 1:])
                    if len(new) < len(line) and still(smaller):
                        text, again = smaller, True
                        break
                if again:
                    break
            if again:
                break
    return text


def shrink(text, still):
    for _ in range(3):
        before = text
        text = returned(text, still)
        text = lines_left(text, still)
        text = expressions(text, still)
        if text == before:
            break
    return text
