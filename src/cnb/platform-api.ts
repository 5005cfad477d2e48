/** A Platform API version, compared numerically. The parsing, the supported list and the gates are in this file. */
export interface PlatformApi {
  readonly major: number;
  readonly minor: number;
}
