// The AI SDK's OpenAI provider against a server: node ai_sdk.mjs URL SCENARIO MODEL; tells what it saw as JSON.
import { createOpenAI } from "@ai-sdk/openai";
import { generateText, jsonSchema, stepCountIs, streamText, tool } from "ai";

const [url, scenario, name] = process.argv.slice(2);
const model = createOpenAI({ baseURL: url, apiKey: "none" }).responses(name);
const tools = {
  get_weather: tool({
    description: "The weather in a city.",
    inputSchema: jsonSchema({ type: "object", properties: { city: { type: "string" } }, required: ["city"] }),
    execute: async ({ city }) => `rain in ${city}`,
  }),
};

const scenarios = {
  generate: async () => {
    const { text, usage, finishReason } = await generateText({ model, prompt: "Hello?", maxRetries: 0 });
    return { text, usage, finishReason };
  },

  // Two steps: the SDK runs the tool, and replays the stored turn by reference.
  tools: async () => {
    const result = streamText({ model, prompt: "The weather in Oslo?", tools, stopWhen: stepCountIs(3), maxRetries: 0 });
    let text = "";
    for await (const piece of result.textStream) text += piece;
    const steps = await result.steps;
    return { text, steps: steps.map((step) => step.toolResults.map((one) => one.output)) };
  },
};

console.log(JSON.stringify(await scenarios[scenario]()));
