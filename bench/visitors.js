// Many clients at once, as k6 has them: each asks for streams on a socket of its own, pings
// beside them, and checks that every stream is whole. Prints what came of it as JSON.
//
// ADDRESS and TOKEN: the server. STREAMS: so many a socket. MODEL: "steady:RATE:COUNT" of the
// benchmarks' upstream, whose texts tell what they must be; or TEXT: what every answer must be.

import { check } from "k6";
import { Trend } from "k6/metrics";
import ws from "k6/ws";

const { ADDRESS, TOKEN, TEXT, MODEL } = __ENV;
const STREAMS = Number(__ENV.STREAMS || 1);
const PATIENCE = 120_000;
const first = new Trend("first_piece", true);
const pong = new Trend("pong", true);

export const options = { thresholds: { checks: ["rate==1"] } };

function isWhole(text) {
  if (TEXT) return text === TEXT;
  const [, rate, count] = MODEL.split(":").map(Number);
  const gap = BigInt(Math.floor(1e9 / rate));
  let due = BigInt(text.slice(0, 16) || 0);
  for (let n = 0; n < count; n += 1, due += gap) {
    if (text.slice(17 * n, 17 * n + 17) !== `${String(due).padStart(16, "0")} `) return false;
  }
  return text.length === 17 * count;
}

function visit(socket, told) {
  const asked = {};
  const ask = (type, id, payload) => {
    asked[id] = Date.now();
    socket.send(JSON.stringify({ type, request_id: id, payload }));
  };
  const ping = () => ask("ping", "p", {});
  socket.on("open", () => {
    const messages = [{ role: "user", content: "Hi" }];
    for (let n = 0; n < STREAMS; n += 1) {
      told[`r${n}`] = "";
      ask("chat_completion_stream", `r${n}`, { messages, ...(MODEL ? { model: MODEL } : {}) });
    }
    ping();
    socket.setInterval(ping, 1000);
  });
  let open = STREAMS;
  socket.on("message", (frame) => {
    const { type, request_id: id, data, error } = JSON.parse(frame);
    if (type === "pong") {
      pong.add(Date.now() - asked.p);
    } else if (error || data.done) {
      told.wrong = told.wrong || error;
      open -= 1;
      if (!open) socket.close();
    } else {
      if (!told[id]) first.add(Date.now() - asked[id]);
      told[id] += data.choices[0].delta.content || "";
    }
  });
  socket.setTimeout(() => socket.close(), PATIENCE);
}

export default function () {
  const told = {};
  const params = { headers: { Authorization: `Bearer ${TOKEN}` } };
  const response = ws.connect(`ws://${ADDRESS}/ws`, params, (socket) => visit(socket, told));
  check(response, { "it is let in": (answer) => answer && answer.status === 101 });
  check(told, { "nothing is refused": ({ wrong }) => !wrong });
  for (let n = 0; n < STREAMS; n += 1) {
    check(told[`r${n}`] || "", { "every stream is whole": isWhole });
  }
}

export function handleSummary({ metrics, root_group: { checks } }) {
  const found = { first: metrics.first_piece, pong: metrics.pong };
  const said = { checks: Object.fromEntries(checks.map((one) => [one.name, one])) };
  for (const [name, metric] of Object.entries(found)) said[name] = metric ? metric.values : {};
  return { stdout: JSON.stringify(said) };
}
