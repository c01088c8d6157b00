// node build.mjs WIT-FOLDER OUT.wasm, where componentize-js is installed.
import { writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { componentize } from "@bytecodealliance/componentize-js";

const [witPath, out] = process.argv.slice(2);
const { component } = await componentize({ sourcePath: fileURLToPath(new URL("app.js", import.meta.url)), witPath, worldName: "app" });
await writeFile(out, component);
