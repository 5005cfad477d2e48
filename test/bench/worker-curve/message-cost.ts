import { once } from "node:events";
import { Worker } from "node:worker_threads";

const ECHO = `const { parentPort } = require("node:worker_threads"); parentPort.on("message", (m) => parentPort.postMessage(m));`;
const ROUNDS = 3000;

/** How long a message takes from one thread of Node.js to another that waits for it, in ms: half a round trip, the median. */
export async function measureMessage(): Promise<number> {
  const worker = new Worker(ECHO, { eval: true });
  const times: number[] = [];
  for (let i = 0; i < ROUNDS; i++) {
    const started = performance.now();
    const answer = once(worker, "message");
    worker.postMessage(i);
    await answer;
    times.push((performance.now() - started) / 2);
  }
  await worker.terminate();
  return times.sort((a, b) => a - b)[ROUNDS >> 1] ?? Number.NaN;
}
