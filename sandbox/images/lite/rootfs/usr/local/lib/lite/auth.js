// GoTrue's port, paths, tokens, hook and mails around lite's auth API.
import { AsyncLocalStorage } from "node:async_hooks";
import { serve } from "@hono/node-server";
import { App, getAuthSchemaSql, SmtpEmailDriver } from "@supabase/lite";
import { PostgresConnection } from "@supabase/lite/postgres";
import { sql } from "kysely";
import { connection } from "./database.js";
import { bearer, Exchange, keySet, TokenError } from "./tokens.js";

// Lite's own place; GoTrue has none.
const INSIDE = "/auth/v1";
const HOOK = /^pg-functions:\/\/[^/]+\/([A-Za-z0-9_]+)\/([A-Za-z0-9_]+)$/;
const RETRY_MILLISECONDS = 1000;

// Where the request under way wants its mail's link to lead.
const wanted = new AsyncLocalStorage();

function hookIn(uri) {
  const found = HOOK.exec(uri);
  if (!found)
    throw new Error(`GOTRUE_HOOK_CUSTOM_ACCESS_TOKEN_URI is not pg-functions://postgres/<schema>/<function>: ${uri}`);
  return sql.id(found[1], found[2]);
}

// Mails with the links that GoTrue writes: its public place, the path for links, and where the client wants to go on.
class Mails {
  constructor(settings, driver) {
    this.driver = driver;
    this.from = `${settings.GOTRUE_SITE_URL.replace(/\/+$/, "")}${INSIDE}/verify`;
    this.to = new URL(settings.GOTRUE_MAILER_URLPATHS_CONFIRMATION, settings.API_EXTERNAL_URL).href;
  }

