import childProcess, { spawnSync } from "node:child_process";
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { inspect } from "node:util";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { askCredentialHelper } from "../../../src/auth/credential-helper.ts";
import { Credentials } from "../../../src/auth/credentials.ts";
import { resolveKeychain } from "../../../src/auth/keychain.ts";
import { withoutSecrets } from "../../../src/errors/secrets.ts";
import { applyBuiltinMocks } from "../../support/builtin-mocks.ts";
import { ScriptedServer } from "../../support/network/scripted-server.ts";
import { WAIT } from "../../support/runner/time-limits.ts";
import { rejectionOf, thrownBy } from "../../support/thrown-by.ts";

const basic = (pair: string) => Buffer.from(pair).toString("base64");

let home: string;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "keychain-"));
});

afterEach(() => rm(home, { recursive: true }));

async function put(path: string, content: unknown): Promise<void> {
  await mkdir(dirname(join(home, path)), { recursive: true });
  await writeFile(join(home, path), typeof content === "string" ? content : JSON.stringify(content));
}

async function authorizationFor(registry: string, environment: Record<string, string> = {}) {
  const keychain = await resolveKeychain(environment, home, [registry]);
  return keychain.credentialsFor(registry).authorization;
}

describe("CNB_REGISTRY_AUTH", () => {
  const from = (value: object) => resolveKeychain({ CNB_REGISTRY_AUTH: JSON.stringify(value) }, home, []);

  test.each([
    ["gcr.io", "gcr.io"],
    ["https://gcr.io/v2/", "gcr.io"],
    ["http://localhost:5000", "localhost:5000"],
    ["https://index.docker.io/v1/", "index.docker.io"],
  ])("the key %s is for %s", async (key, registry) => {
    const keychain = await from({ [key]: "Basic YTpi" });
    expect(keychain.credentialsFor(registry).authorization).toBe("Basic YTpi");
    expect(keychain.credentialsFor("other.example").isAnonymous).toBe(true);
  });

  test("docker.io is not index.docker.io", async () => {
    expect((await from({ "docker.io": "Basic YTpi" })).credentialsFor("index.docker.io").isAnonymous).toBe(true);
  });

  test("accepts three kinds of headers, ignoring case", async () => {
    const keychain = await from({ a: "bAsIc YTpi", b: "bearer tok", c: "x-identity ref" });
    expect(keychain.credentialsFor("a").authorization).toBe("Basic YTpi");
    expect(keychain.credentialsFor("b").registryToken).toBe("tok");
    expect(keychain.credentialsFor("c").identityToken).toBe("ref");
  });

  test("rejects an unknown kind at use, whose value is secret, too", async () => {
    const keychain = await from({ a: "Digest value-of-a-digest" });
    expect(withoutSecrets("value-of-a-digest")).toBe("[redacted]");
    const error = thrownBy(() => keychain.credentialsFor("a"));
    expect(error).toMatchObject({ message: "parsing auth header: unknown auth type from header" });
  });

  test.each([
    '{"a":"Basic s3cret"',
    "s3cret",
    '["s3cret"]',
    '{"a":{"s3cret":1}}',
    '{"https://jane:s3cret@a.example":1}',
    '{"jane:s3cret@a.example":1}',
  ])("rejects %s without quoting it", async (value) => {
    const error = await rejectionOf(resolveKeychain({ CNB_REGISTRY_AUTH: value }, home, []));
    expect(error).toMatchObject({
      exitCode: 1,
      message: expect.stringMatching(
        /^failed to resolve keychain: reading auth env var: failed to parse CNB_REGISTRY_AUTH value: /,
      ),
    });
    expect(inspect(error)).not.toContain("s3cret");
  });

  test("comes before docker's config", async () => {
    await put(".docker/config.json", { auths: { a: { auth: basic("file:x") } } });
    expect(await authorizationFor("a", { CNB_REGISTRY_AUTH: '{"a":"Basic ZW52"}' })).toBe("Basic ZW52");
  });
});

