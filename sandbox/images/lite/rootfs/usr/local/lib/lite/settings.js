// The environment variables of PostgREST and GoTrue, as the platform's roles write them.
//
// PostgREST's are read strictly: one that is unknown here, or a value that would not be obeyed, stops the start.
// GoTrue has many that only the real service obeys; they are named in the log, so that nobody takes them for enforced.

export class SettingsError extends Error {}

const text = (value) => value;
const list = (value) => value.split(",").map((item) => item.trim());
const number = (value) => {
  if (!/^\d+$/.test(value)) throw new SettingsError(`is not a number: ${value}`);
  return Number(value);
};
const boolean = (value) => {
  if (value !== "true" && value !== "false") throw new SettingsError(`is neither true nor false: ${value}`);
  return value === "true";
};
const oneOf =
  (...allowed) =>
  (value) => {
    if (!allowed.includes(value))
      throw new SettingsError(`the stand-in obeys only ${allowed.join(", ")}, not ${value}`);
    return value;
  };

const REQUIRED = Symbol("required");

// Variable: what reads it, and what holds without it.
export const REST = {
  PGRST_DB_URI: [text, REQUIRED],
  PGRST_DB_SCHEMAS: [list, REQUIRED],
  PGRST_DB_ANON_ROLE: [text, REQUIRED],
  PGRST_DB_EXTRA_SEARCH_PATH: [list, ["public"]],
  PGRST_DB_PRE_REQUEST: [text, null],
  PGRST_DB_MAX_ROWS: [number, null],
  PGRST_DB_POOL: [number, 10],
  PGRST_DB_POOL_ACQUISITION_TIMEOUT: [number, 10],
  PGRST_DB_POOL_MAX_IDLETIME: [number, 30],
  PGRST_DB_POOL_MAX_LIFETIME: [number, 1800],
  PGRST_DB_CHANNEL: [text, "pgrst"],
  PGRST_DB_CHANNEL_ENABLED: [boolean, true],
  PGRST_DB_CONFIG: [oneOf("false"), REQUIRED],
  PGRST_DB_PREPARED_STATEMENTS: [boolean, true],
  PGRST_DB_TX_END: [oneOf("commit"), "commit"],
  PGRST_DB_PLAN_ENABLED: [oneOf("false"), "false"],
  PGRST_DB_AGGREGATES_ENABLED: [boolean, false],
  PGRST_JWT_SECRET: [text, REQUIRED],
  PGRST_JWT_AUD: [text, null],
  PGRST_JWT_CACHE_MAX_ENTRIES: [number, 1000],
  PGRST_OPENAPI_MODE: [oneOf("follow-privileges", "disabled"), "follow-privileges"],
  PGRST_OPENAPI_SERVER_PROXY_URI: [text, null],
  PGRST_SERVER_HOST: [text, "0.0.0.0"],
  PGRST_SERVER_PORT: [number, 3000],
  PGRST_ADMIN_SERVER_HOST: [text, "0.0.0.0"],
  PGRST_ADMIN_SERVER_PORT: [number, REQUIRED],
  PGRST_SERVER_TIMING_ENABLED: [oneOf("false"), "false"],
  PGRST_LOG_LEVEL: [oneOf("crit", "error", "warn", "info", "debug"), "error"],
};

