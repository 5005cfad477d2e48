import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, constants, createReadStream, readFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import type { NonBlocking } from "../../../src/report/non-blocking.ts";
import { Output, openOutput, writeDocument } from "../../../src/report/output.ts";
import { tempTree } from "../../support/files/temp-tree.ts";
import { brokenPipe, makeFifo, type Unread, unreadPipe, unreadSocket } from "../../support/process/unread-pipe.ts";
import { WAIT } from "../../support/runner/time-limits.ts";

/** A reader that accepts scripted numbers of bytes, and then nothing. */
class ScriptedReader implements NonBlocking {
  readonly pieces: Buffer[] = [];
  /** Bytes accepted by each of the next writes; an error is thrown. */
  readonly script: (number | Error)[] = [];
  takesAll = true;

  write(bytes: Uint8Array, start: number, length: number): number {
    const next = this.script.shift() ?? (this.takesAll ? length : 0);
    if (next instanceof Error) throw next;
    const taken = Math.min(next, length);
    if (taken > 0) this.pieces.push(Buffer.from(bytes.subarray(start, start + taken)));
    return taken;
  }

  get writes(): string[] {
    return this.pieces.map((piece) => piece.toString());
  }

  get all(): string {
    return Buffer.concat(this.pieces).toString();
  }

  hasReader(): boolean {
    return true;
  }

  close(): void {}
}

describe("Output", () => {
  test("writes at once what the reader takes", () => {
    const reader = new ScriptedReader();
    const output = new Output(reader);
    output.write("a\n");
    output.write("b\nc\n");
    expect(reader.writes).toEqual(["a\n", "b\nc\n"]);
    expect(output.pendingBytes).toBe(0);
  });

  test("buffers the rest, and later lines, until the reader continues", async () => {
    const reader = new ScriptedReader();
    const output = new Output(reader);
    reader.script.push(3);
    reader.takesAll = false;
    output.write("größer\n");
    output.write("b\n");
    expect(reader.pieces).toHaveLength(1);
    expect(output.pendingBytes).toBe(Buffer.byteLength("größer\nb\n") - 3);
    reader.takesAll = true;
    expect(await output.finish()).toBe(true);
    expect(reader.all).toBe("größer\nb\n");
    expect(output.pendingBytes).toBe(0);
    output.write("c\n");
    expect(output.pendingBytes).toBe(0);
  });

  test("splits buffered data at line ends, in pieces that a pipe writes atomically", async () => {
    const reader = new ScriptedReader();
    const output = new Output(reader);
    reader.takesAll = false;
    const lines = Array.from({ length: 500 }, (_, i) => `${i} ${"x".repeat(i % 90)}\n`);
    const long = `${"y".repeat(10_000)}\n`;
    for (const line of [...lines, long, "end\n"]) output.write(line);
    reader.takesAll = true;
    await output.finish();
    expect(reader.all).toBe(`${lines.join("")}${long}end\n`);
    for (const piece of reader.writes) expect(piece.endsWith("\n")).toBe(true);
    expect(reader.writes.filter(({ length }) => length > 4096)).toEqual([long]);
  });

  test("a failed write loses only its own lines", () => {
    const reader = new ScriptedReader();
    const output = new Output(reader);
    const full = new Error("ENOSPC");
    reader.script.push(full);
    output.write("a\n");
    expect([output.failure, output.isWritable(), output.pendingBytes]).toEqual([full, false, 0]);
    output.write("b\n");
    expect([output.failure, output.isWritable()]).toEqual([undefined, true]);
    expect(reader.writes).toEqual(["b\n"]);
  });

  test("gives up on a stalled reader, and waits for a slow one", async () => {
    const reader = new ScriptedReader();
    const output = new Output(reader);
    reader.takesAll = false;
    output.write("x".repeat(100));
    expect(await output.finish({ timeoutMs: 0 })).toBe(false);
    expect(await output.finish({ signal: AbortSignal.abort() })).toBe(false);
    // One byte every 60 ms.
    reader.script.push(...Array.from({ length: 200 }, (_, i) => i % 2));
    const now = vi.spyOn(performance, "now").mockImplementation(() => 60 * reader.pieces.length);
    onTestFinished(() => now.mockRestore());
    expect(await output.finish({ timeoutMs: 100 })).toBe(true);
    expect(reader.all).toBe("x".repeat(100));
  });
});

const isRoot = process.getuid?.() === 0;
const hasScript = /util-linux/.test(spawnSync("script", ["--version"], { encoding: "utf8" }).stdout ?? "");

/**
 * Writes lines until its reader lags, and a thousand more; then reports whether the descriptor's other owners would
 * block.
 */
const WRITER = `
  import { readFileSync, writeSync } from "node:fs";
  const { openOutput, standardOutput } = await import(${JSON.stringify(new URL("../../../src/report/output.ts", import.meta.url).href)});
  const descriptor = Number(process.argv[2]);
  const output = descriptor === 1 ? standardOutput(1) : openOutput(descriptor).output;
  let lines = 0;
  const write = () => output.write("line " + lines++ + "\\n");
  while (output.pendingBytes === 0) write();
  for (let i = 0; i < 1000; i++) write();
  const flags = /flags:\\s*([0-7]+)/.exec(readFileSync("/proc/self/fdinfo/" + descriptor, "utf8"))[1];
  writeSync(2, JSON.stringify({ lines, isBlocking: (Number.parseInt(flags, 8) & ${constants.O_NONBLOCK}) === 0 }) + "\\n");
  await output.finish();
`;