describe("docker's config", () => {
  test("decodes auth, finds Docker Hub by its URL key, and other URL keys by their host", async () => {
    await put(".docker/config.json", {
      auths: {
        "reg.example:5000": { auth: basic("jane:pa:ss") },
        "https://index.docker.io/v1/": { auth: basic("hub:x\0\0") },
        "https://old.example/v2/": { username: "u", password: "p" },
        "id.example": { identitytoken: "ref" },
        "bad.example": { auth: "bm9jb2xvbg==" },
      },
    });
    expect(await authorizationFor("reg.example:5000")).toBe(`Basic ${basic("jane:pa:ss")}`);
    expect(await authorizationFor("index.docker.io")).toBe(`Basic ${basic("hub:x")}`);
    expect(await authorizationFor("old.example")).toBe(`Basic ${basic("u:p")}`);
    expect(await authorizationFor("other.example")).toBeUndefined();
    expect((await resolveKeychain({}, home, ["id.example"])).credentialsFor("id.example").identityToken).toBe("ref");
    const ignored: unknown[] = [];
    await resolveKeychain({}, home, ["bad.example"], (error) => ignored.push(error));
    const entry = `${join(home, ".docker/config.json")}: auths["bad.example"]`;
    expect(ignored).toMatchObject([{ message: `${entry}: expected base64 of user:password at auth` }]);
  });

  test("sends the bytes of an auth that is not UTF-8", async () => {
    const auth = Buffer.from("j\xfcrgen:pa\xdfwort\0", "latin1").toString("base64");
    await put(".docker/config.json", { auths: { r: { auth } } });
    const sent = await authorizationFor("r");
    expect(sent).toBe(`Basic ${Buffer.from("j\xfcrgen:pa\xdfwort", "latin1").toString("base64")}`);
  });

  test("sends nothing for an auth without a password", async () => {
    await put(".docker/config.json", { auths: { r: { auth: basic("jane:") } } });
    expect(await authorizationFor("r")).toBeUndefined();
  });

  test.each([
    "http://reg.example:5000",
    "HTTPS://reg.example:5000/v1/",
    "oci://reg.example:5000/team",
    "https://jane@reg.example:5000/v2/?a=b",
    "https://reg.example:5000?a=b",
    "reg.example:5000/team/app",
  ])("the key %s is for its host and port", async (key) => {
    await put(".docker/config.json", { auths: { [key]: { auth: basic("u:p") } } });
    expect(await authorizationFor("reg.example:5000")).toBe(`Basic ${basic("u:p")}`);
    expect(await authorizationFor("reg.example")).toBeUndefined();
  });

  test("only registries resolved at the start have credentials later", async () => {
    await put(".docker/config.json", { auths: { a: { auth: basic("a:a") }, b: { auth: basic("b:b") } } });
    const keychain = await resolveKeychain({}, home, ["a"]);
    expect(keychain.credentialsFor("b").isAnonymous).toBe(true);
  });

  test.each<[string, object | string, string | undefined, readonly string[]]>([
    ["an entry that is null is empty", { auths: { "a.example": null, r: { auth: basic("u:x") } } }, "u:x", []],
    [
      "an entry of another type is left out, and told",
      { auths: { "a.example": ["s3cret"], r: { auth: basic("u:x") } } },
      "u:x",
      ['auths["a.example"]: expected object, got array'],
    ],
    [
      "a member of another type takes its entry with it",
      { auths: { "a.example": { auth: 7 }, r: { auth: basic("u:x") } } },
      "u:x",
      ['auths["a.example"]: expected string, got number at auth'],
    ],
    [
      "the login in an entry's URL is not told",
      { auths: { "https://jane:s3cret@a.example/v1/": 7, r: { auth: basic("u:x") } } },
      "u:x",
      ['auths["https://[redacted]@a.example/v1/"]: expected object, got number'],
    ],
    [
      "helpers of another type do not take the entries with them",
      { credsStore: 1, credHelpers: { x: ["s3cret"] }, auths: { r: { auth: basic("u:x") } } },
      "u:x",
      ["credsStore: expected string, got number", 'credHelpers["x"]: expected string, got array'],
    ],
    ["auths of another type are told", { auths: ["s3cret"] }, undefined, ["auths: expected object, got array"]],
    ["names in any case", { AUTHS: { r: { UserName: "u", PASSWORD: "x" } } }, "u:x", []],
    ["text behind the object is ignored", `{"auths":{"r":{"auth":"${basic("u:x")}"}}} s3cret`, "u:x", []],
    ["an empty file has no entries", "", undefined, []],
  ])("%s", async (_name, config, pair, told) => {
    await put(".docker/config.json", config);
    const ignored: unknown[] = [];
    const keychain = await resolveKeychain({}, home, ["r"], (error) => ignored.push(error));
    expect(keychain.credentialsFor("r").authorization).toBe(pair && `Basic ${basic(pair)}`);
    const file = join(home, ".docker/config.json");
    expect(ignored.map(String)).toEqual(told.map((problem) => `Fault: ${file}: ${problem}`));
    expect(inspect(ignored)).not.toContain("s3cret");
  });

  const entry = (name: string) => ({ auths: { r: { auth: basic(`${name}:x`) } } });

  test.each<[string, Record<string, object>, Record<string, string>, string | undefined]>([
    ["at home", { ".docker/config.json": entry("home") }, {}, "home"],
    [
      "DOCKER_CONFIG",
      { "dc/config.json": entry("dc"), ".docker/config.json": entry("home") },
      { DOCKER_CONFIG: "dc" },
      "dc",
    ],
    ["DOCKER_CONFIG that is empty", { ".docker/config.json": entry("home") }, { DOCKER_CONFIG: "dc" }, undefined],
    ["REGISTRY_AUTH_FILE", { auth: entry("file") }, { REGISTRY_AUTH_FILE: "auth" }, "file"],
    ["podman's, at run time", { "run/containers/auth.json": entry("run") }, { XDG_RUNTIME_DIR: "run" }, "run"],
    ["podman's, configured", { "cfg/containers/auth.json": entry("cfg") }, { XDG_CONFIG_HOME: "cfg" }, "cfg"],
    ["podman's, at home", { ".config/containers/auth.json": entry("c") }, { XDG_RUNTIME_DIR: "run" }, "c"],
    ["none", {}, {}, undefined],
  ])("%s", async (_name, files, variables, user) => {
    for (const [path, content] of Object.entries(files)) await put(path, content);
    const environment = Object.fromEntries(Object.entries(variables).map(([name, path]) => [name, join(home, path)]));
    expect(await authorizationFor("r", environment)).toBe(
      user === undefined ? undefined : `Basic ${basic(`${user}:x`)}`,
    );
  });

  test("an unreadable config counts as absent, and its contents stay secret", async () => {
    await put(".docker/config.json", '{"auths": s3cret');
    const ignored: unknown[] = [];
    const keychain = await resolveKeychain({}, home, ["a"], (error) => ignored.push(error));
    expect(keychain.credentialsFor("a").isAnonymous).toBe(true);
    expect(String(ignored[0])).toContain("not a docker config");
    expect(inspect(ignored)).not.toContain("s3cret");
  });
});

