import type { KnipConfig } from "knip";

/**
 * Files, exports and dependencies that nothing uses. With --production, what only tests use: entries and files of the
 * project that end in "!" are all that counts then, and exports for unit tests of what a file uses itself are none of
 * it.
 */
const config: KnipConfig = ({ production = false }) => ({
  workspaces: {
    ".": {
      entry: [
        "src/index.ts!",
        "src/{cli/main,executable/{binary,built}}.ts!",
        "src/observe/timeline/page/main.ts!",
        "workers/{compressor,digester,embedded,uploader}.ts!",
        "scripts/{acceptance,audit,build,build-encoder,build-parts,check,compile-modules}.ts!",
        "scripts/{binary/build-binary,docs/build-docs,lifecycle/build-lifecycle}.ts!",
        "test/{demo,fuzz}/*.ts",
        "test/bench/{bench,deflate,network/{link-proxy,sink-registry},profile/{profile,profile-threads},worker-curve/busy-neighbor}.ts",
        "test/conformance/{stage-program,generate/record}.ts",
        "test/support/{deflate/encode-worker,files/directory-contender,files/directory-owner,files/odd-file-system-program,process/kill-at-step}.ts",
      ],
      project: [
        "{src,workers}/**/*.ts!",
        "scripts/**/*.ts!",
        "test/**/*.ts",
        // AssemblyScript, which only looks like TypeScript.
        "!workers/deflate/assembly/**",
      ],
      // Programs that scripts start by their path.
      ignoreDependencies: ["assemblyscript", "oxlint", "oxlint-tsgolint"],
    },
    "tools/runtime": {},
    // Its tools are programs that scripts start.
    "tools/typescript-6": { ignoreDependencies: [/./] },
  },
  // Programs of the machine that tests use.
  exclude: ["binaries"],
  ignoreExportsUsedInFile: production,
});

export default config;
