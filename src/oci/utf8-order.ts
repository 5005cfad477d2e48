/** Orders strings by their UTF-8 bytes, as Go does; UTF-16 units would put characters beyond U+FFFF too early. */
export function compareUtf8(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a, "utf8"), Buffer.from(b, "utf8"));
}
