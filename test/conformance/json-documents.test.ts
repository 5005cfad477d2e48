import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { helperReply } from "../../src/auth/credential-helper.ts";
import { entryFor, helperFor, parseDockerConfig, parseEnvironmentAuth } from "../../src/auth/docker-config.ts";
import { tokenReply } from "../../src/auth/token-request.ts";
import { cacheMetadataJson, parseCacheMetadata } from "../../src/cnb/lifecycle-metadata.ts";
import { configOf, historyType, inspectType } from "../../src/destinations/daemon/images.ts";
import { printableLine } from "../../src/errors/printable.ts";
import { decodeFirst, type GoType, unmarshal } from "../../src/go/json-decode.ts";
import { goJson } from "../../src/go/json-encode.ts";
import { responseFault } from "../../src/http/faults.ts";
import { type ImageConfig, imageConfigBytes, parseImageConfig } from "../../src/oci/image-config.ts";
import { manifestBytes, parseIndex, parseManifest, selectManifest } from "../../src/oci/manifest.ts";

/**
 * Documents with one member changed, and what the reference's decoders make of each (fixtures/README.md). An edit is
 * where bytes are cut out, how many, and which are put there; an outcome is true for the value of the unchanged
 * document, false for an error, or an edit of that value.
 */
const edit = z.tuple([z.int(), z.int(), z.string()]);
const schema = z.record(
  z.string(),
  z.object({
    document: z.string(),
    value: z.string(),
    cases: z.array(z.tuple([z.string(), edit, z.union([z.boolean(), edit])])),
  }),
);
const recorded = schema.parse(
  JSON.parse(readFileSync(new URL("../../fixtures/json-documents.json", import.meta.url), "utf8")),
);

function edited(text: string, [at, cut, put]: z.infer<typeof edit>): Buffer {
  const bytes = Buffer.from(text).toString("latin1");
  return Buffer.from(bytes.slice(0, at) + put + bytes.slice(at + cut), "latin1");
}

/** @throws what the reader throws, or an Error for a document that it refuses */
type Read = (document: Buffer) => string;

function value<T>(decode: typeof unmarshal, type: GoType<T>, document: Buffer): T {
  const decoded = decode(document, type);
  if (decoded.ok) return decoded.value;
  throw new Error(decoded.problem);
}

/** Times are the new image's; Go writes its zero. */
function withoutTimes(config: ImageConfig): string {
  const created = "0001-01-01T00:00:00Z";
  const history = config.history.map((entry) => ({ ...entry, created }));
  return imageConfigBytes({ ...config, created, history }).toString();
}

/** Users without passwords, and passwords without users, are no logins. */
const login = z
  .object({
    Helper: z.string(),
    Username: z.string(),
    Password: z.string(),
    IdentityToken: z.string(),
    RegistryToken: z.string(),
  })
  .transform(({ Username, Password, ...rest }) => ({ ...rest, Login: Username && Password && [Username, Password] }));

function readDockerConfig(document: Buffer): string {
  const dropped: unknown[] = [];
  const config = parseDockerConfig(document.length === 0 ? "{}" : document, "file", (fault) => dropped.push(fault));
  // The reference rejects the whole document; ours rejects and reports only a part of it.
  if (dropped.length > 0) throw new Error(dropped.join());
  const found = ["a.example", "b.example", "c.example"].map((key) => {
    const credentials = entryFor(config, key);
    const { username, password } = credentials?.login ?? {};
    return {
      Helper: helperFor(config, key) ?? "",
      IdentityToken: credentials?.identityToken ?? "",
      RegistryToken: credentials?.registryToken ?? "",
      Login: username && password ? [username, password] : "",
    };
  });
  return JSON.stringify(found);
}

