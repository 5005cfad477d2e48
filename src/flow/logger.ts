/**
 * What the rest of the exporter needs of a logger: the reference's levels and lines (contract 8.4). A message is a whole
 * line, with or without its newline.
 */
export interface Logger {
  debug(message: string): void;
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
}