describe("DOCKER_AUTH_CONFIG", () => {
  const variable = (auths: object) => ({ DOCKER_AUTH_CONFIG: JSON.stringify({ auths }) });
  const file = () => put(".docker/config.json", { auths: { "reg.example": { auth: basic("file:x") } } });

  test("comes before the file, for exactly its keys, with or without a file", async () => {
    const environment = variable({
      "reg.example": { auth: basic("env:x") },
      "https://url.example/": { auth: basic("u:x") },
    });
    expect(await authorizationFor("reg.example", environment)).toBe(`Basic ${basic("env:x")}`);
    expect(await authorizationFor("url.example", environment)).toBeUndefined();
    await file();
    expect(await authorizationFor("reg.example", environment)).toBe(`Basic ${basic("env:x")}`);
    expect(await authorizationFor("reg.example", variable({ other: { auth: basic("o:x") } }))).toBe(
      `Basic ${basic("file:x")}`,
    );
  });

  test.each(['{"auths":{"reg.example":{"auth":""}}}', "{s3cret", '{"auths":{"reg.example":{"auth":"bm9jb2xvbg=="}}}'])(
    "is ignored and stays secret if it is %s",
    async (value) => {
      await file();
      const ignored: unknown[] = [];
      const found = await resolveKeychain({ DOCKER_AUTH_CONFIG: value }, home, ["reg.example"], (error) =>
        ignored.push(error),
      );
      expect(found.credentialsFor("reg.example").authorization).toBe(`Basic ${basic("file:x")}`);
      expect(ignored).toHaveLength(1);
      expect(inspect(ignored)).not.toContain("s3cret");
    },
  );
});

