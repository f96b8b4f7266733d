// The machine, the versions and the settings of the runs.
import { table } from './html.mjs';

/** @typedef {import('../summary.mjs').Summary} Summary */

/** @type {[title: string, of: (run: Summary) => string][]} */
const lines = [
  ['command', ({ command }) => command],
  ['date', ({ environment }) => environment.date],
  [
    'sockscope',
    ({ environment }) =>
      [environment.sockscope, environment.commit].filter((part) => part !== undefined).join(', '),
  ],
  ['V8, libuv', ({ environment: { node } }) => `${node.v8}, ${node.libuv}`],
  [
    'others',
    ({ environment }) =>
      Object.entries(environment.versions)
        .map((entry) => entry.join(' '))
        .join(', '),
  ],
  ['kernel', ({ environment }) => environment.kernel],
  ['processor', ({ environment }) => `${environment.cpu}, ${environment.architecture}`],
  ['TCP congestion control', ({ environment }) => environment.congestionControl ?? 'unknown'],
  ['memory', ({ environment }) => `${(environment.memory / 2 ** 30).toFixed(0)} GiB`],
  ['rounds', ({ net }) => (net === undefined ? '' : rounds(net.settings))],
  [
    'cores',
    ({ net }) => {
      if (net === undefined) return '';
      return net.settings.pinned ? 'client and server pinned to one each' : 'not pinned';
    },
  ],
  [
    'left out',
    ({ net }) =>
      Object.entries(net?.missing ?? {})
        .map((entry) => entry.join(': '))
        .join('; '),
  ],
];

/** @param {Summary['net']['settings']} settings */
function rounds({ rounds: count, seconds, warmup }) {
  return `${String(count)} of ${String(seconds)} s, after ${String(warmup)} s of warm-up`;
}

/** @param {readonly Summary[]} runs */
export function environmentTable(runs) {
  return table(
    ['', ...runs.map(({ environment }) => `Node.js ${environment.node.version}`)],
    lines.map(([title, of]) => ({ cells: [title, ...runs.map(of)] })),
    'texts',
  );
}
