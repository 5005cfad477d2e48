/**
 * How one registry takes uploads, as far as it deviates from a streamed PATCH, which is what all are expected to take. The
 * first upload that is refused finds out for the others.
 */
export interface UploadWays {
  /** Takes the whole blob in the closing PUT only. */
  isMonolithic: boolean;
  /** Takes no body whose length is not known from the start. */
  needsLength: boolean;
}
