// A connection to a language server: messages of JSON-RPC over the pipes of a process.
const { spawn } = require("child_process");

class Connection {
  constructor(command, args, notified, ended) {
    this.process = spawn(command, args, { stdio: ["pipe", "pipe", "ignore"] });
    this.waiting = new Map();
    this.id = 0;
    this.buffer = Buffer.alloc(0);
    this.over = this.closing = false;
    const end = (why) => {
      if (this.over) return;
      this.over = true;
      for (const w of this.waiting.values()) w.reject(new Error(why));
      this.waiting.clear();
      if (!this.closing) ended(why);
    };
    this.process.on("error", (e) => end(e.message));
    this.process.on("exit", (code) => end(`the server ended with code ${code}`));
    this.process.stdin.on("error", () => {});
    this.process.stdout.on("data", (data) => {
      this.buffer = Buffer.concat([this.buffer, data]);
      for (let m; (m = this.next()); ) this.take(m, notified);
    });
  }

  next() {
    const head = this.buffer.indexOf("\r\n\r\n");
    const length = head < 0 ? null : /content-length: *(\d+)/i.exec(this.buffer.toString("latin1", 0, head));
    if (!length || this.buffer.length < head + 4 + Number(length[1])) return null;
    const body = this.buffer.subarray(head + 4, head + 4 + Number(length[1]));
    this.buffer = this.buffer.subarray(head + 4 + body.length);
    return JSON.parse(body.toString("utf8"));
  }

  take(m, notified) {
    if (m.method) return notified(m.method, m.params);
    const w = this.waiting.get(m.id);
    this.waiting.delete(m.id);
    if (w) m.error ? w.reject(Object.assign(new Error(m.error.message), { code: m.error.code })) : w.resolve(m.result);
  }

  send(m) {
    if (this.over) return;
    const body = Buffer.from(JSON.stringify({ jsonrpc: "2.0", ...m }), "utf8");
    this.process.stdin.write(`Content-Length: ${body.length}\r\n\r\n`);
    this.process.stdin.write(body);
  }

  tell(method, params) {
    this.send({ method, params });
  }

  async close() {
    if (this.over) return;
    this.closing = true;
    await this.ask("shutdown", null);
    this.tell("exit", null);
  }

  ask(method, params) {
    const id = ++this.id;
    if (this.over) return Promise.reject(new Error("the server has ended"));
    const answer = new Promise((resolve, reject) => this.waiting.set(id, { resolve, reject }));
    this.send({ id, method, params });
    return answer;
  }
}

module.exports = { Connection };
