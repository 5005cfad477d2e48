/**
 * The reference's log levels (docs/compatibility.md#log-lines). A message is a whole line, with or without its line
 * feed.
 */
export interface Logger {
  debug(message: string): void;
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
}
