import { expect, test } from "vitest";
import { SUPPORTED_PLATFORM_APIS } from "../../../src/cnb/api.ts";
import { phaseArguments, phaseEnvironment } from "../../../src/creator/phases.ts";
import { type CreateInputs, resolveCreate } from "../../../src/creator/settings.ts";
import { parseCommandLine } from "../../../src/inputs/parse.ts";
import { PHASES } from "../../support/creator/fake-build.ts";
import { RecordingLogger } from "../../support/output/recording-logger.ts";

async function inputsAt(api: string): Promise<CreateInputs> {
  const env = { CNB_PLATFORM_API: api };
  const args = ["-run-image", "reg.example/run", "-tag", "reg.example/tag", "reg.example/app"];
  const command = parseCommandLine("creator", args, env, { cores: 2, tempDir: "/tmp" });
  if (command.kind !== "run") throw new Error(JSON.stringify(command));
  return await resolveCreate(command, { env, cwd: "/" }, new RecordingLogger());
}

/** Names of the flags that each phase gets, as `<phase> -<name>`. */
async function flagsAt(api: string): Promise<readonly string[]> {
  const inputs = await inputsAt(api);
  return PHASES.flatMap((phase) =>
    phaseArguments(phase, inputs).flatMap((argument) => {
      const [, name] = /^-([a-z-]+)/.exec(argument) ?? [];
      return name === undefined ? [] : [`${phase} -${name}`];
    }),
  );
}

test("each phase gets a flag from the Platform API on in which the lifecycle's phase has it", async () => {
  const changes: Record<string, readonly string[]> = {};
  let before = await flagsAt("0.7");
  for (const api of SUPPORTED_PLATFORM_APIS) {
    const flags = await flagsAt(api);
    const added = flags.filter((flag) => !before.includes(flag)).map((flag) => `+ ${flag}`);
    const removed = before.filter((flag) => !flags.includes(flag)).map((flag) => `- ${flag}`);
    if (added.length + removed.length > 0) changes[api] = [...added, ...removed];
    before = flags;
  }
  expect(changes).toEqual({
    "0.10": ["+ detector -analyzed"],
    "0.11": ["+ detector -build-config", "+ builder -build-config"],
    "0.12": [
      ...["+ analyzer -layout", "+ analyzer -layout-dir", "+ analyzer -run", "+ detector -run", "+ restorer -daemon"],
      ...["+ restorer -layout", "+ restorer -layout-dir", "+ builder -analyzed", "- analyzer -stack"],
    ],
    "0.14": ["+ restorer -run"],
    "0.15": ["+ detector -system"],
  });
});

/** Those that a buildpack gets (lifecycle env/build.go), and others that programs of the build may need. */
const FOR_BUILDS = [
  ...["HOSTNAME", "HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy"],
  ...["PATH", "LD_LIBRARY_PATH", "LIBRARY_PATH", "CPATH", "PKG_CONFIG_PATH", "TMPDIR", "TZ", "CNB_STACK_ID"],
];
const SECRETS = ["CNB_REGISTRY_AUTH", "DOCKER_AUTH_CONFIG", "AWS_SECRET_ACCESS_KEY", "SSH_AUTH_SOCK", "ANYTHING"];

test.each(["detector", "builder"] as const)("the %s gets what buildpacks need of the environment", async (phase) => {
  const env = Object.fromEntries([...FOR_BUILDS, ...SECRETS].map((name) => [name, "given"]));
  const user = { uid: 1, gid: 2, environment: { HOME: "/home/cnb", USER: "cnb" } };
  const environment = phaseEnvironment(phase, await inputsAt("0.13"), user, env);
  const given = Object.keys(environment).filter((name) => environment[name] === "given");
  expect(given.sort()).toEqual([...FOR_BUILDS].sort());
  expect(environment).toMatchObject(user.environment);
});
