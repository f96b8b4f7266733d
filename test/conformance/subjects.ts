import { newBuiltinBackend } from '#lib/backends/builtin';
import type { ConformanceSubject } from '#lib/conformance/index';
import { constants } from '#lib/socket/platform-constants';
import { NATIVE_SOCKETS, NODE_SOCKETS } from './sockets';

export const native: ConformanceSubject = {
  name: 'native',
  constants,
  newBackend: () => newBuiltinBackend('native'),
  sockets: NATIVE_SOCKETS,
};

const nodeHasAbstractNames = Number(process.versions.node.split('.')[0]) >= 22;
const nodeHasReusePort = /^(22\.(1[2-9]|[2-9]\d)|23\.[1-9]|2[4-9]|[3-9]\d)/.test(
  process.versions.node,
);

export const node: ConformanceSubject = {
  name: 'node',
  constants,
  newBackend: () => newBuiltinBackend('node'),
  sockets: NODE_SOCKETS,
  lacks: [
    'ancillary data',
    'canonical names',
    'exact Unix names',
    'local Unix paths',
    'service names',
    'socket options',
    'taking back a send',
    'Unix datagrams',
    // node:net has no fd there, by which the backend finds the error.
    ...(process.platform === 'win32' ? (['resets behind data'] as const) : []),
    ...(nodeHasAbstractNames ? [] : (['abstract names'] as const)),
    ...(nodeHasReusePort ? [] : (['port sharing'] as const)),
  ],
};
