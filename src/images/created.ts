import { goUnixTime } from "../oci/go-time.ts";

/** The time that every image has unless SOURCE_DATE_EPOCH says otherwise, and every cache image (contract 5.3, 6.4). */
export const NORMALISED_TIME = "1980-01-01T00:00:01Z";

/**
 * The `created` of the app image (contract 5.3).
 * @param sourceDateEpoch seconds since 1970, undefined where there is none or the Platform API ignores it
 */
export function createdTime(sourceDateEpoch: bigint | undefined): string {
  return sourceDateEpoch === undefined ? NORMALISED_TIME : goUnixTime(sourceDateEpoch);
}
