// The `openai` package for Node against a server: node openai_node.mjs URL SCENARIO MODEL; tells what it saw as JSON.
import OpenAI from "openai";

const [url, scenario, model] = process.argv.slice(2);
const client = new OpenAI({ baseURL: url, apiKey: "none", maxRetries: 0 });
const tool = {
  type: "function",
  name: "get_weather",
  description: "The weather in a city.",
  parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"], additionalProperties: false },
  strict: true,
};

async function events(stream) {
  const seen = [];
  for await (const event of stream) seen.push(event);
  return seen;
}

const scenarios = {
  create: () => client.responses.create({ model, input: "Hello?" }),

  stream: async () => {
    const stream = client.responses.stream({ model, input: "Hello?" });
    const types = [];
    for await (const event of stream) types.push(event.type);
    return { types, response: await stream.finalResponse() };
  },

  // A call, its output in the next turn of the chain, and the whole of it read back.
  chain: async () => {
    const first = await client.responses.create({ model, input: "The weather in Oslo?", tools: [tool] });
    const call = first.output.find((item) => item.type === "function_call");
    const output = { type: "function_call_output", call_id: call.call_id, output: "rain" };
    const second = await client.responses.create({
      model, previous_response_id: first.id, input: [output], tools: [tool],
    });
    const read = await client.responses.retrieve(second.id);
    const items = await client.responses.inputItems.list(second.id);
    const deleted = await client.responses.delete(second.id);
    const gone = await client.responses.retrieve(second.id).catch((error) => error.status);
    return { first, second, read, items: items.data, deleted: deleted ?? null, gone };
  },

  conversation: async () => {
    const room = await client.conversations.create({ metadata: { topic: "weather" } });
    const said = await client.responses.create({ model, input: "Hello?", conversation: room.id });
    const items = await client.conversations.items.list(room.id, { order: "asc" });
    return { room, said, items: items.data };
  },

  // A background stream that breaks off and is resumed at its cursor; and the same from its beginning.
  resume: async () => {
    const stream = await client.responses.create({ model, input: "Hello?", background: true, stream: true });
    const seen = [];
    for await (const event of stream) {
      seen.push(event);
      if (seen.length === 3) break;
    }
    const id = seen[0].response.id;
    const after = seen.at(-1).sequence_number;
    const rest = await events(await client.responses.retrieve(id, { stream: true, starting_after: after }));
    const whole = await events(await client.responses.retrieve(id, { stream: true }));
    const cancelled = await client.responses.cancel(id);
    return { seen, rest, whole, cancelled };
  },

  mistake: async () => {
    const error = await client.responses.create({ model, input: "Hello?", temperature: 3 }).catch((error) => error);
    return { name: error.constructor.name, status: error.status, param: error.param, code: error.code };
  },
};

console.log(JSON.stringify(await scenarios[scenario]()));
