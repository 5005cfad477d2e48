import { parseReference } from "../../../src/oci/reference.ts";
import { concatenation, mutated } from "./mutations.ts";
import { type FuzzTarget, outcomeOf, violated } from "./target.ts";

const SEEDS = [
  "busybox",
  "gcr.io/project/app:v1",
  "localhost:5000/a/b@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
  "registry.example.com/app:tag@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
  "[::1]:5000/app",
  "docker.io/library/ubuntu:24.04",
  "user:secret@host.example/app",
];
const PIECES = [
  ...[
    "/",
    ":",
    "@",
    ".",
    "..",
    "-",
    "_",
    "sha256:",
    "localhost",
    "%2f",
    "?",
    "#",
    "\\",
    " ",
    "\0",
    "\n",
    "é",
    "[",
    "]",
  ],
  ...["A", "a", "0", "latest", "http://", "::1", "//", "../", "&", "<", ">", '"', "|", "^", "`", "{", "user@"],
];

/** An accepted image reference must be usable as the address of a registry. */
export const references: FuzzTarget<string> = {
  name: "references",
  generate: (random) =>
    random.below(4) === 0 ? concatenation(random, PIECES) : mutated(random, random.pick(SEEDS), PIECES),
  check(text) {
    return outcomeOf(() => {
      const { name, registry, repository, identifier } = parseReference(text);
      const again = parseReference(name);
      if (again.name !== name) violated("the full name means something else", text, name, again.name);
      const url = URL.parse(`https://${registry}/v2/${repository.path}/manifests/${identifier}`);
      if (url !== null && (url.username !== "" || url.password !== "")) violated("a registry with a user", text);
      return { name, registry, repository: repository.path, identifier };
    });
  },
};
