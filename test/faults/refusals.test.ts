import { describe, expect, test } from "vitest";
import { Fault, type FaultCode } from "../../src/errors/fault.ts";
import { type Reply, refusal } from "../support/registry/exchange.ts";
import type { FaultAction } from "../support/registry/faults.ts";
import { ALWAYS, BLOBS, MANIFESTS, PushScene, REPOSITORY, UPLOADS } from "../support/scenes/push-scene.ts";

const OTHER = `sha256:${"0".repeat(64)}`;

/** The only error of a push, from a blob or a tag. */
async function failureOf(scene: PushScene): Promise<Fault> {
  const failure = await scene.push().then(
    ({ tag }) => tag?.error,
    (error: unknown) => error,
  );
  expect(failure).toBeInstanceOf(Fault);
  return failure as Fault;
}

function stored(digest: string): FaultAction {
  return { change: (reply) => ({ ...reply, headers: { ...reply.headers, "docker-content-digest": digest } }) };
}

interface Refused {
  readonly name: string;
  readonly method: string;
  readonly target: RegExp;
  readonly action: FaultAction;
  /** The registry's own words, or tandem's if it has none. */
  readonly message: string;
  readonly hint: RegExp;
  /** Targets whose HEAD reports absence. */
  readonly absent?: RegExp;
  /** The registry stores the manifest nevertheless. */
  readonly isStored?: boolean;
  readonly code?: FaultCode;
}

function answered(reply: Reply): FaultAction {
  return { answer: reply };
}

/** Refusals to overwrite a tag: Amazon, Harbor, Artifactory, Quay, GitLab, and one without a body. */
const IMMUTABLE: readonly (readonly [string, FaultAction])[] = [
  [
    "400 TAG_INVALID",
    answered(
      refusal(
        400,
        "TAG_INVALID",
        "The image tag 'v1' already exists and cannot be overwritten because the tag is immutable.",
      ),
    ),
  ],
  ["400 TAG_INVALID in few words", answered(refusal(400, "TAG_INVALID", "tag invalid"))],
  [
    "412",
    answered(refusal(412, "PRECONDITION", "Failed to process request due to 'team/app:v1' configured as immutable.")),
  ],
  ["403", answered(refusal(403, "DENIED", "Not enough permissions to delete/overwrite artifact 'team/app/v1'"))],
  ["403 in the detail", answered(refusal(403, "DENIED", "denied", { reason: "Protected tag: immutable" }))],
  ["409", answered(refusal(409, "TAG_ALREADY_EXISTS", "conflict"))],
  ["409 without a body", answered({ status: 409, body: "" })],
  ["412 without a body", answered({ status: 412, body: "" })],
];

