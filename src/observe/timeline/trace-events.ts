import type { Timeline } from "./timeline.ts";

const PROCESSES = { build: 0, threads: 1, uploads: 2, layers: 3 } as const;

const BUILD_LANES = { phase: "phases", layer: "layers built early" } as const;

/** `ts` and `dur` are in microseconds. */
interface TraceEvent {
  readonly name: string;
  readonly ph: "X" | "M" | "C" | "i";
  readonly pid: number;
  readonly tid?: number;
  readonly ts?: number;
  readonly dur?: number;
  readonly cat?: string;
  readonly s?: "g";
  readonly args?: Readonly<Record<string, unknown>>;
}

/**
 * A timeline in Chrome's trace event format, which Perfetto and chrome://tracing open ("Trace Event Format", Google,
 * sections Complete, Metadata, Counter and Instant Events). Lanes are threads of {@link PROCESSES}; no two spans of a
 * lane overlap.
 */
export function traceEvents(
  timeline: Timeline,
): { readonly traceEvents: readonly TraceEvent[] } & Readonly<Record<string, unknown>> {
  const { program, began, durationMs } = timeline;
  const events = [
    ...metadata(timeline),
    ...threadEvents(timeline),
    ...uploadEvents(timeline),
    ...layerEvents(timeline),
    ...counters(timeline),
    ...timeline.markers.map(
      ({ name, ms }): TraceEvent => ({ name, ph: "i", s: "g", pid: PROCESSES.threads, tid: 0, ts: micro(ms) }),
    ),
  ];
  const earlier = earlierEvents(timeline);
  // The format has no times before 0.
  const first = Math.min(0, ...earlier.map(({ ts = 0 }) => ts));
  const all = [...earlier, ...events].map((event) =>
    event.ts === undefined ? event : { ...event, ts: event.ts - first },
  );
  return { traceEvents: all, displayTimeUnit: "ms", otherData: { program, began, durationMs } };
}

function micro(ms: number): number {
  return Math.round(ms * 1000);
}

function metadata({ lanes, layers }: Timeline): TraceEvent[] {
  const process = (name: keyof typeof PROCESSES): TraceEvent[] => [
    { name: "process_name", ph: "M", pid: PROCESSES[name], args: { name } },
    { name: "process_sort_index", ph: "M", pid: PROCESSES[name], args: { sort_index: PROCESSES[name] } },
  ];
  const thread = (pid: number, tid: number, name: string): TraceEvent[] => [
    { name: "thread_name", ph: "M", pid, tid, args: { name } },
    { name: "thread_sort_index", ph: "M", pid, tid, args: { sort_index: tid } },
  ];
  return [
    ...process("threads"),
    ...process("uploads"),
    ...process("layers"),
    ...lanes.flatMap(({ name, group }, i) => thread(PROCESSES[group], i + 1, name)),
    ...layers.flatMap(({ id }, i) => thread(PROCESSES.layers, i + 1, id)),
  ];
}

function earlierEvents({ earlier }: Timeline): TraceEvent[] {
  if (earlier.length === 0) return [];
  const pid = PROCESSES.build;
  const lanes = Object.values(BUILD_LANES).map(
    (name, tid): TraceEvent => ({ name: "thread_name", ph: "M", pid, tid: tid + 1, args: { name } }),
  );
  const spans = earlier.map(({ kind, name, startMs, endMs }): TraceEvent => {
    const [ts, tid] = [micro(startMs), kind === "phase" ? 1 : 2];
    return { name, cat: kind, ph: "X", pid, tid, ts, dur: micro(endMs) - ts };
  });
  return [{ name: "process_name", ph: "M", pid, args: { name: "build" } }, ...lanes, ...spans];
}

function threadEvents({ spans, layers }: Timeline): TraceEvent[] {
  return spans.flatMap(([lane, layer, kind, startMs, durationMs, busyMs, readMs, blocks]) => {
    const base = {
      pid: PROCESSES.threads,
      tid: lane + 1,
      ph: "X",
      args: { layer: layers[layer]?.id ?? "several", blocks, busyMs },
    } as const;
    const span = (name: string, from: number, to: number): TraceEvent => ({
      ...base,
      name,
      cat: name,
      ts: micro(from),
      dur: micro(to) - micro(from),
    });
    const end = startMs + durationMs;
    if (kind === "diff-id") return [span("hash", startMs, end)];
    if (kind === "blob") return [span("append", startMs, end)];
    // Merged blocks were read and compressed in turn: their share of reading comes first.
    const turn = startMs + (busyMs === 0 ? 0 : (durationMs * readMs) / busyMs);
    return [span("read", startMs, turn), span("compress", turn, end)];
  });
}

function uploadEvents({ uploads, layers }: Timeline): TraceEvent[] {
  return uploads.map(({ lane, layer, startMs, endMs, ...args }) => ({
    name: layers[layer]?.id ?? "run image layer",
    cat: "upload",
    ph: "X",
    pid: PROCESSES.uploads,
    tid: lane + 1,
    ts: micro(startMs),
    dur: micro(endMs) - micro(startMs),
    args,
  }));
}

function layerEvents({ layers, durationMs }: Timeline): TraceEvent[] {
  return layers.flatMap(({ id, startedMs, hashedMs, compressedMs, ...args }, i) => {
    if (startedMs === undefined) return [];
    const endMs = Math.max(startedMs, compressedMs ?? hashedMs ?? durationMs);
    const [ts, end] = [micro(startedMs), micro(endMs)];
    return [{ name: id, cat: "layer", ph: "X", pid: PROCESSES.layers, tid: i + 1, ts, dur: end - ts, args } as const];
  });
}

function counters({ samples }: Timeline): TraceEvent[] {
  const counter = (name: string, values: Readonly<Record<string, readonly number[]>>) =>
    samples.times.map((ms, i): TraceEvent => {
      const args = Object.fromEntries(Object.entries(values).map(([key, series]) => [key, series[i] ?? 0]));
      return { name, ph: "C", pid: PROCESSES.threads, ts: micro(ms), args };
    });
  return [...counter("waiting", samples.queues), ...counter("sent bytes", samples.sent)];
}
