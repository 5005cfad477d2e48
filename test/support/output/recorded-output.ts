import type { OutputSink } from "../../../src/report/output.ts";

export class RecordedOutput implements OutputSink {
  readonly pendingBytes = 0;
  readonly failure = undefined;
  readonly written: string[] = [];

  get text(): string {
    return this.written.join("");
  }

  write(lines: string): void {
    this.written.push(lines);
  }

  isWritable(): boolean {
    return true;
  }

  async finish(): Promise<boolean> {
    return true;
  }
}
