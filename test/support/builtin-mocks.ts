import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { onTestFinished, vi } from "vitest";

/** Applies mocks of functions of built-in modules to named imports, and restores all until the next test. */
export function applyBuiltinMocks(): void {
  syncBuiltinESMExports();
  onTestFinished(() => {
    vi.restoreAllMocks();
    syncBuiltinESMExports();
  });
}

/** Lets the next close(2) fail like that of a network file system over its quota. The descriptor is closed. */
export function failNextClose(): void {
  const { closeSync } = fs;
  vi.spyOn(fs, "closeSync").mockImplementationOnce((descriptor) => {
    closeSync(descriptor);
    throw Object.assign(new Error("quota"), { code: "EDQUOT", errno: -122, syscall: "close" });
  });
  applyBuiltinMocks();
}
