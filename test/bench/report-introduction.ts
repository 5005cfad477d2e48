import type { StoredResults } from "./stored-results.ts";

/** The head of BENCHMARKS.md: what was measured on what, and how to read it. */
export function introduction({ machine }: StoredResults): string {
  return `# Benchmarks

Written by \`npm run bench -- --write\`; do not edit. The figures are in [results.json](docs/benchmarks/results.json); a run
replaces those that it measures and keeps the rest, so each table says when and at which commit it was made.

${machine.map((fact) => `- ${fact}`).join("\n")}

To repeat a table: \`REFERENCE_EXPORTER=… npm run bench -- --scenario java --link 22 --runs 2 --write\`. Programs that are not
given or installed are left out.

Times are medians over the runs, the range in brackets, from the start of the process. Contenders run by turns, each run with
new, empty registries and a new temporary directory; after each run of an exporter the app images' diffIDs are compared.
\`reference\` is the lifecycle project's exporter with the same flags. Ratios are to it in the same mode, above 1 is better.

- *series* is without, *parallel* with \`-parallel\`.
- Layers are made of files of the machine, all of which are read before each run, so that nobody waits for the disk. MB are 10^6 bytes.
- *peak* is resident memory, *anonymous* the part of it that is no file's, *written* what was handed to disks, *sent* what went to both registries (on loopback: what they
  stored), *link alone* the time that the link with the most to carry needs for its bytes.
- Links are a proxy that lets bytes through at a rate and late. Where Linux and root allow, it and all others are in a network of
  their own, in which connections buffer little: else up to 32 MB would lie in the kernel before the "link", and nobody
  who sends could tell a slow link from a fast one until those are full.
- What a rebuild finds was exported by the same contender, unmeasured.
- Registries, links and exporter share the cores, so the registries' work is in the wall times, not in the CPU times.
- Peers make two images of the same directories and push them to the same registries, without what makes them images of Cloud
  Native Buildpacks: no labels, no metadata, no look at what is there, no reproducible tars. \`crane append\` gets tars that
  \`tar\` makes in the same time; \`buildctl\` talks to a new \`buildkitd\`, whose time and memory count, but not its start.
- Floors do only a part of the work: the pipelines read, tar and compress every file of the build once; \`skopeo copy\`
  uploads an app image that is compressed already.`;
}
