import { spawn } from "node:child_process";
import { once } from "node:events";
import { text as textOf } from "node:stream/consumers";
import { untilAborted } from "../concurrency/abort.ts";
import { Fault, messageOf } from "../errors/fault.ts";
import { goReason, isSystemError } from "../go/errno.ts";
import { decodeFirst, struct, text } from "../go/json-decode.ts";
import { childCommand, findProgram, interpreterFlaw } from "../process/children.ts";
import type { Environment } from "../process/environment.ts";
import { ANONYMOUS, Credentials } from "./credentials.ts";

/** A helper may call a cloud's API or unlock a key ring; one that takes longer waits for user input. */
const TIMEOUT_MS = 60_000;

/** Printed by every helper without credentials for the registry (docker-credential-helpers, credentials/error.go). */
const NOT_FOUND = "credentials not found in native keychain";

export const helperReply = struct({ Username: text, Secret: text });

/**
 * Runs `docker-credential-<name> get` (docker-credential-helpers protocol): writes the key to stdin, reads JSON from
 * stdout. The user name `<token>` marks an identity token. Missing credentials are anonymous.
 * @param signal kills the helper, which then counts as failed
 * @throws Fault if the helper is missing, fails, or prints something else; never with its output in the message
 */
export async function askCredentialHelper(
  name: string,
  key: string,
  environment: Environment,
  signal?: AbortSignal,
  timeoutMs = TIMEOUT_MS,
): Promise<Credentials> {
  const program = `docker-credential-${name}`;
  const failed = (reason: string, cause?: unknown) =>
    new Fault("EXPORT_AUTH_HELPER", `error getting credentials - ${program}: ${reason}`, { cause });
  const path = findProgram(program, environment.PATH);
  if (path === undefined) throw failed("executable file not found in $PATH");
  const flaw = interpreterFlaw(path);
  if (flaw !== undefined) throw failed(flaw);
  const { exitCode, reply } = await run(path, key, environment, signal, timeoutMs).catch((error: unknown) => {
    throw failed(isSystemError(error) ? `fork/exec ${path}: ${goReason(error)}` : messageOf(error), error);
  });
  if (exitCode !== 0) {
    if (reply.trim() === NOT_FOUND) return ANONYMOUS;
    throw failed(describeExit(exitCode));
  }
  const answer = decodeFirst(reply, helperReply);
  if (!answer.ok) throw failed(`its output cannot be read: ${answer.problem}`);
  const { Username: username, Secret: secret } = answer.value;
  if ((username === "") !== (secret === "")) throw failed("its output lacks Username or Secret");
  const fields = username === "<token>" ? { identityToken: secret } : { username, password: secret };
  const renew = () => askCredentialHelper(name, key, environment, undefined, timeoutMs);
  return new Credentials(fields, { renew, isAmbient: false });
}

function describeExit(code: number | null): string {
  if (code === null) return "it was stopped";
  // Shells exit with it, and env(1) in the first line of a script.
  return code === 127 ? "exit status 127: a program that it needs is not found" : `exit status ${code}`;
}

async function run(
  program: string,
  input: string,
  environment: Environment,
  signal: AbortSignal | undefined,
  timeoutMs: number,
): Promise<{ readonly exitCode: number | null; readonly reply: string }> {
  const command = childCommand(program, ["get"], environment.PATH);
  const child = spawn(command.program, command.args, { stdio: ["pipe", "pipe", "ignore"], env: { ...environment } });
  // The exit code decides about a helper that ends without reading its input.
  child.stdin.on("error", () => undefined);
  child.stdin.end(input);
  const timeout = AbortSignal.timeout(timeoutMs);
  const stop = signal === undefined ? timeout : AbortSignal.any([signal, timeout]);
  try {
    const [reply] = await untilAborted(Promise.all([textOf(child.stdout), once(child, "close")]), stop);
    return { exitCode: child.exitCode, reply };
  } catch (error) {
    child.kill("SIGKILL");
    // Processes started by the helper may outlive it and keep its output open.
    child.stdout.destroy();
    throw timeout.aborted ? new Error(`no answer within ${timeoutMs / 1000} s`) : error;
  }
}
