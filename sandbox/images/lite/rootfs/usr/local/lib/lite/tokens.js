// Tokens at the edge of the stand-in: verified with the platform's keys as the real services would. Auth's server inside
// takes a single secret, so its tokens are exchanged for those of the platform and back.
import { randomBytes } from "node:crypto";
import { compactVerify, decodeProtectedHeader, errors, importJWK, jwtVerify, SignJWT } from "jose";

export class TokenError extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

const CLOCK_SKEW_SECONDS = 30;
// As long as a request lasts, and a little more.
const INSIDE_SECONDS = 600;

// Keys from a JSON web key set, a list of keys, or a plain secret.
export async function keySet(source, { kid } = {}) {
  let parsed;
  try {
    parsed = JSON.parse(source);
  } catch {
    parsed = [{ kty: "oct", alg: "HS256", kid, k: Buffer.from(source).toString("base64url") }];
  }
  const entries = Array.isArray(parsed) ? parsed : (parsed.keys ?? [parsed]);
  return Promise.all(
    entries.map(async (entry) => {
      const alg = entry.alg ?? { oct: "HS256", EC: "ES256", RSA: "RS256" }[entry.kty];
      const { d, ...open } = entry;
      const signs = (entry.key_ops ?? []).includes("sign");
      const load = (part, use) => importJWK({ ...part, key_ops: part.kty === "oct" ? undefined : [use] }, alg);
      return {
        kid: entry.kid,
        alg,
        signs,
        verifyKey: await load(open, "verify"),
        signKey: entry.kty === "oct" ? await load(open, "sign") : d && (await load(entry, "sign")),
      };
    }),
  );
}

function claimsIn(payload) {
  let claims;
  try {
    claims = JSON.parse(new TextDecoder().decode(payload));
  } catch {
    claims = null;
  }
  if (typeof claims !== "object" || claims === null || Array.isArray(claims)) {
    throw new TokenError("PGRST303", "Parsing claims failed");
  }
  return claims;
}

export class Exchange {
  secret = randomBytes(32).toString("hex");
  #inside = new TextEncoder().encode(this.secret);
  #seen = new Map();

  constructor(keys, { audience = null, remembered = 1000 } = {}) {
    this.keys = keys;
    this.audience = audience;
    this.remembered = remembered;
  }

  use(keys) {
    this.keys = keys;
    this.#seen.clear();
  }

  // The claims of a token that one of the keys signed and that is valid now.
  async claims(token) {
    let known = this.#seen.get(token);
    if (!known) {
      known = await this.#verified(token);
      if (this.#seen.size >= this.remembered) this.#seen.delete(this.#seen.keys().next().value);
      if (this.remembered) this.#seen.set(token, known);
    }
    this.#refuse(known);
    return known;
  }

  async #verified(token) {
    if (token.split(".").length !== 3) {
      throw new TokenError("PGRST301", `Expected 3 parts in JWT; got ${token.split(".").length}`);
    }
    let header;
    try {
      header = decodeProtectedHeader(token);
    } catch {
      throw new TokenError("PGRST301", "JWT cryptographic operation failed");
    }
    const candidates = this.keys.filter(
      (key) => key.alg === header.alg && (header.kid === undefined || key.kid === header.kid),
    );
    for (const key of candidates) {
      try {
        // The signature only: times are judged at each use.
        const { payload } = await compactVerify(token, key.verifyKey, { algorithms: [key.alg] });
        return claimsIn(payload);
      } catch (error) {
        if (!(error instanceof errors.JOSEError)) throw error;
      }
    }
    throw new TokenError(
      "PGRST301",
      candidates.length ? "JWT cryptographic operation failed" : "No suitable key or wrong key type",
    );
  }

  #refuse(claims) {
    const now = Math.floor(Date.now() / 1000);
    for (const name of ["exp", "nbf", "iat"]) {
      if (claims[name] != null && typeof claims[name] !== "number") {
        throw new TokenError("PGRST303", `The JWT '${name}' claim must be a number`);
      }
    }
    if (claims.exp < now - CLOCK_SKEW_SECONDS) throw new TokenError("PGRST303", "JWT expired");
    if (claims.nbf > now + CLOCK_SKEW_SECONDS) throw new TokenError("PGRST303", "JWT not yet valid");
    if (claims.iat > now + CLOCK_SKEW_SECONDS) throw new TokenError("PGRST303", "JWT issued at future");
    const audiences = claims.aud == null ? [] : [claims.aud].flat();
    if (this.audience && audiences.length && !audiences.includes(this.audience)) {
      throw new TokenError("PGRST303", "JWT not in audience");
    }
  }

  // What the server inside is shown instead.
  inside(claims) {
    const now = Math.floor(Date.now() / 1000);
    return new SignJWT({ ...claims, iat: Math.min(claims.iat ?? now, now), exp: now + INSIDE_SECONDS, nbf: undefined })
      .setProtectedHeader({ alg: "HS256", typ: "JWT" })
      .sign(this.#inside);
  }

  // The claims of a token that the server inside made.
  async made(token) {
    return (await jwtVerify(token, this.#inside, { algorithms: ["HS256"] })).payload;
  }

  // A token for the world, signed as the real service signs.
  outside(claims) {
    const key = this.keys.find((candidate) => candidate.signs) ?? this.keys[0];
    return new SignJWT(claims)
      .setProtectedHeader({ alg: key.alg, typ: "JWT", ...(key.kid ? { kid: key.kid } : {}) })
      .sign(key.signKey);
  }
}

export function bearer(header) {
  const found = /^bearer +(\S+)$/i.exec(header ?? "");
  return found && found[1];
}
