/**
 * The part of the WebAssembly JavaScript Interface (W3C, section 5) that is used here. TypeScript declares it only with
 * the browser's globals, which this project excludes.
 */
declare namespace WebAssembly {
  class Module {
    constructor(bytes: BufferSource);
  }

  class Instance {
    constructor(module: Module, imports: Record<string, Record<string, Memory>>);
    readonly exports: Readonly<Record<string, unknown>>;
  }

  /** Always shared here, so that workers see one memory; `initial` and `maximum` are pages of 64 KiB. */
  class Memory {
    constructor(descriptor: { readonly initial: number; readonly maximum: number; readonly shared: true });
    readonly buffer: SharedArrayBuffer;
  }

  type BufferSource = Uint8Array | ArrayBuffer;
}
