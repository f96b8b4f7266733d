// A pair of virtual network interfaces, one end of it in a namespace of its own: packets go through
// the whole stack, without loopback's shortcuts. This needs root and ip(8). The addresses are
// reserved for benchmarks (RFC 2544), and lead nowhere else.
import { spawnSync } from 'node:child_process';
import process from 'node:process';

const here = '198.18.0.1';
const there = '198.18.0.2';

/** @param {string} command */
function ip(command) {
  const { status, error, stderr } = spawnSync('ip', command.split(' '), { encoding: 'utf8' });
  if (error !== undefined) throw new Error(`ip: ${error.message}`);
  if (status !== 0) throw new Error(`ip ${command}: ${stderr.trim()}`);
}

/**
 * @returns {{ here: string, there: string, inside: string[], close: () => void }} `inside` begins a
 *   command that runs at the other end.
 * @throws {Error} If this user may not make one.
 */
export function openVeth() {
  const name = `ssbench${String(process.pid)}`;
  const [near, far] = [
    `ssb${String(process.pid % 100000)}a`,
    `ssb${String(process.pid % 100000)}b`,
  ];
  ip(`netns add ${name}`);
  try {
    ip(`link add ${near} type veth peer name ${far} netns ${name}`);
    ip(`address add ${here}/30 dev ${near}`);
    ip(`link set ${near} up`);
    ip(`-n ${name} address add ${there}/30 dev ${far}`);
    ip(`-n ${name} link set ${far} up`);
    ip(`-n ${name} link set lo up`);
  } catch (error) {
    ip(`netns delete ${name}`);
    throw error;
  }
  // The near end goes with the far one, which goes with its namespace.
  return {
    here,
    there,
    inside: ['ip', 'netns', 'exec', name],
    close: () => ip(`netns delete ${name}`),
  };
}
