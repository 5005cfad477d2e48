const NOTHING = Buffer.alloc(0);

/** Reads exact numbers of bytes from chunks of any size. Holds one chunk and the bytes requested. */
export class ByteReader {
  readonly #chunks: AsyncIterator<Buffer>;
  #rest: Buffer = NOTHING;

  constructor(chunks: AsyncIterable<Buffer>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  async take(size: number): Promise<Buffer> {
    const pieces: Buffer[] = [];
    await this.pass(size, (piece) => pieces.push(piece));
    return pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces);
  }

  async pass(size: number, to: (piece: Buffer) => void): Promise<number> {
    let left = size;
    while (left > 0) {
      if (this.#rest.length === 0 && !(await this.#next())) break;
      const piece = this.#rest.subarray(0, left);
      this.#rest = this.#rest.subarray(piece.length);
      left -= piece.length;
      to(piece);
    }
    return size - left;
  }

  async drain(): Promise<void> {
    while (await this.#next());
  }

  async close(): Promise<void> {
    await this.#chunks.return?.();
  }

  async #next(): Promise<boolean> {
    const { done, value } = await this.#chunks.next();
    this.#rest = done ? NOTHING : value;
    return !done;
  }
}
