#!/usr/bin/env node
// `npx satstile init [FOLDER]` writes a deployment and its secrets; `npx satstile secrets` prints new secrets. Nothing
// that is there already is touched, and nothing is asked of the network.
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const USAGE = `usage: satstile init [FOLDER]   write src/index.js, wrangler.toml, package.json and .dev.vars
       satstile secrets         print five new secrets, as .dev.vars has them
       satstile ready           refuse a deployment that is still set up for this machine (wrangler runs it)`;

const TEMPLATE = fileURLToPath(new URL("./template/", import.meta.url));
const NEVER_IN_GIT = [".dev.vars", ".prod.vars", ".wrangler/", "node_modules/"];

const random = () => randomBytes(32).toString("base64");

// PKCS#8 of an Ed25519 key: 16 fixed bytes and then the 32 of the seed (RFC 8410).
const signingKey = () => Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), randomBytes(32)]).toString("base64");

const secrets = () => `MASTER_KEYS="1:${random()}"
RELAY_SECRETS="whsec_${random()}"
CHALLENGE_SECRET="${random()}"
RECEIPT_KEY="${signingKey()}"
AUDIT_KEY="${random()}"
# What the origin can know the worker by, if it is to: take the # away, and add the name to [secrets] in wrangler.toml.
# ORIGIN_SECRET="${random()}"
`;

// wrangler loads it only where [secrets] required in wrangler.toml names it.
const further = () => `# With \`payouts\` in the policy: take the # away, and in wrangler.toml under [secrets] required as well, or it is not loaded.
# PAYOUT_SECRETS="whsec_${random()}"
`;

// What in a wrangler.toml is still for this machine alone. Environments have tables of their own, which are not looked at.
const leftovers = (toml) => {
  const found = [];
  let table = "";
  for (const line of toml.split(/\r?\n/)) {
    const [, header] = /^\s*\[+\s*([^\]]*?)\s*\]+/.exec(line) ?? [];
    if (header !== undefined) table = header.replace(/["'\s]/g, "");
    const [, name, , value] = /^\s*["']?(\w+)["']?\s*=\s*(["'])(.*?)\2/.exec(line) ?? [];
    if (!/^vars(\.POLICY)?$/.test(table) || !name) continue;
    const isLocal = /^\w+:\/\/(localhost|[\w.-]+\.localhost|127\.[\d.]+|\[::1\]|0\.0\.0\.0)(?=[:/]|$)/i.test(value);
    if ((name === "network" && value === "regtest") || (["origin", "NODE_URL"].includes(name) && isLocal)) found.push(`${name} = "${value}"`);
  }
  return found;
};

// wrangler runs this before each build, and says which command it is for.
const ready = () => {
  const command = process.env.WRANGLER_COMMAND ?? "deploy";
  if (!/deploy|upload/.test(command) || process.env.SATSTILE_DEPLOY_LOCAL === "1" || !existsSync("wrangler.toml")) return;
  const found = leftovers(readFileSync("wrangler.toml", "utf8"));
  if (!found.length) return;
  console.error(`This is still set up for one machine and money without value, and is not deployed:
${found.map((line) => `  ${line}`).join("\n")}
wrangler.toml marks what to change with "deployed:". To deploy it all the same: SATSTILE_DEPLOY_LOCAL=1`);
  process.exitCode = 1;
};

const init = (folder) => {
  const write = (name, text, mode = 0o644) => {
    const file = join(folder, name);
    mkdirSync(dirname(file), { recursive: true });
    try {
      writeFileSync(file, text, { flag: "wx", mode });
      console.log(`  written  ${name}`);
    } catch (error) {
      if (error.code !== "EEXIST") throw error;
      console.log(`  kept     ${name}`);
    }
  };
  for (const entry of readdirSync(TEMPLATE, { recursive: true, withFileTypes: true })) {
    const file = join(entry.parentPath ?? entry.path, entry.name);
    if (entry.isFile()) write(relative(TEMPLATE, file), readFileSync(file));
  }
  write(".gitignore", NEVER_IN_GIT.join("\n") + "\n");
  write(".dev.vars", `# Secrets of the worker on this machine, made by \`satstile init\`. Not for production, not for git.\n${secrets()}${further()}`, 0o600);

  const ignored = readFileSync(join(folder, ".gitignore"), "utf8").split(/\r?\n/);
  if (!ignored.includes(".dev.vars")) console.log("\n.gitignore does not name .dev.vars: add it, so that no secret gets into git.");
  const steps = [
    folder !== "." && `cd ${folder}`,
    !existsSync(join(folder, "node_modules/satstile")) && "npm install",
    "npx wrangler dev",
  ];
  console.log(`
Say in wrangler.toml what is protected and what it costs, and give RELAY_SECRETS of .dev.vars to your node webhook. Then:

${steps.filter(Boolean).map((step) => `  ${step}`).join("\n")}

How to deploy it is in node_modules/satstile/README.md.`);
};

const [command, folder = ".", ...more] = process.argv.slice(2);
if (command === "init" && !more.length && !folder.startsWith("-")) init(folder);
else if (command === "ready" && process.argv.length === 3) ready();
else if (command === "secrets" && process.argv.length === 3) process.stdout.write(secrets());
else {
  console.error(USAGE);
  process.exitCode = command === "help" || command === "--help" ? 0 : 1;
}
