/**
 * Takes a tar's blocks on the main thread, in order, from the slots that they lie in; beside the digests, which take them in
 * threads of their own.
 */
export interface BlockTaker {
  /**
   * True for one that waits for somebody outside of the engine. A pass for it holds at most half of the slots, so that a slow
   * reader leaves the other half to other layers.
   */
  readonly isPaced: boolean;
  /**
   * Settles when the bytes are needed no longer; until then they stay where they are. Calls may come before earlier ones
   * settled. Never rejects: a taker's failure is its own, and it lets the pass go on for the others.
   * @param position of the first byte in the tar
   */
  take(bytes: Buffer, position: number): Promise<void>;
  /** The tar will not be made: lets go of all bytes at once. */
  fail(reason: unknown): void;
}
