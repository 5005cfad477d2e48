import type { TomlDate } from "smol-toml";
import { Fault } from "../errors/fault.ts";

const YEAR_OUT_OF_RANGE =
  "json: error calling MarshalJSON for type v1.Time: Time.MarshalJSON: year outside of range [0,9999]";

/**
 * A TOML date or time as the reference writes it to JSON (docs/compatibility.md#json-encoding): RFC 3339 without
 * trailing zeros in the fraction. Local dates and times get the current offset of the process's time zone.
 */
export function goDateTime(date: TomlDate): string {
  const written = date.toISOString();
  if (date.isDate()) return `${written}T00:00:00${localOffset(new Date())}`;
  if (date.isTime()) return `0000-01-01T${trimFraction(written)}${localOffset(new Date())}`;
  if (date.isLocal()) return `${trimFraction(written)}${localOffset(new Date())}`;
  return offsetDateTime(written);
}

export function goTomlDate(date: TomlDate): string {
  const written = date.toISOString();
  if (date.isDate()) return written;
  return date.isLocal() ? trimFraction(written) : offsetDateTime(written);
}

/** A TOML date or time as `%v` prints it. BurntSushi/toml names the zones of local ones. */
export function goTime(date: TomlDate): string {
  const [, day, time, zone = ""] = /^(.*)T(.*?)(Z|[+-]\d\d:\d\d)$/.exec(goDateTime(date)) ?? [];
  const offset = zone === "Z" ? "+0000" : zone.replace(":", "");
  return `${day} ${time} ${offset} ${localName(date) ?? (zone === "Z" ? "UTC" : offset)}`;
}

function localName(date: TomlDate): string | undefined {
  if (date.isDate()) return "date-local";
  if (date.isTime()) return "time-local";
  return date.isLocal() ? "datetime-local" : undefined;
}

function offsetDateTime(written: string): string {
  const [, time = written, offset = "Z"] = /^(.*?)(Z|z|[+-]\d\d:\d\d)$/.exec(written) ?? [];
  return `${trimFraction(time)}${/^(z|[+-]00:00)$/.test(offset) ? "Z" : offset}`;
}

/**
 * Seconds since 1970 as Go formats `time.Unix(seconds, 0)` with RFC3339Nano, in the process's local time zone
 * (docs/compatibility.md#created-time).
 * @throws Fault if the year does not have four digits, which Go rejects in JSON
 */
export function goUnixTime(seconds: bigint): string {
  const instant = new Date(Number(seconds) * 1000);
  // getTimezoneOffset() drops the seconds that offsets had until 1972.
  const shifted = new Date(instant);
  shifted.setUTCFullYear(instant.getFullYear(), instant.getMonth(), instant.getDate());
  shifted.setUTCHours(instant.getHours(), instant.getMinutes(), instant.getSeconds());
  const year = shifted.getUTCFullYear();
  if (Number.isNaN(year) || year < 0 || year > 9999) throw new Fault("EXPORT_IMAGE_TIME", YEAR_OUT_OF_RANGE);
  return `${shifted.toISOString().slice(0, 19)}${localOffset(instant)}`;
}

function localOffset(at: Date): string {
  const minutes = -at.getTimezoneOffset();
  if (minutes === 0) return "Z";
  const magnitude = Math.abs(minutes);
  return `${minutes < 0 ? "-" : "+"}${twoDigits(Math.trunc(magnitude / 60))}:${twoDigits(magnitude % 60)}`;
}

function twoDigits(value: number): string {
  return String(value).padStart(2, "0");
}

function trimFraction(time: string): string {
  return time.replace(/\.(\d*?)0*$/, (_, digits: string) => (digits === "" ? "" : `.${digits}`));
}
