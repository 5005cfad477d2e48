import { goUnixTime } from "../oci/go-time.ts";

/** The time of every image without SOURCE_DATE_EPOCH, and of every cache image (docs/compatibility.md#created-time). */
export const NORMALISED_TIME = "1980-01-01T00:00:01Z";

/**
 * The `created` of the app image (docs/compatibility.md#created-time).
 * @param sourceDateEpoch seconds since 1970, undefined if unset or ignored at this Platform API
 */
export function createdTime(sourceDateEpoch: bigint | undefined): string {
  return sourceDateEpoch === undefined ? NORMALISED_TIME : goUnixTime(sourceDateEpoch);
}
