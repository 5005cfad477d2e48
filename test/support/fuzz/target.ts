import { Fault } from "../../../src/errors/fault.ts";
import type { SeededRandom } from "../random.ts";

/** A parser of something from outside, as the fuzzer sees it. A case is its seed and nothing else. */
export interface FuzzTarget<Input = unknown> {
  readonly name: string;
  generate(random: SeededRandom): Input;
  /**
   * Parses the input.
   * @returns what came out, for whoever knows what should
   * @throws when a property is violated, which holds whatever the input is
   */
  check(input: Input): unknown;
}

/** What a parser makes of an input: a value, or the message of the only error that it may throw. */
export type Outcome<T> = { readonly value: T } | { readonly error: string };

/** @param isExpected tells the errors that a caller is ready for; everything else is a finding */
export function outcomeOf<T>(parse: () => T, isExpected = isFault): Outcome<T> {
  try {
    return { value: parse() };
  } catch (error) {
    if (error instanceof Error && isExpected(error)) return { error: withinReason(error.message) };
    throw error;
  }
}

/** The same for what comes later. */
export async function laterOutcomeOf<T>(parse: () => Promise<T>): Promise<Outcome<T>> {
  try {
    return { value: await parse() };
  } catch (error) {
    if (error instanceof Fault) return { error: withinReason(error.message) };
    throw error;
  }
}

function isFault(error: Error): boolean {
  return error instanceof Fault;
}

/** Longest message that somebody still reads. */
const MAX_MESSAGE = 100_000;

function withinReason(message: string): string {
  if (message.length > MAX_MESSAGE) throw new Error(`a message of ${message.length} characters`);
  if (message === "") throw new Error("an error without a message");
  return message;
}

/** Fails the case. */
export function violated(property: string, ...seen: readonly unknown[]): never {
  throw new Error([property, ...seen.map((value) => JSON.stringify(value)?.slice(0, 2000))].join(": "));
}
