// A realtime session by @openai/agents-realtime: `node talk.mjs URL`; prints what came as JSON.
import { RealtimeAgent, RealtimeSession, tool } from '@openai/agents-realtime';
import { z } from 'zod';

const tools = [];
const multiply = tool({
  name: 'multiply',
  description: 'Multiply two numbers.',
  parameters: z.object({ a: z.number(), b: z.number() }),
  execute: async ({ a, b }) => {
    tools.push(String(a * b));
    return String(a * b);
  },
});

const agent = new RealtimeAgent({ name: 'any', instructions: 'Be brief.', tools: [multiply] });
const session = new RealtimeSession(agent, {
  transport: 'websocket',
  model: 'gpt-realtime',
  tracingDisabled: true,
  config: { outputModalities: ['text'] },
});
const said = [];
const done = new Promise((resolve, reject) => {
  session.on('error', (error) => reject(new Error(JSON.stringify(error))));
  session.transport.on('*', (event) => {
    if (event.type === 'response.output_text.done') {
      said.push(event.text);
      if (said.length === 1) session.sendMessage('What is 6 times 7?');
      else resolve();
    }
  });
});
await session.connect({ apiKey: 'any', url: process.argv[2] });
session.sendMessage('Say hello.');
await done;
console.log(JSON.stringify({ said, tools }));
session.close();
process.exit(0);
