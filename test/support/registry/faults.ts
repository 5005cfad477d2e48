import { DropConnection, type Exchange, type Handler, type Reply } from "./exchange.ts";

/** What goes wrong. */
export type FaultAction =
  /** Answers this at once; the body is not read and nothing is done. */
  | { readonly answer: Reply }
  /** Takes this many bytes of the body, then cuts the connection. */
  | { readonly dropAfterBytes: number }
  /** Takes this many bytes of the body, then none, and never answers. */
  | { readonly silentAfterBytes: number }
  /** Does what was asked and cuts the connection instead of telling. */
  | { readonly dropAnswer: true }
  /** Does what was asked and changes the answer. */
  | { readonly change: (reply: Reply, exchange: Exchange) => Reply }
  /** Decides itself when to do what was asked: to hold a request, to count, to do something before it. */
  | { readonly around: (proceed: (changed?: Exchange) => Promise<Reply>, exchange: Exchange) => Promise<Reply> };

export interface FaultRule {
  readonly method: string;
  /** Tested against path and query. */
  readonly target: RegExp;
  /** What else must be so. */
  readonly when?: (exchange: Exchange) => boolean;
  /** For {@link Faults.happened}. */
  readonly name?: string;
  /** How many matching requests go wrong; default 1. */
  readonly times?: number;
  readonly action: FaultAction;
}

/** A script of things that go wrong, on top of a registry that behaves. Rules are tried in order and used up. */
export class Faults {
  /** The names of faults that happened, as often as they did. */
  readonly happened: string[] = [];
  readonly #rules: { rule: FaultRule; left: number }[] = [];

  add(...rules: readonly FaultRule[]): void {
    for (const rule of rules) this.#rules.push({ rule, left: rule.times ?? 1 });
  }

  /**
   * Never answers requests that match.
   * @returns settles when the first has arrived
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

  /** From now on nothing goes wrong. */
  clear(): void {
    this.#rules.length = 0;
    this.happened.length = 0;
  }

  /** How many planned faults have not happened: 0 at the end of a test that means what it says. */
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

/** So many bytes, or all if there are fewer; the rest is not read. */
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
