import { join } from "node:path";
import { BaseExternalAccountClient, GoogleAuth, gaxios, Impersonated } from "google-auth-library";
import { z } from "zod";
import { Fault } from "../../errors/fault.ts";
import { registerSecret } from "../../errors/secrets.ts";
import { readFile } from "../../files/read-file.ts";
import { isSystemError, pathFault } from "../../go/errno.ts";
import { Credentials } from "../credentials.ts";
import { askForToken, type CloudContext, METADATA_TIMEOUT_MS } from "./context.ts";
import { fetchThrough } from "./library-http.ts";

const TOKEN_USER = "oauth2accesstoken";
const SCOPE = "https://www.googleapis.com/auth/cloud-platform";

const METADATA_HOST = "169.254.169.254";

const text = z.exactOptional(z.string());
const secrets = { private_key: text, refresh_token: text, client_secret: text };
/** An impersonated service account's file has the secrets of its user. */
const schema = z.looseObject({
  type: z.string(),
  ...secrets,
  source_credentials: z.exactOptional(z.looseObject(secrets)),
});

/**
 * An access token from Application Default Credentials: the file in `GOOGLE_APPLICATION_CREDENTIALS`, else the one of
 * `gcloud auth application-default login`, else the machine's service account. Files may contain a service account's
 * key, a user's refresh token, or an external account (workload identity federation).
 * @throws Fault, or the library's error, if there are none
 */
export async function googleCredentials(context: CloudContext): Promise<Credentials> {
  const file = await readCredentialsFile(context);
  const password = file === undefined ? await machineToken(context) : await fileToken(file, context);
  return new Credentials({ username: TOKEN_USER, password });
}

async function readCredentialsFile({ environment, home }: CloudContext): Promise<z.infer<typeof schema> | undefined> {
  const { GOOGLE_APPLICATION_CREDENTIALS: named, CLOUDSDK_CONFIG } = environment;
  const directory = CLOUDSDK_CONFIG || join(home, ".config", "gcloud");
  const path = named || join(directory, "application_default_credentials.json");
  try {
    return schema.parse(JSON.parse((await readFile(path)).toString("utf8")));
  } catch (error) {
    if (!isSystemError(error)) throw new Fault("EXPORT_AUTH_CLOUD", `${path}: not a file of Google credentials`);
    if (error.code === "ENOENT" && !named) return undefined;
    throw pathFault("EXPORT_AUTH_CLOUD", "open", path, error);
  }
}

async function fileToken(file: z.infer<typeof schema>, { http, signal }: CloudContext): Promise<string> {
  for (const { private_key, refresh_token, client_secret } of [file, file.source_credentials ?? {}])
    [private_key, refresh_token, client_secret].forEach(registerSecret);
  const transporter = new gaxios.Gaxios({ fetchImplementation: fetchThrough(http, signal) });
  const client = await new GoogleAuth({ credentials: file, scopes: SCOPE, clientOptions: { transporter } }).getClient();
  shareTransporter(client, transporter);
  const { token } = await client.getAccessToken();
  if (!token) throw new Fault("EXPORT_AUTH_CLOUD", "Google returned no access token for the credentials file");
  registerSecret(token);
  return token;
}

/** Some clients call Google through another one, which ignores their transporter: sets it there too. */
function shareTransporter(client: object, transporter: gaxios.Gaxios): void {
  const name =
    client instanceof BaseExternalAccountClient
      ? "stsCredential"
      : client instanceof Impersonated
        ? "sourceClient"
        : undefined;
  if (name === undefined) return;
  const inner: unknown = Reflect.get(client, name);
  if (!(inner instanceof Object && "transporter" in inner))
    throw new Fault("EXPORT_INTERNAL", `google-auth-library has no ${name}.transporter, which version 10.9 has`);
  inner.transporter = transporter;
  shareTransporter(inner, transporter);
}

function machineToken({ http, environment, signal }: CloudContext): Promise<string> {
  const host = environment.GCE_METADATA_HOST || METADATA_HOST;
  const url = new URL(`http://${host}/computeMetadata/v1/instance/service-accounts/default/token`);
  url.searchParams.set("scopes", SCOPE);
  const stop = AbortSignal.any([signal, AbortSignal.timeout(METADATA_TIMEOUT_MS)]);
  const headers = { "metadata-flavor": "Google" };
  return askForToken(http, { url, headers, isLocal: true, signal: stop }, "access_token");
}
