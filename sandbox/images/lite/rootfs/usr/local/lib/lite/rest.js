// PostgREST's ports, paths and answers around lite's data API.
import { readFileSync } from "node:fs";
import { serve } from "@hono/node-server";
import { App } from "@supabase/lite";
import postgres from "postgres";
import { connection, request, RequestConnection } from "./database.js";
import { openapi } from "./openapi.js";
import { bearer, Exchange, keySet, TokenError } from "./tokens.js";

// Lite's own place; PostgREST has none.
const INSIDE = "/rest/v1";
// The role that may look at everything which is served.
const INTROSPECTS_AS = "service_role";
const RETRY_MILLISECONDS = 1000;
const METHODS = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"];
const HOOK = /^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?$/;

const problem = (status, code, message, headers = {}) =>
  Response.json({ code, details: null, hint: null, message }, { status, headers });

function isEncoded(path) {
  try {
    return Boolean(decodeURIComponent(path));
  } catch {
    return false;
  }
}

// A value, or the content of the file that `@` names.
const contentOf = (value) => (value.startsWith("@") ? readFileSync(value.slice(1), "utf8").trim() : value);

// As many requests at once as there are connections; who waits too long is told so.
class Slots {
  #waiting = [];
  timeouts = 0;

  constructor(size, seconds) {
    this.size = this.free = size;
    this.seconds = seconds;
  }

  get waiting() {
    return this.#waiting.length;
  }

  async take() {
    if (this.free > 0) {
      this.free -= 1;
      return true;
    }
    return new Promise((resolve) => {
      const entry = { resolve };
      entry.timer = setTimeout(() => {
        this.#waiting.splice(this.#waiting.indexOf(entry), 1);
        this.timeouts += 1;
        resolve(false);
      }, this.seconds * 1000);
      this.#waiting.push(entry);
    });
  }

  give() {
    const next = this.#waiting.shift();
    if (!next) {
      this.free += 1;
      return;
    }
    clearTimeout(next.timer);
    next.resolve(true);
  }
}

// The claims were judged before; lite asks neither for a token nor for a key when it finds them here.
async function knownClaims(context, next) {
  const { claims } = request.getStore();
  context.set("apiKeyType", "publishable");
  if (claims) {
    context.set("jwt", claims);
    context.set("userId", claims.sub);
  }
  await next();
}

