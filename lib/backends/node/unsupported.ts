import { UnsupportedOperationError } from '../../errors';

/** What this backend cannot do, and which module of Node's is the reason. */
export function unsupported(what: string, why: string): UnsupportedOperationError {
  return new UnsupportedOperationError(`The 'node' backend cannot do this: ${what}. ${why}`);
}

/** Control messages: neither net nor dgram has recvmsg(2) or sendmsg(2). */
export async function noAncillary(method: string): Promise<never> {
  throw unsupported(
    `${method}()`,
    'node:net and node:dgram have no ancillary data support: no recvmsg(2) and no sendmsg(2)',
  );
}
