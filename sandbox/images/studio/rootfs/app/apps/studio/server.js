// A stand-in for Supabase Studio where no container registry is in reach: what the database has, as pages to read.
// It takes Studio's variables and Studio's way to the database, so that both are tried without Studio itself.
import { createCipheriv, createHash, randomBytes } from "node:crypto";
import { createServer } from "node:http";

const NEEDED = [
  "HOSTNAME", "PORT", "STUDIO_PG_META_URL", "PG_META_CRYPTO_KEY",
  "POSTGRES_HOST", "POSTGRES_PORT", "POSTGRES_DB", "POSTGRES_PASSWORD",
  "POSTGRES_USER_READ_WRITE", "POSTGRES_USER_READ_ONLY", "PGRST_DB_SCHEMAS",
  "DEFAULT_ORGANIZATION_NAME", "DEFAULT_PROJECT_NAME", "SUPABASE_URL", "SUPABASE_PUBLIC_URL",
  "SUPABASE_ANON_KEY", "SUPABASE_SERVICE_KEY", "AUTH_JWT_SECRET", "SNIPPETS_MANAGEMENT_FOLDER",
];
const LARGEST_BODY = 3 * 1024 * 1024;
const PATIENCE_MS = 60_000;
const HIDDEN = new Set(["information_schema", "pg_catalog", "pg_toast"]);

const missing = NEEDED.filter((name) => !process.env[name]);
if (missing.length) {
  console.error(`studio: not set: ${missing.join(", ")}`);
  process.exit(1);
}
const set = process.env;
const served = set.PGRST_DB_SCHEMAS.split(",");

// --- the way to the database ---

// As crypto-js encrypts with a passphrase: key and vector from MD5 over passphrase and salt, which goes in front.
function encrypted(text, passphrase) {
  const salt = randomBytes(8);
  let derived = Buffer.alloc(0);
  for (let last = Buffer.alloc(0); derived.length < 48; derived = Buffer.concat([derived, last])) {
    last = createHash("md5").update(Buffer.concat([last, Buffer.from(passphrase), salt])).digest();
  }
  const cipher = createCipheriv("aes-256-cbc", derived.subarray(0, 32), derived.subarray(32, 48));
  return Buffer.concat([Buffer.from("Salted__"), salt, cipher.update(text, "utf8"), cipher.final()]).toString("base64");
}

async function meta(path, user, query) {
  const place = `${set.POSTGRES_HOST}:${set.POSTGRES_PORT}/${set.POSTGRES_DB}`;
  const connection = `postgresql://${user}:${set.POSTGRES_PASSWORD}@${place}`;
  const answer = await fetch(new URL(path, set.STUDIO_PG_META_URL), {
    method: query === undefined ? "GET" : "POST",
    headers: {
      "x-connection-encrypted": encrypted(connection, set.PG_META_CRYPTO_KEY),
      ...(query !== undefined && { "content-type": "application/json" }),
    },
    body: query === undefined ? undefined : JSON.stringify({ query }),
    signal: AbortSignal.timeout(PATIENCE_MS),
  });
  return { status: answer.status, body: await answer.json() };
}

async function list(kind, parameters = "") {
  const { status, body } = await meta(`/${kind}${parameters}`, set.POSTGRES_USER_READ_ONLY);
  if (status !== 200) throw new Error(`postgres-meta answered ${status} for ${kind}: ${body.error ?? body.message}`);
  return body.filter((row) => !HIDDEN.has(row.schema));
}

// --- pages ---

