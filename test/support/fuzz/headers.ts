import { resolveLocation } from "../../../src/auth/ping.ts";
import { parseChallenges } from "../../../src/http/challenge.ts";
import { retryAfterMs } from "../../../src/http/faults.ts";
import { isPrivateAddress } from "../../../src/http/redirects.ts";
import { concatenation, mutated } from "./mutations.ts";
import { type FuzzTarget, violated } from "./target.ts";

const CHALLENGES = [
  'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:samalba/my-app:pull,push"',
  'Basic realm="Registry Realm", charset="UTF-8"',
  'Negotiate YII=, Bearer realm=https://a/b, Basic realm="x\\"y"',
];
const CHALLENGE_PIECES = [
  ...["Bearer ", "Basic ", "realm=", '"', "\\", ",", " ", "\t", "=", "==", '\\"', "__proto__=x", "constructor=y", ";"],
  ...["service=", "scope=", "é", "\0", "a", "~", "/", "toString="],
];

export const challenges: FuzzTarget<string> = {
  name: "challenges",
  generate: (random) => mutated(random, random.pick(CHALLENGES), CHALLENGE_PIECES),
  check(text) {
    const parsed = parseChallenges([text, text]);
    for (const { scheme, parameters } of parsed) {
      if (/[\s,="]/.test(scheme)) violated("no scheme", text, scheme);
      for (const value of Object.values(parameters))
        if (typeof value !== "string") violated("no text", text, parameters);
    }
    return parsed;
  },
};

const NOW_MS = Date.UTC(2026, 0, 1);
const WAITS = ["120", "0", "Wed, 21 Oct 2026 07:28:00 GMT", "Wednesday, 21-Oct-26 07:28:00 GMT"];
const WAIT_PIECES = [
  "9".repeat(20),
  "-",
  "+",
  ".",
  "e9",
  " ",
  "GMT",
  "Infinity",
  "NaN",
  "0x10",
  "\t",
  "Oct",
  "99999",
  ":",
];

/** Retry-After: a finite wait, or nothing. */
export const waits: FuzzTarget<string> = {
  name: "retry-after",
  generate: (random) => mutated(random, random.pick(WAITS), WAIT_PIECES),
  check(text) {
    const wait = retryAfterMs(text, NOW_MS);
    if (wait !== undefined && !(Number.isFinite(wait) && wait >= 0)) violated("no time to wait", text, wait);
    return wait;
  },
};

const LOCATIONS = [
  "/v2/app/blobs/uploads/1?_state=x",
  "https://registry.example/v2/",
  "http://10.0.0.1/x",
  "?a=b",
  "//h/x",
];
const LOCATION_PIECES = [
  ...[
    "http:",
    "https:",
    "ftp:",
    "javascript:",
    "file:///",
    "//",
    "/",
    "\\",
    "?",
    "#",
    "@",
    "user:pass@",
    "[::1]",
    "%00",
  ],
  ...["127.0.0.1", "0x7f.1", "::ffff:10.0.0.1", ":99999", ":", " ", "\n", "\t", "é", "..", "[", "registry.example"],
];

/** Location: an HTTP URL that can be checked, or nothing. */
export const locations: FuzzTarget<string> = {
  name: "locations",
  generate: (random) =>
    random.below(3) === 0
      ? concatenation(random, LOCATION_PIECES)
      : mutated(random, random.pick(LOCATIONS), LOCATION_PIECES),
  check(text) {
    const url = resolveLocation(text, new URL("https://registry.example/v2/x"), "registry.example", "https:");
    if (url === undefined) return undefined;
    if (!/^https?:$/.test(url.protocol)) violated("a URL of another protocol", text, url.href);
    if (url.host === "registry.example" && url.protocol !== "https:") violated("TLS is lost", text, url.href);
    return { url: url.href, isPrivate: isPrivateAddress(url) };
  },
};
