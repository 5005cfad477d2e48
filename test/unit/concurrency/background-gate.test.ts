import { expect, test } from "vitest";
import { BackgroundGate, type Foreground } from "../../../src/concurrency/background-gate.ts";
import type { Clock } from "../../../src/concurrency/clock.ts";
import { ManualClock } from "../../support/clock.ts";

const CHUNK = 128 << 10;
const STEP_MS = 5;

interface Transfer {
  /** Bytes accepted by the network. */
  sent: number;
  /** Bytes handed to the network that still wait. */
  queued: number;
  doneAt: number | undefined;
}

/** Capacity of the kernel's and the network's buffers per upload. */
const BUFFER = 2 << 20;

/**
 * Simulates a foreground and a background upload over links of `rate` bytes per ms: one each, or a shared one.
 * @param makeRate production of the foreground's bytes, in bytes per ms
 */
async function simulate(
  sharing: "shared" | "separate",
  rate: number,
  size: number,
  makeRate = Number.POSITIVE_INFINITY,
) {
  const clock = new ManualClock();
  const gate = new BackgroundGate(clock);
  const [front, back]: [Transfer, Transfer] = [
    { sent: 0, queued: 0, doneAt: undefined },
    { sent: 0, queued: 0, doneAt: undefined },
  ];
  let made = 0;
  let given = 0;
  const foreground: Foreground = gate.enter(() => made - given);
  void (async () => {
    for (let admitted = 0; admitted < size; admitted += CHUNK) {
      await gate.admit(CHUNK);
      back.queued += CHUNK;
      while (back.queued > BUFFER) await clock.wait(STEP_MS);
    }
  })();
  while (front.doneAt === undefined || back.doneAt === undefined) {
    await clock.advance(STEP_MS);
    made = Math.min(size, makeRate * clock.now());
    while (given < made && front.queued < BUFFER) {
      const chunk = Math.min(CHUNK, made - given);
      given += chunk;
      front.queued += chunk;
      foreground.sent(chunk);
    }
    const busy = [front, back].filter(({ queued }) => queued > 0).length;
    for (const transfer of [front, back]) {
      const speed = sharing === "shared" && busy > 1 ? rate / 2 : rate;
      const bytes = Math.min(transfer.queued, speed * STEP_MS);
      transfer.sent += bytes;
      transfer.queued -= bytes;
      if (transfer.doneAt === undefined && transfer.sent >= size - 1) transfer.doneAt = clock.now();
    }
    if (front.doneAt !== undefined) foreground.leave();
  }
  return { front: front.doneAt, back: back.doneAt };
}

const MB = 1e6;
/** Duration of each upload alone. */
const DURATION_MS = 20_000;
const RATES = [
  ["22 MB/s", 22_000],
  ["5 MB/s", 5000],
  ["200 MB/s", 200_000],
] as const;

test.each(RATES)("on one link of %s the foreground is not slowed down by more than 5%%", async (_name, rate) => {
  const size = rate * DURATION_MS;
  const { front } = await simulate("shared", rate, size);
  expect(front).toBeLessThan((size / rate) * 1.05 + 20);
});

test.each(RATES)("on two links of %s the background uses its own link", async (_name, rate) => {
  const size = rate * DURATION_MS;
  const { front, back } = await simulate("separate", rate, size);
  expect(front).toBeLessThan((size / rate) * 1.01 + 20);
  expect(back).toBeLessThan((size / rate) * 1.1);
});

test("a short foreground is not probed", async () => {
  const size = 25 * MB;
  const { front } = await simulate("shared", 22_000, size);
  expect(front).toBeLessThan((size / 22_000) * 1.005 + 20);
});

test("a background of 40 MB uses a link of its own, and slows the foreground on a shared one by at most 5%", async () => {
  const size = 40 * MB;
  const { back } = await simulate("separate", 5000, size);
  expect(back).toBeLessThan((size / 5000) * 1.25);
  const { front } = await simulate("shared", 5000, size);
  expect(front).toBeLessThan((size / 5000) * 1.05 + 20);
});

test("a speed that varies by a seventh from window to window keeps the gate open, and half the speed closes it", async () => {
  const clock = new ManualClock();
  const gate = new BackgroundGate(clock);
  const foreground = gate.enter(() => 200 * MB);
  const send = async (windowMs: number) => {
    for (let half = 0; half < 2; half += 1) {
      await clock.advance(windowMs / 2);
      foreground.sent(1.5 * (1 << 20));
    }
  };
  const passes = async () => {
    const abort = new AbortController();
    const passed = gate.admit(1, abort.signal).then(
      () => true,
      () => false,
    );
    await clock.advance(0);
    abort.abort();
    return passed;
  };
  const outcomes: boolean[] = [];
  // One window for the buffers to fill, two for the speed alone, one probe.
  for (let i = 0; i < 10; i += 1) {
    await send(i % 2 === 0 ? 710 : 540);
    outcomes.push(await passes());
  }
  expect(outcomes.slice(4)).not.toContain(false);
  await send(900);
  await send(900);
  expect(await passes()).toBe(false);
});

