// node-oidc-provider with what the clients of this library may meet. For tests only.
//
//   node server.mjs --port 0 --endpoints endpoints.json --modules FOLDER_WITH_NODE_MODULES
//
// --device-ttl S --access-ttl S   lifetimes
// --token-delay-ms N              a slow token endpoint
// --dpop-nonce                    DPoP proofs need a nonce (400 use_dpop_nonce first)
// --tls FOLDER                    https with FOLDER/{ca,server}.pem and server.key; mTLS clients
// --interval S                    "interval" and slow_down, which oidc-provider has not: ours
// --end-with-parent               leave when standard input closes
import { createPrivateKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

const { values: settings } = parseArgs({
  options: {
    port: { type: 'string', default: '0' },
    endpoints: { type: 'string' },
    modules: { type: 'string', default: '.' },
    'device-ttl': { type: 'string', default: '600' },
    'access-ttl': { type: 'string', default: '3600' },
    'token-delay-ms': { type: 'string', default: '0' },
    interval: { type: 'string' },
    'dpop-nonce': { type: 'boolean', default: false },
    tls: { type: 'string' },
    'end-with-parent': { type: 'boolean', default: false },
  },
});

// Packages live in a cache folder, not beside this file, so their place is an argument.
const { resolve: locate } = createRequire(resolve(settings.modules, 'server.mjs'));
const { Provider } = await import(pathToFileURL(locate('oidc-provider')));

const DEVICE_CODE = 'urn:ietf:params:oauth:grant-type:device_code';
const API = 'https://api.example.test/';
const PATHS = {
  device_authorization_endpoint: '/device/auth',
  token_endpoint: '/token',
  revocation_endpoint: '/token/revocation',
  introspection_endpoint: '/token/introspection',
  userinfo_endpoint: '/me',
  metadata: '/.well-known/openid-configuration',
};

// The adapter that oidc-provider brings keeps 1000 entries and drops the oldest, so many device
// flows evict each other. This one forgets nothing.
function mapAdapter() {
  const entries = new Map();
  const idByUserCode = new Map();
  const idByUid = new Map();
  const keysByGrant = new Map();
  return class {
    constructor(model) { this.model = model; }

    key(id) { return `${this.model}:${id}`; }

    async upsert(id, payload) {
      entries.set(this.key(id), payload);
      if (payload.userCode) idByUserCode.set(payload.userCode, id);
      if (payload.uid) idByUid.set(payload.uid, id);
      if (payload.grantId && this.model !== 'Session') {
        if (!keysByGrant.has(payload.grantId)) keysByGrant.set(payload.grantId, new Set());
        keysByGrant.get(payload.grantId).add(this.key(id));
      }
    }

    async find(id) { return entries.get(this.key(id)); }

    async findByUid(uid) { return this.find(idByUid.get(uid)); }

    async findByUserCode(code) { return this.find(idByUserCode.get(code)); }

    async destroy(id) { entries.delete(this.key(id)); }

    async consume(id) { entries.get(this.key(id)).consumed = Math.floor(Date.now() / 1000); }

    async revokeByGrantId(id) {
      for (const key of keysByGrant.get(id) ?? []) entries.delete(key);
      keysByGrant.delete(id);
    }
  };
}

// Clients, by what they are for. The key goes through PEM because Node 20 may deadlock when it
// exports the very key object that it generated as a JWK and collects garbage meanwhile.
const { privateKey } = generateKeyPairSync('ec', {
  namedCurve: 'P-256',
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  publicKeyEncoding: { type: 'spki', format: 'pem' },
});
const jwk = { ...createPrivateKey(privateKey).export({ format: 'jwk' }), kid: 'client-key', alg: 'ES256', use: 'sig' };
const { d, ...publicJwk } = jwk;
const secret = 'correct-horse-battery-staple-for-hs256';
const person = { grant_types: [DEVICE_CODE, 'refresh_token'], application_type: 'native' };
const machine = { grant_types: ['client_credentials'] };
const byCertificate = {
  token_endpoint_auth_method: 'tls_client_auth',
  tls_client_auth_subject_dn: 'CN=client',
  tls_client_certificate_bound_access_tokens: true,
};
const clients = {
  'device-public': { ...person, token_endpoint_auth_method: 'none' },
  'device-basic': { ...person, client_secret: secret },
  'device-dpop': { ...person, token_endpoint_auth_method: 'none', dpop_bound_access_tokens: true },
  'cc-basic': { ...machine, client_secret: secret },
  'cc-post': { ...machine, client_secret: secret, token_endpoint_auth_method: 'client_secret_post' },
  // Every character that RFC 6749 section 2.3.1 wants encoded before base64. No "ä" here: this
  // server holds ids and secrets to VSCHAR (RFC 6749 appendix A), so its UTF-8 octets stand as text.
  odd: { ...machine, client_id: 'odd +%/&=:%C3%A4', client_secret: 'p+%/&=: %C3%A4%2B' },
  'cc-secret-jwt': { ...machine, client_secret: secret, token_endpoint_auth_method: 'client_secret_jwt' },
  'cc-private-jwt': { ...machine, jwks: { keys: [publicJwk] }, token_endpoint_auth_method: 'private_key_jwt' },
  'device-secret-jwt': { ...person, client_secret: secret, token_endpoint_auth_method: 'client_secret_jwt' },
  'device-private-jwt': { ...person, jwks: { keys: [publicJwk] }, token_endpoint_auth_method: 'private_key_jwt' },
  ...(settings.tls && {
    'cc-mtls': { ...machine, ...byCertificate },
    'device-mtls': { ...person, ...byCertificate },
  }),
};
for (const [name, client] of Object.entries(clients)) {
  client.client_id ??= name;
  client.token_endpoint_auth_method ??= 'client_secret_basic';
}

function provide(issuer) {
  const accessTtl = Number(settings['access-ttl']);
  return new Provider(issuer, {
    adapter: mapAdapter(),
    clockTolerance: 0, // 15 seconds by default, too long to watch a token expire
    clients: Object.values(clients).map((c) => ({ redirect_uris: [], response_types: [], ...c })),
    cookies: { keys: [randomBytes(16).toString('hex')] },
    scopes: ['openid', 'profile', 'offline_access', 'api:read', 'api:write'],
    rotateRefreshToken: true, // a second use of a refresh token ends the whole grant
    enabledJWA: { clientAuthSigningAlgValues: ['HS256', 'RS256', 'PS256', 'ES256', 'EdDSA'] },
    clientAuthMethods: [
      'none', 'client_secret_basic', 'client_secret_post', 'client_secret_jwt', 'private_key_jwt',
      ...(settings.tls ? ['tls_client_auth'] : []),
    ],
    ttl: {
      AccessToken: accessTtl,
      ClientCredentials: accessTtl,
      DeviceCode: Number(settings['device-ttl']),
      RefreshToken: 86400,
    },
    features: {
      devInteractions: { enabled: true },
      deviceFlow: { enabled: true },
      clientCredentials: { enabled: true },
      revocation: { enabled: true },
      introspection: { enabled: true },
      userinfo: { enabled: true },
      registration: { enabled: true },
      dPoP: { enabled: true, nonceSecret: randomBytes(32), requireNonce: () => settings['dpop-nonce'] },
      mTLS: {
        enabled: Boolean(settings.tls),
        certificateBoundAccessTokens: Boolean(settings.tls),
        tlsClientAuth: Boolean(settings.tls),
        getCertificate: (ctx) => ctx.socket.getPeerX509Certificate?.()?.toString(),
        certificateAuthorized: (ctx) => ctx.socket.authorized,
        certificateSubjectMatches: (ctx, property, expected) => (
          ctx.socket.getPeerX509Certificate().subject === expected
        ),
      },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (ctx, resource) => ({
          scope: 'api:read api:write',
          audience: resource,
          accessTokenFormat: resource === API ? 'jwt' : 'opaque',
        }),
      },
    },
  });
}

