import { RegistryFault } from "../../transport/registry-fault.ts";
import { cancelUpload } from "./cancel-upload.ts";
import { type Connection, persist, type Work } from "./connection.ts";
import { openUpload } from "./mount.ts";

/** Answers to an upload that no later one will get a better answer to: not you, not there, not here. */
const FINAL = new Set([401, 403, 404, 405]);

/**
 * Asks whether the repository may be pushed to, by opening an upload and cancelling it (go-containerregistry's
 * `CheckPushPermission`: a token alone does not say it, because Docker Hub gives one to everybody). A registry that is busy is
 * asked again; one that never answers is left to the push.
 * @throws RegistryFault of the refusal
 */
export async function checkPush(connection: Connection, work: Work): Promise<void> {
  let location: URL;
  try {
    const opened = await persist(connection, work, "an upload", () => openUpload(connection, undefined, work));
    if (opened.mounted) return;
    location = opened.location;
  } catch (error) {
    work.signal?.throwIfAborted();
    if (error instanceof RegistryFault && !error.isTemporary && FINAL.has(error.status ?? 0)) throw error;
    return;
  }
  // Nobody waits for it, and a registry that cannot do it forgets the upload by itself.
  void cancelUpload(connection, location, work);
}
