// The entry point: one container is Auth or REST, by the variables it is given.
import { AUTH, read, REST, service, SettingsError, unknown } from "./settings.js";

const log = (message) => console.log(`stand-in: ${message}`);

async function main() {
  const chosen = service(process.env);
  if (chosen === "rest") {
    const strange = unknown(process.env, REST, "PGRST_");
    if (strange.length) throw new SettingsError(`the stand-in does not know ${strange.join(", ")}`);
    return (await import("./rest.js")).start(read(process.env, REST), log);
  }
  const ignored = unknown(process.env, AUTH, "GOTRUE_");
  if (ignored.length) log(`only the real service obeys ${ignored.join(", ")}`);
  return (await import("./auth.js")).start(read(process.env, AUTH), log);
}

try {
  const stop = await main();
  for (const signal of ["SIGTERM", "SIGINT"]) process.once(signal, () => stop().then(() => process.exit(0)));
} catch (error) {
  console.error(`stand-in: ${error instanceof SettingsError ? error.message : error.stack}`);
  process.exit(1);
}