test("the foreground is ahead while its backlog is large for its speed", async () => {
  const clock = new ManualClock();
  const gate = new BackgroundGate(clock);
  expect(gate.isForegroundAhead).toBe(false);
  let backlog = 100 * MB;
  const foreground = gate.enter(() => backlog);
  // The network's speed is still unknown.
  expect(gate.isForegroundAhead).toBe(false);
  const send = async (bytes: number) => {
    foreground.sent(bytes);
    await clock.advance(200);
  };
  await send(4 * MB);
  expect(gate.isForegroundAhead).toBe(true);
  backlog = 4 * MB;
  expect(gate.isForegroundAhead).toBe(false);
  backlog = 100 * MB;
  await send(200 * MB);
  await send(200 * MB);
  expect(gate.isForegroundAhead).toBe(false);
  foreground.leave();
  expect(gate.isForegroundAhead).toBe(false);
});

test("while the foreground waits for compression, the background waits", async () => {
  const { front, back } = await simulate("separate", 200_000, 20 * MB, 20_000);
  expect(front).toBeLessThan(1020);
  expect(back).toBeGreaterThan(front);
});

/** Background bytes that a gate admits while `feed` provides the foreground's progress of each step. */
async function admitted(gate: BackgroundGate, clock: ManualClock, steps: number, feed: (step: number) => void) {
  let passed = 0;
  void (async () => {
    for (;;) {
      await gate.admit(CHUNK);
      passed += CHUNK;
      await clock.wait(STEP_MS);
    }
  })();
  for (let step = 0; step < steps; step++) {
    feed(step);
    await clock.advance(STEP_MS);
  }
  return passed;
}

test("the tail of an upload in network buffers does not count as a slower foreground", async () => {
  const clock = new ManualClock();
  const gate = new BackgroundGate(clock);
  const speed = 22_000 * STEP_MS;
  let tail = 0;
  const [first, second] = [gate.enter(() => 100 * MB), gate.enter(() => tail)];
  // The second upload takes half of the link until it is handed over; then its tail does, uncounted.
  const passed = await admitted(gate, clock, 1200, (step) => {
    tail = step < 350 ? 10 * MB : 0;
    first.sent(speed / 2);
    if (step < 350) second.sent(speed / 2);
    if (step === 500) second.leave();
    if (step > 500) first.sent(speed / 2);
  });
  expect(passed).toBeGreaterThan(70 * MB);
});

test("small uploads do not restart the measurement", async () => {
  const clock = new ManualClock();
  const gate = new BackgroundGate(clock);
  const large = gate.enter(() => 100 * MB);
  const passed = await admitted(gate, clock, 1200, () => {
    large.sent(22_000 * STEP_MS);
    const small = gate.enter(() => 1000);
    small.sent(1000);
    small.leave();
  });
  expect(passed).toBeGreaterThan(70 * MB);
});

test("between two uploads the background waits until the foreground ends or stalls", async () => {
  const clock = new ManualClock();
  const gate = new BackgroundGate(clock);
  const upload = gate.enter(() => 0);
  upload.sent(CHUNK);
  upload.leave();
  let passed = 0;
  const pass = () => gate.admit(CHUNK).then(() => passed++);
  void pass();
  await clock.advance(400);
  expect(passed).toBe(0);
  await clock.advance(600);
  expect(passed).toBe(1);
  gate.enter(() => 0).leave();
  void pass();
  await clock.advance(STEP_MS);
  expect(passed).toBe(1);
  gate.endForeground();
  await clock.advance(STEP_MS);
  expect(passed).toBe(2);
});

test("without a foreground all background passes", async () => {
  const gate = new BackgroundGate(new ManualClock());
  await gate.admit(100 * MB);
});

test("a stalled foreground soon opens the gate, and a closed gate admits a chunk at intervals", async () => {
  const clock = new ManualClock();
  const gate = new BackgroundGate(clock);
  const foreground = gate.enter(() => 0);
  let passed = 0;
  void (async () => {
    for (;;) {
      await gate.admit(CHUNK);
      passed += 1;
      await clock.wait(STEP_MS);
    }
  })();
  for (let i = 0; i < 1000; i++) {
    foreground.sent(1000);
    await clock.advance(STEP_MS * 2);
  }
  expect(passed).toBe(1);
  for (let i = 0; i < 300; i++) await clock.advance(STEP_MS * 2);
  expect(passed).toBeGreaterThan(10);
});

test("each change is evaluated once for all waiters, which go in order of arrival", async () => {
  const clock = new ManualClock();
  let waits = 0;
  const counting: Clock = {
    now: () => clock.now(),
    wait: (ms, signal) => {
      waits += 1;
      return clock.wait(ms, signal);
    },
  };
  const gate = new BackgroundGate(counting);
  const foreground = gate.enter(() => 0);
  const went: number[] = [];
  const all = Array.from({ length: 500 }, (_, i) => gate.admit(0).then(() => went.push(i)));
  for (let i = 0; i < 100; i++) {
    foreground.sent(1000);
    await clock.advance(STEP_MS);
  }
  expect(went).toEqual([]);
  expect(waits).toBeLessThan(5);
  gate.endForeground();
  foreground.leave();
  await Promise.all(all);
  expect(went).toEqual(Array.from({ length: 500 }, (_, i) => i));
});

test("waiting ends when the signal fires", async () => {
  const gate = new BackgroundGate(new ManualClock());
  gate.enter(() => 0);
  const controller = new AbortController();
  const waiting = gate.admit(1, controller.signal);
  const reason = new Error("enough");
  controller.abort(reason);
  await expect(waiting).rejects.toBe(reason);
});