class Html {
  constructor(text) {
    this.text = text;
  }
}
const ESCAPES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
const shown = (value) => {
  if (value instanceof Html) return value.text;
  if (Array.isArray(value)) return value.map(shown).join("");
  return String(value ?? "").replace(/[&<>"']/g, (character) => ESCAPES[character]);
};
// Whatever is put into a page is escaped, unless it was made here.
const html = (parts, ...values) =>
  new Html(parts.reduce((text, part, number) => text + shown(values[number - 1]) + part));

const table = (heads, rows) => html`<table><thead><tr>${heads.map((head) => html`<th>${head}</th>`)}</tr></thead>
<tbody>${rows.map((row) => html`<tr>${row.map((cell) => html`<td>${cell}</td>`)}</tr>\n`)}</tbody></table>`;
const yes = (value) => (value ? "yes" : "");

const PAGES = {
  "/project/default": ["Overview", async () => {
    const tables = await list("tables", "?include_columns=false");
    const schemas = [...new Set(tables.map((row) => row.schema))].sort();
    return html`<p>Clients reach the project at <code>${set.SUPABASE_PUBLIC_URL}</code>.</p>
${table(["schema", "tables", "served by REST"], schemas.map((schema) =>
    [schema, tables.filter((row) => row.schema === schema).length, yes(served.includes(schema))]))}`;
  }],
  "/project/default/editor": ["Tables", async () => {
    const tables = (await list("tables")).filter((row) => served.includes(row.schema));
    return html`<p>The tables of the schemas that REST serves: ${served.join(", ")}.</p>${tables.map((row) => html`
<h2 id="${row.schema}.${row.name}">${row.schema}.${row.name}</h2>
<p>${row.comment ?? ""} <small>row security ${row.rls_enabled ? (row.rls_forced ? "on, for its owner too" : "on") : "off"},
about ${row.live_rows_estimate} rows</small></p>
${table(["column", "type", "may be empty", "filled by itself", "comment"], row.columns.map((column) =>
    [column.name, column.format, yes(column.is_nullable), yes(column.default_value !== null || column.is_identity), column.comment]))}`)}`;
  }],
  "/project/default/auth/policies": ["Policies", async () =>
    table(["table", "policy", "for", "to", "sees", "may write"], (await list("policies")).map((row) =>
      [`${row.schema}.${row.table}`, row.name, row.command, row.roles.join(", "), row.definition, row.check]))],
  "/project/default/database/roles": ["Roles", async () =>
    table(["role", "logs in", "superuser", "past row security", "connections at most"], (await list("roles")).map((row) =>
      [row.name, yes(row.can_login), yes(row.is_superuser), yes(row.can_bypass_rls), row.connection_limit]))],
};

const STYLE = `:root { color-scheme: light dark; } body { font: 15px/1.5 system-ui, sans-serif; margin: 0; }
header, main { padding: .75rem 1.5rem; } header { background: #3ecf8e33; } nav a { margin-right: 1rem; }
table { border-collapse: collapse; margin: .5rem 0 1.5rem; } td, th { text-align: left; vertical-align: top; padding: .2rem 1rem .2rem 0; border-bottom: 1px solid #8884; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; } small { opacity: .75; }`;

const page = (title, body) => html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>${title} | ${set.DEFAULT_PROJECT_NAME}</title>
<link rel="stylesheet" href="/style.css"></head><body>
<header><strong>${set.DEFAULT_ORGANIZATION_NAME} / ${set.DEFAULT_PROJECT_NAME}</strong>
<small>A stand-in for Studio: it shows, and edits nothing.</small>
<nav>${Object.entries(PAGES).map(([path, [name]]) => html`<a href="${path}">${name}</a>`)}</nav></header>
<main><h1>${title}</h1>
${body}
</main></body></html>`;

// --- requests ---

async function received(request) {
  const parts = [];
  let size = 0;
  for await (const part of request) {
    size += part.length;
    if (size > LARGEST_BODY) return null;
    parts.push(part);
  }
  return Buffer.concat(parts).toString();
}

async function query(request, reply) {
  // A page of somebody else's cannot send this type without asking first.
  if (!/^application\/json\b/.test(request.headers["content-type"] ?? "")) return reply(415, "json", { message: "JSON, please" });
  const text = await received(request);
  if (text === null) return reply(413, "json", { message: "too large" });
  let asked;
  try {
    asked = JSON.parse(text).query;
  } catch {
    asked = undefined;
  }
  if (typeof asked !== "string") return reply(400, "json", { message: "no query" });
  const { status, body } = await meta("/query", set.POSTGRES_USER_READ_WRITE, asked);
  return reply(status, "json", body);
}

const TYPES = { html: "text/html; charset=utf-8", css: "text/css; charset=utf-8", json: "application/json" };

async function answer(request, reply) {
  const { pathname } = new URL(request.url, "http://studio");
  if (pathname === "/api/platform/pg-meta/default/query" && request.method === "POST") return query(request, reply);
  if (!["GET", "HEAD"].includes(request.method)) return reply(405, "json", { message: "not allowed" });
  if (pathname === "/api/platform/profile") return reply(200, "json", { id: 1, username: set.DEFAULT_ORGANIZATION_NAME });
  if (pathname === "/style.css") return reply(200, "css", STYLE);
  if (pathname === "/") return reply(307, "html", "", { location: "/project/default" });
  if (!Object.hasOwn(PAGES, pathname)) return reply(404, "html", page("Not found", "There is nothing at this path.").text);
  const [title, body] = PAGES[pathname];
  return reply(200, "html", page(title, await body()).text);
}

const server = createServer((request, response) => {
  const reply = (status, type, body, more = {}) => {
    response.writeHead(status, {
      "content-type": TYPES[type],
      "content-security-policy": "default-src 'none'; style-src 'self'",
      "cache-control": "no-store",
      ...more,
    });
    response.end(type === "json" ? JSON.stringify(body) : body);
  };
  answer(request, reply).catch((problem) => {
    console.error(`studio: ${request.method} ${request.url.split("?")[0]}: ${problem.message}`);
    reply(500, "html", page("Something went wrong", problem.message).text);
  });
});
server.listen(Number(set.PORT), set.HOSTNAME, () => console.log(`studio: a stand-in, listening on ${set.HOSTNAME}:${set.PORT}`));
for (const signal of ["SIGTERM", "SIGINT"]) process.on(signal, () => server.close(() => process.exit(0)));
