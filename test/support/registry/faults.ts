import { DropConnection, type Exchange, type Handler, type Reply } from "./exchange.ts";

export type FaultAction =
  /** Answers at once; the body is not read and nothing is done. */
  | { readonly answer: Reply }
  /** Reads this many bytes of the body, then cuts the connection. */
  | { readonly dropAfterBytes: number }
  /** Reads this many bytes of the body, then none, and never answers. */
  | { readonly silentAfterBytes: number }
  /** Performs the request, and cuts the connection instead of answering. */
  | { readonly dropAnswer: true }
  /** Performs the request and changes the answer. */
  | { readonly change: (reply: Reply, exchange: Exchange) => Reply }
  /** Decides when to perform the request: to hold it, to count, to do something first. */
  | { readonly around: (proceed: (changed?: Exchange) => Promise<Reply>, exchange: Exchange) => Promise<Reply> };

export interface FaultRule {
  readonly method: string;
  /** Matched against path and query. */
  readonly target: RegExp;
  readonly when?: (exchange: Exchange) => boolean;
  readonly name?: string;
  /** How many matching requests fail; default 1. */
  readonly times?: number;
  readonly action: FaultAction;
}

/** A script of faults for an otherwise correct registry. Rules apply in order and are used up. */
export class Faults {
  readonly happened: string[] = [];
  readonly #rules: { rule: FaultRule; left: number }[] = [];

  add(...rules: readonly FaultRule[]): void {
    for (const rule of rules) this.#rules.push({ rule, left: rule.times ?? 1 });
  }

  /**
   * Never answers requests that match.
   * @returns settles when the first one has arrived
   */
  hold(...rules: readonly Omit<FaultRule, "action">[]): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const around = () => {
      resolve();
      return new Promise<Reply>(() => undefined);
    };
    this.add(...rules.map((rule) => ({ ...rule, action: { around } })));
    return promise;
  }

  clear(): void {
    this.#rules.length = 0;
    this.happened.length = 0;
  }

  /** Number of planned faults that have not happened; tests assert 0 at their end. */
  get unused(): number {
    return this.#rules.reduce((sum, { left }) => sum + (Number.isFinite(left) ? left : 0), 0);
  }

  wrap(next: Handler): Handler {
    return async (exchange) => {
      const entry = this.#rules.find(({ rule, left }) => left > 0 && matches(rule, exchange));
      if (entry === undefined) return next(exchange);
      entry.left -= 1;
      if (entry.rule.name !== undefined) this.happened.push(entry.rule.name);
      const { action } = entry.rule;
      if ("answer" in action) return action.answer;
      if ("around" in action) return action.around((changed = exchange) => next(changed), exchange);
      if ("dropAfterBytes" in action)
        return next({ ...exchange, body: cutAfter(exchange.body, action.dropAfterBytes) });
      if ("silentAfterBytes" in action)
        return next({ ...exchange, body: silentAfter(exchange, action.silentAfterBytes) });
      const reply = await next(exchange);
      if ("dropAnswer" in action) throw new DropConnection();
      return action.change(reply, exchange);
    };
  }
}

function matches({ method, target, when }: FaultRule, exchange: Exchange): boolean {
  const isMeant = method === exchange.method && target.test(exchange.url.pathname + exchange.url.search);
  return isMeant && (when?.(exchange) ?? true);
}

async function* cutAfter(body: AsyncIterable<Buffer>, bytes: number): AsyncGenerator<Buffer> {
  yield* first(body, bytes);
  throw new DropConnection();
}

async function* silentAfter({ body, closed }: Exchange, bytes: number): AsyncGenerator<Buffer> {
  yield* first(body, bytes);
  await closed;
  throw new DropConnection();
}

async function* first(body: AsyncIterable<Buffer>, bytes: number): AsyncGenerator<Buffer> {
  const chunks = body[Symbol.asyncIterator]();
  // A loop over the body would destroy it when it ends early.
  for (let left = bytes; left > 0; ) {
    const { value, done } = await chunks.next();
    if (done) return;
    yield value.subarray(0, left);
    left -= value.length;
  }
}
