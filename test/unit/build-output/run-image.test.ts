import { describe, expect, test, vi } from "vitest";
import { chooseRunImage, readRun, readStack } from "../../../src/build-output/run-images.ts";
import { tempTree } from "../../support/files/temp-tree.ts";
import { RecordingLogger } from "../../support/output/recording-logger.ts";
import { rejectionOf } from "../../support/thrown-by.ts";

const element = { id: "ext", version: "", api: "", homepage: "", optional: true, extension: true };
const BUILD = { bom: null, buildpacks: null, labels: [], processes: null, slices: [], defaultProcessType: "" };

describe("chooseRunImage", () => {
  const first = { image: "reg.example/one", mirrors: ["m.example/one:base"] };
  const second = { image: "run", mirrors: ["reg.example/two@sha256:junk"] };
  const never = () => Promise.reject(new Error("metadata.toml was not to be read"));

  test.each([
    ["the first of the list", "reg.example/one", first],
    ["with its default tag", "reg.example/one:latest", first],
    ["with a digest", `reg.example/one@sha256:${"a".repeat(64)}`, first],
    ["by a mirror", "m.example/one:base", first],
    ["with default registry and path", "index.docker.io/library/run:latest", second],
    ["by a mirror whose digest is dropped", "reg.example/two", second],
  ])("%s", async (_name, analyzed, expected) => {
    const again = { image: "reg.example/one:latest", mirrors: [] };
    expect(await chooseRunImage([first, second, again], analyzed, never)).toBe(expected);
  });

  test.each(["NOT A NAME", "run@x"])("the unparsable name %s is compared literally", async (name) => {
    const odd = ["NEITHER", "run@y", name].map((image) => ({ image, mirrors: [] }));
    expect(await chooseRunImage([first, ...odd], name, never)).toBe(odd.at(-1));
  });

  test("an empty list yields no names, whatever was analyzed", async () => {
    expect(await chooseRunImage([], "reg.example/one", never)).toEqual({ image: "", mirrors: [] });
  });

  test("an unlisted image with extensions stands alone", async () => {
    const read = vi.fn(async () => ({ ...BUILD, extensions: [element] }));
    const chosen = await chooseRunImage([first], "reg.example/other", read);
    expect(chosen).toEqual({ image: "reg.example/other", mirrors: [] });
    expect(read).toHaveBeenCalledOnce();
  });

  test.each([[null], [[]]])("an unlisted image with extensions %j yields the first of the list", async (extensions) => {
    expect(await chooseRunImage([first, second], "x", async () => ({ ...BUILD, extensions }))).toBe(first);
  });
});

test("run.toml is read; a missing one is an info line", async () => {
  const content = '[[images]]\nimage = "a"\nmirrors = ["b"]\n[[images]]\nimage = "c"';
  const logger = new RecordingLogger();
  expect(await readRun(`${tempTree({ "run.toml": content })}/run.toml`, logger)).toEqual([
    { image: "a", mirrors: ["b"] },
    { image: "c", mirrors: [] },
  ]);
  expect(await readRun("/nowhere/run.toml", logger)).toEqual([]);
  expect(logger.lines).toEqual(['info No run metadata found at path "/nowhere/run.toml"']);
  expect(await rejectionOf(readRun(`${tempTree({ "run.toml": "images = 1" })}/run.toml`, logger))).toMatchObject({
    message: expect.stringMatching(/^failed to read run file: /),
  });
});

test("stack.toml is read; a missing one is an info line", async () => {
  const logger = new RecordingLogger();
  const path = `${tempTree({ "stack.toml": '[run-image]\nimage = "a"\nmirrors = ["b"]' })}/stack.toml`;
  expect(await readStack(path, logger)).toEqual({ image: "a", mirrors: ["b"] });
  expect(await readStack(`${tempTree({ "stack.toml": "" })}/stack.toml`, logger)).toEqual({ image: "", mirrors: [] });
  expect(await readStack("/nowhere/stack.toml", logger)).toEqual({ image: "", mirrors: [] });
  expect(logger.lines).toEqual(['info No stack metadata found at path "/nowhere/stack.toml"']);
  expect(await rejectionOf(readStack(`${tempTree({ "stack.toml": "[" })}/stack.toml`, logger))).toMatchObject({
    message: expect.stringMatching(/^failed to read stack file: /),
  });
});
