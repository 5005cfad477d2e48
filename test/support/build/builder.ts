import { chmodSync, chownSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { tempTree } from "../files/temp-tree.ts";

const DETECT = "#!/bin/sh\nexit 0\n";

/** Makes a layer for both images, one that the previous image already has, SBOMs, a label and a process. */
const JDK = `#!/bin/sh
set -eu
echo "jdk: uid $(id -u), home $HOME, value $(cat value)"
layers=$CNB_LAYERS_DIR
value=$(cat value)
# All that is restored of a layer's own metadata is its value.
if ! grep -q "value = \\"$value\\"" "$layers/jdk.toml" 2>/dev/null || ! [ -d "$layers/jdk" ]; then
  echo "jdk: making jdk"
  rm -rf "$layers/jdk"
  mkdir -p "$layers/jdk/bin" "$layers/jdk/lib"
  printf '#!/bin/sh\\necho %s\\n' "$value" > "$layers/jdk/bin/java"
  chmod 755 "$layers/jdk/bin/java"
  seq 1 20000 > "$layers/jdk/lib/modules"
  ln -s lib/modules "$layers/jdk/link"
fi
if ! grep -q "value = \\"$value\\"" "$layers/launch-only.toml" 2>/dev/null; then
  echo "jdk: making launch-only"
  mkdir -p "$layers/launch-only"
  seq 1 9000 > "$layers/launch-only/numbers"
  echo "$value" > "$layers/launch-only/value"
fi
printf '[types]\\nlaunch = true\\ncache = true\\nbuild = true\\n[metadata]\\nvalue = "%s"\\n' "$value" > "$layers/jdk.toml"
printf '[types]\\nlaunch = true\\n[metadata]\\nvalue = "%s"\\n' "$value" > "$layers/launch-only.toml"
echo '{"bomFormat":"CycloneDX","layer":"jdk"}' > "$layers/jdk.sbom.cdx.json"
echo '{"bomFormat":"CycloneDX","all":"launch"}' > "$layers/launch.sbom.cdx.json"
cat > "$layers/launch.toml" <<'EOF'
[[labels]]
key = "samples.jdk"
value = "yes"

[[slices]]
paths = ["static/*.html"]

[[processes]]
type = "web"
command = ["java"]
args = ["-jar", "app.jar"]
default = true
EOF
printf '[metadata]\\nbuilt = "%s"\\n' "$value" > "$layers/store.toml"
`;

const MAVEN = `#!/bin/sh
set -eu
layers=$CNB_LAYERS_DIR
[ -d "$layers/repository" ] && echo "maven: found repository"
mkdir -p "$layers/repository"
seq 1 30000 > "$layers/repository/artifacts"
printf '[types]\\ncache = true\\n[metadata]\\nkind = "repository"\\n' > "$layers/repository.toml"
printf '[[processes]]\\ntype = "task"\\ncommand = ["mvn"]\\n' > "$layers/launch.toml"
`;

const descriptor = (id: string) => `api = "0.10"
[buildpack]
id = "${id}"
version = "0.1.0"
homepage = "https://example.com/${id}"
sbom-formats = ["application/vnd.cyclonedx+json"]
[[targets]]
os = "linux"
[[stacks]]
id = "*"
`;

const ORDER = `[[order]]
[[order.group]]
id = "samples/jdk"
version = "0.1.0"
[[order.group]]
id = "samples/maven"
version = "0.1.0"
`;

/** Not root, because no phase builds as root. */
export const BUILD_USER =
  process.getuid?.() === 0 ? { uid: 1000, gid: 1000 } : { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };

/** A builder image and a platform before a build: two buildpacks that are shell scripts, and an app. */
export class Builder {
  readonly root: string;
  readonly layersDir: string;

  constructor(runImage: string) {
    this.root = tempTree({
      "buildpacks/samples_jdk/0.1.0/buildpack.toml": descriptor("samples/jdk"),
      "buildpacks/samples_jdk/0.1.0/bin/detect": DETECT,
      "buildpacks/samples_jdk/0.1.0/bin/build": JDK,
      "buildpacks/samples_maven/0.1.0/buildpack.toml": descriptor("samples/maven"),
      "buildpacks/samples_maven/0.1.0/bin/detect": DETECT,
      "buildpacks/samples_maven/0.1.0/bin/build": MAVEN,
      "order.toml": ORDER,
      "run.toml": `[[images]]\nimage = "${runImage}"\n`,
      "stack.toml": `[run-image]\nimage = "${runImage}"\n`,
      "workspace/value": "one\n",
      "workspace/app.jar": "jar\n".repeat(1000),
      "workspace/static/index.html": "<p>hello</p>\n",
      "platform/env/": "",
      "build-config/env/": "",
      "layers/project-metadata.toml": '[source]\ntype = "git"\n[source.version]\ncommit = "abc"\n',
      "sbom/launcher.sbom.cdx.json": "{}\n",
      launcher: '#!/bin/sh\nexec "$@"\n',
      "spool/": "",
      "home/": "",
    });
    this.layersDir = join(this.root, "layers");
    for (const name of ["samples_jdk", "samples_maven"])
      for (const program of ["detect", "build"])
        chmodSync(join(this.root, "buildpacks", name, "0.1.0", "bin", program), 0o755);
    for (const path of [this.root, join(this.root, "workspace"), join(this.root, "spool")])
      chownSync(path, BUILD_USER.uid, BUILD_USER.gid);
  }

  flags(api: string): string[] {
    const below = (path: string) => join(this.root, path);
    const minor = Number(api.slice(2));
    return [
      ...["-app", below("workspace"), "-layers", this.layersDir, "-platform", below("platform")],
      ...["-buildpacks", below("buildpacks"), "-order", below("order.toml"), "-launcher", below("launcher")],
      ...(minor >= 11 ? ["-build-config", below("build-config"), "-launcher-sbom", below("sbom")] : []),
      ...(minor >= 12 ? ["-run", below("run.toml")] : ["-stack", below("stack.toml")]),
      ...["-uid", String(BUILD_USER.uid), "-gid", String(BUILD_USER.gid), "-no-color"],
    ];
  }

  write(path: string, content: string, mode = 0o644): void {
    const target = join(this.root, path);
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, content);
    chmodSync(target, mode);
  }

  /** Leaves the layers directory as the platform does for a new container: with project-metadata.toml only. */
  forget(): void {
    for (const name of readdirSync(this.layersDir))
      if (name !== "project-metadata.toml") rmSync(join(this.layersDir, name), { recursive: true });
  }
}