  async send(message) {
    if (!this.driver) return undefined;
    const target = wanted.getStore();
    const linked = (text) => {
      const moved = text?.replaceAll(this.from, this.to);
      return target ? moved?.replace(/(redirect_to=)[^&"'<>\s]*/g, `$1${encodeURIComponent(target)}`) : moved;
    };
    return this.driver.send({ ...message, text: linked(message.text), html: linked(message.html) });
  }
}

function mailDriver(settings) {
  // GoTrue drops mails without a server, and says so.
  if (!settings.GOTRUE_SMTP_HOST) return null;
  return new SmtpEmailDriver({
    host: settings.GOTRUE_SMTP_HOST,
    port: settings.GOTRUE_SMTP_PORT,
    ...(settings.GOTRUE_SMTP_USER ? { user: settings.GOTRUE_SMTP_USER, pass: settings.GOTRUE_SMTP_PASS } : {}),
    requireTls: Boolean(settings.GOTRUE_SMTP_USER),
    from: {
      name: settings.GOTRUE_SMTP_SENDER_NAME || settings.GOTRUE_SMTP_ADMIN_EMAIL,
      address: settings.GOTRUE_SMTP_ADMIN_EMAIL,
    },
  });
}

function providers(settings) {
  const found = ["GOOGLE", "GITHUB"].map((name) => {
    const of = (key) => settings[`GOTRUE_EXTERNAL_${name}_${key}`];
    const row = {
      enabled: of("ENABLED"),
      client_id: of("CLIENT_ID"),
      secret: of("SECRET"),
      redirect_uri: of("REDIRECT_URI"),
    };
    return [name.toLowerCase(), { ...row, ...(of("URL") ? { url: of("URL") } : {}) }];
  });
  return Object.fromEntries(found.filter(([, provider]) => provider.enabled));
}

export async function start(settings, log) {
  const keys = await keySet(settings.GOTRUE_JWT_KEYS === "[]" ? settings.GOTRUE_JWT_SECRET : settings.GOTRUE_JWT_KEYS, {
    kid: settings.GOTRUE_JWT_KEY_ID ?? undefined,
  });
  if (settings.GOTRUE_JWT_KEYS !== "[]" && keys.filter((key) => key.signs).length !== 1) {
    throw new Error(
      `GOTRUE_JWT_KEYS: ${keys.some((key) => key.signs) ? "multiple signing keys" : "no signing key"} detected`,
    );
  }
  const exchange = new Exchange(keys);
  const hook = settings.GOTRUE_HOOK_CUSTOM_ACCESS_TOKEN_ENABLED
    ? hookIn(settings.GOTRUE_HOOK_CUSTOM_ACCESS_TOKEN_URI)
    : null;
  const issuer = settings.GOTRUE_JWT_ISSUER || settings.API_EXTERNAL_URL;
  // Lite hands over JSON as text, which its driver would wrap a second time.
  const json = (oid) => ({
    to: oid,
    from: [oid],
    serialize: (value) => (typeof value === "string" ? value : JSON.stringify(value)),
    parse: JSON.parse,
  });
  const database = new PostgresConnection(
    connection(settings.GOTRUE_DB_DATABASE_URL, {
      max: settings.GOTRUE_DB_MAX_POOL_SIZE || 10,
      types: { json: json(114), jsonb: json(3802) },
    }),
  );
  const app = new App({
    connection: database,
    api: { enabled: false, external_url: new URL(settings.API_EXTERNAL_URL).origin },
    studio: { enabled: false },
    auth: {
      enabled: true,
      jwt_secret: exchange.secret,
      jwt_expiry: settings.GOTRUE_JWT_EXP,
      site_url: settings.GOTRUE_SITE_URL,
      additional_redirect_urls: settings.GOTRUE_URI_ALLOW_LIST,
      enable_signup: !settings.GOTRUE_DISABLE_SIGNUP,
      minimum_password_length: settings.GOTRUE_PASSWORD_MIN_LENGTH,
      enable_refresh_token_rotation: settings.GOTRUE_SECURITY_REFRESH_TOKEN_ROTATION_ENABLED,
      refresh_token_reuse_interval: settings.GOTRUE_SECURITY_REFRESH_TOKEN_REUSE_INTERVAL,
      email: {
        enable_signup: settings.GOTRUE_EXTERNAL_EMAIL_ENABLED,
        enable_confirmations: !settings.GOTRUE_MAILER_AUTOCONFIRM,
        double_confirm_changes: settings.GOTRUE_MAILER_SECURE_EMAIL_CHANGE_ENABLED,
        otp_length: settings.GOTRUE_MAILER_OTP_LENGTH,
        otp_expiry: settings.GOTRUE_MAILER_OTP_EXP,
      },
      external: providers(settings),
    },
    options: {
      server: { apiKeys: false, disableStudio: true },
      drivers: { email: new Mails(settings, mailDriver(settings)) },
    },
  });

  // As GoTrue: nothing is served before its tables are there. The schema itself is the platform's.
  const tables = getAuthSchemaSql(true).replace(/^CREATE SCHEMA IF NOT EXISTS auth;/, "");
  for (;;) {
    try {
      await database.driver.begin((session) => session.unsafe(tables));
      break;
    } catch (error) {
      log(`the tables of schema auth are not there yet: ${error.message}`);
      if (error.code === "28P01") process.exit(1);
      await new Promise((resolve) => setTimeout(resolve, RETRY_MILLISECONDS));
    }
  }

  // The token as GoTrue gives it: its claims, the hook's, and a signature that the other services accept.
  async function outside(token) {
    const made = await exchange.made(token);
    const { rows } = await sql`
      select raw_app_meta_data as app, raw_user_meta_data as own, coalesce(phone, '') as phone, is_anonymous as anonymous
      from auth.users where id = ${made.sub}
    `.execute(database.kysely);
    const [user] = rows;
    let claims = {
      iss: issuer,
      ...made,
      aud: settings.GOTRUE_JWT_AUD,
      email: made.email ?? "",
      phone: user.phone,
      app_metadata: user.app ?? {},
      user_metadata: user.own ?? {},
      aal: "aal1",
      amr: [{ method: "password", timestamp: made.iat }],
      is_anonymous: user.anonymous,
    };
    if (hook) {
      const event = JSON.stringify({ user_id: made.sub, claims, authentication_method: "password" });
      const asked = await sql`select ${hook}(${event}::jsonb) as answer`.execute(database.kysely);
      claims = asked.rows[0].answer?.claims;
      if (typeof claims !== "object" || claims === null) throw new Error("the access token hook gave no claims");
    }
    return exchange.outside(claims);
  }

  async function withTokens(answered) {
    const headers = new Headers(answered.headers);
    for (const name of [...headers.keys()]) if (name.startsWith("access-control-")) headers.delete(name);
    const location = headers.get("location");
    const token = location && /[#&]access_token=([^&]+)/.exec(location)?.[1];
    if (token) headers.set("location", location.replace(token, await outside(token)));
    if (!headers.get("content-type")?.startsWith("application/json")) {
      return new Response(answered.body, { status: answered.status, headers });
    }
    const body = await answered.json();
    if (body?.access_token) body.access_token = await outside(body.access_token);
    headers.delete("content-length");
    return Response.json(body, { status: answered.status, headers });
  }

  const admins = settings.GOTRUE_JWT_ADMIN_ROLES;
  const published = {
    keys: JSON.parse(settings.GOTRUE_JWT_KEYS)
      .filter((key) => key.kty !== "oct")
      .map(({ d, key_ops, ...open }) => ({ ...open, key_ops: ["verify"] })),
  };

  async function answer(incoming) {
    const url = new URL(incoming.url);
    if (url.pathname === "/.well-known/jwks.json") {
      return Response.json(published, { headers: { "Cache-Control": "public, max-age=600" } });
    }
    const headers = new Headers(incoming.headers);
    const token = bearer(headers.get("authorization"));
    if (token) {
      try {
        const claims = await exchange.claims(token);
        // Lite has no administration: whom GoTrue would let in finds nothing, everybody else is refused.
        if (url.pathname.startsWith("/admin/") && admins.includes(claims.role)) {
          return Response.json({ code: 404, error_code: "not_found", msg: "the stand-in has no administration" }, { status: 404 });
        }
        headers.set("authorization", `Bearer ${await exchange.inside(claims)}`);
      } catch (error) {
        // Left as it is: refused where a token is needed, ignored where none is.
        if (!(error instanceof TokenError)) throw error;
      }
    }
    const given = incoming.body ? await incoming.text() : undefined;
    const inside = new Request(`${url.origin}${INSIDE}${url.pathname}${url.search}`, {
      method: incoming.method,
      headers,
      // GoTrue reads null as an object without members.
      body: given?.trim() === "null" ? "{}" : given,
    });
    const target = url.searchParams.get("redirect_to") ?? headers.get("redirect_to");
    return withTokens(await wanted.run(target, () => app.fetch(inside)));
  }

  const clean = (incoming) =>
    answer(incoming).catch((error) => {
      log(`request failed: ${error.stack}`);
      return Response.json(
        { code: 500, error_code: "unexpected_failure", msg: "Unexpected failure, please check server logs" },
        { status: 500 },
      );
    });

  const server = serve({
    fetch: clean,
    hostname: settings.GOTRUE_API_HOST,
    port: settings.GOTRUE_API_PORT,
    overrideGlobalObjects: false,
  });
  return async () => {
    await new Promise((resolve) => server.close(resolve));
    await database.close();
  };
}
