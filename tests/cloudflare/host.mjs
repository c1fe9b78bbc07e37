// Runs the Python Worker in Pyodide, as Cloudflare does, behind a server on a loopback port, with D1 and KV of Miniflare.
//
// Its argument is JSON: `variables` and `paths` of Python. It prints one line of JSON when it listens: the port of the
// Worker, and that of the tests' calls into Python (see `inside.py`). It ends when its standard input does.
import nodeCrypto from "node:crypto";
import { Agent, createServer, request } from "node:http";
import { createServer as createCallServer } from "node:net";
import { Miniflare } from "miniflare";
import { loadPyodide } from "pyodide";

const { variables, paths } = JSON.parse(process.argv[2]);
process.stdin.on("end", () => process.exit()).resume();
process.on("unhandledRejection", (error) => console.error("unhandled rejection:", error));

// A Worker of workerd that runs batches. Miniflare's own bindings take several slow calls for each batch.
const BATCHES = `export default {
  async fetch(request, { DB }) {
    try {
      const statements = await request.json();
      return Response.json(await DB.batch(statements.map(({ sql, values }) => DB.prepare(sql).bind(...values))));
    } catch (error) {
      return new Response(error.message, { status: 500 });
    }
  },
}`;

// A database of D1 with what the store uses of the binding. Each batch is one call, on a connection of its own: none
// is lost because workerd has just closed the connection.
const agent = new Agent({ maxSockets: 16 });
class Database {
  prepare(sql) {
    return { bind: (...values) => ({ sql, values }) };
  }
  batch(statements) {
    return new Promise((resolve, reject) => {
      const sent = request(workerd, { method: "POST", agent }, async (reply) => {
        const body = Buffer.concat(await reply.toArray()).toString();
        reply.statusCode === 200 ? resolve(JSON.parse(body)) : reject(new Error(body));
      });
      sent.on("error", reject).end(JSON.stringify(statements));
    });
  }
}

const miniflare = new Miniflare({
  modules: true,
  script: BATCHES,
  d1Databases: ["DB"],
  kvNamespaces: ["KV"],
});
const [workerd, DB, KV, pyodide] = await Promise.all([
  miniflare.ready,
  miniflare.getD1Database("DB"),
  miniflare.getKVNamespace("KV"),
  loadPyodide(),
]);
const env = { ...variables, DB, KV };

const pending = new Set();
const waitUntil = (promise) => {
  const lasting = promise.copy?.() ?? promise; // a proxy of Python lives as long as this call, unless it is copied
  const task = Promise.resolve(lasting).catch((error) => console.error("a task failed:", error));
  pending.add(task);
  task.finally(() => pending.delete(task));
};
pyodide.registerJsModule("_pyodide_entrypoint_helper", {
  cloudflareWorkersModule: { env, waitUntil },
  patchWaitUntil: () => {},
});
pyodide.registerJsModule("_cloudflare_compat_flags", { python_request_headers_preserve_commas: true });
paths.forEach((path, index) => {
  pyodide.FS.mkdirTree(`/python/${index}`);
  pyodide.FS.mount(pyodide.FS.filesystems.NODEFS, { root: path }, `/python/${index}`);
});
pyodide.globals.set("paths", pyodide.toPy(paths.map((_, index) => `/python/${index}`)));
pyodide.runPython("import sys; sys.path[:0] = paths; sys.dont_write_bytecode = True");

// The global scope of a Worker has no random numbers, network or timers. Cloudflare lets `random` itself draw its seed.
pyodide.runPython("import random");
const FORBIDDEN = [[nodeCrypto, "randomFillSync"], [globalThis, "fetch"], [globalThis, "setTimeout"]];
const allowed = FORBIDDEN.map(([owner, name]) => owner[name]);
FORBIDDEN.forEach(([owner, name]) => {
  owner[name] = () => {
    throw new Error(`${name} is called while the Worker is imported`);
  };
});
const Default = pyodide.pyimport("entry").Default;
FORBIDDEN.forEach(([owner, name], index) => {
  owner[name] = allowed[index];
});

// The body as it is read. What is left of it stays unread, and the connection open.
function bodyOf(incoming) {
  const pieces = incoming.iterator({ destroyOnReturn: false });
  return new ReadableStream({
    async pull(controller) {
      const { value, done } = await pieces.next();
      done ? controller.close() : controller.enqueue(new Uint8Array(value));
    },
  });
}

async function respond(incoming, outgoing) {
  const hasBody = !["GET", "HEAD"].includes(incoming.method);
  const received = new Request(`http://${incoming.headers.host ?? "worker"}${incoming.url}`, {
    method: incoming.method,
    headers: Object.entries(incoming.headersDistinct).flatMap(([name, values]) => values.map((value) => [name, value])),
    body: hasBody ? bodyOf(incoming) : null,
    duplex: "half",
  });
  const instance = Default({ waitUntil, passThroughOnException() {} }, env);
  const result = await instance.fetch(received);
  const response = result.js_object ?? result;
  incoming.resume(); // what the Worker has not read
  outgoing.writeHead(response.status, [...response.headers].flat());
  outgoing.flushHeaders();
  if (response.body) {
    const reader = response.body.getReader();
    outgoing.on("close", () => reader.cancel(new Error("The client has disconnected.")).catch(() => {}));
    for (let read = await reader.read(); !read.done; read = await reader.read()) {
      if (!outgoing.write(read.value)) {
        await new Promise((resolve) => outgoing.once("drain", resolve).once("close", resolve));
      }
    }
  }
  outgoing.end();
}

const server = createServer((incoming, outgoing) =>
  respond(incoming, outgoing).catch((error) => {
    console.error("the Worker failed:", error);
    outgoing.headersSent ? outgoing.destroy() : outgoing.writeHead(500).end("error code: 1101");
  }),
);

const inside = pyodide.pyimport("inside");
const calls = createCallServer({ noDelay: true }, (socket) => {
  const session = inside.Session((data) => {
    const bytes = data.toJs();
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    socket.write(Buffer.concat([length, bytes]));
  }, { DB: new Database(), KV });
  let rest = Buffer.alloc(0);
  socket.on("data", (data) => {
    rest = Buffer.concat([rest, data]);
    while (rest.length >= 4 && rest.length >= 4 + rest.readUInt32BE()) {
      const end = 4 + rest.readUInt32BE();
      session.receive(new Uint8Array(rest.subarray(4, end)));
      rest = rest.subarray(end);
    }
  });
  socket.on("error", () => {});
  socket.on("close", () => session.close());
});

const listening = (each) => new Promise((resolve) => each.listen(0, "127.0.0.1", () => resolve(each.address().port)));
console.log(JSON.stringify({ worker: await listening(server), calls: await listening(calls) }));
