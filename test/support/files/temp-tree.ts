import { randomUUID } from "node:crypto";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { beforeAll, onTestFinished } from "vitest";

/**
 * A directory with these files (path to content; a path that ends in `/` is an empty directory), removed after the
 * test.
 */
export function tempTree(files: Readonly<Record<string, string | Uint8Array>> = {}): string {
  const root = mkdtempSync(join(tmpdir(), "tandem-test-"));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  for (const [path, content] of Object.entries(files)) {
    const target = join(root, path);
    mkdirSync(path.endsWith("/") ? target : dirname(target), { recursive: true });
    if (!path.endsWith("/")) writeFileSync(target, content);
  }
  return root;
}

/** For a process that drops its privileges before it writes there. */
export function writableDirectory(): string {
  const directory = tempTree();
  chmodSync(directory, 0o777);
  return directory;
}

/**
 * @returns the path of a directory that exists for the tests of a file or suite, created before the hooks that follow
 */
export function sharedDirectory(): string {
  const path = join(tmpdir(), `tandem-shared-${randomUUID()}`);
  beforeAll(() => {
    mkdirSync(path);
    return () => rmSync(path, { recursive: true });
  });
  return path;
}
