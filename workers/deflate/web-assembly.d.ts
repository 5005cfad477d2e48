/**
 * The part of the WebAssembly JavaScript Interface (W3C, section 5) that is used here. TypeScript declares it only with
 * the browser's globals, which this project excludes. Memories are always shared, so that workers see one; their sizes
 * are pages of 64 KiB.
 */
declare namespace WebAssembly {
  class Module {
    constructor(bytes: BufferSource);
  }

  class Instance {
    constructor(module: Module, imports: Record<string, Record<string, Memory>>);
    readonly exports: Readonly<Record<string, unknown>>;
  }

  class Memory {
    constructor(descriptor: { readonly initial: number; readonly maximum: number; readonly shared: true });
    readonly buffer: SharedArrayBuffer;
  }

  type BufferSource = Uint8Array | ArrayBuffer;
}
