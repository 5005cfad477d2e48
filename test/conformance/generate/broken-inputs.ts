import type { CaseInput, FileInput } from "../recorded-case.ts";
import type { Draw } from "./draw.ts";

/** Makes something about the inputs of a case wrong. */
type Mutation = (draw: Draw, input: CaseInput) => CaseInput;

/** A case with one thing wrong about it, or with nothing if what should be wrong is not there. */
export function breakInputs(draw: Draw, input: CaseInput): CaseInput {
  return draw.weighted(MUTATIONS)(draw, input);
}

const DOCUMENTS =
  /\/group\.toml$|\/metadata\.toml$|\/analyzed\.toml$|\/project-metadata\.toml$|^run\.toml$|^stack\.toml$|^layers\/[^/]+\/[^/]+\.toml$/;

const MUTATIONS: readonly (readonly [number, Mutation])[] = [
  [3, withoutFile],
  [3, editDocument],
  [2, replaceDocument],
  [4, denyAccess],
  [5, (draw, input) => callWrongly(draw, input)],
  [1, (draw, input) => ({ ...input, platformApi: draw.pick(["0.6", "0.16", "v0.12", "1", "", "x", "0.012"]) })],
  [2, (draw, input) => editFile(input, "layers/group.toml", (text) => text.replace(/api = ".*"/, draw.pick(BAD_APIS)))],
  [
    2,
    (draw, input) =>
      addMetadata(input, `[[processes]]\ntype = "${draw.pick(["", "a/b", "a:b", "<", "|", "&"])}"\ncommand = "c"\n`),
  ],
  [
    2,
    (draw, input) =>
      addMetadata(input, `[[slices]]\npaths = ["${draw.pick(["[", "a[", "[]a]", "[a-", "\\\\", "[^]"])}"]\n`),
  ],
  [2, topLevelFlags],
];

const BAD_APIS = ['api = ""', 'api = "x"', 'api = "0.6"', 'api = "0.13"', 'api = "1.0"', ""];

function withoutFile(draw: Draw, input: CaseInput): CaseInput {
  const name = draw.pick([
    "launcher",
    "layers/group.toml",
    "layers/config/metadata.toml",
    "layers/analyzed.toml",
    "cache",
  ]);
  return { ...input, files: files(input).filter(({ path }) => path !== name) };
}

/** One character more, less or other than there was. */
function editDocument(draw: Draw, input: CaseInput): CaseInput {
  return editSome(draw, input, (text) => {
    const at = draw.between(0, text.length);
    const inserted = draw.pick([
      "",
      "=",
      "[",
      "]",
      '"',
      "'",
      "\n",
      "#",
      "{",
      ",",
      ".",
      "1",
      "\u0000",
      "\r",
      "é",
      "_",
      "\\",
    ]);
    return text.slice(0, at) + inserted + text.slice(at + draw.between(0, 1));
  });
}

function replaceDocument(draw: Draw, input: CaseInput): CaseInput {
  const texts = [
    "[[group]\n",
    "x = \n",
    "a = 1\na = 2\n",
    "group = 3\n",
    "processes = 'x'\n",
    "[types]\nlaunch = 1\n",
    "\ufeff",
  ];
  return editSome(draw, input, () =>
    draw.pick([...texts, "run-image = 3\n", "[source]\ntype = 1\n", "[[slices]]\npaths = 'x'\n"]),
  );
}

function denyAccess(draw: Draw, input: CaseInput): CaseInput {
  const all = files(input).filter(({ type }) => type === undefined || type === "file" || type === "dir");
  const chosen = draw.pick(all);
  return withFile(input, chosen, { ...chosen, uid: 0, gid: 0, mode: draw.pick(["0000", "0700", "0311"]) });
}

const WRONG_ARGS: readonly (readonly string[])[] = [
  ["-nosuch"],
  ["-uid", "x"],
  ["-log-level", "loud"],
  ["-run-image", "x"],
  ["-image", "x"],
  ["-process-type", "nosuch"],
  ["-cache-image", "Bad Name"],
  ["-cache-dir", "/nowhere/cache"],
  ["-launcher", "/tmp/tandem-case"],
  ["-group", "/nowhere/group.toml"],
  ["-layers", "/nowhere"],
  ["-app", "/nowhere"],
  ["-app", "/tmp/tandem-case/launcher"],
  ["-launch-cache", "/tmp/tandem-case/launch-cache"],
  ["-report", "/nowhere/report.toml"],
  ["-report", "/tmp/tandem-case/layers"],
  ["-launcher-sbom", "/nowhere"],
];

function callWrongly(draw: Draw, input: CaseInput): CaseInput {
  const args = input.args ?? [];
  return draw.weighted<() => CaseInput>([
    [6, () => ({ ...input, args: [...draw.pick(WRONG_ARGS), ...args] })],
    [1, () => ({ ...input, args: [...args, draw.pick(["Bad Name", "example.com/other", "-late", "a@b", "x:y:z"])] })],
    [1, () => ({ ...input, args: args.slice(0, -1) })],
  ])();
}

function topLevelFlags(draw: Draw, input: CaseInput): CaseInput {
  const names = files(input).filter(
    ({ path = "" }) => /^layers\/[^/]+\/[^/]+\.toml$/.test(path) && !path.startsWith("layers/config/"),
  );
  if (names.length === 0) return input;
  return editFile(
    input,
    draw.pick(names).path ?? "",
    (text) => `${draw.pick(["build", "launch", "cache"])} = true\n${text}`,
  );
}

/** Before everything, so that it belongs to no table above; its tables end the ones of the document. */
function addMetadata(input: CaseInput, text: string): CaseInput {
  return editFile(input, "layers/config/metadata.toml", (before) => before + text);
}

function editSome(draw: Draw, input: CaseInput, edit: (text: string) => string): CaseInput {
  const documents = files(input).filter(({ path = "" }) => DOCUMENTS.test(path));
  return editFile(input, draw.pick(documents).path ?? "", edit);
}

function editFile(input: CaseInput, path: string, edit: (text: string) => string): CaseInput {
  const file = files(input).find((candidate) => candidate.path === path);
  return file === undefined ? input : withFile(input, file, { ...file, content: edit(file.content ?? "") });
}

function withFile(input: CaseInput, file: FileInput, other: FileInput): CaseInput {
  return { ...input, files: files(input).map((candidate) => (candidate === file ? other : candidate)) };
}

function files(input: CaseInput): readonly FileInput[] {
  return input.files ?? [];
}
