import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, realpathSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ROOT } from "../../scripts/script.ts";
import { EXPORTER } from "../support/process/exporter.ts";
import { DOCKER_REGISTRY } from "../support/registry/registry-program.ts";
import { STAGE_MARK } from "./materialize.ts";
import type { Played, PlayedCase } from "./play-case.ts";

/**
 * Builds a root directory that has everything of the machine but an empty /tmp and no /cnb, and runs a command there.
 * Takes an empty directory, paths that the command needs even if they are below /tmp, `--`, and the command. The mounts
 * belong to the namespace of the process and end with it.
 */
const ENTER = `
set -eu
root=$1; shift
mount -t tmpfs -o mode=755 stage "$root"
for path in /*; do
  case $path in /tmp | /cnb) continue ;; esac
  if [ -L "$path" ]; then cp -P "$path" "$root$path"
  elif [ -d "$path" ]; then mkdir "$root$path" && mount --rbind "$path" "$root$path"
  fi
done
mkdir -m 1777 "$root/tmp"
: > "$root${STAGE_MARK}"
while [ "$1" != -- ]; do
  if [ ! -e "$root$1" ]; then
    mkdir -p "$root\${1%/*}"
    if [ -d "$1" ]; then mkdir "$root$1"; else : > "$root$1"; fi
    mount --rbind "$1" "$root$1"
  fi
  shift
done
shift
exec chroot "$root" "$@"
`;

/** Namespaces of its own for the command that follows. Only root has all the owners that files of the cases have. */
const NAMESPACE = ["unshare", "--mount"];

/** The player: our command within the stage's process, or a command in a process of its own. */
export type PlaySubject = "in-process" | { readonly path: string };

/** A case, and the way to play it. */
export interface Play {
  readonly recorded: PlayedCase;
  readonly subject: PlaySubject;
  /** Player of the first build of two; by default that of the second. */
  readonly firstSubject?: PlaySubject;
  readonly registry: "fake" | "docker-registry";
}

export const OUR_COMMAND: PlaySubject = { path: EXPORTER };

/** Debian's registry where it is installed, else the fake. */
export const INSTALLED_REGISTRY = DOCKER_REGISTRY.path === undefined ? "fake" : "docker-registry";

/**
 * Path of a reference exporter to compare with, from REFERENCE_EXPORTER; undefined when there is none. A stage has no
 * link to it.
 */
export function referenceExporter(): string | undefined {
  const path = process.env.REFERENCE_EXPORTER;
  return path ? realpathSync(path) : undefined;
}

/** Answer of the stage's process. */
export type PlayAnswer = { readonly played: Played } | { readonly error: string };

/** Reason why this machine cannot play the cases; undefined when it can. */
export function stageProblem(): string | undefined {
  if (process.getuid?.() !== 0) return "needs root, for the owners of files";
  if (`${ROOT}/`.startsWith("/cnb/")) return "needs a checkout that is not below /cnb";
  const root = newRoot();
  try {
    const [command = "", ...args] = enter(root, ["true"]);
    const { status, error, stderr } = spawnSync(command, args, { encoding: "utf8" });
    if (status === 0) return undefined;
    return `needs a mount namespace of its own: ${error?.message ?? stderr.trim()}`;
  } finally {
    rmdirSync(root);
  }
}

/**
 * A process with a root directory of its own. Layer tars hold absolute paths, so cases are played at the paths that
 * they were recorded at, /tmp/tandem-case and /cnb; those of the machine are not touched, and any number of stages play
 * side by side.
 */
export class Stage implements AsyncDisposable {
  readonly #root: string;
  readonly #process: ChildProcess;

  constructor() {
    this.#root = newRoot();
    const [command = "", ...args] = enter(this.#root, [
      process.execPath,
      ...process.execArgv,
      join(import.meta.dirname, "stage-program.ts"),
    ]);
    this.#process = spawn(command, args, {
      env: { ...process.env, TMPDIR: "/tmp" },
      stdio: ["ignore", "inherit", "inherit", "ipc"],
      serialization: "advanced",
    });
  }

  /** Plays one case after the other. @throws Error with the trace of what went wrong there */
  async play(play: Play): Promise<Played> {
    const ended = new AbortController();
    const { signal } = ended;
    const end = once(this.#process, "exit", { signal }).then(([code]) => ({ error: `the stage ended with ${code}` }));
    this.#process.send(play);
    const answer: PlayAnswer = await Promise.race([end, once(this.#process, "message", { signal }).then(([it]) => it)]);
    ended.abort();
    if ("error" in answer) throw new Error(answer.error);
    return answer.played;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.connected) {
      const exited = once(this.#process, "exit");
      this.#process.disconnect();
      await exited;
    }
    rmdirSync(this.#root);
  }
}

function newRoot(): string {
  return mkdtempSync(join(tmpdir(), "tandem-stage-"));
}

function enter(root: string, command: readonly string[]): string[] {
  const needed = [ROOT, join(ROOT, "node_modules"), process.execPath, referenceExporter(), DOCKER_REGISTRY.path];
  const paths = needed.filter((path) => path !== undefined).map((path) => realpathSync(path));
  return [...NAMESPACE, "sh", "-c", ENTER, "stage", root, ...paths, "--", ...command];
}
