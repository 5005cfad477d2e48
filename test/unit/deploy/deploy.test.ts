import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import { ROOT } from "../../../scripts/script.ts";
import { ALL_FLAGS } from "../../../src/inputs/flags.ts";

const read = (path: string): unknown => parse(readFileSync(join(ROOT, "deploy", path), "utf8"));

const variable = z.strictObject({ name: z.string(), value: z.string() });
const mount = z.strictObject({ name: z.string(), mountPath: z.string().startsWith("/") });
const described = z.strictObject({ name: z.string(), description: z.string(), default: z.string().optional() });

/** The fields of a Task that the example uses (https://github.com/tektoncd/pipeline/blob/v1.6.0/docs/tasks.md). */
const taskSchema = z.strictObject({
  apiVersion: z.literal("tekton.dev/v1"),
  kind: z.literal("Task"),
  metadata: z.strictObject({
    name: z.string(),
    labels: z.record(z.string(), z.string()),
    annotations: z.record(z.string(), z.string()),
  }),
  spec: z.strictObject({
    description: z.string(),
    params: z.array(described),
    results: z.array(described),
    workspaces: z.array(
      z.strictObject({ name: z.string(), description: z.string().optional(), optional: z.boolean().optional() }),
    ),
    stepTemplate: z.strictObject({ env: z.array(variable), volumeMounts: z.array(mount) }),
    steps: z.array(
      z.strictObject({
        name: z.string(),
        image: z.string(),
        command: z.array(z.string()).optional(),
        args: z.array(z.string()).optional(),
        script: z.string().optional(),
        env: z.array(variable).optional(),
        securityContext: z.strictObject({ runAsUser: z.int() }).optional(),
        computeResources: z
          .strictObject({ requests: z.record(z.string(), z.string()), limits: z.record(z.string(), z.string()) })
          .optional(),
        volumeMounts: z.array(mount).optional(),
      }),
    ),
    volumes: z.array(
      z.strictObject({ name: z.string(), emptyDir: z.strictObject({ sizeLimit: z.string().optional() }) }),
    ),
  }),
});

/** ClusterLifecycle of kpack v1alpha2. */
const clusterLifecycleSchema = z.strictObject({
  apiVersion: z.literal("kpack.io/v1alpha2"),
  kind: z.literal("ClusterLifecycle"),
  metadata: z.strictObject({ name: z.string() }),
  spec: z.strictObject({
    image: z.string(),
    serviceAccountRef: z.strictObject({ name: z.string(), namespace: z.string() }),
  }),
});

test("the Tekton task is a task, and every name that it refers to is defined", () => {
  const { spec } = taskSchema.parse(read("tekton/task.yaml"));
  const text = JSON.stringify(spec);
  const names = (pattern: RegExp) => new Set([...text.matchAll(pattern)].map((match) => match[1]));
  expect(names(/\$\(params\.(\w+)\)/g)).toEqual(new Set(spec.params.map(({ name }) => name)));
  expect(names(/\$\(workspaces\.(\w+)\.path\)/g)).toEqual(new Set(spec.workspaces.map(({ name }) => name)));
  expect(names(/\$\(results\.(\w+)\.path\)/g)).toEqual(new Set(spec.results.map(({ name }) => name)));
  const mounted = [...spec.stepTemplate.volumeMounts, ...spec.steps.flatMap(({ volumeMounts = [] }) => volumeMounts)];
  expect(new Set(mounted.map(({ name }) => name))).toEqual(new Set(spec.volumes.map(({ name }) => name)));
});

test("its variables are the exporter's", () => {
  const { spec } = taskSchema.parse(read("tekton/task.yaml"));
  const known = new Set<string | undefined>(["CNB_PLATFORM_API", "DOCKER_CONFIG", ...ALL_FLAGS.map(({ env }) => env)]);
  const used = [spec.stepTemplate, ...spec.steps].flatMap(({ env = [] }) => env.map(({ name }) => name));
  expect(used.filter((name) => !known.has(name))).toEqual([]);
});

test("docs/drop-in.md shows the lifecycle of the sample builder, and pushes the image that the ClusterLifecycle names", () => {
  const page = readFileSync(join(ROOT, "docs", "drop-in.md"), "utf8");
  const builder = readFileSync(join(ROOT, "deploy", "pack", "builder.toml"), "utf8");
  const [lifecycle = ""] = /^\[lifecycle\]\nuri = .*$/m.exec(builder) ?? [];
  expect(page).toContain(`\`\`\`toml\n${lifecycle}\n\`\`\``);
  const { image } = clusterLifecycleSchema.parse(read("kpack/clusterlifecycle.yaml")).spec;
  expect(page).toContain(`docker://localhost:5000/${image.slice(image.lastIndexOf("/") + 1)}\n`);
});

/** A collector's configuration (https://opentelemetry.io/docs/collector/configuration/). */
const components = z.record(z.string(), z.unknown());
const collectorSchema = z.strictObject({
  ...{ extensions: components, receivers: components, processors: components },
  ...{ connectors: components, exporters: components },
  service: z.strictObject({
    extensions: z.array(z.string()),
    pipelines: z.record(
      z.enum(["traces", "metrics"]),
      z.strictObject({
        receivers: z.array(z.string()),
        processors: z.array(z.string()).optional(),
        exporters: z.array(z.string()),
      }),
    ),
  }),
});

test("each component of the collector's configuration is used, and the other way round", () => {
  const { service, connectors, ...defined } = collectorSchema.parse(read("opentelemetry/collector.yaml"));
  const pipelines = Object.values(service.pipelines);
  const used = (kind: "receivers" | "processors" | "exporters") =>
    new Set(pipelines.flatMap((pipeline) => pipeline[kind] ?? []));
  const names = (...tables: readonly object[]) => new Set(tables.flatMap(Object.keys));
  expect(used("receivers")).toEqual(names(defined.receivers, connectors));
  expect(used("processors")).toEqual(names(defined.processors));
  expect(used("exporters")).toEqual(names(defined.exporters, connectors));
  expect(new Set(service.extensions)).toEqual(names(defined.extensions));
});

test("the ClusterLifecycle is one", () => {
  expect(clusterLifecycleSchema.parse(read("kpack/clusterlifecycle.yaml")).spec.image).toMatch(/:0\.21\.17$/);
});
