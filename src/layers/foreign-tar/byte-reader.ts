const NOTHING = Buffer.alloc(0);

/** Takes bytes in exact numbers from chunks of any size; holds no more than one chunk and what was asked for. */
export class ByteReader {
  readonly #chunks: AsyncIterator<Buffer>;
  #rest: Buffer = NOTHING;

  constructor(chunks: AsyncIterable<Buffer>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** The next `size` bytes; fewer only at the end. */
  async take(size: number): Promise<Buffer> {
    const pieces: Buffer[] = [];
    await this.pass(size, (piece) => pieces.push(piece));
    return pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces);
  }

  /**
   * Gives the next `size` bytes away in pieces.
   * @returns how many there were; fewer than `size` only at the end
   */
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

  /** Reads to the end, and with it whatever the source finds out there. */
  async drain(): Promise<void> {
    while (await this.#next());
  }

  /** Ends the source, wherever it is. */
  async close(): Promise<void> {
    await this.#chunks.return?.();
  }

  async #next(): Promise<boolean> {
    const { done, value } = await this.#chunks.next();
    this.#rest = done ? NOTHING : value;
    return !done;
  }
}