export async function start(settings, log) {
  // Lite writes every refused request with its stack; PostgREST answers it and is silent.
  console.error = (error) => settings.PGRST_LOG_LEVEL === "debug" && log(error?.message ?? error);
  const hook = settings.PGRST_DB_PRE_REQUEST;
  if (hook && !HOOK.test(hook)) throw new Error(`PGRST_DB_PRE_REQUEST is not the name of a function: ${hook}`);
  const schemas = settings.PGRST_DB_SCHEMAS;
  // One connection of the pool looks at the schema.
  const pool = Math.max(settings.PGRST_DB_POOL - 1, 1);
  const database = new RequestConnection(settings.PGRST_DB_URI, {
    pool,
    options: {
      idle_timeout: settings.PGRST_DB_POOL_MAX_IDLETIME,
      max_lifetime: settings.PGRST_DB_POOL_MAX_LIFETIME,
      prepare: settings.PGRST_DB_PREPARED_STATEMENTS,
    },
    anonymous: settings.PGRST_DB_ANON_ROLE,
    searchPath: settings.PGRST_DB_EXTRA_SEARCH_PATH,
    hook,
    introspectAs: INTROSPECTS_AS,
  });
  const exchange = new Exchange(await keySet(contentOf(settings.PGRST_JWT_SECRET)), {
    audience: settings.PGRST_JWT_AUD,
    remembered: settings.PGRST_JWT_CACHE_MAX_ENTRIES,
  });
  const app = new App({
    connection: database,
    api: {
      enabled: true,
      schemas,
      max_rows: settings.PGRST_DB_MAX_ROWS ?? undefined,
      aggregates_enabled: settings.PGRST_DB_AGGREGATES_ENABLED,
      plan_enabled: false,
    },
    auth: { enabled: false },
    studio: { enabled: false },
    options: { server: { apiKeys: false, disableStudio: true, middlewares: [knownClaims] } },
  });
  // Lite asks for things beside a request's transaction now and then; who holds a connection never waits for another's.
  const slots = new Slots(Math.max(pool - 1, 1), settings.PGRST_DB_POOL_ACQUISITION_TIMEOUT);
  const state = { ready: false, loads: 0, failures: 0 };

  async function answer(incoming) {
    if (!METHODS.includes(incoming.method)) {
      return problem(405, "PGRST117", `Unsupported HTTP method: ${incoming.method}`);
    }
    const url = new URL(incoming.url);
    if (!isEncoded(url.pathname)) return problem(404, "PGRST125", "Invalid path specified in request URL");
    if (/%00/.test(url.search)) return problem(400, "22021", 'invalid byte sequence for encoding "UTF8": 0x00');
    const headers = new Headers(incoming.headers);
    const token = bearer(headers.get("authorization"));
    headers.delete("authorization");
    let claims = null;
    if (token) {
      try {
        claims = await exchange.claims(token);
      } catch (error) {
        if (!(error instanceof TokenError)) throw error;
        return problem(401, error.code, error.message, {
          "WWW-Authenticate": `Bearer error="invalid_token", error_description="${error.message}"`,
        });
      }
    }
    if (!state.ready) {
      return problem(503, "PGRST002", "Could not query the database for the schema cache. Retrying.");
    }
    const reads = ["GET", "HEAD", "OPTIONS"].includes(incoming.method);
    const schema = headers.get(reads ? "accept-profile" : "content-profile") ?? schemas[0];
    if (!schemas.includes(schema)) {
      return problem(406, "PGRST106", `Invalid schema: ${schema}`);
    }
    const about = {
      method: incoming.method,
      path: url.pathname,
      headers: Object.fromEntries(incoming.headers),
      schema,
      claims,
    };
    if (!(await slots.take())) {
      return problem(504, "PGRST003", "Timed out acquiring connection from connection pool.");
    }
    try {
      return await request.run(about, async () => {
        if (url.pathname === "/") return await root(incoming, claims, schema);
        const inside = new Request(`${url.origin}${INSIDE}${url.pathname}${url.search}`, {
          method: incoming.method,
          headers,
          body: incoming.body,
          duplex: "half",
        });
        return await app.fetch(inside);
      });
    } finally {
      slots.give();
    }
  }

  async function root(incoming, claims, schema) {
    if (settings.PGRST_OPENAPI_MODE === "disabled")
      return problem(404, "PGRST126", "Root endpoint metadata is disabled");
    if (!["GET", "HEAD"].includes(incoming.method)) return problem(405, "PGRST117", "Unsupported HTTP method");
    const role = claims?.role ?? settings.PGRST_DB_ANON_ROLE;
    const vars = { auth: { uid: claims?.sub ?? null, role, jwt: claims } };
    try {
      const found = await database.withContext(vars, (session) =>
        openapi(session, { schema, proxy: settings.PGRST_OPENAPI_SERVER_PROXY_URI }),
      );
      return Response.json(found, { headers: { "Content-Type": "application/openapi+json; charset=utf-8" } });
    } catch (error) {
      const raised = /^PT(\d{3})$/.exec(error.code ?? "");
      if (raised) return problem(Number(raised[1]), error.code, error.message);
      if (error.code === "42501") return problem(claims ? 403 : 401, error.code, error.message);
      throw error;
    }
  }

  async function reload(why) {
    try {
      await database.reload();
      state.ready = true;
      state.loads += 1;
      log(`schema cache loaded: ${why}`);
    } catch (error) {
      state.failures += 1;
      log(`schema cache not loaded: ${error.message}`);
      setTimeout(() => reload(why), RETRY_MILLISECONDS).unref();
    }
  }

  // One reload after another, and one for all that was asked for meanwhile.
  let running = null;
  let again = false;
  function schedule(why) {
    if (running) {
      again = true;
      return;
    }
    running = reload(why).finally(() => {
      running = null;
      if (again) {
        again = false;
        schedule(why);
      }
    });
  }

  const { url, postgresOptions } = connection(settings.PGRST_DB_URI, { max: 1 });
  const listener = postgres(url, postgresOptions);
  async function listen() {
    try {
      await listener.listen(
        settings.PGRST_DB_CHANNEL,
        (payload) => ["", "reload schema"].includes(payload) && schedule("asked by the database"),
        () => schedule("connected"),
      );
    } catch (error) {
      log(`no connection to the database: ${error.message}`);
      if (error.code === "28P01") process.exit(1);
      setTimeout(listen, RETRY_MILLISECONDS);
    }
  }
  if (settings.PGRST_DB_CHANNEL_ENABLED) void listen();
  else schedule("start");
  process.on("SIGUSR1", () => schedule("SIGUSR1"));
  process.on("SIGUSR2", async () => {
    try {
      exchange.use(await keySet(contentOf(settings.PGRST_JWT_SECRET)));
      log("keys read again");
    } catch (error) {
      log(`keys not read again, the old ones stay: ${error.message}`);
    }
  });

  async function ready() {
    if (!state.ready) return false;
    try {
      await Promise.race([
        listener`select 1`,
        new Promise((_, reject) => setTimeout(reject, RETRY_MILLISECONDS, new Error("no answer in time"))),
      ]);
      return true;
    } catch {
      return false;
    }
  }

  const metrics = () =>
    Object.entries({
      'pgrst_schema_cache_loads_total{status="SUCCESS"}': state.loads,
      'pgrst_schema_cache_loads_total{status="FAIL"}': state.failures,
      pgrst_db_pool_max: slots.size,
      pgrst_db_pool_available: slots.free,
      pgrst_db_pool_waiting: slots.waiting,
      pgrst_db_pool_timeouts_total: slots.timeouts,
    })
      .map(([name, value]) => `${name} ${value}\n`)
      .join("");

  async function admin(incoming) {
    const { pathname } = new URL(incoming.url);
    if (pathname === "/live") return new Response(null, { status: 200 });
    if (pathname === "/ready") return new Response(null, { status: (await ready()) ? 200 : 503 });
    if (pathname === "/metrics")
      return new Response(metrics(), { headers: { "Content-Type": "text/plain; version=0.0.4" } });
    return new Response(null, { status: 404 });
  }

  async function clean(incoming) {
    const outcome = await answer(incoming).catch((error) => {
      log(`request failed: ${error.stack}`);
      return problem(500, "XX000", "Internal error of the stand-in");
    });
    const answered = new Response(outcome.body, outcome);
    // The gateway says who may ask from where.
    for (const name of [...answered.headers.keys()]) {
      if (name.startsWith("access-control-")) answered.headers.delete(name);
    }
    return answered;
  }

  const servers = [
    serve({
      fetch: clean,
      hostname: settings.PGRST_SERVER_HOST,
      port: settings.PGRST_SERVER_PORT,
      overrideGlobalObjects: false,
    }),
    serve({
      fetch: admin,
      hostname: settings.PGRST_ADMIN_SERVER_HOST,
      port: settings.PGRST_ADMIN_SERVER_PORT,
      overrideGlobalObjects: false,
    }),
  ];
  return async () => {
    await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
    await Promise.all([database.close(), listener.end()]);
  };
}