interface WriterFacts {
  readonly lines: number;
  readonly isBlocking: boolean;
}

/** Runs {@link WRITER} with a full pipe or socket. @returns its report while nothing is read, and what is read then */
async function runWriter(unread: Unread, descriptor: 1 | 3, prefix: readonly string[] = []) {
  const script = join(tempTree({ "writer.mjs": WRITER }), "writer.mjs");
  chmodSync(join(script, ".."), 0o755);
  const [program = "", ...args] = [...prefix, process.execPath, script, String(descriptor)];
  const { writer } = unread;
  const child = spawn(program, args, {
    stdio: descriptor === 1 ? ["ignore", writer, "pipe"] : ["ignore", "ignore", "pipe", writer],
  });
  const ended = once(child, "close");
  if (child.stderr === null) throw new Error("no stderr");
  const [said]: Buffer[] = await once(child.stderr, "data");
  const facts: WriterFacts = JSON.parse(String(said));
  const read = await unread.read();
  const [exitCode] = await ended;
  return { ...facts, read, exitCode };
}

const linesOf = (count: number) => Array.from({ length: count }, (_, i) => `line ${i}\n`).join("");

describe("an inherited descriptor", () => {
  test("of a pipe is written without blocking, and blocks for others", async () => {
    const { lines, isBlocking, read, exitCode } = await runWriter(unreadPipe(), 1);
    expect({ isBlocking, exitCode }).toEqual({ isBlocking: true, exitCode: 0 });
    expect(read).toBe(linesOf(lines));
  });

  test("of a socket is written without blocking, and blocks for others", async () => {
    const { lines, isBlocking, read, exitCode } = await runWriter(await unreadSocket(), 1);
    expect({ isBlocking, exitCode }).toEqual({ isBlocking: true, exitCode: 0 });
    expect(read).toBe(linesOf(lines));
  });

  test("stays non-blocking if it was", async () => {
    const { lines, isBlocking, read, exitCode } = await runWriter(await unreadSocket(), 3);
    expect({ isBlocking, exitCode }).toEqual({ isBlocking: false, exitCode: 0 });
    expect(read).toBe(linesOf(lines));
  });

  test.skipIf(!isRoot)(
    `of another user's pipe is written without blocking${isRoot ? "" : " (needs root)"}`,
    async () => {
      const user = ["setpriv", "--reuid", "12345", "--regid", "12345", "--clear-groups"];
      const { lines, isBlocking, read, exitCode } = await runWriter(unreadPipe(), 1, user);
      expect({ isBlocking, exitCode }).toEqual({ isBlocking: true, exitCode: 0 });
      expect(read).toBe(linesOf(lines));
    },
  );

  test.skipIf(!hasScript)(
    `of a terminal is written without blocking${hasScript ? "" : " (needs util-linux's script)"}`,
    async () => {
      const directory = tempTree({ "writer.mjs": WRITER });
      const [script, said] = [join(directory, "writer.mjs"), join(directory, "said")];
      const { writer, read } = unreadPipe();
      const command = `stty -onlcr; exec ${process.execPath} ${script} 1 2> ${said}`;
      const child = spawn("script", ["-qec", command, "/dev/null"], { stdio: ["ignore", writer, "inherit"] });
      const ended = once(child, "close");
      await vi.waitFor(() => expect(readFileSync(said, "utf8")).toMatch(/\n$/), WAIT);
      const facts: WriterFacts = JSON.parse(readFileSync(said, "utf8"));
      expect(facts.isBlocking).toBe(true);
      expect(await read()).toBe(linesOf(facts.lines));
      expect(await ended).toEqual([0, null]);
    },
  );
});

describe("openOutput", () => {
  test("waits for a FIFO's first reader", async () => {
    const fifo = makeFifo();
    const { output, close } = openOutput(fifo);
    output.write("a\n");
    expect(output.isWritable()).toBe(false);
    expect(output.pendingBytes).toBe(2);
    const reading = text(createReadStream(fifo));
    expect(await output.finish()).toBe(true);
    expect(output.isWritable()).toBe(true);
    close();
    expect(await reading).toBe("a\n");
  });

  test("fails at once if the target cannot be opened", () => {
    expect(() => openOutput(join(tempTree(), "none", "file"))).toThrow("ENOENT");
    expect(() => openOutput(tempTree())).toThrow("EISDIR");
  });

  test("detects that the readers of a pipe are gone", () => {
    const { output, close } = openOutput(brokenPipe());
    expect(output.isWritable()).toBe(false);
    output.write("a\n");
    expect(output.failure).toMatchObject({ code: "EPIPE" });
    close();
  });

  test("appends to a file", () => {
    const path = join(tempTree({ file: "a\n" }), "file");
    const { output, close } = openOutput(path);
    output.write("b\n");
    close();
    expect(readFileSync(path, "utf8")).toBe("a\nb\n");
  });
});

describe("writeDocument", () => {
  test("replaces the contents of a file", async () => {
    const path = join(tempTree({ file: "longer than the new one" }), "file");
    await writeDocument(path, "new");
    expect(readFileSync(path, "utf8")).toBe("new");
  });

  test("reports why it could not be written", async () => {
    await expect(writeDocument("/dev/full", "a")).rejects.toMatchObject({ code: "ENOSPC" });
    await expect(writeDocument(makeFifo(), "a", { timeoutMs: 1 })).rejects.toThrow("nothing reads it");
  });
});