describe.each(["DOCKER_CONFIG", "REGISTRY_AUTH_FILE"])("the file of %s", (variable) => {
  const path = () => join(home, "config.json");
  const environment = () => ({ [variable]: variable === "DOCKER_CONFIG" ? home : path() });

  async function ignoredReasons(): Promise<unknown[]> {
    const ignored: unknown[] = [];
    await resolveKeychain(environment(), home, ["r"], (error) => ignored.push(error));
    return ignored;
  }

  test("is not waited for if it is a FIFO", async () => {
    spawnSync("mkfifo", [path()]);
    const message = `open ${path()}: it is a FIFO, not a regular file`;
    expect(await ignoredReasons()).toMatchObject([{ code: "EXPORT_AUTH_CONFIG", message }]);
  });

  test("is named if it is a directory", async () => {
    await mkdir(path());
    const message = `open ${path()}: is a directory`;
    expect(await ignoredReasons()).toMatchObject([{ code: "EXPORT_AUTH_CONFIG", message }]);
  });
});

test("names of Object.prototype members are not registries", async () => {
  await put(".docker/config.json", { auths: {}, credHelpers: {} });
  expect(await authorizationFor("constructor")).toBeUndefined();
});

describe("a helper program", () => {
  /** Keeps running, with the output open, until the test ends. */
  const ENDLESS = 'wait() { while [ -e "$0" ]; do sleep 0.05; done; }\nwait & wait';

  async function helper(name: string, script: string): Promise<Record<string, string>> {
    await put(`bin/docker-credential-${name}`, `#!/bin/sh\n${script}\n`);
    await chmod(join(home, `bin/docker-credential-${name}`), 0o755);
    return { PATH: `${join(home, "bin")}:/bin:/usr/bin` };
  }

  test("reads the key from stdin and answers with JSON", async () => {
    const environment = await helper("one", `read key; echo "{\\"Username\\":\\"$1\\",\\"Secret\\":\\"for $key\\"}"`);
    await put(".docker/config.json", { credsStore: "none", credHelpers: { "reg.example": "one" } });
    expect(await authorizationFor("reg.example", environment)).toBe(`Basic ${basic("get:for reg.example")}`);
  });

  test("is not called for a registry whose own helper is empty", async () => {
    const environment = await helper("all", `echo '{"Username":"helper","Secret":"x"}'`);
    await put(".docker/config.json", {
      credsStore: "all",
      credHelpers: { "own.example": "" },
      auths: { "own.example": { auth: basic("file:x") } },
    });
    expect(await authorizationFor("own.example", environment)).toBe(`Basic ${basic("file:x")}`);
    expect(await authorizationFor("other.example", environment)).toBe(`Basic ${basic("helper:x")}`);
  });

  test("is called again to renew credentials", async () => {
    const environment = await helper(
      "count",
      `echo x >> "$0.calls"; echo "{\\"Username\\":\\"u\\",\\"Secret\\":\\"$(wc -l < "$0.calls")\\"}"`,
    );
    await put(".docker/config.json", { credsStore: "count" });
    const credentials = (await resolveKeychain(environment, home, ["r"])).credentialsFor("r");
    expect(credentials.authorization).toBe(`Basic ${basic("u:1")}`);
    const [one, two] = await Promise.all([credentials.renewed(), credentials.renewed()]);
    expect([one?.authorization, two?.authorization]).toEqual(Array(2).fill(`Basic ${basic("u:2")}`));
  });

  test("is killed when it hangs, even if its children live on", async () => {
    const environment = await helper("slow", ENDLESS);
    const error = await rejectionOf(askCredentialHelper("slow", "r", environment, undefined, 50));
    expect(String(error)).toContain("error getting credentials - docker-credential-slow: no answer within 0.05 s");
  });

  test("is killed by an abort when it hangs", async () => {
    const environment = await helper("slow", `echo $$ > "$0.pid"\n${ENDLESS}`);
    await put(".docker/config.json", { credsStore: "slow" });
    const stop = new AbortController();
    const rejected = rejectionOf(resolveKeychain(environment, home, ["r"], () => undefined, stop.signal));
    const pid = async () => Number(await readFile(join(home, "bin/docker-credential-slow.pid"), "utf8"));
    await vi.waitFor(async () => expect(await pid()).toBeGreaterThan(0), WAIT);
    stop.abort(new Error("stopped"));
    expect(await rejected).toMatchObject({ message: "stopped" });
    const killed = await pid();
    await vi.waitFor(() => expect(() => process.kill(killed, 0)).toThrow("ESRCH"), WAIT);
  });

  test("that the system cannot start for lack of processes does not count as one without credentials", async () => {
    const environment = await helper("one", "exit 0");
    await put(".docker/config.json", { credsStore: "one" });
    vi.spyOn(childProcess, "spawn").mockImplementationOnce(() => {
      throw Object.assign(new Error("spawn EAGAIN"), { code: "EAGAIN", errno: -11, syscall: "spawn" });
    });
    applyBuiltinMocks();
    const ignored = vi.fn();
    const error = await rejectionOf(resolveKeychain(environment, home, ["r"], ignored));
    expect(String(error)).toContain("error getting credentials - docker-credential-one: fork/exec");
    expect(ignored).not.toHaveBeenCalled();
  });

  test("gets the URL key for Docker Hub", async () => {
    const environment = await helper("hub", `read key; echo "{\\"Username\\":\\"u\\",\\"Secret\\":\\"for $key\\"}"`);
    await put(".docker/config.json", { credsStore: "hub" });
    expect(await authorizationFor("index.docker.io", environment)).toBe(
      `Basic ${basic("u:for https://index.docker.io/v1/")}`,
    );
  });

  test.each(["credSstore", "CREDSSTORE", "cred\u017fStore"])("is called when the config names it %s", async (name) => {
    const environment = await helper("odd", `echo '{"USERNAME":"u","secret":"x","ServerURL":null} and more'`);
    await put(".docker/config.json", { [name]: "odd" });
    expect(await authorizationFor("r", environment)).toBe(`Basic ${basic("u:x")}`);
  });

  test("may return an identity token", async () => {
    const environment = await helper("id", `echo '{"Username":"<token>","Secret":"ref"}'`);
    await put(".docker/config.json", { credsStore: "id" });
    const keychain = await resolveKeychain(environment, home, ["r"]);
    expect(keychain.credentialsFor("r").identityToken).toBe("ref");
  });

  test.each([
    ["is missing", "", /executable file not found in \$PATH$/],
    ["fails", "echo s3cret; exit 3", /exit status 3$/],
    ["lacks a program", "exec no-such-program", /exit status 127: a program that it needs is not found$/],
    ["answers nonsense", "echo s3cret", /cannot be read: not JSON: [^:]+$/],
    ["answers something else", `echo '{"secret":"s3cret"}'`, /lacks Username or Secret$/],
  ])("that %s counts as no credentials", async (_name, script, reason) => {
    const environment = script === "" ? { PATH: home } : await helper("bad", script);
    await put(".docker/config.json", { credsStore: "bad" });
    const ignored: unknown[] = [];
    const keychain = await resolveKeychain(environment, home, ["r"], (error) => ignored.push(error));
    expect(keychain.credentialsFor("r").isAnonymous).toBe(true);
    expect(ignored).toMatchObject([{ message: expect.stringMatching(reason) }]);
    expect(inspect(ignored)).not.toContain("s3cret");
  });

  test.each([
    [
      "without its interpreter",
      "#! /no/such/sh -e\n",
      0o755,
      /\/docker-credential-it needs \/no\/such\/sh, which is missing/,
    ],
    ["cut off", "\x7fELF", 0o755, /exit status 127|exec format error/],
    ["that may not be executed", "#!/bin/sh\n", 0o644, /executable file not found in \$PATH$/],
  ])("%s is named with the reason", async (_, content, mode, reason) => {
    await put("bin/docker-credential-it", content);
    await chmod(join(home, "bin/docker-credential-it"), mode);
    const error = await rejectionOf(askCredentialHelper("it", "r", { PATH: `${home}/bin` }));
    expect(error).toMatchObject({ code: "EXPORT_AUTH_HELPER", message: expect.stringMatching(reason) });
  });

  test("is not looked for in the working directory", async () => {
    const environment = await helper("near", `echo '{"Username":"u","Secret":"x"}'`);
    const PATH = `:.:${relative(process.cwd(), join(home, "bin"))}`;
    const error = await rejectionOf(askCredentialHelper("near", "r", { ...environment, PATH }));
    expect(String(error)).toMatch(/executable file not found in \$PATH$/);
  });

  test("without credentials is not an error", async () => {
    const environment = await helper("empty", "echo credentials not found in native keychain; exit 1");
    await put(".docker/config.json", { credsStore: "empty" });
    const ignored: unknown[] = [];
    await resolveKeychain(environment, home, ["r"], (error) => ignored.push(error));
    expect(ignored).toEqual([]);
  });
});

