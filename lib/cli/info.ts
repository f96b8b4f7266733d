import { parseArgs } from 'node:util';
import { constants, nativeInfo, Socket } from '../index';
import { formatTable } from './table';

const HELP = `Usage: sockscope info [--json]

Prints which binary of the addon is loaded, from which file, and what this platform can do.
Each capability is tried, not assumed.

Options:
  --json       print JSON
  -h, --help   this help
`;

interface Capability {
  readonly name: string;
  readonly detail: string;
  readonly available: boolean;
}

export async function info(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: { json: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
    allowPositionals: false,
  });
  if (values.help === true) {
    process.stdout.write(HELP);
    return 0;
  }
  const native = nativeInfo();
  const capabilities = native.available ? listCapabilities() : [];
  const platform = {
    platform: process.platform,
    arch: process.arch,
    node: process.versions.node,
    uv: process.versions.uv,
  };
  if (values.json === true) {
    process.stdout.write(`${JSON.stringify({ ...platform, native, capabilities }, null, 2)}\n`);
    return native.available ? 0 : 1;
  }
  const lines = [
    `Node.js ${platform.node}, libuv ${platform.uv}, ${platform.platform}-${platform.arch}`,
  ];
  if (native.available) {
    lines.push(`native backend: ${native.path} (reactor: ${native.reactor})`);
    const rows = capabilities.map(({ name, available, detail }) => [
      name,
      available ? 'yes' : 'no',
      detail,
    ]);
    lines.push('', formatTable(['capability', 'here', 'what it is'], rows));
  } else {
    lines.push(
      'native backend: not available',
      native.reason,
      "The 'node' backend runs everywhere.",
    );
  }
  process.stdout.write(`${lines.join('\n')}\n`);
  return native.available ? 0 : 1;
}

function listCapabilities(): Capability[] {
  const families: readonly [string, string, string, string][] = [
    ['TCP over IPv4', 'AF_INET', 'SOCK_STREAM', 'ip(7), tcp(7)'],
    ['TCP over IPv6', 'AF_INET6', 'SOCK_STREAM', 'ipv6(7)'],
    ['UDP', 'AF_INET', 'SOCK_DGRAM', 'udp(7)'],
    ['Unix stream', 'AF_UNIX', 'SOCK_STREAM', 'unix(7)'],
    ['Unix datagram', 'AF_UNIX', 'SOCK_DGRAM', 'unix(7)'],
    ['Unix seqpacket', 'AF_UNIX', 'SOCK_SEQPACKET', 'unix(7), raw Socket only'],
    ['VSOCK stream', 'AF_VSOCK', 'SOCK_STREAM', 'vsock(7), raw Socket only'],
    ['netlink', 'AF_NETLINK', 'SOCK_RAW', 'netlink(7), raw Socket only'],
    ['raw IP', 'AF_INET', 'SOCK_RAW', 'raw(7), needs CAP_NET_RAW'],
  ];
  const { IPPROTO_ICMP = 1 } = constants;
  return [
    ...families.map(([name, family, type, detail]) => ({
      name,
      detail,
      available: canCreate(
        constants[family],
        constants[type],
        type === 'SOCK_RAW' && family === 'AF_INET' ? IPPROTO_ICMP : 0,
      ),
    })),
    {
      name: 'fd passing',
      detail: 'SCM_RIGHTS, unix(7)',
      available: constants['SCM_RIGHTS'] !== undefined,
    },
    {
      name: 'credentials',
      detail: 'SCM_CREDENTIALS, unix(7)',
      available: constants['SCM_CREDENTIALS'] !== undefined,
    },
    { name: 'abstract names', detail: 'unix(7)', available: canBindAbstract() },
    {
      name: 'reuse port',
      detail: 'SO_REUSEPORT, socket(7)',
      available: canSet('AF_INET', 'SOCK_STREAM', 'SOL_SOCKET', 'SO_REUSEPORT', 1),
    },
    {
      name: 'UDP offload (GSO)',
      detail: 'UDP_SEGMENT, udp(7)',
      available: canSet('AF_INET', 'SOCK_DGRAM', 'IPPROTO_UDP', 'UDP_SEGMENT', 0),
    },
    {
      name: 'TCP user timeout',
      detail: 'TCP_USER_TIMEOUT, RFC 5482',
      available: canSet('AF_INET', 'SOCK_STREAM', 'IPPROTO_TCP', 'TCP_USER_TIMEOUT', 0),
    },
    {
      name: 'TCP info',
      detail: 'TCP_INFO, tcp(7)',
      available: process.platform === 'linux' && constants['TCP_INFO'] !== undefined,
    },
  ];
}

function canCreate(
  family: number | undefined,
  type: number | undefined,
  protocol: number,
): boolean {
  if (family === undefined || type === undefined) return false;
  return succeeds(() => {
    Socket.create(family, type, protocol).close();
  });
}

function canSet(
  family: string,
  type: string,
  level: string,
  option: string,
  value: number,
): boolean {
  const optionNumber = constants[option];
  if (optionNumber === undefined) return false;
  return succeeds(() => {
    const socket = Socket.create(constants[family] ?? 0, constants[type] ?? 0);
    try {
      socket.setsockopt(constants[level] ?? 0, optionNumber, value);
    } finally {
      socket.close();
    }
  });
}

function canBindAbstract(): boolean {
  if (process.platform !== 'linux') return false;
  return succeeds(() => {
    const socket = Socket.create(constants['AF_UNIX'] ?? 0, constants['SOCK_STREAM'] ?? 0);
    try {
      socket.bind(`\0sockscope-info-${String(process.pid)}`);
    } finally {
      socket.close();
    }
  });
}

/** A system error means "no". Any other error is a defect, and is thrown. */
function succeeds(attempt: () => void): boolean {
  try {
    attempt();
    return true;
  } catch (error) {
    if (typeof (error as { errno?: unknown }).errno === 'number') return false;
    throw error;
  }
}
