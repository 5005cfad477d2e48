import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  lchownSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import type { CaseFile } from "./recorded-case.ts";

/** Root of every case: layer tars hold absolute paths, so it is the path at which the cases were recorded. */
export const CASE_ROOT = "/tmp/tandem-case";

/** Root of the files of a case with absolute paths. */
const CNB_ROOT = "/cnb";

/** A file that only the root directory of a stage has. */
export const STAGE_MARK = "/tandem-stage";

/** @throws Error outside a stage, where the files would be the machine's */
function clear(kept: readonly string[]): void {
  if (!existsSync(STAGE_MARK)) throw new Error(`only a stage may remove ${CNB_ROOT} and ${CASE_ROOT}`);
  rmSync(CNB_ROOT, { recursive: true, force: true });
  mkdirSync(CASE_ROOT, { recursive: true });
  for (const name of readdirSync(CASE_ROOT))
    if (!kept.includes(name)) rmSync(join(CASE_ROOT, name), { recursive: true });
  chmodSync(CASE_ROOT, 0o755);
}

/** The bytes of a regular file. @param substitute fills placeholders in its text */
export function contentOf(file: CaseFile, substitute: (text: string) => string): Buffer {
  if (file.base64 !== undefined) return Buffer.from(file.base64, "base64");
  if (file.repeat !== undefined) return Buffer.from(file.repeat.text.repeat(file.repeat.count));
  return Buffer.from(substitute(file.content ?? ""));
}

/** Kept from one build to the next: a volume cache and layouts. */
const KEPT = ["cache", "layouts"];

/** Writes a case's files below {@link CASE_ROOT}, in order. @param isSecond what an earlier build made stays */
export function materialize(files: readonly CaseFile[], substitute: (text: string) => string, isSecond: boolean): void {
  clear(isSecond ? KEPT : []);
  const wanted = files.filter((file) => !(isSecond && file.type === "dir" && KEPT.includes(file.path ?? "")));
  for (const file of wanted) writeOne(file, substitute);
  // Creating a file changes the time of its directory.
  for (const { path, pathBase64, mtime } of wanted)
    if (mtime !== undefined) lutimesSync(locate(path, pathBase64), mtime, mtime);
}

function writeOne(file: CaseFile, substitute: (text: string) => string): void {
  const path = locate(file.path, file.pathBase64);
  const { type, target = "", targetBase64 } = file;
  if (type === "hardlink") {
    // It shares owner and mode with its target.
    linkSync(locate(target, targetBase64), path);
    return;
  }
  if (type === "symlink") symlinkSync(targetBase64 === undefined ? target : Buffer.from(targetBase64, "base64"), path);
  else if (type === "dir") mkdirSync(path);
  else if (type === "file") writeFileSync(path, contentOf(file, substitute), { flag: "wx" });
  else makeSpecial(file, path.toString());
  lchownSync(path, file.uid, file.gid);
  if (file.size !== undefined) truncateSync(path, file.size);
  if (type !== "symlink") chmodSync(path, Number.parseInt(file.mode ?? (type === "file" ? "0644" : "0755"), 8));
}

function makeSpecial({ type, major, minor }: CaseFile, path: string): void {
  if (type === "fifo") execFileSync("mkfifo", [path]);
  else if (type !== "socket") execFileSync("mknod", [path, type.charAt(0), String(major), String(minor)]);
  else makeSocket(path);
}

/** A closing server removes its socket, but not one that was renamed. */
function makeSocket(path: string): void {
  const server = createServer().listen(`${path}.new`);
  renameSync(`${path}.new`, path);
  server.close();
}

/** Absolute, as bytes: some names are no text. */
function locate(path = "", base64?: string): Buffer {
  const bytes = base64 === undefined ? Buffer.from(path) : Buffer.from(base64, "base64");
  return bytes[0] === 0x2f ? bytes : Buffer.concat([Buffer.from(`${CASE_ROOT}/`), bytes]);
}
