import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { verifyImage } from "../../support/images/verify-image.ts";
import { EXPORTER, startProgram } from "../../support/process/exporter.ts";
import { FakeRegistry } from "../../support/registry/registry.ts";
import { Scene } from "../../support/scenes/scene.ts";

/** Clears the screen, sets a title (7-bit and 8-bit), reverses text, and breaks a line. */
const EVIL = "a\u001b[2J\u001b]0;title\u0007\u009b31m\u202eb\nERROR: c\r";
const SHOWN = "a\\x1b[2J\\x1b]0;title\\x07\\u009b31m\\u202eb\\nERROR: c\\r";

// biome-ignore lint/suspicious/noControlCharactersInRegex: the test looks for them
const ACTING = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/;

async function open() {
  const registry = await FakeRegistry.start();
  return { registry, scene: await Scene.openSmall(registry) };
}

test("the label has layers whose names are not UTF-8 as the reference writes them, and the log has U+FFFD", async () => {
  const { registry, scene } = await open();
  const layers = join(scene.output.layersDir, "samples_java");
  const write = (name: string, types: string): void => {
    mkdirSync(Buffer.from(join(layers, name), "latin1"));
    writeFileSync(Buffer.from(join(layers, `${name}.toml`), "latin1"), `[metadata]\nname = "${name.length}"\n${types}`);
  };
  write("a\xff", "[types]\nlaunch = true\n");
  write("a\xfe\xfe", "[types]\nlaunch = true\n");
  const { exitCode, stdout } = await scene.export({ flags: ["-no-color"] });
  expect(exitCode).toBe(0);
  expect(stdout).toContain("Adding layer 'samples/java:a\ufffd'\n");
  expect(stdout).toContain("Adding layer 'samples/java:a\ufffd\ufffd'\n");
  const { labels } = await verifyImage(`${registry.host}/app:latest`);
  // By their bytes, the one of FE comes first.
  expect(labels["io.buildpacks.lifecycle.metadata"]).toMatch(
    /"a\\ufffd\\ufffd":\{[^}]*"name":"3"[^}]*\}[^}]*\},"a\\ufffd":\{[^}]*"name":"2"/,
  );
});

describe("what is not UTF-8 is refused in the words of Go's %q", () => {
  test.each([
    ["a number", '"-uid=$(printf "\\377")" app', /^invalid value "\\xff" for flag -uid: parse error\n/, 2],
    [
      "a boolean",
      '"-daemon=$(printf "\\303\\050")" app',
      /^invalid boolean value "\\xc3\(" for -daemon: parse error\n/,
      2,
    ],
    [
      "a path",
      '"-app=/$(printf "\\377\\376")" app',
      /^ERROR: invalid value "\/\\xff\\xfe" for -app: it is not UTF-8\n/,
      3,
    ],
    ["an image", 'app "$(printf "a\\377")"', /^ERROR: invalid value "a\\xff" for an image: it is not UTF-8\n/, 3],
  ])("in %s", async (_, args, message, code) => {
    const { ended } = startProgram("sh", ["-c", `"$0" -no-color ${args}`, EXPORTER], { CNB_PLATFORM_API: "0.13" });
    expect(await ended).toMatchObject({ exitCode: code, stderr: expect.stringMatching(message) });
  });

  test("in a variable", async () => {
    const script = 'CNB_APP_DIR="$(printf "/\\377\\357\\277\\275")" exec "$0" -no-color app';
    const { ended } = startProgram("sh", ["-c", script, EXPORTER], { CNB_PLATFORM_API: "0.13" });
    expect((await ended).stderr).toMatch(/^ERROR: invalid value "\/\\xff\ufffd" for -app: it is not UTF-8\n/);
  });

  test("but U+FFFD itself is UTF-8", async () => {
    const { ended } = startProgram(EXPORTER, ["-no-color", "-layers", "/\ufffd", "app"], { CNB_PLATFORM_API: "0.13" });
    expect((await ended).stderr).toContain("there is no /\ufffd/analyzed.toml");
  });
});

describe("terminal control characters are escaped", () => {
  const quiet = ["-no-color", "-log-level", "debug"];

  test("in the name of a layer, a process type or a label", async () => {
    const { scene } = await open();
    const { layersDir } = scene.output;
    const layers = join(layersDir, "samples_java");
    renameSync(join(layers, "jdk"), join(layers, EVIL));
    renameSync(join(layers, "jdk.toml"), join(layers, `${EVIL}.toml`));
    const quoted = JSON.stringify(EVIL);
    // Process types may not contain colons.
    const type = JSON.stringify(EVIL.replaceAll(":", ""));
    writeFileSync(
      join(layersDir, "config", "metadata.toml"),
      `buildpack-default-process-type = ${type}\n[[buildpacks]]\nid = "samples/java"\nversion = "1"\n` +
        `[[processes]]\ntype = ${type}\ncommand = ["x"]\n[[labels]]\nkey = ${quoted}\nvalue = "v"\n`,
    );
    const { exitCode, stdout, stderr } = await scene.export({ flags: quiet });
    expect(exitCode).toBe(0);
    expect(stderr).toBe("");
    expect(stdout).not.toMatch(ACTING);
    expect(stdout).toContain(`Adding layer 'samples/java:${SHOWN}'\n`);
    expect(stdout).toContain(`Adding cache layer 'samples/java:${SHOWN}'\n`);
    expect(stdout).toContain(`Setting default process type '${SHOWN.replaceAll(":", "")}'\n`);
    expect(stdout).toContain(`Adding label '${SHOWN}'\n`);
    expect(stdout).not.toMatch(/^ERROR: c/m);
  });

  test("in the name of a file that cannot be read", async () => {
    const { scene } = await open();
    const path = join(scene.output.appDir, EVIL);
    mkdirSync(path);
    writeFileSync(join(scene.output.layersDir, "samples_java", `${EVIL}.toml`), "[types\n");
    const { exitCode, stdout, stderr } = await scene.export({ flags: quiet });
    expect(exitCode).toBe(62);
    expect(stdout + stderr).not.toMatch(ACTING);
    expect(stderr).toContain(`failed to parse metadata for layers '[samples/java:${SHOWN}]'`);
    expect(stderr.match(/^ERROR: /gm)).toHaveLength(1);
  });

  test("in a flag that an error's advice repeats", async () => {
    const { scene } = await open();
    for (const flags of [
      ["-analyzed", `/${EVIL}`],
      ["-log-level", EVIL],
    ]) {
      const { exitCode, stderr } = await scene.export({ flags: ["-no-color", ...flags] });
      expect(exitCode).not.toBe(0);
      expect(stderr).not.toMatch(ACTING);
      expect(stderr.match(/^ERROR: /gm)).toHaveLength(1);
    }
  });

  test("in a registry's response", async () => {
    const { registry, scene } = await open();
    const errors = [{ code: "DENIED", message: EVIL, detail: { [EVIL]: EVIL } }];
    registry.faults.add({
      method: "PUT",
      target: /\/app\/manifests\//,
      times: Number.POSITIVE_INFINITY,
      action: { answer: { status: 403, headers: {}, body: Buffer.from(JSON.stringify({ errors })) } },
    });
    const { exitCode, stdout, stderr } = await scene.export({ flags: [...quiet, "-retry-budget", "0"] });
    expect(exitCode).toBe(62);
    expect(stdout + stderr).not.toMatch(ACTING);
    expect(stderr).toContain(`DENIED: ${SHOWN}; map[${SHOWN}:${SHOWN}]`);
    expect(stderr.match(/^ERROR: /gm)).toHaveLength(1);
  });
});