export const AUTH = {
  GOTRUE_DB_DRIVER: [oneOf("postgres"), REQUIRED],
  GOTRUE_DB_DATABASE_URL: [text, REQUIRED],
  GOTRUE_DB_MAX_POOL_SIZE: [number, REQUIRED],
  GOTRUE_API_HOST: [text, "0.0.0.0"],
  GOTRUE_API_PORT: [number, REQUIRED],
  API_EXTERNAL_URL: [text, REQUIRED],
  GOTRUE_SITE_URL: [text, REQUIRED],
  GOTRUE_URI_ALLOW_LIST: [list, []],
  GOTRUE_JWT_SECRET: [text, REQUIRED],
  GOTRUE_JWT_KEYS: [text, "[]"],
  GOTRUE_JWT_KEY_ID: [text, null],
  GOTRUE_JWT_EXP: [number, 3600],
  GOTRUE_JWT_AUD: [text, REQUIRED],
  GOTRUE_JWT_ISSUER: [text, null],
  GOTRUE_JWT_ADMIN_ROLES: [list, ["service_role", "supabase_admin"]],
  GOTRUE_JWT_DEFAULT_GROUP_NAME: [oneOf("authenticated"), "authenticated"],
  GOTRUE_DISABLE_SIGNUP: [boolean, false],
  GOTRUE_PASSWORD_MIN_LENGTH: [number, 6],
  GOTRUE_SECURITY_REFRESH_TOKEN_ROTATION_ENABLED: [boolean, true],
  GOTRUE_SECURITY_REFRESH_TOKEN_REUSE_INTERVAL: [number, 0],
  GOTRUE_EXTERNAL_EMAIL_ENABLED: [boolean, true],
  GOTRUE_MAILER_AUTOCONFIRM: [boolean, false],
  GOTRUE_MAILER_OTP_EXP: [number, 86400],
  GOTRUE_MAILER_OTP_LENGTH: [number, 6],
  GOTRUE_MAILER_SECURE_EMAIL_CHANGE_ENABLED: [boolean, true],
  GOTRUE_MAILER_URLPATHS_CONFIRMATION: [text, "/verify"],
  GOTRUE_SMTP_HOST: [text, ""],
  GOTRUE_SMTP_PORT: [number, 587],
  GOTRUE_SMTP_USER: [text, ""],
  GOTRUE_SMTP_PASS: [text, ""],
  GOTRUE_SMTP_ADMIN_EMAIL: [text, ""],
  GOTRUE_SMTP_SENDER_NAME: [text, ""],
  GOTRUE_HOOK_CUSTOM_ACCESS_TOKEN_ENABLED: [boolean, false],
  GOTRUE_HOOK_CUSTOM_ACCESS_TOKEN_URI: [text, ""],
  ...Object.fromEntries(
    ["GOOGLE", "GITHUB"].flatMap((provider) => [
      [`GOTRUE_EXTERNAL_${provider}_ENABLED`, [boolean, false]],
      [`GOTRUE_EXTERNAL_${provider}_CLIENT_ID`, [text, ""]],
      [`GOTRUE_EXTERNAL_${provider}_SECRET`, [text, ""]],
      [`GOTRUE_EXTERNAL_${provider}_REDIRECT_URI`, [text, ""]],
      [`GOTRUE_EXTERNAL_${provider}_URL`, [text, ""]],
    ]),
  ),
};

// The settings of one service by the variables' names, and the variables it does not know.
export function read(environment, table) {
  const settings = {};
  for (const [name, [parse, fallback]] of Object.entries(table)) {
    const given = environment[name];
    if (given === undefined || (given === "" && fallback === REQUIRED)) {
      if (fallback === REQUIRED) throw new SettingsError(`${name} is missing`);
      settings[name] = fallback;
      continue;
    }
    try {
      settings[name] = parse(given);
    } catch (error) {
      throw new SettingsError(`${name} ${error.message}`);
    }
  }
  return settings;
}

export function unknown(environment, table, prefix) {
  return Object.keys(environment)
    .filter((name) => name.startsWith(prefix) && !(name in table))
    .sort();
}

// Which service this container is, by the variables it was given.
export function service(environment) {
  const names = Object.keys(environment);
  const found = ["GOTRUE_", "PGRST_"].filter((prefix) => names.some((name) => name.startsWith(prefix)));
  if (found.length !== 1) {
    throw new SettingsError(
      `expected the variables of one service, GOTRUE_* or PGRST_*, found ${found.length || "none"}`,
    );
  }
  return found[0] === "PGRST_" ? "rest" : "auth";
}
