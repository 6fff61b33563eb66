// Bundles <gs-player> into one ES module beside the Python package. Workers travel inside it as text, because a module
// served from another origin may not start a worker of its own origin; they start from Blob URLs.
import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const out = join(here, "..", "gscodec", "web");
const common = { bundle: true, minify: true, target: "es2022", legalComments: "none", absWorkingDir: here };

/** `import code from "worker:./x.ts"` is the text of x.ts bundled as a classic script. */
const workers = {
  name: "workers",
  setup(b) {
    b.onResolve({ filter: /^worker:/ }, (args) => ({
      path: join(args.resolveDir, args.path.slice("worker:".length)),
      namespace: "worker",
    }));
    b.onLoad({ filter: /.*/, namespace: "worker" }, async (args) => {
      const result = await build({
        ...common,
        entryPoints: [args.path],
        format: "iife",
        write: false,
        metafile: true,
      });
      const watchFiles = Object.keys(result.metafile.inputs).map((name) => join(here, name));
      return { contents: result.outputFiles[0].text, loader: "text", watchFiles };
    });
  },
};

await mkdir(out, { recursive: true });
await build({
  ...common,
  entryPoints: [join(here, "src", "element.ts")],
  format: "esm",
  outfile: join(out, "gs-player.js"),
  plugins: [workers],
  banner: { js: "/*! gs-player, Apache-2.0; holds fzstd, MIT: see gs-player.licences.txt */" },
});
await build({ ...common, entryPoints: [join(here, "src", "page.ts")], format: "esm", outfile: join(out, "page.js") });
await copyFile(join(here, "index.html"), join(out, "index.html"));
const licence = await readFile(join(here, "node_modules", "fzstd", "LICENSE"), "utf8");
await writeFile(join(out, "gs-player.licences.txt"), `gs-player.js contains fzstd 0.1.1:\n\n${licence}`);
