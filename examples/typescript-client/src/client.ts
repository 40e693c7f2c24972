// A client of `chatbots serve`: npm run dev -- localhost:8080

import WebSocket from "ws";

type Json = Record<string, unknown>;

interface Frame {
  type: string;
  request_id: string | null;
  data?: any;
  error?: string;
  error_code?: string;
}

/** One socket, and any number of requests on it at the same time. */
class Client {
  private readonly waiting = new Map<string, (frame: Frame) => void>();
  private last = 0;

  private constructor(private readonly socket: WebSocket) {
    socket.on("message", (text) => {
      const frame: Frame = JSON.parse(text.toString());
      this.waiting.get(frame.request_id ?? "")?.(frame);
    });
  }

  static connect(address: string, token?: string): Promise<Client> {
    const headers = token ? { Authorization: `Bearer ${token}` } : undefined;
    const socket = new WebSocket(`ws://${address}/ws`, { headers });
    return new Promise((resolve, reject) => {
      socket.once("open", () => resolve(new Client(socket)));
      socket.once("error", reject);
    });
  }

  /** Ask, and return the last frame of the answer; `heard` gets the pieces of a streamed one. */
  ask(type: string, payload: Json, heard?: (piece: Frame) => void): Promise<Frame> {
    const id = `r${++this.last}`;
    return new Promise((resolve, reject) => {
      this.socket.once("close", () => reject(new Error("The server has closed the socket.")));
      this.waiting.set(id, (frame) => {
        if (heard && !frame.error && !frame.data?.done) return heard(frame);
        this.waiting.delete(id);
        frame.error ? reject(new Error(`${frame.error_code}: ${frame.error}`)) : resolve(frame);
      });
      this.socket.send(JSON.stringify({ type, request_id: id, payload }));
    });
  }

  close(): void {
    this.socket.close();
  }
}

async function main(): Promise<void> {
  const address = process.argv[2] ?? "localhost:8080";
  const client = await Client.connect(address, process.env.CHATBOTS_TOKEN);
  const say = (content: string) => ({ messages: [{ role: "user", content }] });

  console.log("ping:", (await client.ask("ping", {})).type);

  const tools = (await client.ask("tools_list", {})).data.tools;
  console.log("tools_list:", tools.map((tool: { name: string }) => tool.name).join(", "));

  const call = { name: "get_weather", arguments: '{"location": "San Francisco, CA"}' };
  const tool_call = { id: "call_1", type: "function", function: call };
  console.log("tool_execute:", (await client.ask("tool_execute", { tool_call })).data.content);

  const input = "The quick brown fox jumps over the lazy dog";
  const vectors = (await client.ask("embedding", { input })).data.data;
  console.log("embedding:", vectors[0].embedding.length, "numbers");

  const answer = await client.ask("chat_completion", say("Hello!"));
  console.log("chat_completion:", answer.data.choices[0].message.content);

  process.stdout.write("chat_completion_stream: ");
  await client.ask("chat_completion_stream", say("Tell me a story in one sentence."), (piece) =>
    process.stdout.write(piece.data.choices[0]?.delta.content ?? ""),
  );
  process.stdout.write("\n");
  client.close();
}

main().catch((error: Error) => {
  console.error(error.message);
  process.exitCode = 1;
});
