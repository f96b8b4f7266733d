import { isIP } from 'node:net';

/** Where a command listens or connects. */
export type Endpoint =
  | { readonly kind: 'tcp' | 'udp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix' | 'unixgram'; readonly path: string }
  | { readonly kind: 'fd'; readonly fd: number }
  | { readonly kind: 'stdio' };

/** Wrong arguments. The command prints the message alone, and exits with status 2. */
export class UsageError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'UsageError';
  }
}

export const ENDPOINT_HELP = `  tcp:HOST:PORT     TCP; IPv6 addresses in brackets; an empty HOST is every interface
  udp:HOST:PORT     UDP
  unix:PATH         Unix stream socket; @NAME is Linux's abstract namespace
  unixgram:PATH     Unix datagram socket
  fd:N              an inherited file descriptor
  stdio             standard input and output`;

/** @throws UsageError if the text is not an endpoint, or its kind is not `allowed`. */
export function parseEndpoint(text: string, allowed: readonly Endpoint['kind'][]): Endpoint {
  const endpoint = parse(text);
  if (!allowed.includes(endpoint.kind))
    throw new UsageError(
      `"${text}": ${endpoint.kind} does not work here; use ${allowed.join(', ')}`,
    );
  return endpoint;
}

function parse(text: string): Endpoint {
  if (text === 'stdio' || text === '-') return { kind: 'stdio' };
  const colon = text.indexOf(':');
  const kind = text.slice(0, colon);
  const rest = text.slice(colon + 1);
  if (colon < 0)
    throw new UsageError(
      `"${text}" is not an endpoint: write tcp:HOST:PORT, unix:PATH, fd:N or stdio`,
    );
  switch (kind) {
    case 'tcp':
    case 'udp':
      return { kind, ...parseHostPort(text, rest) };
    case 'unix':
    case 'unixgram':
      if (rest === '') throw new UsageError(`"${text}" has no path: write ${kind}:PATH`);
      return { kind, path: rest.startsWith('@') ? `\0${rest.slice(1)}` : rest };
    case 'fd':
      if (!/^\d+$/.test(rest))
        throw new UsageError(`"${text}": the file descriptor must be a number, as in fd:3`);
      return { kind, fd: Number(rest) };
    default:
      throw new UsageError(`"${text}": unknown kind "${kind}"; use tcp, udp, unix, unixgram or fd`);
  }
}

function parseHostPort(text: string, rest: string): { host: string; port: number } {
  const match = /^(?:\[([^\]]*)\]|([^:]*)):(\d{1,5})$/.exec(rest);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || !(port <= 65535))
    throw new UsageError(
      `"${text}": write HOST:PORT, with a port from 0 to 65535 and IPv6 addresses in brackets`,
    );
  return { host, port };
}

/** The endpoint as a command-line argument. */
export function formatEndpoint(endpoint: Endpoint): string {
  switch (endpoint.kind) {
    case 'tcp':
    case 'udp': {
      const host = isIP(endpoint.host) === 6 ? `[${endpoint.host}]` : endpoint.host;
      return `${endpoint.kind}:${host}:${String(endpoint.port)}`;
    }
    case 'unix':
    case 'unixgram':
      return `${endpoint.kind}:${endpoint.path.replace(/^\0/, '@')}`;
    case 'fd':
      return `fd:${String(endpoint.fd)}`;
    case 'stdio':
      return 'stdio';
  }
}
