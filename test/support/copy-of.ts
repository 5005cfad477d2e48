/** All bytes of a blob's reader, copied chunk by chunk: a chunk's memory is used again. */
export async function copyOf(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const copies: Buffer[] = [];
  for await (const chunk of chunks) copies.push(Buffer.from(chunk));
  return Buffer.concat(copies);
}