// GET /_stats tells what was asked for and which errors were answered.
function countRequests(provider) {
  const stats = { endpoints: {}, grants: {}, errors: {} };
  const add = (kind, name) => { stats[kind][name] = (stats[kind][name] ?? 0) + 1; };
  const names = Object.fromEntries(Object.entries(PATHS).map(([name, path]) => [path, name]));
  provider.use(async (ctx, next) => {
    if (ctx.path === '/_stats') { ctx.body = stats; return; }
    const name = names[ctx.path];
    if (name === 'token_endpoint') {
      await new Promise((go) => { setTimeout(go, Number(settings['token-delay-ms'])); });
    }
    await next();
    if (!name) return;
    add('endpoints', name);
    if (name === 'token_endpoint') add('grants', ctx.oidc?.params?.grant_type ?? '');
    if (ctx.body?.error) add('errors', ctx.body.error);
  });
}

// Ours, and only with --interval: what RFC 8628 says of "interval" and slow_down.
function enforceInterval(provider, seconds) {
  const polls = new Map();
  provider.use(async (ctx, next) => {
    await next();
    if (ctx.path === PATHS.device_authorization_endpoint && ctx.status === 200) {
      ctx.body = { ...ctx.body, interval: seconds };
    }
    if (ctx.body?.error !== 'authorization_pending') return;
    const now = performance.now();
    const code = ctx.oidc.params.device_code;
    const { at, interval } = polls.get(code) ?? { at: -Infinity, interval: seconds };
    const early = now < at + interval * 1000;
    polls.set(code, { at: now, interval: early ? interval + 5 : interval });
    if (early) ctx.body = { error: 'slow_down', error_description: 'polled too early' };
  });
}

function describe(issuer) {
  const at = (paths) => Object.fromEntries(Object.entries(paths).map(([n, path]) => [n, issuer + path]));
  return {
    issuer,
    endpoints: at({ ...PATHS, verification_uri: '/device', stats: '/_stats' }),
    clients: Object.fromEntries(Object.entries(clients).map(([name, client]) => [name, {
      client_id: client.client_id,
      client_secret: client.client_secret ?? null,
      auth: client.token_endpoint_auth_method,
      jwk: client.jwks ? jwk : null,
    }])),
    scope: 'openid offline_access',
    machine_scope: 'api:read',
    api_resource: API,
  };
}

if (settings['end-with-parent']) process.stdin.resume().on('end', () => process.exit(0));

// The issuer names the port, so the port comes first.
const pem = (name) => readFileSync(join(settings.tls, name));
const server = settings.tls
  ? createTlsServer({
    key: pem('server.key'), cert: pem('server.pem'), ca: pem('ca.pem'),
    requestCert: true, rejectUnauthorized: false, // whether one is needed is the client's setting
  })
  : createServer();
await once(server.listen(Number(settings.port), '127.0.0.1'), 'listening');
const issuer = `${settings.tls ? 'https' : 'http'}://127.0.0.1:${server.address().port}`;
const provider = provide(issuer);
countRequests(provider);
if (settings.interval) enforceInterval(provider, Number(settings.interval));
server.on('request', provider.callback());
writeFileSync(`${settings.endpoints}.partial`, JSON.stringify(describe(issuer), null, 1));
renameSync(`${settings.endpoints}.partial`, settings.endpoints);