test("credentials do not show in dumps", async () => {
  const keychain = await resolveKeychain({ CNB_REGISTRY_AUTH: '{"a":"Bearer s3cret"}' }, home, []);
  const credentials = keychain.credentialsFor("a");
  expect(`${inspect(keychain, { depth: 9 })}${inspect(credentials)}${JSON.stringify(credentials)}`).not.toContain(
    "s3cret",
  );
});

test.each([
  [{ auth: basic("jane:the-password-in-an-auth") }, "the-password-in-an-auth", basic("jane:the-password-in-an-auth")],
  [{ username: "jane", password: "the-password" }, "the-password", basic("jane:the-password")],
  [{ identityToken: "the-identity-token" }, "the-identity-token"],
  [{ registryToken: "the-registry-token" }, "the-registry-token"],
])("what a registry got with the credentials %j is not shown if it repeats it", (fields, ...sent) => {
  const credentials = new Credentials(fields);
  expect(credentials.isAnonymous).toBe(false);
  for (const secret of sent) expect(withoutSecrets(`you sent ${secret}`)).toBe("you sent [redacted]");
});

test("a cloud's registry has its cloud's credentials, after docker's config", async () => {
  await using machine = await ScriptedServer.start(() => ({ body: { access_token: "machine-token" } }));
  const environment = { GCE_METADATA_HOST: machine.host };
  expect(await authorizationFor("gcr.io", environment)).toBe(`Basic ${basic("oauth2accesstoken:machine-token")}`);
  await put(".docker/config.json", { auths: { "gcr.io": { auth: basic("file:x") } } });
  expect(await authorizationFor("gcr.io", environment)).toBe(`Basic ${basic("file:x")}`);
  expect(machine.requests).toHaveLength(1);
  // An unreadable config counts as none, so the machine is asked.
  await put(".docker/config.json", "{");
  expect(await authorizationFor("gcr.io", environment)).toBe(`Basic ${basic("oauth2accesstoken:machine-token")}`);
});
