import type { SeededRandom } from "../random.ts";
import { type Exchange, type Reply, refusal } from "../registry/exchange.ts";
import type { FaultAction, FaultRule } from "../registry/faults.ts";
import type { FakeRegistry } from "../registry/registry.ts";

const REQUESTS = [
  ["GET", /^\/v2\/$/],
  ["GET", /^\/v2\/run\/(?:manifests|blobs)\//],
  ["GET", /^\/v2\/(?:app|cache).*\/(?:manifests|blobs\/sha256)/],
  ["HEAD", /\/blobs\/sha256/],
  ["HEAD", /\/manifests\//],
  ["POST", /\/blobs\/uploads\//],
  ["PATCH", /\/blobs\/uploads\//],
  ["GET", /\/blobs\/uploads\//],
  ["PUT", /\/blobs\/uploads\//],
  ["PUT", /\/manifests\//],
] as const;

const PATCHES = { method: "PATCH", target: /\/blobs\/uploads\// } as const;
const POSTS = { method: "POST", target: /\/blobs\/uploads\// } as const;
const STATUSES = { method: "GET", target: /\/blobs\/uploads\// } as const;

const LAYER_BYTES = 6 << 20;

type Drawn = Omit<FaultRule, "name">;
type Draw = (random: SeededRandom, registry: FakeRegistry) => Drawn;

const BODIES = [undefined, "<html><h1>Bad Gateway</h1></html>", JSON.stringify({ errors: [{ code: "UNKNOWN" }] })];

function somewhere(random: SeededRandom): Pick<FaultRule, "method" | "target"> {
  const [method, target] = random.pick(REQUESTS);
  return { method, target };
}

function answered(status: number, body?: string, headers: Readonly<Record<string, string>> = {}): FaultAction {
  return { answer: { status, headers, ...(body === undefined ? {} : { body }) } };
}

function withHeaders(
  change: (headers: Readonly<Record<string, string>>, random: SeededRandom) => Record<string, string>,
) {
  return (random: SeededRandom): FaultAction => ({
    change: (reply) => ({ ...reply, headers: change(reply.headers ?? {}, random) }),
  });
}

const lyingRange = withHeaders((headers, random) => ({
  ...headers,
  range: random.pick(["0-0", "0-99999999", "0-999", "0-65535", "lots", ""]),
}));

const strangeLocation = withHeaders((headers, random) => {
  const { location = "" } = headers;
  return { ...headers, location: random.pick([location, location.replace(/^.*\//, ""), `${location}&a=b%2Fc`]) };
});

/** Deletes a blob right after a HEAD reported it. */
function vanish(registry: FakeRegistry): FaultAction {
  return {
    around: async (proceed: () => Promise<Reply>, { url }: Exchange) => {
      const reply = await proceed();
      const [, repository = "", digest = ""] = /^\/v2\/(.+)\/blobs\/(.+)$/.exec(url.pathname) ?? [];
      if (reply.status === 200) registry.blobs.unlink(repository, digest);
      return reply;
    },
  };
}

/** Once per export: clients give up if a token is refused that was issued a moment ago. */
const EXPIRY = "tokens that expire";

export const VANISHING = "a blob that vanishes after its HEAD";

/** Temporary faults by name: an export survives any of them, alone or together. */
const PASSING: Readonly<Record<string, Draw>> = {
  "a sick answer": (random) => ({
    ...somewhere(random),
    times: 1 + random.below(3),
    action: answered(random.pick([500, 502, 503, 504, 408, 499, 522]), random.pick(BODIES)),
  }),
  "429 or 503 with Retry-After": (random) => ({
    ...somewhere(random),
    action: answered(random.pick([429, 503]), undefined, {
      "retry-after": random.pick(["1", "20", new Date(Date.now() + 30_000).toUTCString()]),
    }),
  }),
  "429 without Retry-After": (random) => ({
    ...somewhere(random),
    times: 1 + random.below(4),
    action: { answer: refusal(429, "TOOMANYREQUESTS", "too many requests") },
  }),
  "a reset in a request": (random) => ({
    ...random.pick([PATCHES, PATCHES, { method: "PUT", target: /\/manifests\// }]),
    times: 1 + random.below(3),
    action: { dropAfterBytes: random.below(random.below(2) === 0 ? 2000 : LAYER_BYTES) },
  }),
  "silence in a request": (random) => ({
    ...PATCHES,
    action: { silentAfterBytes: random.below(LAYER_BYTES) },
  }),
  "an answer that is lost": (random) => ({ ...somewhere(random), action: { dropAnswer: true } }),
  "a reset or silence in an answer": (random) => {
    const then = random.below(4) === 0 ? "silence" : "reset";
    const afterBytes = random.below(random.below(2) === 0 ? 250 : 5000);
    return { ...somewhere(random), action: { change: (reply) => ({ ...reply, interruption: { afterBytes, then } }) } };
  },
  "a slow answer": (random) => {
    const bytesAtATime = 1 + random.below(50);
    const action = { change: (reply: Reply) => (reply.status === 200 ? reply : { ...reply, bytesAtATime }) };
    return { ...somewhere(random), times: 3, action };
  },
  "a strange Location": (random) => ({ ...POSTS, times: 2, action: strangeLocation(random) }),
  "no Location after a PATCH": () => ({
    ...PATCHES,
    action: { change: ({ headers: { location: _, ...headers } = {}, ...reply }) => ({ ...reply, headers }) },
  }),
  "no digests": (random) => ({
    ...somewhere(random),
    times: 5,
    action: {
      change: ({ headers: { "docker-content-digest": _, ...headers } = {}, ...reply }) => ({ ...reply, headers }),
    },
  }),
  "a lying Range": (random) => ({ ...STATUSES, times: 2, action: lyingRange(random) }),
  "no status of uploads": () => ({ ...STATUSES, times: 5, action: { answer: refusal(405, "UNSUPPORTED", "no") } }),
  "an upload that is lost": (random) => ({
    ...random.pick([PATCHES, STATUSES, { method: "PUT", target: /\/blobs\/uploads\// }]),
    action: { answer: refusal(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry") },
  }),
  "416 for what is resumed": () => ({
    ...PATCHES,
    when: ({ headers }) => headers["content-range"] !== undefined,
    action: answered(416),
  }),
  "large chunks only": () => ({
    ...POSTS,
    times: 3,
    action: { change: (reply) => ({ ...reply, headers: { ...reply.headers, "oci-chunk-min-length": "5242880" } }) },
  }),
  "a proxy's 400": () => ({ ...PATCHES, action: answered(400, "<html>400 Bad Request</html>") }),
  "no PATCH": (random) => ({ ...PATCHES, times: 1 + random.below(4), action: answered(random.pick([405, 501])) }),
  "no bodies of unknown length": () => ({
    ...PATCHES,
    times: 5,
    when: ({ headers }) => headers["content-length"] === undefined,
    action: answered(411),
  }),
  "no HEAD": (random) => ({
    method: "HEAD",
    target: /\/(?:manifests|blobs)\//,
    times: 1 + random.below(6),
    action: answered(random.pick([405, 501])),
  }),
  "no mounts": (random) => ({
    method: "POST",
    target: /mount=/,
    times: 1 + random.below(4),
    action: answered(random.pick([401, 403, 404, 405, 500])),
  }),
  "a mount that did not happen": () => ({ method: "POST", target: /\/cache.*mount=/, action: answered(201) }),
  [VANISHING]: (_random, registry) => ({
    method: "HEAD",
    target: /\/v2\/(?:app|cache).*\/blobs\//,
    action: vanish(registry),
  }),
  [EXPIRY]: (random, registry) => ({
    ...somewhere(random),
    action: {
      around: (proceed) => {
        registry.auth?.expireTokens();
        return proceed();
      },
    },
  }),
  "a redirect to another host": () => ({
    ...PATCHES,
    // The redirect carries no token, so the target must not require one.
    when: ({ headers }) => headers.authorization === undefined,
    action: {
      around: async (_proceed, { url, headers }) => {
        const host = `localhost:${headers.host?.split(":")[1]}`;
        return { status: 307, headers: { location: `http://${host}${url.pathname}${url.search}` } };
      },
    },
  }),
};

/** A permanent fault: which part of the export it ends, with which code. */
export interface LastingFault {
  readonly name: string;
  readonly rule: Omit<FaultRule, "name">;
  /** `opening`: before anything is pushed, exit 1. `app`: exit 62. `cache`: a warning. */
  readonly ends: "opening" | "app" | "cache";
}

const LASTING_ANSWERS: Readonly<Record<string, Reply>> = {
  "401": refusal(401, "UNAUTHORIZED", "authentication required"),
  "403": refusal(403, "DENIED", "requested access to the resource is denied"),
  "404 NAME_UNKNOWN": refusal(404, "NAME_UNKNOWN", "repository name not known to registry"),
  "413": { status: 413, body: "<html>413 Request Entity Too Large</html>" },
  DIGEST_INVALID: refusal(400, "DIGEST_INVALID", "provided digest did not match uploaded content"),
  "500 for ever": { status: 500 },
  "503 for ever": refusal(503, "UNAVAILABLE", "storage is down"),
  "a long Retry-After": { status: 429, headers: { "retry-after": "86400" } },
};

export function lastingFault(random: SeededRandom): LastingFault {
  const ends = random.pick(["app", "app", "cache", "opening"] as const);
  const [what, answer] = random.pick(Object.entries(LASTING_ANSWERS));
  const times = Number.POSITIVE_INFINITY;
  const action = { answer };
  if (ends === "opening") {
    const target = /^\/v2\/run\/manifests\//;
    return { name: `lasting ${what} at opening`, ends, rule: { method: "GET", target, times, action } };
  }
  const [method, rest] = random.pick([
    ["POST", "blobs/uploads/"],
    ["PUT", "blobs/uploads/"],
    ["PUT", "manifests/"],
  ] as const);
  const target = new RegExp(`^/v2/${ends}[^/]*/${rest}`);
  return { name: `lasting ${what} for ${method}`, ends, rule: { method, target, times, action } };
}

export function passingFaults(random: SeededRandom, registryOf: () => FakeRegistry, count: number) {
  const names = Array.from({ length: count }, () => random.pick(Object.keys(PASSING)));
  const drawn = names.filter((name, i) => name !== EXPIRY || names.indexOf(name) === i);
  return drawn.map((name) => {
    const registry = registryOf();
    const rule: FaultRule = { name, ...(PASSING[name] as Draw)(random, registry) };
    return { registry, rule };
  });
}