const REFUSED: readonly Refused[] = [
  {
    name: "401",
    method: "POST",
    target: UPLOADS,
    action: answered(refusal(401, "UNAUTHORIZED", "authentication required")),
    message: "UNAUTHORIZED: authentication required",
    hint: /^Give credentials that may push to .*team\/app, .* \(HTTP 401 for blob sha256:.* of .*team\/app\)$/,
  },
  {
    name: "403",
    method: "PATCH",
    target: UPLOADS,
    action: answered(refusal(403, "DENIED", "requested access to the resource is denied")),
    message: "DENIED: requested access to the resource is denied",
    hint: /^Give credentials .* \(HTTP 403 for blob sha256:/,
  },
  {
    name: "403 for a quota",
    method: "POST",
    target: UPLOADS,
    action: answered(refusal(403, "DENIED", "the quota of project team is exceeded")),
    message: "DENIED: the quota of project team is exceeded",
    hint: /^Make room in .*, or raise the quota of .*team\/app\. \(HTTP 403 /,
  },
  {
    name: "a missing repository",
    method: "POST",
    target: UPLOADS,
    action: answered(refusal(404, "NAME_UNKNOWN", "the repository does not exist")),
    message: "NAME_UNKNOWN: the repository does not exist",
    hint: /^Create .*team\/app first: .* \(HTTP 404 for blob sha256:/,
  },
  {
    name: "a proxy's body size limit",
    method: "PATCH",
    target: UPLOADS,
    action: answered({ status: 413, body: "<html>413 Request Entity Too Large</html>" }),
    message: "unexpected status code 413 Request Entity Too Large: <html>413 Request Entity Too Large</html>",
    hint: /a proxy in front of it, limits the size of request bodies .* \(HTTP 413 for blob sha256:/,
  },
  {
    name: "a mirror",
    method: "POST",
    target: UPLOADS,
    action: answered(refusal(405, "UNSUPPORTED", "The operation is unsupported.")),
    message: "UNSUPPORTED: The operation is unsupported.",
    hint: /^Push to the registry itself: .* \(HTTP 405 /,
  },
  {
    name: "another digest",
    method: "PUT",
    target: UPLOADS,
    action: answered(refusal(400, "DIGEST_INVALID", "provided digest did not match uploaded content")),
    message: "DIGEST_INVALID: provided digest did not match uploaded content",
    hint: /^The data was altered on its way.* \(HTTP 400 for blob sha256:/,
  },
  {
    name: "a full disk",
    method: "PUT",
    target: UPLOADS,
    action: answered({ status: 507, body: "no space left on device" }),
    message: "unexpected status code 507 Insufficient Storage: no space left on device",
    hint: /^Make room in .* \(HTTP 507 /,
  },
  {
    name: "a blob stored under another digest",
    method: "PUT",
    target: UPLOADS,
    action: stored(OTHER),
    message: `the registry stored ${OTHER} instead of sha256:`,
    hint: /^The data was altered on its way.* \(HTTP 201 for blob sha256:/,
    absent: BLOBS,
  },
  {
    name: "a manifest stored under another digest",
    method: "PUT",
    target: MANIFESTS,
    action: stored(OTHER),
    message: `the registry stored ${OTHER} instead of sha256:`,
    hint: /^The data was altered on its way.* \(HTTP 201 for manifest v1 of/,
    absent: MANIFESTS,
    isStored: true,
  },
  {
    name: "an unsupported manifest",
    method: "PUT",
    target: MANIFESTS,
    action: answered(refusal(400, "MANIFEST_INVALID", "manifest invalid", { reason: "unknown media type" })),
    message: "MANIFEST_INVALID: manifest invalid; map[reason:unknown media type]",
    hint: /does not accept this kind of manifest.* \(HTTP 400 for manifest v1 of/,
  },
  {
    name: "an invalid name",
    method: "PUT",
    target: MANIFESTS,
    action: answered(refusal(404, "NAME_INVALID", "invalid repository name")),
    message: "NAME_INVALID: invalid repository name",
    hint: /^Check the name; .* \(HTTP 404 for manifest v1 of .*team\/app\)$/,
  },
  ...IMMUTABLE.map(([name, action]) => ({
    name: `an immutable tag: ${name}`,
    method: "PUT",
    target: MANIFESTS,
    action,
    message: "/manifests/v1: ",
    hint: /^The tag v1 of .*team\/app is immutable: use another tag, or allow overwriting .* \(HTTP \d+ for manifest v1 of/,
    code: "EXPORT_REGISTRY_IMMUTABLE" as const,
  })),
  {
    name: "a HEAD",
    method: "HEAD",
    target: BLOBS,
    action: answered({ status: 400 }),
    message: "unexpected status code 400 Bad Request (HEAD responses have no body, use GET for details)",
    hint: /^Read the registry's response .* \(HTTP 400 for blob sha256:/,
  },
  {
    name: "an upload response without a Location",
    method: "POST",
    target: UPLOADS,
    action: answered({ status: 202 }),
    message: "missing Location header",
    hint: /^/,
  },
  {
    name: "an upload Location that is not a URL",
    method: "POST",
    target: UPLOADS,
    action: answered({ status: 202, headers: { location: "ftp://host/x" } }),
    message: "invalid Location header",
    hint: /^/,
  },
  {
    name: "an upload Location in a private network",
    method: "POST",
    target: UPLOADS,
    action: answered({ status: 202, headers: { location: "http://169.254.169.254/latest?token=x" } }),
    message: 'SSRF protection: Location header from "127.0.0.1" to private/link-local host "169.254.169.254" denied',
    hint: /^/,
  },
  {
    name: "an upload redirect to a private network",
    method: "PATCH",
    target: UPLOADS,
    action: answered({ status: 307, headers: { location: "http://10.0.0.1/x" } }),
    message: 'SSRF protection: redirect from "127.0.0.1" to private/link-local host "10.0.0.1" denied',
    hint: /^/,
  },
  ...[301, 302, 303].map((status) => ({
    name: `an upload redirect with status ${status}, which would lose the body`,
    method: "PATCH",
    target: UPLOADS,
    action: answered({ status, headers: { location: "/elsewhere" } }),
    message: `unexpected status code ${status} `,
    hint: /^Push to the address that 127\.0\.0\.1:\d+ redirects to, or .* 307 or 308, .* \(HTTP 30\d for blob sha256:/,
  })),
];

describe("permanent errors are not retried, and are one clear error", () => {
  test.each(REFUSED)(
    "$name ($method)",
    async ({ method, target, action, message, hint, code, absent, isStored = false }) => {
      await using scene = await PushScene.open();
      if (absent !== undefined) scene.fail("HEAD", absent, answered({ status: 404 }), ALWAYS);
      scene.fail(method, target, action, ALWAYS);
      const failure = await failureOf(scene);
      expect(failure.message).toContain(message);
      expect(failure.destination).toContain(scene.server.host);
      expect(failure.hint ?? "").toMatch(hint);
      if (code !== undefined) expect(failure.code).toBe(code);
      expect(scene.server.count(method, target)).toBe(1);
      expect(scene.registries.counters.retries).toBe(0);
      expect(scene.logger.lines.filter((line) => !line.startsWith("debug"))).toEqual([]);
      expect(scene.server.manifests.find(REPOSITORY, "v1") !== undefined).toBe(isStored);
    },
  );
});

test.each([
  ["blob", UPLOADS],
  ["manifest", MANIFESTS],
] as const)("a %s whose response names another digest is found by its own", async (_, target) => {
  await using scene = await PushScene.open();
  scene.fail("PUT", target, stored(OTHER), ALWAYS);
  await scene.pushWhole();
});

describe("retries end with the budget", () => {
  test("after minutes, with the last response and the number of attempts", async () => {
    await using scene = await PushScene.open();
    scene.fail("PUT", MANIFESTS, { answer: refusal(503, "UNAVAILABLE", "storage is being moved") }, ALWAYS);
    const failure = await failureOf(scene);
    expect(failure.message).toContain("UNAVAILABLE: storage is being moved");
    const tries = scene.server.count("PUT", MANIFESTS);
    expect(tries).toBeGreaterThan(20);
    expect(failure.hint).toBe(
      `Tried ${tries} times in 5m0s; -retry-budget says for how long. (HTTP 503 for manifest v1 of ${scene.repository.name})`,
    );
    expect(scene.clock.now()).toBeGreaterThanOrEqual(300_000);
    expect(scene.clock.now()).toBeLessThan(301_000);
    // At most one warning every ten seconds; the others are debug lines.
    const warnings = scene.logger.lines.filter((line) => line.startsWith("warn"));
    expect(warnings.length).toBeGreaterThan(10);
    expect(warnings.length).toBeLessThanOrEqual(31);
    expect(scene.logger.lines.filter((line) => line.includes("retrying in"))).toHaveLength(tries - 1);
  });

  test("with advice if the registry's disk is full", async () => {
    await using scene = await PushScene.open();
    const full = refusal(500, "UNKNOWN", "unknown error", { Err: { Op: "write", Err: "no space left on device" } });
    scene.fail("POST", UPLOADS, { answer: full }, ALWAYS);
    expect((await failureOf(scene)).hint).toContain(`Make room on the disk of ${scene.server.host}. Tried `);
  });

  test("after three attempts if the registry asks for a longer wait", async () => {
    await using scene = await PushScene.open();
    const reply = { ...refusal(429, "TOOMANYREQUESTS", "pull rate limit"), headers: { "retry-after": "3600" } };
    scene.fail("POST", UPLOADS, { answer: reply }, ALWAYS);
    const failure = await failureOf(scene);
    expect(failure.message).toContain("TOOMANYREQUESTS: pull rate limit");
    expect(failure.hint).toMatch(/^It asks to wait 1h0m0s, longer than -retry-budget allows\. \(HTTP 429 for blob/);
    expect(scene.clock.waits).toEqual([1000, 3000]);
  });

  test("after one attempt if the budget is 0", async () => {
    await using scene = await PushScene.open({ budgetMs: 0 });
    scene.fail("POST", UPLOADS, { answer: { status: 500 } }, ALWAYS);
    expect((await failureOf(scene)).hint).toMatch(/^Tried once; /);
    expect(scene.server.count("POST", UPLOADS)).toBe(1);
  });

  test("after a few uploads if the registry loses each one", async () => {
    await using scene = await PushScene.open();
    const lost = refusal(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry");
    scene.fail("PUT", UPLOADS, { answer: lost }, ALWAYS);
    const failure = await failureOf(scene);
    expect(failure.message).toContain("BLOB_UPLOAD_UNKNOWN");
    expect(scene.server.count("POST", UPLOADS)).toBe(5);
  });
});
