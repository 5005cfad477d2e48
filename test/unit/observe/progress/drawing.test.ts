import { expect, test } from "vitest";
import { Drawing } from "../../../../src/observe/progress/drawing.ts";
import type { LineSink } from "../../../../src/report/output.ts";
import { HeadlessTerminal } from "../../../support/output/headless-terminal.ts";

function drawn(columns = 40, rows = 10) {
  const terminal = new HeadlessTerminal(columns, rows);
  const clock = { ms: 0 };
  const drawing = new Drawing(terminal, () => clock.ms);
  /** Logs a line long enough after the previous one to be redrawn. */
  const log = (line: string, sink: LineSink = terminal) => {
    clock.ms += 20;
    drawing.print(`${line}\n`, sink, sink === terminal);
  };
  return { terminal, drawing, clock, log };
}

test("frames replace each other, and log lines stay above them", async () => {
  const { terminal, drawing, log } = drawn();
  log("first");
  drawing.draw("a 10%\nb 20%");
  drawing.draw("a 50%\nb 20%");
  log("second");
  log("third");
  expect(await terminal.lines()).toEqual(["first", "second", "third", "a 50%", "b 20%"]);
  drawing.draw("b 90%");
  expect(await terminal.lines()).toEqual(["first", "second", "third", "b 90%"]);
});

test("a lagging terminal skips frames but no log lines", () => {
  const { terminal, drawing, log } = drawn();
  drawing.draw("a 10%");
  terminal.isBehind = true;
  terminal.written.length = 0;
  for (let percent = 11; percent < 90; percent += 1) drawing.draw(`a ${percent}%`);
  expect(terminal.written).toEqual([]);
  log("line");
  expect(terminal.written.join("")).toContain("line\n");
  terminal.isBehind = false;
  drawing.draw("a 90%");
  expect(terminal.written.join("")).toContain("a 90%");
});

test("the end erases the frame and restores the cursor", async () => {
  const { terminal, drawing, log } = drawn();
  drawing.draw("a 10%\nb 20%");
  log("first");
  drawing.end();
  drawing.draw("late");
  expect(await terminal.lines()).toEqual(["first"]);
  const all = terminal.written.join("");
  expect(all.lastIndexOf("\u001b[?25h")).toBeGreaterThan(all.lastIndexOf("\u001b[?25l"));
});

test("every change is one write, so that nothing flickers", () => {
  const { terminal, drawing, log } = drawn();
  drawing.draw("a 10%\nb 20%");
  terminal.written.length = 0;
  log("line");
  drawing.draw("a 11%\nb 20%");
  expect(terminal.written).toHaveLength(2);
  for (const text of terminal.written) {
    expect(text.startsWith("\u001b[?2026h")).toBe(true);
    expect(text.endsWith("\u001b[?2026l")).toBe(true);
  }
});

test("lines of the other stream appear above the frame too", async () => {
  const { terminal, drawing, log } = drawn();
  const order: string[] = [];
  const other = {
    write(text: string): void {
      order.push(text);
      terminal.write(text);
    },
  };
  drawing.draw("a 10%");
  log("warning", other);
  expect(order).toEqual(["warning\n"]);
  expect(await terminal.lines()).toEqual(["warning", "a 10%"]);
});

test("a fast log does not redraw the frame for each line", async () => {
  const { terminal, drawing, log } = drawn();
  drawing.draw("a 10%");
  log("first");
  terminal.written.length = 0;
  for (let i = 0; i < 100; i += 1) drawing.print(`line ${i}\n`, terminal, true);
  expect(terminal.written.join("")).not.toContain("a 10%");
  drawing.draw("a 11%");
  expect((await terminal.lines()).slice(-2)).toEqual(["line 99", "a 11%"]);
});

test("a log longer than the terminal scrolls away above the frame", async () => {
  const { terminal, drawing, log } = drawn(40, 5);
  drawing.draw("a 10%\nb 20%");
  for (let i = 0; i < 12; i += 1) log(`line ${i}`);
  drawing.draw("a 30%\nb 20%");
  expect(await terminal.lines()).toEqual([...Array.from({ length: 12 }, (_, i) => `line ${i}`), "a 30%", "b 20%"]);
});

test.each([
  ["narrower", 17, 10],
  ["wider", 80, 10],
  ["lower", 40, 4],
])("a terminal that becomes %s shows the log and one frame", async (_how, columns, rows) => {
  const { terminal, drawing, log } = drawn(40, 10);
  log("first");
  log("second");
  drawing.draw("a ------------------------------- 10%\nb ------------------------------- 20%");
  await terminal.resize(columns, rows);
  drawing.draw("a 11%\nb 21%");
  drawing.draw("a 12%\nb 21%");
  expect(await terminal.lines()).toEqual(["first", "second", "a 12%", "b 21%"]);
});
