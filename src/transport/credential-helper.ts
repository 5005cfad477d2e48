import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { z } from "zod";
import { Fault, messageOf } from "../faults/fault.ts";
import { ANONYMOUS, Credentials } from "./credentials.ts";
import type { Environment } from "./docker-config.ts";

/** A helper may have to ask a cloud's API or unlock a key ring; one that takes longer is waiting for a person. */
const TIMEOUT_MS = 60_000;

/** Said by every helper that knows nothing about the registry (docker-credential-helpers, credentials/error.go). */
const NOT_FOUND = "credentials not found in native keychain";

const replySchema = z.object({ Username: z.string(), Secret: z.string() });

/**
 * Asks `docker-credential-<name> get` (docker-credential-helpers protocol): the key goes to its stdin, JSON comes back.
 * A user name `<token>` marks an identity token. Credentials that the helper does not have are anonymous.
 * @param signal stops the helper, which then has failed
 * @throws Fault when the helper is missing, fails, or answers something else; never with its answer in the message
 */
export async function askCredentialHelper(
  name: string,
  key: string,
  environment: Environment,
  signal?: AbortSignal,
): Promise<Credentials> {
  const program = `docker-credential-${name}`;
  const failed = (reason: string) =>
    new Fault("EXPORT_AUTH_HELPER", `error getting credentials - ${program}: ${reason}`);
  const child = spawn(program, ["get"], {
    stdio: ["pipe", "pipe", "ignore"],
    timeout: TIMEOUT_MS,
    ...(signal === undefined ? {} : { signal }),
    env: { ...environment },
  });
  const exited = once(child, "close");
  // A helper that ends without reading its input is judged by its exit code.
  child.stdin.on("error", () => undefined);
  child.stdin.end(key);
  let reply: string;
  try {
    [reply] = await Promise.all([text(child.stdout), exited]);
  } catch (error) {
    throw failed(messageOf(error));
  }
  if (child.exitCode !== 0) {
    if (reply.trim() === NOT_FOUND) return ANONYMOUS;
    throw failed(child.exitCode === null ? "it was stopped" : `exit status ${child.exitCode}`);
  }
  let json: unknown;
  try {
    json = JSON.parse(reply);
  } catch {
    throw failed("its answer is not JSON");
  }
  const parsed = replySchema.safeParse(json);
  if (!parsed.success) throw failed("its answer has no Username and Secret");
  const { Username: username, Secret: secret } = parsed.data;
  return username === "<token>"
    ? new Credentials({ identityToken: secret })
    : new Credentials({ username, password: secret });
}
