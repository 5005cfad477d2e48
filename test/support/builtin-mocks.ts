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
