"""A client of the language server, as short as one can be: what the tests and bench/lsp.py drive it with."""
import json
import os
import select
import subprocess
import time


class Client:
    def __init__(self, command, env=None, root=None):
        self.p = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env)
        self.buffer, self.id, self.published, self.version = b"", 0, {}, {}
        self.capabilities = self.ask("initialize", processId=os.getpid(), rootUri=root, capabilities={})["capabilities"]
        self.tell("initialized")

    def send(self, **m):
        body = json.dumps(dict(jsonrpc="2.0", **m)).encode()
        self.p.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self.p.stdin.flush()

    def tell(self, method, **params):
        self.send(method=method, params=params)

    def read(self, timeout=60):
        """The next message, or None."""
        end = time.time() + timeout
        while True:
            head, sep, rest = self.buffer.partition(b"\r\n\r\n")
            n = int(head.split(b":")[1]) if sep else 0
            if sep and len(rest) >= n:
                self.buffer = rest[n:]
                m = json.loads(rest[:n])
                if m.get("method") == "textDocument/publishDiagnostics":
                    self.published[m["params"]["uri"]] = m["params"]
                return m
            if not select.select([self.p.stdout], [], [], max(0, end - time.time()))[0]:
                return None
            more = os.read(self.p.stdout.fileno(), 1 << 16)
            if not more:
                raise EOFError("the server ended with %s: %s" % (self.p.wait(10), self.p.stderr.read().decode(errors="replace")[-3000:]))
            self.buffer += more

    def ask(self, method, error=False, **params):
        self.id += 1
        self.send(id=self.id, method=method, params=params)
        while True:
            m = self.read()
            if m is None:
                raise TimeoutError(method)
            if m.get("id") == self.id:
                if ("error" in m) != error:
                    raise ValueError("%s: %s" % (method, m))
                return m["error"] if error else m["result"]

    def open(self, uri, text):
        self.version[uri] = 1
        self.tell("textDocument/didOpen", textDocument=dict(uri=uri, languageId="hnn", version=1, text=text))

    def change(self, uri, *changes):
        """Texts, or (begin line, begin character, end line, end character, text)."""
        self.version[uri] += 1
        self.tell("textDocument/didChange", textDocument=dict(uri=uri, version=self.version[uri]), contentChanges=[
            dict(text=c) if isinstance(c, str) else dict(range=span(*c[:4]), text=c[4]) for c in changes])

    def diagnostics(self, uri):
        """Of the text as it is now."""
        while self.published.get(uri, {}).get("version") != self.version[uri]:
            if self.read() is None:
                raise TimeoutError("no diagnostics of version %d" % self.version[uri])
        return self.published[uri]["diagnostics"]

    def at(self, method, uri, line, character, **more):
        return self.ask("textDocument/" + method, textDocument=dict(uri=uri), position=dict(line=line, character=character), **more)

    def close(self):
        """The exit code."""
        self.ask("shutdown")
        self.tell("exit")
        self.p.stdin.close()
        code = self.p.wait(60)
        self.errors = self.p.stderr.read().decode(errors="replace")
        return code


def span(a, b, c, d):
    return dict(start=dict(line=a, character=b), end=dict(line=c, character=d))


def units(text):
    return len(text.encode("utf-16-le"))//2


def position(text, offset):
    """Of a character, as the protocol counts."""
    before = text[:offset]
    return before.count("\n"), units(before[before.rfind("\n") + 1:])
