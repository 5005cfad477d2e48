/** How long registries and connections are waited for, all in ms. */
export interface Patience {
  /** What fails is tried again for so long after the first of failures in a row (`-retry-budget`). */
  readonly budgetMs: number;
  /** The first wait between two tries takes at most this; each further one up to twice as long as the one before. */
  readonly firstWaitMs: number;
  readonly longestWaitMs: number;
  /** Until an answer begins that a registry gives from its index; one that takes longer is overloaded. */
  readonly answerMs: number;
  /** The same for an answer that comes after a whole blob was moved to its final place: minutes on some object stores. */
  readonly commitMs: number;
  /** A connection may take none of the bytes that wait for it, or give none of an answer that has begun, for so long. */
  readonly stallMs: number;
}

/**
 * The compressed layers of a build cost more than these waits, and registries take minutes to be restarted or to
 * forget a rate limit. Silence is shorter: connections that were lost on the way make none, and are replaced by new ones.
 */
export const PATIENCE: Patience = {
  budgetMs: 300_000,
  firstWaitMs: 500,
  longestWaitMs: 15_000,
  answerMs: 60_000,
  commitMs: 600_000,
  stallMs: 60_000,
};