const READERS: Readonly<Record<string, Read>> = {
  manifest: (document) => manifestBytes(parseManifest(document)).toString(),
  index: (document) =>
    selectManifest(parseIndex(document), { os: "linux", architecture: "amd64" })?.digest.toString() ?? "none",
  config: (document) => withoutTimes(parseImageConfig(document, "image")),
  "docker config": readDockerConfig,
  "helper answer": (document) => {
    const { Username, Secret } = value(decodeFirst, helperReply, document);
    return goJson([Username, Secret]);
  },
  CNB_REGISTRY_AUTH: (document) => goJson(parseEnvironmentAuth(document.toString())),
  "token answer": (document) => {
    const { token, access_token, refresh_token } = value(unmarshal, tokenReply, document);
    if (access_token === "" && token === "") throw new Error("no token");
    return goJson([access_token || token, refresh_token]);
  },
  "registry error": (document) => {
    const url = new URL("https://registry.example/v2/");
    const failed = responseFault({ method: "GET", url, status: 400, retryAfter: undefined, body: document.toString() });
    if (failed.diagnostics.length === 0) throw new Error("no diagnostics");
    return failed.message;
  },
  "image inspect": (document) => {
    const inspect = value(decodeFirst, inspectType, document);
    return `${inspect.Id.slice(7)} ${withoutTimes(configOf(inspect, []))}`;
  },
  "image history": (document) =>
    goJson(value(decodeFirst, historyType, document).flatMap(({ CreatedBy, Comment }) => [CreatedBy, Comment])),
  "cache metadata": (document) => cacheMetadataJson(parseCacheMetadata(document)),
};

/** The recorded value in the form that our readers give. */
function comparable(kind: string, text: string): string {
  if (kind === "docker config") {
    const logins = z.array(login).parse(JSON.parse(text));
    const inOrder = logins.map(({ Helper, IdentityToken, RegistryToken, Login }) => ({
      ...{ Helper, IdentityToken, RegistryToken, Login },
    }));
    return JSON.stringify(inOrder);
  }
  if (kind === "registry error") {
    const all = z.array(z.string()).parse(JSON.parse(text));
    const shown = all.length === 1 ? all[0] : `multiple errors returned: ${all.join("; ")}`;
    return printableLine(`GET https://registry.example/v2/: ${shown}`);
  }
  return text;
}

/**
 * Intended differences. An unneeded member may be of any type if it does not reach the image. Texts of the environment
 * and of answers come as strings, in which Node has replaced invalid UTF-8.
 */
const DIFFERENCES: Readonly<Record<string, RegExp>> = {
  // Go takes a list of numbers for bytes as well.
  manifest: /^\.config\.data is another type: array$/,
  "helper answer": /^\.ServerURL /,
  // An empty variable is none.
  CNB_REGISTRY_AUTH: /^empty$|with cut UTF-8$/,
  "token answer": /^\.expires_in /,
  "registry error": /with cut UTF-8$/,
  "image history": /^\[0\]\.(Id|Created|Size|Tags)\b/,
};

function outcome(read: Read, document: Buffer): string {
  try {
    return read(document);
  } catch (error) {
    if (error instanceof Error) return "refused";
    throw error;
  }
}

describe("documents with one member changed are read as by the reference", () => {
  test.each(Object.entries(recorded))("%s", (kind, { document, value: base, cases }) => {
    const read = READERS[kind];
    if (read === undefined) throw new Error(`no reader of ${kind}`);
    expect(outcome(read, Buffer.from(document))).toBe(comparable(kind, base));
    expect(cases.length).toBeGreaterThan(40);
    const differing = cases.flatMap(([name, change, expected]) => {
      const wanted =
        typeof expected === "boolean"
          ? expected
            ? comparable(kind, base)
            : "refused"
          : comparable(kind, edited(base, expected).toString());
      const found = outcome(read, edited(document, change));
      return found === wanted || DIFFERENCES[kind]?.test(name) ? [] : [{ name, wanted, found }];
    });
    expect(differing).toEqual([]);
  });
});
