// The connection of the stand-in: lite's, with the session of a request as PostgREST sets it up.
import { AsyncLocalStorage } from "node:async_hooks";
import { readFileSync } from "node:fs";
import { PostgresConnection } from "@supabase/lite/postgres";
import { sql } from "kysely";

// What the session of a request is set up from: method, path and headers, and the schema it asks for.
export const request = new AsyncLocalStorage();

// Times as the services write them: 2026-01-31T12:00:00.5+00:00.
const moment = (oid) => ({
  to: oid,
  from: [oid],
  serialize: (value) => value,
  parse: (value) => value.replace(" ", "T").replace(/([+-]\d\d)$/, "$1:00"),
});
const TIMES = { timestamp: moment(1114), timestamptz: moment(1184) };

// A connection string as libpq reads it, for a driver that knows less of TLS.
export function connection(uri, options = {}) {
  const url = new URL(uri);
  const mode = url.searchParams.get("sslmode") ?? "prefer";
  const root = url.searchParams.get("sslrootcert");
  const name = url.searchParams.get("application_name");
  url.search = "";
  const verified = { ca: root ? readFileSync(root) : undefined, rejectUnauthorized: true };
  const ssl = {
    disable: false,
    allow: "prefer",
    prefer: "prefer",
    require: root ? { ...verified, checkServerIdentity: () => undefined } : "require",
    "verify-ca": { ...verified, checkServerIdentity: () => undefined },
    "verify-full": verified,
  }[mode];
  if (ssl === undefined) throw new Error(`unknown sslmode ${mode}`);
  return {
    url: url.href,
    postgresOptions: {
      ...options,
      connection: { ...(name ? { application_name: name } : {}), ...options.connection },
      types: { ...TIMES, ...options.types },
      ssl,
      onnotice: () => {},
    },
  };
}

const quoted = (name) => `"${name.replaceAll('"', '""')}"`;

export class RequestConnection extends PostgresConnection {
  // Lite would make the roles and grant them everything; here the platform's migrations decide.
  rlsState = "active";
  roleSettings = new Map();

  constructor(uri, { pool, options, anonymous, searchPath, hook, introspectAs }) {
    super(connection(uri, { ...options, max: pool }));
    // What a role may see decides what is found, and the service's own role may see nothing.
    this.looking = new PostgresConnection(connection(uri, { max: 1, connection: { role: introspectAs } }));
    Object.assign(this, { anonymous, searchPath, hook });
  }

  async introspect(options) {
    if (options?.useCache && this.introspection) return this.introspection;
    const found = await this.looking.introspect();
    await this.writeCachedIntrospection(found);
    return found;
  }

  // Reads schema and role settings again, and keeps the old until that succeeded.
  async reload() {
    const { rows } = await sql`
      select r.rolname as role, split_part(c, '=', 1) as name, substr(c, strpos(c, '=') + 1) as value
      from pg_catalog.pg_db_role_setting as s
      join pg_catalog.pg_roles as r on r.oid = s.setrole
      cross join unnest(s.setconfig) as c
      join pg_catalog.pg_settings as g on g.name = split_part(c, '=', 1) and g.context = 'user'
      where s.setdatabase in (0, (select oid from pg_catalog.pg_database where datname = current_database()))
    `.execute(this.looking.kysely);
    // Lite answers a failed look with an empty schema; the query above has shown that the database answers.
    await this.introspect();
    const settings = new Map();
    for (const { role, name, value } of rows) {
      settings.set(role, [...(settings.get(role) ?? []), [name, value]]);
    }
    this.roleSettings = settings;
  }

  async applyJwtSessionContext(transaction, vars) {
    const { method, path, headers, schema } = request.getStore();
    const role = vars.auth.jwt?.role ?? this.anonymous;
    const settings = [
      ["search_path", [schema, ...this.searchPath].map(quoted).join(", ")],
      ...(this.roleSettings.get(role) ?? []).filter(([name]) => name !== "search_path"),
      ["role", role],
      ["request.jwt.claims", JSON.stringify({ ...vars.auth.jwt, role })],
      ["request.method", method],
      ["request.path", path],
      ["request.headers", JSON.stringify(headers)],
      ["response.status", ""],
      ["response.headers", ""],
      ...(method === "GET" || method === "HEAD" ? [["transaction_read_only", "on"]] : []),
    ];
    const calls = settings.map(([name, value]) => sql`set_config(${name}, ${value}, true)`);
    await sql`select ${sql.join(calls)}`.execute(transaction);
    if (this.hook) await sql`select ${sql.raw(this.hook)}()`.execute(transaction);
  }

  // Set up above already.
  async applyRpcRequestGucs() {}

  async close() {
    await Promise.all([super.close(), this.looking.close()]);
  }
}
